"""What goes wrong, in sentences: what the machine refuses, and what is not of the form that a route takes."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REFUSALS = {
    errno.ENOSPC: "The disk is full. Free some space, and try again.",
    getattr(errno, "EDQUOT", -1): "Your share of the disk is full. Free some space, and try again.",
    errno.EROFS: "Nothing can be written to this disk. Serve a folder of another.",
    errno.EACCES: "This may not be read or written. Change who may, or give another file.",
    errno.EPERM: "This may not be done here. Change who may, or give another file.",
    errno.ENOENT: "It is not there any more. Reload the page to see what is.",
    errno.EMFILE: "Too many files are open. Close some pages, and try again.",
    errno.ENFILE: "Too many files are open on this machine. Close some programs, and try again.",
    errno.ENAMETOOLONG: "The name is too long. Give a shorter one.",
    errno.EIO: "The disk cannot be read. Copy the file from elsewhere.",
    errno.ENOMEM: "There is too little memory. Close other programs, or give a smaller file.",
}

FORMS = {
    "missing": "is missing",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a whole number of fewer digits",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "string_type": "expected a text",
    "string_unicode": "expected a text",
    "string_too_short": "expected at least {min_length} letters",
    "string_too_long": "expected at most {max_length} letters",
    "string_pattern_mismatch": "expected a text of the form {pattern}",
    "too_long": "expected at most {max_length} of them",
    "too_short": "expected at least {min_length} of them",
    "list_type": "expected a list",
    "dict_type": "expected names with values",
    "model_attributes_type": "expected names with values",
    "literal_error": "expected {expected}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "extra_forbidden": "there is no such setting",
    "json_invalid": "expected JSON, found something else",
}
"""What is expected, by the name that pydantic has for what is wrong."""


def of_machine(error: OSError | MemoryError) -> str:
    """Return what the machine refused, and what to do.

    Examples
    --------
    >>> of_machine(OSError(errno.ENOSPC, "No space left on device"))
    'The disk is full. Free some space, and try again.'
    >>> of_machine(OSError(errno.ELOOP, "it is a link, which is not followed. Serve the folder that it leads to"))
    'The machine refused: it is a link, which is not followed. Serve the folder that it leads to.'
    """
    if isinstance(error, MemoryError):
        return REFUSALS[errno.ENOMEM]
    said = error.strerror or str(error) or type(error).__name__
    by_us = error.errno in (errno.ELOOP, errno.EACCES) and said.startswith("it ")
    if error.errno in REFUSALS and not by_us:
        return REFUSALS[error.errno]
    return f"The machine refused: {said.rstrip('.')}."


@dataclass(frozen=True)
class Misfit:
    """What is not of the form that a route takes.

    Attributes
    ----------
    field
        Its name, parts joined by points.
    expected
        What is expected instead, such as "expected at least 0".
    got
        What was given, as text; None where that is not one value.
    """

    field: str
    expected: str
    got: str | None

    @property
    def error(self) -> str:
        """All of it for a program, as a sentence."""
        got = "" if self.got is None else f" Got {self.got}."
        return f"{self.field}: {self.expected}.{got} See /api/openapi.json."


def of_form(problem: Mapping[str, Any]) -> Misfit:
    """Return what is not of the form that a route takes, as pydantic reports it.

    Examples
    --------
    >>> of_form({"type": "greater_than", "loc": ("query", "rate"), "ctx": {"gt": 0.0}, "msg": "", "input": "-1"}).error
    "rate: expected more than 0. Got '-1'. See /api/openapi.json."
    """
    where = ".".join(str(part) for part in problem["loc"][1:] if problem["type"] != "json_invalid") or "the body"
    form = FORMS.get(problem["type"], "expected something else")
    limits = problem.get("ctx") or {}
    said = {name: f"{each:.15g}" if isinstance(each, float) else each for name, each in limits.items()}
    given = problem.get("input")
    return Misfit(
        where,
        form.format_map(said) if said else form,
        f"{given!r:.60}" if isinstance(given, str | int | float) else None,
    )
