"""What is in a file of weights, for people: the largest tensors first."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import counted
from pondera.reading.statistics import Statistics
from pondera.reading.survey import Survey
from pondera.report.terminal import QUIET, figure
from pondera.weights.tensor import Tensor

SHOWN = 40  # tensors that are listed


def show_survey(console: Console, found: Survey, path: str) -> None:
    """Print every tensor's figures, the largest first."""
    weights = found.weights
    console.print(Text.assemble((path, "bold"), f"  {weights.format}"))
    console.print(
        Text(
            f"{counted(len(weights), 'tensor')}, {counted(weights.count, 'value')}, {amount(weights.nbytes)}",
            style=QUIET,
        )
    )
    console.print()
    console.print(_table(found))
    if len(weights) > SHOWN:
        console.print(Text(f"and {len(weights) - SHOWN:,} smaller ones; --json has them all", style=QUIET))
    console.print()
    console.print(Text(f"Read in {found.seconds:.2f} s, {found.gigabytes_per_second:.1f} GB/s.", style=QUIET))


def _table(found: Survey) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    table.add_column("tensor", overflow="fold")
    table.add_column("dtype")
    for heading in ("shape", "min", "max", "mean", "std"):
        table.add_column(heading, justify="right")
    table.add_column("")
    largest = sorted(found.weights.values(), key=lambda tensor: -tensor.count)
    for tensor in largest[:SHOWN]:
        table.add_row(*_row(tensor, found.statistics.get(tensor.name)))
    return table


def _row(tensor: Tensor, figures: Statistics | None) -> list[str]:
    cells = [tensor.name, tensor.dtype, "×".join(map(str, tensor.shape)) or "–"]
    if figures is None:
        return [*cells, "–", "–", "–", "–", "complex numbers"]
    cells += [figure(each, 3) for each in (figures.minimum, figures.maximum, figures.mean, figures.deviation)]
    odd = [f"{figures.nan:,} NaN"] if figures.nan else []
    odd += [f"{figures.infinite:,} infinite"] if figures.infinite else []
    if figures.zeros and figures.count:
        odd.append(f"{figures.zeros / figures.count:.0%} zeros" if figures.zeros > figures.count / 200 else "")
    return [*cells, ", ".join(filter(None, odd))]


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
