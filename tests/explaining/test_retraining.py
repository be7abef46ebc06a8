import numpy as np
import polars as pl
import pytest

from pondera import PonderaRegressor
from pondera.errors import ArgumentError
from pondera.explaining.ask import question_of
from pondera.explaining.explain import explain
from pondera.explaining.method import OBSTACLES, Measured, Method
from pondera.explaining.methods import METHODS
from pondera.explaining.reliability.sanity import sanity
from pondera.explaining.retraining import Retrained, leave_out, retrained_without, without_meaning
from pondera.report.explanation import retrained_words

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def question():
    """Two columns that say the same, one that matters alone, one that does not matter."""
    x = np.random.default_rng(0).normal(size=(600, 4))
    x[:, 1] = x[:, 0]
    frame = pl.DataFrame({name: x[:, k] for k, name in enumerate(["twin", "other twin", "alone", "nothing"])})
    y = x[:, 0] + x[:, 2]
    model = PonderaRegressor([16], recipe="plain", epochs=40, random_state=0).fit(frame, y).model_
    return question_of(model, frame, pl.Series("target", y), retrain=True)[0]


def test_what_others_can_replace_counts_nothing(question):
    found = leave_out(question, question.subjects[0], np.random.default_rng(0))
    assert found.values.argmax() == 2
    assert found.values[2] > 0.3
    assert abs(found.values[[0, 1, 3]]).max() < 0.1
    assert found.figures["trainings"] == 5
    assert (found.errors > 0).all()


def test_a_good_ranking_costs_more_than_random_ones(question):
    found = retrained_without(question, np.array([2.5, 2.4, 3.0, 0.0]))
    assert found.counts.tolist() == [1, 2, 3]
    assert found.random.shape == (3, 3)
    assert found.before < found.ranked[0] < found.ranked[2]
    assert found.better
    backwards = retrained_without(question, np.array([0.0, 2.0, 1.0, 3.0]))
    assert backwards.ranked.mean() < found.ranked.mean()
    assert not backwards.better


@pytest.mark.parametrize(
    ("ranked", "words"), [(0.9, "more than without"), (0.48, "about as much as without"), (0.2, "less than without")]
)
def test_what_a_ranking_costs_beside_random_columns(ranked, words):
    again = Retrained(np.array([1]), 0.1, np.array([ranked]), np.full((3, 1), 0.5))
    assert words in retrained_words(again)
    assert again.worse is ("less" in words)


def test_a_network_that_learned_nothing(question):
    meaningless = without_meaning(question)
    assert question.errors(meaningless).mean() > 0.5
    assert sanity(METHODS["permutation"], question, question.subjects[0], meaningless=meaningless).sees_labels
    assert sanity(METHODS["permutation"], question, question.subjects[0]).sees_labels is None

    def variance(question, subject, random):
        return Measured(question.fold(question.x.var(axis=0)), np.zeros(4))

    blind = Method("variance", "variance", "importance", variance, "Blind.", "none")
    assert sanity(blind, question, question.subjects[0], meaningless=meaningless).sees_labels is False


def test_an_explanation_with_retraining(question):
    found = explain(question, ["permutation", "leave_out", "gradient_input"])
    content = found.to_json()
    assert {each["name"] for each in content["methods"]} == {"permutation", "leave_out", "gradient_input"}
    by_name = {each["name"]: each for each in content["methods"]}
    assert by_name["permutation"]["sees_labels"] is True
    assert by_name["leave_out"]["sees_network"] is None
    assert content["reliability"]["retrained"]["counts"] == [1, 2, 3]


def test_nothing_is_trained_unless_that_is_asked_for(ask, bent, rows):
    question = ask(bent, rows)
    assert METHODS["leave_out"].obstacle(question, question.subjects[0]) == OBSTACLES["training"]
    with pytest.raises(ArgumentError, match="right answers, and a model that Pondera trained"):
        leave_out(question, question.subjects[0], RANDOM)
