"""A live line for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pondera.report.terminal import messages
from pondera.training.figures import Progress as Where

WIDE = 100  # columns, from which on there is room for a bar


@contextmanager
def training_progress(networks: int, metric: str) -> Iterator[Callable[[int, Where], None]]:
    """Yield the function that a training calls to show where it stands: epoch, losses, metric, speed, time left.

    On a terminal this is one live line, elsewhere nothing is shown.

    Parameters
    ----------
    networks
        How many are trained; the line is about all of them together.
    metric
        What ``validation_metric`` is called.
    """
    console = messages()
    columns = [
        TextColumn("epoch {task.fields[epoch]}"),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
    ]
    if console.width >= WIDE:
        columns.insert(1, BarColumn(bar_width=10))
    taken, epochs = [0] * networks, [0] * networks
    lock = Lock()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("train", total=None, epoch="0", figures="compiling")

        def show(network: int, where: Where) -> None:
            with lock:
                taken[network], epochs[network] = where.step, where.epoch + 1
                display.update(
                    task,
                    total=where.steps * networks,
                    completed=sum(taken),
                    epoch=f"{sum(epochs)}/{where.epochs * networks}",
                    figures=_figures(where, metric, console.width >= WIDE),
                )

        yield show


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
def stages_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield the function that is told what is being done, how many bytes of it are done, and of how many.

    On a terminal a bar moves for each thing that is done; elsewhere nothing is shown.
    """
    console = messages()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = display.add_task(what, total=of)
            display.update(tasks[what], completed=done, total=of)

        yield show


def _figures(where: Where, metric: str, wide: bool) -> str:
    parts = []
    if where.figures is not None:
        parts.append(f"loss {where.figures.training_loss:.4f}")
        if where.figures.validation_loss is not None and where.figures.validation_metric is not None:
            if wide:
                parts.append(f"validation {where.figures.validation_loss:.4f}")
            parts.append(f"{metric} {where.figures.validation_metric:.4f}")
    parts.append(f"{_short(where.rows_per_second)} rows/s")
    return " ".join(parts)


def _short(number: float) -> str:
    """Return a number in at most four characters: 950, 12k, 3.4M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.{1 if number < 10 * size else 0}f}{unit}"
    return f"{number:.0f}"
