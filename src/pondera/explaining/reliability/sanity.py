"""Whether a method looks at the network at all (Adebayo et al. 2018, arXiv 1810.03292)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.method import Method, fewer
from pondera.explaining.question import Question
from pondera.explaining.ranks import rank_correlation, shares
from pondera.explaining.subject import Subject
from pondera.network.network import Network

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
    """

    correlations: tuple[float, ...]
    distances: tuple[float, ...]
    labels: tuple[float, float] | None = None

    @property
    def sees_network(self) -> bool:
        """False where the ranking survived every time."""
        return not all(_survives(c, d) for c, d in zip(self.correlations, self.distances, strict=True))

    @property
    def sees_labels(self) -> bool | None:
        """False where the ranking of a network that learned nothing is the same; None where that was not tried."""
        return None if self.labels is None else not _survives(*self.labels)


def _survives(correlation: float, distance: float) -> bool:
    return bool((np.isnan(correlation) or correlation >= SURVIVES) and distance <= SAME)


def randomized(network: Network, seed: int) -> Network:
    """Return the network with the values of every weight array in another order and of random signs.

    Their sizes stay, so that nothing but what was learned is lost.
    """
    random = np.random.default_rng(seed)
    weights = {
        name: (random.permutation(value.reshape(-1)) * random.choice([-1, 1], value.size)).reshape(value.shape)
        for name, value in network.weights.items()
    }
    return network.with_weights(weights)


def sanity(
    method: Method, question: Question, network: Network, seed: int = 0, meaningless: Subject | None = None
) -> Sanity | None:
    """Return whether a method's ranking survives random weights.

    Parameters
    ----------
    method
        Whatever it looks at.
    question
        Of its rows some hundred are looked at.
    network
        Whose weights are drawn anew, several times.
    seed
        Drives all that is random.
    meaningless
        What was trained on answers that mean nothing.
    """
    few = question.sample(fewer(ROWS, len(question.inputs)), np.random.default_rng(seed))

    def values(of: Subject) -> Array:
        return method.measure(few, of, np.random.default_rng(seed)).values

    if len(question.inputs) < 2:  # there is no order that could survive
        return None
    before = values(Subject.of_network(network))

    def beside(other: Subject) -> tuple[float, float]:
        after = values(other)
        return rank_correlation(before, after), float(np.abs(shares(before) - shares(after)).sum() / 2)

    found = [beside(Subject.of_network(randomized(network, seed + 1 + k))) for k in range(RANDOMIZED)]
    return Sanity(
        tuple(c for c, _ in found), tuple(d for _, d in found), None if meaningless is None else beside(meaningless)
    )
