"""The terminal: one console for results, one for everything else."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from pondera.choice import listed, printable, visible
from pondera.findings import Finding

POSITIVE, NEGATIVE, QUIET, GRAVE = "cyan", "yellow", "bright_black", "red"
LARGEST = 1e9  # from which on no figure is written out
LONG = 1e6  # from which on a short figure is written in powers of ten
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


class _Console(Console):
    """Writes out what would command a terminal, wherever a text came from: names in a table may be anybody's."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_written_out(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_written_out(segment.text), segment.style)


def _written_out(text: str) -> str:
    return COMMANDS.sub(lambda found: printable(found[0]), text)


COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def results() -> Console:
    """Return the console for results: standard output."""
    return _Console(highlight=False, markup=False, emoji=False)


def messages() -> Console:
    """Return the console for progress, notes and errors: standard error."""
    return _Console(stderr=True, highlight=False, markup=False, emoji=False)


NOTED = 3
"""Notes of a kind that are printed, at most."""


def print_notes(findings: Sequence[Finding]) -> None:
    """Print the first findings as notes to standard error, and which columns more there are such of."""
    console = messages()
    for finding in findings[:NOTED]:
        console.print(f"Note: {finding.statement} {finding.advice}", soft_wrap=True)
    if more := [repr(each.figures["column"]) for each in findings[NOTED:]]:
        console.print(f"Note: the like is true of {listed(more)}.", soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """Print exactly one JSON object to standard output; where that is not UTF-8, other letters than ASCII's escaped."""
    ascii_only = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, indent=2) + "\n")


def bar(value: float, largest: float, width: int = 24) -> Text:
    """Return a bar as long as the value's size, in eighths of a character, coloured by its sign; ``width`` at most.

    Examples
    --------
    >>> bar(1.0, 2.0, width=4).plain, bar(9.0, 2.0, width=4).plain
    ('██', '████')
    """
    eighths = round(8 * width * min(abs(value) / largest, 1.0)) if largest > 0 else 0
    filled, rest = divmod(eighths, 8)
    return Text("█" * filled + (_EIGHTHS[rest] if rest else ""), style=POSITIVE if value >= 0 else NEGATIVE)


def sparkline(values: Sequence[float | None]) -> str:
    """Return values as a line of bars, from 0 to the largest; no change is a dot.

    Examples
    --------
    >>> sparkline([0.0, 0.5, 1.0, None])
    '·▄█·'
    """
    largest = max((value for value in values if value is not None), default=0.0)
    if not largest:
        return "·" * len(values)
    return "".join("·" if not value else _LEVELS[min(7, int(8 * value / largest - 1e-9))] for value in values)


def score(value: float | None) -> str:
    """Return a held-out figure, with as many decimals as its neighbours in a column; what is not known as a dash.

    Examples
    --------
    >>> score(0.85664), score(567.4), score(1234567.8), score(-1e-9), score(None)
    ('0.8566', '567.40', '1,234,568', '0.0000', '–')
    """
    if value is None:
        return "–"
    decimals = 0 if abs(value) >= 1000 else 2 if abs(value) >= 10 else 4
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0 turns -0.0 into 0.0


def figure(value: float | None, digits: int = 4) -> str:
    """Return a number as people read it; what is not known as a dash.

    Examples
    --------
    >>> figure(0.85664), figure(1234567.8), figure(1.2e19), figure(None)
    ('0.8566', '1,234,568', '1.2e+19', '–')
    """
    if value is None:
        return "–"
    if 1000 <= abs(value) < LARGEST:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def signed(value: float, digits: int = 3) -> str:
    """Return a number that is added, with its sign, as people read it.

    Examples
    --------
    >>> signed(0.85664), signed(-1234.5)
    ('+0.857', '-1,234')
    """
    return f"{value:+,.0f}" if 1000 <= abs(value) < LARGEST else f"{value:+.{digits}g}"


def short(value: float | None, digits: int = 4) -> str:
    """Return a number in few columns: positions and counters in tensors of whole numbers can be long.

    Examples
    --------
    >>> short(-9223372036854775808.0), short(2048.0), short(0.12345), short(None)
    ('-9.22e+18', '2,048', '0.1235', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.2e}" if abs(value) >= LONG else figure(value, digits)


def amount(size: int) -> str:
    """Return a number of bytes as people read it.

    Examples
    --------
    >>> amount(90_900_000), amount(512)
    ('90.9 MB', '512 bytes')
    """
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.3g} {unit}"
    return f"{size} bytes"


def fitting(sizes: Sequence[int], width: int, spare: Sequence[int]) -> list[int]:
    """Return which columns of a table fit into a terminal: some are left out, rather than all cut short.

    Parameters
    ----------
    sizes
        Letters that each column takes, with the space after it.
    width
        Of the terminal.
    spare
        Places of columns that may be left out, the first of them first.

    Examples
    --------
    >>> fitting([16, 8, 8, 20], 40, [3, 1])
    [0, 1, 2]
    """
    kept = list(range(len(sizes)))
    for place in spare:
        if sum(sizes[at] for at in kept) <= width:
            break
        kept.remove(place)
    return kept


TAILS = (0.6, 0.75, 0.9, 0.4, 0.2)
"""How much of what is kept of a name is its end, the best first: the ends of tensors' names tell more."""


def shortened(names: Sequence[str], letters: int) -> list[str]:
    """Return names that fit: long ones without their middles, cut so that different names stay different.

    Names that would be alike wherever they are cut stay whole. Letters that would do something to the terminal instead
    of being shown are written out.

    Examples
    --------
    >>> shortened(["model.encoder.layers.10.mlp.weight", "fc"], 20)
    ['model.en….mlp.weight', 'fc']
    >>> shortened([f"model.encoder.layers.{k}.mlp.weight" for k in (10, 11)], 20)
    ['….10.mlp.weight', '….11.mlp.weight']
    """
    shown = [visible(name) for name in names]
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(shown):
        alike.setdefault(_cut(name, letters, TAILS[0]), []).append(name)
    found = {
        name: cut for group in alike.values() for name, cut in zip(group, _told_apart(group, letters), strict=True)
    }
    taken = Counter(found.values())
    return [found[name] if taken[found[name]] == 1 else name for name in shown]


def _told_apart(group: Sequence[str], letters: int) -> Sequence[str]:
    """Return names whose cuts are all alike so that they differ: from where they do, or cut elsewhere, or whole."""
    if len(group) == 1:
        return [_cut(group[0], letters, TAILS[0])]
    same = next((at for at, each in enumerate(zip(*group, strict=False)) if len(set(each)) > 1), 0)
    start = max(0, *(group[0].rfind(mark, 0, same) for mark in "./:_"))
    rests = [f"…{name[start:]}" for name in group]
    tries = [[_cut(rest, letters, tail).replace("……", "…") for rest in rests] for tail in TAILS]
    tries += [[_cut(name, letters, tail) for name in group] for tail in TAILS]
    return next((each for each in tries if len(set(each)) == len(group)), group)


def _cut(name: str, letters: int, tail: float) -> str:
    if len(name) <= letters:
        return name
    end = round((letters - 1) * tail)
    return f"{name[: letters - 1 - end]}…{name[-end:]}"


def ending(name: str, letters: int) -> str:
    """Return a name that fits, or as much of its end as does: the ends of tensors' names tell more than the beginnings.

    Letters that would do something to the terminal instead of being shown are written out.

    Examples
    --------
    >>> ending("encoder.layer.0.attention", 12), ending("fc", 12)
    ('…0.attention', 'fc')
    >>> ending(chr(7), 12) == chr(92) + "x07"
    True
    """
    name = visible(name)
    return name if len(name) <= letters else f"…{name[-(letters - 1) :]}"
