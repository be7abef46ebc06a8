"""A live line for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pondera.report.terminal import messages
from pondera.training.figures import Progress as Where


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
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
    )
    taken = [0] * networks
    lock = Lock()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("train", total=None, epoch="0", figures="compiling")

        def show(network: int, where: Where) -> None:
            with lock:
                taken[network] = where.step
                display.update(
                    task,
                    total=where.steps * networks,
                    completed=sum(taken),
                    epoch=f"{where.epoch + 1}/{where.epochs}",
                    figures=_figures(where, metric),
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


def _figures(where: Where, metric: str) -> str:
    parts = []
    if where.figures is not None:
        parts.append(f"loss {where.figures.training_loss:.4f}")
        if where.figures.validation_loss is not None and where.figures.validation_metric is not None:
            parts.append(f"held out {where.figures.validation_loss:.4f}")
            parts.append(f"{metric} {where.figures.validation_metric:.4f}")
    parts.append(f"{where.rows_per_second:,.0f} rows/s")
    return "  ".join(parts)
