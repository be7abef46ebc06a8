"""Figures of rows, held against scikit-learn and SciPy."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import entropy
from sklearn.feature_selection import f_classif, r_regression

from pondera.choice import Choice
from pondera.recording.health.facts import Facts
from pondera.recording.health.rows import baseline, best_teller, chance, figures_of, floor, told_by
from pondera.recording.health.rules import RULES
from pondera.recording.history import Steps
from pondera.training.epoch import Rows
from pondera.training.losses import LOSSES, loss_of

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((200, 5))
KIND = RANDOM.integers(3, size=200)
NUMBERS = X[:, :1] + RANDOM.standard_normal((200, 1))
WEIGHTS = RANDOM.uniform(0.5, 2, 200)
(RULE,) = (rule for rule in RULES if rule.name == "leakage")


def known(rows):
    """What is known of a training of which nothing but figures of its rows is."""
    return Facts({"rows": rows}, 0, Steps(*np.zeros((5, 0))), [], {}, {}, np.zeros((0, 3)))


def test_what_a_column_tells_of_numbers():
    expected = r_regression(X, NUMBERS[:, 0]) ** 2
    np.testing.assert_allclose(told_by(X, NUMBERS, classes=False), expected, rtol=1e-9)


def test_what_a_column_tells_of_classes():
    f, _ = f_classif(X, KIND)
    between, within = 2, 200 - 3
    expected = f * between / (f * between + within)
    np.testing.assert_allclose(told_by(X, KIND, classes=True), expected, rtol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_constant_is_better(name, smoothing, x64):
    smoothed = smoothing and name.endswith("cross_entropy")
    loss = Choice(name, label_smoothing=smoothing) if smoothed else Choice(name)
    targets = {
        "softmax_cross_entropy": KIND,
        "binary_cross_entropy": (KIND[:, None] > 0) * 1.0,
        "poisson": KIND[:, None],
    }
    answers = targets.get(name, NUMBERS)
    outputs = 3 if name == "softmax_cross_entropy" else 1

    def mean(constant):
        errors = loss_of(loss).error(np.tile(constant, (200, 1)), answers)
        return float(np.average(np.asarray(errors), weights=WEIGHTS))

    best = minimize(mean, np.zeros(outputs), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}).fun
    slack = 0.02 if name in ("absolute_error", "huber") else 1e-6  # their constant is the median, without weights
    assert best - 1e-9 <= baseline(answers, WEIGHTS, loss) <= best + slack


@pytest.mark.parametrize(("name", "classes"), [("binary_cross_entropy", 2), ("softmax_cross_entropy", 7)])
def test_the_loss_of_perfect_outputs(name, classes):
    shares = np.full(classes, 0.2 / classes)
    shares[0] += 0.8
    assert floor(Choice(name, label_smoothing=0.2), classes) == pytest.approx(entropy(shares))


@pytest.mark.parametrize(
    ("rows", "columns", "classes"), [(8, 2000, 0), (8, 2000, 2), (20, 10, 19), (4, 4, 2), (12, 500, 3)]
)
@pytest.mark.parametrize("kind", ["numbers", "categories"])
def test_chance_is_no_leak(rows, columns, classes, kind):
    random = np.random.default_rng(5)
    found = 0
    for _ in range(40):
        x = random.standard_normal((rows, columns))
        x = x if kind == "numbers" else (x > 1) * 1.0
        y = random.integers(classes, size=rows) if classes else random.standard_normal((rows, 1))
        loss = "softmax_cross_entropy" if classes else "squared_error"
        found += RULE(known(figures_of(Rows(x, y, np.ones(rows)), Choice(loss)))) is not None
    assert found <= 1


@pytest.mark.parametrize("rows", [12, 40, 400])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_a_leak_is_one_among_few_rows_too(rows, loss):
    random = np.random.default_rng(6)
    x = random.standard_normal((rows, 5))
    y = x[:, 3:4] if loss == "squared_error" else np.arange(rows)[:, None] % 2 * 1.0
    x[:, 3] = y[:, 0] + 0.05 * random.standard_normal(rows) * y.std()
    finding = RULE(known(figures_of(Rows(x, y, np.ones(rows)), Choice(loss))))
    assert finding.figures["column"] == 3


@pytest.mark.parametrize(
    "told", [lambda y: np.exp(3 * y), lambda y: np.abs(y), lambda y: y**3, lambda y: np.floor(2 * y)]
)
def test_a_leak_need_not_be_a_straight_line(told):
    random = np.random.default_rng(8)
    x = random.standard_normal((400, 5))
    for y, loss in ((told(x[:, 2]), "squared_error"), (np.abs(x[:, 2]) > 1.5, "binary_cross_entropy")):
        finding = RULE(known(figures_of(Rows(x, y[:, None].astype(float), np.ones(400)), Choice(loss))))
        assert finding.figures["column"] == 2


def test_noise_tells_by_steps_what_chance_says():
    told = []
    for _ in range(300):
        x, y = RANDOM.standard_normal((200, 10)), RANDOM.standard_normal((200, 1)) ** 3
        tells, _, luck = best_teller(x, y, classes=False)
        told.append(tells > luck)
        tells, _, luck = best_teller(x, RANDOM.integers(3, size=200), classes=True)
        told.append(tells > luck)
    assert np.mean(told) < 0.03


def test_what_the_best_column_of_noise_tells():
    told = [told_by(RANDOM.standard_normal((30, 20)), RANDOM.integers(3, size=30), True).max() for _ in range(500)]
    x = RANDOM.standard_normal((30, 20))
    assert np.mean(np.array(told) > chance(x, np.arange(30) % 3, 0, classes=True)) < 0.03
    assert np.mean(np.array(told) > 0.8 * chance(x, np.arange(30) % 3, 0, classes=True)) > 0.03


def test_figures_are_json_whatever_the_rows():
    x = np.array([[np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0]])
    found = figures_of(Rows(x, np.array([[1.0], [np.nan]]), np.ones(2)), Choice("squared_error"))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_classes_are_counted_by_their_weights():
    found = figures_of(Rows(X[:3], np.array([0, 1, 1]), np.array([4.0, 1.0, 1.0])), Choice("softmax_cross_entropy"))
    assert found["classes"] == [4.0, 2.0]


def test_a_rare_category_is_of_the_size_of_what_it_is():
    x = np.zeros((1000, 5), np.float32)
    x[:, 0] = np.random.default_rng(0).standard_normal(1000)
    x[:3, 1] = x[5:9, 2] = x[20:25, 3] = x[7, 4] = 1
    found = figures_of(Rows(x, np.ones((1000, 1)), np.ones(1000)), Choice("squared_error"))
    assert found["size"] == 1
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(np.square(x))), rel=1e-6)
