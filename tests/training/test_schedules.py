import inspect
import math

import numpy as np
import optax
import pytest

from pondera.choice import Choice, look_up
from pondera.training.schedules import SCHEDULES, rates

T = np.linspace(0, 1, 1001)

# closed forms, one number at a time
REFERENCES = {
    "constant": lambda t: 1.0,
    "cosine": lambda t: math.cos(math.pi * t / 2) ** 2,
    "warmup_cosine": lambda t: t / 0.1 if t < 0.1 else math.cos(math.pi * (t - 0.1) / 0.9 / 2) ** 2,
    "one_cycle": lambda t: (
        0.04 + 0.96 * math.sin(math.pi * t / 0.6) ** 2
        if t < 0.3
        else 4e-6 + (1 - 4e-6) * math.cos(math.pi * (t - 0.3) / 1.4) ** 2
    ),
    "coslog4": lambda t: math.sin(math.pi * math.log2(1 + 15 * t)) ** 2,
}


def test_every_schedule_has_a_closed_form():
    assert set(REFERENCES) == set(SCHEDULES)


@pytest.mark.parametrize("name", SCHEDULES)
def test_closed_form(name):
    np.testing.assert_allclose(SCHEDULES[name](T), [REFERENCES[name](t) for t in T], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", SCHEDULES)
def test_range_and_shape(name):
    factors = SCHEDULES[name](T)
    assert factors.shape == T.shape
    assert factors.dtype == np.float64
    assert factors.min() >= 0
    assert 0.99 < factors.max() <= 1
    np.testing.assert_array_equal(SCHEDULES[name](T.reshape(7, 143)), factors.reshape(7, 143))
    np.testing.assert_array_equal(SCHEDULES[name](T[3:5]), factors[3:5])


@pytest.mark.parametrize("name", SCHEDULES)
def test_options_stay_in_range(name):
    options = [
        option
        for option, parameter in inspect.signature(SCHEDULES[name]).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for option in options:
        for value in (0.0, 0.5, 1.0):
            factors = look_up("schedule", Choice(name, **{option: value}), SCHEDULES)(T)
            assert np.isfinite(factors).all()
            assert factors.min() >= 0
            assert factors.max() <= 1


def test_coslog4_as_published():
    # zero at t = 0 and t = (2^k − 1)/15, one halfway between on the logarithmic axis; the last zero is at t = 1
    for k in range(5):
        assert SCHEDULES["coslog4"](np.array((2**k - 1) / 15)) == pytest.approx(0, abs=1e-12)
    for k in range(4):
        assert SCHEDULES["coslog4"](np.array((2 ** (k + 0.5) - 1) / 15)) == pytest.approx(1, rel=1e-12)


def test_optax_draws_the_same_curves():
    steps = np.arange(200)
    ours = rates(SCHEDULES["cosine"], 0.3, range(200), 200)
    np.testing.assert_allclose(ours, optax.cosine_decay_schedule(0.3, 200)(steps), rtol=1e-5, atol=1e-7)
    ours = rates(look_up("schedule", Choice("cosine", floor=0.2), SCHEDULES), 0.3, range(200), 200)
    np.testing.assert_allclose(ours, optax.cosine_decay_schedule(0.3, 200, alpha=0.2)(steps), rtol=1e-5)
    ours = rates(look_up("schedule", Choice("warmup_cosine", warmup=0.25), SCHEDULES), 0.3, range(200), 200)
    theirs = optax.warmup_cosine_decay_schedule(0.0, 0.3, 50, 200)
    np.testing.assert_allclose(ours, theirs(steps), rtol=1e-5, atol=1e-7)
    ours = rates(SCHEDULES["one_cycle"], 0.3, range(200), 200)
    np.testing.assert_allclose(
        ours, [optax.cosine_onecycle_schedule(200, 0.3)(step) for step in steps], rtol=1e-4, atol=1e-6
    )


def test_rates_past_the_end_and_in_pieces():
    schedule = SCHEDULES["cosine"]
    whole = rates(schedule, 0.1, range(10), 10)
    np.testing.assert_array_equal(
        np.concatenate([rates(schedule, 0.1, range(4), 10), rates(schedule, 0.1, range(4, 10), 10)]), whole
    )
    np.testing.assert_array_equal(rates(schedule, 0.1, range(10, 13), 10), np.repeat(schedule(np.ones(1)) * 0.1, 3))
    assert rates(schedule, 0.1, range(0), 0).shape == (0,)
