"""One pass over two tensors, tile by tile: how far they are apart, and what could have made the difference."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from pondera.reading.comparison import kernels
from pondera.reading.comparison.differences import Differences, Rounding
from pondera.reading.comparison.encodings import STEPS, deciding, is_encoding
from pondera.reading.comparison.grids import coarser, digits_of, grid
from pondera.reading.comparison.views import View, simplified, tile_size, tiles
from pondera.reading.widths import COMPLEX, WIDE, widened
from pondera.weights.quantized.scaled import Scaled, steps_of
from pondera.weights.tensor import DTYPES, Array

TARGETS = ("float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
"""Dtypes that values may have been rounded to."""

GLANCE = 512
"""So many values are looked at first."""


def differences_of(first: View, second: View, pool: ThreadPoolExecutor | None = None) -> Differences:
    """Return how far two views of the same lengths are apart; memory stays small however large they are.

    Parameters
    ----------
    first, second
        Values at the same slots.
    pool
        Compares several tiles at a time; what is compressed is read in order, one tile after the other.
    """
    task = Task.of(first, second)
    if not task.blocks:
        return Differences(ulp_of=task.unit, encoding=task.encoding)
    found = task.measured(task.blocks[0], roundings(*task.dtypes))
    tried = tuple(each for each, missed in found.missed.items() if not missed)  # few are left after the first tile
    found = replace(found, missed=dict.fromkeys(tried, 0))
    rest = task.blocks[1:]
    ordered = pool is None or not (first.jumps and second.jumps)
    parts = map if ordered or pool is None else pool.map
    for part in parts(lambda block: task.measured(block, tried), rest):
        found = found.merge(part)
    return found


def roundings(one: str, other: str) -> list[Rounding]:
    """Return the roundings that could have led from one dtype to another, or to fewer bits within the same.

    Examples
    --------
    >>> [(each.to, each.chop, each.of_first) for each in roundings("float32", "bfloat16")][:2]
    [('bfloat16', False, True), ('bfloat16', True, True)]
    >>> roundings("float32", "Q8_0")
    []
    """
    if is_encoding(one) or is_encoding(other) or digits_of(one) < 0 or digits_of(other) < 0:
        return []
    found = []
    for of_first, source, result in ((True, one, other), (False, other, one)):
        for to in TARGETS:
            if digits_of(to) < digits_of(source) and digits_of(to) <= digits_of(result):
                ways = (False, True) if to == "bfloat16" else (False,)
                found += [Rounding(to, chop, of_first) for chop in ways]
    return found


Block = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Task:
    """Two views, and how their values are compared.

    Attributes
    ----------
    first, second
        The views, with as few axes as possible.
    dtypes
        Of the values; of complex ones, of their parts.
    wide
        Whether they are widened to float64, not float32.
    unit
        The dtype in whose last place distances are told.
    encoding
        The block encoding that may explain them.
    steps
        How far apart the values are that codes with scales beside them have, of either side that is of those.
    roundings
        The float dtypes of both sides, where both may be what values were rounded to.
    blocks
        Where each tile begins, and how long it is.
    """

    first: View
    second: View
    dtypes: tuple[str, str]
    wide: bool
    unit: str | None
    encoding: str | None
    steps: tuple[View, ...]
    roundings: tuple[str, str] | None
    blocks: list[Block]

    @classmethod
    def of(cls, first: View, second: View) -> Task:
        """Return the task of comparing two views."""
        one, other = (COMPLEX.get(view.tensor.dtype, view.tensor.dtype) for view in (first, second))
        wide = any(view.tensor.dtype in WIDE or _comes_wide(view) for view in (first, second))
        left, right = simplified(first, second)
        blocks = list(tiles(left.lengths, tile_size(left, right)))
        encoding = deciding(one, other)
        steps = tuple(found for view in (left, right) if (found := _steps(view)) is not None)
        narrow = one != other and all(0 <= digits_of(name) < digits_of("float32") for name in (one, other))
        known = (encoding, steps, (one, other) if narrow else None)
        return cls(left, right, (one, other), wide, coarser(one, other), *known, blocks)

    def measured(self, block: Block, tried: Iterable[Rounding]) -> Differences:
        """Return the figures of one tile."""
        x, y = (widened(view.tile(*block), self.wide) for view in (self.first, self.second))
        found = Differences(len(x), ulp_of=self.unit, encoding=self.encoding)
        bits = np.int64 if self.wide else np.int32
        rule = grid(self.unit or ("float64" if self.wide else "float32"), self.wide)
        add = kernels.differences64 if self.wide else kernels.differences32
        loose = self.dtypes[0] != self.dtypes[1]
        add(x, y, x.view(bits), y.view(bits), loose, rule.normal, rule.fine, rule.below, rule.step, *_sums(found))
        for each in tried:
            found.missed[each] = self._missed(each, *((x, y) if each.of_first else (y, x)))
        if self.encoding in STEPS:
            steps = STEPS[self.encoding]
            pair = (x, y) if self.dtypes[1] == self.encoding else (y, x)
            kernels.block_steps(*pair, steps.group, float(steps.levels), steps.symmetric, found.steps)
        elif self.steps:
            known = [each.tile(*block) for each in self.steps]
            kernels.known_steps(x, y, known[0], known[1] if len(known) > 1 else np.zeros_like(known[0]), found.steps)
        if self.roundings is not None:
            found = replace(found, apart=_apart(x, y, *self.roundings))
        return found

    def _missed(self, rounding: Rounding, x: Array, y: Array) -> int:
        to = grid(rounding.to, self.wide)
        bits = np.int64 if self.wide else np.int32
        count = kernels.not_rounded64 if self.wide else kernels.not_rounded32
        for part in (slice(0, GLANCE), slice(GLANCE, None)):  # most guesses fail at once
            a, b = x[part], y[part]
            missed = int(count(a.view(bits), b.view(bits), a, b, to.drop, to.normal, to.step, to.top, rounding.chop))
            if missed:
                return missed
        return 0


def _sums(found: Differences) -> tuple[Array, Array, Array]:
    return found.sums, found.counts, found.extremes


def _steps(view: View) -> View | None:
    return replace(view, tensor=steps_of(view.tensor)) if isinstance(view.tensor.source, Scaled) else None


def _apart(x: Array, y: Array, one: str, other: str) -> int:
    """Return how many pairs are farther apart than half a last place of either dtype: no value rounds to both."""
    room = _last_place(x, one) / 2 + _last_place(y, other) / 2
    with np.errstate(all="ignore"):
        distance = np.abs(x.astype(np.float64) - y)
    both = np.isfinite(x) & np.isfinite(y)  # beyond the largest value one of them may be infinite
    return int(np.count_nonzero(both & (distance > room)))


def _last_place(values: Array, name: str) -> Array:
    """Return the distance of neighbours of a float dtype where each of some values lies."""
    find: Any = ml_dtypes.finfo
    limits = find(DTYPES[name])
    _, exponents = np.frexp(np.abs(values.astype(np.float64)))
    lowest = int(np.frexp(float(limits.smallest_normal))[1])
    found: Array = np.ldexp(1.0, np.maximum(exponents, lowest) - 1 - int(limits.nmant))
    return found


def _comes_wide(view: View) -> bool:
    """Whether a source of some other dtype gives values that float32 does not hold."""
    name: Any = view.tensor.source.flat(0, 0).dtype.name
    return view.tensor.dtype not in WIDE and name in WIDE
