"""A live line for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pondera.report.terminal import QUIET, ending, messages

BARS = 84  # columns of a stage's name, bar, amounts, speed and time


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on a terminal what is being done for as long as it takes; elsewhere nothing is shown."""
    console = messages()
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def bytes_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yield the function that is told how many bytes were read; on a terminal it moves a bar, elsewhere nothing."""
    console = messages()
    columns = (BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("read", total=total)
        yield lambda size: display.advance(task, size)


@contextmanager
def stages_progress() -> Iterator[Callable[[str, int, int, str], None]]:
    """Yield the function that is told what is being done, how many bytes of it, of how many, and what came of the last.

    On a terminal a bar moves for each thing that is done, with the last result beside it; elsewhere nothing is shown.
    """
    console = messages()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[latest]}", style=QUIET, markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, of: int, latest: str) -> None:
            text = ending(latest, max(console.width - BARS, 12))
            if what not in tasks:
                tasks[what] = display.add_task(what, total=of, latest=text)
            display.update(tasks[what], completed=done, total=of, latest=text)

        yield show


@contextmanager
def steps_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield the function that is told what is being done, how many steps are done, and of how many."""
    console = messages()
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("", total=1)
        yield lambda what, done, of: display.update(task, description=what, completed=done, total=of)
