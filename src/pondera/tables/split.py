"""Which rows are trained on, which are held out; and rows that are the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from pondera.errors import ArgumentError, TableError
from pondera.tables.columns import missing_in
from pondera.tables.figures import checked_weights

Rows = NDArray[np.int64]


def split(rows: int, fraction: float, seed: int, labels: NDArray[Any] | None = None) -> tuple[Rows, Rows]:
    """Choose rows to hold out of training.

    Parameters
    ----------
    rows
        How many rows there are.
    fraction
        Which part of them to hold out, between 0 and 1.
    seed
        The same seed gives the same rows, on every machine; without labels they are those of scikit-learn's
        ``train_test_split(numpy.arange(rows), test_size=fraction, random_state=seed)``.
    labels
        (rows,) classes. If given, each class is held out in the same proportion (largest remainders; the seed decides
        between equal ones), and keeps at least one row for training.

    Returns
    -------
    train_rows, held_out_rows
        Ascending int64 row numbers; together every row once.

    Raises
    ------
    ArgumentError
        ``fraction`` is not between 0 and 1, ``seed`` is negative, or there is not one label a row.
    TableError
        Too few rows: nothing would be left on one side.

    Examples
    --------
    >>> train, held_out = split(10, 0.2, seed=0)
    >>> len(train), len(held_out)
    (8, 2)
    """
    if not 0 < fraction < 1:
        raise ArgumentError(f"The fraction to hold out must be between 0 and 1, both excluded. Got {fraction} instead.")
    if not 0 <= seed < 2**32:
        raise ArgumentError(f"The seed must be a whole number from 0 to 2**32 - 1. Got {seed} instead.")
    order = np.random.RandomState(seed).permutation(rows)  # the generator whose numbers NumPy promises never to change
    wanted = math.ceil(rows * fraction)
    if labels is None:
        chosen = order[:wanted]
    else:
        if np.shape(labels) != (rows,):
            raise ArgumentError(f"Expected one label for each of the {rows} rows, found shape {np.shape(labels)}.")
        chosen = _stratified(order, wanted, fraction, np.asarray(labels))
    held_out = np.sort(chosen).astype(np.int64)
    if not 0 < len(held_out) < rows:
        raise TableError(
            f"Holding out {fraction:g} of {rows} row{'s' if rows != 1 else ''} leaves {rows - len(held_out)} for "
            f"training and {len(held_out)} held out; both need at least one"
            f"{'' if labels is None else ', and each class keeps one for training'}. "
            "Give more rows or another fraction."
        )
    kept = np.ones(rows, dtype=bool)
    kept[held_out] = False
    return np.flatnonzero(kept).astype(np.int64), held_out


def _stratified(order: Rows, wanted: int, fraction: float, labels: NDArray[Any]) -> Rows:
    codes, counts = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    share = counts * fraction
    quota = np.minimum(np.floor(share).astype(np.int64), counts - 1)
    turn = np.unique(codes[order], return_index=True)[1]  # where the shuffled rows first show each class
    for code in np.lexsort((turn, quota - share)):  # largest remainder first
        if quota.sum() < wanted and quota[code] < counts[code] - 1:
            quota[code] += 1
    of_class = codes[order]
    grouped = np.argsort(of_class, kind="stable")  # classes together, each in its shuffled order
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen: Rows = order[grouped[place < quota[of_class[grouped]]]]
    return chosen


def distinct_rows(frame: pl.DataFrame, weights: ArrayLike | None = None) -> tuple[Rows, NDArray[np.float64]]:
    """Merge rows that are the same in every column, and drop rows of weight 0.

    Parameters
    ----------
    frame
        Any flat columns; two nulls are the same, and so are null and NaN.
    weights
        (rows,) how often each row counts; None for once each.

    Returns
    -------
    index
        (distinct,) int64: one row number for each different row, ordered by the rows' values. Whatever order
        and however many copies the rows came in, the rows it selects and their weights are the same, bit for bit.
    weights
        (distinct,) float64: the summed weights.

    Raises
    ------
    ArgumentError
        Weights that do not fit.
    TableError
        A column of lists or structures.

    Examples
    --------
    >>> index, weights = distinct_rows(pl.DataFrame({"a": [3, 1, 3]}))
    >>> index.tolist(), weights.tolist()
    ([1, 0], [1.0, 2.0])
    """
    checked = checked_weights(weights, frame.height)
    amounts = np.ones(frame.height) if checked is None else checked
    keys = pl.DataFrame([_sort_key(series).alias(f"{at}") for at, series in enumerate(frame)])
    columns = keys.columns
    keys = keys.with_columns(pl.Series("weight", amounts), pl.int_range(frame.height, dtype=pl.Int64).alias("row"))
    keys = keys.filter(pl.col("weight") > 0).sort([*columns, "weight", "row"])
    if not keys.height:
        return np.empty(0, dtype=np.int64), np.empty(0)
    changed = keys.select(pl.any_horizontal(pl.col(columns) != pl.col(columns).shift(1)).fill_null(True)).to_series()
    starts = np.flatnonzero(changed.to_numpy())
    return keys["row"].to_numpy()[starts], np.add.reduceat(keys["weight"].to_numpy(), starts)


def _sort_key(series: pl.Series) -> pl.Series:
    """Return whole numbers that order and tell apart the values of a column; a missing value comes first."""
    if series.dtype.is_nested() or series.dtype in (pl.Object, pl.Binary):
        raise TableError(f"Column '{series.name}' holds values of type {series.dtype}, which cannot be compared.")
    if series.dtype == pl.Null:
        return pl.Series([0] * len(series), dtype=pl.Int64)
    if series.dtype.is_float():
        missing = missing_in(series)
        bits = series.cast(pl.Float64).fill_null(0.0).to_numpy().copy().view(np.int64)
        # Negative floats order backwards as whole numbers: turn them round. This keeps -0.0 apart from 0.0.
        ordered = pl.Series(bits ^ ((bits >> 63) & np.int64(2**63 - 1)))
        return ordered.set(missing, None).rank("dense").cast(pl.Int64).fill_null(0)
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    elif series.dtype == pl.Boolean:
        series = series.cast(pl.Int8)
    return series.rank("dense").cast(pl.Int64).fill_null(0)
