import contextlib
import json
import pickle

import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.choice import Choice, look_up, options_of
from pondera.errors import ArgumentError, PonderaError
from pondera.network.activations import ACTIVATIONS
from pondera.network.initializers import INITIALIZERS
from pondera.training.losses import LOSSES
from pondera.training.optimizers import OPTIMIZERS
from pondera.training.plan import Plan
from pondera.training.schedules import SCHEDULES


@pytest.mark.parametrize(
    "plan",
    [
        Plan(),
        *(Plan(loss=name) for name in LOSSES),
        *(Plan(optimizer=name) for name in OPTIMIZERS),
        *(Plan(schedule=name) for name in SCHEDULES),
        Plan(
            loss=Choice("huber", delta=0.5),
            optimizer=Choice("adam", b2=0.95),
            learning_rate=0.1,
            schedule=Choice("cosine", floor=0.1),
            epochs=0,
            batch_size=1,
            weight_decay=0.01,
            gradient_clip=1.0,
            rate_factors={"bias": 0.1, "scale": 6},
            keep="metric",
            patience=3,
            seed=2**32 - 1,
        ),
    ],
)
def test_json_round_trip(plan):
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert hash(again) == hash(plan)
    assert pickle.loads(pickle.dumps(plan)) == plan


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizers_own_figures_fill_in(name):
    assert Plan(optimizer=name).peak == OPTIMIZERS[name].learning_rate
    assert Plan(optimizer=name).decay == OPTIMIZERS[name].weight_decay
    assert Plan(optimizer=name, learning_rate=0.5, weight_decay=0.0).peak == 0.5
    assert Plan(optimizer=name, learning_rate=0.5, weight_decay=0.0).decay == 0.0


def test_an_optax_object():
    plan = Plan(optimizer=optax.adam(0.1))
    assert (plan.peak, plan.decay) == (1.0, 0.0)
    assert plan.to_json()["optimizer"] == "custom"
    with pytest.raises(ArgumentError, match=r"made with an Optax object"):
        Plan.from_json(plan.to_json())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": -1}, r"The plan's epochs must be a whole number of at least 0. Got -1."),
        ({"epochs": 1.5}, r"The plan's epochs must be a whole number"),
        ({"epochs": True}, r"The plan's epochs must be a whole number"),
        ({"epochs": None}, r"The plan's epochs must be a whole number"),
        ({"batch_size": 0}, r"The plan's batch_size must be a whole number of at least 1. Got 0."),
        ({"patience": 0}, r"The plan's patience must be a whole number of at least 1 or None. Got 0."),
        ({"seed": -1}, r"The plan's seed must be a whole number of at least 0"),
        ({"learning_rate": -0.1}, r"The plan's learning_rate must be a number of at least 0 or None. Got -0.1."),
        ({"learning_rate": "fast"}, r"The plan's learning_rate must be a number"),
        ({"weight_decay": float("nan")}, r"The plan's weight_decay must be a number"),
        ({"gradient_clip": float("inf")}, r"The plan's gradient_clip must be a number"),
        ({"keep": "best"}, r"Unknown value of keep: 'best'"),
        ({"loss": "hubber"}, r"Unknown loss 'hubber'"),
        ({"loss": None}, r"Expected a name or a Choice"),
        ({"optimizer": Choice("adam", beta=1)}, r"The optimizer 'adam' takes b1, b2, epsilon"),
        ({"optimizer": 5}, r"Expected a name or a Choice"),
        ({"schedule": "cosin"}, r"Unknown schedule 'cosin'. Did you mean 'cosine'\?"),
        ({"rate_factors": {"bias": "fast"}}, r"rate_factors"),
        ({"rate_factors": 5}, r"rate_factors"),
        ({"rate_factors": {"bias": float("nan")}}, r"rate_factors"),
        ({"rate_factors": (1, 2)}, r"rate_factors"),
        ({"speed": 5}, r"Unknown value of a plan: 'speed'"),
    ],
)
def test_values_that_a_plan_refuses(changes, words):
    with pytest.raises(ArgumentError, match=words):
        Plan().replace(**changes)
    with pytest.raises(ArgumentError, match=words):
        Plan.from_json({**Plan().to_json(), **changes})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["adam", "huber"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "b1", "delta"]), inner),
    max_leaves=4,
)


@given(st.sampled_from(list(Plan().to_json())), ANYTHING)
def test_hostile_json(name, value):
    with contextlib.suppress(PonderaError):
        plan = Plan.from_json({**Plan().to_json(), name: value})
        assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
        hash(plan)


@pytest.mark.parametrize("value", [None, 5, [], "plan"])
def test_what_is_no_plan(value):
    with pytest.raises(ArgumentError):
        Plan.from_json(value)


LISTS = {
    "activation": {name: entry.function for name, entry in ACTIVATIONS.items()},
    "initializer": INITIALIZERS,
    "loss": {name: entry.error for name, entry in LOSSES.items()},
    "optimizer": {name: entry.direction for name, entry in OPTIMIZERS.items()},
    "schedule": SCHEDULES,
}
OPTIONS = [
    (what, name, option) for what, table in LISTS.items() for name in table for option in options_of(table[name])
]
FREE = {"slope", "gain", "value"}  # any finite number makes sense


@pytest.mark.parametrize(("what", "name", "option"), OPTIONS)
def test_every_option_has_a_range(what, name, option):
    rule = options_of(LISTS[what][name])[option]
    bad = ["x", True, float("nan"), float("inf"), 10**400, *([] if option in FREE else [-1, -1e-300])]
    for value in bad:
        with pytest.raises(ArgumentError) as error:
            look_up(what, Choice(name, **{option: value}), LISTS[what])
        start = f"The {what} {name!r} takes {rule.words} as {option!r}. Got "
        assert str(error.value).startswith(start)
    look_up(what, Choice(name, **{option: np.float32(0.5)}), LISTS[what])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": Choice("huber", delta=-1)}, r"takes a number above 0 as 'delta'. Got -1."),
        ({"loss": Choice("binary_cross_entropy", label_smoothing=7)}, r"takes a number of at least 0 and below 1 as"),
        ({"optimizer": Choice("adam", b1=2)}, r"takes a number of at least 0 and below 1 as 'b1'. Got 2."),
        ({"schedule": Choice("cosine", floor=1.5)}, r"takes a number from 0 to 1 as 'floor'. Got 1.5."),
    ],
)
def test_options_out_of_range(changes, words):
    with pytest.raises(ArgumentError, match=words):
        Plan(**changes)


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint32, np.array])
def test_numbers_of_numpy_become_plain(kind):
    plan = Plan(epochs=kind(5), batch_size=kind(6), patience=kind(7), seed=kind(8), learning_rate=np.float32(0.5))
    values = [plan.epochs, plan.batch_size, plan.patience, plan.seed, plan.learning_rate]
    assert values == [5, 6, 7, 8, 0.5]
    assert [type(value) for value in values] == [int, int, int, int, float]
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
