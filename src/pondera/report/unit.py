"""One unit, for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.explaining.unit import INPUTS, Unit
from pondera.recording.biography import Biography
from pondera.report.terminal import NEGATIVE, POSITIVE, QUIET, figure

SHOWN = 8
"""Connections on each side, the strongest."""


def unit_json(unit: Unit, life: Biography | None, names: Sequence[str] | None) -> dict[str, Any]:
    """Return a unit and the life of its bias as plain values; ``names`` are those of the network's inputs."""
    told = unit.to_json()
    if names is not None and unit.layer != INPUTS:
        told["incoming"] = [each | {"from": names[each["unit"]]} for each in told["incoming"]]
    called = names[unit.unit] if names is not None and unit.layer == INPUTS else None
    return told | {"called": called, "bias_life": None if life is None else life.to_json()}


def show_unit(console: Console, unit: Unit, life: Biography | None, names: Sequence[str] | None, run: str) -> None:
    """Print a unit: its strongest connections, the loss without it, and how its bias moved."""
    called = f", {names[unit.unit]}" if names is not None and unit.layer == INPUTS else ""
    console.print(Text.assemble((unit.name, "bold"), f"{called}  of {run}, one of {unit.units:,}"))
    console.print()
    facts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    if unit.ablation is None:
        facts.add_row("change of the mean loss without it", Text("none: it is an output, of which the loss is made"))
    else:
        facts.add_row("change of the mean loss without it", Text(f"{unit.ablation:+.4g}"))
    if unit.bias is not None:
        facts.add_row("bias", Text(f"{figure(unit.bias, 6)}{_moved(life)}"))
    console.print(facts)
    for title, values in (("comes in over", unit.to_json()["incoming"]), ("goes out over", unit.to_json()["outgoing"])):
        if values:
            console.print()
            _connections(console, title, values, None if title.startswith("goes") else names)


def _moved(life: Biography | None) -> str:
    return "" if life is None else f", {figure(life.initial, 6)} at the start"


def _connections(console: Console, title: str, values: list[dict[str, Any]], names: Sequence[str] | None) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title)
    table.add_column("strength", justify="right")
    table.add_column("")
    for each in values[:SHOWN]:
        value = each["value"]
        from_input = names[each["unit"]] if names is not None else ""
        table.add_row(each["name"], Text(f"{value:+.4g}", style=POSITIVE if value >= 0 else NEGATIVE), from_input)
    console.print(table)
    if len(values) > SHOWN:
        console.print(Text(f"and {len(values) - SHOWN:,} weaker ones", style=QUIET))
