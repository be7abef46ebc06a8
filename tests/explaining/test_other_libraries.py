"""Classifiers and estimators of other libraries: what they are judged by, and what can be said of them."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import pondera
from pondera.explaining.adapters import of_estimator


def tables(classes):
    x = np.random.default_rng(0).normal(size=(800, 4))
    score = x[:, 0] + 0.5 * x[:, 1] + 0.3 * np.random.default_rng(1).normal(size=800)
    return x, np.digitize(score, [0] if classes == 2 else [-0.7, 0.7])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_tree_that_is_sure_is_judged_by_its_brier_score(classes):
    """Its probabilities are 0 and 1; by their logarithms, wherever they are cut off, it is worse than a constant."""
    x, y = tables(classes)
    tree = DecisionTreeClassifier(random_state=0).fit(x[:400], y[:400])
    found = pondera.explain(tree, x[400:], y[400:], methods=["permutation", "shapley"])
    shares = np.bincount(y[400:]) / 400
    wrong = 1 - tree.score(x[400:], y[400:])
    assert found.evidence.skill == pytest.approx(1 - 2 * wrong / (1 - shares @ shares))
    assert found.reliability.verdict == "partly"
    assert found.to_json()["reliability"]["measure"] == "Brier score"
    assert [found.names[k] for k in found.order[:2]] == ["x0", "x1"]


def test_what_has_no_random_start_needs_no_other_one():
    x, _ = tables(2)
    y = x[:, 0] + 0.5 * x[:, 1]
    found = pondera.explain(LinearRegression().fit(x[:400], y[:400]), x[400:], y[400:])
    assert found.reliability.verdict == "reliable"
    assert found.reliability.statement.startswith("Other methods and the deletion of inputs say the same.")


@pytest.mark.parametrize(
    ("estimator", "random"),
    [(LinearRegression(), False), (RandomForestClassifier(), True), (make_pipeline(StandardScaler()), False)],
)
def test_random_states_are_found_in_parts_too(estimator, random):
    assert of_estimator(type("Fitted", (), {"predict": None, "get_params": estimator.get_params})()).random is random
    assert of_estimator(type("Strange", (), {"predict": None})()).random
