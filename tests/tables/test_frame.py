import datetime
import decimal
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from pondera.errors import ArgumentError, TableError
from pondera.tables import as_frame

DAY = datetime.datetime(2024, 1, 31, 10, 20)


def test_a_polars_frame_stays_as_it_is_but_for_nan():
    frame = pl.DataFrame({"a": [1.0, float("nan"), None], "b": ["x", None, ""]})
    assert as_frame(frame).rows() == [(1.0, "x"), (None, None), (None, "")]
    assert as_frame(frame.lazy()).rows() == as_frame(frame).rows()


@pytest.mark.parametrize(
    ("column", "dtype", "values"),
    [
        (pd.Series([1, 2]), pl.Int64, [1, 2]),
        (pd.Series([1.5, np.nan]), pl.Float64, [1.5, None]),
        (pd.Series([1.5, 2], dtype="float32"), pl.Float32, [1.5, 2.0]),
        (pd.Series([True, False]), pl.Boolean, [True, False]),
        (pd.Series([1, None], dtype="Int64"), pl.Int64, [1, None]),
        (pd.Series([2**63 + 1, None], dtype="UInt64"), pl.UInt64, [2**63 + 1, None]),
        (pd.Series([1.5, None], dtype="Float64"), pl.Float64, [1.5, None]),
        (pd.Series([True, None], dtype="boolean"), pl.Boolean, [True, None]),
        (pd.Series(["x", None]), pl.String, ["x", None]),
        (pd.Series(["x", None], dtype="string"), pl.String, ["x", None]),
        (pd.Series(["x", np.nan], dtype=object), pl.String, ["x", None]),
        (pd.Series([1, "x", pd.NA], dtype=object), pl.String, ["1", "x", None]),
        (pd.Series([1, None], dtype=object), pl.Int64, [1, None]),
        (pd.Series(["x", None, "y"], dtype="category"), pl.String, ["x", None, "y"]),
        (pd.Series([3, 1, None], dtype="Int64").astype("category"), pl.String, ["3", "1", None]),
        (pd.Series([DAY, pd.NaT]), pl.Datetime("us"), [DAY, None]),
        (pd.Series([pd.Timestamp(DAY, tz="Europe/Berlin")]), pl.Datetime("us"), [DAY]),
        (pd.Series([datetime.date(2024, 1, 31), None], dtype=object), pl.Date, [datetime.date(2024, 1, 31), None]),
        (pd.Series([pd.Timedelta("1s"), pd.NaT]), pl.Duration("us"), [datetime.timedelta(seconds=1), None]),
        (pd.Series([1, None], dtype=pd.ArrowDtype(pa.int64())), pl.Int64, [1, None]),
        (pd.Series(["x", None], dtype=pd.ArrowDtype(pa.string())), pl.String, ["x", None]),
    ],
)
def test_every_kind_of_pandas_column(column, dtype, values):
    frame = as_frame(pd.DataFrame({"a": column}))
    assert frame.schema == {"a": dtype}
    assert frame["a"].to_list() == values
    assert as_frame({"a": column}).equals(frame)


def test_pandas_does_not_need_pyarrow():
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import pandas as pd\n"
        "from pondera.tables import as_frame\n"
        "frame = pd.DataFrame({'a': ['x', None], 'b': [1, 2], 'c': pd.Series(['u', 'v'], dtype='category')})\n"
        "assert as_frame(frame).rows() == [('x', 1, 'u'), (None, 2, 'v')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_tables_imports_nothing_heavy():
    program = (
        "import sys, pondera.tables\n"
        "assert not {'jax', 'pandas', 'pyarrow', 'sklearn', 'scipy'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_column_names_that_are_no_text():
    assert as_frame(pd.DataFrame(np.eye(2))).columns == ["0", "1"]


def test_arrow():
    table = pa.table({"a": [1, None], "b": ["x", "y"]})
    assert as_frame(table).rows() == [(1, "x"), (None, "y")]
    assert as_frame(table.to_batches()[0]).rows() == [(1, "x"), (None, "y")]


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "f4", "f2", "i4", ">i4", "u1", "?", "longdouble"])
def test_numpy_arrays_are_named_x0_and_so_on(dtype):
    frame = as_frame(np.array([[1, 0], [0, 1]]).astype(dtype))
    assert frame.columns == ["x0", "x1"]
    assert frame.cast(pl.Float64).rows() == [(1.0, 0.0), (0.0, 1.0)]


def test_names_can_be_given():
    assert as_frame([[1, 2]], names=["a", "b"]).columns == ["a", "b"]
    assert as_frame(pl.DataFrame({"own": [1]}), names=["a"]).columns == ["own"]
    with pytest.raises(ArgumentError, match="Expected one name for each of the 2 columns, found 1"):
        as_frame([[1, 2]], names=["a"])


@pytest.mark.parametrize(
    ("values", "dtype", "wanted"),
    [
        ([1, 2, None], pl.Int64, [1, 2, None]),
        ([1, 2.5, float("nan")], pl.Float64, [1.0, 2.5, None]),
        ([True, None, False], pl.Boolean, [True, None, False]),
        ([True, 2, 3], pl.Float64, [1.0, 2.0, 3.0]),
        ([1, "a", None], pl.String, ["1", "a", None]),
        (["1", "2", "3"], pl.String, ["1", "2", "3"]),
        ([2**70, 1, 2], pl.Float64, [2.0**70, 1.0, 2.0]),
        ([10**400, 1, 2], pl.Float64, [float("inf"), 1.0, 2.0]),
        ([decimal.Decimal("0.5"), decimal.Decimal("nan"), 1], pl.Float64, [0.5, None, 1.0]),
        ([DAY, DAY.date(), None], pl.Datetime("us"), [DAY, datetime.datetime(2024, 1, 31), None]),
        ([np.datetime64("2024-01-31T10:20"), np.datetime64("NaT"), None], pl.Datetime("us"), [DAY, None, None]),
        ([None, None, float("nan")], pl.Float64, [None, None, None]),
        ([np.float32(0.5), np.int8(1), np.bool_(True)], pl.Float64, [0.5, 1.0, 1.0]),
    ],
)
def test_objects_are_typed_column_by_column(values, dtype, wanted):
    array = np.empty((3, 1), dtype=object)
    array[:, 0] = values
    for data in (array, [[value] for value in values]):
        frame = as_frame(data)
        assert frame.schema == {"x0": dtype}
        assert frame["x0"].to_list() == wanted
    assert as_frame({"x0": values}).equals(frame)


def test_texts_that_numpy_made_of_mixed_rows_become_numbers_again():
    frame = as_frame(np.array([[1.5, "a"], [2, "b"]]))
    assert frame.rows() == [(1.5, "a"), (2.0, "b")]


def test_masked_values_are_missing():
    assert as_frame(np.ma.array([[1.0], [2.0]], mask=[[False], [True]])).rows() == [(1.0,), (None,)]


BAD = {
    "a single number": (5.0, "found float"),
    "1-d array": (np.zeros(3), "1-dimensional array of shape (3,)"),
    "3-d array": (np.zeros((2, 2, 2)), "3-dimensional array of shape (2, 2, 2)"),
    "0-d array": (np.array(3.0), "found a single value"),
    "flat list": ([1, 2, 3], "1-dimensional"),
    "empty list": ([], "1-dimensional"),
    "no rows": (np.zeros((0, 2)), "2 columns but no rows"),
    "no columns": (np.zeros((2, 0)), "no columns"),
    "no rows, Polars": (pl.DataFrame({"a": []}), "1 columns but no rows"),
    "no columns, dict": ({}, "no columns"),
    "complex": (np.ones((2, 2), complex), "Column 'x0' holds complex numbers"),
    "complex objects": ([[1j], [2]], "Column 'x0' holds complex numbers"),
    "sparse": (sparse.eye_array(3).tocsr(), "found a sparse matrix"),
    "uneven rows": ([[1, 2], [3]], "row 0 has 2 values, row 1 has 1"),
    "uneven columns": ({"a": [1], "b": [1, 2]}, "'a' has 1, 'b' has 2"),
    "a scalar for a column": ({"a": 1}, "Column 'a' must be a list or array of values, found int"),
    "a text for a column": ({"a": "xyz"}, "Column 'a' must be a list or array of values, found str"),
    "2-d column": ({"a": np.zeros((2, 2))}, "Column 'a' must hold one value a row"),
    "lists": (pl.DataFrame({"a": [[1], [2]]}), "Column 'a' holds values of type List(Int64)"),
    "structures": (pl.DataFrame({"a": [{"b": 1}]}), "Column 'a' holds values of type Struct"),
    "nested objects": ({"a": [{}, {}]}, "Column 'a' holds a value of type dict"),
    "bytes": ({"a": [b"x"]}, "Column 'a' holds a value of type bytes"),
    "NumPy bytes": (np.array([[b"x"]]), "Column 'x0' holds values of type |S1"),
    "name twice, pandas": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' occurs 2 times (columns 1, 2)"),
    "name twice, Arrow": (pa.table([[1], [2]], names=["a", "a"]), "'a' occurs 2 times (columns 1, 2)"),
    "one column, Polars": (pl.Series([1]), "found a single column"),
    "one column, pandas": (pd.Series([1]), "found a single column"),
    "one column, Arrow": (pa.chunked_array([[1]]), "found a single Arrow column"),
    "a pattern for a name": ({"a": [1.0], "^a$": [2.0]}, "The column name '^a$' would be taken for a pattern"),
    "something else": (object(), "found object"),
    "a text": ("t.csv", "found str"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_table_is_refused(kind):
    data, sentence = BAD[kind]
    with pytest.raises(TableError) as error:
        as_frame(data)
    assert sentence in str(error.value)
