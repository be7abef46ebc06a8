"""The values of one column -> numbers, whatever type the table at hand gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pondera.errors import TableError
from pondera.tables.columns import Column
from pondera.tables.values import booleans_of, clean_text, common_form, dates_of, numbers_of, without_none

CATEGORY_MISSING = "(missing)"
"""How the input of a missing category is named."""

DATE_PARTS = ("day", "year sine", "year cosine", "week sine", "week cosine")
"""Days since 1970-01-01 (with the time as fraction), the position in the year and in the week."""

TIME_PARTS = ("hour sine", "hour cosine")
"""The position in the day."""

Floats = NDArray[np.float64]

Where = Callable[[int], str]
"""Says where a row is, such as the line of a file: what an error calls it."""

_DAY = 86_400_000_000  # microseconds


def row_number(row: int) -> str:
    """Say where a row is in a table that has no lines."""
    return f"row {row} (the first is 0)"


def numbers_into(out: Floats, series: pl.Series, where: Where = row_number) -> int:
    """Write the numbers of a column, NaN where missing; return how many are missing.

    Parameters
    ----------
    out
        (rows,) what to fill.
    series
        The column.
    where
        Says where a row is, in an error.

    Raises
    ------
    TableError
        A text that is no number, a date, or an infinite value; with its row.
    """
    values = series
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        texts = without_none(clean_text(series.cast(pl.String)))
        values = numbers_of(texts)
        _require_read(texts, values, "a number, as in training", where)
    elif series.dtype == pl.Duration:
        values = series.dt.total_microseconds() / 1e6
    elif series.dtype == pl.Time:
        values = series.cast(pl.Int64) / 1e9
    elif not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise _wrong_type(series, "numbers, as in training", where)
    out[:] = values.cast(pl.Float64).to_numpy()  # null becomes NaN
    out += 0.0  # -0.0 becomes 0.0
    infinite = np.isinf(out)
    if infinite.any():
        row = int(np.flatnonzero(infinite)[0])
        raise TableError(
            f"Column '{series.name}', {where(row)}: expected a finite number, found {out[row]} "
            "(infinity). Correct it, or leave it empty if the value is not known."
        )
    return int(np.count_nonzero(np.isnan(out)))


def booleans_into(out: Floats, series: pl.Series, where: Where = row_number) -> int:
    """Write +1 for true, -1 for false and 0 where missing; return how many are missing.

    Raises
    ------
    TableError
        A value other than true, false, 1 or 0; with its row.
    """
    known: pl.Series
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        texts = without_none(clean_text(series.cast(pl.String)))
        known = booleans_of(texts)
        numbers = numbers_of(texts)
        known = known.zip_with(known.is_not_null(), (numbers == 1).set(~numbers.is_in([0.0, 1.0]), None))
        _require_read(texts, known, "true or false, as in training", where)
    elif series.dtype.is_numeric() or series.dtype == pl.Null:
        numbers = series.cast(pl.Float64).fill_nan(None)
        known = (numbers == 1).set(~numbers.is_in([0.0, 1.0]), None)
        _require_read(numbers, known, "true or false (or 1 or 0), as in training", where)
    elif series.dtype == pl.Boolean:
        known = series
    else:
        raise _wrong_type(series, "true or false, as in training", where)
    out[:] = known.cast(pl.Float64).fill_null(0.5).to_numpy() * 2.0 - 1.0
    return known.null_count()


def codes_of(column: Column, series: pl.Series, where: Where = row_number) -> tuple[NDArray[np.int64], int]:
    """Return the place of each row's category, -1 where unknown and -2 where missing; and how many are unknown.

    Categories are compared as texts. Where that fails, they are compared in a form that CSV files, pandas, Polars and
    Arrow have in common for the same number, truth value or date: see :func:`~pondera.tables.values.common_form`.
    """
    if series.dtype.is_nested() or series.dtype in (pl.Object, pl.Binary):
        raise _wrong_type(series, "categories, as in training", where)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    texts = series.cast(pl.String)
    if series.dtype == pl.String:
        texts = _stripped_unless_known(column, texts)
    places: dict[str, int] = {category: at for at, category in enumerate(column.categories)}
    if not texts.is_in(list(places)).fill_null(True).all():
        for category, common in zip(places, common_form(pl.Series(list(places), dtype=pl.String)), strict=True):
            places = {common: places[category]} | places  # a category as it is goes before the common form of another
        texts = texts.zip_with(texts.is_in(list(column.categories)).fill_null(True), common_form(texts))
    codes = texts.replace_strict(list(places), list(places.values()), default=-1, return_dtype=pl.Int64)
    result = codes.set(texts.is_null(), -2).to_numpy().copy()
    return result, int(np.count_nonzero(result == -1))


def _stripped_unless_known(column: Column, texts: pl.Series) -> pl.Series:
    """Leave the texts of training as they are; treat others as a file is read: blanks dropped, "NA" missing."""
    return texts.zip_with(texts.is_in(list(column.categories)).fill_null(True), clean_text(texts))


def dates_into(out: Floats, series: pl.Series, has_time: bool, where: Where = row_number) -> int:
    """Write the parts of dates, NaN where missing; return how many are missing.

    Parameters
    ----------
    out
        (rows, parts): :data:`DATE_PARTS`, and :data:`TIME_PARTS` if ``has_time``. Columns after them are left alone.

    Raises
    ------
    TableError
        A text that is no ISO date, or another type; with its row.
    """
    dates = series
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        texts = without_none(clean_text(series.cast(pl.String)))
        dates = dates_of(texts)
        _require_read(texts, dates, "a date such as 2024-01-31, as in training", where)
    elif not (series.dtype in (pl.Date, pl.Datetime) or series.null_count() == len(series)):
        raise _wrong_type(series, "dates, as in training", where)
    if dates.dtype == pl.Datetime:
        dates = dates.dt.replace_time_zone(None)  # the hour on the wall
    moments = dates.cast(pl.Datetime("us"))
    clock = (moments.cast(pl.Int64) % _DAY) / _DAY  # share of the day that is over
    days = (moments.cast(pl.Int64) // _DAY).cast(pl.Float64) + clock
    year = (moments.dt.ordinal_day() - 1 + clock) / (365 + moments.dt.is_leap_year().cast(pl.Int32))
    angles = [year, (moments.dt.weekday() - 1) / 7] + ([clock] if has_time else [])
    out[:, 0] = _floats(days)
    for at, angle in enumerate(angles):
        turn = 2.0 * np.pi * _floats(angle)
        out[:, 1 + 2 * at] = np.sin(turn)
        out[:, 2 + 2 * at] = np.cos(turn)
    return moments.null_count()


def _floats(series: pl.Series) -> Floats:
    return series.cast(pl.Float64).to_numpy()


def _require_read(given: pl.Series, read: pl.Series, wanted: str, where: Where) -> None:
    failed = given.is_not_null() & read.is_null()
    if failed.any():
        row = failed.arg_max() or 0
        value: Any = given[row]
        raise TableError(
            f"Column '{given.name}', {where(row)}: expected {wanted}, found {value!r}. "
            "Correct it, or leave it empty if the value is not known."
        )


def _wrong_type(series: pl.Series, wanted: str, where: Where) -> TableError:
    known = series.is_not_null()
    row = known.arg_max() or 0
    found = f"{series[row]!r} in {where(row)}" if known.any() else "nothing"
    return TableError(
        f"Column '{series.name}': expected {wanted}, found {found}, of type {series.dtype}. Convert the column."
    )
