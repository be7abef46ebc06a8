"""Training: errors into better weights, epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from pondera.choice import Choice, look_up
from pondera.errors import ArgumentError
from pondera.network.network import Network
from pondera.network.precision import precision
from pondera.network.rows import Apply
from pondera.training.divergence import ADVICE, Trace, locate
from pondera.training.epoch import Order, Program, Rows, State, TrainingApply, order_of, run_steps, weight_name
from pondera.training.losses import loss_of
from pondera.training.plan import Plan
from pondera.training.rows import Held, rows_of
from pondera.training.schedules import SCHEDULES, rates
from pondera.training.stopping import COMPLETED, DIVERGED, INTERRUPTED, PATIENCE, Best, Interruption

GLANCE = 0.2  # seconds of steps between two looks at Ctrl-C and the progress display


@dataclass(frozen=True)
class EpochFigures:
    """What one epoch left behind.

    ``validation_metric`` is the accuracy or the RMSE of the outputs on the validation rows; the two validation figures
    are None without such rows.
    """

    epoch: int
    learning_rate: float
    training_loss: float
    validation_loss: float | None
    validation_metric: float | None
    seconds: float


@dataclass(frozen=True)
class Progress:
    """Where training stands, for a display: steps of all epochs, rows a second, and the last epoch's figures."""

    step: int
    steps: int
    epoch: int
    epochs: int
    rows_per_second: float
    figures: EpochFigures | None


@dataclass(frozen=True)
class Fit:
    """A finished training.

    Attributes
    ----------
    weights
        The weights that were kept, in the form they came in.
    network
        The same as a :class:`~pondera.network.network.Network`, where one was trained; else None.
    history
        The figures of every epoch.
    metric
        What ``validation_metric`` is: ``"accuracy"`` or ``"rmse"``.
    best_epoch
        The epoch whose weights were kept, counted from 0; −1 for the start.
    reason
        Why it ended: ``"completed"``, ``"patience"``, ``"interrupted"`` or ``"diverged"``.
    message
        The same as a sentence, with advice.
    state
        The last good state, from which training can go on.
    """

    weights: Any
    network: Network | None
    history: tuple[EpochFigures, ...]
    metric: str
    best_epoch: int
    reason: str
    message: str
    state: State = field(repr=False)


@dataclass(frozen=True)
class _WithoutKey:
    """A plain ``apply(weights, x)`` where training hands a key as well."""

    apply: Apply

    def __call__(self, weights: Any, x: Any, key: Any) -> Any:
        return self.apply(weights, x)


def fit(
    model: Network | Apply,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    plan: Plan | None = None,
    *,
    weights: Any = None,
    sample_weight: npt.ArrayLike | None = None,
    validation: float | tuple[npt.ArrayLike, ...] | None = None,
    split_seed: int | None = None,
    start: State | None = None,
    progress: Callable[[Progress], None] | None = None,
    interruption: Interruption | None = None,
) -> Fit:
    """Train a network, or any pure function of weights and rows.

    Parameters
    ----------
    model
        A :class:`~pondera.network.network.Network`, or a function ``apply(weights, x)`` from (rows, inputs) to
        (rows, outputs), such as a Flax module's ``apply`` or an Equinox module's partition; it is then given
        ``weights``, a pytree of arrays.
    x
        (rows, inputs).
    targets
        (rows,) or (rows, outputs); class numbers (rows,) for softmax cross-entropy.
    plan
        How to train; the default is ``Plan()``.
    sample_weight
        (rows,) at least 0; rows of weight 0 are left out.
    validation
        Rows that are never trained on and decide which epoch's weights are kept: ``(x, targets)`` or
        ``(x, targets, sample_weight)``, or the share of the rows to hold out.
    split_seed
        Draws that share; by default the plan's seed.
    start
        A state to go on from, ``Fit.state`` of an earlier call.
    progress
        Called a few times a second at most, and after every epoch.
    interruption
        Somebody else's Ctrl-C; by default one of its own while it runs.

    Returns
    -------
    Fit

    Raises
    ------
    ShapeError, ArgumentError
        If rows, targets and model do not fit together.

    Examples
    --------
    >>> from pondera.network.dense import Dense
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fitted = fit(Network.create(1, [Dense(1)]), x, 2 * x[:, 0] + 1, Plan(epochs=300, learning_rate=0.1))
    >>> {name: value.round(2).tolist() for name, value in fitted.network.weights.items()}
    {'layers.0.weight': [[2.0]], 'layers.0.bias': [1.0]}
    """
    plan = Plan() if plan is None else plan
    apply, plain, trace, weights = _parts(model, weights)
    with precision(jax.tree.leaves(weights)):
        seed = plan.seed if split_seed is None else split_seed
        rows, held = rows_of(plain, x, targets, sample_weight, validation, Choice.of(plan.loss), seed, weights)
        with nullcontext(interruption) if interruption else Interruption() as asked:
            training = _Training(apply, plain, trace, rows, held, plan, asked, progress)
            state = training.program.start(weights, plan.seed) if start is None else start
            return training.run(state, model if isinstance(model, Network) else None)


def _parts(model: Network | Apply, weights: Any) -> tuple[TrainingApply, Apply, Trace | None, Any]:
    if isinstance(model, Network):
        architecture = model.architecture
        start = dict(model.weights if weights is None else model.with_weights(weights).weights)
        return architecture, architecture, architecture.trace, start
    if not callable(model):
        raise ArgumentError(f"Expected a Network or a function apply(weights, x). Got {type(model).__name__}.")
    if weights is None or not jax.tree.leaves(weights):
        raise ArgumentError("A function apply(weights, x) is trained from weights=, a pytree of arrays. Got none.")
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        if not (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)):
            raise ArgumentError(f"weights=: expected arrays of floats, found {leaf!r:.80} as {weight_name(path)!r}.")
    return _WithoutKey(model), model, None, weights


class _Training:
    """One run of the training loop: epochs of compiled steps, a look at the validation rows after each."""

    def __init__(
        self,
        apply: TrainingApply,
        plain: Apply,
        trace: Trace | None,
        rows: Rows,
        held: Held | None,
        plan: Plan,
        interruption: Interruption,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.plain, self.trace, self.rows, self.held, self.plan = plain, trace, rows, held, plan
        self.interruption, self.progress = interruption, progress
        self.program = Program(
            apply, Choice.of(plan.loss), plan.optimizer, plan.decay, plan.gradient_clip, plan.factors
        )
        self.count = len(rows.x)
        self.batch = min(plan.batch_size, self.count)
        self.steps = -(-self.count // self.batch)  # an epoch
        self.schedule = look_up("schedule", plan.schedule, SCHEDULES)
        self.history: list[EpochFigures] = []
        self.best: Best[Any] = Best()
        self.glance = 1  # steps until the next look; grows to about GLANCE seconds

    def run(self, state: State, network: Network | None) -> Fit:
        """Train to the end of the plan, or until something ends it before."""
        reason, message = COMPLETED, f"All {self.plan.epochs} epochs were trained."
        started = int(state.step) // self.steps
        for epoch in range(started, started + self.plan.epochs):
            begun = time.perf_counter()
            state, losses, trouble = self._epoch(state, epoch, started)
            if trouble is not None:
                reason, message = trouble
                break
            self._note(state, epoch, started, losses, time.perf_counter() - begun)
            self._show(state, epoch, started, len(losses), time.perf_counter() - begun)
            if self.plan.patience is not None and epoch - self.best.epoch >= self.plan.patience:
                reason = PATIENCE
                message = (
                    f"No better epoch came in {self.plan.patience} epochs after epoch {self.best.epoch + 1}; "
                    "the rest of the plan was not trained."
                )
                break
        keep_best = self.best.thing is not None and self.held is not None and self.plan.keep != "last"
        kept: Any = self.best.thing if keep_best else state.weights
        last = self.history[-1].epoch if self.history else -1
        return Fit(
            weights=kept,
            network=None if network is None else Network(network.architecture, kept),
            history=tuple(self.history),
            metric=self._metric(),
            best_epoch=self.best.epoch if keep_best else last,
            reason=reason,
            message=message,
            state=state,
        )

    def _epoch(self, state: State, epoch: int, started: int) -> tuple[State, Any, tuple[str, str] | None]:
        """Take every step of an epoch; return the state, the losses, and what ended training early, if anything."""
        order = self._order(epoch, started)
        losses = np.zeros(self.steps)
        done = 0
        while done < self.steps:
            if self.interruption.requested:
                return state, losses[:done], (INTERRUPTED, self._interrupted(epoch, done))
            last = min(done + self.glance, self.steps)
            begun = time.perf_counter()
            after, some, finite = run_steps(self.program, state, self.rows, order, done, last)
            some = np.asarray(some)[done:last]  # waits for the steps
            if not (np.isfinite(some).all() and finite):
                good, step, where = locate(self.program, self.trace, state, self.rows, order, done, last)
                return good, losses[:step], (DIVERGED, self._diverged(epoch, step, where))
            state, losses[done:last] = after, some
            self._pace(last - done, time.perf_counter() - begun)
            done = last
            if done < self.steps:
                self._show(state, epoch, started, done, time.perf_counter() - begun)
        return state, losses, None

    def _order(self, epoch: int, started: int) -> Order:
        picked, present = order_of(self.plan.seed, epoch, self.count, self.batch)
        steps = range((epoch - started) * self.steps, (epoch - started + 1) * self.steps)
        learning = rates(self.schedule, self.plan.peak, steps, self.plan.epochs * self.steps)
        dtype = self.rows.weights.dtype
        return Order(jnp.asarray(picked), jnp.asarray(present, dtype), jnp.asarray(learning, dtype))

    def _note(self, state: State, epoch: int, started: int, losses: npt.NDArray[np.float64], seconds: float) -> None:
        """Write down the epoch's figures and keep its weights if they are the best so far."""
        loss, miss = (None, None) if self.held is None else self.held.score(self.plain, state.weights)
        end = (epoch - started + 1) * self.steps
        learning = rates(self.schedule, self.plan.peak, range(end - 1, end), self.plan.epochs * self.steps)
        training = float(np.average(losses, weights=self._shares(epoch)))
        shown = None if miss is None else (1 - miss if self._metric() == "accuracy" else miss**0.5)
        self.history.append(EpochFigures(epoch, float(learning[0]), training, loss, shown, seconds))
        cost = miss if self.plan.keep == "metric" else loss
        self.best.offer(state.weights, training if cost is None else cost, epoch)

    def _shares(self, epoch: int) -> npt.NDArray[np.float64]:
        """Return the total weight of each step's rows: (steps,)."""
        picked, present = order_of(self.plan.seed, epoch, self.count, self.batch)
        shares: npt.NDArray[np.float64] = (np.asarray(self.rows.weights, np.float64)[picked] * present).sum(axis=1)
        return shares

    def _metric(self) -> str:
        return loss_of(self.program.loss).metric

    def _pace(self, steps: int, seconds: float) -> None:
        """Let the next look come after about GLANCE seconds of steps. Results do not depend on it."""
        wanted = GLANCE / max(seconds / steps, 1e-9)
        self.glance = int(min(max(wanted, 1), self.glance * 8))

    def _show(self, state: State, epoch: int, started: int, done: int, seconds: float) -> None:
        if self.progress is None:
            return
        taken = (epoch - started) * self.steps + done
        speed = self.batch * min(done, self.glance) / max(seconds, 1e-9)
        self.progress(
            Progress(
                taken,
                self.plan.epochs * self.steps,
                epoch - started,
                self.plan.epochs,
                speed,
                self.history[-1] if self.history else None,
            )
        )

    def _interrupted(self, epoch: int, step: int) -> str:
        return (
            f"Training was interrupted in epoch {epoch + 1}, before step {step + 1} of {self.steps}; "
            f"{self._kept()} were kept."
        )

    def _diverged(self, epoch: int, step: int, where: str) -> str:
        return (
            f"Training stopped at step {epoch * self.steps + step + 1} (epoch {epoch + 1}): the loss or a weight "
            f"became NaN or infinite, first in {where}; {self._kept()} were kept. {ADVICE}"
        )

    def _kept(self) -> str:
        if self.held is not None and self.best.thing is not None and self.plan.keep != "last":
            return f"the weights of the best epoch so far ({self.best.epoch + 1})"
        return "the last good weights"
