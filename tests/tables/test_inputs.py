import numpy as np
import polars as pl
import pytest

from pondera.errors import TableError
from pondera.tables import inputs
from pondera.tables.encode import Encoding
from pondera.tables.inputs import inputs_of, scaling_of
from pondera.tables.scale import SCALINGS, Scaling

RANDOM = np.random.default_rng(0)
ROWS = 200
FRAME = pl.DataFrame(
    {
        "number": RANDOM.normal(size=ROWS),
        "gaps": pl.Series(np.where(RANDOM.random(ROWS) < 0.2, np.nan, RANDOM.normal(size=ROWS)), nan_to_null=True),
        "truth": RANDOM.random(ROWS) < 0.5,
        "binary": RANDOM.choice(["a", "b"], ROWS),
        "kind": RANDOM.choice(["x", "y", "z", None], ROWS),
        "day": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 7, 18), eager=True),
        "constant": ["same"] * ROWS,
    }
)
TRAIN, OTHER = FRAME[:150], FRAME[150:]


def test_inputs_one_by_one_are_the_columns_of_the_matrix():
    encoding = Encoding.fit(TRAIN)
    for frame in (TRAIN, FRAME.with_columns(pl.lit(None, pl.String).alias("kind"), pl.lit("new").alias("binary"))):
        matrix, _ = encoding.transform(frame)
        columns = list(encoding.each_input(frame))
        assert len(columns) == matrix.shape[1] == len(encoding.inputs)
        for column, expected in zip(columns, matrix.T, strict=True):
            np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize("how", SCALINGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_scaling_is_that_of_the_whole_matrix(how, weighted):
    encoding = Encoding.fit(TRAIN)
    weights = RANDOM.random(len(TRAIN)) if weighted else None
    assert scaling_of(encoding, TRAIN, how, weights) == Scaling.fit(encoding.transform(TRAIN)[0], how, weights)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("at_once", [1, 100, 1 << 22])
def test_blocks_of_any_size_give_the_same_inputs_and_counts(dtype, at_once, monkeypatch):
    monkeypatch.setattr(inputs, "VALUES_AT_ONCE", at_once)
    encoding = Encoding.fit(TRAIN)
    scaling = scaling_of(encoding, TRAIN, "robust")
    frame = OTHER.with_columns(
        kind=pl.Series(["new"] * 3 + ["x"] * 47), number=pl.Series([None] * 4 + [1.0] * 46), gaps=pl.lit(None)
    )
    matrix, unseen = encoding.transform(frame)
    x, counted = inputs_of(encoding, scaling, frame, dtype)
    np.testing.assert_array_equal(x, scaling.transform(matrix, dtype))
    assert x.dtype == dtype
    assert x.flags.c_contiguous
    assert counted == unseen
    assert counted.categories == {"kind": 3}
    assert counted.missing == {"number": 4}


def test_an_error_names_the_row_of_the_table_whatever_block_it_is_in(monkeypatch):
    monkeypatch.setattr(inputs, "VALUES_AT_ONCE", 30)
    encoding = Encoding.fit(TRAIN)
    scaling = scaling_of(encoding, TRAIN, "robust")
    frame = OTHER.with_columns(number=pl.Series(["1"] * 41 + ["many"] + ["2"] * 8))
    with pytest.raises(TableError, match=r"Column 'number', row 41 \(the first is 0\): expected a number, .* 'many'"):
        inputs_of(encoding, scaling, frame)
    with pytest.raises(TableError, match=r"Column 'number', line 43: expected a number"):
        inputs_of(encoding, scaling, frame, where=lambda row: f"line {row + 2}")


def test_no_rows_are_still_looked_at():
    encoding = Encoding.fit(TRAIN)
    scaling = scaling_of(encoding, TRAIN, "robust")
    assert inputs_of(encoding, scaling, FRAME[:0])[0].shape == (0, len(encoding.inputs))
    with pytest.raises(TableError, match=r"Column 'number', which the network was trained on, is not in the table"):
        inputs_of(encoding, scaling, FRAME[:0].drop("number"))
