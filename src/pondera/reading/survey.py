"""A whole file of weights, tensor by tensor: figures as they come, and how fast they came."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pondera.reading.statistics import QUANTILES, Statistics, statistics_of
from pondera.weights.collection import Weights
from pondera.weights.tensor import Tensor


@dataclass(frozen=True)
class Survey:
    """The figures of every tensor of real numbers.

    Attributes
    ----------
    weights
        What was read.
    statistics
        Name -> figures; tensors of complex numbers have none.
    seconds
        How long it took.
    """

    weights: Weights
    statistics: dict[str, Statistics]
    seconds: float

    @property
    def gigabytes_per_second(self) -> float:
        """How many 10⁹ bytes were read a second."""
        read = sum(self.weights[name].nbytes for name in self.statistics)
        return read / 1e9 / max(self.seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Return the survey as plain values; what is not a number becomes None."""
        return {
            "format": self.weights.format,
            "files": [str(path) for path in self.weights.files],
            "bytes": self.weights.nbytes,
            "metadata": dict(self.weights.metadata),
            "tensors": [_tensor(tensor, self.statistics.get(name)) for name, tensor in self.weights.items()],
            "seconds": self.seconds,
            "gigabytes_per_second": self.gigabytes_per_second,
        }


def survey(weights: Weights, progress: Callable[[int], None] | None = None) -> Survey:
    """Return the figures of every tensor; ``progress`` is told the bytes of each as it is done."""
    begun = time.perf_counter()
    found = {}
    for name, figures in stream(weights):
        found[name] = figures
        if progress is not None:
            progress(weights[name].nbytes)
    return Survey(weights, found, time.perf_counter() - begun)


def stream(weights: Weights) -> Iterator[tuple[str, Statistics]]:
    """Yield each tensor's name and figures as soon as they are known, in the order of the file."""
    for name, tensor in weights.items():
        if not tensor.dtype.startswith("complex"):
            yield name, statistics_of(tensor)


def _tensor(tensor: Tensor, figures: Statistics | None) -> dict[str, Any]:
    known = {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype, "count": tensor.count}
    if figures is None:
        return known
    return known | {
        "min": _plain(figures.minimum),
        "max": _plain(figures.maximum),
        "mean": _plain(figures.mean),
        "std": _plain(figures.deviation),
        "norm": _plain(figures.l2),
        "l1": _plain(figures.l1),
        "zeros": figures.zeros,
        "denormals": figures.denormals,
        "nan": figures.nan,
        "inf": figures.infinite,
        "places": [list(place) for place in figures.places],
        "skewness": _plain(figures.skewness),
        "kurtosis": _plain(figures.kurtosis),
        "quantiles": {f"{q:g}": _plain(figures.quantile(q)) for q in QUANTILES},
    }


def _plain(value: float) -> float | None:
    return value if value == value and abs(value) != float("inf") else None
