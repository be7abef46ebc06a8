"""A tensor's values in another order, without moving them: axes split, exchanged, cut, as strides over its file.

Transposed matrices, the query part of a fused projection and the rows of a rotary embedding as llama.cpp orders them
are all of this kind. Two views of the same lengths are read tile by tile, each tile as contiguous as both allow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pondera.weights.packed import Packed
from pondera.weights.quantized.encodings import Blocks
from pondera.weights.quantized.scaled import Scaled
from pondera.weights.tensor import Array, Mapped, Tensor

TILE = 1 << 18
"""Values that are taken at a time: two times 1 MB of float32, which stay in the second cache."""

EDGE = 512
"""Length of a square tile, where two orders of axes meet."""

HULL = 4
"""A tile is read in one stretch if that is at most so many times as long as the tile."""


@dataclass(frozen=True)
class View:
    """Values of a tensor by strides.

    Attributes
    ----------
    tensor
        Whose values.
    lengths, strides
        Of each axis, in values.
    offset
        Where the first value lies in the tensor.

    Examples
    --------
    >>> data = np.arange(6, dtype="f4")
    >>> tensor = Tensor("w", (2, 3), "float32", Mapped(memoryview(data.tobytes()), 0, data.dtype, 6))
    >>> View.of(tensor).transposed((1, 0)).tile((0, 0), (3, 2)).tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """

    tensor: Tensor
    lengths: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, tensor: Tensor, lengths: Sequence[int] | None = None) -> View:
        """Return all values in their own order, under other lengths of axes where these are given."""
        shape = tuple(tensor.shape if lengths is None else lengths)
        return cls(tensor, shape, tuple(math.prod(shape[at + 1 :]) for at in range(len(shape))))

    @property
    def count(self) -> int:
        """How many values there are."""
        return math.prod(self.lengths)

    def transposed(self, order: Sequence[int]) -> View:
        """Return the axes in another order."""
        return View(
            self.tensor, tuple(self.lengths[i] for i in order), tuple(self.strides[i] for i in order), self.offset
        )

    def part(self, axis: int, start: int, length: int) -> View:
        """Return a stretch of one axis."""
        lengths = (*self.lengths[:axis], length, *self.lengths[axis + 1 :])
        return View(self.tensor, lengths, self.strides, self.offset + start * self.strides[axis])

    def split(self, axis: int, lengths: Sequence[int]) -> View:
        """Return one axis as several, the last fastest."""
        inner = View.of(self.tensor, lengths).strides
        return View(
            self.tensor,
            (*self.lengths[:axis], *lengths, *self.lengths[axis + 1 :]),
            (*self.strides[:axis], *(each * self.strides[axis] for each in inner), *self.strides[axis + 1 :]),
            self.offset,
        )

    @property
    def straight(self) -> bool:
        """Whether the values follow one another as in the file."""
        return in_order(self.lengths, self.strides)

    @property
    def jumps(self) -> bool:
        """Whether any stretch of the values is at hand at once; what is compressed is read from front to back."""
        source = self.tensor.source
        return isinstance(source.codes.source if isinstance(source, Scaled) else source, Mapped | Blocks | Packed)

    def tile(self, start: Sequence[int], size: Sequence[int]) -> Array:
        """Return a block of the values, flat, last axis fastest."""
        first = self.offset + sum(at * stride for at, stride in zip(start, self.strides, strict=True))
        return self._tile(first, tuple(size)).reshape(-1)

    def _tile(self, first: int, size: tuple[int, ...]) -> Array:
        hull = 1 + sum((length - 1) * stride for length, stride in zip(size, self.strides, strict=True))
        source = self.tensor.source
        if isinstance(source, Mapped) or hull <= HULL * math.prod(size):
            flat = source.flat(first, first + hull)
            if in_order(size, self.strides):
                return flat.reshape(size)
            steps = tuple(stride * flat.itemsize for stride in self.strides)
            words = flat.view(f"u{flat.itemsize}") if flat.itemsize <= 2 else flat  # NumPy knows no strides of float8
            return np.lib.stride_tricks.as_strided(words, size, steps, writeable=False).view(flat.dtype)
        axis = max((at for at in range(len(size)) if size[at] > 1), key=lambda at: self.strides[at])
        part = (*size[:axis], 1, *size[axis + 1 :])
        pieces = [self._tile(first + i * self.strides[axis], part) for i in range(size[axis])]
        return np.concatenate(pieces, axis)


def in_order(lengths: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether values by these strides follow one another."""
    expected = 1
    for length, stride in zip(reversed(lengths), reversed(strides), strict=True):
        if length != 1 and stride != expected:
            return False
        expected *= length
    return True


def simplified(one: View, other: View) -> tuple[View, View]:
    """Return two views of the same lengths with as few axes as say the same: neighbours are joined, ones left out."""
    axes: list[tuple[int, int, int]] = []
    for length, a, b in zip(one.lengths, one.strides, other.strides, strict=True):
        if length == 1:
            continue
        if axes and axes[-1][1] == a * length and axes[-1][2] == b * length:
            axes[-1] = (axes[-1][0] * length, a, b)
        else:
            axes.append((length, a, b))
    lengths, left, right = (tuple(each) for each in zip(*(axes or [(1, 1, 1)]), strict=True))
    return View(one.tensor, lengths, left, one.offset), View(other.tensor, lengths, right, other.offset)


def tile_size(one: View, other: View) -> tuple[int, ...]:
    """Return how long a tile is along each axis: whole stretches of both, as far as room is."""
    lengths = tuple(max(length, 1) for length in one.lengths)
    inner = [min(range(len(lengths)), key=lambda at: view.strides[at]) for view in (one, other)]
    whole = (
        one.jumps and other.jumps and isinstance(one.tensor.source, Mapped) == isinstance(other.tensor.source, Mapped)
    )
    size = [1] * len(lengths)
    if inner[0] == inner[1]:
        size[inner[0]] = min(lengths[inner[0]], TILE)
    else:
        edge = EDGE if whole else 4 * EDGE  # calls for stretches of blocks cost more the shorter they are
        for at in inner:
            size[at] = min(lengths[at], edge)
    for at in sorted(range(len(lengths)), key=lambda at: other.strides[at]):
        size[at] = max(size[at], min(lengths[at], TILE * size[at] // math.prod(size)))
    return tuple(size)


def tiles(lengths: Sequence[int], size: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield where each tile begins and how long it is."""
    if math.prod(lengths) == 0:
        return
    for start in itertools.product(*(range(0, length, step) for length, step in zip(lengths, size, strict=True))):
        yield start, tuple(min(step, length - at) for at, step, length in zip(start, size, lengths, strict=True))
