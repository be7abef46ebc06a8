"""How far two runs of values are apart, as sums that can be joined."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pondera.reading.comparison import kernels
from pondera.reading.comparison.encodings import PANTER_DITE, RATIO, ROUGH, STEPS, bits_a_value
from pondera.reading.comparison.grids import digits_of
from pondera.weights.quantized.scaled import BESIDE
from pondera.weights.tensor import Array

FEW = 8
"""Of fewer values one may be a multiple of the other by chance."""

PARALLEL, NEARLY = 1e-12, 1e-4
"""Values are multiples if 1 - cos² is below the first, which rounding in float32 leaves, and the factor is farther from
1 than the second."""

UNLIKE, MANY = 0.1, 1000
"""Below this correlation so many values have nothing in common: by chance it is 0 ± 1/√n."""

FAR = 100.0
"""Where at most half of the values move, training moves none by so many times their usual size."""

CONSTANT = 1e-12
"""With a variance below this share of the mean square, values are all the same."""


@dataclass(frozen=True)
class Rounding:
    """One tensor as the other one in fewer bits.

    Attributes
    ----------
    to
        The dtype whose values are left.
    chop
        Rounded towards zero, by leaving bits away, instead of to nearest with ties to even.
    of_first
        Whether it is the first that was rounded to give the second.
    """

    to: str
    chop: bool
    of_first: bool


@dataclass(frozen=True)
class Differences:
    """What a run of pairs (x, y) adds up to; all but the counts is of pairs that are both finite.

    Attributes
    ----------
    count
        How many pairs there were.
    sums, counts, extremes
        By the places that :mod:`pondera.reading.comparison.kernels` names.
    ulp_of
        The dtype whose last place is the unit of distances; None where there is none.
    missed
        Rounding -> more than 0 if there are values that it does not explain.
    encoding
        The block encoding that could explain the distances.
    steps
        Σ step², Σ (y - x)², and outliers of its steps.
    apart
        How many pairs are farther apart than the roundings of one value to two float dtypes can be; None where the
        dtypes are the same, or one of them is that of what was rounded.
    """

    count: int = 0
    sums: Array = field(default_factory=lambda: np.zeros(8))
    counts: Array = field(default_factory=lambda: np.zeros(7, np.int64))
    extremes: Array = field(default_factory=lambda: np.zeros(2))
    ulp_of: str | None = None
    missed: dict[Rounding, int] = field(default_factory=dict)
    encoding: str | None = None
    steps: Array = field(default_factory=lambda: np.zeros(3))
    apart: int | None = None

    def merge(self, other: Differences) -> Differences:
        """Return the figures of both runs."""
        return Differences(
            self.count + other.count,
            self.sums + other.sums,
            self.counts + other.counts,
            np.maximum(self.extremes, other.extremes),
            self.ulp_of or other.ulp_of,
            {each: missed + other.missed[each] for each, missed in self.missed.items() if each in other.missed},
            self.encoding or other.encoding,
            self.steps + other.steps,
            None if self.apart is None or other.apart is None else self.apart + other.apart,
        )

    @property
    def finite(self) -> int:
        """How many pairs are both finite."""
        return self.count - int(self.counts[kernels.BROKEN])

    @property
    def changed(self) -> float:
        """Share of values that are not the same bit for bit; across dtypes, not the same number."""
        return int(self.counts[kernels.CHANGED]) / self.count if self.count else 0.0

    @property
    def max(self) -> float:
        """Largest |y - x|."""
        return float(self.extremes[kernels.LARGEST])

    @property
    def mean(self) -> float:
        """Mean |y - x|."""
        return float(self.sums[kernels.ABSOLUTE]) / self.finite if self.finite else 0.0

    @property
    def relative_norm(self) -> float | None:
        """‖y - x‖ / ‖x‖; None where x is zero and y is not."""
        norm, moved = math.sqrt(self.sums[kernels.XX]), math.sqrt(self.sums[kernels.DD])
        return moved / norm if norm else None if moved else 0.0

    @property
    def cosine(self) -> float | None:
        """x·y / (‖x‖ ‖y‖); None where either is zero."""
        both = math.sqrt(self.sums[kernels.XX]) * math.sqrt(self.sums[kernels.YY])
        return min(1.0, max(-1.0, float(self.sums[kernels.XY]) / both)) if both else None

    @property
    def correlation(self) -> float | None:
        """Cosine of the distances from each side's own mean; None for constants."""
        n, s = self.finite, self.sums
        if not n:
            return None
        x, y = (float(s[at]) / n for at in (kernels.X, kernels.Y))
        spread = (float(s[kernels.XX]) / n - x * x) * (float(s[kernels.YY]) / n - y * y)
        scale = float(s[kernels.XX]) / n * float(s[kernels.YY]) / n
        return (float(s[kernels.XY]) / n - x * y) / math.sqrt(spread) if spread > 1e-18 * scale else None

    @property
    def ulp(self) -> float | None:
        """Largest distance in units of last place."""
        return float(self.extremes[kernels.FARTHEST]) if self.ulp_of else None

    @property
    def mean_ulp(self) -> float | None:
        """Mean distance in units of last place."""
        return (float(self.sums[kernels.ULPS]) / self.finite if self.finite else 0.0) if self.ulp_of else None

    @property
    def may_be_reordered(self) -> bool:
        """Whether the values may be the same in another order: their sum and sum of squares are.

        The sums of two orders differ by the rounding of float64 only, at most 2⁻³⁶ of the sum of sizes.
        """
        s, n = self.sums, self.finite
        squares = abs(s[kernels.XX] - s[kernels.YY]) <= 1e-11 * s[kernels.XX]
        sums = abs(s[kernels.X] - s[kernels.Y]) <= 1e-11 * math.sqrt(n * s[kernels.XX])
        return bool(self.max > 0 and n > 1 and squares and sums and not self.counts[kernels.BROKEN])

    @property
    def zeroed(self) -> str | None:
        """In which of the two, ``"first"`` or ``"second"``, every value that differs is zero; None where in neither."""
        changed = self.counts[kernels.CHANGED] - self.counts[kernels.SIGNS]
        if changed and self.counts[kernels.ZERO_Y] == changed:
            return "second"
        trained = not self.sums[kernels.XX]  # from zeros, as biases are
        return "first" if changed and self.counts[kernels.ZERO_X] == changed and not trained else None

    @property
    def factor(self) -> float | None:
        """The number that y is x times of, but for rounding in float32; None where it is none, or nearly 1."""
        cosine, s = self.cosine, self.sums
        if cosine is None or self.finite < FEW or self.counts[kernels.BROKEN] or 1 - cosine**2 > PARALLEL:
            return None
        factor = float(s[kernels.XY] / s[kernels.XX])
        return factor if abs(factor - 1) > NEARLY else None

    @property
    def unlike(self) -> bool:
        """Whether the values have nothing in common, and are so many that this is no chance."""
        correlation = self.correlation
        return self.finite >= MANY and correlation is not None and abs(correlation) < UNLIKE

    @property
    def overwritten(self) -> str | None:
        """Which of the two, ``"first"`` or ``"second"``, has values that no training led to; None for neither.

        At most half of all values differ, and some are not finite in one of the two only, or :data:`FAR` times as
        large as the values of the other usually are.
        """
        if self.changed > 0.5:
            return None
        x, y = int(self.counts[kernels.BROKEN_X]), int(self.counts[kernels.BROKEN_Y])
        if x != y:
            return "first" if x > y else "second"
        squares = float(self.sums[kernels.XX]), float(self.sums[kernels.YY])
        usual = math.sqrt(min(squares) / max(self.finite, 1))
        if not self.max > FAR * usual > 0:
            return None
        return "first" if squares[0] > squares[1] else "second"

    def rounding(self) -> Rounding | None:
        """Return what rounding explains every value, if one does: the finest that does.

        Many values that are near to one another are all rounded to the same, which any other way leads to as well: a
        constant is no evidence, unless it is stored in the very dtype.
        """
        kept = [each for each, missed in self.missed.items() if not missed]
        kept = [each for each in kept if each.to == self.ulp_of or not self._is_constant(first=not each.of_first)]
        return max(kept, key=lambda each: (digits_of(each.to), not each.chop), default=None)

    def _is_constant(self, first: bool) -> bool:
        """Whether one side has the same value everywhere, but for the rounding of the sums."""
        total, squares = self.sums[[kernels.X, kernels.XX] if first else [kernels.Y, kernels.YY]] / max(self.finite, 1)
        return bool(squares - total**2 <= CONSTANT * squares)

    @property
    def quantized(self) -> bool:
        """Whether a block encoding explains the distances: they are as large as its steps make them."""
        encoding = self.encoding
        if encoding is None or not self.finite or self.counts[kernels.BROKEN_X] != self.counts[kernels.BROKEN_Y]:
            return False
        if encoding in STEPS or encoding.endswith(BESIDE):
            explained = float(self.steps[0]) / 12 * RATIO**2
            return bool(self.steps[1] <= explained) and bool(self.steps[2] <= 1e-5 * self.count)
        relative = self.relative_norm
        return relative is not None and relative <= ROUGH * PANTER_DITE * 2.0 ** -bits_a_value(encoding)
