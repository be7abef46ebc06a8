"""The target column: what is to be predicted, as class codes or as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from pondera.errors import TableError
from pondera.tables.columns import infer_kind, missing_in
from pondera.tables.figures import checked_weights, distribution
from pondera.tables.parts import Where, numbers_into, row_number

MAX_CLASSES = 1000
"""More classes than this are refused."""

FEW_VALUES = 20
"""Whole numbers with more different values are taken as a quantity."""

ROWS_PER_VALUE = 5
"""Whole numbers are taken as classes only if there are, on average, this many rows to a value."""

MAX_CLASS_SHARE = 0.5
"""From 50 rows on, more classes than this share of the rows are refused."""

Label = str | int | float | bool


def decide_task(series: pl.Series) -> Literal["classification", "regression"]:
    """Return what the target asks for.

    Texts and booleans are classes. Numbers with a fraction are a quantity. Whole numbers are classes if there are at
    most two different ones, or at most 20 with at least five rows to each on average; otherwise a quantity.

    Raises
    ------
    TableError
        A target of dates, lists or bytes, or without any value.

    Examples
    --------
    >>> decide_task(pl.Series([0, 1, 1, 0]))
    'classification'
    >>> decide_task(pl.Series([0.5, 1.0]))
    'regression'
    """
    kind = infer_kind(series)
    if kind in ("category", "boolean"):
        return "classification"
    if kind == "date":
        raise TableError(
            f"The target '{series.name}' holds dates; expected classes or numbers. "
            "Turn it into a number first, such as days from a given date."
        )
    values = np.empty(len(series))
    numbers_into(values, series)
    values = values[~np.isnan(values)]
    if not len(values):
        raise TableError(f"The target '{series.name}' has no values: all {len(series)} rows are missing it.")
    if not np.all(values == np.floor(values)):
        return "regression"
    distinct = len(np.unique(values))
    few = distinct <= 2 or (distinct <= FEW_VALUES and distinct * ROWS_PER_VALUE <= len(values))
    return "classification" if few else "regression"


def require_complete(series: pl.Series, where: Where = row_number) -> None:
    """Refuse a target with missing values.

    Parameters
    ----------
    series
        The target.
    where
        Says where a row is, in an error.

    Raises
    ------
    TableError
        Says how many are missing and names the first row.
    """
    missing = missing_in(series)
    count = int(missing.sum())
    if count:
        raise TableError(
            f"The target '{series.name}' is missing (null or NaN) in {count} of {len(series)} rows: "
            f"{'first ' if count > 1 else ''}in {where(missing.arg_max() or 0)}. Fill in or remove "
            f"{'these rows' if count > 1 else 'this row'}."
        )


@dataclass(frozen=True)
class Classes:
    """The classes of a target, ascending, in the Python type they came in.

    Examples
    --------
    >>> classes = Classes.fit(pl.Series("y", ["no", "yes", "no"]))
    >>> classes.values
    ('no', 'yes')
    >>> classes.encode(pl.Series("y", ["yes"])).tolist()
    [1]
    >>> classes.decode([1, 0]).tolist()
    ['yes', 'no']
    """

    values: tuple[Label, ...]

    @classmethod
    def fit(cls, series: pl.Series, where: Where = row_number) -> Classes:
        """Find the classes of a target; ``where`` says where a row is, in an error.

        Raises
        ------
        TableError
            Missing values, a single class, more than 1000, or nearly as many as rows.
        """
        require_complete(series, where)
        if infer_kind(series) == "date":
            decide_task(series)  # raises
        values = tuple(sorted(_labels(series).unique().to_list()))
        if len(values) == 1:
            raise TableError(
                f"The target '{series.name}' is always {values[0]!r}, a single class: there is nothing to learn. "
                "Choose another target column, or rows of more than one class."
            )
        if len(values) > MAX_CLASSES or (len(series) >= 50 and len(values) > MAX_CLASS_SHARE * len(series)):
            numeric = series.dtype.is_numeric()
            advice = "Use regression." if numeric else "It looks like an identifier; choose another target column."
            raise TableError(
                f"The target '{series.name}' has {len(values)} different values in {len(series)} rows, "
                f"too many to be classes. {advice}"
            )
        return cls(values)

    def encode(self, series: pl.Series, where: Where = row_number) -> NDArray[np.int32]:
        """Return the place of each row's class, (rows,).

        Numbers written as texts, and the reverse, are recognized. ``where`` says where a row is, in an error.

        Raises
        ------
        TableError
            A missing value, or a label that is none of the classes.
        """
        require_complete(series, where)
        labels = self._in_own_type(series)
        codes = labels.replace_strict(
            pl.Series(list(self.values), dtype=labels.dtype),
            list(range(len(self.values))),
            default=None,
            return_dtype=pl.Int32,
        )
        unknown = codes.is_null()
        if unknown.any():
            row = unknown.arg_max() or 0
            known = ", ".join(repr(value) for value in self.values[:10]) + (", ..." if len(self.values) > 10 else "")
            raise TableError(
                f"The target '{series.name}' has the label {series[row]!r} in {where(row)}, which is "
                f"none of the classes of training: {known}."
            )
        return codes.to_numpy().copy()

    def decode(self, codes: ArrayLike) -> NDArray[Any]:
        """Return the labels of class codes (any shape), in the type the classes came in."""
        labels: NDArray[Any] = np.array(self.values)
        decoded: NDArray[Any] = labels[np.asarray(codes)]
        return decoded

    def to_json(self) -> dict[str, Any]:
        """Return the classes as a dictionary of plain values."""
        return {"values": list(self.values)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Classes:
        """Return the classes that :meth:`to_json` wrote."""
        return cls(tuple(data["values"]))

    def _in_own_type(self, series: pl.Series) -> pl.Series:
        labels = _labels(series)
        first = self.values[0]
        if isinstance(first, bool):
            if labels.dtype == pl.String:
                return labels.str.to_lowercase().replace_strict(
                    ["true", "false"], [True, False], default=None, return_dtype=pl.Boolean
                )
            return labels.cast(pl.Float64).replace_strict(
                [1.0, 0.0], [True, False], default=None, return_dtype=pl.Boolean
            )
        if isinstance(first, str):
            return labels.cast(pl.String)
        if isinstance(first, int) and labels.dtype == pl.String:
            whole = labels.cast(pl.Int64, strict=False)
            labels = labels if whole.has_nulls() else whole
        if isinstance(first, int) and labels.dtype.is_integer():
            return labels  # not by way of floats, which run out of digits
        return labels.cast(pl.Float64, strict=False)


def _labels(series: pl.Series) -> pl.Series:
    """Bring a target to String, Boolean, Int64 or Float64."""
    if series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype in (pl.String, pl.Boolean):
        return series
    if series.dtype.is_integer():
        whole = series.cast(pl.Int64, strict=False)
        if whole.null_count() == series.null_count():
            return whole
    values = np.empty(len(series))
    numbers_into(values, series)
    return pl.Series(series.name, values)


def regression_values(series: pl.Series, where: Where = row_number) -> NDArray[np.float64]:
    """Return a numeric target as (rows,) floats; ``where`` says where a row is, in an error.

    Raises
    ------
    TableError
        A missing, infinite or non-numeric value, with its row.

    Examples
    --------
    >>> regression_values(pl.Series("price", [1, 2])).tolist()
    [1.0, 2.0]
    """
    if infer_kind(series) == "date":
        decide_task(series)  # raises
    if infer_kind(series) == "category":
        _require_numbers(series, where)
    require_complete(series, where)
    values = np.empty(len(series))
    numbers_into(values, series, where)
    return values


def _require_numbers(series: pl.Series, where: Where) -> None:
    texts = series.cast(pl.String)
    bad = texts.is_not_null() & texts.str.strip_chars().cast(pl.Float64, strict=False).is_null()
    if bad.any():
        row = bad.arg_max() or 0
        raise TableError(
            f"The target '{series.name}' must hold numbers for regression; {where(row)} holds "
            f"{texts[row]!r}. Correct it, or use classification."
        )


@dataclass(frozen=True)
class TargetScaling:
    """Mean and standard deviation of a numeric target in training, and its range.

    Attributes
    ----------
    mean, std
        What :meth:`standardize` subtracts and divides by, in the target's unit.
    low, high
        The smallest and largest value of training: what predictions can be clamped to.

    Examples
    --------
    >>> scaling = TargetScaling.fit([1.0, 3.0])
    >>> scaling.mean, scaling.std, scaling.low, scaling.high
    (2.0, 1.0, 1.0, 3.0)
    >>> scaling.restore(scaling.standardize([5.0])).tolist()
    [5.0]
    """

    mean: float
    std: float
    low: float
    high: float

    @classmethod
    def fit(cls, values: ArrayLike, weights: ArrayLike | None = None, name: str = "target") -> TargetScaling:
        """Take the figures from the training rows.

        Parameters
        ----------
        values
            (rows,) finite numbers, see :func:`regression_values`.
        weights
            (rows,) how often each row counts; the same bits as copies of the rows would give.
        name
            What the target is called in an error.

        Raises
        ------
        TableError
            The target is constant.
        """
        numbers = np.asarray(values, dtype=np.float64)
        found = distribution(numbers, checked_weights(weights, len(numbers)))
        if len(found.values) == 0:
            raise TableError(f"The target '{name}' has no values.")
        mean, std = found.mean_and_deviation()
        if not std > 0 or not np.isfinite(1.0 / std):
            raise TableError(
                f"The target '{name}' is always {found.values[0]}: there is nothing to learn. Choose another."
            )
        return cls(mean, std, float(found.values[0]), float(found.values[-1]))

    def standardize(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return (values - mean) / std, any shape."""
        halves: NDArray[np.float64] = np.asarray(values, dtype=np.float64) / 2  # their difference cannot overflow
        with np.errstate(over="ignore"):
            return np.asarray((halves - self.mean / 2) / self.std * 2)

    def restore(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return values · std + mean, any shape, in the target's unit."""
        with np.errstate(over="ignore"):
            restored = np.asarray(values, dtype=np.float64) * self.std + self.mean
        largest = float(np.finfo(np.float64).max)
        return np.clip(restored, -largest, largest)

    def to_json(self) -> dict[str, Any]:
        """Return the scaling as a dictionary of plain values; floats survive JSON exactly."""
        return {"mean": self.mean, "std": self.std, "low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TargetScaling:
        """Return the scaling that :meth:`to_json` wrote."""
        return cls(float(data["mean"]), float(data["std"]), float(data["low"]), float(data["high"]))
