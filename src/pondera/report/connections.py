"""The connections of a network and single ones of its weights, for people."""

from __future__ import annotations

import math

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import counted
from pondera.explaining.connection_methods import CONNECTION_METHODS
from pondera.explaining.connections import Connections
from pondera.explaining.weight import Weight
from pondera.report.fitted import Cell, Kind, fitted
from pondera.report.terminal import NEGATIVE, POSITIVE, QUIET, figure, shortened, sparkline

SHOWN = 20  # connections that are listed
LETTERS = 13
UNITS = 5  # of each layer
BROAD = 60  # letters of a line from which on the place of a weight is not broken

HEADINGS = {"activation_scaled": "|w|·‖x‖", "first_order": "slope", "second_order": "+ bend", "ablation": "without"}
"""Name of a method -> what stands above its figures."""

SPARE = ("first_order", "second_order")
"""Those whose figures are left out where there is no room."""


def show_connections(console: Console, found: Connections) -> None:
    """Print the connections that matter most, by every method, and the units without which the error grows most."""
    console.print(Text("What the connections do", style="bold"))
    _which(console, found.network, found.networks)
    looked = f"{counted(len(found.places), 'connection')} of {found.count:,}, on {counted(found.rows, 'row')}"
    error = "" if found.error is None else f"; the mean error with all is {figure(found.error)}"
    console.print(Text(f"{looked}{error}", style=QUIET))
    console.print()
    told = {name: heading for name, heading in HEADINGS.items() if name in found.measured}
    columns: list[tuple[str, Kind]] = [("from", "words"), ("weight", "words"), ("value", "figures")]
    columns += [(heading, "spare" if name in SPARE else "figures") for name, heading in told.items()]
    rows: list[tuple[Cell, ...]] = []
    names = shortened(found.sources[:SHOWN], LETTERS)
    for k, (path, source, unit) in enumerate(found.places[:SHOWN]):
        figures = [f"{found.measured[name][k]:{'.3g' if name == 'activation_scaled' else '+.1e'}}" for name in told]
        place = Text(f"{path}[{source},{unit}]", no_wrap=console.width >= BROAD)
        rows.append((names[k], place, f"{found.values[k]:+.2g}", *figures))
    console.print(fitted(console, columns, rows))
    if len(found.places) > SHOWN:
        console.print(Text(f"and {len(found.places) - SHOWN:,} others; --json has all", style=QUIET))
    if found.error is not None:
        console.print(
            Text(
                "Without: the change of the mean error when the connection is set to 0, exact; slope and + bend, where "
                "lines have room: what the slope, and slope and curvature say of it.",
                style=QUIET,
            )
        )
    _agreement(console, found)
    _units(console, found)


def _which(console: Console, network: int, networks: int) -> None:
    """Say which network of a population it is of."""
    if networks > 1:
        console.print(Text(f"Network {network} of {networks}, numbered from 0; --network takes another.", style=QUIET))


def _agreement(console: Console, found: Connections) -> None:
    """Say how well the methods order connections as the exact changes do."""
    if found.error is None:
        console.print(Text("Without the right answers this is strength on these rows, and no importance.", style=QUIET))
        return
    parts = [
        f"{CONNECTION_METHODS[name].title} {rho:.2f}" for name, rho in found.agreement.items() if not math.isnan(rho)
    ]
    console.print()
    console.print(Text(f"Rank correlation, within layers, with what the error does without: {', '.join(parts)}."))


def _units(console: Console, found: Connections) -> None:
    for name, changes in found.units.items():
        first = ", ".join(f"{k} ({changes[k]:+.3g})" for k in np.argsort(-changes, kind="stable")[:UNITS])
        idle = int((changes == 0).sum())
        rest = f"; {idle:,} of {len(changes):,} change nothing" if idle else f", of {len(changes):,}"
        console.print(Text.assemble((f"{name}: ", QUIET), f"the error grows most without the units {first}{rest}"))


def show_weight(console: Console, found: Weight) -> None:
    """Print what one weight does, and which rows push it."""
    place = ",".join(map(str, found.index))
    console.print(Text.assemble((f"{found.name}[{place}]", "bold"), f" = {found.value:.6g}"))
    _which(console, found.network, found.networks)
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("change of the mean error when it is set to 0", f"{found.ablation:+.4g}")
    table.add_row(Text("  what its slope says", style=QUIET), f"{found.first_order:+.4g}")
    table.add_row(Text("  what slope and curvature say", style=QUIET), f"{found.second_order:+.4g}")
    table.add_row("slope of the mean error", f"{found.gradient:+.4g}")
    table.add_row("curvature", f"{found.curvature:+.4g}")
    console.print(table)
    low = float(found.errors.min())
    curve = Text(sparkline([float(each) - low for each in found.errors]), style=POSITIVE)
    ends = (figure(float(found.values[0])), figure(float(found.values[-1])))
    console.print()
    console.print(Text.assemble("error, as it goes from ", ends[0], " ", curve, " to ", ends[1]))
    up, down = found.strongest()
    console.print(_pushes(found, up, "rows that would have it larger", POSITIVE))
    console.print(_pushes(found, down, "rows that would have it smaller", NEGATIVE))


def _pushes(found: Weight, rows: list[int], what: str, style: str) -> Text:
    parts = ", ".join(f"{found.numbers[k]} ({found.pushes[k]:+.3g})" for k in rows) or "none"
    return Text.assemble((f"{what}: ", style), parts)
