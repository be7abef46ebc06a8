import copy
import json
import pickle

import numpy as np
import pytest

from pondera.choice import Choice, look_up, unknown
from pondera.errors import ArgumentError

TABLE = {"plain": lambda x: x, "scaled": lambda x, *, factor=2.0: factor * x}


def test_three_ways_to_say_the_same():
    choice = Choice("scaled", factor=3.0)
    assert Choice.of(choice) is choice
    assert Choice.of({"name": "scaled", "factor": 3.0}) == choice
    assert Choice.of("plain") == Choice("plain") != choice
    assert hash(Choice.of({"factor": 3.0, "name": "scaled"})) == hash(choice)
    assert (choice.name, choice.options) == ("scaled", {"factor": 3.0})
    assert repr(choice) == "Choice('scaled', factor=3.0)"
    assert eval(repr(choice)) == choice


@pytest.mark.parametrize("choice", [Choice("a"), Choice("a", z=1, b="text", c=True, d=0.1)])
def test_copies(choice):
    for again in (
        pickle.loads(pickle.dumps(choice)),
        copy.deepcopy(choice),
        Choice.of(json.loads(json.dumps(choice.to_json()))),
    ):
        assert again == choice
        assert hash(again) == hash(choice)


def test_a_choice_cannot_be_changed():
    with pytest.raises(AttributeError, match=r"cannot be changed"):
        Choice("a").name = "b"
    options = Choice("a", b=1).options
    options["b"] = 2
    assert Choice("a", b=1).options == {"b": 1}


@pytest.mark.parametrize("value", [None, 5, [], ["relu"], {}, {"name": 5}, {"slope": 1.0}, {"name": "a", 5: 1}])
def test_what_is_no_choice(value):
    with pytest.raises(ArgumentError, match=r"Expected a name or a Choice"):
        Choice.of(value)


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, np.ones(3), 1j, object()])
def test_what_is_no_option(value):
    with pytest.raises(ArgumentError, match=r"option 'slope' of 'a' must be a number, a text or a bool"):
        Choice("a", slope=value)


def test_numbers_of_numpy_become_plain():
    choice = Choice("a", b=np.float32(0.5), c=np.int64(3))
    assert choice == Choice("a", b=0.5, c=3)
    assert json.loads(json.dumps(choice.to_json())) == {"name": "a", "b": 0.5, "c": 3}


def test_look_up():
    assert look_up("thing", "scaled", TABLE)(5) == 10
    assert look_up("thing", Choice("scaled", factor=3), TABLE)(5) == 15
    assert look_up("thing", {"name": "scaled", "factor": 4}, TABLE)(5) == 20


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("scalde", r"Unknown thing 'scalde'. Did you mean 'scaled'\? Known: plain, scaled\."),
        (Choice("plain", factor=1), "The thing 'plain' takes no options. Got the option 'factor'."),
        (Choice("scaled", x=1), "The thing 'scaled' takes factor. Got the option 'x'."),
        (Choice("scaled", factor="big"), "takes a finite number as 'factor'. Got 'big'."),
        (Choice("scaled", factor=True), "takes a finite number as 'factor'. Got True."),
        (Choice("scaled", factor=float("inf")), "takes a finite number as 'factor'. Got inf."),
        (Choice("scaled", factor=float("nan")), "takes a finite number as 'factor'. Got nan."),
        (Choice("scaled", factor=10**400), "takes a finite number as 'factor'"),
    ],
)
def test_look_up_errors(choice, words):
    with pytest.raises(ArgumentError, match=words):
        look_up("thing", choice, TABLE)


def test_no_hint_where_nothing_is_close():
    assert unknown("loss", "zzz", ["huber"]) == "Unknown loss 'zzz'. Known: huber."


def test_a_long_list_is_cut_short():
    many = [f"x{i}" for i in range(5000)]
    assert unknown("column", "y", many).endswith("Known: x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 4,990 more.")
    assert unknown("column", "y", many[:10]).endswith("x8, x9.")
    assert "Did you mean 'x4321'?" in unknown("column", "xx4321", many)
