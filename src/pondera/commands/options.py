"""Reading numbers and lists out of options."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

import typer

from pondera.constraints import NOTHING, Rule
from pondera.errors import ArgumentError


def whole_number(text: str | int) -> int:
    """Return the whole number that an option was given."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected a whole number, found {text!r}") from None


def any_number(text: str | float) -> float:
    """Return the number that an option was given."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, found {text!r}") from None


def check_options(values: Mapping[str, Any], constraints: Mapping[str, tuple[Rule, ...]]) -> None:
    """Raise unless every option that was given is one of the things that the table allows it to be.

    Raises
    ------
    ArgumentError
        "--epochs takes a whole number from 1 up. Got 0."
    """
    for name, value in values.items():
        if value is not None and not any(rule.allows(value) for rule in constraints[name]):
            words = " or ".join(rule.words for rule in constraints[name] if rule.words != NOTHING.words)
            raise ArgumentError(f"--{name.replace('_', '-')} takes {words}. Got {value!r}.")


def numbers(text: str, option: str) -> list[float]:
    """Return the numbers of a comma-separated list.

    Raises
    ------
    ArgumentError
        Naming the option and what in it is not a number.
    """
    found = []
    for part in text.split(","):
        try:
            found.append(float(part))
        except ValueError:
            raise ArgumentError(f"{option} takes numbers separated by commas, such as 5,2. Got {part!r}.") from None
    return found


def whole_numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """Return the whole numbers of a comma-separated list, or None where there is none.

    Raises
    ------
    ArgumentError
        Naming the option and what in it is not a whole number of at least 1.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ArgumentError(
            f"{option} takes whole numbers from 1 up, separated by commas, such as 128,128. Got {text!r}."
        )
    return tuple(int(part) for part in parts)


def names(text: str | None) -> list[str]:
    """Return the names of a comma-separated list; one that holds a comma itself stands in double quotes."""
    if text is None:
        return []
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), []) if part.strip()]
