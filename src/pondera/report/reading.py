"""What is in a file of weights, for people: what is wrong first, then the largest layers and tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import counted, printable
from pondera.findings import Finding
from pondera.reading.read import LayerFigures, Reading
from pondera.reading.statistics import Statistics
from pondera.report.terminal import GRAVE, QUIET, amount, fitting, short, shortened
from pondera.weights.layers import Layer
from pondera.weights.tensor import Array, Tensor

SHOWN = 24  # layers, and tensors, that are listed
SPECTRA = "σ₁: largest singular value; stable, eff.: ranks; alpha: power law of the tail"
NORMS = "√Σ w² of rows and of columns: smallest … median … largest; --json has them all"
NAMED = 4  # files that were not read
NARROWEST = 16  # columns for a name
LARGE = 1e7  # bytes, from which on a speed says more than how long it takes to begin
WIDE = 100  # columns, from which on there is room for means


def show_reading(console: Console, reading: Reading, path: str) -> None:
    """Print findings, layers and tensors, the largest first, and how fast they were read."""
    weights = reading.weights
    console.print(Text.assemble((path, "bold"), f"  {weights.format}"))
    counts = [
        counted(len(weights), "tensor"),
        counted(weights.count, "value"),
        amount(weights.nbytes),
        counted(len(reading.layers), "layer"),
        *([f"{counted(reading.constants, 'constant')} of the graph"] if reading.constants else []),
    ]
    counts.append(" and ".join(_dtypes(reading)))
    console.print(Text(", ".join(counts), style=QUIET))
    if weights.optimizer:
        console.print(Text(f"{counted(len(weights.optimizer), 'tensor')} of an optimizer are kept apart", style=QUIET))
    if weights.skipped:
        console.print(Text(skipped_words(weights.skipped), style=QUIET))
    for finding in reading.findings:
        show_finding(console, finding)
    connecting = [each for each in reading.layers if each.strength is not None]
    if connecting:
        console.print()
        console.print(_layers(connecting, console.width))
        if any(each.spectra for each in connecting):
            console.print(Text(SPECTRA, style=QUIET))
        _rest(console, len(connecting), "layers")
        if scaled := sum("scales" in each.layer.tensors for each in connecting):
            of = counted(scaled, "layer")
            console.print(
                Text(f"of {of} it is of the values as they are stored: scales beside them are not applied", style=QUIET)
            )
    others = Counter(_without(each.layer) for each in reading.layers if each.strength is None)
    if others:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.most_common())
        console.print(Text(f"{'and ' if connecting else ''}without a connection strength: {kinds}", style=QUIET))
    console.print()
    belong = [weights[name] for each in reading.layers for name in each.layer.tensors.values()]
    listed = belong or list(weights.values())
    console.print(_tensors(reading, listed, console.width))
    _rest(console, len(listed), "tensors")
    if reading.norms:
        console.print()
        console.print(_norms(reading, console.width))
        console.print(Text(NORMS, style=QUIET))
    console.print()
    console.print(Text(speed(reading), style=QUIET))


def skipped_words(names: Sequence[str]) -> str:
    """Return which files of weights in a folder, or arrays of letters in a file, were not read.

    Examples
    --------
    >>> skipped_words(["older.npz", "pytorch_model.bin"])
    '2 other files or arrays were not read: older.npz, pytorch_model.bin'
    """
    were = "was" if len(names) == 1 else "were"
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    shown = ", ".join(map(printable, names[:NAMED]))
    kind = "other file or array" if len(names) == 1 else "other files or arrays"
    return f"{len(names):,} {kind} {were} not read: {shown}{more}"


def show_finding(console: Console, finding: Finding) -> None:
    """Print a finding: what is so, what to do, and how far it can be believed."""
    console.print()
    console.print(Text.assemble(("▌ ", GRAVE), (finding.statement, "bold")))
    if finding.advice:
        console.print(Text(f"  {finding.advice}"))
    console.print(Text(f"  {finding.rule}: {finding.certainty}", style=QUIET))


def speed(reading: Reading) -> str:
    """Return how long it took, and how near the pass over the bytes came to what the memory gives."""
    said = f"Read in {reading.seconds:.2f} s"
    if reading.weights.nbytes < LARGE:
        return f"{said}."
    said += f"; the values at {reading.gigabytes_per_second:.1f} GB/s"
    if not reading.bandwidth:
        return f"{said}."
    share = reading.gigabytes_per_second / reading.bandwidth
    return f"{said}, {share:.0%} of what a plain sum over them reaches ({reading.bandwidth:.1f} GB/s)."


def _layers(connecting: list[LayerFigures], width: int) -> Table:
    spectra = any(each.spectra for each in connecting)
    kinds = width >= WIDE or not spectra
    rows = []
    for each in sorted(connecting, key=lambda each: -each.count)[:SHOWN]:
        layer = each.layer
        cells = [layer.name, *([layer.kind] if kinds else []), f"{_whole(layer.inputs)} → {_whole(layer.outputs)}"]
        known: list[float | None] = [each.strength]
        if spectra:
            found = each.spectra.get("weight")
            known += (
                [found.spectral_norm, found.stable_rank, found.effective_rank, found.alpha] if found else [None] * 4
            )
        rows.append([*cells, *(short(value, 3) for value in known)])
    figures = ["in → out", "strength", *(["σ₁", "stable", "eff.", "alpha"] if spectra else [])]
    return _table(["layer", *(["kind"] if kinds else [])], figures, rows, width)


def _tensors(reading: Reading, tensors: list[Tensor], width: int) -> Table:
    largest = sorted(tensors, key=lambda tensor: -tensor.count)[:SHOWN]
    dtypes = len({tensor.dtype for tensor in largest}) > 1
    means = width >= WIDE
    rows = []
    words = {each.layer.tensors["packed"] for each in reading.layers if "packed" in each.layer.tensors}
    for tensor in largest:
        packed = tensor.name in words and tensor.dtype in ("int32", "uint32")  # several weights in each number
        found = None if packed else reading.statistics.get(tensor.name)
        cells = [tensor.name, *([tensor.dtype] if dtypes else []), "×".join(map(str, tensor.shape)) or "–"]
        known = (found.minimum, found.maximum, found.mean, found.deviation) if found else (None,) * 4
        cells += [short(value, 3) for place, value in enumerate(known) if means or place != 2]
        rows.append([*cells, "packed" if packed else _odd(found)])
    figures = ["shape", "min", "max", *(["mean"] if means else []), "std", ""]
    return _table(["tensor", *(["dtype"] if dtypes else [])], figures, rows, width)


def _norms(reading: Reading, width: int) -> Table:
    largest = sorted(reading.norms, key=lambda name: -reading.weights[name].count)[:SHOWN]
    rows = [[name, *map(_spread, reading.norms[name])] for name in largest]
    return _table(["tensor"], ["rows", "columns"], rows, width)


def _spread(norms: Array) -> str:
    """Return the smallest, the middle and the largest."""
    return " … ".join(short(float(each), 3) for each in np.quantile(norms, (0, 0.5, 1))) if len(norms) else "–"


def _table(words: list[str], figures: list[str], rows: list[list[str]], width: int) -> Table:
    """Return a table as wide as the terminal: names that do not fit lose their middles, or take several lines."""
    columns = list(zip(words + figures, *rows, strict=True))
    sizes = [NARROWEST + 2, *(max(map(len, column)) + 2 for column in columns[1:])]
    kept = fitting(sizes, width, range(1, len(columns) - 1))
    others = sum(sizes[at] for at in kept[1:])
    room = max(width - others - 2, NARROWEST)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    table.add_column(words[0], overflow="fold", max_width=room)
    headings = words + figures
    for at in kept[1:]:
        right = at >= len(words) and headings[at]
        table.add_column(headings[at], justify="right" if right else "left", no_wrap=True)
    for name, row in zip(shortened([row[0] for row in rows], room), rows, strict=True):
        table.add_row(name, *(row[at] for at in kept[1:]))
    return table


def _odd(figures: Statistics | None) -> str:
    """Return what a reader should know of a tensor beside its figures."""
    if figures is None:
        return "complex numbers"
    odd = [f"{figures.nan:,} NaN"] if figures.nan else []
    odd += [f"{figures.infinite:,} infinite"] if figures.infinite else []
    if figures.zeros > figures.count / 200:
        odd.append(f"{figures.zeros / figures.count:.0%} zeros")
    return ", ".join(odd)


def _dtypes(reading: Reading) -> list[str]:
    """Return the dtypes, those of most values first; of many, the first ones."""
    held: Counter[str] = Counter()
    for tensor in reading.weights.values():
        held[tensor.dtype] += tensor.count
    names = [name for name, _ in held.most_common()]
    return [", ".join(names)] if len(names) <= 3 else [", ".join(names[:3]), f"{len(names) - 3} more dtypes"]


def _without(layer: Layer) -> str:
    """Return what a layer without a strength is."""
    if "packed" in layer.tensors:
        return f"{layer.kind} (packed by a quantization that is not decoded)"
    return f"{layer.kind} (adapter of low rank)" if "lora_a" in layer.tensors else layer.kind


def _rest(console: Console, count: int, what: str) -> None:
    if count > SHOWN:
        console.print(Text(f"and {count - SHOWN:,} smaller {what}; --json has them all", style=QUIET))


def _whole(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
