"""What cannot be explained: each is refused with a sentence."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

import pondera
from pondera.errors import ArgumentError, TableError
from pondera.explaining.entry import question_about
from pondera.explaining.methods import METHODS
from pondera.explaining.row import explain_row
from pondera.explaining.weight import weight_of


@pytest.mark.parametrize(
    ("what", "x", "more", "sentence"),
    [
        (3, np.ones((4, 2)), {}, "Expected a model, networks"),
        (lambda x: x, np.ones(4), {}, r"\(rows, inputs\)"),
        (lambda x: x, np.array([["a"]]), {}, "rows of numbers"),
        (lambda x: x, np.ones((4, 2)), {"names": ["a"]}, "Expected 2 names"),
        (lambda x: x, np.ones((4, 2)), {"y": np.ones(3)}, "Expected 4 right answers"),
        (lambda x: x[:, :1], np.ones((4, 2)), {"y": np.ones(4), "baseline": "median"}, "baseline"),
        (
            LinearRegression().fit(np.eye(2), [1, 2]),
            np.ones((4, 2)),
            {"baseline": "median"},
            "Unknown baseline 'median'",
        ),
        (lambda x: x.sum(), np.ones((4, 2)), {}, r"function of JAX from .* returned an array of float64, \(\)"),
        (lambda x: x.T, np.ones((4, 2)), {}, r"Given 256 rows, it returned an array of float64, \(2, 256\)"),
        (lambda x: (x, x), np.ones((4, 2)), {}, "it returned tuple. Have it return an array"),
        (lambda x: x + 1j, np.ones((4, 2)), {}, "it returned an array of complex128"),
        (lambda x: x, np.ones((4, 2)), {"retrain": True}, "Leave out retrain"),
        (lambda x: x[:, :1], np.ones((4, 2)), {"methods": 3}, r"methods: expected names .*Got 3\."),
        (lambda x: x[:, :1], np.ones((4, 2)), {"methods": [["shapley"]]}, "Unknown method"),
        (lambda x: x, np.ones((4, 3)), {"y": np.ones(4)}, r"one of 3 outputs, or of all\. Give output, .* or of"),
        (lambda x: x, np.ones((4, 3)), {"y": np.ones(4), "loss": "poisson"}, "the loss of one output. Got 3"),
        (lambda x: x, np.ones((4, 3)), {"loss": "binary_cross_entropy"}, "one output. Got 3.*, or softmax_cross"),
        (lambda x: x, np.ones((4, 2)), {"y": np.ones(4), "loss": "squared_error"}, r"one of 2 outputs, .*Give output"),
        (lambda x: x, np.ones((4, 2)), {"y": np.ones((4, 2))}, r"Got 2 of each\. Give output.*: y\[:, output\]"),
        (lambda x: x, np.ones((4, 2)), {"names": ["a", "a"]}, "'a' is there more than once"),
        (lambda x: x[:, :1], np.ones((4, 2)), {"y": list("abcd")}, "such as 'a'. Give classes their numbers"),
        (
            lambda x: x[:, :1],
            np.ones((4, 2)),
            {"y": np.full(4, 1e200)},
            r"most 1e\+100, .*Got 1e\+200. Give them in",
        ),
        (LinearRegression, np.ones((4, 2)), {}, "Got the class LinearRegression itself. Make one, and fit it first"),
        (lambda x: x, np.ones((4, 3)), {"output": -4}, "from 0 to 2. Got -4"),
        ([lambda x: x, lambda x: x[:, :1]], np.ones((4, 3)), {}, "as many outputs of each. Got 3 of the first and 1"),
    ],
)
def test_what_cannot_be_explained(what, x, more, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        pondera.explain(what, x, **more)


def fitted():
    """Give what was fitted on four columns, and the columns."""
    x = np.random.default_rng(0).normal(size=(60, 4))
    frame = pd.DataFrame(x, columns=list("abcd"))
    return LinearRegression().fit(frame, x[:, 0]), frame, x


class Module:
    """What a module of PyTorch says of itself."""

    in_features = None

    def __init__(self, *layers, takes=None):
        self.layers, self.in_features = layers, takes

    def children(self):
        return iter(self.layers)

    def modules(self):
        return [self, *self.layers]

    def predict(self, x):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (60x3 and 4x3)")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e, f, x: (e, x[:, :3]), "Expected rows of 4 columns, which the estimator takes. Got 3 columns."),
        (lambda e, f, x: (e, f.drop(columns="c")), "Not there: c. Got a, b, d. Give a table that has them all."),
        (lambda e, f, x: (e, f.rename(columns=str.upper)), "Not there: a, b, c, d. Got A, B, C, D."),
        (lambda e, f, x: (e, f.assign(e=1.0)), "Expected rows of 4 columns, which the estimator takes. Got 5 columns."),
        (lambda e, f, x: (e, f[list("dcba")]), "fitted on: a, b, c, d. Got d, c, b, a. Put them into that order."),
        (lambda e, f, x: (e, f.assign(c="word")), "it failed with ValueError: could not convert string to float"),
        (lambda e, f, x: (LinearRegression(), x), "The estimator is not fitted. Call its fit first."),
        (lambda e, f, x: (e, [[1.0, 2.0], [3.0]]), "Got rows of different lengths."),
        (lambda e, f, x: (Module(Module(takes=4)), x[:, :3]), "4 columns, which the module's first layer takes. Got 3"),
        (lambda e, f, x: (Module(), x[:, :3]), "3 columns. Asked for them, it failed with RuntimeError: mat1"),
        (lambda e, f, x: (lambda x: x @ np.ones((4, 1)), x[:, :3]), "60 rows of 3 columns. Asked for them, it failed"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_told_in_a_sentence(change, words):
    what, rows = change(*fitted())
    with pytest.raises(ArgumentError) as told:
        pondera.explain(what, rows, np.zeros(len(rows)))
    assert words in str(told.value)


def test_an_array_of_other_columns_than_the_models():
    _, frame, x = fitted()
    model = pondera.PonderaRegressor([4], recipe="plain", epochs=2).fit(frame, x[:, 0])
    with pytest.raises(TableError, match=r"Expected rows of 4 columns, .* a, b, c, d\. Got 3 columns"):
        pondera.explain(model, x[:, :3])


def test_all_methods_are_named_where_one_is_unknown():
    with pytest.raises(ArgumentError) as told:
        pondera.explain(lambda x: x, np.ones((20, 1)), methods="permutate")
    assert all(name in str(told.value) for name in METHODS)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ArgumentError, match="seed: expected a whole number from 0 up"):
        pondera.explain(lambda x: x[:, :1], np.ones((9, 2)), seed=seed)


def test_one_class_is_nothing_to_explain():
    x = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ArgumentError, match="expected answers of two classes or more"):
        pondera.explain(RandomForestClassifier(3).fit(x, ["a"] * 30), x, ["a"] * 30)


def test_a_function_of_numpy_is_told_so():
    with pytest.raises(ArgumentError, match=r"Use jax\.numpy in it"):
        pondera.explain(lambda x: np.sin(np.asarray(x))[:, 0], np.ones((9, 2)))


@pytest.mark.parametrize("row", [1.5, "a", -1, 9, True])
def test_a_row_is_a_number_of_one(row):
    question = question_about(lambda x: x[:, :1], np.ones((9, 2)))
    with pytest.raises(ArgumentError, match="Rows are numbered from 0 to 8"):
        explain_row(question, row)


def test_what_needs_answers_names_the_column_of_the_target():
    frame = pl.DataFrame({"a": np.arange(40.0)})
    model = pondera.PonderaRegressor([4], recipe="plain", epochs=1).fit(frame, pl.Series("price", np.arange(40.0)))
    question = question_about(model, frame)
    for asked in (
        lambda: weight_of(question, "layers.0.weight", (0, 0)),
        lambda: question.errors(question.subjects[0]),
    ):
        with pytest.raises(ArgumentError, match=f"the target's column, '{model.model_.target_name}'"):
            asked()
