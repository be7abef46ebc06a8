"""Values of an HDF5 dataset that lie in chunks, perhaps compressed: only the chunks that are asked for are unpacked.

Sections III.A.1 (version 1 B-trees), IV.A.2.i (layout), IV.A.2.l (filters) and VII.A-D (chunk indexes) of
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pondera.weights.hdf5.groups import leaves_of
from pondera.weights.hdf5.kept import Kept
from pondera.weights.hdf5.space import Cursor, Space
from pondera.weights.tensor import Array

MOST_CHUNK = 1 << 28
"""A chunk of more bytes than this, unpacked, is refused."""

STRETCH = 1 << 18
"""About as many values are read at a time."""

DEFLATE, SHUFFLE, FLETCHER = 1, 2, 3
FILTERS = {4: "szip", 5: "n-bit", 6: "scale-offset", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "bitshuffle",
           32013: "ZFP", 32015: "Zstandard", 32026: "Blosc 2"}  # fmt: skip
"""Compressions that are not read, by their registered numbers."""


class Filter(NamedTuple):
    """One step of what was done to a chunk; ``size`` is how many bytes a value has that was shuffled."""

    kind: int
    size: int


class Chunk(NamedTuple):
    """Where a chunk lies; a bit of the mask that is set says that its filter was left out."""

    address: int
    size: int
    mask: int


@dataclass(frozen=True)
class Chunked:
    """The values of a dataset in chunks.

    Attributes
    ----------
    space
        The file.
    name
        The dataset's, for messages.
    shape, chunk
        Of the dataset, and of each of its chunks; those at the edges reach beyond it.
    stored
        The dtype as it lies in the file.
    filters
        What was done to each chunk, in this order.
    find
        Returns the chunks by their number, the last axis fastest.
    fill
        What stands where no chunk was written.
    """

    space: Space
    name: str
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    stored: np.dtype[Any]
    filters: tuple[Filter, ...]
    find: Callable[[Chunked], dict[int, Chunk]]
    fill: Array

    @property
    def nbytes(self) -> int:
        """How many bytes the values take, unpacked."""
        return math.prod(self.shape) * self.stored.itemsize

    @property
    def size(self) -> int:
        """How many bytes a chunk takes, unpacked."""
        return math.prod(self.chunk) * self.stored.itemsize

    @property
    def grid(self) -> tuple[int, ...]:
        """How many chunks there are along each axis."""
        return tuple(-(-length // step) for length, step in zip(self.shape, self.chunk, strict=True))

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1, unpacked.

        Raises
        ------
        ModelFileError
            If a chunk that they lie in is damaged.
        """
        parts = [self._box(box).reshape(-1) for box in boxes(self.shape, start, stop)]
        if stop >= math.prod(self.shape):
            self._kept.clear()
        return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, self.stored)])

    @cached_property
    def _index(self) -> dict[int, Chunk]:
        found = self.find(self)
        end = len(self.space.view)
        for chunk in found.values():
            if chunk.address + chunk.size > end or (not self.filters and chunk.size != self.size):
                raise self.space.damaged(f"a chunk of {self.name!r:.200} does not lie within the file")
        if sum(chunk.size for chunk in found.values()) > end:
            raise self.space.damaged(f"chunks of {self.name!r:.200} overlap")
        return found

    @cached_property
    def _kept(self) -> Kept:
        return Kept()

    @property
    def touches(self) -> int:
        """How often a chunk is looked at when all values are read in stretches, about."""
        rows = max(1, STRETCH // max(1, math.prod(self.shape[1:])))
        return math.prod(self.grid) * -(-self.chunk[0] // rows) if self.chunk else 1

    def _box(self, box: tuple[range, ...]) -> Array:
        """Return the values at these indices of each axis."""
        found = np.full([len(indices) for indices in box], self.fill, self.stored)
        touched = [range(r.start // c, (r.stop - 1) // c + 1) for r, c in zip(box, self.chunk, strict=True)]
        for place in itertools.product(*touched):
            number = 0
            for at, length in zip(place, self.grid, strict=True):
                number = number * length + at
            if number not in self._index:
                continue
            into, of = [], []
            for at, step, indices in zip(place, self.chunk, box, strict=True):
                first, last = max(at * step, indices.start), min((at + 1) * step, indices.stop)
                into.append(slice(first - indices.start, last - indices.start))
                of.append(slice(first - at * step, last - at * step))
            found[tuple(into)] = self._values(self._index[number])[tuple(of)]
        return found

    def _values(self, chunk: Chunk) -> Array:
        if not self.filters:
            return self._unpacked(chunk)
        return self._kept.get(chunk.address, lambda: self._unpacked(chunk))

    def _unpacked(self, chunk: Chunk) -> Array:
        data = self.space.view[chunk.address : chunk.address + chunk.size]
        used = [step for at, step in enumerate(self.filters) if not chunk.mask >> at & 1]
        size = self.size + 4 * sum(step.kind == FLETCHER for step in used)
        for step in reversed(used):
            if step.kind == DEFLATE:
                data = memoryview(self._inflated(data, size))
            elif step.kind == SHUFFLE:
                data = _unshuffled(data, step.size)
            else:
                size -= 4
                if len(data) < 4 or not _sums_agree(data[:-4], data[-4:]):
                    raise self.space.damaged(f"a chunk of {self.name!r:.200} does not have the checksum it should")
                data = data[:-4]
        if len(data) != self.size:
            raise self.space.damaged(f"a chunk of {self.name!r:.200} has {len(data):,} bytes instead of {self.size:,}")
        return np.frombuffer(data, self.stored).reshape(self.chunk)

    def _inflated(self, data: memoryview, size: int) -> bytes:
        try:
            return zlib.decompressobj().decompress(data, size + 1)
        except zlib.error as error:
            raise self.space.damaged(f"a chunk of {self.name!r:.200} cannot be unpacked ({error})") from None


def boxes(shape: tuple[int, ...], start: int, stop: int) -> Iterator[tuple[range, ...]]:
    """Yield the boxes of indices that the values start … stop − 1 of an array fill, in order.

    >>> list(boxes((3, 4), 3, 9))
    [(range(0, 1), range(3, 4)), (range(1, 2), range(0, 4)), (range(2, 3), range(0, 1))]
    """
    if stop <= start:
        return
    if not shape:
        yield ()
        return
    width = math.prod(shape[1:])
    first, last = -(-start // width), stop // width  # whole rows
    if start % width:
        row = start // width
        end = min(stop - row * width, width)
        yield from ((range(row, row + 1), *rest) for rest in boxes(shape[1:], start - row * width, end))
    if first < last:
        yield (range(first, last), *(range(length) for length in shape[1:]))
    if stop % width and last >= first:
        yield from ((range(last, last + 1), *rest) for rest in boxes(shape[1:], 0, stop % width))


def _unshuffled(data: memoryview, size: int) -> memoryview:
    """Return values whose first bytes were put together, then their second bytes, and so on."""
    whole = len(data) // size * size if size else 0
    turned = np.frombuffer(data, np.uint8, whole).reshape(max(size, 1), -1).T
    return memoryview(turned.tobytes() + bytes(data[whole:]))


def _sums_agree(data: memoryview, written: memoryview) -> bool:
    """Whether bytes have Fletcher's checksum of 32 bits."""
    words = np.frombuffer(bytes(data) + bytes(len(data) % 2), ">u2")
    first = second = 0
    for at in range(0, len(words), 1 << 16):
        part = words[at : at + (1 << 16)].astype(np.int64)
        second += first * len(part) + int((part * np.arange(len(part), 0, -1)).sum())
        first += int(part.sum())
    sums = int.from_bytes(written, "little")
    return (sums & 0xFFFF) % 65535 == first % 65535 and (sums >> 16) % 65535 == second % 65535


def filters_of(space: Space, name: str, cursor: Cursor) -> tuple[Filter, ...]:
    """Return what was done to each chunk.

    Raises
    ------
    ModelFileError
        If a step is none that is read; it is named.
    """
    version, count = cursor.number(1), cursor.number(1)
    if version not in (1, 2) or count > 32:
        raise space.damaged(f"the filters of {name!r:.200} are none: version {version}, {count} of them")
    cursor.take(6 if version == 1 else 0)
    found = []
    for _ in range(count):
        kind = cursor.number(2)
        named = cursor.number(2) if version == 1 or kind >= 256 else 0
        cursor.take(2)
        values = cursor.number(2)
        cursor.take(-(-named // 8) * 8 if version == 1 else named)
        options = [cursor.number(4) for _ in range(values)]
        cursor.take(4 if version == 1 and values % 2 else 0)
        if kind not in (DEFLATE, SHUFFLE, FLETCHER):
            raise space.unsupported(f"{name!r:.200} is compressed by {FILTERS.get(kind, f'the filter {kind}')}")
        found.append(Filter(kind, options[0] if options else 0))
    return tuple(found)


def in_tree(root: int | None) -> Callable[[Chunked], dict[int, Chunk]]:
    """Return what finds chunks in a version 1 B-tree."""

    def find(of: Chunked) -> dict[int, Chunk]:
        found: dict[int, Chunk] = {}
        if root is None:
            return found
        space = of.space
        for key, address in leaves_of(space, root, 1, 8 + 8 * (len(of.shape) + 1)):
            cursor = Cursor(space, key, "the key of a chunk")
            size, mask = cursor.number(4), cursor.number(4)
            number = 0
            for length, step in zip(of.grid, of.chunk, strict=True):
                at, rest = divmod(cursor.number(8), step)
                if rest:
                    raise space.damaged(f"a chunk of {of.name!r:.200} begins within another")
                number = -1 if at >= length or number < 0 else number * length + at  # beyond the edge since it shrank
            if number in found or address is None:
                raise space.damaged(f"{of.name!r:.200} has a chunk twice, or nowhere")
            if number >= 0:
                found[number] = Chunk(address, size, mask)
        return found

    return find


def in_array(header: int | None) -> Callable[[Chunked], dict[int, Chunk]]:
    """Return what finds chunks in a fixed array."""

    def find(of: Chunked) -> dict[int, Chunk]:
        space = of.space
        if header is None:
            return {}
        head = space.signed(header, 24, b"FAHD", 0, "the list of chunks")
        filtered, width, bits, count, address = (head.number(size) for size in (1, 1, 1, 8, 8))
        if (
            filtered > 1
            or width not in range(13 if filtered else 8, 21 if filtered else 9)
            or count != math.prod(of.grid)
        ):
            raise space.unsupported(f"{of.name!r:.200} has a list of chunks that is longer than it needs")
        page = 1 << min(bits, 63)
        pages = -(-count // page) if count > page else 0
        mapped = -(-pages // 8)
        block = space.signed(address, 14 + mapped + count * width + 4 * pages, b"FADB", 0, "the list of chunks")
        block.take(9)
        written = int.from_bytes(block.take(mapped), "big")
        block.take(4 if pages else 0)
        found: dict[int, Chunk] = {}
        for number in range(count):
            if pages and number and number % page == 0:
                block.take(4)  # a page's checksum
            place = block.address()
            size = block.number(width - 12) if filtered else of.size
            mask = block.number(4) if filtered else 0
            if place is not None and (not pages or _is_written(written, number // page, mapped)):
                found[number] = Chunk(place, size, mask)
        return found

    return find


def _is_written(pages: int, page: int, size: int) -> bool:
    """Whether a page of a fixed array was written: the first is the highest bit of the first byte."""
    return bool(pages >> (8 * size - 1 - page) & 1)


def in_row(first: int | None, size: int | None = None, mask: int = 0) -> Callable[[Chunked], dict[int, Chunk]]:
    """Return what finds chunks that lie one after the other, or a single one."""

    def find(of: Chunked) -> dict[int, Chunk]:
        step = of.size if size is None else size
        if first is None:
            return {}
        return {number: Chunk(first + number * step, step, mask) for number in range(math.prod(of.grid))}

    return find
