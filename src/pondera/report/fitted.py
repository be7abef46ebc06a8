"""Tables that fit into a terminal without a figure being cut: bars give way first, then words are wrapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from pondera.report.terminal import QUIET, bar

Kind = Literal["words", "figures", "spare", "drawn"]
"""``words`` may be wrapped; ``figures`` only between two of them; ``spare`` ones, and what is ``drawn``, left out."""

WORD, SHORTEST = 6, 4
"""Letters that words and bars keep at least."""


@dataclass(frozen=True)
class Bar:
    """A bar that takes the room that there is: see :func:`~pondera.report.terminal.bar`.

    Attributes
    ----------
    value, largest
        Its size, and that of the longest one.
    most
        Letters that the longest one takes.
    """

    value: float
    largest: float
    most: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield bar(self.value, self.largest, options.max_width)


Cell = str | Text | Bar


def fitted(console: Console, columns: Sequence[tuple[str, Kind]], rows: Sequence[Sequence[Cell]]) -> Table:
    """Return a table that fits from 40 letters on.

    Bars are shortened, and what is drawn left out; the space between columns becomes one letter; words are wrapped, and
    broken where a single one is too long; spare figures are left out, the last first; at last two figures of one cell
    come to stand below each other.

    Parameters
    ----------
    console
        Its width is what the table fits into.
    columns
        Heading and kind of each.
    rows
        A cell each; a text that must not be wrapped (``no_wrap``) stays whole among words.
    """
    every = [[heading, *cells] for (heading, _), cells in zip(columns, zip(*rows, strict=True), strict=True)]
    kinds = [kind for _, kind in columns]
    most = [max(map(_length, cells)) for cells in every]
    words = [max(map(_word, cells)) for cells in every]
    least = [_least(kind, cells, size) for kind, cells, size in zip(kinds, every, most, strict=True)]
    kept, gap = list(range(len(columns))), 2

    def excess(sizes: Sequence[int]) -> int:
        return sum(sizes[k] for k in kept) + gap * (len(kept) - 1) - console.width

    def leave_out(kind: Kind, sizes: Sequence[int]) -> None:
        for k in [k for k in reversed(kept) if kinds[k] == kind]:
            if excess(sizes) > 0:
                kept.remove(k)

    shortest = [small if kind == "drawn" else size for kind, small, size in zip(kinds, least, most, strict=True)]
    leave_out("drawn", shortest)
    gap = 1 if excess(shortest) > 0 else 2
    leave_out("spare", least)
    widths = list(most)
    for wrapped, limits in (("drawn", least), ("words", least), ("figures", words)):
        some = [k for k in kept if kinds[k] == wrapped]
        while excess(widths) > 0 and (wide := [k for k in some if widths[k] > limits[k]]):
            widths[max(wide, key=lambda k: widths[k])] -= 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style=QUIET)
    for k in kept:
        right = kinds[k] in ("figures", "spare")
        table.add_column(columns[k][0], justify="right" if right else "left", width=widths[k], overflow="fold")
    for cells in rows:
        table.add_row(*(cells[k] for k in kept))
    return table


def _length(cell: Cell) -> int:
    return cell.most if isinstance(cell, Bar) else cell_len(str(cell))


def _word(cell: Cell) -> int:
    return 0 if isinstance(cell, Bar) else max(map(cell_len, str(cell).split()), default=0)


def _least(kind: Kind, cells: Sequence[Cell], size: int) -> int:
    """Return how narrow a column, a heading and its cells, may become before anything of another kind gives way."""
    if kind == "words":
        whole = [_length(cell) for cell in cells if isinstance(cell, Text) and cell.no_wrap]
        return min(size, max(WORD, _word(cells[0]), *whole))
    if kind == "drawn" and any(isinstance(cell, Bar) for cell in cells):
        return min(size, SHORTEST)
    return size
