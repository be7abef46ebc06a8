"""A live line for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

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
