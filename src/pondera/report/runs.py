"""Runs for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.recording.overview import Overview, differences
from pondera.report.terminal import GRAVE, POSITIVE, QUIET, ending, score, sparkline
from pondera.training.stopping import INTERRUPTED

WIDE = 100
"""Letters in a line from which on there is room for whole curves."""

MOST = 8
"""Settings in which runs differ that are shown."""


UNREMARKABLE = ("finished", "running", "paused", "stopping")
"""States that nothing need be done about."""


def runs_json(found: Sequence[Overview]) -> dict[str, Any]:
    """Return runs, and the settings in which they differ, as plain values."""
    return {"runs": [each.to_json() for each in found], "differences": differences(found)}


def show_runs(console: Console, found: Sequence[Overview]) -> None:
    """Print runs, one a line, and below them the settings in which they differ."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("run", "state", "began", "epochs", "steps", "loss by epoch", "best"):
        table.add_column(heading, justify="right" if heading in ("epochs", "steps", "best") else "left")
    for number, each in enumerate(found, 1):
        table.add_row(
            f"{number} {ending(str(each.folder), 24)}",
            Text(each.state, style="" if each.state in UNREMARKABLE else GRAVE),
            each.began[5:16].replace("T", " "),
            f"{each.epochs:,}",
            f"{each.steps:,}",
            Text(sparkline(list(each.losses[:: 2 if console.width < WIDE else 1])), style=POSITIVE),
            _best(each),
        )
    console.print(table)
    for each in found:
        if each.problem:
            console.print(Text(each.problem, style=GRAVE))
        if each.state == INTERRUPTED:
            console.print(Text(f"{each.folder}: {each.ended}", style=GRAVE))
        if each.note:
            console.print(Text(f"{each.folder}: {each.note}", style=GRAVE))
    other = differences(found)
    if len(found) > 1 and other:
        console.print()
        _differences(console, other, [number for number, each in enumerate(found) if each.settings])


def _best(run: Overview) -> str:
    """Return the best metric of a run, and of several networks which one it is of."""
    if run.best is None:
        return "–"
    networks = int(run.settings.get("seeds") or 1)
    of_which = f"\nnetwork 0 of {networks}" if networks > 1 else ""
    return f"{run.metric} {score(run.best)}{of_which}"


def _differences(console: Console, other: dict[str, list[Any]], numbers: Sequence[int]) -> None:
    """Print settings and their values, of the runs of which settings are known."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("they differ in")
    for number in numbers:
        table.add_column(str(number + 1), justify="right")
    for name, values in list(other.items())[:MOST]:
        shown = [values[number] for number in numbers]
        table.add_row(name, *("–" if value is None else ending(_short(value), 16) for value in shown))
    console.print(table)
    if len(other) > MOST:
        console.print(Text(f"and in {len(other) - MOST} more settings (see --json)", style=QUIET))


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value["name"]) if isinstance(value, dict) else str(value)
