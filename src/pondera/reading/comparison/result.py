"""What a comparison found, as data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pondera.choice import counted
from pondera.findings import Finding
from pondera.markup import STYLE, escaped, table
from pondera.reading.comparison import kernels
from pondera.reading.comparison.differences import Differences, Rounding
from pondera.reading.comparison.spectrum import Rank
from pondera.weights.tensor import Tensor

SAME = ("equal", "renamed", "transposed", "rotary order", "fused", "split", "extended")
"""Statuses of tensors whose values are the same, as far as both have them: ``extended`` has more rows in one."""

EXPLAINED = ("rounded", "quantized")
"""Statuses of tensors that storing in fewer bits explains."""

MISSING = ("only in first", "only in second", "shape differs")
"""Statuses of tensors that nothing could be compared with."""

UNTRAINED = ("zero signs", "reordered", "zeroed", "rescaled", "overwritten", "replaced", "exchanged")
"""Statuses of tensors that something else than training changed."""

STATUSES = (*SAME, *EXPLAINED, *UNTRAINED, "changed", *MISSING)
"""``reordered``: the same values in another order. ``zero signs``: 0 and -0 only. ``zeroed``: zero in one, the same
elsewhere. ``rescaled``: all times one number. ``overwritten``: a few are what no training made of them. ``replaced``:
the values have nothing in common. ``exchanged``: they are those of another tensor of the first. Of the rest see the
documentation."""

RUNNING = ("running_mean", "running_var", "moving_mean", "moving_variance", "num_batches_tracked")
"""Statistics of normalization layers, which move without training."""

Verdict = tuple[str, str]
"""What two networks are to each other, one of :data:`pondera.reading.comparison.verdict.VERDICTS`, and its sentence."""

SHOWN = 40  # tensors that a notebook shows


@dataclass(frozen=True)
class Pair:
    """A tensor and what became of it.

    Attributes
    ----------
    first, second
        The tensors; None where a network has none that belongs to the other.
    status
        One of :data:`STATUSES`.
    by
        What brought them together: ``"name"``, ``"naming scheme"``, ``"prefix"`` or ``"content"``.
    relation
        How the values lie in each other, for people; empty for the same order.
    differences
        None where nothing was compared, or where both are the same bytes.
    rank
        Of the difference, for matrices that changed.
    rounding
        What rounding explains the difference.
    """

    first: Tensor | None
    second: Tensor | None
    status: str
    by: str = ""
    relation: str = ""
    differences: Differences | None = field(default=None, repr=False)
    rank: Rank | None = None
    rounding: Rounding | None = None

    @property
    def tensor(self) -> Tensor:
        """The first network's tensor, or the second's where the first has none."""
        found = self.first or self.second
        assert found is not None
        return found

    @property
    def name(self) -> str:
        """Name in the first network, or in the second where the first has none."""
        return self.tensor.name

    @property
    def compared(self) -> bool:
        """Whether there are values on both sides."""
        return self.status not in MISSING

    @property
    def is_counter(self) -> bool:
        """Whether it is a whole number by itself, such as how many batches a normalization has seen."""
        return not self.tensor.shape and self.tensor.dtype.startswith(("int", "uint"))

    @property
    def is_statistic(self) -> bool:
        """Whether it is a running statistic of a normalization layer, by its name."""
        return self.name.replace("/", ".").rpartition(".")[2] in RUNNING

    @property
    def correlation(self) -> float | None:
        """Correlation of the values, 1 for the same; None where there is none."""
        if self.status in SAME:
            return 1.0
        return self.differences.correlation if self.differences else None

    @property
    def count(self) -> int:
        """How many values were compared."""
        if self.differences is not None:
            return self.differences.count
        shared = [tensor.count for tensor in (self.first, self.second) if tensor is not None]
        return min(shared)

    def to_json(self) -> dict[str, Any]:
        """Return the pair as plain values; figures that do not apply are None."""
        one, other, found = self.first, self.second, self.differences
        same, rank = self.status in SAME, self.rank
        known: dict[str, Any] = {
            "name": one.name if one else None,
            "other": other.name if other else None,
            "status": self.status,
            "matched_by": self.by or None,
            "relation": self.relation or ("same order" if self.compared else None),
            "shape": list(one.shape) if one else None,
            "other_shape": list(other.shape) if other else None,
            "dtype": one.dtype if one else None,
            "other_dtype": other.dtype if other else None,
            "count": self.count,
        }
        if found is None:
            zero = 0 if same else None
            figures: dict[str, Any] = dict.fromkeys(FIGURES, zero) | {
                "cosine": 1.0 if same else None,
                "ulp_of": None,
            }
        else:
            figures = _figures(found)
        return (
            known
            | figures
            | {
                "rank": 0 if same else rank.rank if rank else None,
                "effective_rank": 0.0 if same else rank.effective if rank else None,
                "low_rank": rank.low if rank else None,
                "rounded_to": self.rounding.to if self.rounding else None,
                "factor": found.factor if found and self.status == "rescaled" else None,
            }
        )


FIGURES = (
    "max_difference",
    "mean_difference",
    "relative_norm",
    "cosine",
    "changed",
    "ulp",
    "mean_ulp",
    "not_finite",
    "other_not_finite",
)


def _figures(found: Differences) -> dict[str, Any]:
    values = (
        found.max,
        found.mean,
        found.relative_norm,
        found.cosine,
        found.changed,
        found.ulp,
        found.mean_ulp,
        int(found.counts[kernels.BROKEN_X]),
        int(found.counts[kernels.BROKEN_Y]),
    )
    plain = [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
    return dict(zip(FIGURES, plain, strict=True)) | {"ulp_of": found.ulp_of}


@dataclass(frozen=True)
class Comparison:
    """Two networks side by side.

    Attributes
    ----------
    verdict
        One of :data:`pondera.reading.comparison.verdict.VERDICTS`.
    statement
        The verdict as a sentence with its figures.
    tensors
        Every tensor of the first network in its order, then those that only the second has.
    findings
        What else is worth knowing: what never moved, what moved although frozen, what is missing, what is not finite.
    seconds, bytes
        How long it took, and how many bytes both have.
    """

    verdict: str
    statement: str
    tensors: tuple[Pair, ...]
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    bytes: int = 0

    @property
    def same(self) -> bool:
        """Whether every tensor has its equal in the other network."""
        return all(pair.status in SAME and pair.status != "extended" for pair in self.tensors)

    def of_status(self, *statuses: str) -> tuple[Pair, ...]:
        """Return the tensors of some statuses."""
        return tuple(pair for pair in self.tensors if pair.status in statuses)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        return {
            "verdict": self.verdict,
            "statement": self.statement,
            "tensors": [pair.to_json() for pair in self.tensors],
            "findings": [finding.to_json() for finding in self.findings],
            "statuses": {
                status: number for status in STATUSES if (number := sum(p.status == status for p in self.tensors))
            },
            "seconds": self.seconds,
            "gigabytes_per_second": self.bytes / 1e9 / max(self.seconds, 1e-9),
        }

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict}; {counted(len(self.tensors), 'tensor')}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the verdict, and the tensors that differ, those that moved most first."""
        said = "".join(f"<p>{escaped(each.statement)} {escaped(each.advice)}</p>" for each in self.findings)
        unlike = [pair for pair in self.tensors if pair.status not in SAME]
        unlike.sort(key=lambda pair: (pair.differences is None, -(_moved(pair) or 0.0)))
        rows = [
            [pair.name, pair.status, "–" if _moved(pair) is None else f"{_moved(pair):.3g}"] for pair in unlike[:SHOWN]
        ]
        more = f"<p>and {len(unlike) - SHOWN:,} more</p>" if len(unlike) > SHOWN else ""
        tensors = table(["tensor", "status", "moved, of its norm"], rows) if rows else ""
        return f"<style>{STYLE}</style><p><b>{escaped(self.statement)}</b></p>{said}{tensors}{more}"


def _moved(pair: Pair) -> float | None:
    return pair.differences.relative_norm if pair.differences else None


@dataclass(frozen=True)
class Moved:
    """How far a part of a network moved: ‖B - A‖ / ‖A‖ over those of its tensors that differ."""

    name: str
    relative: float | None
    tensors: int
    changed: int


def block_of(name: str) -> str:
    """Return the part of a network that a tensor is in: up to the first number in its name, else all but the last word.

    Examples
    --------
    >>> block_of("encoder.layer.3.attention.query.weight"), block_of("embeddings.norm.weight"), block_of("bias")
    ('encoder.layer.3', 'embeddings.norm', 'bias')
    """
    parts = re.split(r"([./])", name)
    for at in range(0, len(parts), 2):
        if re.search(r"\d$", parts[at]) and at < len(parts) - 1:
            return "".join(parts[: at + 1])
    return "".join(parts[:-2]) or name


def moved_blocks(pairs: Iterable[Pair]) -> list[Moved]:
    """Return every part of the network that was compared, the one that moved most first."""
    sums: dict[str, list[float]] = {}
    for pair in pairs:
        if not pair.compared:
            continue
        entry = sums.setdefault(block_of(pair.name), [0.0, 0.0, 0, 0])
        if pair.differences is not None:
            entry[0] += float(pair.differences.sums[kernels.DD])
            entry[1] += float(pair.differences.sums[kernels.XX])
        entry[2] += 1
        entry[3] += pair.status not in SAME
    found = [
        Moved(name, math.sqrt(dd / xx) if xx else (None if dd else 0.0), int(count), int(changed))
        for name, (dd, xx, count, changed) in sums.items()
    ]
    return sorted(found, key=lambda each: -(math.inf if each.relative is None else each.relative))
