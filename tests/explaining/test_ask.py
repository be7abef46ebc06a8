import dataclasses

import numpy as np
import polars as pl
import pytest

from pondera import PonderaClassifier, PonderaRegressor
from pondera.errors import ArgumentError, TableError
from pondera.explaining.adapters import of_estimator
from pondera.explaining.ask import question_of
from pondera.explaining.explain import explain
from pondera.explaining.explanation import Seen
from pondera.explaining.question import Question
from pondera.explaining.row import explain_row
from pondera.explaining.subject import Subject

RANDOM = np.random.default_rng(0)


def table(rows=400):
    frame = pl.DataFrame(
        {
            "size": RANDOM.normal(size=rows),
            "town": RANDOM.choice(["a", "b", "c"], size=rows),
            "noise": RANDOM.normal(size=rows),
        }
    )
    worth = frame["size"].to_numpy() * 2 + np.where(frame["town"].to_numpy() == "b", 3.0, 0.0)
    return frame, worth


@pytest.fixture(scope="module")
def regression():
    frame, worth = table()
    model = PonderaRegressor([16], recipe="plain", epochs=40, seeds=2, random_state=0).fit(frame, worth).model_
    return model, frame, pl.Series("worth", worth)


def test_scores_of_a_regression_are_its_predictions(regression):
    model, frame, worth = regression
    question, _ = question_of(model, frame, worth)
    scores = np.mean([question.scores(each) for each in question.subjects], axis=0)
    inside = (scores > model.target.low) & (scores < model.target.high)  # predictions are kept within these
    np.testing.assert_allclose(scores[inside], model.predictions(question.x)[inside], rtol=1e-4, atol=1e-4)
    assert question.names == ["size", "town", "noise"]
    assert question.inputs[1].stop - question.inputs[1].start == 3
    assert question.reference == pytest.approx(1.0, rel=0.1)  # in standardized units


def test_a_whole_explanation(regression):
    model, frame, worth = regression
    found = explain(question_of(model, frame, worth)[0])
    assert [found.names[k] for k in found.order] == ["size", "town", "noise"]
    assert found.verdict_of(2) == "no measurable influence"
    content = found.to_json()
    assert list(content["inputs"][0]) == ["name", "importance", "interval", "methods", "group", "verdict"]
    assert content["reliability"]["verdict"] in ("reliable", "partly")
    assert {each["kind"] for each in content["methods"]} == {"strength", "importance"}
    assert content["networks"] == 2
    for each in content["inputs"]:  # one number, wherever it stands
        assert each["importance"] == each["methods"]["permutation"]
    assert "Bonferroni" in content["tested"]
    low, high = content["inputs"][0]["interval"]
    assert low < content["inputs"][0]["importance"] < high


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"]])
def test_scores_of_classes(labels):
    frame, worth = table()
    cut = np.digitize(worth, np.quantile(worth, np.linspace(0, 1, len(labels) + 1)[1:-1]))
    y = np.array(labels)[cut]
    model = PonderaClassifier([16], recipe="plain", epochs=20, random_state=0).fit(frame, y).model_
    question, _ = question_of(model, frame, pl.Series("y", y))
    scores, outputs = question.scores(question.subjects[0]), question.subjects[0].outputs(question.x)
    if len(labels) == 2:
        probability = model.predictions(question.x)[:, 1]
        np.testing.assert_allclose(scores, np.log(probability / (1 - probability)), rtol=1e-3, atol=1e-3)
        assert question.unit == "log-odds of target = yes"
    else:
        np.testing.assert_allclose(scores, outputs.max(axis=1) - outputs.mean(axis=1), rtol=1e-5)
    shares = np.bincount(cut) / len(cut)
    assert question.reference == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-4)


def test_the_class_that_is_predicted_is_that_of_predictions():
    """Where the mean of logits and the mean of probabilities differ, predictions decide."""
    frame, worth = table(60)
    y = np.array(["a", "b", "c"])[np.digitize(worth, np.quantile(worth, [0.3, 0.6]))]
    model = PonderaClassifier([4], recipe="plain", epochs=2, seeds=3, random_state=0).fit(frame, y).model_
    biases = {f"networks.{k}.layers.1.bias": [[2.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 9.0, 0.0]][k] for k in range(3)}
    model = model.with_weights({**{name: np.zeros_like(value) for name, value in model.weights.items()}, **biases})
    question, _ = question_of(model, frame)
    logits = np.mean([each.outputs(question.x[:1]) for each in question.subjects], axis=0)[0]
    assert (logits.argmax(), model.predictions(question.x[:1])[0].argmax()) == (1, 0)
    np.testing.assert_allclose(question.directions[0], [2 / 3, -1 / 3, -1 / 3])
    assert question.unit == "logit of the predicted target above the mean of all"
    chosen, _ = question_of(model, frame, target_class="c")
    np.testing.assert_allclose(chosen.directions, np.tile([-1 / 3, -1 / 3, 2 / 3], (60, 1)))
    assert chosen.unit == "logit of target = c above the mean of all"
    with pytest.raises(ArgumentError, match="Unknown class 'd'"):
        question_of(model, frame, target_class="d")


def test_without_answers_shapley_values_are_ranked(regression):
    model, frame, _ = regression
    found = explain(question_of(model, frame)[0])
    assert found.headline == "shapley"
    assert "on the score" in found.tested
    assert "permutation" in found.left_out
    assert found.to_json()["reliability"]["skill"] is None


def test_a_table_without_rows(regression):
    model, frame, _ = regression
    with pytest.raises(TableError, match="without any"):
        question_of(model, frame[:0])


def test_what_a_background_lacks_is_said_of_it(regression):
    model, frame, worth = regression
    for background, words in ((frame.head(0), "without any"), (frame.drop(frame.columns[0]), frame.columns[0])):
        with pytest.raises(TableError, match=f"The background: .*{words}"):
            question_of(model, frame, worth, background=background)


def test_estimators_of_scikit_learn_can_be_asked():
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    x = RANDOM.normal(size=(300, 3))
    y = x[:, 0] + 0.5 * x[:, 1]
    forest = RandomForestRegressor(20, random_state=0).fit(x, y)
    found = explain(Question.of_arrays(of_estimator(forest), x, y))
    assert [found.names[k] for k in found.order] == ["x0", "x1", "x2"]
    assert found.weights is None
    assert set(found.results) == {"shapley", "permutation", "conditional_permutation"}
    classes = RandomForestClassifier(20, random_state=0).fit(x, y > 0)
    outputs = of_estimator(classes).outputs(x)
    assert outputs.shape == (300, 1)
    assert ((outputs[:, 0] > 0) == (classes.predict_proba(x)[:, 1] > 0.5)).all()


def test_rows_that_were_trained_on_are_known_again(regression):
    model, frame, _ = regression
    both = pl.concat([frame[:30], frame[:10].with_columns(pl.col("size") + 0.5)])
    question, _ = question_of(model, both)
    assert question.seen.tolist() == [1] * 30 + [0] * 10
    assert Seen.of(question.seen) == Seen(40, 40, 30)
    assert Seen.of(question.seen).statement.startswith("75% of them have the values of rows that were trained on")
    assert Seen.of(question.seen[30:]).statement == "none of them has the values of a row that was trained on"
    assert explain_row(question, 3).seen
    assert not explain_row(question, 35).seen
    for record in ({}, {"sketch": "all:AAAA"}, {"sketch": "nonsense"}):  # of older models, and of broken ones
        older = dataclasses.replace(model, record=record)
        assert question_of(older, both)[0].seen is None


def test_a_regression_predicts_a_number_of_a_row(regression):
    model, frame, worth = regression
    found = explain_row(question_of(model, frame, worth)[0], 5)
    assert found.prediction == pytest.approx(float(model.predictions(model.inputs(frame)[0])[5]))
    assert not found.background
    assert explain_row(question_of(model, frame, worth, background=frame[:50])[0], 5).background


def test_answers_are_one_a_row(regression):
    model, frame, worth = regression
    with pytest.raises(TableError, match=r"Expected 400 right answers, one a row\. Got 7"):
        question_of(model, frame, worth[:7])


def test_rows_that_training_saw_cannot_make_a_ranking_reliable(regression):
    model, frame, worth = regression
    new, answers = table(rows=300)
    found = explain(question_of(model, frame, worth)[0], "permutation")
    assert found.evidence.seen == 1.0
    assert found.reliability.verdict == "partly"
    assert "have the values of rows that were trained on" in found.reliability.statement
    assert explain(question_of(model, new, pl.Series("worth", answers))[0], "permutation").evidence.seen == 0.0


def test_a_column_without_a_value_is_no_column_without_influence(regression):
    model = regression[0]
    new, answers = table(rows=300)
    empty = new.with_columns(
        pl.lit(None, pl.Float64).alias("size"),
        pl.when(pl.int_range(300) < 60).then(pl.lit("new")).otherwise("town").alias("town"),
    )
    question = question_of(model, empty, pl.Series("worth", answers))[0]
    assert question.strange == {"size": 1.0, "town": 0.2}
    found = explain(question, ["permutation", "shapley"])
    assert found.evidence.strange == ("size", 1.0)
    assert "In 100% of these rows 'size' has no value that training saw" in found.reliability.statement
    assert found.reliability.verdict != "reliable"
    usual = explain(question_of(model, new, pl.Series("worth", answers))[0], "permutation")
    assert usual.evidence.strange is None


def test_rows_that_are_there_several_times_are_not_taken_for_known_ones():
    """Of two columns of two values each all new rows are like old ones."""
    frame = pl.DataFrame({"a": np.tile([0.0, 1.0], 100), "b": np.repeat([0.0, 1.0], 100)})
    worth = frame["a"].to_numpy() * 2 + frame["b"].to_numpy()
    model = PonderaRegressor([8], recipe="plain", epochs=5, random_state=0).fit(frame, worth).model_
    found = explain(question_of(model, frame, pl.Series("worth", worth))[0], "permutation")
    assert (found.seen.share, found.evidence.seen) == (1.0, None)


@pytest.mark.parametrize("answer", ["no", "yes"])
def test_rows_of_one_class_cannot_say_whether_a_network_is_any_good(answer):
    random = np.random.default_rng(0)
    frame = pl.DataFrame(random.normal(size=(600, 3)), schema=["a", "b", "c"])
    sold = np.where(2 * frame["a"] + frame["b"] + random.logistic(size=600) > 0, "yes", "no")
    model = (
        PonderaClassifier([8], recipe="plain", epochs=20, seeds=2, random_state=0).fit(frame[:300], sold[:300]).model_
    )
    one = np.flatnonzero(sold[300:] == answer) + 300
    found = explain(question_of(model, frame[one], pl.Series(model.target_name, sold[one]))[0], "permutation")
    assert found.evidence.skill is None
    assert "worse than a constant" not in found.reliability.statement
    assert "All right answers are the same" in found.reliability.statement


@pytest.mark.parametrize("large", [1e60, 1e200])
def test_answers_that_are_too_large_to_be_compared_are_named(regression, large):
    model, frame, worth = regression
    with pytest.raises(TableError, match=r"'worth', row 7 .*found 1e\+.*, which is too large to be compared\. Correct"):
        question_of(model, frame, worth.clone().scatter(7, large))


def test_answers_that_are_small_are_not_all_the_same():
    x = RANDOM.normal(size=(100, 2))
    question = Question.of_arrays(Subject(lambda x: 1e-8 * x[:, :1]), x, 1e-8 * x[:, 0])
    assert explain(question, "permutation").evidence.skill == pytest.approx(1.0)
    constant = Question.of_arrays(Subject(lambda x: x[:, :1]), x, np.full(100, 0.1) + 1e-17 * x[:, 1])
    assert explain(constant, "permutation").evidence.skill is None
