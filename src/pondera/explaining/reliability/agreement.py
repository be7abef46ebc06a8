"""Whether methods that look at data say what the ranking says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.method import Measured
from pondera.explaining.ranks import condensed, kept, orders, rank_correlation

Array = np.ndarray[Any, Any]

APART = 0.3
"""By how much a method's agreement must be below that of the others to be named."""


@dataclass(frozen=True)
class Voice:
    """What a method says of what can be told apart.

    Attributes
    ----------
    family
        Methods of one family say nearly the same, and have one vote together.
    values, errors
        Importances and their standard errors: (columns,) each.
    squared
        The same of the variance of its contributions, which is on the scale of a squared error: see :func:`variances`.
        None where importances are compared as they are.
    """

    family: str
    values: Array
    errors: Array
    squared: tuple[Array, Array] | None = None


@dataclass(frozen=True)
class Agreement:
    """How alike methods are to each other, and to the one that the ranking is of.

    Attributes
    ----------
    methods
        Their names.
    matrix
        Rank correlations, (methods, methods), of the columns that matter and the largest of the others.
    families
        Family -> how far its methods support the ranking, their median, on one scale and beyond errors: see
        :func:`support`.
    median
        Of the families; None where there is no other, or fewer than two columns are to be ordered.
    as_sizes
        The same median with mean sizes of contributions instead of their variance, of families that have them; None
        where importances are compared as they are.
    outlier
        The method that contradicts the others much more than they each other, if there is one: see
        :func:`uncontradicted`.
    """

    methods: tuple[str, ...]
    matrix: Array
    families: Mapping[str, float]
    median: float | None
    as_sizes: float | None
    outlier: str | None


def agreement(voices: Mapping[str, Voice], headline: str, matter: Array | None = None) -> Agreement:
    """Return how far the families of methods say what the ranking says, each with one vote.

    Parameters
    ----------
    voices
        By name of the method.
    headline
        The method that the ranking is of.
    matter
        Which columns have an influence, (columns,); None where that is not known.

    Examples
    --------
    >>> up, down = np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])
    >>> said = {"a": ("slopes", up), "b": ("slopes", up + 1), "c": ("slopes", up * 2), "d": ("error", down)}
    >>> voices = {name: Voice(family, values, np.zeros(4)) for name, (family, values) in said.items()}
    >>> found = agreement(voices, "d")
    >>> found.median, found.outlier
    (-1.0, 'd')
    """
    names = tuple(voices)
    compared = {name: condensed(each.values, matter) for name, each in voices.items()}
    matrix = np.array([[rank_correlation(compared[a], compared[b]) for b in names] for a in names])
    main = voices[headline]
    others = [each for each in voices.values() if each.family != main.family]
    families = _votes(main, [(each.family, *(each.squared or (each.values, each.errors))) for each in others], matter)
    sizes = _votes(main, [(each.family, each.values, each.errors) for each in others if each.squared], matter)
    said = [_orders(each.values, each.errors, matter) for each in voices.values()]
    alike = np.array([[uncontradicted(a, b) for b in said] for a in said])
    return Agreement(names, matrix, families, _median(families), _median(sizes), _outlier(names, alike))


def _votes(main: Voice, others: Sequence[tuple[str, Array, Array]], matter: Array | None) -> dict[str, float]:
    """Return the median support of the ranking by each family's methods: family, values and errors of each."""
    claimed = _orders(main.values, main.errors, matter)
    found: dict[str, list[float]] = {}
    for family, values, errors in others:
        found.setdefault(family, []).append(support(claimed, _orders(values, errors, matter)))
    return {family: float(np.median(each)) for family, each in found.items()}


def _orders(values: Array, errors: Array, matter: Array | None) -> Array:
    places = kept(values, matter)
    return orders(values[places], errors[places])


def support(claimed: Array, found: Array) -> float:
    """Return how far orders of pairs (1, 0 and −1, each) support those that a ranking claims: −1 to 1; NaN of none.

    The mean over pairs that it orders: 1 for the same order, −1 for the opposite one, ½ where they are equal. Of a
    ranking that orders none, since all are equal, the mean over all pairs: 1 where they are, ½ where they are ordered.

    >>> support(np.array([1, 1, 0]), np.array([1, 0, -1])), support(np.array([0, 0]), np.array([0, 1]))
    (0.75, 0.75)
    """
    if not len(claimed):
        return math.nan
    if not claimed.any():
        return float(np.where(found == 0, 1.0, 0.5).mean())
    return float(np.where(found == 0, 0.5, claimed * found)[claimed != 0].mean())


def uncontradicted(one: Array, other: Array) -> float:
    """Return 1 where no pair is ordered the opposite way by two methods, −1 where all are that any orders.

    What only one of them orders is no contradiction: methods differ in how finely they look.

    >>> uncontradicted(np.array([1, 1, 0]), np.array([1, 0, -1])), uncontradicted(np.array([1, 1]), np.array([1, -1]))
    (1.0, 0.0)
    """
    ordered = (one != 0) | (other != 0)
    return 1 - 2 * float((one * other < 0)[ordered].mean()) if ordered.any() else 1.0


def _median(votes: Mapping[str, float]) -> float | None:
    found = float(np.median(list(votes.values()))) if votes else math.nan
    return None if math.isnan(found) else found


def variances(measured: Sequence[Measured], units: Sequence[tuple[int, ...]]) -> tuple[Array, Array] | None:
    """Return the variance of contributions over the rows, the mean over the networks, with standard errors.

    Where a score is a sum of functions of independent columns, the squared error grows by twice that of a column whose
    values are exchanged; the mean size may order columns otherwise, of which one acts in few rows by much and another
    in all by little. What noise adds to single contributions is taken off.

    Parameters
    ----------
    measured
        Of each network.
    units
        All columns, those of a group as one: their contributions are added up.

    Returns
    -------
    (units,) each; None where a method has no contributions.
    """
    found, errors = [], []
    for each in measured:
        if each.contributions is None:
            return None
        noise = np.zeros_like(each.contributions) if each.row_errors is None else np.square(each.row_errors)
        joined = np.stack([each.contributions[:, list(unit)].sum(axis=1) for unit in units], axis=1)
        added = np.stack([noise[:, list(unit)].sum(axis=1) for unit in units], axis=1)
        squares = np.square(joined - joined.mean(axis=0)) - added
        found.append(squares.mean(axis=0))
        errors.append(squares.std(axis=0) / math.sqrt(len(squares)))
    return np.mean(found, axis=0), np.sqrt(np.square(errors).mean(axis=0))


def _outlier(names: tuple[str, ...], alike: Array) -> str | None:
    if len(names) < 4:
        return None
    with_others = (alike.sum(axis=1) - 1) / (len(names) - 1)
    worst = int(with_others.argmin())
    others = np.delete(np.delete(alike, worst, axis=0), worst, axis=1)
    among = float(others[np.triu_indices(len(others), 1)].mean())
    nearest = float(np.delete(alike[worst], worst).max())  # of two camps neither is unlike all others
    return names[worst] if max(float(with_others[worst]), nearest - APART) < among - APART else None
