import datetime
import json

import numpy as np
import polars as pl
import pytest

from pondera.errors import TableError
from pondera.tables import Classes, TargetScaling, decide_task, load_example, regression_values, require_complete

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1, 1], "classification"),
        ([0.0, 1.0], "classification"),
        ([5, 7, None], "classification"),
        ([0, 1, 2] * 5, "classification"),
        ([0, 1, 2] * 4, "regression"),
        (list(range(20)) * 5, "classification"),
        (list(range(21)) * 50, "regression"),
        ([0.5, 1.0], "regression"),
        ([1.0, 2.0, 3.0, 4.0, NAN], "regression"),
    ],
)
def test_the_task_follows_from_the_target(values, task):
    assert decide_task(pl.Series("y", values)) == task


@pytest.mark.parametrize(("name", "task"), [("iris", "classification"), ("diabetes", "regression")])
def test_the_task_of_examples(name, task):
    frame, target, _ = load_example(name)
    assert decide_task(frame[target]) == task


def test_digits_as_numbers_are_classes():
    frame, target, _ = load_example("digits")
    assert decide_task(frame[target].cast(pl.Int64)) == "classification"


@pytest.mark.parametrize(
    ("series", "values", "kind"),
    [
        (pl.Series(["b", "a", "b"]), ("a", "b"), "U"),
        (pl.Series(["b", "a", "b"], dtype=pl.Categorical), ("a", "b"), "U"),
        (pl.Series([3, 1, 3], dtype=pl.UInt8), (1, 3), "i"),
        (pl.Series([1.5, -1.0, 1.5]), (-1.0, 1.5), "f"),
        (pl.Series([True, False, True]), (False, True), "b"),
    ],
)
def test_classes_keep_their_type_and_come_back(series, values, kind):
    classes = Classes.fit(series)
    assert classes.values == values
    assert [type(value) for value in classes.values] == [type(value) for value in values]
    codes = classes.encode(series)
    assert codes.dtype == np.int32
    decoded = classes.decode(codes)
    assert decoded.dtype.kind == kind
    assert decoded.tolist() == series.cast(pl.String if kind == "U" else series.dtype).to_list()
    again = Classes.from_json(json.loads(json.dumps(classes.to_json())))
    assert again == classes
    assert [type(value) for value in again.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("train", "labels"),
    [
        ([0, 1], ["1", "0"]),
        ([0, 1], [1.0, 0.0]),
        (["0", "1"], [1, 0]),
        ([0.0, 1.0], [1, 0]),
        ([False, True], [1, 0]),
        ([False, True], ["True", "false"]),
        ([0, 1], [True, False]),
    ],
)
def test_labels_may_come_in_another_type(train, labels):
    assert Classes.fit(pl.Series("y", train)).encode(pl.Series("y", labels)).tolist() == [1, 0]


def test_large_whole_numbers_stay_apart():
    series = pl.Series("y", [2**60, 2**60 + 1] * 3)
    assert Classes.fit(series).encode(series).tolist() == [0, 1] * 3


BAD_CLASSES = {
    "missing": (
        pl.Series("y", ["a", None, "b", None]),
        "The target 'y' is missing (null or NaN) in 2 of 4 rows: first in row 1 (the first is 0). "
        "Fill in or remove these rows.",
    ),
    "one missing": (pl.Series("y", [1.0, NAN]), "in 1 of 2 rows: in row 1 (the first is 0)"),
    "many missing": (pl.Series("y", [None] * 9 + ["a"]), "in 9 of 10 rows: first in row 0 (the first is 0)"),
    "one class": (pl.Series("y", ["a", "a"]), "The target 'y' is always 'a', a single class"),
    "too many": (
        pl.Series("y", list(range(1001)) * 3),
        "has 1001 different values in 3003 rows, too many to be classes. Use regression.",
    ),
    "as many as rows": (pl.Series("y", [f"p{row}" for row in range(60)]), "It looks like an identifier"),
    "dates": (pl.Series("y", [datetime.date(2024, 1, 1)] * 2), "The target 'y' holds dates"),
    "lists": (pl.Series("y", [[1], [2]]), "Column 'y' holds values of type List"),
    "infinite": (pl.Series("y", [1.0, float("inf")]), "row 1 (the first is 0): expected a finite number"),
}


@pytest.mark.parametrize("kind", BAD_CLASSES)
def test_targets_that_are_no_classes(kind):
    series, sentence = BAD_CLASSES[kind]
    with pytest.raises(TableError) as error:
        Classes.fit(series)
    assert sentence in str(error.value)


@pytest.mark.parametrize("labels", [["a", "z"], ["a", None]])
def test_labels_that_are_none_of_the_classes(labels):
    with pytest.raises(TableError, match=r"label 'z' in row 1 .* none of the classes of training: 'a', 'b'|missing"):
        Classes.fit(pl.Series("y", ["a", "b"])).encode(pl.Series("y", labels))


def test_a_text_is_no_number_class():
    with pytest.raises(TableError, match="label 'x' in row 1"):
        Classes.fit(pl.Series("y", [1, 2])).encode(pl.Series("y", ["1", "x"]))


@pytest.mark.parametrize(
    ("series", "sentence"),
    [
        (
            pl.Series("y", ["1", "x"]),
            "The target 'y' must hold numbers for regression; row 1 (the first is 0) holds 'x'",
        ),
        (pl.Series("y", [1.0, None]), "is missing (null or NaN) in 1 of 2 rows"),
        (pl.Series("y", [1.0, float("-inf")]), "row 1 (the first is 0): expected a finite number"),
        (pl.Series("y", [datetime.date(2024, 1, 1)]), "holds dates"),
    ],
)
def test_targets_that_are_no_numbers(series, sentence):
    with pytest.raises(TableError) as error:
        regression_values(series)
    assert sentence in str(error.value)


@pytest.mark.parametrize("values", [[1, 2], [1.0, 2.0], ["1", "2"]])
def test_numbers_of_a_target(values):
    assert regression_values(pl.Series("y", values)).tolist() == [1.0, 2.0]


def test_targets_without_values():
    with pytest.raises(TableError, match="has no values: all 2 rows"):
        decide_task(pl.Series("y", [None, None]))
    require_complete(pl.Series("y", [1]))


def test_a_target_is_standardized_and_restored():
    values = np.random.default_rng(0).normal(100, 7, 500)
    scaling = TargetScaling.fit(values)
    assert scaling.mean == pytest.approx(values.mean(), rel=1e-14)
    assert scaling.std == pytest.approx(values.std(), rel=1e-13)
    assert (scaling.low, scaling.high) == (values.min(), values.max())
    standardized = scaling.standardize(values)
    assert standardized.mean() == pytest.approx(0, abs=1e-13)
    assert standardized.std() == pytest.approx(1, rel=1e-13)
    np.testing.assert_allclose(scaling.restore(standardized), values, rtol=1e-14)
    assert TargetScaling.from_json(json.loads(json.dumps(scaling.to_json()))) == scaling


def test_rows_of_weight_zero_count_for_nothing():
    assert TargetScaling.fit([1.0, 3.0, 99.0], [1, 1, 0]) == TargetScaling.fit([1.0, 3.0])


@pytest.mark.parametrize("value", [5.0, 0.1, 1e300, 0.0])
def test_a_constant_target_teaches_nothing(value):
    with pytest.raises(TableError, match=r"The target 'price' is always .*: there is nothing to learn"):
        TargetScaling.fit([value] * 7, name="price")


@pytest.mark.parametrize("magnitude", [1e-300, 1e300, 1.7e308])
def test_targets_of_any_magnitude(magnitude):
    scaling = TargetScaling.fit(np.array([-1.0, 1.0]) * magnitude)
    np.testing.assert_allclose(scaling.standardize(np.array([-1.0, 1.0]) * magnitude), [-1, 1])
    assert np.isfinite(scaling.restore([1e10])).all()
