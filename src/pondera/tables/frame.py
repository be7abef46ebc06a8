"""Whatever holds rows and columns -> a Polars data frame.

pandas, Arrow and scikit-learn objects are recognized by what they offer, so none of those packages is needed or
imported.
"""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import polars as pl

from pondera.errors import ArgumentError, TableError
from pondera.tables.columns import unusable
from pondera.tables.values import typed_text

_WANTED = "a data frame (Polars, pandas or Arrow), a dictionary of columns or a 2-dimensional array"


def as_frame(data: Any, *, names: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the data as a Polars data frame with one dtype a column.

    Parameters
    ----------
    data
        A Polars or pandas data frame, a pyarrow table or anything else with ``__arrow_c_stream__``, a dictionary of
        columns, a NumPy array (rows, columns), or a list of rows. NaN in a column of floats counts as missing and
        becomes null. In an array or list of objects each column is numeric if all its values are numbers, and text
        if numbers and texts are mixed. An array of NumPy's text dtype, which is what NumPy makes of mixed
        rows, is typed as text read from a file would be.
    names
        Column names for data without names of its own (arrays and lists); ``x0, x1, ...`` if not given.

    Returns
    -------
    polars.DataFrame
        At least one row and one column.

    Raises
    ------
    TableError
        Not two-dimensional, no rows or columns, a column name twice, complex numbers, nested or sparse data.
    ArgumentError
        ``names`` does not give one name a column.

    Examples
    --------
    >>> as_frame([[1, "a"], [2, None]]).rows()
    [(1, 'a'), (2, None)]
    """
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        return checked_frame(data)
    package = type(data).__module__.split(".")[0]
    if isinstance(data, pl.Series) or (package == "pandas" and getattr(data, "ndim", 2) == 1):
        raise TableError(f"Expected {_WANTED}, found a single column; put it into a data frame first.")
    if package == "pandas" and hasattr(data, "columns"):
        return checked_frame(_from_pandas(data))
    if package == "scipy" or hasattr(data, "toarray"):
        raise TableError("Expected a dense table, found a sparse matrix; convert it first, e.g. with X.toarray().")
    if hasattr(data, "__arrow_c_stream__"):
        return checked_frame(_from_arrow(data))
    if isinstance(data, Mapping):
        _require_equal_lengths(data)
        return checked_frame(_assemble([(str(name), _from_column(str(name), data[name])) for name in data]))
    return checked_frame(_from_array(_as_array(data), names))


def checked_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with NaN as null, after refusing what cannot be trained on.

    Raises
    ------
    TableError
        No rows, no columns, a column of lists, structures, bytes or objects, or a name such as ``^a$``.
    """
    if frame.width == 0:
        raise TableError("The table has no columns.")
    if frame.height == 0:
        raise TableError(f"The table has {frame.width} columns but no rows (0 samples).")
    for name, dtype in frame.schema.items():
        if dtype.is_nested() or dtype in (pl.Object, pl.Binary):
            raise unusable(name, dtype)
        if name.startswith("^") and name.endswith("$"):
            raise TableError(f"The column name '{name}' would be taken for a pattern, as ^...$ is; rename the column.")
    return frame.with_columns([series.fill_nan(None) for series in frame if series.dtype.is_float()])


def _assemble(columns: Sequence[tuple[str, pl.Series]]) -> pl.DataFrame:
    counts = Counter(name for name, _ in columns)
    for name, count in counts.items():
        if count > 1:
            places = [str(at + 1) for at, (other, _) in enumerate(columns) if other == name]
            raise TableError(
                f"The column name '{name}' occurs {count} times (columns {', '.join(places)}); rename all but one."
            )
    return pl.DataFrame([series.alias(name) for name, series in columns])


def _require_equal_lengths(data: Mapping[Any, Any]) -> None:
    lengths: dict[Any, int] = {}
    for name, values in data.items():
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise TableError(f"Column '{name}' must be a list or array of values, found {type(values).__name__}.")
        lengths[name] = len(values)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"'{name}' has {length}" for name, length in list(lengths.items())[:5])
        raise TableError(f"All columns must have the same number of rows: {found}.")


def _from_arrow(data: Any) -> pl.DataFrame:
    names = getattr(data, "column_names", None)
    if isinstance(names, list):
        _assemble([(str(name), pl.Series([0])) for name in names])  # refuses a name given twice
    try:
        frame = pl.from_arrow(data)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise TableError(f"The Arrow data cannot be read as a table: {error}.") from error
    if isinstance(frame, pl.Series):
        raise TableError(f"Expected {_WANTED}, found a single Arrow column.")
    return frame


def _from_pandas(data: Any) -> pl.DataFrame:
    columns = []
    for at, name in enumerate(data.columns):
        columns.append((str(name), _from_pandas_column(str(name), data.iloc[:, at])))
    return _assemble(columns)


def _from_pandas_column(name: str, column: Any) -> pl.Series:
    """Convert by NumPy arrays and, for texts and odd types, by Python values, so that pyarrow is never needed."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return _from_column(name, column.to_numpy())
    kind = str(getattr(dtype, "kind", "O"))
    if hasattr(column, "cat"):
        texts = from_objects(name, list(column.cat.categories)).cast(pl.String)
        codes = pl.Series(column.cat.codes.to_numpy()).cast(pl.Int64)
        return texts.gather(codes.set(codes < 0, None)).alias(name)
    if getattr(dtype, "tz", None) is not None:
        return _from_column(name, column.dt.tz_localize(None).to_numpy())
    missing = column.isna().to_numpy()
    if kind in "iub":
        filled = column.to_numpy(dtype=bool if kind == "b" else np.uint64 if kind == "u" else np.int64, na_value=0)
        return pl.Series(name, filled).set(pl.Series(missing), None)
    if kind == "f":
        return _from_column(name, column.to_numpy(dtype=np.float64, na_value=np.nan))
    return from_objects(name, column.to_numpy(dtype=object).tolist())


def _as_array(data: Any) -> np.ndarray[Any, Any]:
    if isinstance(data, np.ma.MaskedArray):
        values = np.array(data.data, dtype=object)
        values[np.ma.getmaskarray(data)] = None
        return values
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, list | tuple):
        if data and all(isinstance(row, list | tuple) for row in data):
            return _rows_as_array(data)
        return np.asarray(data, dtype=object if not data else None)
    if hasattr(data, "__array__"):
        return np.asarray(data)
    raise TableError(f"Expected {_WANTED}, found {type(data).__name__}.")


def _rows_as_array(data: Sequence[Sequence[Any]]) -> np.ndarray[Any, Any]:
    """Keep every Python value as it is: NumPy alone would turn a row of numbers and texts into texts."""
    width = len(data[0])
    for row, values in enumerate(data):
        if len(values) != width:
            raise TableError(
                f"All rows must have the same length: row 0 has {width} values, row {row} has {len(values)}."
            )
    array = np.empty((len(data), width), dtype=object)
    for row, values in enumerate(data):
        for at, value in enumerate(values):
            array[row, at] = value
    return array


def _from_array(array: np.ndarray[Any, Any], names: Sequence[str] | None) -> pl.DataFrame:
    if array.ndim != 2:
        found = "a single value" if array.ndim == 0 else f"a {array.ndim}-dimensional array of shape {array.shape}"
        advice = " Reshape one column with X.reshape(-1, 1), one row with X.reshape(1, -1)." if array.ndim == 1 else ""
        raise TableError(f"Expected {_WANTED}, found {found}.{advice}")
    width = array.shape[1]
    if names is None:
        names = [f"x{at}" for at in range(width)]
    elif len(names) != width:
        raise ArgumentError(f"Expected one name for each of the {width} columns, found {len(names)} names.")
    return _assemble([(str(name), _from_column(str(name), array[:, at])) for at, name in enumerate(names)])


def _from_column(name: str, values: Any) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.alias(name)
    if type(values).__module__.split(".")[0] == "pandas":
        return _from_pandas_column(name, values)
    if not isinstance(values, np.ndarray):
        return from_objects(name, list(values))
    if values.ndim != 1:
        raise TableError(f"Column '{name}' must hold one value a row, found an array of shape {values.shape}.")
    kind = values.dtype.kind
    if kind == "c":
        raise TableError(f"Column '{name}' holds complex numbers (complex data not supported); use real numbers.")
    if kind == "O":
        return from_objects(name, values.tolist())
    if kind == "U":
        return typed_text(pl.Series(name, values.tolist(), dtype=pl.String))
    if kind == "f":
        wide = values.dtype.newbyteorder("=") if values.dtype.itemsize in (4, 8) else np.float64
        return pl.Series(name, np.ascontiguousarray(values, dtype=wide), nan_to_null=True)
    if kind in "iub":
        return pl.Series(name, np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("=")))
    if kind in "mM":
        unit = "timedelta64[us]" if kind == "m" else "datetime64[us]"
        return pl.Series(name, np.ascontiguousarray(values.astype(unit)))
    raise unusable(name, values.dtype)


def as_series(name: str, values: np.ndarray[Any, Any]) -> pl.Series:
    """Return labels or numbers as a column: (rows,)."""
    return from_objects(name, values.tolist()) if values.dtype == object else pl.Series(name, values)


def from_objects(name: str, values: Sequence[Any]) -> pl.Series:
    """Return a column of Python values with the narrowest dtype that holds them all.

    Examples
    --------
    >>> from_objects("a", [1, None, 2.5]).to_list()
    [1.0, None, 2.5]
    """
    present = [None if _is_missing(value) else value for value in values]
    kinds = {_kind_of(name, value) for value in present if value is not None}
    if not kinds:
        return pl.Series(name, [None] * len(present), dtype=pl.Float64)
    if kinds == {"boolean"}:
        return pl.Series(name, [None if value is None else bool(value) for value in present], dtype=pl.Boolean)
    if kinds == {"integer"}:
        whole = [None if value is None else int(value) for value in present]
        if all(value is None or -(2**63) <= value < 2**63 for value in whole):
            return pl.Series(name, whole, dtype=pl.Int64)
    if kinds <= {"integer", "number", "boolean"}:
        return pl.Series(name, [None if value is None else _to_float(value) for value in present], dtype=pl.Float64)
    if kinds == {"date"}:
        return pl.Series(name, present, dtype=pl.Date)
    if kinds <= {"date", "datetime"}:
        return pl.Series(name, [_to_datetime(value) for value in present], dtype=pl.Datetime("us"))
    if kinds == {"duration"}:
        return pl.Series(name, present, dtype=pl.Duration("us"))
    return pl.Series(name, [None if value is None else str(value) for value in present], dtype=pl.String)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return bool(isinstance(value, float | np.floating | np.datetime64 | decimal.Decimal) and value != value)


def _kind_of(name: str, value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | np.integer):
        return "integer"
    if isinstance(value, numbers.Real | decimal.Decimal):
        return "number"
    if isinstance(value, numbers.Complex):
        raise TableError(f"Column '{name}' holds complex numbers (complex data not supported); use real numbers.")
    if isinstance(value, datetime.datetime | np.datetime64):
        return "datetime"
    if isinstance(value, datetime.date):
        return "date"
    if isinstance(value, datetime.timedelta):
        return "duration"
    if isinstance(value, datetime.time) or type(value).__name__ in ("Period", "Interval"):
        return "text"
    raise TableError(
        f"Column '{name}' holds a value of type {type(value).__name__}; expected numbers, texts, booleans or dates: "
        "an argument must be a string or a number."
    )


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _to_datetime(value: Any) -> datetime.datetime | None:
    if value is None:
        return None
    if isinstance(value, np.datetime64):
        return cast("datetime.datetime", value.astype("datetime64[us]").item())
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)  # the hour on the wall is what a network can learn from
    return datetime.datetime.combine(value, datetime.time())
