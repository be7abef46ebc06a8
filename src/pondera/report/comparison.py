"""Two networks side by side, for people: the verdict first, then what changed most."""

from __future__ import annotations

import math
import re

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import counted
from pondera.reading.comparison.result import EXPLAINED, MISSING, SAME, Comparison, Pair
from pondera.report.terminal import NEGATIVE, POSITIVE, QUIET, bar, fitting

SHOWN = 20  # tensors that are listed
BAR = 8
NARROWEST = 16  # letters for a name
SPARE = (6, 2, 4, 5, 3)  # columns that are left out where a terminal is narrow: the bars first, then the cosine …

TOLD = 100_000_000
"""Of fewer bytes no speed is told: what it takes to begin would be most of it."""


def show_comparison(console: Console, found: Comparison, first: str, second: str) -> None:
    """Print the verdict, the tensors that changed most, and how many are the same."""
    console.print(Text.assemble((first, "bold"), "  and  ", (second, "bold")), soft_wrap=True)
    console.print()
    console.print(Text(found.statement, style="bold"))
    for finding in found.findings:
        console.print(Text(finding.statement))
        if finding.advice:
            console.print(Text(finding.advice, style=QUIET))
    differing = sorted(
        (pair for pair in found.tensors if pair.status not in (*SAME, *MISSING)), key=_relative, reverse=True
    )
    if differing:
        console.print()
        console.print(_table(differing[:SHOWN], console.width))
        if len(differing) > SHOWN:
            console.print(Text(f"and {len(differing) - SHOWN:,} that changed less; --json has them all", style=QUIET))
    summary = _summary(found)
    if differing or len(summary) > 1:  # otherwise the verdict has said it
        console.print()
        for line in summary:
            console.print(Text(line))
    console.print()
    speed = f", {found.bytes / 1e9 / max(found.seconds, 1e-9):.1f} GB/s" if found.bytes >= TOLD else ""
    console.print(Text(f"Compared in {found.seconds:.2f} s{speed}.", style=QUIET))


def _relative(pair: Pair) -> float:
    """Return how far a tensor moved; counters, which are no weights, come last."""
    if pair.is_counter:
        return 0.0
    found = pair.differences.relative_norm if pair.differences else None
    return math.inf if found is None else found


def _table(pairs: list[Pair], width: int) -> Table:
    largest = max((each for each in map(_relative, pairs) if each != math.inf), default=0.0)
    headings = ("status", "moved", "cosine", "values", "last place", "rank", "")
    rows = [_row(pair, largest) for pair in pairs]
    known = [at for at in range(len(headings)) if any(row[at].plain != "–" for row in rows)]
    sizes = {at: max(len(headings[at]), *(len(row[at].plain) for row in rows)) + 1 for at in known}
    spare = [1 + known.index(at) for at in SPARE if at in known]
    kept = [known[place - 1] for place in fitting([NARROWEST, *sizes.values()], width, spare) if place]
    taken = sum(sizes[at] for at in kept)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style=QUIET)
    table.add_column("tensor", overflow="fold")
    for at in kept:
        table.add_column(headings[at], justify="left" if headings[at] in ("status", "") else "right", no_wrap=True)
    for pair, row in zip(pairs, rows, strict=True):
        table.add_row(_name(pair, max(12, width - taken - 1)), *(row[at] for at in kept))
    return table


def _row(pair: Pair, largest: float) -> list[Text]:
    found = pair.differences
    moved = math.inf if found is not None and found.relative_norm is None else _relative(pair)
    assert found is not None
    rank = pair.rank.rank if pair.rank else None
    return [
        Text(pair.status, style=POSITIVE if pair.status in EXPLAINED else NEGATIVE),
        Text("from 0" if moved == math.inf else share(moved)),
        Text("–" if found.cosine is None else cosine(found.cosine)),
        Text(share(found.changed)),
        Text(places(found.ulp)),
        Text("–" if rank is None else f"{rank:,}", style="bold" if pair.rank and pair.rank.low else ""),
        bar(min(moved, largest), largest, BAR),
    ]


def _name(pair: Pair, width: int) -> Text:
    """Return a tensor's name, broken at its dots, with its name in the other network and how it lies there."""
    other = pair.second.name if pair.second and pair.second.name != pair.name else ""
    notes = [f"→ {other}" if other else "", pair.relation]
    lines = [Text(broken(pair.name, width)), *(Text(broken(note, width), style=QUIET) for note in notes if note)]
    return Text("\n").join(lines)


def broken(name: str, width: int) -> str:
    r"""Return a name in lines that end after a dot or a slash where they can.

    Examples
    --------
    >>> broken("encoder.layer.0.attention.weight", 20)
    'encoder.layer.0.\n  attention.weight'
    """
    lines = [""]
    for part in re.findall(r"[^./ ]*[./ ]?", name):
        if lines[-1].strip() and len(lines[-1]) + len(part) > width:
            lines.append("  ")
        lines[-1] += part
    return "\n".join(lines)


def share(value: float) -> str:
    """Return a share in few letters.

    Examples
    --------
    >>> share(0.0823), share(0.000012), share(1.0), share(0.0), share(8.8e-8), share(12.5), share(3e39)
    ('8.2%', '0.0012%', '100%', '0%', '9e-08', '1250%', '3e+39 ×')
    """
    if value >= 100:
        return f"{value:.0e} ×"
    if value == 0 or value >= 0.0995:
        return f"{value:.0%}"
    return f"{100 * value:.2g}%" if value >= 1e-6 else f"{value:.0e}"


def cosine(value: float) -> str:
    """Return a cosine, with as many nines as it has, up to seven.

    Examples
    --------
    >>> cosine(0.9876), cosine(0.99998), cosine(1 - 4e-7), cosine(1 - 1e-9), cosine(1.0), cosine(-0.2)
    ('0.9876', '0.99998', '0.9999996', '≈ 1', '1', '-0.2000')
    """
    short = 1 - value
    if 0 < short < 5e-4:
        digits = math.ceil(-math.log10(short))
        return f"{value:.{digits}f}" if digits <= 7 else "≈ 1" if short > 1e-12 else "1"
    return "1" if value == 1 else f"{value:.4f}"


def places(value: float | None) -> str:
    """Return a distance in units of last place; a dash where it is so far that they are no measure.

    Examples
    --------
    >>> places(1.0), places(0.5), places(123456.0), places(None)
    ('1', '0.5', '–', '–')
    """
    return "–" if value is None or value >= 10_000 else f"{value:.3g}"


WORDS = {
    "equal": "equal bit for bit",
    "renamed": "the same under another name",
    "transposed": "the same, transposed",
    "rotary order": "the same with rows in rotary order",
    "fused": "the same, fused into a larger one",
    "split": "the same, split off a larger one",
    "extended": "the same, with more rows in one of both",
}


def _summary(found: Comparison) -> list[str]:
    lines = []
    for status in SAME:
        pairs = found.of_status(status)
        if not pairs:
            continue
        exact = [pair for pair in pairs if _dtypes_agree(pair)]
        verb = "is" if len(exact) == 1 else "are"
        if exact:
            lines.append(f"{counted(len(exact), 'tensor')} {verb} {WORDS[status]}.")
        if len(exact) < len(pairs):
            number = len(pairs) - len(exact)
            have = "has" if number == 1 else "have"
            how = "" if status == "equal" else f" ({status})"
            lines.append(f"{counted(number, 'tensor')} {have} the same values in another dtype{how}.")
    return lines


def _dtypes_agree(pair: Pair) -> bool:
    return bool(pair.first and pair.second and pair.first.dtype == pair.second.dtype)
