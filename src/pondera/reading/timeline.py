"""A series of checkpoints of one training: how far every part of the network moved, and when.

Each checkpoint is compared with the one before and with the first, tensor by tensor under the same name, so that two
are open at a time and memory stays small however long the series. Only tensors of real numbers are followed: counters
and indices are no weights.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pondera.choice import counted, listed
from pondera.errors import ArgumentError, ModelFileError
from pondera.findings import Finding
from pondera.reading.comparison import kernels
from pondera.reading.comparison.measure import differences_of, threads
from pondera.reading.comparison.result import block_of
from pondera.reading.comparison.views import View
from pondera.weights.collection import Weights
from pondera.weights.tensor import DTYPES, Tensor

SIDE_FILES = ("optimizer", "scheduler", "scaler", "rng_state", "random_states", "training_args", "tokenizer")
"""How files begin that lie beside checkpoints and are none."""

FEWEST = 2


@dataclass(frozen=True)
class Series:
    """Checkpoints in the order of their numbers.

    Attributes
    ----------
    names, weights
        What each is called, and what it holds.
    left_out
        Name -> why it is no checkpoint.
    """

    names: tuple[str, ...]
    weights: tuple[Weights, ...]
    left_out: dict[str, str]

    @property
    def nbytes(self) -> int:
        """How many bytes all checkpoints have."""
        return sum(each.nbytes for each in self.weights)


@dataclass(frozen=True)
class Sums:
    """What some tensors add up to: squares of values, of steps from the checkpoint before and from the first."""

    squares: float = 0.0
    step: float = 0.0
    step_base: float = 0.0
    way: float = 0.0
    way_base: float = 0.0
    broken: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.squares + other.squares,
            self.step + other.step,
            self.step_base + other.step_base,
            self.way + other.way,
            self.way_base + other.way_base,
            self.broken + other.broken,
        )

    @property
    def norm(self) -> float:
        """√Σ w²."""
        return math.sqrt(self.squares)

    @property
    def from_previous(self) -> float | None:
        """‖Wₜ - Wₜ₋₁‖ / ‖Wₜ₋₁‖; None from zero."""
        return _share(self.step, self.step_base)

    @property
    def from_first(self) -> float | None:
        """‖Wₜ - W₀‖ / ‖W₀‖; None from zero."""
        return _share(self.way, self.way_base)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "norm": self.norm,
            "from_previous": self.from_previous,
            "from_first": self.from_first,
            "not_finite": self.broken,
        }


def _share(moved: float, base: float) -> float | None:
    return math.sqrt(moved / base) if base else None if moved else 0.0


@dataclass(frozen=True)
class Timeline:
    """A network's weights through a training.

    Attributes
    ----------
    names
        The checkpoints.
    tensors
        Name of a tensor -> its figures at each checkpoint; None where that has no such tensor, or of another shape.
    changed
        Name of a tensor -> how many times it was another one than in the checkpoint before.
    findings
        What is worth knowing: what never moved, where NaN appears, what was left out.
    seconds
        How long it took.
    """

    names: tuple[str, ...]
    tensors: dict[str, tuple[Sums | None, ...]]
    changed: dict[str, int]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def whole(self) -> tuple[Sums, ...]:
        """The figures of the whole network at each checkpoint."""
        return tuple(_total(figures[at] for figures in self.tensors.values()) for at in range(len(self.names)))

    @property
    def parts(self) -> dict[str, tuple[Sums, ...]]:
        """Part of the network -> its figures at each checkpoint."""
        found: dict[str, list[str]] = {}
        for name in self.tensors:
            found.setdefault(block_of(name), []).append(name)
        return {
            part: tuple(_total(self.tensors[name][at] for name in names) for at in range(len(self.names)))
            for part, names in found.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return the timeline as plain values."""
        parts, whole = self.parts, self.whole
        return {
            "checkpoints": [
                {
                    "name": name,
                    **whole[at].to_json(),
                    "parts": {p: each[at].to_json() for p, each in parts.items()},
                }
                for at, name in enumerate(self.names)
            ],
            "tensors": [
                {
                    "name": name,
                    "times_changed": self.changed[name],
                    "never_moved": not self.changed[name],
                    "checkpoints": [each.to_json() if each else None for each in figures],
                }
                for name, figures in self.tensors.items()
            ],
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": self.seconds,
        }


def _total(figures: Iterable[Sums | None]) -> Sums:
    return sum((each for each in figures if each is not None), Sums())


def find_checkpoints(folder: Path) -> Series:
    """Return the checkpoints in a folder, in the natural order of the numbers in their names.

    Files and folders that are no checkpoints are named in ``left_out``.

    Raises
    ------
    ArgumentError
        If it is no folder, or holds fewer than two checkpoints.
    """
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: expected a folder of checkpoints, found {_what(folder)}.")
    found: dict[str, Weights] = {}
    left_out: dict[str, str] = {}
    places = sorted((each for each in folder.iterdir() if not each.name.startswith(".")), key=lambda p: natural(p.name))
    for place in places:
        if place.name.startswith(SIDE_FILES):
            left_out[place.name] = "not weights"
            continue
        try:
            weights = _opened(place)
        except (ModelFileError, OSError) as error:
            left_out[place.name] = str(error).removeprefix(f"{place}: ")
            continue
        if len(weights):
            found[place.name] = weights
        else:
            left_out[place.name] = "holds no tensor"
    if len(found) < FEWEST:
        why = f" Left out: {listed(list(left_out))}." if left_out else ""
        raise ArgumentError(
            f"{folder}: expected at least two checkpoints to follow, found {len(found)}.{why} Give the folder that the "
            "training saved them to, as files or as folders such as checkpoint-100."
        )
    return Series(tuple(found), tuple(found.values()), left_out)


def _opened(place: Path) -> Weights:
    from pondera.weights.open import open as open_weights

    return open_weights(place)


def _what(path: Path) -> str:
    return "a file; pondera compare takes two of them" if path.exists() else "nothing there"


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return what names are ordered by so that step-20 comes before step-100.

    Examples
    --------
    >>> sorted(["step-100", "step-20", "last"], key=natural)
    ['last', 'step-20', 'step-100']
    """
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part.lower()) for part in parts)


def timeline(series: Series, progress: Callable[[int], None] | None = None) -> Timeline:
    """Return how a network's weights moved from checkpoint to checkpoint.

    Parameters
    ----------
    series
        At least two checkpoints.
    progress
        Is told the bytes of each checkpoint as it is done.

    Raises
    ------
    ArgumentError
        If no tensor of the first checkpoint is in any other: they are of different networks.
    """
    begun = time.perf_counter()
    first = series.weights[0]
    found: dict[str, list[Sums | None]] = {
        name: [None] * len(series.names) for weights in series.weights for name in weights
    }
    changed = dict.fromkeys(found, 0)
    with ThreadPoolExecutor(threads()) as pool:
        for at, weights in enumerate(series.weights):
            before = series.weights[max(at - 1, 0)]
            for name, tensor in weights.items():
                if not _holds_weights(tensor):
                    continue
                sums, moved = _followed(tensor, before.get(name), first.get(name), at, pool)
                found[name][at] = sums
                changed[name] += moved
            if progress is not None:
                progress(weights.nbytes)
    tensors = {name: tuple(figures) for name, figures in found.items() if any(figures)}
    shared = [name for name, figures in tensors.items() if sum(each is not None for each in figures) > 1]
    if not shared:
        raise ArgumentError(
            f"No tensor of {series.names[0]} is in any other checkpoint: they are of different architectures. Give "
            "checkpoints of one training."
        )
    findings = _findings(series, tensors, changed)
    return Timeline(series.names, tensors, changed, findings, time.perf_counter() - begun)


def _holds_weights(tensor: Tensor) -> bool:
    """Whether values are real numbers: whole ones count or point at something, and would drown the norm."""
    kind = DTYPES.get(tensor.dtype)
    return kind is None or kind.kind not in "biuc"


def _followed(
    tensor: Tensor, before: Tensor | None, first: Tensor | None, at: int, pool: ThreadPoolExecutor
) -> tuple[Sums, bool]:
    """Return a tensor's figures at a checkpoint, and whether it is another one than in the checkpoint before."""
    before = before if before is not None and before.shape == tensor.shape else None
    first = first if first is not None and first.shape == tensor.shape else None
    step = differences_of(View.of(before or tensor), View.of(tensor), pool)
    own = step.sums[kernels.YY]
    broken = int(step.counts[kernels.BROKEN_Y])
    if at == 0 or before is None:
        return Sums(squares=float(own), broken=broken), False
    way = step if first is before else differences_of(View.of(first), View.of(tensor), pool) if first else None
    return Sums(
        float(own),
        float(step.sums[kernels.DD]),
        float(step.sums[kernels.XX]),
        float(way.sums[kernels.DD]) if way else 0.0,
        float(way.sums[kernels.XX]) if way else 0.0,
        broken,
    ), step.changed > 0


Figures = dict[str, tuple[Sums | None, ...]]


def _findings(series: Series, tensors: Figures, changed: dict[str, int]) -> tuple[Finding, ...]:
    return (*_strangers(series), *_still(tensors, changed), *_broken(series, tensors), *_left_out(series))


def _still(tensors: Figures, changed: dict[str, int]) -> list[Finding]:
    still = [name for name in tensors if not changed[name] and sum(each is not None for each in tensors[name]) > 1]
    if not still:
        return []
    moved = {block_of(name) for name in tensors if name not in still}
    whole = list(dict.fromkeys(block_of(name) for name in still if block_of(name) not in moved))
    parts = len(still) > 6 and bool(whole)
    shown = whole if parts else still
    verb = "never moved" if len(still) < len(tensors) else "never moved (the checkpoints are all the same)"
    return [
        Finding(
            f"{len(still):,} of {counted(len(tensors), 'tensor')} {verb}{', all of' if parts else ':'} "
            + listed(shown[:6])
            + (f" and {len(shown) - 6:,} more." if len(shown) > 6 else "."),
            {"tensors": still},
            "bits of all checkpoints",
            rule="never moved",
        )
    ]


def _broken(series: Series, tensors: Figures) -> list[Finding]:
    for at, name in enumerate(series.names):
        some = [tensor for tensor, figures in tensors.items() if (each := figures[at]) is not None and each.broken]
        if some:
            more = f" and {len(some) - 4:,} more" if len(some) > 4 else ""
            return [
                Finding(
                    f"NaN or infinity appears in {name}: in {listed(some[:4])}{more}.",
                    {"checkpoint": name, "tensors": some},
                    "count of values that are not finite",
                    advice="Go back to the checkpoint before." if at else "",
                    rule="not finite",
                    where=some[0],
                )
            ]
    return []


def _strangers(series: Series) -> list[Finding]:
    first = {name: tensor.shape for name, tensor in series.weights[0].items()}
    others = [
        name
        for name, weights in zip(series.names, series.weights, strict=True)
        if {each: tensor.shape for each, tensor in weights.items()} != first
    ]
    if not others:
        return []
    verb = "has" if len(others) == 1 else "have"
    return [
        Finding(
            f"{listed(others[:4])}{' and more' if len(others) > 4 else ''} {verb} other tensors or shapes than "
            f"{series.names[0]}: a different architecture. What they share is followed.",
            {"checkpoints": others},
            "names and shapes",
            rule="different architectures",
        )
    ]


def _left_out(series: Series) -> list[Finding]:
    if not series.left_out:
        return []
    return [
        Finding(
            f"Left out, being no checkpoints: {listed(list(series.left_out)[:6])}"
            + (f" and {len(series.left_out) - 6:,} more." if len(series.left_out) > 6 else "."),
            {"files": series.left_out},
            "what each file holds",
            rule="left out",
        )
    ]
