"""Whether a method looks at the network at all (Adebayo et al. 2018, arXiv 1810.03292)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.method import Method, fewer
from pondera.explaining.question import Question
from pondera.explaining.ranks import rank_correlation, shares
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

RANDOMIZED = 4
ROWS = 256
SURVIVES, SAME = 0.9, 0.05
"""A ranking survives where it correlates so well with those of random weights, and shares differ by so little."""


@dataclass(frozen=True)
class Sanity:
    """What became of a method's ranking when the weights were drawn anew.

    Attributes
    ----------
    correlations
        With the ranking of each network of random weights.
    distances
        How far shares of importance moved: half of Σ |difference|, 0 to 1.
    labels
        Both for a network that was trained on answers that mean nothing; None where none was.
    control
        The same of :func:`moved`, which looks at nothing but what the network does, where the ranking survived: where
        that survives, too, such networks do the same, and no method could tell.
    """

    correlations: tuple[float, ...]
    distances: tuple[float, ...]
    labels: tuple[float, float] | None = None
    control: Sanity | None = None

    @property
    def sees_network(self) -> bool | None:
        """False where the ranking survived every time; None where that of what networks do survives as well."""
        if not self._survived:
            return True
        return None if self.control is not None and self.control._survived else False

    @property
    def sees_labels(self) -> bool | None:
        """False where the ranking of a network that learned nothing is the same; None where that cannot be told."""
        if self.labels is None or not _survives(*self.labels):
            return None if self.labels is None else True
        beside = None if self.control is None else self.control.labels
        return None if beside is not None and _survives(*beside) else False

    @property
    def _survived(self) -> bool:
        return all(_survives(c, d) for c, d in zip(self.correlations, self.distances, strict=True))


def _survives(correlation: float, distance: float) -> bool:
    return bool((np.isnan(correlation) or correlation >= SURVIVES) and distance <= SAME)


def shuffled(seed: int) -> Callable[[Array], Array]:
    """Return what puts the values of an array into another order, with random signs; of the next one into yet another.

    Their sizes stay, so that nothing but what was learned is lost.
    """
    random = np.random.default_rng(seed)
    return lambda value: np.reshape(
        random.permutation(value.reshape(-1)) * random.choice([-1, 1], value.size), value.shape
    )


def sanity(
    method: Method, question: Question, subject: Subject, seed: int = 0, meaningless: Subject | None = None
) -> Sanity | None:
    """Return whether a method's ranking survives random weights.

    Parameters
    ----------
    method
        Whatever it looks at.
    question
        Of its rows some hundred are looked at.
    subject
        Whose weights are drawn anew, several times.
    seed
        Drives all that is random.
    meaningless
        What was trained on answers that mean nothing.
    """
    changed = subject.changed
    if changed is None or len(question.inputs) < 2:  # there are no weights, or no order that could survive
        return None
    few = question.sample(fewer(ROWS, len(question.inputs)), np.random.default_rng(seed))
    others = [changed(shuffled(seed + 1 + k)) for k in range(RANDOMIZED)]

    def tested(values: Callable[[Subject], Array]) -> Sanity:
        before = values(subject)

        def beside(other: Subject) -> tuple[float, float]:
            after = values(other)
            return rank_correlation(before, after), float(np.abs(shares(before) - shares(after)).sum() / 2)

        found = [beside(each) for each in others]
        labels = None if meaningless is None else beside(meaningless)
        return Sanity(tuple(c for c, _ in found), tuple(d for _, d in found), labels)

    found = tested(lambda of: method.measure(few, of, np.random.default_rng(seed)).values)
    if found.sees_network and found.sees_labels is not False:
        return found
    return dataclasses.replace(found, control=tested(lambda of: moved(few, of, np.random.default_rng(seed))))


def moved(question: Question, subject: Subject, random: np.random.Generator) -> Array:
    """Return how far the scores move on average when a column's values are exchanged between all rows: (columns,)."""
    before, givers = question.scores(subject), random.permutation(len(question.x))
    found = []
    for column in question.inputs:
        mixed = question.x.copy()
        mixed[:, column.places] = question.x[givers, column.places]
        found.append(float(np.abs(question.scores(subject, mixed) - before).mean()))
    return np.array(found)
