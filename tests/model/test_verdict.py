import json

import numpy as np
import pytest

from pondera.model.evaluation import _after_guess, _misses, _verdict

RANDOM = np.random.default_rng(0)


def classes(network, linear, log_losses=(0.1, 0.2)):
    return _verdict(np.array(network, float), np.array(linear, float), log_losses)


def numbers(network, linear, truth):
    return _verdict(_misses(np.array(network), np.array(truth)), _misses(np.array(linear), np.array(truth)), None)


def test_classes_are_judged_by_the_rows_that_one_alone_gets_wrong():
    # 12 rows against 2: p = 2 · Σ_{k≤2} C(14, k) / 2¹⁴ = 212 / 16384
    found = classes([1] * 2 + [0] * 12 + [1] * 5 + [0] * 81, [0] * 2 + [1] * 12 + [1] * 5 + [0] * 81)
    assert found.statement == (
        "The network is better than the linear model: the network alone is wrong on 2, the linear model alone on 12."
    )
    assert found.figures["p"] == pytest.approx(212 / 16384)
    # 4 against 1: p = 2 · 6 / 32
    found = classes([1] * 4 + [0] * 20, [0] * 4 + [1] + [0] * 19)
    assert found.statement.startswith(
        "24 test rows cannot tell the network and the linear model apart (the network alone is wrong"
    )
    assert found.figures["p"] == pytest.approx(12 / 32)


def test_several_networks_are_called_what_they_are():
    rows = np.array([1.0] * 2 + [0.0] * 18), np.array([0.0] * 2 + [1.0] * 18)
    mean = "the mean of 3 networks"
    assert _verdict(*rows, None, mean).statement.startswith("The mean of 3 networks is better than the linear model:")
    assert _verdict(*rows, (0.1, 0.2), mean).statement.endswith(
        "the mean of 3 networks alone is wrong on 2, the linear model alone on 18."
    )
    assert _verdict(*rows[::-1], (0.2, 0.1), mean).statement.startswith("The linear model is better than the mean of 3")
    found = _after_guess(_verdict(*rows[::-1], None, mean), *rows[::-1], None, mean)
    assert "the mean of 3 networks is worse than always the same guess" in found.statement


def test_worse_probabilities_of_the_better_one_are_told():
    rows = [1] * 2 + [0] * 98, [0] * 2 + [1] * 18 + [0] * 80
    assert classes(*rows, (0.161, 0.1275)).statement.endswith(
        "on 18. But its probabilities are worse: log loss 0.161, not 0.1275."
    )
    assert classes(*rows[::-1], (0.1, 0.2)).statement.endswith("worse: log loss 0.2, not 0.1.")
    assert classes(*rows, (None, 0.2)).statement.endswith("on 18.")


def test_equals_and_single_rows():
    assert classes([0, 1, 0], [0, 1, 0]).statement.endswith("do equally well on the 3 test rows.")
    found = classes([0], [1])
    assert found.statement.startswith("1 test row cannot tell")
    found = numbers([1.0], [-1.0], [0.0])
    assert found.statement.endswith("do equally well on the 1 test row.")
    found = numbers([1.0], [2.0], [1.0])
    assert found.statement == "1 test row cannot tell the network and the linear model apart."
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("scale", [1.0, 1e-170, 1e200, 1e-308])
def test_numbers_of_any_size(scale):
    truth = RANDOM.normal(size=200)
    close, far = truth + 0.1 * RANDOM.normal(size=200), truth + RANDOM.normal(size=200)
    found = numbers(close * scale, far * scale, truth * scale)
    assert found.statement.startswith("The network is better than the linear model: their R² differ by ")
    assert found.figures["difference"] == pytest.approx(np.mean((far - truth) ** 2 - (close - truth) ** 2), rel=0.4)
    found = numbers(far * scale, truth * scale, truth * scale)  # a linear model without any error
    assert found.statement.startswith("The linear model is better than the network: their R² differ by ")
    json.dumps(found.to_json(), allow_nan=False)


def test_few_rows_are_not_enough():
    truth = np.arange(9.0)
    assert numbers(truth, truth + 1, truth).statement.startswith("9 test rows cannot tell")
    truth = np.arange(10.0)
    assert numbers(truth, truth + 1, truth).statement.startswith("The network is better")


def test_a_network_that_is_worse_than_a_constant_is_told_so_first():
    truth = RANDOM.normal(size=1200)
    network = truth.copy()
    network[0] = 1000.0  # one row has all of the error: no interval tells it from the linear model
    own, guess = (_misses(each, truth) for each in (network, np.full(1200, truth.mean())))
    verdict = _verdict(own, _misses(truth + RANDOM.normal(size=1200), truth), None)
    assert "cannot tell the network and the linear model apart" in verdict.statement
    found = _after_guess(verdict, own, guess, None)
    times = np.sqrt(np.mean((network - truth) ** 2)) / truth.std()
    assert found.figures["times"] == pytest.approx(times)
    first = (
        f"On these 1,200 test rows the network is worse than always the same guess: its RMSE is {times:.3g} times as"
    )
    assert found.statement == f"{first} large. {verdict.statement}"
    assert found.advice.startswith("Do not use it as it is")
    assert _after_guess(verdict, guess, guess, None) is verdict
    assert _after_guess(verdict, own, np.zeros(1200), None) is verdict
    json.dumps(found.to_json(), allow_nan=False)


def test_of_classes_probabilities_have_a_say_in_that():
    own, guess = np.array([1.0, 1, 1, 0]), np.array([1.0, 0, 0, 0])
    verdict = classes(own, guess)
    for log_losses in ((0.9, 0.6), (None, 0.6)):
        found = _after_guess(verdict, own, guess, log_losses)
        assert found.statement.startswith(
            "On these 4 test rows the network is worse than always the same guess: it is wrong on 3, the guess on 1. "
        )
    assert _after_guess(verdict, own, guess, (0.5, 0.6)) is verdict
    assert _after_guess(verdict, guess, own, (0.9, 0.6)) is verdict
