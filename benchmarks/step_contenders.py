"""A training step as each library does it: gather a batch, forward, backward, Adam, keep the loss.

Every function returns a call that trains one epoch on the same rows in the same order from the same weights and gives
the losses of its steps. All of them use their library's own default number of threads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RATE = 1e-3

Epoch = Callable[[], Any]  # -> (steps,) losses


@dataclass(frozen=True)
class Task:
    """Rows, their order, and the network that is trained on them."""

    widths: tuple[int, ...]
    batch: int
    steps: int  # an epoch
    dtype: str = "float32"

    @property
    def name(self) -> str:
        """For example ``2-8-1``."""
        return "-".join(map(str, self.widths))

    @property
    def classes(self) -> bool:
        """Whether it is classification: softmax cross-entropy rather than squared error."""
        return self.widths[-1] > 1

    @property
    def operations(self) -> int:
        """Floating-point operations of the matrix products in a step.

        Forward 2·B·Σ nᵢ·nᵢ₊₁; backward twice that, less the gradient in the inputs of the first layer, which nobody
        computes.
        """
        pairs = [a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True)]
        return 2 * self.batch * (3 * sum(pairs) - pairs[0])

    def rows(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return inputs (rows, n), targets (rows,) and the order of rows (steps, batch)."""
        random = np.random.default_rng(0)
        count = self.batch * self.steps
        x = random.standard_normal((count, self.widths[0])).astype(self.dtype)
        score = x @ random.standard_normal((self.widths[0], self.widths[-1])).astype(self.dtype)
        y = score.argmax(1).astype(np.int32) if self.classes else np.tanh(score[:, 0])
        return x, y, random.permutation(count).astype(np.int32).reshape(self.steps, self.batch)

    def network(self) -> Any:
        """Return the Pondera network whose weights everyone starts from."""
        import pondera

        hidden = [pondera.Dense(units, "relu") for units in self.widths[1:-1]]
        return pondera.Network.create(self.widths[0], [*hidden, pondera.Dense(self.widths[-1])], dtype=self.dtype)

    def weights(self) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Return (weight, bias) of each layer at the start."""
        found = self.network().weights
        return [
            (np.array(found[f"layers.{i}.weight"]), np.array(found[f"layers.{i}.bias"]))
            for i in range(len(self.widths) - 1)
        ]

    @property
    def loss(self) -> str:
        """The loss's name in Pondera."""
        return "softmax_cross_entropy" if self.classes else "squared_error"


def pondera_steps(task: Task) -> Epoch:
    """Whole epochs as one compiled program: what ``pondera.fit`` runs between two looks at its progress."""
    import jax
    import jax.numpy as jnp

    from pondera.choice import Choice
    from pondera.training.epoch import Order, Program, Rows, run_steps

    x, y, order = task.rows()
    network = task.network()
    program = Program(network.architecture.apply, Choice(task.loss), Choice("adam"), 0.0, None, ())
    state = program.start(dict(network.weights), 0)
    rows = Rows(jnp.asarray(x), jnp.asarray(y if task.classes else y[:, None]), jnp.ones(len(x), task.dtype))
    shape = order.shape
    plan = Order(jnp.asarray(order), jnp.ones(shape, task.dtype), jnp.full(shape[0], RATE, task.dtype))

    def epoch() -> Any:
        nonlocal state
        taken = jax.block_until_ready(run_steps(program, state, rows, plan, 0, task.steps))
        state = taken.state
        return np.asarray(taken.losses)

    return epoch


def pondera_fit(task: Task, epochs: int) -> Epoch:
    """A whole call of ``pondera.fit``: checks, copies, orders of rows, history and all, for so many epochs."""
    import pondera

    x, y, _ = task.rows()
    network = task.network()
    plan = pondera.Plan(loss=task.loss, learning_rate=RATE, epochs=epochs, batch_size=task.batch)
    return lambda: pondera.fit(network, x, y, plan)


def torch_eager(task: Task, fused: bool) -> Epoch:
    """PyTorch, one call after the other."""
    import torch

    x, y, order = (torch.as_tensor(part) for part in task.rows())
    layers: list[Any] = []
    for weight, bias in task.weights():
        layer = torch.nn.Linear(*weight.shape, dtype=getattr(torch, task.dtype))
        with torch.no_grad():
            layer.weight.copy_(torch.as_tensor(weight.T.copy()))
            layer.bias.copy_(torch.as_tensor(bias))
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    error = torch.nn.CrossEntropyLoss() if task.classes else torch.nn.MSELoss()
    targets = y.long() if task.classes else y[:, None]
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True if fused else None)
    order = order.long()

    def epoch() -> Any:
        losses = []
        for picked in order:
            optimizer.zero_grad(set_to_none=True)
            loss = error(model(x[picked]), targets[picked])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).numpy()

    return epoch


def sklearn_epoch(task: Task) -> Epoch:
    """scikit-learn's own loop over the batches of an epoch, reached through ``partial_fit``."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, y, _ = task.rows()
    kind = MLPClassifier if task.classes else MLPRegressor
    model = kind(
        hidden_layer_sizes=task.widths[1:-1], batch_size=task.batch, alpha=0.0, learning_rate_init=RATE, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(x, y, **({"classes": np.arange(task.widths[-1])} if task.classes else {}))

    def epoch() -> Any:
        model.partial_fit(x, y)
        return np.asarray(model.loss_curve_[-1:])

    return epoch


def equinox_steps(task: Task) -> Epoch:
    """Equinox and Optax, one jitted call a step."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    x, y, order = (jnp.asarray(part) for part in task.rows())
    batches = list(order)
    widths = task.widths
    model = eqx.nn.MLP(widths[0], widths[-1], widths[1], len(widths) - 2, key=jax.random.PRNGKey(0))
    weights = [jnp.asarray(part) for weight, bias in task.weights() for part in (weight.T, bias)]
    model = eqx.tree_at(lambda m: [p for layer in m.layers for p in (layer.weight, layer.bias)], model, weights)
    optimizer = optax.adam(RATE)
    state = optimizer.init(eqx.filter(model, eqx.is_array))

    def mean_loss(model: Any, rows: Any, targets: Any) -> Any:
        out = jax.vmap(model)(rows)
        if task.classes:
            return optax.softmax_cross_entropy_with_integer_labels(out, targets).mean()
        return jnp.mean((out[:, 0] - targets) ** 2)

    @eqx.filter_jit
    def step(model: Any, state: Any, picked: Any, x: Any, y: Any) -> Any:
        loss, gradients = eqx.filter_value_and_grad(mean_loss)(model, x[picked], y[picked])
        updates, state = optimizer.update(gradients, state)
        return eqx.apply_updates(model, updates), state, loss

    def epoch() -> Any:
        nonlocal model, state
        losses = []
        for picked in batches:
            model, state, loss = step(model, state, picked, x, y)
            losses.append(loss)
        jax.block_until_ready((model, state))
        return np.asarray(jnp.stack(losses))

    return epoch
