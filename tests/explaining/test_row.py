import dataclasses

import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.explaining.question import Question
from pondera.explaining.row import explain_row
from pondera.explaining.subject import Subject

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("columns", [3, 20])  # all coalitions, and a sample
def test_contributions_add_up_to_the_score(columns):
    x = RANDOM.normal(size=(50, columns))
    subjects = [Subject(lambda x, k=k: np.sin(x).sum(axis=1, keepdims=True) * k + x[:, :1] * x[:, 1:2]) for k in (1, 2)]
    question = Question.of_arrays(subjects, x)
    found = explain_row(question, 7)
    assert found.contributions.sum() + found.baseline == pytest.approx(found.score, abs=1e-9)
    assert found.score == pytest.approx(np.mean([question.scores(each)[7] for each in subjects]))
    assert found.change is None
    assert (found.errors == 0).all() == (columns == 3)


@pytest.mark.parametrize("others", [5, 50, 100])
def test_the_baseline_is_the_mean_over_the_rows_that_are_told(others):
    x = RANDOM.normal(size=(200, 14))
    subject = Subject(lambda x: 5 * x[:, :1] ** 2 + x[:, 1:2])
    question = Question.of_arrays(subject, x, background=x[:others])
    found = explain_row(question, 150)
    assert found.compared == others
    assert found.baseline == pytest.approx(subject.outputs(x[:others]).mean())
    assert found.contributions[0] == pytest.approx(5 * x[150, 0] ** 2 - 5 * (x[:others, 0] ** 2).mean())


@pytest.fixture
def wide(monkeypatch):
    """Rows of a table that is too wide for coalitions, as it were, and those they are compared with."""
    monkeypatch.setattr("pondera.explaining.row.MOST_WORK", 0)
    random = np.random.default_rng(0)
    return random.normal(size=(2, 14)), random.normal(size=(64, 14))


def test_errors_are_what_other_orders_would_give(wide):
    """They are not how far the rows of the background are apart, each of which is taken equally often."""
    x, others = wide
    subject = Subject(
        lambda x: 20 * x[:, :1] + 3 * (x[:, 1:2] * x[:, 2:3] * x[:, 3:4]) + np.abs(x[:, 4:9].sum(1))[:, None]
    )
    question = Question.of_arrays(subject, x, background=others)
    every = [explain_row(question, 1, seed=seed) for seed in range(40)]
    apart = np.std([each.contributions for each in every], axis=0, ddof=1)
    stated = np.sqrt(np.mean([np.square(each.errors) for each in every], axis=0))
    assert stated[1:9] == pytest.approx(apart[1:9], rel=0.3)
    assert stated[0] < 1e-6  # its effect is the same in every order


def test_contributions_of_a_sum_have_no_errors(wide):
    x, others = wide
    found = explain_row(Question.of_arrays(Subject(lambda x: x.sum(1, keepdims=True)), x, background=others), 0)
    np.testing.assert_allclose(found.contributions, x[0] - others.mean(axis=0))
    assert found.errors.max() < 1e-12


def test_the_nearest_change_turns_the_class():
    x = RANDOM.normal(size=(400, 3))
    x[0] = [0.2, -1.0, 0.5]
    subject = Subject(lambda x: 3 * x[:, :1] + 0.1 * x[:, 1:2])
    question = dataclasses.replace(Question.of_arrays(subject, x), classes=("no", "yes"))
    found = explain_row(question, 0)
    assert found.prediction == "yes"
    assert found.change.columns == ("x0",)
    assert found.change.prediction == "no"
    assert found.change.before == (0.2,)
    assert -0.5 < found.change.after[0] < 0.05
    assert found.to_json()["change"]["columns"] == ["x0"]


def test_two_columns_where_one_is_not_enough():
    x = RANDOM.uniform(0, 1, size=(300, 3))
    x[0] = [0.1, 0.1, 0.5]
    subject = Subject(lambda x: x[:, :1] + x[:, 1:2] - 1.5)
    question = dataclasses.replace(Question.of_arrays(subject, x), classes=("no", "yes"))
    found = explain_row(question, 0)
    assert set(found.change.columns) == {"x0", "x1"}
    assert found.change.prediction == "yes"


def test_what_nothing_turns_has_no_change():
    always_a = Subject(lambda x: np.stack([x[:, 0] * 0 + 9, x[:, 0], x[:, 1]], axis=1))
    question = Question.of_arrays(always_a, RANDOM.normal(size=(40, 2)))
    question = dataclasses.replace(question, classes=("a", "b", "c"))
    found = explain_row(question, 3)
    assert (found.prediction, found.change) == ("a", None)


def test_a_row_that_is_not_there():
    question = Question.of_arrays(Subject(lambda x: x), np.zeros((4, 1)))
    with pytest.raises(ArgumentError, match=r"from 0 to 3\. Got 4"):
        explain_row(question, 4)
