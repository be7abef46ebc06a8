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
    categories, numbers and whatever bends but does not turn alike. Columns that only several others together tell join
    those that tell most of them.

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
    whitened = [
        _whitened(np.stack([ranks(v) for v in question.x[:, each.places].T], axis=1)) for each in question.inputs
    ]
    pairs = np.eye(columns)
    for i in range(columns):
        for j in range(i):
            cross = whitened[i].T @ whitened[j]
            pairs[i, j] = pairs[j, i] = float(np.linalg.norm(cross, 2)) if cross.size else 0.0
    told = np.array([_known_from(whitened, i) for i in range(columns)])
    linked = pairs >= TOLD
    for i in map(int, np.flatnonzero(told >= TOLD**2)):
        if linked[i].sum() == 1:  # no other alone tells it
            for j in _tellers(whitened, i):
                linked[i, j] = linked[j, i] = True
    return Groups(_components(linked), told, pairs)


def _whitened(block: Array) -> Array:
    """Return an orthonormal basis of the columns without their means: (rows, rank)."""
    left, sizes, _ = np.linalg.svd(block - block.mean(axis=0), full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * max(float(sizes.max(initial=0)), 1e-300)])


def _known_from(whitened: list[Array], which: int) -> float:
    """Return the largest R² of a direction of one column given all others, adjusted for how many they are."""
    others = np.concatenate([each for k, each in enumerate(whitened) if k != which], axis=1)
    own = whitened[which]
    rows, width = others.shape
    if not own.shape[1] or not width or rows <= width + 1:
        return 0.0
    basis = _whitened(others)
    share = float(np.linalg.norm(basis.T @ own, 2)) ** 2
    left = rows - int(basis.shape[1]) - 1
    return float(max(0.0, 1 - (1 - share) * (rows - 1) / max(left, 1)))


def _tellers(whitened: list[Array], which: int) -> list[int]:
    """Return the columns that tell one: chosen one after the other, and then those left out that are not needed."""

    def told_by(columns: list[int]) -> bool:
        return bool(_share(whitened, which, columns) >= TOLD)

    chosen, left = list[int](), [k for k in range(len(whitened)) if k != which and whitened[k].shape[1]]
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
