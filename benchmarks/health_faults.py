"""Faults that are planted in trainings of the health zoo, and how it is known from outside that they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.health_runs import Array, Case, Outcome, Shape, Table, with_rate

SHARE = 0.1
"""Of the best constant's loss, by which a training must end above the healthy one for a learning rate to be wrong."""


@dataclass(frozen=True)
class Plant:
    """One way to plant a fault.

    Attributes
    ----------
    rule
        That should find it.
    make
        (healthy case, random numbers) -> the case with the fault.
    fits
        Which shapes it can be planted in.
    truth
        (outcome, the healthy one) -> whether the fault is there, weighed on all rows; None where it is so by making.
    """

    rule: str
    make: Callable[[Case, np.random.Generator], Case]
    fits: Callable[[Shape], bool] = lambda shape: True
    truth: Callable[[Outcome, Outcome], bool] | None = None


def _above(outcome: Outcome, healthy: Outcome) -> float:
    """By how much a training ended above the healthy one, by the best constant's loss; on the rows trained on."""
    there, here = outcome.loss(-1, outcome.table.train), healthy.loss(-1, healthy.table.train)
    return (there - here) / healthy.facts.baseline if np.isfinite(there) else np.inf


def _worse(outcome: Outcome, healthy: Outcome) -> bool:
    return outcome.fitted.reason != "diverged" and _above(outcome, healthy) >= SHARE


def _is_diverged(outcome: Outcome, healthy: Outcome) -> bool:
    end = outcome.loss(-1, outcome.table.train)
    return outcome.fitted.reason == "diverged" or not end <= 2 * max(outcome.facts.baseline, 0.0)


def _faster(*factors: float) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, random: with_rate(case, float(random.choice(factors)))


def _descends(case: Case, random: np.random.Generator) -> Case:
    """Plain gradient descent of a linear model, far too fast: deep networks overflow before anybody can speak."""
    rate = float(10 ** random.uniform(0, 0.7))
    shape = replace(case.shape, hidden=(), optimizer="sgd", schedule="constant", rate=rate, decay=0.0)
    return replace(case, shape=shape)


def _shares(outcome: Outcome, look: Callable[[Array], float]) -> list[float]:
    """Return a figure of every hidden layer's outputs on the rows trained on, at the end."""
    last = outcome.weights[max(outcome.weights)]
    out = outcome.outputs(last, outcome.table.train[0])
    return [look(np.asarray(out[layer])) for layer in outcome.facts.hidden]


def dead_share(outcome: Outcome) -> float:
    """Return the largest share of a hidden layer's units that are 0 on all rows at the end, and were not at first."""
    first = outcome.outputs(outcome.first, outcome.table.train[0])
    last = outcome.outputs(outcome.weights[max(outcome.weights)], outcome.table.train[0])
    shares = [
        np.mean((np.asarray(last[k]) == 0).all(axis=0) & (np.asarray(first[k]) != 0).any(axis=0))
        for k in outcome.facts.hidden
    ]
    return float(max(shares, default=0.0))


def flat_share(outcome: Outcome) -> float:
    """Return the largest share of a hidden layer's outputs on the flat ends of its activation at the end."""
    tanh = outcome.case.shape.activation == "tanh"

    def flat(out: Array) -> float:
        slope = 1 - out**2 if tanh else 4 * out * (1 - out)
        return float(np.mean(slope < 0.05))

    return max(_shares(outcome, flat), default=0.0)


def rise_on_test(outcome: Outcome) -> float:
    """Return by what share of its lowest, and a tenth of the best constant's, the loss on rows never seen rose."""
    losses = [outcome.loss(epoch, outcome.table.test) for epoch in sorted(outcome.weights)]
    return (losses[-1] - min(losses)) / (min(losses) + 0.1 * outcome.facts.baseline) if losses else 0.0


def fall_since_middle(outcome: Outcome) -> float:
    """Return by what share the loss on all rows trained on fell in the last half of the epochs."""
    middle, end = outcome.loss(outcome.middle, outcome.table.train), outcome.loss(-1, outcome.table.train)
    return (middle - end) / middle if np.isfinite(middle) and middle > 0 else 0.0


def _scaled_start(layers: str, *factors: float) -> Callable[[Case, np.random.Generator], Case]:
    """Start one hidden layer, or all, with weights that are so many times too large."""

    def make(case: Case, random: np.random.Generator) -> Case:
        factor = float(random.choice(factors))

        def start(weights: dict[str, Array], random: np.random.Generator) -> dict[str, Array]:
            names = [name for name, value in weights.items() if value.ndim == 2][:-1]
            chosen = names if layers == "all" else [names[random.integers(len(names))]]
            return {name: value * factor if name in chosen else value for name, value in weights.items()}

        return replace(case, start=start)

    return make


def _same_start(case: Case, random: np.random.Generator) -> Case:
    """Start all units of the network alike: they stay alike."""

    def start(weights: dict[str, Array], random: np.random.Generator) -> dict[str, Array]:
        return {
            name: np.full_like(value, np.sqrt(np.mean(value**2)) / 2) if value.ndim == 2 else value
            for name, value in weights.items()
        }

    return replace(case, start=start)


def _unused(case: Case, random: np.random.Generator) -> Case:
    """Start some units of a layer where no row reaches them."""

    def start(weights: dict[str, Array], random: np.random.Generator) -> dict[str, Array]:
        layer = random.choice([name[:-7] for name, value in weights.items() if value.ndim == 2][:-1])
        units = weights[f"{layer}.weight"].shape[1]
        chosen = random.choice(units, max(int(units * random.uniform(0.4, 0.8)), 1), replace=False)
        changed = dict(weights)
        changed[f"{layer}.bias"] = np.array(weights[f"{layer}.bias"])
        changed[f"{layer}.bias"][chosen] = -100.0
        return changed

    return replace(case, start=start)


def _frozen(case: Case, random: np.random.Generator) -> Case:
    """Hold one layer: the first, or of an even width another one, as each new one takes a compilation."""
    shape = case.shape
    step = 2 if shape.norm else 1
    return replace(case, frozen=step * (shape.hidden[0] // 16 % len(shape.hidden)))


def _on_rows(change: Callable[[Table, np.random.Generator], Table]) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, random: replace(case, rows=change)


def _on_inputs(change: Callable[[Array], Array]) -> Callable[[Table], Table]:
    def changed(table: Table) -> Table:
        parts = [(change(x).astype(np.float32), y) for x, y in table[:3]]
        return Table(parts[0], parts[1], parts[2], table.classes)

    return changed


def _unscaled(table: Table, random: np.random.Generator) -> Table:
    """Give columns units of their own, as measured tables have: metres and millimetres, years and euros."""
    scales = 10 ** random.uniform(-1, 4, table.train[0].shape[1])
    return _on_inputs(lambda x: x * scales)(table)


def _large(table: Table, random: np.random.Generator) -> Table:
    factor = 10 ** random.uniform(1.5, 3)
    return _on_inputs(lambda x: x * factor)(table)


def _leaked(table: Table, random: np.random.Generator) -> Table:
    """Put the answer into a column, with 0.3 to 20 % of noise, as what is only known afterwards is."""
    column, noise = int(random.integers(table.train[0].shape[1])), 10 ** random.uniform(-2.5, -0.7)
    parts = []
    for x, y in table[:3]:
        x = np.array(x)
        x[:, column] = (y - table.train[1].mean()) / table.train[1].std() + noise * random.standard_normal(len(y))
        parts.append((x, y))
    return Table(parts[0], parts[1], parts[2], table.classes)


def _wrong_labels(table: Table, random: np.random.Generator) -> Table:
    """Draw 30 to 50 % of the labels anew."""
    share = random.uniform(0.3, 0.5)
    parts = []
    for x, y in table[:2]:
        wrong = random.random(len(y)) < share
        parts.append((x, np.where(wrong, random.integers(table.classes, size=len(y)), y).astype(y.dtype)))
    return Table(parts[0], parts[1], table.test, table.classes)


def _imbalanced(table: Table, random: np.random.Generator) -> Table:
    """Leave few rows of all classes but the first, and inputs that say little of them."""
    share = random.uniform(0.01, 0.03)
    parts = []
    for x, y in table[:3]:
        first, others = np.flatnonzero(y == 0), np.flatnonzero(y != 0)
        rare = max(int(share * len(y)), table.classes - 1)
        forced = [np.flatnonzero(y == k)[:1] for k in range(1, table.classes)]
        chosen = np.concatenate([*forced, random.choice(others, max(rare - len(forced), 0))])
        rows = np.concatenate([chosen, random.choice(first, len(y) - len(chosen))])
        rows = random.permutation(rows.astype(int))
        noise = 2.5 * random.standard_normal((len(y), x.shape[1]))
        parts.append((((x[rows] + noise) / 2.7).astype(np.float32), y[rows]))
    return Table(parts[0], parts[1], parts[2], table.classes)


def _few(table: Table, random: np.random.Generator) -> Table:
    """Leave 64 rows to train on, and answers that are partly chance."""
    rows = random.permutation(len(table.train[0]))[:64]
    parts = []
    for x, y in (tuple(part[rows] for part in table.train), *table[1:3]):
        if table.classes:
            y = np.where(random.random(len(y)) < 0.2, random.integers(table.classes, size=len(y)), y).astype(y.dtype)
        else:
            y = ((y + 0.7 * random.standard_normal(len(y))) / 1.2).astype(np.float32)
        parts.append((x, y))
    return Table(parts[0], parts[1], parts[2], table.classes)


def _overfit(case: Case, random: np.random.Generator) -> Case:
    shape = replace(case.shape, epochs=200, schedule="constant", decay=0.0)
    return replace(case, shape=shape, rows=_few)


def _is_sgd(shape: Shape) -> bool:
    return shape.optimizer in ("sgd", "momentum", "nesterov")


def _plain(shape: Shape) -> bool:
    return not shape.strong


def _classes(shape: Shape) -> bool:
    return shape.table in ("digits", "blobs", "breast_cancer", "parity", "rings", "wine")


def _deep(shape: Shape) -> bool:
    return len(shape.hidden) >= 6


def _activation(case: Case, random: np.random.Generator) -> Case:
    return replace(case, shape=replace(case.shape, activation="sigmoid"))


def _two_rows(case: Case, random: np.random.Generator) -> Case:
    rate = case.shape.rate * float(random.choice([5, 10, 30]))
    return replace(case, shape=replace(case.shape, batch=2, epochs=max(case.shape.epochs // 4, 5), rate=rate))


def _longer(change: Callable[[Table, np.random.Generator], Table]) -> Callable[[Case, np.random.Generator], Case]:
    """Change the rows, and train three times as long: until the network knows them by heart."""

    def make(case: Case, random: np.random.Generator) -> Case:
        return replace(case, rows=change, shape=replace(case.shape, epochs=3 * case.shape.epochs))

    return make


def rare_recall(outcome: Outcome) -> float:
    """Return the share of the rows of all classes but the first that are told as such, among rows never seen."""
    x, y = outcome.table.test
    out = np.asarray(outcome.network.with_weights(outcome.weights[max(outcome.weights)])(x))
    said = out.argmax(axis=1) if out.shape[1] > 1 else (out[:, 0] > 0).astype(int)
    return float(np.mean(said[y != 0] == y[y != 0]))


def _few_shapes(shape: Shape) -> bool:
    """Whether a shape is among those that something is planted in which takes a compilation of its own."""
    return _plain(shape) and len(shape.hidden) < 3 and not shape.norm


def _stuck_at_baseline(case: Case, random: np.random.Generator) -> Case:
    """Answers that have nothing to do with the inputs, and a network too small to learn them by heart."""

    def rows(table: Table, random: np.random.Generator) -> Table:
        parts = [(x, random.permutation(y)) for x, y in table[:3]]
        parts = [(x / 30, y) for x, y in parts]
        return Table(parts[0], parts[1], parts[2], table.classes)

    return replace(case, rows=rows)


def _settled(case: Case, random: np.random.Generator) -> Case:
    """A network of two units, trained until it has learned what it can."""
    shape = replace(case.shape, hidden=(2,), norm=False, epochs=100, rate=case.shape.rate * 3, schedule="constant")
    return replace(case, shape=shape)


PLANTS: tuple[Plant, ...] = (
    Plant("loss diverging", _faster(10, 30, 100, 300), _is_sgd, _is_diverged),
    Plant("loss diverging", _faster(1000, 3000), lambda s: _plain(s) and not _is_sgd(s), _is_diverged),
    Plant(
        "NaN ahead",
        _descends,
        lambda s: not _classes(s) and len(s.hidden) < 6,
        lambda outcome, healthy: outcome.fitted.reason == "diverged" and outcome.facts.taken >= 8,
    ),
    Plant("weights never moved", _faster(1e-6, 1e-7, 0)),
    Plant("learning rate too high", _faster(10, 30, 100), truth=_worse),
    Plant("learning rate too high", _faster(30, 100, 300), lambda s: not _is_sgd(s), _worse),
    Plant("learning rate too low", _faster(1e-2, 1e-3), truth=_worse),
    Plant("inputs not scaled", _on_rows(_unscaled), _plain),
    Plant("inputs not scaled", _on_rows(_large), _plain),
    Plant("bad initialization", _scaled_start("all", 0.01, 0.03, 20, 50), lambda s: _plain(s) and not s.norm),
    Plant("bad initialization", _scaled_start("one", 0.01, 0.03, 20, 50), lambda s: _plain(s) and not s.norm),
    Plant("bad initialization", _same_start, lambda s: _plain(s) and not s.norm),
    Plant("vanishing gradients", _activation, _deep, _worse),
    Plant("vanishing gradients", _scaled_start("all", 0.1, 0.2, 0.3), _deep, _worse),
    Plant("vanishing gradients", _scaled_start("all", 0.03, 0.1, 0.2), _deep, _worse),
    Plant("exploding gradients", _scaled_start("all", 2.5, 3, 4, 6), _deep, _worse),
    Plant("exploding gradients", _scaled_start("all", 2.5, 3, 4), _deep, _worse),
    Plant("exploding gradients", _scaled_start("all", 3, 5), _deep, _worse),
    Plant("layer that does not train", _frozen, lambda s: _plain(s) and len(s.hidden) < 4),
    Plant("rank collapse", _same_start, lambda s: _plain(s) and not s.norm),
    Plant(
        "dead units",
        _faster(10, 30, 100),
        lambda s: s.activation == "relu" and not s.norm,
        lambda outcome, healthy: dead_share(outcome) >= 0.25,
    ),
    Plant(
        "dead units",
        _faster(5, 20, 50),
        lambda s: s.activation == "relu" and not s.norm,
        lambda outcome, healthy: dead_share(outcome) >= 0.25,
    ),
    Plant(
        "dead units",
        _faster(30, 100, 300),
        lambda s: s.activation == "relu" and not s.norm,
        lambda outcome, healthy: dead_share(outcome) >= 0.25,
    ),
    Plant("never-used units", _unused, lambda s: s.activation == "relu" and not s.norm),
    Plant(
        "saturated units",
        _scaled_start("all", 10, 20, 40),
        lambda s: s.activation in ("tanh", "sigmoid"),
        lambda outcome, healthy: flat_share(outcome) >= 0.5,
    ),
    Plant(
        "saturated units",
        _on_rows(_large),
        lambda s: s.activation in ("tanh", "sigmoid"),
        lambda outcome, healthy: flat_share(outcome) >= 0.5,
    ),
    Plant("leakage", _on_rows(_leaked)),
    Plant("overfitting", _overfit, _few_shapes, lambda outcome, healthy: rise_on_test(outcome) >= 0.25),
    Plant("label noise", _longer(_wrong_labels), _classes),
    Plant(
        "class imbalance ignored",
        _on_rows(_imbalanced),
        _classes,
        lambda outcome, healthy: rare_recall(outcome) <= 0.25,
    ),
    Plant("noisy", _two_rows, lambda s: _plain(s) and len(s.hidden) < 4, _worse),
    Plant("noisy", _two_rows, lambda s: _plain(s) and len(s.hidden) < 4, _worse),
    Plant(
        "update ratio out of range",
        _faster(300, 1000, 1e-4, 1e-5),
        _plain,
        lambda outcome, healthy: outcome.facts.taken >= 8,
    ),
    Plant("plateaued", _stuck_at_baseline, _plain, lambda outcome, healthy: abs(fall_since_middle(outcome)) <= 0.01),
    Plant("plateaued", _settled, _few_shapes, lambda outcome, healthy: abs(fall_since_middle(outcome)) <= 0.01),
)


def certainly_healthy(rule: str, outcome: Outcome) -> bool:
    """Return whether a training that nothing was planted in has none of this fault, weighed from outside.

    What overfits a little, has a few dead units, or hardly gets better any more is neither healthy nor faulty, and does
    not count.
    """
    if rule == "overfitting":
        return rise_on_test(outcome) <= 0.1
    if rule == "dead units":
        return dead_share(outcome) <= 0.1
    if rule == "saturated units":
        return outcome.case.shape.activation not in ("tanh", "sigmoid") or flat_share(outcome) <= 0.25
    if rule == "plateaued":
        return fall_since_middle(outcome) >= 0.05
    return True


def shown_at(outcome: Outcome, healthy: Any) -> int:
    """Return the first step from which on the loss is a quarter above the healthy training's, until the end.

    Of both the running median over a twentieth of the steps is taken; where the two do not take the same steps, or the
    loss never shows it, it is the end of the training.
    """
    losses, like = outcome.facts.steps.losses, healthy.facts.steps.losses
    end = len(losses)
    if outcome.fitted.reason != "diverged" and len(like) != len(losses):
        return end
    window = max(len(like) // 20, 5)

    def running(values: Array) -> Array:
        padded = np.concatenate([np.full(window - 1, values[0]), values])
        return np.median(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1)

    fine = running(losses)[: len(like)] <= 1.25 * running(like)[: len(losses)]
    return int(np.flatnonzero(fine)[-1]) + 1 if fine.any() else 0
