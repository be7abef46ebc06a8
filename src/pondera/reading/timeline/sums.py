"""What tensors of a checkpoint add up to beside those of others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from pondera.reading.comparison import kernels
from pondera.reading.comparison.differences import Differences
from pondera.reading.comparison.measure import differences_of
from pondera.reading.comparison.views import View
from pondera.weights.tensor import Tensor


@dataclass(frozen=True)
class Moved:
    """How far tensors are from what they were: Σ (w - w′)² and Σ w′² of all places where both are finite."""

    squares: float
    base: float

    @classmethod
    def of(cls, found: Differences) -> Moved:
        """Return it of values compared."""
        return cls(float(found.sums[kernels.DD]), float(found.sums[kernels.XX]))

    @property
    def relative(self) -> float | None:
        """‖W - W′‖ / ‖W′‖; None from zero."""
        return math.sqrt(self.squares / self.base) if self.base else None if self.squares else 0.0


def moved(each: Iterable[Moved | None]) -> Moved | None:
    """Return how far several tensors moved together; None where nothing was compared."""
    known = [one for one in each if one is not None]
    return Moved(sum(one.squares for one in known), sum(one.base for one in known)) if known else None


@dataclass(frozen=True)
class Sums:
    """Figures of a tensor, or of several together, at a checkpoint.

    Attributes
    ----------
    squares
        Σ w² of the finite values.
    broken
        How many values are NaN or infinite.
    step, way
        From the last checkpoint before that has them, and from the first one; None where there is none before.
    changed
        Whether any bit is another one than in the last checkpoint before that has them.
    known
        Whether the checkpoint has any of them.
    """

    squares: float = 0.0
    broken: int = 0
    step: Moved | None = None
    way: Moved | None = None
    changed: bool = False
    known: bool = True

    @classmethod
    def of(cls, tensor: Tensor, last: Tensor | None, first: Tensor | None, pool: ThreadPoolExecutor) -> Sums:
        """Return a tensor's figures beside what it was; read at most three times."""
        step = differences_of(View.of(last or tensor), View.of(tensor), pool)
        # Sums of a comparison are of places where both are finite; a tensor's norm is its own.
        own = step if last is None or not step.counts[kernels.BROKEN_X] else _alone(tensor, pool)
        broken = int(own.counts[kernels.BROKEN_Y])
        if last is None or first is None:
            return cls(float(own.sums[kernels.YY]), broken)
        way = step if first is last else differences_of(View.of(first), View.of(tensor), pool)
        return cls(float(own.sums[kernels.YY]), broken, Moved.of(step), Moved.of(way), step.changed > 0)

    @classmethod
    def apart(cls, tensor: Tensor, first: Tensor | None, pool: ThreadPoolExecutor) -> Sums:
        """Return the figures of a tensor that comes after no other, beside the first one if that has its shape."""
        alike = first if first is not None and first.shape == tensor.shape else None
        return replace(cls.of(tensor, alike, alike, pool), step=None, changed=False)

    @classmethod
    def together(cls, each: Iterable[Sums | None]) -> Sums:
        """Return the figures of several tensors together."""
        known = [one for one in each if one is not None]
        return cls(
            sum(one.squares for one in known),
            sum(one.broken for one in known),
            moved(one.step for one in known),
            moved(one.way for one in known),
            any(one.changed for one in known),
            bool(known),
        )

    @property
    def norm(self) -> float:
        """√Σ w²."""
        return math.sqrt(self.squares)

    @property
    def from_previous(self) -> float | None:
        """‖Wₜ - W‖ / ‖W‖ from the last W before; None from zero, or where there is none."""
        return self.step.relative if self.step else None

    @property
    def from_first(self) -> float | None:
        """‖Wₜ - W₀‖ / ‖W₀‖; None from zero, or where there is none before."""
        return self.way.relative if self.way else None

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "norm": self.norm if self.known else None,
            "from_previous": self.from_previous,
            "from_first": self.from_first,
            "not_finite": self.broken,
        }


def _alone(tensor: Tensor, pool: ThreadPoolExecutor) -> Differences:
    return differences_of(View.of(tensor), View.of(tensor), pool)
