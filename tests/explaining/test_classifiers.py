"""Classifiers of other libraries: probabilities, decision values, several of them, and which output is meant."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC, LinearSVC

import pondera
from pondera import Dense, Network
from pondera.errors import ArgumentError
from pondera.explaining.effects import effect_of
from pondera.explaining.entry import question_about
from pondera.explaining.row import explain_row


def first(found):
    return [found.names[k] for k in found.order]


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], [0, 1, 2], ["a", "b", "c"]])
@pytest.mark.parametrize("kind", [LinearSVC, SVC])
def test_a_classifier_without_probabilities_is_judged_by_how_often_it_is_wrong(kind, labels):
    x = np.random.default_rng(0).normal(size=(300, 3))
    cut = x[:, 1] + 0.2 * x[:, 2]
    y = np.array(labels)[np.digitize(cut, np.quantile(cut, np.linspace(0, 1, len(labels) + 1)[1:-1]))]
    model = kind().fit(x, y)
    found = pondera.explain(model, x, y, methods=["permutation", "shapley"])
    wrong = float((model.predict(x) != y).mean())
    assert found.evidence.skill == pytest.approx(1 - wrong / (1 - np.unique(y, return_counts=True)[1].max() / 300))
    assert found.unit.startswith("decision value of ")
    assert first(found)[:2] == ["x1", "x2"]
    row = explain_row(question_about(model, x, y), 3)
    assert row.prediction == str(model.predict(x[3:4])[0])


def test_a_classifier_that_only_names_classes_cannot_be_explained():
    x = np.random.default_rng(0).normal(size=(90, 2))
    y = np.digitize(x[:, 0], [-0.4, 0.4])
    votes = VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression())]).fit(x, y)
    with pytest.raises(ArgumentError, match=r"with predict_proba or decision_function.*Got VotingClassifier"):
        pondera.explain(votes, x, y)
    with pytest.raises(ArgumentError, match=r"decision_function_shape='ovr'"):
        pondera.explain(SVC(decision_function_shape="ovo").fit(x, y), x, y)


@pytest.mark.parametrize("frame", [False, True])
def test_several_classifiers_are_a_population(frame):
    x = np.random.default_rng(0).normal(size=(300, 3))
    y = np.where(x[:, 0] + 0.5 * x[:, 1] > 0, "yes", "no")
    rows = pd.DataFrame(x, columns=["a", "b", "c"]) if frame else x
    forests = [RandomForestClassifier(30, max_depth=4, random_state=seed).fit(rows, y) for seed in range(2)]
    found = pondera.explain(forests, rows, y, methods=["permutation", "shapley"])
    assert (found.unit, found.stability.networks) == ("log-odds of class = yes", 2)
    assert found.evidence.skill > 0.5
    other = LogisticRegression().fit(rows, np.where(y == "yes", "a", "b"))
    with pytest.raises(ArgumentError, match=r"Got probabilities of no, yes; and probabilities of a, b\."):
        pondera.explain([forests[0], other], rows, y)
    with pytest.raises(ArgumentError, match=r"Got numbers; and probabilities of no, yes\."):
        pondera.explain([LinearRegression().fit(rows, x[:, 0]), forests[0]], rows, y)
    with pytest.raises(ArgumentError, match=r"; and decision values of no, yes\."):
        pondera.explain([forests[0], LinearSVC().fit(rows, y)], rows, y)


def test_values_that_are_no_number_are_missing_in_any_data_frame():
    random = np.random.default_rng(0)
    frame = pl.DataFrame(random.normal(size=(200, 2)), schema=["a", "b"])
    y = np.where(frame["a"] > 0, "yes", "no")
    model = pondera.PonderaClassifier([4], recipe="plain", epochs=60, batch_size=16, random_state=0).fit(frame, y)
    broken = frame.with_columns(pl.when(pl.int_range(200) == 5).then(math.nan).otherwise("a").alias("a"))
    missing = broken.with_columns(pl.all().fill_nan(None))
    changes = [explain_row(question_about(model, each, y), 7).change for each in (broken, missing, broken.to_pandas())]
    assert changes[0] == changes[1] == changes[2]
    assert changes[0].columns == ("a",)
    assert effect_of(question_about(model, broken, y), 0).missing.share == pytest.approx(1 / 200)


def test_outputs_are_counted_from_the_last_where_they_are_negative():
    x = np.random.default_rng(0).normal(size=(60, 3))
    network = Network.create(3, [Dense(2)], dtype="float64")
    y = (x[:, 0] > 0).astype(int)
    one, same = (question_about(network, x, y, loss="softmax_cross_entropy", output=k) for k in (1, -1))
    assert one.unit == same.unit == "log-odds of class = 1"
    np.testing.assert_array_equal(one.directions, same.directions)
    np.testing.assert_array_equal(question_about(network, x, output=-2).directions[0], [1, 0])
    model = LogisticRegression().fit(x, y)
    assert [question_about(model, x, output=k).unit[-1] for k in (0, 1, -1)] == ["0", "1", "1"]
