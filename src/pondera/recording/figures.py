"""Figures of a tensor at one step, and of a layer's outputs: sums that can be joined, and what follows from them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 1 << 14
"""Values that are summed up at a time: they stay in the cache."""

DIRECTIONS = 64
"""Of a batch so many rows, evenly apart, tell in how many directions a layer's outputs differ."""

FEWEST = 8
"""Rows that can tell that: the outputs for n rows differ in n - 1 directions at most, whatever the layer does."""

LISTED = 20
"""Silent units that are named, at most."""

BINS = 2048
"""The upper 11 bits of a float32 in the order of the values: sign, exponent, 2 bits of mantissa."""


@dataclass(frozen=True)
class Spread:
    """How many values lie in each bin that is not empty; bins are quarters of octaves, on both sides of 0.

    Attributes
    ----------
    bins
        (n,) uint16, ascending; bin 1024 begins at 0.
    counts
        (n,) uint32.
    """

    bins: Array = field(default_factory=lambda: np.zeros(0, np.uint16))
    counts: Array = field(default_factory=lambda: np.zeros(0, np.uint32))

    @classmethod
    def sparse(cls, dense: Array) -> Spread:
        """Return the bins of (2048,) counts that are not empty."""
        bins = np.flatnonzero(dense)
        return cls(bins.astype("<u2"), dense[bins].astype("<u4"))

    def merge(self, other: Spread) -> Spread:
        """Return the spread of both sets of values together."""
        bins = np.union1d(self.bins, other.bins)
        counts = np.zeros(len(bins), np.uint32)
        for each in (self, other):
            counts[np.searchsorted(bins, each.bins)] += each.counts
        return Spread(bins, counts)

    def to_bytes(self) -> bytes:
        """Return the bins, then the counts."""
        return self.bins.astype("<u2").tobytes() + self.counts.astype("<u4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Spread:
        """Return what :meth:`to_bytes` wrote."""
        count = len(data) // 6
        return cls(np.frombuffer(data, "<u2", count), np.frombuffer(data, "<u4", count, 2 * count))

    @property
    def edges(self) -> tuple[Array, Array]:
        """The smallest and the largest value of each bin, (n,) each."""
        orders = (self.bins.astype(np.int64) - 1024) << 21
        both = np.stack([orders, orders + 0x1FFFFF])
        bits = np.where(both < 0, both ^ 0x7FFFFFFF, both).astype(np.int32)
        with np.errstate(invalid="ignore"):
            low, high = bits.view(np.float32).astype(np.float64)
        return low, high


@dataclass(frozen=True)
class TensorFigures:
    """A tensor just before a step, and what the step did to it. Sums are of finite values.

    Attributes
    ----------
    count, zeros, nan, infinite
        Of the weights: how many, exact zeros, NaN, ±∞.
    low, high
        The smallest and the largest.
    total, squares
        Σ w, Σ w².
    start_squares, start_product, distance_squares
        Σ s², Σ w · s and Σ (w − s)² with s the weights at the start.
    flips
        How many have another sign than at the start.
    update_squares
        Σ (after − w)² of this step's update.
    gradient_squares, gradient_broken
        Σ g², and how many gradients are not finite; the squares are NaN where no gradient is known.
    """

    count: float = 0.0
    zeros: float = 0.0
    nan: float = 0.0
    infinite: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    squares: float = 0.0
    start_squares: float = 0.0
    start_product: float = 0.0
    distance_squares: float = 0.0
    flips: float = 0.0
    update_squares: float = 0.0
    gradient_squares: float = 0.0
    gradient_broken: float = 0.0
    spread: Spread = field(default_factory=Spread, repr=False, compare=False)

    @classmethod
    def of(cls, before: Array, start: Array, after: Array, gradient: Array | None) -> TensorFigures:
        """Return the figures of arrays of one shape, float32 or float64.

        Examples
        --------
        >>> w = np.array([3.0, -4.0])
        >>> found = TensorFigures.of(w, np.array([3.0, 4.0]), w + 1, None)
        >>> found.norm, found.flips, found.distance, round(found.update_ratio, 3)
        (5.0, 1.0, 8.0, 0.283)
        """
        w, s, later = (np.ascontiguousarray(each).reshape(-1) for each in (before, start, after))
        g = None if gradient is None else np.ascontiguousarray(gradient).reshape(-1)
        blocks = [slice(at, at + BLOCK) for at in range(0, w.size, BLOCK)]
        with np.errstate(over="ignore", invalid="ignore"):  # what goes beyond all bounds is told as infinite
            parts = [cls._of_block(w[at], s[at], later[at], None if g is None else g[at]) for at in blocks]
        sums = {name: sum(part[name] for part, _ in parts) for name in NUMBERS}
        sums["low"] = min((part["low"] for part, _ in parts), default=math.inf)
        sums["high"] = max((part["high"] for part, _ in parts), default=-math.inf)
        dense = np.sum([dense for _, dense in parts], axis=0) if parts else np.zeros(BINS, np.int64)
        return cls(**sums, spread=Spread.sparse(np.concatenate([dense[: BINS // 2 - 1 : -1], dense[: BINS // 2]])))

    @staticmethod
    def _of_block(w: Array, start: Array, after: Array, g: Array | None) -> tuple[dict[str, float], Array]:
        """Return the numbers of a block of values, and how many are in each of the bins."""
        halves = np.ascontiguousarray(w, "<f4").view("<u2")
        dense = np.bincount(halves[1::2] >> 5, minlength=BINS)  # by the upper bits as they are: in order once summed up
        nan, infinite, count = 0, 0, w.size
        if not np.isfinite(w).all():
            good = np.isfinite(w)
            nan, infinite = int(np.isnan(w).sum()), int(np.isinf(w).sum())
            w, start, after = w[good], start[good], after[good]
        v, s = w.astype(np.float64), start.astype(np.float64)
        product, from_start, moved = v * s, v - s, after - v
        known = None if g is None else g[np.isfinite(g)].astype(np.float64)
        return {
            "count": float(count),
            "zeros": float(w.size - np.count_nonzero(w)),
            "nan": float(nan),
            "infinite": float(infinite),
            "low": float(w.min()) if w.size else math.inf,
            "high": float(w.max()) if w.size else -math.inf,
            "total": float(v.sum()),
            "squares": _dot(v),
            "start_squares": _dot(s),
            "start_product": float(product.sum()),
            "distance_squares": _dot(from_start),
            "flips": float(np.count_nonzero(product < 0)),
            "update_squares": _dot(moved),
            "gradient_squares": math.nan if known is None else _dot(known),
            "gradient_broken": 0.0 if g is None or known is None else float(g.size - known.size),
        }, dense

    def merge(self, other: TensorFigures) -> TensorFigures:
        """Return the figures of both shards of a tensor together."""
        joined = {name: getattr(self, name) + getattr(other, name) for name in NUMBERS}
        joined |= {"low": min(self.low, other.low), "high": max(self.high, other.high)}
        return TensorFigures(**joined, spread=self.spread.merge(other.spread))

    @property
    def norm(self) -> float:
        """√Σ w²."""
        return math.sqrt(self.squares)

    @property
    def mean(self) -> float:
        """Of the finite weights; NaN where there are none."""
        finite = self.count - self.nan - self.infinite
        return self.total / finite if finite else math.nan

    @property
    def deviation(self) -> float:
        """The standard deviation of the finite weights."""
        finite = self.count - self.nan - self.infinite
        return math.sqrt(max(self.squares / finite - self.mean * self.mean, 0.0)) if finite else math.nan

    @property
    def gradient_norm(self) -> float:
        """√Σ g²; NaN where it is not known."""
        return math.sqrt(self.gradient_squares)

    @property
    def update_ratio(self) -> float:
        """‖update‖ / ‖w‖: how far the step moved the tensor, by its own size; NaN where all weights are 0."""
        return math.sqrt(self.update_squares / self.squares) if self.squares else math.nan

    @property
    def distance(self) -> float:
        """‖w − start‖."""
        return math.sqrt(self.distance_squares)

    @property
    def cosine(self) -> float:
        """Of the angle between the weights and their start; NaN where either is 0."""
        sizes = math.sqrt(self.squares) * math.sqrt(self.start_squares)
        return self.start_product / sizes if sizes else math.nan

    def to_bytes(self) -> bytes:
        """Return the numbers as float64, in the order of :data:`NUMBERS`."""
        return np.array([getattr(self, name) for name in NUMBERS], "<f8").tobytes()

    @classmethod
    def from_bytes(cls, numbers: bytes, spread: bytes) -> TensorFigures:
        """Return what :meth:`to_bytes` and :meth:`Spread.to_bytes` wrote."""
        values = np.frombuffer(numbers, "<f8").tolist()
        return cls(**dict(zip(NUMBERS, values, strict=True)), spread=Spread.from_bytes(spread))


def _dot(values: Array) -> float:
    """Return Σ v², without BLAS: its threads wait for more to do with a core of the training's for 0.03 s."""
    return float(np.einsum("i,i->", values, values))


NUMBERS = tuple(each.name for each in dataclasses.fields(TensorFigures) if each.name != "spread")
"""The names of a tensor's figures in the order in which they are kept."""


@dataclass(frozen=True)
class UnitFigures:
    """A layer's outputs for the rows of one batch.

    Attributes
    ----------
    kind
        The layer's, and its activation's: ``"dense relu"``.
    units, rows
        How many of each.
    mean, deviation
        Of all outputs.
    zeros
        Share of outputs that are exactly 0.
    silent
        Units whose output is 0 for every row: no gradient comes through them if they are rectified.
    saturated
        Share of outputs where the activation's derivative is below 0.05; NaN where it has no flat ends.
    dimensions
        (Σ λ)² / Σ λ² of the covariance of the outputs over 64 rows, the number of directions in which they differ
        (participation ratio; Gao et al. 2017, bioRxiv 214262); NaN of batches of fewer than 8 rows.
    which
        The first silent units.
    """

    kind: str
    units: int
    rows: int
    mean: float
    deviation: float
    zeros: float
    silent: int
    saturated: float
    dimensions: float
    which: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values; what is not finite becomes None."""
        values = dataclasses.asdict(self) | {"which": list(self.which)}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }

    @classmethod
    def of(cls, kind: str, outputs: Array, flat: Array | None = None) -> UnitFigures:
        """Return the figures of outputs, (rows, units); ``flat`` says where the activation is on a flat end.

        Examples
        --------
        >>> found = UnitFigures.of("dense relu", np.array([[0.0, 1.0], [0.0, 3.0]] * 4))
        >>> found.silent, found.which, found.zeros, found.dimensions
        (1, (0,), 0.5, 1.0)
        """
        out = np.asarray(outputs, np.float64)
        rows, units = out.shape
        some = out[np.arange(min(rows, DIRECTIONS)) * rows // min(rows, DIRECTIONS)]  # evenly apart
        silent = np.flatnonzero(~out.any(axis=0))
        with np.errstate(invalid="ignore", over="ignore"):  # of what is infinite, and of what it makes
            centered = some - some.mean(axis=0)
            small = np.einsum("ri,si->rs", centered, centered)  # no product of BLAS, see _dot
            whole = np.square(small).sum()
            directions = float(np.square(np.trace(small)) / whole) if whole else 0.0
            return cls(
                kind=kind,
                units=units,
                rows=rows,
                mean=float(out.mean()),
                deviation=float(out.std()),
                zeros=1 - int(np.count_nonzero(out)) / out.size,
                silent=len(silent),
                saturated=math.nan if flat is None else float(np.mean(flat)),
                dimensions=directions if rows >= FEWEST else math.nan,
                which=tuple(silent[:LISTED].tolist()),
            )

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> UnitFigures:
        """Return what :meth:`to_json` described."""
        read: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
        return cls(**read | {"which": tuple(read["which"])})
