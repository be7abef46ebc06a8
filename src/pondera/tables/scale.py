"""Inputs on one scale: what a network trains well on.

``"robust"`` is RealMLP's (Holzmüller et al. 2024, arXiv 2407.04491, section 3): subtract the median, divide by the
distance of the quartiles (by half the range where that is 0), then clip smoothly, ``x / √(1 + (x/3)²)``, so that
no input leaves (-3, 3). ``"standard"`` subtracts the mean and divides by the standard deviation. ``"none"`` leaves
values as they are. A missing value becomes 0 afterwards: the median or mean of training stands in for it (0 itself
under ``"none"``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pondera.errors import ArgumentError, ShapeError
from pondera.tables.figures import Distribution, checked_weights, distribution

LIMIT = 1e30
"""Scaled values are kept within ± this, so that nothing a table holds can become infinite in float32."""


def robust(values: Distribution) -> tuple[float, float]:
    """Return the median and 1 / (q75 - q25); 2 / (max - min) if that is infinite; 0 for a constant.

    Quantiles follow the averaged inverted distribution function, see :meth:`Distribution.quantile`.
    """
    center = values.quantile(0.5)
    spread = values.quantile(0.75) / 2 - values.quantile(0.25) / 2  # halves: the difference could overflow
    if spread == 0:
        return center, _inverse(float(values.values[-1]) / 2 - float(values.values[0]) / 2)
    return center, _inverse(spread) / 2


def standard(values: Distribution) -> tuple[float, float]:
    """Return the mean and 1 / standard deviation; 0 for a constant."""
    mean, deviation = values.mean_and_deviation()
    return mean, _inverse(deviation)


def none(values: Distribution) -> tuple[float, float]:
    """Return 0 and 1: values stay as they are."""
    return 0.0, 1.0


SCALINGS: dict[str, Callable[[Distribution], tuple[float, float]]] = {
    "robust": robust,
    "standard": standard,
    "none": none,
}
"""Every scaling by name: the values of an input -> what is subtracted, and what is multiplied by."""

_ROWS_AT_ONCE = 4096  # what is worked on stays in the processor's cache

SMOOTHLY_CLIPPED = frozenset({"robust"})


def _inverse(spread: float) -> float:
    inverse = 1.0 / spread if spread > 0 else 0.0
    return inverse if np.isfinite(inverse) else 0.0  # differences below 1e-308 count as none


@dataclass(frozen=True)
class Scaling:
    """What is subtracted from each input, what it is then multiplied by, and whether it is clipped smoothly.

    Attributes
    ----------
    center, factor
        One float an input; a factor of 0 marks an input that was constant in training.
    smooth_clip
        Whether ``x / √(1 + (x/3)²)`` follows.

    Examples
    --------
    >>> scaling = Scaling.fit([[1.0], [2.0], [3.0]], "standard")
    >>> scaling.center
    (2.0,)
    >>> scaling.transform([[2.0], [float("nan")]]).tolist()
    [[0.0], [0.0]]
    """

    center: tuple[float, ...]
    factor: tuple[float, ...]
    smooth_clip: bool = False

    @classmethod
    def fit(cls, matrix: ArrayLike, how: str = "robust", weights: ArrayLike | None = None) -> Scaling:
        """Take the figures from training rows.

        Parameters
        ----------
        matrix
            (rows, inputs); NaN is ignored.
        how
            A name of :data:`SCALINGS`.
        weights
            (rows,) how often each row counts. A weight of 2 gives the same bits as the row written twice, and 0
            the same as leaving it out. The order of rows does not matter either.

        Raises
        ------
        ArgumentError
            An unknown name, or weights that do not fit.
        """
        values = _matrix(matrix)
        return cls.of_inputs(values.T, how, checked_weights(weights, len(values)))

    @classmethod
    def of_inputs(
        cls, inputs: Iterable[NDArray[np.float64]], how: str = "robust", weights: NDArray[np.float64] | None = None
    ) -> Scaling:
        """Take the figures from the training rows of one input after the other, each (rows,); else as :meth:`fit`."""
        if how not in SCALINGS:
            raise ArgumentError(f"The scaling must be one of {', '.join(SCALINGS)}. Got {how!r} instead.")
        figures = []
        for values in inputs:
            found = distribution(values, weights)
            if len(found.values) == 0:
                figures.append((0.0, 1.0 if how == "none" else 0.0))
            else:
                figures.append(SCALINGS[how](found))
        return cls(tuple(c for c, _ in figures), tuple(f for _, f in figures), how in SMOOTHLY_CLIPPED)

    def transform(self, matrix: ArrayLike, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Scale rows.

        Parameters
        ----------
        matrix
            (rows, inputs), NaN where missing.
        dtype
            ``float32`` or ``float64``.

        Returns
        -------
        numpy.ndarray
            (rows, inputs) without NaN: a missing value becomes 0, which is where the median or mean went. Nothing
            exceeds ±1e30.

        Raises
        ------
        ShapeError
            Another number of inputs than there are figures for.
        ArgumentError
            Another dtype.
        """
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ArgumentError(f"Scaled values are float32 or float64. Got {np.dtype(dtype)} instead.")
        values = _matrix(matrix)
        if values.shape[1] != len(self.center):
            raise ShapeError(f"Expected {len(self.center)} inputs a row, found a matrix of shape {values.shape}.")
        result = np.empty(values.shape, dtype=dtype)
        for start in range(0, len(values), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            result[rows] = self._scaled(values[rows])
        return result

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = values * 0.5  # halves: the difference of two large values could overflow
        scaled -= np.asarray(self.center) * 0.5
        with np.errstate(over="ignore"):
            scaled *= np.asarray(self.factor)
            scaled *= 2.0
        np.clip(scaled, -LIMIT, LIMIT, out=scaled)
        if self.smooth_clip:
            scaled /= np.sqrt(1.0 + np.square(scaled / 3.0))
        scaled[np.isnan(scaled)] = 0.0
        return scaled

    def to_json(self) -> dict[str, Any]:
        """Return the scaling as a dictionary of plain values; floats survive JSON exactly."""
        return {"center": list(self.center), "factor": list(self.factor), "smooth_clip": self.smooth_clip}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scaling:
        """Return the scaling that :meth:`to_json` wrote."""
        return cls(
            tuple(float(value) for value in data["center"]),
            tuple(float(value) for value in data["factor"]),
            bool(data["smooth_clip"]),
        )


def _matrix(matrix: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2:
        raise ShapeError(f"Expected a matrix (rows, inputs), found an array of shape {values.shape}.")
    return values
