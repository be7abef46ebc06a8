"""Figures of a tensor's values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Statistics:
    """Count, range, mean and standard deviation of a tensor's values."""

    count: int
    minimum: float
    maximum: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: np.ndarray[Any, Any]) -> Statistics:
        """Return the figures of an array of any shape with at least one value; sums are taken in float64.

        Examples
        --------
        >>> Statistics.of(np.array([1.0, 3.0]))
        Statistics(count=2, minimum=1.0, maximum=3.0, mean=2.0, deviation=1.0)
        """
        return cls(
            count=values.size,
            minimum=float(values.min()),
            maximum=float(values.max()),
            mean=float(values.mean(dtype=np.float64)),
            deviation=float(values.std(dtype=np.float64)),
        )
