"""A series of checkpoints, for people: a line a checkpoint, a curve a part of the network."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.reading.timeline import Timeline
from pondera.reading.timeline.sums import Moved
from pondera.report.comparison import share
from pondera.report.terminal import POSITIVE, QUIET, bar, figure, fitting, sparkline

SHOWN = 24  # checkpoints, and parts, that are listed
WIDE = 32  # points of a curve
NARROWEST = 16  # letters for a name


def show_timeline(console: Console, found: Timeline, folder: str) -> None:
    """Print every checkpoint, then how each part of the network moved."""
    console.print(Text.assemble((folder, "bold"), f"  {len(found.names):,} checkpoints"), soft_wrap=True)
    for finding in found.findings:
        console.print(Text(finding.statement))
    console.print()
    console.print(_checkpoints(found, console.width))
    if len(found.names) > SHOWN + 2:
        console.print(Text(f"{len(found.names) - SHOWN:,} between them are not shown; --json has all", style=QUIET))
    console.print()
    console.print(_parts(found, console.width))
    if len(found.parts) > SHOWN:
        console.print(Text(f"and {len(found.parts) - SHOWN:,} that moved less; --json has them all", style=QUIET))
    console.print()
    console.print(Text("Curves begin at 0 and are scaled a line each; · is no change.", style=QUIET))
    console.print(Text(f"Read in {found.seconds:.2f} s.", style=QUIET))


def _checkpoints(found: Timeline, width: int) -> Table:
    headings = ("checkpoint", "norm", "from previous", "from first", "")
    kept = fitting((NARROWEST, 7, 15, 12, 14), width, (4, 1))
    table = _table(headings, kept, right=(1, 2, 3))
    whole = found.whole
    largest = max((each.from_first or 0.0 for each in whole), default=0.0)
    count = len(whole)
    every = range(count) if count <= SHOWN + 2 else (*range(SHOWN // 2), *range(count - SHOWN // 2, count))
    for at in every:
        if at == next((each for each in every if each >= found.placed), None):
            table.add_section()
            table.add_row(Text("no steps of their own", style=QUIET), *[""] * (len(kept) - 1))
        each = whole[at]
        name = Text(found.names[at])
        if each.broken:
            name.append(f"  {each.broken:,} not finite", style="red")
        cells: list[Text | str] = [name, figure(each.norm), moved_words(each.step), moved_words(each.way)]
        cells.append(bar(each.from_first or 0.0, largest, 12))
        table.add_row(*(cells[place] for place in kept))
    return table


def _table(headings: Sequence[str], kept: Sequence[int], right: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    for place in kept:
        name = place == 0
        table.add_column(
            headings[place],
            justify="right" if place in right else "left",
            no_wrap=not name,
            overflow="fold" if name else "ellipsis",
        )
    return table


def _parts(found: Timeline, width: int) -> Table:
    headings = ("part", "norm", "from first", "from first, each", "from previous, each")
    curve = 2 + min(found.placed, WIDE // 2)
    kept = fitting((NARROWEST, 7, 12, max(18, curve), max(21, curve)), width, (3, 1, 4))
    table = _table(headings, kept, right=(1, 2))
    placed = {part: figures[: found.placed] for part, figures in found.parts.items()}
    parts = sorted(placed.items(), key=lambda item: -(item[1][-1].from_first or 0.0))
    for name, figures in parts[:SHOWN]:
        cells: list[Text | str] = [
            name,
            figure(figures[-1].norm, 3) if figures[-1].known else "–",
            moved_words(figures[-1].way),
            _curve([each.from_first for each in figures]),
            _curve([each.from_previous for each in figures]),
        ]
        table.add_row(*(cells[place] for place in kept))
    return table


def moved_words(moved: Moved | None) -> str:
    """Return how far tensors moved, as a share of their norm; a dash where there is nothing to compare with."""
    if moved is None:
        return "–"
    return "from 0" if moved.relative is None else share(moved.relative)


def _curve(values: Sequence[float | None]) -> Text:
    if len(values) > WIDE // 2:
        step = len(values) / (WIDE // 2)
        values = [values[min(len(values) - 1, round((at + 1) * step) - 1)] for at in range(WIDE // 2)]
    return Text(sparkline(values), style=POSITIVE)
