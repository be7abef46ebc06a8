"""What the columns of a table are, before anything is trained on them."""

from __future__ import annotations

from typing import Any

import polars as pl

from pondera.errors import PonderaError
from pondera.tables.encode import check_columns
from pondera.tables.parts import Where, row_number
from pondera.tables.target import decide_task

SHOWN_ROWS, SHOWN_VALUES, SHOWN_LETTERS = 8, 12, 200


def summary(frame: pl.DataFrame, target: str | None = None, where: Where = row_number) -> dict[str, Any]:
    """Return what the columns of a table are, and its first rows, as plain values.

    Parameters
    ----------
    frame
        At least one column.
    target
        What is predicted, where it is known; else the last column from which something can be.
    where
        Says where a row is, in what is wrong with a column.

    Examples
    --------
    >>> found = summary(pl.DataFrame({"age": [31, None], "job": ["cook", "baker"]}))
    >>> found["rows"], found["target"], [each["kind"] for each in found["columns"]]
    (2, 'job', ['numbers', 'texts'])
    """
    columns = [_column(series, where) for series in frame]
    fine = [each["name"] for each in columns if each["problem"] is None]
    return {
        "rows": frame.height,
        "columns": columns,
        "target": target or (fine or frame.columns)[-1],
        "first": [[_shown(value) for value in row] for row in frame.head(SHOWN_ROWS).rows()],
    }


def _column(series: pl.Series, where: Where) -> dict[str, Any]:
    known = series.drop_nulls()
    return {
        "name": series.name,
        "dtype": str(series.dtype),
        "kind": _kind(series.dtype),
        "missing": series.null_count(),
        "different": known.n_unique() if not series.dtype.is_nested() else None,
        "values": [_shown(value) for value in known.head(SHOWN_VALUES).to_list()],
        "low": _bound(known, "min"),
        "high": _bound(known, "max"),
        "task": _task(series),
        "problem": _problem(series, where),
    }


def _task(series: pl.Series) -> str | None:
    try:
        return str(decide_task(series))
    except PonderaError:
        return None


def _problem(series: pl.Series, where: Where) -> str | None:
    """Return why nothing can be predicted from a column, so that it had better be left out; None where it can."""
    try:
        check_columns(series.to_frame(), where)
    except PonderaError as error:
        return str(error)
    return None


def _bound(known: pl.Series, which: str) -> float | None:
    """Return the smallest or the largest number of a column; None where it holds no finite ones."""
    if not known.dtype.is_numeric():
        return None
    finite = known.filter(known.is_finite()) if known.dtype.is_float() else known
    return None if finite.is_empty() else float(getattr(finite, which)())


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "numbers"
    if dtype.is_temporal():
        return "dates"
    return "truth values" if dtype == pl.Boolean else "texts"


def _shown(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if value is None or isinstance(value, bool | int | str):
        return value if not isinstance(value, str) else value[:SHOWN_LETTERS]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return str(value)[:SHOWN_LETTERS]
