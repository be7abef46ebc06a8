import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from pondera.constraints import (
    FUNCTION,
    NOTHING,
    PLACE,
    TRUTH,
    check,
    instance_of,
    number,
    one_of,
    sequence_of_whole,
    whole,
)
from pondera.errors import ArgumentError

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (whole(1), [1, 5, np.int64(2), np.array(3)], [0, -1, True, 1.0, "1", None, NAN, [1], np.array([1, 2])]),
        (number(0), [0, 0.0, 3, np.float32(1.5)], [-1e-9, INF, NAN, "1", True, None, [1.0], np.array([1.0, 2.0])]),
        (number(0, 1), [0, 0.99], [1, 1.5, -0.1]),
        (number(0, open_low=True), [1e-300, 2], [0, 0.0, -1]),
        (one_of(("a", "b")), ["a", "b"], ["c", None, 1, ["a"]]),
        (instance_of("a dict", dict), [{}], [[], None]),
        (sequence_of_whole(1), [[], (), [1, 2], (np.int32(3),)], [[0], [1.5], 3, "12", None, [True], np.array([1])]),
        (PLACE, ["run", ".", Path("run")], ["", 3, None, b"run"]),
        (FUNCTION, [len, lambda: 0], [3, None, "len"]),
        (NOTHING, [None], [0, False, ""]),
        (TRUTH, [True, False], [0, 1, None, "yes"]),
    ],
)
def test_rules(rule, good, bad):
    for value in good:
        check("Thing", {"size": value}, {"size": (rule,)})
    for value in bad:
        with pytest.raises(ArgumentError, match="The 'size' parameter of Thing must be "):
            check("Thing", {"size": value}, {"size": (rule,)})


@pytest.mark.parametrize(
    ("rules", "value", "sentence"),
    [
        ((whole(1), NOTHING), 0, "must be a whole number from 1 up or None. Got 0 instead."),
        ((number(0, open_low=True),), -1, "must be a number above 0. Got -1 instead."),
        ((number(0, 1),), 1.5, "must be a number of at least 0 and below 1. Got 1.5 instead."),
        ((one_of(("a", "b")), TRUTH, NOTHING), "c", "must be one of 'a', 'b', a bool or None. Got 'c' instead."),
        ((sequence_of_whole(1),), [0], "must be a list or tuple of whole numbers from 1 up. Got [0] instead."),
        ((instance_of("a thing", dict),), Decimal(1), "must be a thing. Got Decimal('1') instead."),
    ],
)
def test_the_table_writes_the_message(rules, value, sentence):
    with pytest.raises(ArgumentError, match=re.escape(f"The 'size' parameter of Thing {sentence}")):
        check("Thing", {"size": value}, {"size": rules})
