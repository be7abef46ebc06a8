"""How the values of one tensor may lie in another: in the same order, transposed, reordered for rotary embeddings, cut.

Each way is a pair of views, and only a guess until a sample of values agrees. A sample of m pairs of independent values
has a correlation of 0 ± 1/√m: with 1,024 pairs, 0.03. What is related has far more: block encodings of four bits leave
0.995, fine-tuning 0.9 and more. So 0.5 + 4/√m decides, and where few values are all there is, the correlation that
independent normal values reach once in 10⁹ guesses: 0.964 with 16, 0.9991 with 8, all but 1 with 4.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pondera.choice import counted
from pondera.reading.comparison.views import TILE, View, simplified
from pondera.reading.widths import COMPLEX, widened
from pondera.weights.tensor import Array, Tensor

SAMPLED, PLACES = 1024, 16
"""Values of a sample, and in how many places they are taken."""

SAME, TRANSPOSED, ROTARY, PART, EXTENDED = "same order", "transposed", "rotary order", "part", "extended"
"""Kinds of relations."""

CHANCE = 1e-9
"""Probability with which independent values may look related, a guess."""

MOST_AXES = 5

MOST_FUSED = 64
"""A fused tensor has no more parts than this along an axis; stacked experts, which have an axis of their own, aside."""

MOST_HEAD = 512
"""Heads of attention are not tried with more units than this."""


@dataclass(frozen=True)
class Relation:
    """Two views that hold the same slots in the same order.

    Attributes
    ----------
    kind
        One of :data:`SAME`, :data:`TRANSPOSED`, :data:`ROTARY`, :data:`PART`, :data:`EXTENDED`.
    first, second
        Views of the first and of the second network's tensor.
    words
        The relation for people; empty for the same order.
    place
        Of a part: where it lies in the fused tensor, for telling which parts are taken.
    """

    kind: str
    first: View
    second: View
    words: str = ""
    place: tuple[int, int, int] = (0, 0, 0)

    def swapped(self) -> Relation:
        """Return the relation with the networks exchanged."""
        return Relation(self.kind, self.second, self.first, self.words, self.place)


def straight(a: Tensor, b: Tensor) -> Relation:
    """Return the relation of two tensors whose values follow one another alike."""
    return Relation(SAME, View.of(a), View.of(b, a.shape))


def extended(a: Tensor, b: Tensor) -> Relation | None:
    """Return the rows that both have, where one of two tensors has more of them: an embedding with new words."""
    if not a.ndim or a.ndim != b.ndim or a.shape[1:] != b.shape[1:] or not (a.count and b.count):
        return None
    rows = min(a.shape[0], b.shape[0])
    return Relation(EXTENDED, View.of(a).part(0, 0, rows), View.of(b).part(0, 0, rows), f"the first {rows:,} rows")


def relations(a: Tensor, b: Tensor) -> Iterator[Relation]:
    """Yield the ways in which a tensor's values may lie in another one of the same count, the most likely first."""
    if a.count != b.count:
        return
    if _lengths(a) == _lengths(b) or math.prod(a.shape[1:]) == math.prod(b.shape[1:]) or min(a.ndim, b.ndim) <= 1:
        yield straight(a, b)
    yield from _exchanged(a, b)
    yield from _rotary(a, b)


def _lengths(tensor: Tensor) -> tuple[int, ...]:
    return tuple(length for length in tensor.shape if length != 1)


def _exchanged(a: Tensor, b: Tensor) -> Iterator[Relation]:
    """Yield orders of axes, and axes joined: heads × width of one framework are one axis in another."""
    one, other = _lengths(a), _lengths(b)
    if not 2 <= max(len(one), len(other)) <= MOST_AXES or min(len(one), len(other)) < 2:
        return
    back = len(other) > len(one)
    many, few = (other, one) if back else (one, other)
    source, target = (b, a) if back else (a, b)
    for order in itertools.permutations(range(len(many))):
        if order == tuple(range(len(many))) or not _joins([many[i] for i in order], few):
            continue
        moved = View.of(source, many).transposed(order)
        found = Relation(TRANSPOSED, moved, View.of(target, moved.lengths), "transposed")
        yield found.swapped() if back else found


def _joins(lengths: list[int], whole: tuple[int, ...]) -> bool:
    """Whether neighbouring axes can be joined to give others."""
    at = 0
    for length in whole:
        product = 1
        while at < len(lengths) and product < length:
            product *= lengths[at]
            at += 1
        if product != length:
            return False
    return at == len(lengths)


def _rotary(a: Tensor, b: Tensor) -> Iterator[Relation]:
    """Yield the order of rows that llama.cpp's conversion gives query and key, by every possible number of heads.

    There each head's rows are two halves, (2, d/2); in the GGUF file the halves alternate, (d/2, 2).
    """
    if not 1 <= a.ndim <= 2 or a.shape != b.shape:
        return
    rows = a.shape[0]
    for width in range(4, min(rows, MOST_HEAD) + 1, 2):
        if rows % width:
            continue
        heads = rows // width
        words = f"rows in rotary order, {counted(heads, 'head')} of {width}"
        rest = tuple(range(3, 2 + a.ndim))
        for lengths in dict.fromkeys(((heads, 2, width // 2), (heads, width // 2, 2))):
            moved = View.of(a).split(0, lengths).transposed((0, 2, 1, *rest))
            yield Relation(ROTARY, moved, View.of(b, moved.lengths), words)


def parts(small: Tensor, whole: Tensor) -> Iterator[Relation]:
    """Yield where a tensor may lie within a larger one: a stretch of an axis, one of a stack, a third of each head."""
    one, other = _lengths(small), _lengths(whole)
    if small.count >= whole.count or not small.count or not 1 <= len(other) <= 3:
        return
    if len(other) == len(one) + 1 and other[1:] == one:  # one of a stack, such as an expert
        for at in _alike_in(small, whole, other[0]):
            part = View.of(whole, other).part(0, at, 1)
            yield Relation(PART, View.of(small, part.lengths), part, f"number {at} of a stack", (0, at, 1))
    if len(one) != len(other) or len(one) > 2:
        return
    for axis, turned in itertools.product(range(len(other)), (False, True)[: len(other)]):
        lengths = one[::-1] if turned else one
        if any(lengths[at] != other[at] for at in range(len(other)) if at != axis) or lengths[axis] >= other[axis]:
            continue
        source = View.of(small, one).transposed((1, 0)) if turned else View.of(small, one)
        yield from _stretches(source, View.of(whole, other), axis)


def _alike_in(small: Tensor, whole: Tensor, height: int) -> Iterator[int]:
    """Yield which of a stack of tensors may be the small one.

    What a sample would take whole is held against thousands of the stack in one product, since a bias has the length
    of every row of every matrix, and a constant that of every value. A sample of each that is left decides.
    """
    count = small.count
    if count > SAMPLED or any(tensor.dtype in COMPLEX for tensor in (small, whole)):
        yield from range(height)
        return
    x = widened(small.source.flat(0, count), wide=True)
    a = x - x.mean() if np.isfinite(x).all() else None
    step = max(TILE // count, 1)
    for first in range(0, height, step):
        last = min(first + step, height)
        rows = widened(whole.source.flat(first * count, last * count), wide=True).reshape(-1, count)
        if a is None or not np.isfinite(rows).all():
            yield from range(first, last)
            continue
        near = (rows == x).all(axis=1)
        if count > 2:
            with np.errstate(all="ignore"):
                b = rows - rows.mean(axis=1, keepdims=True)
                spread = np.sqrt((a @ a) * np.einsum("ij,ij->i", b, b))
                near |= ~(b @ a < (threshold(count) - 1e-9) * spread) & (spread != 0)
        yield from (first + np.flatnonzero(near)).tolist()


def _stretches(small: View, whole: View, axis: int) -> Iterator[Relation]:
    length, total = small.lengths[axis], whole.lengths[axis]
    if total > MOST_FUSED * length:
        return
    name = "rows" if axis == 0 else "columns"
    starts = [*range(0, total - length + 1, length), total - length, total - 2 * length]
    for start in dict.fromkeys(start for start in starts if start >= 0):
        words = f"{name} {start}–{start + length - 1}"
        yield Relation(PART, small, whole.part(axis, start, length), words, (axis, start, length))
    if total != 3 * length:
        return
    for width in range(4, min(length // 2, MOST_HEAD) + 1, 2):  # query, key and value of each head in turn
        if length % width:
            continue
        heads = length // width
        source = small.split(axis, (heads, width))
        for at in range(3):
            cut = whole.split(axis, (heads, 3, width)).part(axis + 1, at, 1)
            shaped = View(cut.tensor, source.lengths, _without(cut.strides, axis + 1), cut.offset)
            words = f"{name} of part {at + 1} of 3 within {heads} heads"
            yield Relation(PART, source, shaped, words, (axis, at * length, length))


def _without(items: tuple[int, ...], at: int) -> tuple[int, ...]:
    return (*items[:at], *items[at + 1 :])


def likeness(relation: Relation) -> float:
    """Return how far above what chance reaches a sample of both views agrees: from 0 on they belong together.

    Constants correlate with nothing; they belong together where they are equal.
    """
    x, y = sample(relation)
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    if not len(x):
        return -1.0
    if np.array_equal(x, y):
        return 1.0
    a, b = x - x.mean(), y - y.mean()
    spread = math.sqrt(float(a @ a) * float(b @ b))
    if len(x) < 3 or not spread:
        return -1.0
    return float(a @ b) / spread - threshold(len(x))


def threshold(count: int) -> float:
    """Return the correlation from which so many pairs of values, 3 or more, say that they belong together."""
    return max(by_chance(count), min(0.98, 0.5 + 4 / math.sqrt(count))) if count > 2 else 1.0


@functools.cache
def by_chance(count: int) -> float:
    """Return the correlation that so many pairs of independent normal values exceed with a probability of CHANCE.

    r √(m − 2) / √(1 − r²) has Student's t distribution with m − 2 degrees of freedom.

    Examples
    --------
    >>> round(by_chance(16), 3), round(by_chance(8), 4)
    (0.964, 0.9991)
    """
    from scipy.special import stdtrit

    t = -float(stdtrit(count - 2, CHANCE))
    return t / math.hypot(t, math.sqrt(count - 2))


def sample(relation: Relation) -> tuple[Array, Array]:
    """Return values of both views at the same slots, float64."""
    one, other = simplified(relation.first, relation.second)
    if not one.count:
        return np.empty(0), np.empty(0)
    if one.count <= SAMPLED:
        places, size = [tuple(0 for _ in one.lengths)], one.lengths
    else:
        edge = round((SAMPLED / PLACES) ** (1 / len(one.lengths)))
        size = tuple(min(length, edge) for length in one.lengths)
        size = (*size[:-1], min(one.lengths[-1], max(1, SAMPLED // PLACES // math.prod(size[:-1]))))
        random = np.random.default_rng(0)
        places = [
            tuple(int(random.integers(0, length - step + 1)) for length, step in zip(one.lengths, size, strict=True))
            for _ in range(PLACES)
        ]
    runs = [np.concatenate([widened(view.tile(at, size), wide=True) for at in places]) for view in (one, other)]
    if any(view.tensor.dtype in COMPLEX for view in (one, other)) and len(runs[0]) != len(runs[1]):
        return np.empty(0), np.empty(0)
    with np.errstate(all="ignore"):
        return runs[0], runs[1]
