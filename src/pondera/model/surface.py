"""What a model of two columns predicts everywhere: a surface over the plane of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pondera.errors import ArgumentError
from pondera.model.model import Model

Array = np.ndarray[Any, Any]

MARGIN = 0.05
"""The share of a column's range by which the surface goes beyond its values."""

POINTS = 400
"""Rows that are shown with it, at most."""


@dataclass(frozen=True)
class Grid:
    """Places in the plane of two columns.

    Attributes
    ----------
    columns
        Their names: the first goes to the right, the second up.
    x, y
        (n,) each, ascending, in the columns' own units.
    """

    columns: tuple[str, str]
    x: Array
    y: Array

    @classmethod
    def over(cls, frame: pl.DataFrame, count: int) -> Grid:
        """Return a grid of ``count`` × ``count`` places over the values of a table's two columns.

        Raises
        ------
        ArgumentError
            If there are not two columns, or one of them holds no numbers.
        """
        numeric = [name for name in frame.columns if frame[name].dtype.is_numeric()]
        if frame.width != 2 or len(numeric) != 2:
            raise ArgumentError(
                f"A surface is drawn over two columns of numbers. Got {frame.width}, {len(numeric)} of numbers; "
                "leave others out with --drop."
            )
        first, second = (_ticks(frame[name], count) for name in frame.columns)
        return cls((frame.columns[0], frame.columns[1]), first, second)

    @property
    def frame(self) -> pl.DataFrame:
        """Every place as a row, the first column running fastest."""
        x, y = np.meshgrid(self.x, self.y)
        return pl.DataFrame({self.columns[0]: x.reshape(-1), self.columns[1]: y.reshape(-1)})


def surface(model: Model, grid: Grid) -> tuple[list[float], list[float] | None]:
    """Return what a model predicts at every place of a grid, the first column running fastest.

    Returns
    -------
    predicted
        (n · n,) the number that is predicted, or of classes the place in the model's list of them.
    certainty
        (n · n,) the probability of that class; None where numbers are predicted.
    """
    found = model.predictions(model.inputs(grid.frame)[0])
    if model.task == "regression":
        return [float(value) for value in np.asarray(found).reshape(-1)], None
    return [int(k) for k in found.argmax(axis=1)], [round(float(p), 5) for p in found.max(axis=1)]


def points(frame: pl.DataFrame, target: pl.Series, most: int = POINTS) -> list[list[Any]]:
    """Return rows of a table of two columns to show with its surface, evenly apart: [first, second, target]."""
    chosen: Sequence[int] = np.unique(np.linspace(0, frame.height - 1, min(most, frame.height)).astype(int)).tolist()
    rows = frame[chosen].with_columns(target[chosen].alias(f"{''.join(frame.columns)}=")).rows()
    return [[None if value is None else value for value in row] for row in rows]


def _ticks(values: pl.Series, count: int) -> Array:
    known = values.drop_nulls().cast(pl.Float64).to_numpy()
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    beyond = MARGIN * (high - low) or 0.5
    return np.linspace(low - beyond, high + beyond, count)
