"""Rows of any columns as numbers that methods can mix, and back to what an estimator was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pondera.errors import ArgumentError
from pondera.explaining.question import Input
from pondera.tables.frame import as_frame

Array = np.ndarray[Any, Any]

MOST_APART = 32
"""Categories of a column that become a number each; more become one number together."""


@dataclass(frozen=True)
class _Column:
    """A column's distinct values in ascending order, a row that has each, and one where it is missing."""

    values: Array
    rows: Array
    missing: int | None
    numeric: bool

    @classmethod
    def of(cls, series: pl.Series) -> _Column:
        numeric = series.dtype.is_numeric() or series.dtype.is_temporal() or series.dtype == pl.Boolean
        found = series.to_physical().cast(pl.Float64) if numeric else series.cast(pl.String).rank("dense")
        numbers = found.cast(pl.Float64).fill_null(np.nan).to_numpy()
        values, rows = np.unique(numbers, return_index=True)
        known = np.isfinite(values) | np.isinf(values)
        missing = np.flatnonzero(np.isnan(numbers))
        return cls(values[known], rows[known], int(missing[0]) if len(missing) else None, numeric)

    @property
    def apart(self) -> bool:
        """Whether each category becomes a number of its own."""
        return not self.numeric and len(self.values) <= MOST_APART

    def encoded(self, series: pl.Series) -> Array:
        """Return the column as numbers, (rows, some): values or categories, then whether it is missing."""
        found = series.to_physical() if self.numeric else series.cast(pl.String).rank("dense")
        numbers = found.cast(pl.Float64).fill_null(np.nan).to_numpy()
        gone = np.isnan(numbers)
        middle = float(self.values.mean()) if len(self.values) else 0.0
        filled = np.where(gone, middle, numbers)[:, None]
        given = (numbers[:, None] == self.values).astype(np.float64) if self.apart else filled
        return given if self.missing is None else np.column_stack([given, gone])

    def givers(self, encoded: Array) -> Array:
        """Return for encoded values the number of a row that has the same: (rows,)."""
        width = len(self.values) if self.apart else 1
        if not len(self.values):
            return np.full(len(encoded), self.missing)
        place = encoded[:, :width].argmax(axis=1) if self.apart else np.searchsorted(self.values, encoded[:, 0])
        found = self.rows[np.minimum(place, len(self.values) - 1)]
        return found if self.missing is None else np.where(encoded[:, width] > 0, self.missing, found)


@dataclass(frozen=True)
class Coded:
    """Rows as they are, and the numbers that stand for them.

    Methods mix rows column by column: whatever they ask about has in each column a value that some row has, and goes
    back to the estimator as such values of the column's own type.

    Attributes
    ----------
    given
        A pandas or Polars data frame, or an array of any dtype.
    table
        The same as a Polars data frame.
    x
        (rows, encoded): a number as it is, a category as a 0 or 1 each, and whether a value is missing.
    inputs
        The columns.

    Examples
    --------
    >>> rows = pl.DataFrame({"age": [30.0, None], "town": ["a", "b"]})
    >>> coded = Coded.of(rows)
    >>> coded.x.tolist()
    [[30.0, 0.0, 1.0, 0.0], [30.0, 1.0, 0.0, 1.0]]
    >>> coded.decoded(coded.x[[1, 0]]).rows()
    [(None, 'b'), (30.0, 'a')]
    """

    given: Any
    table: pl.DataFrame
    x: Array
    inputs: tuple[Input, ...]
    columns: tuple[_Column, ...]

    @classmethod
    def of(cls, given: Any, names: list[str] | None = None) -> Coded:
        """Return rows with the numbers that stand for them.

        Raises
        ------
        TableError, ArgumentError
            If they are no table, or names are not one a column.
        """
        if names is not None and hasattr(given, "columns"):
            raise ArgumentError("A data frame has names of its own. Leave out names.")
        table = as_frame(given, names=names)
        columns = tuple(_Column.of(series) for series in table)
        parts = [column.encoded(series) for column, series in zip(columns, table, strict=True)]
        ends = np.cumsum([part.shape[1] for part in parts])
        inputs = tuple(
            Input(name, int(end) - part.shape[1], int(end))
            for name, part, end in zip(table.columns, parts, ends, strict=True)
        )
        return cls(given, table, np.concatenate(parts, axis=1), inputs, columns)

    def decoded(self, x: Array) -> Any:
        """Return encoded rows as what was given: the same kind of table, columns of the same types."""
        givers = [column.givers(x[:, each.places]) for column, each in zip(self.columns, self.inputs, strict=True)]
        if isinstance(self.given, pl.DataFrame):
            return pl.DataFrame([self.given.to_series(k)[rows] for k, rows in enumerate(givers)])
        if hasattr(self.given, "iloc"):  # pandas
            parts = {
                name: self.given.iloc[:, k].array.take(rows)
                for k, (name, rows) in enumerate(zip(self.given.columns, givers, strict=True))
            }
            return type(self.given)(parts)
        array = np.asarray(self.given)
        return np.stack([array[rows, k] for k, rows in enumerate(givers)], axis=1)
