"""Trainings of the health zoo: small ones on many tables, in many shapes, each recorded and weighed from outside.

Two halves that share nothing but the code: other tables, widths, depths, activations, optimizers and seeds.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

TRAIN, HELD, TEST = 0.6, 0.2, 0.2
"""Shares of a bundled table's rows."""

ROWS = (600, 200, 1000)
"""Rows of a generated table: to train on, held out, and to weigh the outcome by."""

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Table(NamedTuple):
    """Rows to train on, held out and to test on, of inputs of scale 1; and how many classes (0: a number)."""

    train: tuple[Array, Array]
    held: tuple[Array, Array]
    test: tuple[Array, Array]
    classes: int


@dataclass(frozen=True)
class Shape:
    """A kind of training: the table, the network and the plan.

    Attributes
    ----------
    hidden, activation
        Of the hidden layers; ``norm`` puts a normalization behind each, ``strong`` builds the recipe's network.
    rate
        The learning rate at its peak.
    """

    table: str
    hidden: tuple[int, ...]
    activation: str
    optimizer: str
    rate: float
    batch: int = 32
    epochs: int = 30
    schedule: str = "constant"
    decay: float = 0.0
    norm: bool = False
    strong: bool = False


CHOSEN_ON: tuple[Shape, ...] = (
    Shape("digits", (64,), "relu", "adam", 1e-3, epochs=20),
    Shape("digits", (128, 64), "tanh", "adamw", 1e-3, batch=64, decay=0.01),
    Shape("teacher", (64, 64), "relu", "adam", 2e-3),
    Shape("teacher", (32, 32, 32), "gelu", "momentum", 1e-2),
    Shape("blobs", (32,), "tanh", "sgd", 0.1),
    Shape("blobs", (64, 64), "relu", "adam", 1e-3, norm=True),
    Shape("friedman", (64, 64), "silu", "adam", 2e-3, schedule="cosine"),
    Shape("diabetes", (32,), "relu", "adam", 1e-3, epochs=40),
    Shape("teacher", (64, 64, 64), "mish", "adam", 0.07, batch=64, schedule="coslog4", decay=0.05, strong=True),
    Shape("digits", (64, 64, 64), "selu", "adam", 0.04, batch=64, schedule="coslog4", decay=0.05, strong=True),
    Shape("friedman", (32,) * 6, "relu", "adam", 1e-3),
    Shape("blobs", (32,) * 7, "tanh", "momentum", 1e-2),
)

HELD_OUT: tuple[Shape, ...] = (
    Shape("breast_cancer", (48,), "relu", "rmsprop", 1e-3, epochs=40),
    Shape("breast_cancer", (96, 96), "tanh", "momentum", 1e-2, batch=64),
    Shape("parity", (96, 48), "relu", "adam", 1e-3, epochs=20),
    Shape("parity", (80, 80), "elu", "lion", 3e-4, batch=64, decay=0.1),
    Shape("waves", (100, 100), "relu", "adam", 1e-3, epochs=40),
    Shape("waves", (48, 48, 48), "selu", "nesterov", 1e-2),
    Shape("rings", (80,), "sigmoid", "adam", 1e-2),
    Shape("rings", (48, 48), "leaky_relu", "adamw", 2e-3, norm=True, decay=0.01),
    Shape("wine", (24,), "tanh", "adam", 3e-3, batch=16, epochs=40, schedule="cosine"),
    Shape("waves", (96, 96, 96), "mish", "adam", 0.07, batch=48, schedule="coslog4", decay=0.05, strong=True),
    Shape("parity", (48, 48, 48), "selu", "adam", 0.04, batch=48, schedule="coslog4", decay=0.05, strong=True),
    Shape("rings", (48,) * 6, "relu", "adam", 1e-3),
    Shape("waves", (40,) * 8, "tanh", "nesterov", 5e-3),
)


@dataclass(frozen=True)
class Case:
    """One training of a shape, and what is done to it before it begins.

    Attributes
    ----------
    start
        (weights at the start, random numbers) -> other ones.
    rows
        (table, random numbers) -> another one.
    frozen
        The number of a layer whose weights do not move.
    """

    shape: Shape
    seed: int
    start: Callable[[dict[str, Array], np.random.Generator], dict[str, Array]] | None = None
    rows: Callable[[Table, np.random.Generator], Table] | None = None
    frozen: int | None = None


@dataclass
class Outcome:
    """A training that ended: what its run says, and its networks to be weighed from outside."""

    case: Case
    facts: Any
    table: Table
    fitted: Any
    weights: dict[int, Any] = field(default_factory=dict)  # epoch -> after it
    network: Any = None
    first: Mapping[str, Array] = field(default_factory=dict)

    @property
    def middle(self) -> int:
        """The epoch in the middle."""
        return self.case.shape.epochs // 2

    def loss(self, epoch: int, rows: tuple[Array, Array]) -> float:
        """Return the mean loss on some rows after an epoch; −1 for the last."""
        from pondera.training.losses import loss_of

        kept = self.weights.get(max(self.weights, default=0) if epoch < 0 else epoch)
        if kept is None:
            return float("inf")
        x, y = rows
        out = np.asarray(self.network.with_weights(kept)(x))
        y = y if y.dtype.kind == "i" and out.shape[1] > 1 else y.reshape(-1, 1).astype(out.dtype)
        return float(np.mean(np.asarray(loss_of(loss_name(self.table)).error(out, y))))

    def outputs(self, weights: Any, rows: Array) -> dict[str, Array]:
        """Return what every layer makes of rows, by name: (rows, units)."""
        architecture = self.network.architecture
        return {f"layers.{k}": np.asarray(out) for k, (_, out) in enumerate(architecture.trace(weights, rows))}


@cache
def bundled(name: str) -> tuple[Array, Array, int]:
    import sklearn.datasets

    found = getattr(sklearn.datasets, f"load_{'digits' if name == 'parity' else name}")()
    x, y = found.data.astype(np.float32), found.target
    if name == "diabetes":
        return x, ((y - y.mean()) / y.std()).astype(np.float32), 0
    y = y % 2 if name == "parity" else y
    return x, y.astype(np.int32), int(y.max()) + 1


def generated(name: str, count: int, random: np.random.Generator) -> tuple[Array, Array, int]:
    """Return (count, n) inputs, their targets, and how many classes there are."""
    inputs = {"teacher": 20, "friedman": 10, "blobs": 8, "waves": 12, "rings": 6}[name]
    x = random.standard_normal((count, inputs)).astype(np.float32)
    fixed = np.random.default_rng([inputs, len(name)])
    if name == "friedman":  # Friedman 1991
        u = random.uniform(size=(count, inputs))
        y = 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]
        return ((u - 0.5) * 12**0.5).astype(np.float32), (y - 14.4) / 4.9 + 0.1 * random.standard_normal(count), 0
    if name == "blobs":
        centers = 1.6 * fixed.standard_normal((3, inputs))
        y = random.integers(3, size=count)
        return ((x + centers[y]) / 1.8).astype(np.float32), y.astype(np.int32), 3
    if name == "rings":
        angle = np.arctan2(x[:, 1] + 0.3 * x[:, 2], x[:, 0] - 0.3 * x[:, 3])
        return x, ((angle + np.pi) / (np.pi / 2)).astype(np.int32).clip(0, 3), 4
    w = fixed.standard_normal((inputs, 6)) / np.sqrt(inputs)
    hidden = np.tanh(2 * x @ w) if name == "teacher" else np.sin(1.5 * x @ w)
    y = hidden @ fixed.standard_normal(6)
    return x, y / y.std() + 0.1 * random.standard_normal(count), 0


def table_of(name: str, seed: int) -> Table:
    """Return a table: of generated ones another one for each seed, of bundled ones another split."""
    random = np.random.default_rng([seed, 11])
    if name in ("teacher", "friedman", "blobs", "waves", "rings"):
        x, y, classes = generated(name, sum(ROWS), random)
        ends = (ROWS[0], ROWS[0] + ROWS[1])
    else:
        x, y, classes = bundled(name)
        order = random.permutation(len(x))[:1000]
        x, y = x[order], y[order]
        ends = (int(len(x) * TRAIN), int(len(x) * (TRAIN + HELD)))
        mean, deviation = x[: ends[0]].mean(0), x[: ends[0]].std(0)
        x = np.where(deviation > 1e-6, (x - mean) / np.maximum(deviation, 1e-6), 0)
    x, y = x.astype(np.float32), y if classes else y.astype(np.float32)
    parts = [(x[a:b], y[a:b]) for a, b in ((0, ends[0]), ends, (ends[1], len(x)))]
    return Table(parts[0], parts[1], parts[2], classes)


def loss_name(table: Table) -> str:
    return {0: "squared_error", 2: "binary_cross_entropy"}.get(table.classes, "softmax_cross_entropy")


def network_of(shape: Shape, inputs: int, classes: int, seed: int) -> Any:
    """Return the network of a shape, as training begins."""
    import pondera
    from pondera.training.recipes import recipe_of

    outputs = classes if classes > 2 else 1
    if shape.strong:
        architecture = recipe_of("strong").build(inputs, shape.hidden, shape.activation, outputs)
        return pondera.Network(architecture, architecture.initial(seed))
    weight = "he_normal" if "relu" in shape.activation or shape.activation in ("gelu", "silu") else "lecun_normal"
    if shape.activation in ("tanh", "sigmoid"):
        weight = "glorot_uniform"
    layers: list[Any] = []
    for units in shape.hidden:
        layers.append(pondera.Dense(units, shape.activation, weight=weight))
        layers += [pondera.LayerNorm()] if shape.norm else []
    return pondera.Network.create(inputs, [*layers, pondera.Dense(outputs, weight="glorot_uniform")], seed=seed)


@cache
def frozen(optimizer: str, layer: int) -> Any:
    """Return Optax's optimizer of that name, of learning rate 1, that leaves a layer as it is."""
    import optax

    from pondera.training.optimizers import optimizer_of

    def still(weights: Any) -> Any:
        return {name: name.startswith(f"layers.{layer}.") for name in weights}

    return optax.chain(optimizer_of(optimizer).direction(), optax.scale(-1.0), optax.masked(optax.set_to_zero(), still))


def plan_of(case: Case, table: Table) -> Any:
    import pondera

    shape = case.shape
    return pondera.Plan(
        loss=loss_name(table),
        optimizer=shape.optimizer if case.frozen is None else frozen(shape.optimizer, case.frozen),
        learning_rate=shape.rate,
        schedule=shape.schedule,
        epochs=shape.epochs,
        batch_size=shape.batch,
        weight_decay=shape.decay,
        rate_factors={"scale": 6.0, "bias": 0.1} if shape.strong else {},
        keep="last",
        seed=case.seed,
    )


def trained(case: Case) -> Outcome:
    """Train, record what the default level records where time is no object, and keep what the outcome is weighed by."""
    import pondera
    from pondera.recording.health.facts import Facts
    from pondera.recording.recorder import PartRecorder, Recorder

    random = np.random.default_rng([case.seed, 13])
    table = table_of(case.shape.table, case.seed)
    table = table if case.rows is None else case.rows(table, random)
    network = network_of(case.shape, table.train[0].shape[1], table.classes, case.seed)
    if case.start is not None:
        weights = {name: np.array(value) for name, value in network.weights.items()}
        network = network.with_weights(case.start(weights, random))
    plan = plan_of(case, table)
    kept: dict[int, Any] = {}

    class Keeping(PartRecorder):
        """Keeps the weights after every epoch, too."""

        def offer(self, checkpoint: Any, step: int) -> None:
            if not checkpoint.done and checkpoint.state.epoch:
                kept[int(checkpoint.state.epoch) - 1] = checkpoint.state.weights
            if checkpoint.ending.reason:
                super().offer(checkpoint, step)

    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Recorder(folder) as recorder:
            recorder.schedule = recorder.schedule._replace(share=None)
            recorder.parts[0] = Keeping(recorder, 0)
            fitted = pondera.fit(network, *table.train, plan, validation=table.held, recorder=recorder)
        with pondera.runs.open(folder) as run:
            facts = Facts.of(run)
    return Outcome(case, facts, table, fitted, kept, network, dict(network.weights))


def with_rate(case: Case, factor: float) -> Case:
    """Return the same training at so many times the learning rate."""
    return replace(case, shape=replace(case.shape, rate=case.shape.rate * factor))
