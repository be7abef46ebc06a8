"""Faults that are planted in trainings of the health zoo: a case -> the case with the fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.health_runs import Array, Case, Shape, Table, with_rate


def faster(*factors: float) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, random: with_rate(case, float(random.choice(factors)))


def descends(case: Case, random: np.random.Generator) -> Case:
    """Plain gradient descent of a linear model, far too fast: deep networks overflow before anybody can speak."""
    rate = float(10 ** random.uniform(0, 0.7))
    shape = replace(case.shape, hidden=(), optimizer="sgd", schedule="constant", rate=rate, decay=0.0)
    return replace(case, shape=shape)


def scaled_start(layers: str, *factors: float) -> Callable[[Case, np.random.Generator], Case]:
    """Start one hidden layer, or all, with weights that are so many times too large."""

    def make(case: Case, random: np.random.Generator) -> Case:
        factor = float(random.choice(factors))

        def start(weights: dict[str, Array], random: np.random.Generator) -> dict[str, Array]:
            names = [name for name, value in weights.items() if value.ndim == 2][:-1]
            chosen = names if layers == "all" else [names[random.integers(len(names))]]
            return {name: value * factor if name in chosen else value for name, value in weights.items()}

        return replace(case, start=start)

    return make


def same_start(case: Case, random: np.random.Generator) -> Case:
    """Start all units of the network alike: they stay alike."""

    def start(weights: dict[str, Array], random: np.random.Generator) -> dict[str, Array]:
        return {
            name: np.full_like(value, np.sqrt(np.mean(value**2)) / 2) if value.ndim == 2 else value
            for name, value in weights.items()
        }

    return replace(case, start=start)


def unused(case: Case, random: np.random.Generator) -> Case:
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


def frozen(case: Case, random: np.random.Generator) -> Case:
    """Hold one layer: the first, or of an even width another one, as each new one takes a compilation."""
    shape = case.shape
    step = 2 if shape.norm else 1
    return replace(case, frozen=step * (shape.hidden[0] // 16 % len(shape.hidden)))


def on_rows(change: Callable[[Table, np.random.Generator], Table]) -> Callable[[Case, np.random.Generator], Case]:
    return lambda case, random: replace(case, rows=change)


def _on_inputs(change: Callable[[Array], Array]) -> Callable[[Table], Table]:
    def changed(table: Table) -> Table:
        parts = [(change(x).astype(np.float32), y) for x, y in table[:3]]
        return Table(parts[0], parts[1], parts[2], table.classes)

    return changed


def unscaled(table: Table, random: np.random.Generator) -> Table:
    """Give columns units of their own, as measured tables have: metres and millimetres, years and euros."""
    scales = 10 ** random.uniform(-1, 4, table.train[0].shape[1])
    return _on_inputs(lambda x: x * scales)(table)


def large(table: Table, random: np.random.Generator) -> Table:
    factor = 10 ** random.uniform(1.5, 3)
    return _on_inputs(lambda x: x * factor)(table)


def leaked(table: Table, random: np.random.Generator) -> Table:
    """Put the answer into a column, with 0.3 to 20 % of noise, as what is only known afterwards is."""
    column, noise = int(random.integers(table.train[0].shape[1])), 10 ** random.uniform(-2.5, -0.7)
    parts = []
    for x, y in table[:3]:
        x = np.array(x)
        x[:, column] = (y - table.train[1].mean()) / table.train[1].std() + noise * random.standard_normal(len(y))
        parts.append((x, y))
    return Table(parts[0], parts[1], parts[2], table.classes)


def wrong_labels(table: Table, random: np.random.Generator) -> Table:
    """Draw 30 to 50 % of the labels anew."""
    share = random.uniform(0.3, 0.5)
    parts = []
    for x, y in table[:2]:
        wrong = random.random(len(y)) < share
        parts.append((x, np.where(wrong, random.integers(table.classes, size=len(y)), y).astype(y.dtype)))
    return Table(parts[0], parts[1], table.test, table.classes)


def imbalanced(table: Table, random: np.random.Generator) -> Table:
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


def overfit(case: Case, random: np.random.Generator) -> Case:
    shape = replace(case.shape, epochs=200, schedule="constant", decay=0.0)
    return replace(case, shape=shape, rows=_few)


def is_sgd(shape: Shape) -> bool:
    return shape.optimizer in ("sgd", "momentum", "nesterov")


def plain(shape: Shape) -> bool:
    return not shape.strong


def classes(shape: Shape) -> bool:
    return shape.table in ("digits", "blobs", "breast_cancer", "parity", "rings", "wine")


def deep(shape: Shape) -> bool:
    return len(shape.hidden) >= 6


def activation(case: Case, random: np.random.Generator) -> Case:
    return replace(case, shape=replace(case.shape, activation="sigmoid"))


def two_rows(case: Case, random: np.random.Generator) -> Case:
    rate = case.shape.rate * float(random.choice([5, 10, 30]))
    return replace(case, shape=replace(case.shape, batch=2, epochs=max(case.shape.epochs // 4, 5), rate=rate))


def longer(change: Callable[[Table, np.random.Generator], Table]) -> Callable[[Case, np.random.Generator], Case]:
    """Change the rows, and train three times as long: until the network knows them by heart."""

    def make(case: Case, random: np.random.Generator) -> Case:
        return replace(case, rows=change, shape=replace(case.shape, epochs=3 * case.shape.epochs))

    return make


def few_shapes(shape: Shape) -> bool:
    """Whether a shape is among those that something is planted in which takes a compilation of its own."""
    return plain(shape) and len(shape.hidden) < 3 and not shape.norm


def stuck_at_baseline(case: Case, random: np.random.Generator) -> Case:
    """Answers that have nothing to do with the inputs, and a network too small to learn them by heart."""

    def rows(table: Table, random: np.random.Generator) -> Table:
        parts = [(x, random.permutation(y)) for x, y in table[:3]]
        parts = [(x / 30, y) for x, y in parts]
        return Table(parts[0], parts[1], parts[2], table.classes)

    return replace(case, rows=rows)


def exchanged(table: Table, random: np.random.Generator) -> Table:
    """Exchange the answers among the rows: there is nothing to be learned."""
    return Table(*((x, random.permutation(y)) for x, y in table[:3]), table.classes)


def settled(case: Case, random: np.random.Generator) -> Case:
    """A network of two units, trained until it has learned what it can."""
    shape = replace(case.shape, hidden=(2,), norm=False, epochs=100, rate=case.shape.rate * 3, schedule="constant")
    return replace(case, shape=shape)
