"""Weights by name on the command line: ``layers.1.weight[3,7]``."""

from __future__ import annotations

import re

from pondera.errors import ArgumentError

WEIGHT = re.compile(r"(?:networks\.(\d+)\.)?(.+)\[(\d+(?:\s*,\s*\d+)*)\]")


def weight_place(text: str, what: str) -> tuple[int | None, str, tuple[int, ...]]:
    """Return the network of a population, None where none is named, the tensor and the index that a text names.

    Raises
    ------
    ArgumentError
        If it names none.

    Examples
    --------
    >>> weight_place("networks.2.layers.1.weight[3, 7]", "--weight")
    (2, 'layers.1.weight', (3, 7))
    """
    found = WEIGHT.fullmatch(text.strip())
    if found is None:
        raise ArgumentError(f"{what} takes a name and an index, such as 'layers.1.weight[3,7]'. Got {text!r}.")
    part = None if found[1] is None else int(found[1])
    return part, found[2], tuple(int(part) for part in found[3].split(","))
