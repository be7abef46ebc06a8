"""A surface of predictions for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from pondera.report.terminal import QUIET, figure

SHADES = " ░▒▓█"
WIDTH, HEIGHT = 48, 20


def show_surface(console: Console, found: Mapping[str, Any]) -> None:
    """Print the last surface: of classes their numbers, of numbers their height as shades."""
    last, count = found["surfaces"][-1], len(found["x"])
    predicted, classes = last["predicted"], found["classes"]
    low, high = min(predicted), max(predicted)
    console.print(Text(f"{found['target']} after step {last['step']:,}", style="bold"))
    columns, rows = min(WIDTH, count), min(HEIGHT, count)
    for row in reversed(range(rows)):
        at = row * count // rows * count
        line = [predicted[at + column * count // columns] for column in range(columns)]
        console.print("".join(str(value % 10) if classes else _shade(value, low, high) for value in line))
    first, second = found["columns"]
    console.print(
        Text(
            f"right: {first} {figure(found['x'][0])} … {figure(found['x'][-1])}; "
            f"up: {second} {figure(found['y'][0])} … {figure(found['y'][-1])}",
            style=QUIET,
        )
    )
    if classes:
        console.print(Text(", ".join(f"{k % 10} {name}" for k, name in enumerate(classes)), style=QUIET))
    else:
        console.print(Text(f"from {figure(low)} (light) to {figure(high)} (dark)", style=QUIET))


def _shade(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 0.0
    return SHADES[min(int(share * len(SHADES)), len(SHADES) - 1)]
