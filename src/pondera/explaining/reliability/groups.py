"""Inputs that cannot be told apart: what one says, others say too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.question import Question
from pondera.explaining.ranks import ranks

Array = np.ndarray[Any, Any]

TOLD = 0.8
"""The correlation from which on two columns form a group."""

CARRIED = 0.1
"""The share of a column's variance that what others tell of it must have."""

MOST_TELLERS = 16
"""Columns that are tried together as telling one."""

RIDGE = 1e-6


@dataclass(frozen=True)
class Groups:
    """Columns that tell each other's values.

    Attributes
    ----------
    groups
        Places of columns, two or more in each.
    told
        How well each column is known from all others: R² of the ranks, (columns,).
    pairs
        The largest correlation between what two columns were encoded to: (columns, columns).
    """

    groups: tuple[tuple[int, ...], ...]
    told: Array
    pairs: Array

    def of(self, column: int) -> tuple[int, ...]:
        """Return the group of a column; itself alone where it is in none."""
        return next((group for group in self.groups if column in group), (column,))


def groups_of(question: Question) -> Groups:
    """Return which columns tell each other's values.

    Correlations are canonical ones (Hotelling 1936, Biometrika 28) of the encoded inputs' ranks, which take one-hot
    categories, numbers and whatever bends but does not turn alike. Directions count that together have a tenth of what
    a column varies: that two values are missing in the same few rows tells nothing. Columns that only several others
    together tell join those that tell most of them.

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
    blocks = [_Block.of(np.stack([ranks(v) for v in question.x[:, each.places].T], axis=1)) for each in question.inputs]
    pairs = np.eye(columns)
    for i in range(columns):
        for j in range(i):
            pairs[i, j] = pairs[j, i] = _canonical(blocks[i], blocks[j])
    told = _known_from_all(blocks)
    whitened = [block.basis for block in blocks]
    linked = pairs >= TOLD
    for i in map(int, np.flatnonzero(told >= TOLD**2)):
        if linked[i].sum() == 1:  # no other alone tells it
            for j in _tellers(whitened, i, np.argsort(-pairs[i], kind="stable")[:MOST_TELLERS]):
                linked[i, j] = linked[j, i] = True
    return Groups(_components(linked), told, pairs)


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


def _tellers(whitened: list[Array], which: int, candidates: Array) -> list[int]:
    """Return the columns that tell one: chosen one after the other, and then those left out that are not needed."""

    def told_by(columns: list[int]) -> bool:
        return bool(_share(whitened, which, columns) >= TOLD)

    chosen, left = list[int](), [int(k) for k in candidates if k != which and whitened[k].shape[1]]
    while left and not told_by(chosen):
        best = max(left, key=lambda k: _share(whitened, which, [*chosen, k]))
        chosen.append(best)
        left.remove(best)
    for each in list(chosen):
        rest = [k for k in chosen if k != each]
        if told_by(rest):
            chosen = rest
    return chosen


def _share(whitened: list[Array], which: int, columns: list[int]) -> float:
    """Return the correlation between one column and what several tell of it."""
    if not columns:
        return 0.0
    basis = _whitened(np.concatenate([whitened[k] for k in columns], axis=1))
    return float(np.linalg.norm(basis.T @ whitened[which], 2))


def _components(linked: Array) -> tuple[tuple[int, ...], ...]:
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(linked, directed=False)
    found = [tuple(int(k) for k in np.flatnonzero(labels == label)) for label in range(count)]
    return tuple(group for group in found if len(group) > 1)
