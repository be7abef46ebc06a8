"""Options of ``pondera train``: what a form asks for, and what a run was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

USUAL = {"recipe": "strong", "seeds": 1, "seed": 0, "record": "default"}
"""What options are that are not given, where it is not nothing."""


def options_of(given: Mapping[str, Any]) -> list[str]:
    """Return options for the command line, each in one piece; those that are what they would be anyway are left out.

    Examples
    --------
    >>> options_of({"target": "kind", "learning_rate": 0.1, "epochs": None, "seed": 0, "recipe": "plain"})
    ['--target=kind', '--learning-rate=0.1', '--recipe=plain']
    """
    asked = {name: value for name, value in given.items() if value not in (None, "", USUAL.get(name))}
    return [f"--{name.replace('_', '-')}={value}" for name, value in asked.items()]
