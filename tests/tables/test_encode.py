import datetime
import json
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import OneHotEncoder

from pondera.errors import TableError
from pondera.tables import Column, Encoding, as_frame, check_columns, distinct_rows, infer_kind, load_example

NAN = float("nan")


def names(frame):
    return [each.name for each in Encoding.fit(frame).inputs]


def encode(train, rows=None):
    """Encode rows (the training rows if None) after learning from others; give the matrix only."""
    encoding = Encoding.fit(pl.DataFrame(train))
    return encoding.transform(pl.DataFrame(train if rows is None else rows))[0].tolist()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "numeric"),
        ([1.5], "numeric"),
        ([None], "numeric"),
        ([datetime.timedelta(1)], "numeric"),
        ([datetime.time(1)], "numeric"),
        ([True], "boolean"),
        (["a"], "category"),
        ([datetime.date(2024, 1, 1)], "date"),
        ([datetime.datetime(2024, 1, 1)], "date"),
    ],
)
def test_what_a_column_is(values, kind):
    assert infer_kind(pl.Series("a", values)) == kind
    column = Column.fit(pl.Series("a", values))
    assert Column.from_json(json.loads(json.dumps(column.to_json()))) == column


def test_polars_categorical_types_are_categories():
    for dtype in (pl.Categorical, pl.Enum(["b", "a"])):
        assert Column.fit(pl.Series("c", ["b", "a", None], dtype=dtype)).categories == ("a", "b")


@pytest.mark.parametrize("distinct", [1001, 60])
def test_an_identifier_is_refused_with_advice(distinct):
    rows = 5000 if distinct > 1000 else 100
    series = pl.Series("name", [f"p{row % distinct}" for row in range(rows)])
    sentence = f"Column 'name' holds {distinct} different texts in {rows} rows: nothing can .* It is an identifier"
    with pytest.raises(TableError, match=sentence) as error:
        check_columns(pl.DataFrame({"name": series}))
    assert "--drop name" in str(error.value)


def test_few_rows_may_all_be_different():
    assert len(names(pl.DataFrame({"c": [f"p{row}" for row in range(49)]}))) == 49


def test_numbers():
    assert encode({"a": [1, 2]}) == [[1.0], [2.0]]
    assert names(pl.DataFrame({"a": [1, None]})) == ["a", "a is missing"]
    np.testing.assert_equal(encode({"a": [1, None]}), [[1.0, 0.0], [NAN, 1.0]])


def test_booleans():
    assert encode({"b": [True, False, None]}) == [[1.0], [-1.0], [0.0]]
    encoding = Encoding.fit(pl.DataFrame({"b": [True, False]}))
    for rows in ([1, 0, None], [1.0, 0.0, NAN], ["True", "false", "NA"], ["1", "0", ""]):
        assert encoding.transform(pl.DataFrame({"b": rows}))[0].tolist() == [[1.0], [-1.0], [0.0]]


def test_two_categories_are_one_input():
    assert names(pl.DataFrame({"sex": ["m", "f"]})) == ["sex=m"]
    assert encode({"sex": ["m", "f"]}, {"sex": ["m", "f", "x", None]}) == [[1.0], [-1.0], [0.0], [0.0]]


def test_more_categories_are_an_input_each():
    assert names(pl.DataFrame({"c": ["b", "a", "c"]})) == ["c=a", "c=b", "c=c"]
    assert encode({"c": ["b", "a", "c"]}, {"c": ["c", "d", None]}) == [[0.0, 0.0, 1.0], [0.0] * 3, [0.0] * 3]


def test_missing_is_a_category_only_if_training_had_it():
    assert names(pl.DataFrame({"c": ["a", "b", None]})) == ["c=a", "c=b", "c=(missing)"]
    assert encode({"c": ["a", "b", None]}, {"c": [None, "a", "z"]}) == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0] * 3]


def test_one_hot_agrees_with_scikit_learn():
    values = np.random.default_rng(0).choice(["red", "green", "blue", "grey"], size=(200, 2))
    frame = as_frame({"p": values[:, 0], "q": values[:, 1]})
    expected = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(values)
    others = np.random.default_rng(1).choice(["red", "blue", "pink"], size=(50, 2))
    found, _ = Encoding.fit(frame).transform(as_frame({"p": others[:, 0], "q": others[:, 1]}))
    np.testing.assert_array_equal(found, expected.transform(others))


def test_dates_become_positions_in_year_and_week():
    train = {"d": [datetime.date(1970, 1, 1), datetime.date(2024, 7, 1)]}
    assert names(pl.DataFrame(train)) == [
        f"d: {part}" for part in ("day", "year sine", "year cosine", "week sine", "week cosine")
    ]
    first, second = np.array(encode(train))
    thursday, monday = 3 / 7, 0.0
    leap = 182 / 366  # 1 July is day 183 of a leap year
    turn = 2 * np.pi * np.array([0.0, thursday, leap, monday])
    np.testing.assert_allclose(first, [0, 0, 1, np.sin(turn[1]), np.cos(turn[1])], atol=1e-15)
    np.testing.assert_allclose(second, [19905, np.sin(turn[2]), np.cos(turn[2]), 0, 1], atol=1e-15)


def test_times_of_day_and_missing_dates():
    frame = pl.DataFrame({"d": [datetime.datetime(1969, 12, 31, 6), None]})
    assert names(frame)[-3:] == ["d: hour sine", "d: hour cosine", "d is missing"]
    first, second = np.array(encode(frame))
    assert first[0] == -0.75
    np.testing.assert_allclose(first[-3:], [1, 0, 0], atol=1e-15)
    assert np.isnan(second[:-1]).all()
    assert second[-1] == 1


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("{i}/12/2020", "look like dates: write them as 2024-01-31. Or drop it"),
        ("5 January 20{i}", "look like dates"),
        ("${i},000", "look like amounts: leave out the currency. Or drop it"),
        ("{i}.5 %", "look like percentages"),
        ("{i},000", "look like numbers: leave out the commas"),
        ("no{i}", "It is an identifier or free text. Drop it (--drop c)"),
    ],
)
def test_texts_that_are_refused_are_looked_at(text, advice):
    with pytest.raises(TableError, match=re.escape(advice)):
        check_columns(pl.DataFrame({"c": [text.replace("{i}", str(i % 90 + 10)) for i in range(60)]}))


@pytest.mark.parametrize("rows", [["2024-07-01"], [datetime.datetime(2024, 7, 1)], [datetime.date(2024, 7, 1)]])
def test_dates_may_come_as_text_or_with_a_time(rows):
    train = {"d": [datetime.date(2024, 7, 1)]}
    assert encode(train, {"d": rows}) == encode(train)


def test_durations_and_times_are_seconds():
    assert encode({"a": [datetime.timedelta(minutes=2)], "b": [datetime.time(0, 0, 3)]}) == [[120.0, 3.0]]


def test_columns_are_found_by_name():
    encoding = Encoding.fit(pl.DataFrame({"a": [1, 2], "b": [3, 4]}))
    matrix, unseen = encoding.transform(pl.DataFrame({"z": ["?"], "b": [6], "a": [5]}))
    assert matrix.tolist() == [[5.0, 6.0]]
    assert unseen.findings() == []
    assert matrix.flags.c_contiguous
    assert matrix.dtype == np.float64


def test_what_training_had_not_is_counted_and_said():
    encoding = Encoding.fit(pl.DataFrame({"n": [1, 2], "c": ["a", "b"], "m": ["a", None], "b": [True, False]}))
    rows = pl.DataFrame({"n": [None, 1.5], "c": ["z", None], "m": [None, "y"], "b": [None, None]})
    _, unseen = encoding.transform(rows)
    assert unseen.categories == {"c": 1, "m": 1}
    assert unseen.missing == {"n": 1, "c": 1, "b": 2}
    statements = [finding.statement for finding in unseen.findings()]
    assert statements[0] == "1 row has a category of 'c' that training had not seen."
    assert statements[-1] == "2 rows have no value of 'b', which no training row lacked."


@pytest.mark.parametrize(
    ("train", "rows"),
    [
        (["1", "2", "A"], [1, 2, None]),
        (["1", "2", "A"], [1.0, 2.0, NAN]),
        (["1.0", "2.0", "A"], [1.0, 2.0, NAN]),
        (["1", "2", "A"], [" 1", "2 ", "NA"]),
        (["True", "False", "maybe"], [True, False, None]),
    ],
)
def test_the_same_category_in_another_type(train, rows):
    encoding = Encoding.fit(pl.DataFrame({"c": train}))
    matrix, unseen = encoding.transform(as_frame({"c": rows}))
    assert unseen.categories == {}
    assert matrix.sum(axis=1).tolist() == [1.0, 1.0, 0.0]


def test_numbers_in_another_type():
    train = {"a": [1, 2, 3]}
    for rows in ([1.0, 0.0, None], ["1", " 0", "none"], [True, False, None], [1, 0, None]):
        np.testing.assert_equal(encode(train, {"a": rows}), [[1.0], [0.0], [NAN]])
    np.testing.assert_equal(encode(train, {"a": [None, None]}), [[NAN], [NAN]])


def test_a_column_without_values_may_be_anything_numeric_later():
    np.testing.assert_equal(encode({"a": [None, None]}), [[NAN, 1.0], [NAN, 1.0]])
    assert encode({"a": [None, None]}, {"a": [5]}) == [[5.0, 0.0]]


def test_columns_without_any_value_later():
    train = {"c": ["a", "b"], "d": [datetime.date(2024, 1, 1)] * 2, "b": [True, False], "n": [1, 2]}
    matrix = np.array(encode(train, {name: [None] for name in train}))
    np.testing.assert_equal(matrix, [[0.0, NAN, NAN, NAN, NAN, NAN, 0.0, NAN]])
    floats = np.array(encode(train, {name: pl.Series([None], dtype=pl.Float64) for name in train}))
    np.testing.assert_equal(floats, matrix)


BAD = {
    "column gone": (
        {"age": [1]},
        {"agee": [1]},
        "Column 'age', which the network was trained on, is not in the table; the closest it has is 'agee'",
    ),
    "columns gone": (
        {"a": [1], "b": [1]},
        {"z": [1]},
        "Column 'a', which the network was trained on, is not in the table (1 more is missing too)",
    ),
    "text": (
        {"a": [1]},
        {"a": ["1", "old"]},
        "Column 'a', row 1 (the first is 0): expected a number, as in training, found 'old'",
    ),
    "infinity": (
        {"a": [1]},
        {"a": [1.0, float("inf")]},
        "Column 'a', row 1 (the first is 0): expected a finite number",
    ),
    "infinite text": ({"a": [1]}, {"a": ["-inf"]}, "Column 'a', row 0 (the first is 0): expected a finite number"),
    "date for number": (
        {"a": [1]},
        {"a": [None, datetime.date(2024, 1, 1)]},
        "expected numbers, as in training, found datetime.date(2024, 1, 1) in row 1",
    ),
    "number for date": ({"a": [datetime.date(2024, 1, 1)]}, {"a": [5]}, "expected dates, as in training, found 5"),
    "text for date": (
        {"a": [datetime.date(2024, 1, 1)]},
        {"a": ["May"]},
        "expected a date such as 2024-01-31, as in training, found 'May'",
    ),
    "number for boolean": ({"a": [True]}, {"a": [0, 2]}, "row 1 (the first is 0): expected true or false (or 1 or 0)"),
    "text for boolean": ({"a": [True]}, {"a": ["yes"]}, "expected true or false, as in training, found 'yes'"),
    "date for boolean": ({"a": [True]}, {"a": [datetime.date(2024, 1, 1)]}, "expected true or false, as in training"),
    "list for category": ({"a": ["x", "y"]}, {"a": [["x"]]}, "expected categories, as in training"),
}


@pytest.mark.parametrize("kind", BAD)
def test_rows_that_do_not_fit_are_refused(kind):
    train, rows, sentence = BAD[kind]
    with pytest.raises(TableError) as error:
        encode(train, rows)
    assert sentence in str(error.value)


def test_infinity_and_lists_are_refused_in_training():
    infinite = pl.DataFrame({"a": [1.0, float("inf")]})
    with pytest.raises(TableError, match=r"Column 'a', row 1 .* expected a finite number, found inf"):
        check_columns(infinite)
    with pytest.raises(TableError, match=r"Column 'a', line 3: expected a finite number, found inf"):
        check_columns(infinite, lambda row: f"line {row + 2}")
    for refuse in (check_columns, Encoding.fit):
        with pytest.raises(TableError, match="Column 'a' holds values of type List"):
            refuse(pl.DataFrame({"a": [[1]]}))


def test_shares_of_different_texts_are_of_the_whole_table():
    frame = pl.DataFrame({"c": [f"p{row % 49}" for row in range(100)]})
    check_columns(frame)
    assert len(Encoding.fit(frame[:60]).inputs) == 49  # more than half of these rows, which does not matter


def test_a_column_called_like_a_pattern():
    frame = as_frame({"*": [1.5, None, 3.0], "a": ["x", "y", "x"]})
    check_columns(frame)
    assert Encoding.fit(frame).transform(frame)[0][:, 0].tolist() == pytest.approx([1.5, np.nan, 3.0], nan_ok=True)


def test_constant_columns_are_named_and_stay():
    frame = pl.DataFrame({"a": [1, 1], "b": ["x", "x"], "c": [None, None], "d": [1, None], "e": [1, 2]})
    encoding = Encoding.fit(frame)
    assert encoding.constant_columns == ("a", "b", "c")
    assert {each.column for each in encoding.inputs} == set("abcde")


def test_names_of_inputs_are_unique():
    frame = pl.DataFrame({"s=b": [1, 2], "s": ["a", "b"], "c": ["(missing)", None], "s=b (2)": [0, 1]})
    found = names(frame)
    assert len(set(found)) == len(found)
    assert found[0] == "s=b"


def test_json_keeps_everything():
    frame = pl.DataFrame(
        {"n": [1, None], "c": ["é", "x"], "b": [True, None], "d": [datetime.datetime(2024, 1, 1), None], "k": [1, 1]}
    )
    encoding = Encoding.fit(frame)
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert again == encoding
    np.testing.assert_equal(again.transform(frame)[0], encoding.transform(frame)[0])
    with pytest.raises(TableError, match="is of kind 'image'"):
        Column.from_json({**encoding.to_json()["columns"][0], "kind": "image"})


def test_parts_say_where_an_input_comes_from():
    frame = pl.DataFrame({"n": [1, None], "c": ["a", None], "b": [True, False]})
    assert [(each.column, each.part) for each in Encoding.fit(frame).inputs] == [
        ("n", "value"),
        ("n", "is missing"),
        ("c", "=a"),
        ("c", "=(missing)"),
        ("b", "value"),
    ]


def test_pandas_polars_and_numpy_encode_alike():
    frame, target, _ = load_example("wine")
    table = frame.drop(target)
    encoding = Encoding.fit(table)
    expected, _ = encoding.transform(table)
    pandas = pd.DataFrame({name: table[name].to_numpy() for name in table.columns})
    np.testing.assert_array_equal(encoding.transform(as_frame(pandas))[0], expected)
    arrays = as_frame(table.to_numpy())
    np.testing.assert_array_equal(Encoding.fit(arrays).transform(arrays)[0], expected)


def test_the_sign_of_zero_does_not_matter():
    assert np.signbit(encode({"a": [-0.0, 1.0]})).tolist() == [[False], [False]]


@pytest.mark.parametrize("name", ["*", "^a", "a$", " a", "weight", "row", "0"])
def test_any_text_can_be_a_column_name(name):
    frame = as_frame({"a": [1.0, NAN, 3.0], name: ["x", "y", "x"], "b": [1, 2, 3]})
    encoding = Encoding.fit(frame)
    assert [column.name for column in encoding.columns] == ["a", name, "b"]
    assert encoding.transform(frame)[0][:, 2].tolist() == [-1.0, 1.0, -1.0]
    assert distinct_rows(frame)[0].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("trained", "given"),
    [
        (["true", "false"], ["True", "False"]),
        (["True", "False"], [True, False]),
        (["1", "2"], ["1.0", "2.0"]),
        (["1.0", "2.0"], ["1", "2"]),
        (["2024-01-31", "2024-02-01"], ["31.01.2024", "2024/02/01"]),
        (["2024-01-31 00:00:00.000000", "2024-02-01 00:00:00.000000"], ["2024-01-31", "2024-02-01"]),
    ],
)
def test_the_same_category_written_in_another_way(trained, given):
    encoding = Encoding.fit(pl.DataFrame({"c": trained}))
    matrix, unseen = encoding.transform(pl.DataFrame({"c": given}))
    assert matrix.tolist() == encoding.transform(pl.DataFrame({"c": trained}))[0].tolist()
    assert unseen.categories == {}


@pytest.mark.parametrize("given", ["10.0.0.0", "v1.0", "python 3.0", "1.00", "01"])
def test_texts_that_only_look_alike_are_other_categories(given):
    encoding = Encoding.fit(pl.DataFrame({"c": ["10.0.0", "v1", "python 3", "1"]}))
    assert encoding.transform(pl.DataFrame({"c": [given]}))[1].categories == {"c": 1}


def test_a_category_as_it_is_goes_before_another_that_only_reads_the_same():
    encoding = Encoding.fit(pl.DataFrame({"c": ["1", "1.0", "x"]}))
    rows = encoding.transform(pl.DataFrame({"c": ["1", "1.0"]}))[0].tolist()
    assert rows == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
