"""Whether networks from other random starts give the same importances."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from pondera.explaining.ranks import concordance, condensed

Array = np.ndarray[Any, Any]

LEVEL = 0.95


@dataclass(frozen=True)
class SeedStability:
    """Importances over the networks of a population.

    Attributes
    ----------
    networks
        How many there are.
    mean
        (columns,)
    low, high
        The interval of each, at 95 %, from how far the networks are apart and from what was sampled: (columns,).
    correlation
        The mean concordance of two networks, of the columns that matter and the largest of the others; None with one
        network, and with fewer than two of these to be ordered.
    share_intervals
        Of the shares of all importance, at 95 %, within 0 and 1: (columns, 2); NaN where there is none to share.
    """

    networks: int
    mean: Array
    low: Array
    high: Array
    correlation: float | None
    share_intervals: Array

    def rank_ranges(self) -> list[tuple[int, int]]:
        """Return the best and the worst rank that the intervals allow each column; 1 is the most important."""
        return [
            (1 + int((self.low > self.high[k]).sum()), int((self.high >= self.low[k]).sum()))
            for k in range(len(self.mean))
        ]


def seed_stability(
    values: Array, errors: Array, matter: Array | None = None, deviations: Sequence[Array] | None = None
) -> SeedStability:
    """Return what networks of other starts agree on.

    Parameters
    ----------
    values
        The importances that each network gives, (networks, columns).
    errors
        Their standard errors.
    matter
        Which columns have an influence, (columns,); None where that is not known.
    deviations
        What the errors are made of, by network: see :class:`~pondera.explaining.method.Measured`; by default those of
        columns have nothing to do with each other.

    Returns
    -------
    Intervals by Student's t over the networks. The error of what was sampled is shared by networks that look at the
    same rows, and is added in full. With one network the interval is of the sampling alone.
    """
    networks = len(values)
    mean = values.mean(axis=0)
    sampled = np.sqrt(np.square(errors).mean(axis=0))
    apart = values.std(axis=0, ddof=1) / math.sqrt(networks) if networks > 1 else np.zeros_like(mean)
    half = np.hypot(_quantile(networks) * apart, _quantile(1) * sampled)
    ends = _share_intervals(values, [np.diag(each) for each in errors] if deviations is None else deviations)
    pairs = [concordance(a, b) for a, b in itertools.combinations(condensed(values, matter), 2)]
    agreed = float(np.mean(pairs)) if pairs else math.nan
    return SeedStability(networks, mean, mean - half, mean + half, None if math.isnan(agreed) else agreed, ends)


def _share_intervals(values: Array, deviations: Sequence[Array]) -> Array:
    """Return intervals of shares, by the delta method: what moves a column, or any other, moves the whole as well.

    Values below 0 have no share, and no part in the whole.
    """
    networks, mean = len(values), values.mean(axis=0)
    there = mean > 0
    whole = float(mean[there].sum())
    if not whole > 0:
        return np.full((len(mean), 2), math.nan)
    share = mean / whole

    def moved(by: Array) -> Array:
        """Return by how much shares move where importances move: (some, columns) -> the same."""
        return np.asarray((by - share * by[:, there].sum(axis=1, keepdims=True)) / whole)

    apart = moved(values).std(axis=0, ddof=1) / math.sqrt(networks) if networks > 1 else np.zeros_like(mean)
    sampled = np.sqrt(np.mean([np.square(moved(each)).sum(axis=0) for each in deviations], axis=0))
    half = np.hypot(_quantile(networks) * apart, _quantile(1) * sampled)
    return np.asarray(np.clip(np.stack([share - half, share + half], axis=1), 0, 1))


def _quantile(networks: int) -> float:
    if networks == 1:
        return float(stats.norm.ppf((1 + LEVEL) / 2))
    return float(stats.t.ppf((1 + LEVEL) / 2, networks - 1))
