"""Datasets of an HDF5 file: from what an object's header says to a tensor whose values are read on demand.

Section IV.A.2.i (layout) of https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html. Values that lie in one
piece are mapped and never copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import ml_dtypes
import numpy as np

from pondera.weights.hdf5.attributes import Attributes
from pondera.weights.hdf5.chunks import MOST_CHUNK, Chunked, Filter, filters_of, in_array, in_row, in_tree
from pondera.weights.hdf5.kept import MOST_KEPT
from pondera.weights.hdf5.objects import (
    DATASPACE,
    DATATYPE,
    EXTERNAL,
    FILL,
    FILTERS,
    LAYOUT,
    Message,
    messages_of,
)
from pondera.weights.hdf5.space import Cursor, Space
from pondera.weights.hdf5.types import Kind, kind_of, shape_of
from pondera.weights.layout import Converted, Strided
from pondera.weights.mapped import checked_range
from pondera.weights.tensor import Array, Mapped, Source, Tensor

MOST_CHUNKS = 1 << 20

INDEXES = {4: "an extensible array, for one axis that may grow", 5: "a tree, for several axes that may grow"}


class Place(NamedTuple):
    """Bytes that belong to one dataset alone."""

    start: int
    stop: int
    name: str


class Dataset(NamedTuple):
    """A dataset that was read: its tensor, or in words why it is none; and where its values lie."""

    tensor: Tensor | None
    why: str = ""
    place: Place | None = None


def dataset_of(space: Space, name: str, messages: Sequence[Message]) -> Dataset:
    """Return the dataset that an object's header describes.

    Raises
    ------
    ModelFileError
        If it is damaged, or its numbers are kept in a way that is not read.
    """
    said = {message.kind: message for message in reversed(messages)}
    if not {DATASPACE, DATATYPE, LAYOUT} <= said.keys():
        return Dataset(None, "no dataset")
    if any(message.shared and kind in (DATASPACE, FILTERS) for kind, message in said.items()):
        raise space.unsupported(f"{name!r:.200} shares its shape or its filters with other datasets")
    if said[DATATYPE].shared:
        said[DATATYPE] = _named_type(space, name, said[DATATYPE])
    shape = shape_of(Cursor(space, said[DATASPACE].body, f"the shape of {name!r:.200}"), name)
    kind = kind_of(Cursor(space, said[DATATYPE].body, f"the type of {name!r:.200}"))
    if kind.words == "opaque bytes" and kind.size == 2 and Attributes(space, messages).get("dtype") == "bfloat16":
        kind = Kind(2, "bfloat16", np.dtype(ml_dtypes.bfloat16))  # as Keras writes it
    if kind.dtype is None or shape is None:
        return Dataset(None, "nothing" if shape is None else kind.words)
    if EXTERNAL in said:
        raise space.unsupported(f"{name!r:.200} keeps its values in other files")
    stored, place = _Layout(space, name, shape, kind, said).read()
    if kind.big and kind.size > 1:
        stored = Converted(stored, kind.dtype)
    return Dataset(Tensor(name, shape, kind.words, stored), "", place)


def _named_type(space: Space, name: str, message: Message) -> Message:
    """Return the type that has a name of its own, which a dataset only points at."""
    cursor = Cursor(space, message.body, f"the type of {name!r:.200}")
    version, kind = cursor.number(1), cursor.number(1)
    if version == 3 and kind != 2:
        raise space.unsupported(f"{name!r:.200} shares its type with other datasets through a heap")
    cursor.take(6 if version == 1 else 0)
    for found in messages_of(space, cursor.address()):
        if found.kind == DATATYPE and not found.shared:
            return found
    raise space.damaged(f"the type of {name!r:.200} is not where it should be")


class _Layout(NamedTuple):
    """What is known of a dataset while its layout is read."""

    space: Space
    name: str
    shape: tuple[int, ...]
    kind: Kind
    said: dict[int, Message]

    @property
    def total(self) -> int:
        return math.prod(self.shape)

    def read(self) -> tuple[Source, Place | None]:
        """Return where the values come from, and the bytes that are theirs alone."""
        space, name, size = self.space, self.name, self.total * self.kind.size
        cursor = Cursor(space, self.said[LAYOUT].body, f"the layout of {name!r:.200}")
        version, kind = cursor.number(1), cursor.number(1)
        if version not in (3, 4, 5) or kind not in (0, 1, 2):
            what = "is put together from other datasets" if kind == 3 else f"has a layout of version {version}"
            raise space.unsupported(f"{name!r:.200} {what}")
        if not size:
            return Mapped(space.view, 0, self.kind.stored, 0), None
        if kind == 2:
            return self._chunked(cursor, version)
        address = None if kind == 0 else cursor.address()
        given = cursor.number(2 if kind == 0 else 8)
        if kind == 1 and address is None:
            return self._unwritten(), None
        if given != size:
            raise space.damaged(f"{name!r:.200} takes {size:,} bytes; the file gives it {given:,}")
        if address is None:
            return Mapped(cursor.take(size), 0, self.kind.stored, self.total), None
        checked_range(space.path, name, address, address + size, len(space.view))
        return Mapped(space.view, address, self.kind.stored, self.total), Place(address, address + size, name)

    def _fill(self) -> Array:
        """Return what stands where nothing was written, (1,)."""
        given = memoryview(b"")
        if FILL in self.said and not self.said[FILL].shared:
            cursor = Cursor(self.space, self.said[FILL].body, f"the fill value of {self.name!r:.200}")
            version = cursor.number(1)
            flags = cursor.number(1) if version == 3 else cursor.number(3) >> 16
            if flags & 0x20 if version == 3 else flags:
                given = cursor.take(cursor.number(4))
        if len(given) != self.kind.size:
            given = memoryview(bytes(self.kind.size))
        return np.frombuffer(given, self.kind.stored)

    def _unwritten(self) -> Source:
        self.space.claim(self.name, self.total * self.kind.size)
        fill = memoryview(self._fill().tobytes())
        return Strided(fill, 0, self.kind.stored, self.shape, (0,) * len(self.shape))

    def _chunked(self, cursor: Cursor, version: int) -> tuple[Source, Place | None]:
        flags = cursor.number(1) if version > 3 else 0
        axes = cursor.number(1)
        root = cursor.address() if version == 3 else None
        width = cursor.number(1) if version > 3 else 4
        if axes != len(self.shape) + 1 or not 1 <= width <= 8:
            raise self.space.damaged(
                f"the chunks of {self.name!r:.200} have {axes - 1} axes; expected {len(self.shape)}"
            )
        *chunk, last = (cursor.number(width) for _ in range(axes))
        filters = self._filters()
        if 0 in chunk or last != self.kind.size:
            raise self.space.damaged(f"the chunks of {self.name!r:.200} have lengths that cannot be: {chunk}, {last}")
        find = in_tree(root)
        if version > 3:
            index = cursor.number(1)
            if index not in (1, 2, 3) or (filters and flags & 1):
                why = INDEXES.get(index, f"an index of the kind {index}")
                raise self.space.unsupported(f"{self.name!r:.200} has its chunks in {why}")
            size, mask = (cursor.number(8), cursor.number(4)) if index == 1 and flags & 2 else (None, 0)
            cursor.take(1 if index == 3 else 0)
            root = cursor.address()
            find = in_array(root) if index == 3 else in_row(root, size, mask)
        found = Chunked(self.space, self.name, self.shape, tuple(chunk), self.kind.stored, filters, find, self._fill())
        chunks = math.prod(found.grid)
        if found.size > MOST_CHUNK or chunks > MOST_CHUNKS:
            raise self.space.damaged(
                f"{self.name!r:.200} would have {chunks:,} chunks of {found.size:,} bytes; expected at most "
                f"{MOST_CHUNKS:,} of {MOST_CHUNK:,}"
            )
        row = math.prod(found.grid[1:]) * found.size  # what lies side by side is needed at the same time
        if filters and row > MOST_KEPT:
            raise self.space.unsupported(
                f"{self.name!r:.200} is compressed in chunks of which {row:,} bytes have to be unpacked at a time"
            )
        self.space.count(chunks)
        self.space.touch(self.name, found.touches, found.nbytes)
        self.space.claim(self.name, chunks * found.size)
        return found, None if root is None else Place(root, root + 1, self.name)

    def _filters(self) -> tuple[Filter, ...]:
        if FILTERS not in self.said:
            return ()
        return filters_of(self.space, self.name, Cursor(self.space, self.said[FILTERS].body, "a list of filters"))
