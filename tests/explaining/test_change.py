import dataclasses
import itertools

import numpy as np
import polars as pl
import pytest

from pondera.explaining import change
from pondera.explaining.change import nearest_change
from pondera.explaining.question import Input, Question
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network

RANDOM = np.random.default_rng(0)


def mixed(seed, classes, rows=25):
    """Two numbers, one of them rarely missing, and a category of three; two networks of random weights."""
    random = np.random.default_rng(seed)
    town = random.choice(["a", "b", "c"], rows)
    age = np.where(random.random(rows) < 0.1, np.nan, random.integers(20, 60, rows))
    table = pl.DataFrame(
        {"size": random.normal(size=rows) * 100, "town": town, "age": pl.Series(age, nan_to_null=True)}
    )
    hot = (town[:, None] == np.array(["a", "b", "c"])) * 1.0
    missing = np.isnan(age)
    scaled = np.where(missing, 0.0, np.tanh((age - 40) / 10))  # bent, as scalings may be
    x = np.column_stack([table["size"].to_numpy() / 100, hot, scaled, missing])
    outputs = 1 if classes == 2 else classes
    networks = [
        Network.create(6, [Dense(8, "tanh"), Dense(outputs)], seed=2 * seed + k, dtype="float64") for k in (0, 1)
    ]
    subjects = [
        Subject.of_network(each.with_weights({"layers.1.bias": random.normal(size=outputs)})) for each in networks
    ]
    return dataclasses.replace(
        Question.of_arrays(subjects, x),
        inputs=(Input("size", 0, 1), Input("town", 1, 4), Input("age", 4, 6)),
        table=table,
        classes=tuple("xyz"[:classes]),
    )


def predicted(question, x):
    """The class with the largest mean probability, written out again."""
    found = 0
    for subject in question.subjects:
        logits = subject.outputs(x)
        logits = np.hstack([0 * logits, logits]) if logits.shape[1] == 1 else logits
        found = found + np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return found.argmax(axis=1)


def smallest(question, row, columns):
    """Try every value of every combination of so many columns: the smallest distance that turns the class, or None."""
    own, best = predicted(question, question.x[row : row + 1])[0], None
    for chosen in itertools.combinations(question.names, columns):
        for givers in itertools.product(range(len(question.x)), repeat=columns):
            x, far = question.x[row].copy(), 0.0
            for name, giver in zip(chosen, givers, strict=True):
                values = question.table[name]
                before, after = values[row], values[giver]
                if after is None:
                    far = np.inf
                elif name == "town" or before is None:
                    far += 1.0 if after != before else np.inf
                else:
                    far += abs(after - before) / values.std(ddof=0)
                places = question.inputs[question.names.index(name)].places
                x[places] = question.x[giver, places]
            if (best is None or far < best) and 0 < far < np.inf and predicted(question, x[None])[0] != own:
                best = far
    return best


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_the_nearest_of_all(classes):
    alone = together = 0
    for seed in range(12):
        question = mixed(seed, classes)
        found, one = nearest_change(question, 3).change, smallest(question, 3, 1)
        expected = smallest(question, 3, 2) if one is None else one
        assert (found is None) == (expected is None)
        if found is None:
            continue
        assert found.distance == pytest.approx(expected)
        assert len(found.columns) == (1 if one is not None else 2)
        alone += one is not None
        together += one is None
        x = question.x[3].copy()
        for name, value in zip(found.columns, found.after, strict=True):
            places = question.inputs[question.names.index(name)].places
            x[places] = question.x[question.table[name].to_list().index(value), places]
        assert question.classes[predicted(question, x[None])[0]] == found.prediction
    assert alone >= 3
    assert together >= 1


def test_a_category_is_not_nearer_than_it_is_said_to_be():
    """Categories of a rare value move far in what they are encoded to; a number that hardly needs to move is nearer."""
    x = np.array([[0.1, 0, 1]] + [[0.0, 0, 1]] * 50 + [[-0.1, 0, 1], [3.0, 1, 0], [-3.0, 0, 1]])
    table = pl.DataFrame({"number": x[:, 0], "town": np.where(x[:, 1] > 0, "rare", "usual")})
    question = dataclasses.replace(
        Question.of_arrays(Subject(lambda x: x[:, :1] + 0.05 - 9 * x[:, 1:2]), x),
        inputs=(Input("number", 0, 1), Input("town", 1, 3)),
        table=table,
        classes=("no", "yes"),
    )
    found = nearest_change(question, 0).change
    assert (found.columns, found.after) == (("number",), (-0.1,))


def test_more_values_of_the_pair_are_tried(monkeypatch):
    monkeypatch.setattr(change, "TOGETHER", 400)  # 11 values of each of three columns, then 20 of two
    x = RANDOM.uniform(0, 1, size=(300, 3))
    x[0] = [0.1, 0.1, 0.5]
    question = Question.of_arrays(Subject(lambda x: x[:, :1] + x[:, 1:2] - 1.5), x)
    found = nearest_change(dataclasses.replace(question, classes=("no", "yes")), 0)
    assert set(found.change.columns) == {"x0", "x1"}
    assert "then of two, up to 11 values each" in found.searched
    assert sum(found.change.after) == pytest.approx(1.5, abs=0.1)


def test_of_many_columns_those_that_come_nearest_are_changed_together():
    x = RANDOM.uniform(0, 1, size=(100, 30))
    x[0] = 0.1
    question = Question.of_arrays(Subject(lambda x: x[:, 20:21] + x[:, 25:26] - 1.5), x)
    found = nearest_change(dataclasses.replace(question, classes=("no", "yes")), 0)
    assert set(found.change.columns) == {"x20", "x25"}
    assert "of the 16 that alone come nearest to it" in found.searched


def test_what_nothing_turns_is_said_with_what_was_looked_at():
    always = Subject(lambda x: 0 * x[:, :1] + 9)
    question = dataclasses.replace(Question.of_arrays(always, RANDOM.normal(size=(40, 2))), classes=("no", "yes"))
    found = nearest_change(question, 3)
    assert found.change is None
    assert found.searched == "every value that 40 rows have, of one column, then of two."
    one = dataclasses.replace(Question.of_arrays(always, np.ones((4, 1))), classes=("no", "yes"))
    assert nearest_change(one, 0).searched == "every value that 4 rows have, of one column."
