"""Whether methods that look at data agree on the order of the columns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.ranks import concordance, condensed, rank_correlation

Array = np.ndarray[Any, Any]

APART = 0.3
"""By how much a method's agreement must be below that of the others to be named."""


@dataclass(frozen=True)
class Agreement:
    """Rank correlations between methods.

    Attributes
    ----------
    methods
        Their names.
    matrix
        Rank correlations, (methods, methods), of the columns that matter and the largest of the others.
    median
        Of the concordance of all pairs of methods, which knows ties; None with fewer than two methods, or than two
        columns to be ordered.
    outlier
        The method that agrees with the others much less than they with each other, if there is one.
    """

    methods: tuple[str, ...]
    matrix: Array
    median: float | None
    outlier: str | None


def agreement(values: Mapping[str, Array], matter: Array | None = None) -> Agreement:
    """Return how alike the rankings of several methods are.

    Parameters
    ----------
    values
        Name -> (columns,).
    matter
        Which columns have an influence, (columns,); None where that is not known.

    Examples
    --------
    >>> up, down = np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])
    >>> found = agreement({"a": up, "b": up + 1, "c": up * 2, "d": down})
    >>> found.median, found.outlier
    (0.0, 'd')
    """
    names = tuple(values)
    compared = {name: condensed(each, matter) for name, each in values.items()}
    matrix = np.array([[rank_correlation(compared[a], compared[b]) for b in names] for a in names])
    pairs = [concordance(compared[a], compared[b]) for a, b in itertools.combinations(names, 2)]
    median = float(np.median(pairs)) if pairs else math.nan
    return Agreement(names, matrix, None if math.isnan(median) else median, _outlier(names, matrix))


def _outlier(names: tuple[str, ...], matrix: Array) -> str | None:
    if len(names) < 4 or np.isnan(matrix).any():
        return None
    with_others = (matrix.sum(axis=1) - 1) / (len(names) - 1)
    worst = int(with_others.argmin())
    others = np.delete(np.delete(matrix, worst, axis=0), worst, axis=1)
    among = float(others[np.triu_indices(len(others), 1)].mean())
    nearest = float(np.delete(matrix[worst], worst).max())  # of two camps neither is unlike all others
    return names[worst] if max(float(with_others[worst]), nearest - APART) < among - APART else None
