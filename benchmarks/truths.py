"""Tables whose inputs matter by a known amount: what importances and their verdicts can be held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Truth:
    """A table and how much each input matters to what made it.

    Attributes
    ----------
    x, y
        (rows, inputs), NaN where a value is missing; (rows,).
    importance
        (inputs,): the share of the variance of the target's cause that is lost without the input, all else known (its
        total effect, Homma & Saltelli 1996); 0 for what it does not depend on.
    groups
        Inputs of which each says what the others say, so that a network may use any.
    classes
        Whether the target is a class.
    words
        Inputs whose numbers stand for categories.
    """

    x: Array
    y: Array
    importance: Array
    groups: tuple[tuple[int, ...], ...] = ()
    classes: bool = False
    words: tuple[int, ...] = ()

    @property
    def frame(self) -> pl.DataFrame:
        """The inputs as a table: x0, x1, … with missing values as such and categories as texts."""
        found = pl.DataFrame([pl.Series(f"x{k}", values, nan_to_null=True) for k, values in enumerate(self.x.T)])
        words = [f"x{k}" for k in self.words]
        return found.with_columns(("c" + pl.col(name).cast(pl.Int64).cast(pl.String)).alias(name) for name in words)

    @property
    def irrelevant(self) -> Array:
        """Which inputs neither matter nor stand in for one that does: (inputs,)."""
        found = self.importance <= 0
        for group in self.groups:
            found[list(group)] = False
        return found


def total_effects(function: Function, x: Array, random: np.random.Generator) -> Array:
    """Return ½ E (f(x) − f(x with one input of another row))² for each input: Jansen's estimate (1999)."""
    before = function(x)
    found = []
    for k in range(x.shape[1]):
        changed = x.copy()
        changed[:, k] = x[random.permutation(len(x)), k]
        found.append(float(np.square(function(changed) - before).mean() / 2))
    return np.array(found)


def _made(
    function: Function,
    x: Array,
    random: np.random.Generator,
    noise: float = 0.1,
    equal: tuple[int, ...] = (),
    nothing: tuple[int, ...] = (),
    **more: Any,
) -> Truth:
    """Return a table whose importances are estimated, but for what is known: equal ones, and those that are nothing."""
    cause = function(x)
    y = cause + noise * cause.std() * random.standard_normal(len(x))
    importance = total_effects(function, x, random)
    if equal:
        importance[list(equal)] = importance[list(equal)].mean()
    importance[list(nothing)] = 0.0
    return Truth(x, y, importance, **more)


def linear_scales(random: np.random.Generator, rows: int) -> Truth:
    """Inputs whose scales are up to ten thousand times apart; sizes of weights alone order them otherwise."""
    scales = np.array([100.0, 1.0, 0.01, 10.0, 1.0, 1.0])
    factors = np.array([3.0, 2.0, 1.0, 0.5, 0.0, 0.0])
    x = random.standard_normal((rows, 6)) * scales
    return _made(lambda x: x / scales @ factors, x, random)


def friedman_1(random: np.random.Generator, rows: int) -> Truth:
    """Friedman 1991, Annals of Statistics 19: ten inputs, five of which matter."""
    x = random.random((rows, 10))
    return _made(
        lambda x: 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4],
        x,
        random,
        equal=(0, 1),
    )


def _friedman_inputs(random: np.random.Generator, rows: int) -> Array:
    low, high = np.array([0, 40 * np.pi, 0, 1]), np.array([100, 560 * np.pi, 1, 11])
    return low + (high - low) * random.random((rows, 4))


def friedman_2(random: np.random.Generator, rows: int) -> Truth:
    """Friedman 1991: the impedance of a circuit."""
    return _made(
        lambda x: np.sqrt(x[:, 0] ** 2 + (x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])) ** 2),
        _friedman_inputs(random, rows), random,
    )  # fmt: skip


def friedman_3(random: np.random.Generator, rows: int) -> Truth:
    """Friedman 1991: its phase."""
    return _made(
        lambda x: np.arctan((x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])) / np.maximum(x[:, 0], 1e-9)),
        _friedman_inputs(random, rows), random,
    )  # fmt: skip


def irrelevant(random: np.random.Generator, rows: int) -> Truth:
    """Two inputs that matter among ten that do not."""
    return _made(lambda x: x[:, 0] + 0.5 * np.tanh(2 * x[:, 1]), random.standard_normal((rows, 12)), random, noise=0.5)


def nothing(random: np.random.Generator, rows: int) -> Truth:
    """No input matters."""
    x = random.standard_normal((rows, 6))
    return Truth(x, random.standard_normal(rows), np.zeros(6))


def correlated(rho: float) -> Callable[[np.random.Generator, int], Truth]:
    """Return what makes two inputs of that correlation, one of which matters."""

    def make(random: np.random.Generator, rows: int) -> Truth:
        x = random.standard_normal((rows, 5))
        x[:, 1] = rho * x[:, 0] + np.sqrt(1 - rho * rho) * x[:, 1]
        groups = ((0, 1),) if rho >= 0.8 else ()
        return _made(lambda x: 2 * x[:, 0] + x[:, 2] + 0.5 * x[:, 3], x, random, groups=groups)

    return make


def duplicated(random: np.random.Generator, rows: int) -> Truth:
    """The most important input twice."""
    x = random.standard_normal((rows, 5))
    x[:, 1] = x[:, 0]
    return _made(lambda x: 2 * x[:, 0] + x[:, 2] + 0.5 * x[:, 3], x, random, groups=((0, 1),))


def exclusive_or(random: np.random.Generator, rows: int) -> Truth:
    """Two inputs that say nothing alone, and a third that says little."""
    x = random.standard_normal((rows, 5))
    return _made(lambda x: np.sign(x[:, 0] * x[:, 1]) + 0.3 * x[:, 2], x, random, equal=(0, 1))


def equal_inputs(random: np.random.Generator, rows: int) -> Truth:
    """Four inputs that matter equally, and two that do not."""
    x = random.standard_normal((rows, 6))
    return _made(lambda x: x[:, :4].sum(axis=1), x, random, equal=(0, 1, 2, 3), nothing=(4, 5))


def suppressor(random: np.random.Generator, rows: int) -> Truth:
    """An input that is not correlated with the target, and takes the noise out of one that is."""
    signal, noise, other = random.standard_normal((3, rows))
    x = np.stack([signal + noise, noise, other, random.standard_normal(rows)], axis=1)
    y = signal + 0.5 * other
    return Truth(x, y, np.array([2.0, 1.0, 0.25, 0.0]))


def proxy(random: np.random.Generator, rows: int) -> Truth:
    """An input that follows the target more closely than its causes do: the network uses it, and should say so."""
    x = random.standard_normal((rows, 5))
    y = x[:, 0] + 0.5 * x[:, 1] + 0.7 * random.standard_normal(rows)
    x[:, 4] = y + 0.15 * random.standard_normal(rows)
    return Truth(x, y, np.array([1.0, 0.25, 0.0, 0.0, 50.0]))


def olden(random: np.random.Generator, rows: int) -> Truth:
    """Olden, Joy & Death 2004, Ecological Modelling 178: five inputs of correlations 0.8 to 0 with the target."""
    with_target = np.array([0.8, 0.6, 0.4, 0.2, 0.0])
    matrix = np.eye(6)
    matrix[5, :5] = matrix[:5, 5] = with_target * 0.9  # all together must leave something that they do not say
    values = random.standard_normal((rows, 6)) @ np.linalg.cholesky(_nearest(matrix)).T
    return Truth(values[:, :5], values[:, 5], np.square(with_target))


def _nearest(matrix: Array) -> Array:
    """Return the matrix with the smallest eigenvalue raised to 0.01, and ones on its diagonal."""
    values, vectors = np.linalg.eigh(matrix)
    raised = vectors * np.maximum(values, 0.01) @ vectors.T
    sizes = np.sqrt(np.diag(raised))
    return np.asarray(raised / np.outer(sizes, sizes))


def two_classes(random: np.random.Generator, rows: int) -> Truth:
    """A class instead of a number."""
    x = random.standard_normal((rows, 6))
    logits = 4 * x[:, 0] - 2 * x[:, 1] + x[:, 2]
    y = (random.random(rows) < 1 / (1 + np.exp(-logits))).astype(int)
    return Truth(x, y, np.array([16.0, 4.0, 1.0, 0.0, 0.0, 0.0]), classes=True)


def missing_values(random: np.random.Generator, rows: int) -> Truth:
    """Values that are missing: of one that matters, of one whose being missing matters, and of one that does not."""
    x = random.standard_normal((rows, 6))
    for k, share in ((0, 0.2), (2, 0.3), (3, 0.3)):
        x[random.random(rows) < share, k] = np.nan
    return _made(lambda x: 2 * np.nan_to_num(x[:, 0]) + x[:, 1] + 2.5 * np.isnan(x[:, 2]), x, random, nothing=(3, 4, 5))


def categories(random: np.random.Generator, rows: int) -> Truth:
    """Categories: of six, of two, and of eight that do not matter."""
    effects = np.array([3.0, -3.0, 1.0, -1.0, 0.5, -0.5])
    x = random.standard_normal((rows, 5))
    for k, count in ((0, 6), (1, 2), (3, 8)):
        x[:, k] = random.integers(0, count, rows)
    words = (0, 1, 3)
    return _made(
        lambda x: effects[x[:, 0].astype(int)] + 2 * x[:, 1] + 0.5 * x[:, 2], x, random, nothing=(3, 4), words=words
    )


def three_classes(random: np.random.Generator, rows: int) -> Truth:
    """One of three classes: importances are total effects on their probabilities, added up."""
    x = random.standard_normal((rows, 6))

    def probabilities(x: Array) -> Array:
        logits = np.stack([3 * x[:, 0], -3 * x[:, 0] + 2 * x[:, 1], x[:, 2]], axis=1)
        sizes = np.exp(logits - logits.max(axis=1, keepdims=True))
        return sizes / sizes.sum(axis=1, keepdims=True)

    chosen = (probabilities(x).cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    importance = sum(total_effects(lambda x, k=k: probabilities(x)[:, k], x, random) for k in range(3))
    return Truth(x, np.minimum(chosen, 2), importance, classes=True)


def heavy_tails(random: np.random.Generator, rows: int) -> Truth:
    """Inputs of Student's t with 3 degrees of freedom, whose variance is theirs of few rows: 3 each."""
    x = random.standard_t(3, (rows, 6))
    factors = np.array([3.0, 2.0, 1.0, 0.5, 0.0, 0.0])
    return Truth(x, x @ factors + random.standard_normal(rows), 3 * np.square(factors))


TRUTHS: Mapping[str, Callable[[np.random.Generator, int], Truth]] = {
    "linear, unequal scales": linear_scales,
    "Friedman 1": friedman_1,
    "Friedman 2": friedman_2,
    "Friedman 3": friedman_3,
    "irrelevant inputs": irrelevant,
    "nothing matters": nothing,
    "correlated 0.5": correlated(0.5),
    "correlated 0.9": correlated(0.9),
    "correlated 0.99": correlated(0.99),
    "duplicated": duplicated,
    "exclusive or": exclusive_or,
    "suppressor": suppressor,
    "spurious proxy": proxy,
    "Olden's simulation": olden,
    "two classes": two_classes,
    "equal inputs": equal_inputs,
    "missing values": missing_values,
    "categories": categories,
    "three classes": three_classes,
    "heavy tails": heavy_tails,
}
"""Name -> (randomness, rows) -> a table."""
