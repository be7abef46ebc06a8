"""What those who record a training may be given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pondera.constraints import FUNCTION, NOTHING, PLACE, Rule, check, instance_of, number
from pondera.errors import ArgumentError
from pondera.recording.told import known

ARGUMENTS: dict[str, tuple[Rule, ...]] = {
    "run": (PLACE,),
    "budget": (number(0), NOTHING),
    "about": (instance_of("a mapping", Mapping), NOTHING),
    "on_finding": (FUNCTION, NOTHING),
}


def require(owner: str, **values: Any) -> None:
    """Raise unless each of these arguments is what it may be.

    Raises
    ------
    ArgumentError
        Naming the argument, what it may be, and what it is.

    Examples
    --------
    >>> require("pondera.watch", run="runs/first", budget=-1)
    Traceback (most recent call last):
    pondera.errors.ArgumentError: The 'budget' parameter of pondera.watch must be a number of at least 0 or None. Got -1 instead.
    """  # noqa: E501
    check(owner, values, {name: ARGUMENTS[name] for name in values})
    for name, value in (values.get("about") or {}).items():
        try:
            known(str(name), json.dumps(value))
        except (TypeError, ValueError, RecursionError) as error:
            raise ArgumentError(
                f"The 'about' parameter of {owner} must hold plain values, by names of their own: {error}."
            ) from error
