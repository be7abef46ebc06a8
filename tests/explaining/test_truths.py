"""Tables whose inputs matter by a known amount, with columns of every kind: importances are held against them."""

import numpy as np
import polars as pl
import pytest

from benchmarks.importance import SETTINGS, count, mistakes, report, weights_right
from benchmarks.machine import machine
from benchmarks.truths import TRUTHS, Truth
from pondera import PonderaClassifier, PonderaRegressor
from pondera.explaining.ask import question_of
from pondera.explaining.explain import explain
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject

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


def test_the_benchmark_counts_what_was_wrong(linear_network):
    """Of a network that uses an input which does not matter, that two matter equally, and that weights may be read."""
    x = np.random.default_rng(0).normal(size=(400, 6))
    used = np.array([8.0, 5.0, 3.0, 2.0, 1.0, 1.0])
    subjects = [Subject.of_network(linear_network(used))] * 3
    found = explain(Question.of_arrays(subjects, x, x @ used), ["first_layer", "permutation"])
    assert found.weights.verdict == "yes"
    right, wrong = (Truth(x, x @ used, np.square(each)) for each in (used, np.array([0.0, 1.0, 2.0, 3.0, 5.0, 5.0])))
    assert (mistakes(found, right), weights_right(found, right)) == ([], True)
    assert any("x0" in each and "influential" in each for each in mistakes(found, wrong))
    assert weights_right(found, wrong) is False
    counts = {}
    count("table", right, found, counts)
    count("table", wrong, found, counts)
    assert (counts["table"]["false"], counts["table"]["irrelevant"]) == (1, 1)
    assert counts["table"]["weights"] == {"yes": [1, 2]}
    assert "1 of 2" in report({"entries": counts, "machine": machine(["numpy"])}).split("may weights be read")[1]
    equal = explain(
        Question.of_arrays([Subject.of_network(linear_network(np.ones(6)))] * 3, x, x.sum(axis=1)), "permutation"
    )
    assert any("as important" in each for each in mistakes(equal, right)) is equal.evidence.equal


def test_some_settings_are_hard():
    assert {(each.rows, each.networks, each.seen) for each in SETTINGS.values()} > {(100, 5, False), (300, 3, True)}
