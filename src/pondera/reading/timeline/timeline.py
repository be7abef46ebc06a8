"""How a network's weights moved from checkpoint to checkpoint.

Each checkpoint is compared with the one before and with the first, tensor by tensor under the same name, so that memory
stays small however long the series. Only tensors of real numbers are followed: counters and indices are no weights.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pondera.choice import counted
from pondera.errors import ArgumentError
from pondera.findings import Finding
from pondera.machine import cores
from pondera.markup import STYLE, escaped, table
from pondera.reading.comparison.result import block_of
from pondera.reading.timeline.checkpoints import Series, find_checkpoints
from pondera.reading.timeline.findings import findings_of
from pondera.reading.timeline.sums import Sums
from pondera.weights.tensor import DTYPES, Tensor

SHOWN = 100  # checkpoints that a notebook shows


@dataclass(frozen=True, repr=False)
class Timeline:
    """A network's weights through a training.

    Attributes
    ----------
    names
        The checkpoints, those last whose place nothing tells.
    tensors
        Name of a tensor -> its figures at each checkpoint; None where that has no such tensor.
    changed
        Name of a tensor -> how many times it was another one than where it was before; None where it was in one
        checkpoint only, or never twice of one shape.
    findings
        What is worth knowing: what never moved, where NaN appears, what was left out.
    seconds
        How long it took.
    placed
        How many checkpoints, the first ones, are steps of the training. The others, such as a copy of the best, are
        compared with the first only.
    """

    names: tuple[str, ...]
    tensors: dict[str, tuple[Sums | None, ...]]
    changed: dict[str, int | None]
    findings: tuple[Finding, ...]
    seconds: float
    placed: int

    @property
    def whole(self) -> tuple[Sums, ...]:
        """The figures of the whole network at each checkpoint."""
        return tuple(Sums.together(figures[at] for figures in self.tensors.values()) for at in range(len(self.names)))

    @property
    def parts(self) -> dict[str, tuple[Sums, ...]]:
        """Part of the network -> its figures at each checkpoint."""
        found: dict[str, list[str]] = {}
        for name in self.tensors:
            found.setdefault(block_of(name), []).append(name)
        return {
            part: tuple(Sums.together(self.tensors[name][at] for name in names) for at in range(len(self.names)))
            for part, names in found.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return the timeline as plain values."""
        parts, whole = self.parts, self.whole
        return {
            "checkpoints": [
                {
                    "name": name,
                    "placed": at < self.placed,
                    **whole[at].to_json(),
                    "parts": {p: each[at].to_json() for p, each in parts.items()},
                }
                for at, name in enumerate(self.names)
            ],
            "tensors": [
                {
                    "name": name,
                    "times_changed": self.changed[name],
                    "never_moved": None if self.changed[name] is None else not self.changed[name],
                    "checkpoints": [each.to_json() if each else None for each in figures],
                }
                for name, figures in self.tensors.items()
            ],
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        return f"<Timeline: {counted(len(self.names), 'checkpoint')}, {counted(len(self.tensors), 'tensor')}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what is worth knowing, and how far the weights were at each checkpoint."""
        said = "".join(f"<p><b>{escaped(each.statement)}</b> {escaped(each.advice)}</p>" for each in self.findings)
        rows = [
            [
                name,
                f"{each.norm:.4g}",
                *("–" if d is None else f"{d:.3g}" for d in (each.from_previous, each.from_first)),
            ]
            for name, each in list(zip(self.names, self.whole, strict=True))[:SHOWN]
        ]
        more = f"<p>and {len(self.names) - SHOWN:,} more</p>" if len(self.names) > SHOWN else ""
        head = ["checkpoint", "norm", "from previous", "from first"]
        return f"<style>{STYLE}</style><p>{escaped(repr(self)[1:-1])}</p>{said}{table(head, rows)}{more}"


def timeline(checkpoints: Series | str | os.PathLike[str], progress: Callable[[int], None] | None = None) -> Timeline:
    """Return how a network's weights moved from checkpoint to checkpoint.

    A tensor that a checkpoint does not have is compared with the last checkpoint that had it. One that comes back in
    another shape begins anew. Checkpoints whose place in the training nothing tells are no steps of it: they are
    compared with the first only.

    Parameters
    ----------
    checkpoints
        The path of a folder of at least two, or what
        :func:`~pondera.reading.timeline.checkpoints.find_checkpoints` found in it.
    progress
        Is told the bytes of each checkpoint as it is done.

    Raises
    ------
    ArgumentError
        If it is no folder, holds fewer than two checkpoints, or no tensor is in two of them: they are of different
        networks.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for step in (1, 2, 3):
    ...         np.savez(f"{folder}/step-{step}.npz", w=np.array([[3.0, 4.0]]) * step)
    ...     found = timeline(folder)
    >>> [each.norm for each in found.whole], found.whole[2].from_first
    ([5.0, 10.0, 15.0], 2.0)
    """
    begun = time.perf_counter()
    series = checkpoints if isinstance(checkpoints, Series) else find_checkpoints(Path(checkpoints))
    found: dict[str, list[Sums | None]] = {}
    changed: dict[str, int | None] = {}
    first: dict[str, Tensor] = {}
    last: dict[str, Tensor] = {}
    with ThreadPoolExecutor(cores()) as pool:
        for at, weights in enumerate(series.weights):
            for name, tensor in weights.items():
                if not _holds_weights(tensor):
                    continue
                if at >= series.placed:
                    found.setdefault(name, [None] * len(series.names))[at] = Sums.apart(tensor, first.get(name), pool)
                    changed.setdefault(name, None)
                    continue
                if name not in last or last[name].shape != tensor.shape:
                    last.pop(name, None)
                    first[name] = tensor
                sums = Sums.of(tensor, last.get(name), first[name], pool)
                found.setdefault(name, [None] * len(series.names))[at] = sums
                changed.setdefault(name, None)
                if sums.step is not None:
                    changed[name] = (changed[name] or 0) + sums.changed
                last[name] = tensor
            if progress is not None:
                progress(weights.nbytes)
    if all(times is None for times in changed.values()):
        raise ArgumentError(
            f"No tensor of {series.names[0]} is in any other checkpoint: they are of different architectures. Give "
            "checkpoints of one training."
        )
    tensors = {name: tuple(figures) for name, figures in found.items()}
    findings = findings_of(series, tensors, changed)
    for weights in series.weights:
        weights.require_whole()
    return Timeline(series.names, tensors, changed, findings, time.perf_counter() - begun, series.placed)


def _holds_weights(tensor: Tensor) -> bool:
    """Whether values are real numbers: whole ones count or point at something, and would drown the norm."""
    kind = DTYPES.get(tensor.dtype)
    return kind is None or kind.kind not in "biuc"
