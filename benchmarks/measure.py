"""Fair timing in a noisy place, results on disk, tables as text."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import Others, same_machine
from pondera.files import whole_file

RESULTS = Path(__file__).parent / "results"
QUIET = 0.1  # cores that others may keep busy
WAIT = 0.5  # seconds until a disturbed measurement is taken again
PAUSE = 0.1  # seconds between two contenders: the threads of OpenBLAS spin for 2²⁶ clocks, 0.03 s, after a product


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def round_robin(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float = 0.4, patience: float = 60.0
) -> dict[str, dict[str, float]]:
    """Time calls against each other: everyone once a round, each round begun by another, after a warm-up.

    A measurement during which other processes kept more than :data:`QUIET` cores busy is taken again, whoever it
    was of, as long as patience lasts; after that it counts, and is counted.

    Parameters
    ----------
    contenders
        Name -> a call that does the work and waits for its end.
    rounds
        How often each is measured.
    seconds
        How long one measurement lasts at least: short work is repeated within it.
    patience
        Seconds spent on measurements that are taken again, all contenders together.

    Returns
    -------
    Name -> median and minimum of the seconds a call took, and how many of the rounds were disturbed.
    """
    repeats = {}
    for name, work in contenders.items():
        work()  # compiles, allocates
        repeats[name] = max(1, round(seconds / max(min(seconds_of(work), seconds_of(work)), 1e-9)))
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    disturbed = dict.fromkeys(contenders, 0)
    names = list(contenders)
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            spent, cores = _measured(contenders[name], repeats[name])
            while cores > QUIET and patience > 0:
                patience -= spent * repeats[name] + WAIT
                time.sleep(WAIT)
                spent, cores = _measured(contenders[name], repeats[name])
            disturbed[name] += cores > QUIET
            taken[name].append(spent)
    return {
        name: {"median": statistics.median(all_), "min": min(all_), "disturbed": disturbed[name] / rounds}
        for name, all_ in taken.items()
    }


def _measured(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the seconds a call takes, and how many cores others kept busy meanwhile."""
    time.sleep(PAUSE)
    others = Others()
    spent = seconds_of(lambda: [work() for _ in range(repeats)])
    return spent / repeats, others.cores() or 0.0


def keep(what: str, machine: dict[str, Any], entries: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Write ``results/<what>.json``, whole or not at all, and return what is in it.

    Entries of an earlier run on the same machine with the same versions stay unless they were measured again.
    """
    path = RESULTS / f"{what}.json"
    before = load(what)
    stay = before["entries"] if before and same_machine(before["machine"], machine) else {}
    content = {"machine": machine, **more, "entries": {**stay, **entries}}
    RESULTS.mkdir(exist_ok=True)
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return content


def load(what: str) -> dict[str, Any] | None:
    """Return what an earlier run wrote, or None."""
    path = RESULTS / f"{what}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that also reads well in a terminal: first column left, the others right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return f"| {' | '.join([row[0].ljust(widths[0]), *padded])} |"

    rule = [("-" * (width - 1) + ":") if i else "-" * width for i, width in enumerate(widths)]
    return "\n".join([line(cells[0]), line(rule), *(line(row) for row in cells[1:])])


def verdict(met: bool) -> str:
    """Return how a target is marked in a table."""
    return "met" if met else "missed"
