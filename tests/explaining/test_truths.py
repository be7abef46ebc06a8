"""Tables whose inputs matter by a known amount, with columns of every kind: importances are held against them."""

import numpy as np
import polars as pl
import pytest

from benchmarks.truths import TRUTHS
from pondera import PonderaClassifier, PonderaRegressor
from pondera.explaining.ask import question_of
from pondera.explaining.explain import explain

KINDS = ("linear, unequal scales", "missing values", "categories", "two classes", "three classes")


@pytest.mark.parametrize("name", TRUTHS)
def test_a_truth_is_a_table(name):
    truth = TRUTHS[name](np.random.default_rng(0), 200)
    assert truth.frame.shape == truth.x.shape == (200, len(truth.importance))
    assert len(truth.y) == 200
    assert (truth.importance >= 0).all()


@pytest.mark.parametrize("name", KINDS)
def test_importances_are_those_of_the_truth(name):
    truth = TRUTHS[name](np.random.default_rng(0), 1600)
    kind = PonderaClassifier if truth.classes else PonderaRegressor
    estimator = kind([32], recipe="plain", epochs=40, seeds=2, random_state=0)
    model = estimator.fit(truth.frame[:800], truth.y[:800]).model_
    question, _ = question_of(model, truth.frame[800:], pl.Series(model.target_name, truth.y)[800:])
    found = explain(question, ["shapley", "permutation"])
    relevant = np.flatnonzero(truth.importance > 0)
    expected = [found.names[k] for k in relevant[np.argsort(-truth.importance[relevant])]]
    assert [found.names[k] for k in found.order[: len(expected)]] == expected
    shapley = np.argsort(
        -found.results["shapley"].shares
    )  # of mean sizes, not of variances: another order may be right
    assert {found.names[k] for k in shapley[: len(expected)]} == set(expected)
    for k in np.flatnonzero(truth.irrelevant):
        assert found.verdict_of(k) in ("no measurable influence", "hardly any influence")
