"""Tables of what parameters may be; a table writes the error message itself."""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pondera.errors import ArgumentError


class Rule(NamedTuple):
    """One thing that a parameter may be: in words, and as a test."""

    words: str
    allows: Callable[[Any], bool]


def check(owner: str, values: Mapping[str, Any], constraints: Mapping[str, tuple[Rule, ...]]) -> None:
    """Raise unless every parameter is one of the things that the table allows it to be.

    Raises
    ------
    ArgumentError
        "The 'epochs' parameter of PonderaClassifier must be a whole number from 1 up or None. Got 0 instead."

    Examples
    --------
    >>> check("Thing", {"size": 3}, {"size": (whole(1), NOTHING)})
    """
    for name, rules in constraints.items():
        if not any(rule.allows(values[name]) for rule in rules):
            words = [rule.words for rule in rules]
            allowed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
            raise ArgumentError(f"The {name!r} parameter of {owner} must be {allowed}. Got {values[name]!r} instead.")


def index_into(name: str, shape: Sequence[int], index: Any) -> tuple[int, ...]:
    """Return an index of one number of a tensor as whole numbers; of a vector one number is enough.

    Raises
    ------
    ArgumentError
        If it is none.

    Examples
    --------
    >>> index_into("bias", (3,), 2)
    (2,)
    >>> index_into("weight", (3, 2), (3, 0))
    Traceback (most recent call last):
    pondera.errors.ArgumentError: weight has the shape [3, 2]: expected an index from [0, 0] to [2, 1]. Got [3, 0].
    """
    given = index if isinstance(index, tuple | list) else (index,)
    try:
        found = tuple(operator.index(each) for each in given)
    except TypeError:
        found = ()
    if len(found) != len(shape) or any(not 0 <= at < size for at, size in zip(found, shape, strict=True)):
        first, last = [0] * len(shape), [size - 1 for size in shape]
        allowed = f"an index from {first} to {last}" if all(shape) else "no index, as it is empty"
        raise ArgumentError(f"{name} has the shape {list(shape)}: expected {allowed}. Got {list(given)!r:.200}.")
    return found


def whole(low: int) -> Rule:
    """Return the rule for a whole number from ``low`` up."""
    return Rule(f"a whole number from {low} up", lambda value: _is_whole(value) and value >= low)


def number(low: float, high: float = math.inf, *, open_low: bool = False) -> Rule:
    """Return the rule for a number from ``low`` (left out if ``open_low``) up to, not including, ``high``."""
    words = f"a number {'above' if open_low else 'of at least'} {low:g}"
    return Rule(
        words if high == math.inf else f"{words} and below {high:g}",
        lambda value: _is_number(value) and low <= value < high and not (open_low and value == low),
    )


def one_of(names: tuple[str, ...]) -> Rule:
    """Return the rule for one of these names."""
    return Rule(f"one of {', '.join(map(repr, names))}", lambda value: isinstance(value, str) and value in names)


def instance_of(words: str, *kinds: type) -> Rule:
    """Return the rule for instances of classes."""
    return Rule(words, lambda value: isinstance(value, kinds))


def sequence_of_whole(low: int) -> Rule:
    """Return the rule for a list or tuple of whole numbers from ``low`` up."""
    return Rule(
        f"a list or tuple of whole numbers from {low} up",
        lambda value: isinstance(value, list | tuple) and all(_is_whole(item) and item >= low for item in value),
    )


def _is_place(value: Any) -> bool:
    """Return whether a value is a path that names something: an empty one would be the current folder."""
    return isinstance(value, os.PathLike) or (isinstance(value, str) and value != "")


PLACE = Rule("a path", _is_place)
FUNCTION = Rule("a function", callable)
NOTHING = Rule("None", lambda value: value is None)
TRUTH = Rule("a bool", lambda value: isinstance(value, bool))


def _is_whole(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
