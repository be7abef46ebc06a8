"""Inputs that cannot be told apart: what one says, another says too, or several others together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.question import Question
from pondera.explaining.ranks import ranks
from pondera.explaining.reliability.verdict import FEWEST

Array = np.ndarray[Any, Any]

TOLD = 0.8
"""The correlation that every two columns of a group have, at least, and from which on several others tell a column."""

NOTHING_OWN = 0.9
"""The R² from which on a column has next to nothing of its own beside the others: a variance inflation of 10
(Marquardt 1970, Technometrics 12)."""

CARRIED = 0.1
"""The share of a column's variance that what others tell of it must have."""

MOST_TELLERS = 16
"""Columns that are tried together as telling one."""

RIDGE = 1e-6


@dataclass(frozen=True)
class Groups:
    """Columns that tell each other's values, and columns that others tell.

    Attributes
    ----------
    groups
        Places of columns, two or more in each: every two of them tell each other.
    told_by
        Column -> others that tell it, alone or only several together, of columns in no group. That is no group: of two
        that tell a third neither need know anything of the other.
    told
        How well each column is known from all others: R² of the ranks, (columns,).
    pairs
        The largest correlation between what two columns were encoded to: (columns, columns).
    """

    groups: tuple[tuple[int, ...], ...]
    told_by: Mapping[int, tuple[int, ...]]
    told: Array
    pairs: Array

    def of(self, column: int) -> tuple[int, ...]:
        """Return the group of a column; itself alone where it is in none."""
        return next((group for group in self.groups if column in group), (column,))

    @property
    def units(self) -> tuple[tuple[int, ...], ...]:
        """All columns, those of a group as one: the groups first, then each other column by itself."""
        grouped = {column for group in self.groups for column in group}
        return (*self.groups, *((column,) for column in range(len(self.told)) if column not in grouped))


def groups_of(question: Question) -> Groups:
    """Return which columns tell each other's values.

    Correlations are canonical ones (Hotelling 1936, Biometrika 28) of the encoded inputs' ranks, which take one-hot
    categories, numbers and whatever bends but does not turn alike. Directions count that together have a tenth of what
    a column varies: that two values are missing in the same few rows tells nothing. Groups are found by complete
    linkage (Sørensen 1948): in a chain of neighbours, whose ends know nothing of each other, they end.

    Examples
    --------
    >>> from pondera.explaining.subject import Subject
    >>> random = np.random.default_rng(0)
    >>> a, b, noise = random.normal(size=(3, 300))
    >>> question = Question.of_arrays(Subject(lambda x: x), np.stack([a, b, a + 0.1 * noise], axis=1))
    >>> groups_of(question).groups
    ((0, 2),)
    """
    columns = len(question.inputs)
    if len(question.x) < FEWEST:  # of which chance lets any two tell each other
        return Groups((), {}, np.zeros(columns), np.eye(columns))
    blocks = [_Block.of(np.stack([ranks(v) for v in question.x[:, each.places].T], axis=1)) for each in question.inputs]
    pairs = np.eye(columns)
    for i in range(columns):
        for j in range(i):
            pairs[i, j] = pairs[j, i] = _canonical(blocks[i], blocks[j])
    told = _known_from_all(blocks)
    groups = _complete(pairs)
    grouped = {column for group in groups for column in group}
    told_by: dict[int, tuple[int, ...]] = {}
    alone = [i for i in range(columns) if i not in grouped and (told[i] >= TOLD**2 or (pairs[i] >= TOLD).sum() > 1)]
    products = _Products.of(blocks if alone else [])
    for i in alone:
        nearest = np.argsort(-pairs[i], kind="stable")
        nearest = nearest[nearest != i]
        if pairs[i, nearest[0]] >= TOLD:  # by one that is in a group with others, which this column does not know
            told_by[i] = (int(nearest[0]),)
        else:
            told_by[i] = tuple(sorted(_tellers(products, i, nearest[:MOST_TELLERS])))
    return Groups(groups, told_by, told, pairs)


def _complete(pairs: Array) -> tuple[tuple[int, ...], ...]:
    """Return groups in which the smallest correlation of two columns is large enough."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(pairs) < 2:
        return ()
    apart = np.clip(1 - pairs, 0, 1)
    np.fill_diagonal(apart, 0)
    labels = fcluster(linkage(squareform(apart, checks=False), "complete"), 1 - TOLD, "distance")
    found = [tuple(int(k) for k in np.flatnonzero(labels == label)) for label in np.unique(labels)]
    return tuple(sorted(group for group in found if len(group) > 1))


@dataclass(frozen=True)
class _Block:
    """What a column was encoded to, without means: as it is, and an orthonormal basis of it, (rows, rank)."""

    values: Array
    basis: Array

    @classmethod
    def of(cls, values: Array) -> _Block:
        centered = values - values.mean(axis=0)
        return cls(centered, _whitened(values))

    def carried(self, directions: Array) -> Array:
        """Return the share of the block's variance along directions of the basis, (rank, n): (n,)."""
        whole = float(np.square(self.values).sum())
        along = np.square(self.values.T @ (self.basis @ directions)).sum(axis=0)
        return np.asarray(along / whole) if whole > 0 else np.zeros(directions.shape[1])


def _canonical(one: _Block, other: _Block) -> float:
    """Return the largest correlation that directions reach which carry enough of both columns, adjusted for chance."""
    if not one.basis.shape[1] or not other.basis.shape[1]:
        return 0.0
    if one.basis.shape[1] == other.basis.shape[1] == 1:  # as of numbers: one direction, which carries all of both
        return float(np.sqrt(_adjusted(float(one.basis[:, 0] @ other.basis[:, 0]) ** 2, len(one.values), 1)))
    left, sizes, right = np.linalg.svd(one.basis.T @ other.basis, full_matrices=False)
    carried = np.minimum(np.cumsum(one.carried(left)), np.cumsum(other.carried(right.T)))
    enough = np.flatnonzero(carried >= CARRIED)
    if not len(enough):
        return 0.0
    share = _adjusted(float(sizes[enough[0]]) ** 2, len(one.values), one.basis.shape[1] + other.basis.shape[1] - 1)
    return float(np.sqrt(share))


def _adjusted(share: float, rows: int, width: int) -> float:
    """Return R² less what so many inputs reach by chance (Ezekiel 1930)."""
    return (
        float(np.clip(1 - (1 - share) * (rows - 1) / max(rows - width - 1, 1), 0.0, 1.0)) if rows > width + 1 else 0.0
    )


def _known_from_all(blocks: list[_Block]) -> Array:
    """Return the largest R² of directions of each column, which carry enough of it, given all others: (columns,).

    From one inverse of all correlations: its block of a column is the inverse of what the others leave of it.
    """
    every = np.concatenate([block.basis for block in blocks], axis=1)
    rows, width = every.shape
    found = np.zeros(len(blocks))
    if len(blocks) < 2 or rows <= width + 1:
        return found
    inverse = np.linalg.inv(every.T @ every + RIDGE * np.eye(width))
    start = 0
    for k, block in enumerate(blocks):
        own = slice(start, start + block.basis.shape[1])
        start = own.stop
        if own.stop == own.start or own.stop - own.start == width:
            continue
        sizes, directions = np.linalg.eigh(inverse[own, own])
        carried = np.cumsum(block.carried(directions[:, ::-1]))
        enough = np.flatnonzero(carried >= CARRIED)
        if len(enough):
            left = 1 / float(sizes[::-1][enough[0]])  # of the variance, 0 to 1
            found[k] = _adjusted(1 - min(max(left, 0.0), 1.0), rows, width - (own.stop - own.start))
    return found


def _whitened(block: Array) -> Array:
    """Return an orthonormal basis of the columns without their means: (rows, rank)."""
    left, sizes, _ = np.linalg.svd(block - block.mean(axis=0), full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * max(float(sizes.max(initial=0)), 1e-300)])


@dataclass(frozen=True)
class _Products:
    """All products of the columns' bases: what is needed of the rows to say how well some columns tell another."""

    blocks: list[_Block]
    matrix: Array
    places: tuple[slice, ...]

    @classmethod
    def of(cls, blocks: list[_Block]) -> _Products:
        bases = [block.basis for block in blocks]
        ends = np.cumsum([basis.shape[1] for basis in bases])
        every = np.concatenate(bases, axis=1) if bases else np.zeros((0, 0))
        places = tuple(slice(int(end) - b.shape[1], int(end)) for end, b in zip(ends, bases, strict=True))
        return cls(blocks, every.T @ every, places)

    def told(self, which: int, columns: list[int]) -> float:
        """Return the correlation between what several tell of a column, along directions that carry enough, and it."""
        if not columns:
            return 0.0
        theirs = np.concatenate([np.arange(self.places[k].start, self.places[k].stop) for k in columns])
        between = self.matrix[theirs, self.places[which]]
        among = self.matrix[np.ix_(theirs, theirs)] + RIDGE * np.eye(len(theirs))
        sizes, directions = np.linalg.eigh(between.T @ np.linalg.solve(among, between))
        carried = np.cumsum(self.blocks[which].carried(directions[:, ::-1]))
        enough = np.flatnonzero(carried >= CARRIED)
        return float(np.sqrt(np.clip(sizes[::-1][enough[0]], 0.0, 1.0))) if len(enough) else 0.0


def _tellers(products: _Products, which: int, candidates: Array) -> list[int]:
    """Return the columns that tell one: chosen one after the other, and then those left out that are not needed."""

    def told_by(columns: list[int]) -> bool:
        return products.told(which, columns) >= TOLD

    chosen, left = list[int](), [int(k) for k in candidates if products.places[k].stop > products.places[k].start]
    while left and not told_by(chosen):
        best = max(left, key=lambda k: products.told(which, [*chosen, k]))
        chosen.append(best)
        left.remove(best)
    for each in list(chosen):
        rest = [k for k in chosen if k != each]
        if told_by(rest):
            chosen = rest
    return chosen
