"""A network as it is drawn: columns of units, and the strongest connections between them at recorded steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.recording.run import Run

Array = np.ndarray[Any, Any]

DRAWN = 400
"""Connections of a matrix that are drawn, at most: more are a blot."""

MOST_FRAMES = 400
"""Steps that are sent at a time, at most."""


@dataclass(frozen=True)
class Drawn:
    """The connections of one matrix that are drawn.

    Attributes
    ----------
    name, shape
        Of the tensor, (inputs, outputs).
    places
        (n,) flat places in it, ascending.
    """

    name: str
    shape: tuple[int, int]
    places: Array

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"name": self.name, "shape": list(self.shape), "places": self.places.tolist()}


def drawn(run: Run, part: int = 0) -> tuple[list[Drawn], list[int]]:
    """Return what is drawn of a run's network, and the steps at which all of it is known, ascending.

    Of a matrix of many connections the strongest of the last recorded step are drawn.
    """
    matrices = {name: shape for name, shape in run.tensors(part).items() if len(shape) == 2 and min(shape) > 0}
    if not matrices:
        return [], []
    steps = sorted(set.intersection(*(set(run.recorded(name, part)) for name in matrices)))
    if not steps:
        return [], []
    found = []
    for name, shape in matrices.items():
        found.append(Drawn(name, (shape[0], shape[1]), strongest(run.weights_at(name, steps[-1], part))))
    return found, steps


def strongest(matrix: Array) -> Array:
    """Return the flat places of the weights of a matrix that are drawn, ascending: (n,)."""
    values = np.abs(matrix.reshape(-1))
    if values.size <= DRAWN:
        return np.arange(values.size)
    return np.sort(np.argpartition(-np.nan_to_num(values, nan=np.inf), DRAWN)[:DRAWN])


def frames(run: Run, matrices: list[Drawn], steps: list[int], part: int = 0) -> bytes:
    """Return the weights that are drawn at some steps: float32, step by step, matrix by matrix."""
    values = [
        np.asarray(run.weights_at(each.name, step, part)).reshape(-1)[each.places].astype("<f4")
        for step in steps
        for each in matrices
    ]
    return b"".join(value.tobytes() for value in values)


def curve(first: Array, values: Array, most: int) -> list[tuple[int, float, float, float]]:
    """Return a curve in at most so many stretches: (first step, mean, lowest, highest); what is not finite is left out.

    Examples
    --------
    >>> curve(np.arange(4), np.array([4.0, 2.0, 1.0, 0.0]), 2)
    [(0, 3.0, 2.0, 4.0), (2, 0.5, 0.0, 1.0)]
    """
    known = np.isfinite(values)
    first, values = first[known], values[known]
    if len(values) == 0:
        return []
    starts = np.unique(np.arange(min(most, len(values)), dtype=np.int64) * len(values) // min(most, len(values)))
    counts = np.diff(np.append(starts, len(values)))
    means = np.add.reduceat(values, starts) / counts
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return list(zip(first[starts].tolist(), means.tolist(), low.tolist(), high.tolist(), strict=True))
