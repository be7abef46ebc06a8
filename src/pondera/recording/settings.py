"""What a training was asked for, and what was used where it was not said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEST_FRACTION = 0.2
"""Of the rows of a table, held out to test on where nothing else is asked for."""


def settings(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for: options, None for those that were not given, and the plan they led to."""
    identity = about.get("identity") or {}
    plan = {f"plan.{name}": value for name, value in (identity.get("plan") or {}).items()}
    rows = {"rows": identity["rows"]} if "rows" in identity else {}
    return {**about.get("arguments", {}), **plan, **rows}


def used(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was used of the options that were not given, as far as it is known.

    Examples
    --------
    >>> layers = [{"kind": "dense", "units": units, "activation": "relu"} for units in (8, 4, 1)]
    >>> asked = dict.fromkeys(("epochs", "seed", "hidden", "activation", "test_fraction", "drop")) | {"seed": 1}
    >>> used({"arguments": asked, "identity": {"plan": {"epochs": 5}, "architecture": {"layers": layers}}})
    {'epochs': 5, 'hidden': '8,4', 'activation': 'relu', 'test_fraction': 0.2}
    """
    identity = about.get("identity") or {}
    asked = about.get("arguments") or {}
    layers = (identity.get("architecture") or {}).get("layers", [])
    hidden = [layer for layer in layers if layer.get("kind") == "dense"][:-1]
    known = {
        **{name: about[name] for name in ("target", "task") if name in about},
        **(identity.get("plan") or {}),
        **({"hidden": ",".join(str(layer["units"]) for layer in hidden)} if hidden else {}),
        **({"activation": hidden[0]["activation"]} if hidden else {}),
        **({"test_fraction": TEST_FRACTION} if asked.get("test") is None else {}),
    }
    return {name: known[name] for name, value in asked.items() if value is None and known.get(name) is not None}
