"""A choice by name, with options: how activations, initializers, losses, optimizers and schedules are asked for."""

from __future__ import annotations

import difflib
import functools
import inspect
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from pondera.constraints import Rule
from pondera.errors import ArgumentError

F = TypeVar("F", bound=Callable[..., Any])

MOST_LISTED = 10
"""A message names no more than this many of what it lists."""

LARGEST = 3.4028234663852886e38
"""The largest number that float32 holds: what options must not exceed."""

FINITE = Rule("a finite number", lambda value: _is_finite(value))
"""What an option must be whose default is a number and that has no narrower rule."""


class Choice:
    """A name out of a list, with the options that differ from their defaults.

    Everywhere a choice is expected its plain name will do, and so will its JSON form.

    Parameters
    ----------
    name
        What is chosen, for example ``"huber"``.
    **options
        Numbers, texts or truth values that the chosen function takes, for example ``delta=0.5``.

    Raises
    ------
    ArgumentError
        If an option is none of these.

    Examples
    --------
    >>> Choice("huber", delta=0.5).to_json()
    {'name': 'huber', 'delta': 0.5}
    >>> Choice.of("relu") == Choice.of({"name": "relu"}) == Choice("relu")
    True
    """

    __slots__ = ("_key",)
    _key: tuple[str, tuple[tuple[str, Any], ...]]

    def __init__(self, name: str, **options: Any) -> None:
        pairs = ((option, _plain(name, option, options[option])) for option in sorted(options))
        object.__setattr__(self, "_key", (name, tuple(pairs)))

    @staticmethod
    def of(value: str | Mapping[str, Any] | Choice) -> Choice:
        """Return the choice that a name, a JSON form or a choice stands for."""
        if isinstance(value, Choice):
            return value
        if isinstance(value, str):
            return Choice(value)
        if isinstance(value, Mapping) and isinstance(value.get("name"), str) and all(isinstance(k, str) for k in value):
            return Choice(**value)
        raise ArgumentError(
            f"Expected a name or a Choice(name, option=value). Got {value!r} of type {type(value).__name__}."
        )

    @property
    def name(self) -> str:
        """What is chosen."""
        return self._key[0]

    @property
    def options(self) -> dict[str, Any]:
        """The options given, by name."""
        return dict(self._key[1])

    def to_json(self) -> str | dict[str, Any]:
        """Return the plain name, or a dictionary of name and options where options were given."""
        return {"name": self.name, **self.options} if self.options else self.name

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("A Choice cannot be changed; make a new one.")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Choice.of, ({"name": self.name, **self.options},))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Choice({', '.join([repr(self.name), *(f'{k}={v!r}' for k, v in self._key[1])])})"


def _plain(name: str, option: str, value: Any) -> Any:
    value = plain(value)  # NumPy's numbers have no JSON form
    if isinstance(value, bool | int | float | str):
        return value
    raise ArgumentError(f"The option {option!r} of {name!r} must be a number, a text or a bool. Got {value!r:.80}.")


def plain(value: Any) -> Any:
    """Return a number of any type as Python's own int or float, and anything else as it is.

    >>> from fractions import Fraction
    >>> plain(True), plain(5), plain(Fraction(1, 2)), plain("5")
    (True, 5, 0.5, '5')
    """
    if isinstance(value, bool):
        return value
    try:
        return float(value) if _is_fractional(value) else operator.index(value)
    except (TypeError, OverflowError):
        return value


def _is_fractional(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)


def unknown(what: str, name: object, known: Iterable[str], most: int = MOST_LISTED) -> str:
    """Return the sentence for a name that is in no list, with the closest name that is, and ``most`` of all.

    >>> unknown("activation", "rleu", ["relu", "tanh"])
    "Unknown activation 'rleu'. Did you mean 'relu'? Known: relu, tanh."
    """
    return f"Unknown {what} {name!r}.{_instead(name, list(known), most)}"


def unmatched(what: str, pattern: str, known: Iterable[str]) -> str:
    """Return the sentence for a pattern that nothing matches, with the closest name that is there.

    >>> unmatched("tensor", "fc1.wieght", ["fc1.weight", "fc1.bias"])
    "No tensor matches 'fc1.wieght'. Did you mean 'fc1.weight'? Known: fc1.weight, fc1.bias."
    """
    return f"No {what} matches {pattern!r}.{_instead(pattern, list(known))}"


def _instead(name: object, names: Sequence[str], most: int = MOST_LISTED) -> str:
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Known: {listed(names, most)}."


def printable(name: str) -> str:
    r"""Return a name whose every letter can be shown: those that would do something instead are written out.

    >>> print(printable("a\x07b"))
    a\x07b
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)


def visible(name: str) -> str:
    """Return the name of a thing, printable, and quoted where nothing would be seen of it.

    >>> visible("fc1"), visible(" ")
    ('fc1', "' '")
    """
    return printable(name) if name.strip() else repr(name)


HALF = 30
"""Letters of either end of a name that is too long for a sentence."""


def quoted(name: str) -> str:
    """Return a name in quotes for a sentence; of one that is longer than most sentences its beginning and its end.

    >>> quoted("age"), len(quoted("x" * 300))
    ("'age'", 63)
    """
    return repr(name if len(name) <= 2 * HALF else f"{name[:HALF]}…{name[-HALF:]}")


def listed(names: Sequence[str], most: int = MOST_LISTED) -> str:
    """Return the first names, ten or as many as are wanted, and how many more there are.

    >>> listed(["relu", "tanh"])
    'relu, tanh'
    >>> listed([f"x{i}" for i in range(5000)])
    'x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 4,990 more'
    """
    shown = names if len(names) == most + 1 else names[:most]  # "and 1 more" would save nothing
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def counted(number: int, thing: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "weight"), counted(2000, "weight")
    ('1 weight', '2,000 weights')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def outside(owner: str, count: int, thing: str, number: int) -> str:
    """Return the sentence for a number of a thing that is below 0, or is not reached.

    >>> outside("The model has", 5, "network", 9)
    'The model has 5 networks, numbered from 0 to 4. Got network 9.'
    """
    numbered = f", numbered from 0 to {count - 1:,}" if count else ""
    return f"{owner} {counted(count, thing)}{numbered}. Got {thing} {number}."


def look_up(what: str, choice: str | Mapping[str, Any] | Choice, table: Mapping[str, F]) -> F:
    """Return the function that a choice names, with its options filled in.

    Parameters
    ----------
    what
        What the table lists, for messages: ``"activation"``.
    choice
        The name, with or without options.
    table
        Name to function. Options are the function's keyword-only parameters; one annotated
        ``Annotated[float, number(0)]`` must keep to that :class:`~pondera.constraints.Rule`.

    Raises
    ------
    ArgumentError
        If the name is not in the table, the function takes no such option, or its value is none that it takes.
    """
    choice = Choice.of(choice)
    if choice.name not in table:
        raise ArgumentError(unknown(what, choice.name, table))
    function = table[choice.name]
    if not choice.options:
        return function
    accepted = options_of(function)
    for option, value in choice.options.items():
        if option not in accepted:
            takes = f"takes {', '.join(accepted)}" if accepted else "takes no options"
            raise ArgumentError(f"The {what} {choice.name!r} {takes}. Got the option {option!r}.")
        rule = accepted[option]
        if rule is not None and not (_is_finite(value) and rule.allows(value)):
            raise ArgumentError(f"The {what} {choice.name!r} takes {rule.words} as {option!r}. Got {value!r:.80}.")
    return cast("F", functools.partial(function, **choice.options))


def options_of(function: Callable[..., Any]) -> dict[str, Rule | None]:
    """Return the options of a function and what each may be: None where it is no number."""
    return {
        parameter.name: _rule(parameter)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _rule(parameter: inspect.Parameter) -> Rule | None:
    written = [rule for rule in get_args(parameter.annotation) if isinstance(rule, Rule)]
    return written[0] if written else FINITE if _is_finite(parameter.default) else None


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
