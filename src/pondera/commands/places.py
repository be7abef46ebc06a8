"""Weights and units by name on the command line: ``layers.1.weight[3,7]``, ``layers.1[7]``."""

from __future__ import annotations

import re

from pondera.errors import ArgumentError
from pondera.files import is_text

NETWORK = r"(?:networks\.(\d{1,18})\.)?"
WEIGHT = re.compile(rf"{NETWORK}(.+)\[(\d+(?:\s*,\s*\d+)*)\]")
UNIT = re.compile(rf"{NETWORK}([^\[\]]+)\[(\d{{1,18}})\]")


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
    found = WEIGHT.fullmatch(text.strip()) if is_text(text) else None
    if found is None:
        raise ArgumentError(f"{what} takes a name and an index, such as 'layers.1.weight[3,7]'. Got {text!r}.")
    part = None if found[1] is None else int(found[1])
    return part, found[2], tuple(int(part) for part in found[3].split(","))


def unit_place(text: str) -> tuple[int, str, int]:
    """Return the network of a population, the layer and the place that a text names.

    Raises
    ------
    ArgumentError
        If it names none.

    Examples
    --------
    >>> unit_place("networks.2.layers.1[7]")
    (2, 'layers.1', 7)
    """
    found = UNIT.fullmatch(text.strip()) if is_text(text) else None
    if found is None:
        raise ArgumentError(f"pondera unit takes a layer and a place, such as 'layers.1[7]'. Got {text!r}.")
    return int(found[1] or 0), found[2], int(found[3])
