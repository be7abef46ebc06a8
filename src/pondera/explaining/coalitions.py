"""Shapley values by least squares: which coalitions of columns are asked about, and what is fitted to their scores.

Of all sums of one number a column, Shapley values are the one nearest to the scores of all coalitions, where those of
s of n columns together count as 1 / (s · (n − s)) and the sum of all columns is exact (Charnes, Golany, Keane &
Rousseau 1988; Lundberg & Lee 2017, arXiv 1705.07874).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Coalitions:
    """Columns that are known together; each coalition stands for the one of all other columns too.

    Half the difference of those two scores is all that Shapley values depend on, so that what is left out is no error
    (Covert & Lee 2021, arXiv 2012.01536).

    Attributes
    ----------
    known
        (groups, coalitions, columns) of bool: independent draws.
    weights
        How much each counts, (coalitions,); 1 together.
    whole
        So many, the first ones, are not drawn: they are all that there are of their sizes.
    """

    known: Array
    weights: Array
    whole: int

    @classmethod
    def draw(cls, columns: int, wanted: int, groups: int, random: np.random.Generator) -> Coalitions:
        """Return all coalitions of a single column, all of a size as long as those are few, and others at random.

        Parameters
        ----------
        columns
            At least 2.
        wanted
            Coalitions in a group; fewer where there are no more, and at least one a column.
        groups
            How many draws.
        random
            Where randomness comes from.

        Examples
        --------
        >>> found = Coalitions.draw(3, 100, 1, np.random.default_rng(0))
        >>> found.known.astype(int).tolist(), found.whole
        ([[[1, 0, 0], [0, 1, 0], [0, 0, 1]]], 3)
        """
        sizes = range(1, columns // 2 + 1)
        halved = [2 if 2 * size == columns else 1 for size in sizes]  # the other half of the columns is such one too
        counts = [math.comb(columns, size) // half for size, half in zip(sizes, halved, strict=True)]
        shares = np.array([1 / (size * (columns - size) * half) for size, half in zip(sizes, halved, strict=True)])
        shares /= shares.sum()
        whole, left = 1, wanted - columns
        while whole < len(sizes) and counts[whole] <= left * shares[whole] / shares[whole:].sum():
            left -= counts[whole]
            whole += 1
        known = np.concatenate([_every(columns, sizes[at], counts[at]) for at in range(whole)])
        everywhere = np.broadcast_to(known, (groups, *known.shape))
        weights = np.repeat(shares[:whole] / counts[:whole], counts[:whole])
        if whole == len(sizes):
            return cls(everywhere, weights, len(known))
        rest, drawn = shares[whole:].sum(), max(left, 1)
        chosen = random.choice(sizes[whole:], (groups, drawn), p=shares[whole:] / rest)
        return cls(
            np.concatenate([everywhere, _some(columns, chosen, random)], axis=1),
            np.concatenate([weights, np.full(drawn, rest / drawn)]),
            len(known),
        )

    def fit(self, halves: Array, totals: Array) -> tuple[Array, Array]:
        """Return Shapley values of each group, and the squares of their standard errors.

        Parameters
        ----------
        halves
            Half of by how much the score of a coalition is above that of all other columns: (groups, coalitions, rows).
        totals
            By how much the score where all columns are known is above that where none is: (groups, rows).

        Returns
        -------
        Both (groups, rows, columns). Errors come from how far the drawn coalitions are off the fit, each by itself
        (White 1980, Econometrica 48); 0 where none was drawn.

        Examples
        --------
        >>> every = Coalitions.draw(2, 1, 1, np.random.default_rng(0))  # f(a, b) = 5 a + b + a b, both become 1
        >>> values, errors = every.fit(np.array([[[(5 - 1) / 2]]]), np.array([[7.0]]))
        >>> values.tolist(), errors.tolist()
        ([[[5.5, 1.5]]], [[[0.0, 0.0]]])
        """
        groups, _, columns = self.known.shape
        values, errors = np.empty((2, groups, totals.shape[1], columns))
        for group in range(groups):  # one after the other: of wide tables each is large
            values[group], errors[group] = self._fit_one(group, halves[group], totals[group])
        return values, errors

    def _fit_one(self, group: int, halves: Array, totals: Array) -> tuple[Array, Array]:
        signs = self.known[group] - 0.5
        count, columns = signs.shape
        weighted = (signs * self.weights[:, None]).T
        system = np.zeros((columns + 1, columns + 1))  # with the multiplier of what the sum is to be
        system[:columns, :columns] = weighted @ signs
        system[:columns, columns] = system[columns, :columns] = 1
        solved = np.linalg.inv(system)[:columns]
        moved = solved[:, :columns] @ weighted  # by how much each coalition moves each value
        values = moved @ halves + np.outer(solved[:, columns], totals)
        off = np.square((halves - signs @ values)[self.whole :])
        freedom = count / max(count - columns + 1, 1)
        return values.T, (freedom * np.square(moved[:, self.whole :]) @ off).T


def _every(columns: int, size: int, count: int) -> Array:
    """Return the first coalitions of a size: (count, columns) of bool."""
    members = np.array(list(itertools.islice(itertools.combinations(range(columns), size), count)))
    known = np.zeros((count, columns), bool)
    np.put_along_axis(known, members, True, axis=1)
    return known


def _some(columns: int, sizes: Array, random: np.random.Generator) -> Array:
    """Return a coalition of each size at random: (…) -> (…, columns) of bool."""
    places = random.random((*sizes.shape, columns))
    last = np.take_along_axis(np.sort(places, axis=-1), sizes[..., None] - 1, -1)
    return np.asarray(places <= last)
