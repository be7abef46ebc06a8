"""Attributes of an HDF5 object: texts and numbers that describe it, read when they are asked for.

Sections III.E (global heap) and IV.A.2.m (attribute) of
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pondera.errors import ModelFileError
from pondera.weights.hdf5.heaps import Heap, records_of
from pondera.weights.hdf5.objects import ATTRIBUTE, ATTRIBUTE_INFO, Message
from pondera.weights.hdf5.space import UNDEFINED, Cursor, Space
from pondera.weights.hdf5.types import Kind, kind_of, shape_of

BY_NAME = 8
"""The type of a version 2 B-tree that indexes attributes by their names."""

MOST_NUMBERS = 100_000
"""An attribute of more values than this is not taken into memory."""

Plain = str | int | float | bool | list[str] | list[int] | list[float] | list[bool]


class _Place(NamedTuple):
    kind: Kind
    shape: tuple[int, ...] | None
    data: Cursor


class Attributes:
    """The attributes of one object.

    Parameters
    ----------
    space
        The file.
    messages
        What the object's header says.
    """

    def __init__(self, space: Space, messages: Sequence[Message]) -> None:
        self.space, self.messages = space, [m for m in messages if m.kind in (ATTRIBUTE, ATTRIBUTE_INFO)]
        self._places: dict[str, _Place | None] | None = None

    def names(self) -> list[str]:
        """Return the names of all."""
        return list(self._found())

    def get(self, name: str) -> Plain | None:
        """Return an attribute as plain values; None if there is none, or it is of another kind or too long.

        Raises
        ------
        ModelFileError
            If it is damaged, or larger than any such file needs.
        """
        place = self._found().get(name)
        if place is None or place.shape is None:
            return None
        kind, shape, data = place.kind, place.shape, place.data
        count = math.prod(shape)
        if count > MOST_NUMBERS:
            return None
        data.at = 0
        values: list[str] | list[int] | list[float] | list[bool]
        if kind.text:
            values = list(self._texts(name, kind, count, data))
        elif kind.dtype is not None:
            self.space.recall(name, 8 * count)
            values = np.frombuffer(data.take(count * kind.size), kind.stored).astype(kind.dtype).tolist()
        else:
            return None
        return values if shape else values[0]

    def text(self, name: str) -> str:
        """Return an attribute that is one text, or an empty text."""
        found = self.get(name)
        return found if isinstance(found, str) else ""

    def texts(self, name: str) -> list[str] | None:
        """Return an attribute that is a list of texts, or None.

        Keras writes a long list as several: ``weight_names0``, ``weight_names1`` and so on.
        """
        parts = [name] if name in self._found() else []
        if not parts:
            while f"{name}{len(parts)}" in self._found():
                parts.append(f"{name}{len(parts)}")
        if not parts:
            return None
        found = [self.get(part) for part in parts]
        return [value for part in found if isinstance(part, list) for value in part if isinstance(value, str)]

    def _found(self) -> dict[str, _Place | None]:
        """Return where each attribute's values lie; None where that cannot be told."""
        if self._places is None:
            self._places = {}
            for cursor in self._messages():
                name, place = _attribute(cursor)
                if self._places.setdefault(name, place) is not place:
                    raise self.space.damaged(f"an object has the attribute {name!r:.200} twice")
        return self._places

    def _messages(self) -> Iterator[Cursor]:
        for message in self.messages:
            cursor = Cursor(self.space, message.body, "an attribute")
            if message.kind == ATTRIBUTE and not message.shared:
                yield cursor
            elif message.kind == ATTRIBUTE_INFO:
                cursor.take(1)
                cursor.take(2 if cursor.number(1) & 1 else 0)
                address, tree = cursor.address(), cursor.address()
                if address is not None:
                    heap = Heap(self.space, address)
                    for record in records_of(self.space, tree, BY_NAME):
                        yield heap.item(record[:8])

    def _texts(self, name: str, kind: Kind, count: int, data: Cursor) -> Iterator[str]:
        heaps = self.space.texts
        for _ in range(count):
            if kind.text == "fixed":
                given = data.take(kind.size)
            else:
                length, address, index = data.number(4), data.number(8), data.number(4)
                if not length or address == UNDEFINED:
                    yield ""
                    continue
                if address not in heaps:
                    heaps[address] = _heap(self.space, address)
                if index not in heaps[address]:
                    raise self.space.damaged(f"the heap of texts at byte {address:,} has no item {index}")
                given = heaps[address][index][:length]
            self.space.recall(name, len(given))
            yield bytes(given).partition(b"\x00")[0].decode("utf-8", errors="replace")


def _attribute(cursor: Cursor) -> tuple[str, _Place | None]:
    """Return an attribute's name, and where its values lie."""
    version, flags = cursor.number(1), cursor.number(1)
    if version not in (1, 2, 3):
        raise cursor.space.unsupported(f"it has an attribute of version {version}")
    sizes = [cursor.number(2) for _ in range(3)]
    cursor.take(1 if version == 3 else 0)
    parts = []
    for size in sizes:
        parts.append(Cursor(cursor.space, cursor.take(size), "an attribute"))
        if version == 1:
            cursor.align()
    name = parts[0].name(sizes[0])
    if version > 1 and flags & 3:  # its type is described elsewhere
        return name, None
    try:
        kind, shape = kind_of(parts[1]), shape_of(parts[2], name)
    except ModelFileError:  # what is never asked for may be of any kind
        return name, None
    return name, _Place(kind, shape, Cursor(cursor.space, cursor.take(cursor.left), f"the attribute {name!r:.200}"))


def _heap(space: Space, address: int) -> dict[int, memoryview]:
    """Return the items of a global heap collection, where texts of varying length are kept."""
    head = space.signed(address, 16, b"GCOL", 1, "a heap of texts")
    head.take(3)
    heap = space.cursor(address, head.number(8), "a heap of texts")
    heap.take(16)
    items: dict[int, memoryview] = {}
    while heap.left >= 16:
        space.count()
        index = heap.number(2)
        heap.take(6)
        size = heap.number(8)
        if not index:  # what follows is free
            break
        items[index] = heap.take(size)
        heap.align()
    return items
