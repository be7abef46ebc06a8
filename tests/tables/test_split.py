import datetime
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from pondera.errors import ArgumentError, TableError
from pondera.tables import as_frame, distinct_rows, split


@given(st.integers(2, 300), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_every_row_is_on_one_side(rows, fraction, seed):
    try:
        train, held_out = split(rows, fraction, seed)
    except TableError:
        assert math.ceil(rows * fraction) == rows
        return
    assert sorted([*train, *held_out]) == list(range(rows))
    assert len(held_out) == math.ceil(rows * fraction)
    for side in (train, held_out):
        assert side.dtype == np.int64
        assert (np.diff(side) > 0).all()


@given(st.lists(st.integers(0, 4), min_size=10, max_size=200), st.floats(0.1, 0.9), st.integers(0, 99))
def test_classes_keep_their_shares_and_one_row_at_least(labels, fraction, seed):
    labels = np.array(labels)
    try:
        train, held_out = split(len(labels), fraction, seed, labels)
    except TableError:
        assert np.unique(labels, return_counts=True)[1].max() < 10
        return
    assert sorted([*train, *held_out]) == list(range(len(labels)))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        held = int((labels[held_out] == label).sum())
        assert held < count
        assert held >= min(np.floor(count * fraction), count - 1)
        assert held <= np.floor(count * fraction) + 1


def test_the_total_is_kept_when_classes_are_large():
    labels = np.array(["a"] * 37 + ["b"] * 41 + ["c"] * 22)
    assert len(split(100, 0.25, 0, labels)[1]) == 25


def test_the_seed_decides_between_classes_of_the_same_size():
    labels = np.repeat(["a", "b", "c", "d"], 5)
    counts = [np.unique(labels[split(20, 0.25, seed, labels)[1]], return_counts=True)[1] for seed in range(40)]
    assert all(sorted(each) == [1, 1, 1, 2] for each in counts)
    assert {int(each.argmax()) for each in counts} == {0, 1, 2, 3}


def test_the_rows_are_those_of_scikit_learn():
    for rows, fraction, seed in [(100, 0.2, 0), (101, 0.33, 7), (20_640, 0.2, 0)]:
        train, test = train_test_split(np.arange(rows), test_size=fraction, random_state=seed)
        ours = split(rows, fraction, seed)
        assert ours[0].tolist() == sorted(train)
        assert ours[1].tolist() == sorted(test)


def test_the_seed_decides():
    first, again, other = (split(1000, 0.2, seed)[1] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_labels_of_text_objects():
    labels = np.array(["x", "y"] * 10, dtype=object)
    assert sorted(labels[split(20, 0.2, 0, labels)[1]]) == ["x", "x", "y", "y"]


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ((10, 0.0, 0), ArgumentError, "between 0 and 1, both excluded. Got 0.0 instead."),
        ((10, 1.0, 0), ArgumentError, "Got 1.0 instead"),
        ((10, float("nan"), 0), ArgumentError, "Got nan instead"),
        ((10, 0.5, -1), ArgumentError, "The seed must be a whole number from 0 to 2**32 - 1. Got -1 instead."),
        ((10, 0.5, 0, np.zeros(3)), ArgumentError, "Expected one label for each of the 10 rows"),
        ((1, 0.5, 0), TableError, "Holding out 0.5 of 1 row leaves 0 for training and 1 held out"),
        ((2, 0.9, 0), TableError, "leaves 0 for training and 2 held out"),
        ((0, 0.5, 0), TableError, "of 0 rows leaves 0 for training and 0 held out"),
        ((3, 0.5, 0, np.arange(3)), TableError, "leaves 3 for training and 0 held out"),
        ((3, 0.5, 0, np.arange(3)), TableError, "each class keeps one for training"),
    ],
)
def test_what_cannot_be_split(arguments, kind, sentence):
    with pytest.raises(kind) as error:
        split(*arguments)
    assert sentence in str(error.value)


cells = st.tuples(
    st.sampled_from([None, 0.0, -0.0, 1.5, -2.5, float("nan"), 1e300]),
    st.sampled_from([None, "a", "b", ""]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, datetime.date(2024, 1, 1), datetime.date(1960, 1, 1)]),
    st.sampled_from([None, -3, 2**62]),
)
SCHEMA = {"f": pl.Float64, "c": pl.String, "b": pl.Boolean, "d": pl.Date, "i": pl.Int64}


def table(rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def bits(frame, index, weights):
    chosen = frame[index.tolist()].with_columns(pl.col("f").fill_nan(None))
    return chosen["f"].fill_null(7).to_numpy().tobytes(), chosen.rows(), weights.tobytes()


@given(st.lists(st.tuples(cells, st.integers(0, 3)), min_size=1, max_size=12), st.data())
def test_weights_copies_and_order_leave_the_same_rows(rows, data):
    frame, weights = table([row for row, _ in rows]), np.array([weight for _, weight in rows], dtype=float)
    weights[0] += 1
    copies = [row for (row, _), weight in zip(rows, weights.astype(int), strict=True) for _ in range(weight)]
    shuffled = table(data.draw(st.permutations(copies)))
    found = bits(frame, *distinct_rows(frame, weights))
    assert found == bits(shuffled, *distinct_rows(shuffled))
    assert len(set(map(repr, found[1]))) == len(found[1])


@given(st.lists(st.tuples(cells, st.floats(0.01, 2)), min_size=1, max_size=12), st.data())
def test_fractional_weights_do_not_depend_on_order(rows, data):
    shuffled = data.draw(st.permutations(rows))
    results = []
    for some in (rows, shuffled):
        frame = table([row for row, _ in some])
        results.append(bits(frame, *distinct_rows(frame, np.array([weight for _, weight in some]))))
    assert results[0] == results[1]


def test_rows_come_ordered_by_their_values():
    frame = pl.DataFrame({"a": [2.0, -1.0, None, -3.0, 2.0], "b": ["x", "y", "z", "y", "w"]})
    index, weights = distinct_rows(frame, np.array([1.0, 2.0, 3.0, 4.0, 0.0]))
    assert index.tolist() == [2, 3, 1, 0]
    assert weights.tolist() == [3.0, 4.0, 2.0, 1.0]


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["b", "a"]), pl.String])
def test_texts_are_ordered_as_texts(dtype):
    index, _ = distinct_rows(pl.DataFrame({"c": pl.Series(["b", "a", "b"], dtype=dtype)}))
    assert index.tolist() == [1, 0]


def test_any_flat_column_can_be_compared():
    frame = as_frame({"a": np.array([1, 2], dtype=np.uint64), "b": [datetime.timedelta(1), None], "c": [None, None]})
    frame = frame.with_columns(pl.lit(None).alias("null"), pl.Series("time", [datetime.time(1), None]))
    assert distinct_rows(frame)[0].tolist() == [0, 1]
    with pytest.raises(TableError, match="cannot be compared"):
        distinct_rows(pl.DataFrame({"a": [[1]]}))


def test_weights_that_do_not_fit():
    with pytest.raises(ArgumentError, match="Expected one weight for each of the 1 rows"):
        distinct_rows(pl.DataFrame({"a": [1]}), np.ones(2))
