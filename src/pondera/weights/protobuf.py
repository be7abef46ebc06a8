"""The wire format of protocol buffers, as much of it as files of weights need (https://protobuf.dev/programming-guides/encoding).

A message is one field after the other: a key, which is the field's number and how it is written, then a number of
variable length, four bytes, eight bytes, or a length and as many bytes. Numbers of variable length ("varints") have
seven bits a byte, the lowest first, and the highest bit of a byte says that another follows. A repeated number is
either a field each time or "packed": all of them, one after the other, in one field.

Nothing is copied: what a field holds is a view of the file, and a message within a message is a view of its parent.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pondera.errors import ModelFileError
from pondera.weights.tensor import Array

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""How a field is written; 3 and 4, which begin and end a group, have not been in use for many years."""

WIDTHS = {FIXED64: 8, FIXED32: 4}

LONGEST = 10
"""A varint has at most this many bytes, which hold 64 bits."""

MOST_FIELDS = 5_000_000
"""A file with more fields than this is refused: a network of 100,000 operations has about 2,000,000."""

MOST_COPIED = 1 << 28
"""Values that do not lie in one piece are copied together; a file in which they take more bytes is refused."""

BLOCK = 1 << 16
AT_ONCE = 1 << 18  # varints that are decoded at a time

Known = Mapping[int, tuple[str, tuple[int, ...]]]
"""The fields of a kind of message that are wanted: number -> name, and the ways it may be written."""


class Field(NamedTuple):
    """One field of a message.

    Attributes
    ----------
    name
        As the format's description has it.
    integer
        The value of a varint, 0 … 2⁶⁴ − 1; 0 for anything else.
    data
        The bytes of the value: of text, of a message, of packed numbers, or of one number.
    """

    name: str
    integer: int
    data: memoryview


@dataclass
class Allowance:
    """How much of a file may still be taken apart: what keeps a small lie from costing hours or all memory."""

    fields: int = MOST_FIELDS
    copied: int = MOST_COPIED


class Message(NamedTuple):
    """The bytes of a message and where they are from.

    Attributes
    ----------
    path
        The file.
    what
        What the message is, for messages to people: ``"node"``.
    data
        Its bytes.
    allowance
        Shared by all messages of a file.

    Examples
    --------
    >>> message = Message(Path("a.pb"), "person", memoryview(bytes.fromhex("0a03416e6e1025")), Allowance())
    >>> for found in message.fields({1: ("name", (BYTES,)), 2: ("age", (VARINT,))}):
    ...     print(found.name, message.text(found) if found.name == "name" else found.integer)
    name Ann
    age 37
    """

    path: Path
    what: str
    data: memoryview
    allowance: Allowance

    def fields(self, known: Known) -> Iterator[Field]:
        """Yield the fields that are wanted, in the order of the file; others are passed over.

        Raises
        ------
        ModelFileError
            If the bytes are no fields, one of them ends after the message does or is not written as it should be, or
            the file has more than :data:`MOST_FIELDS`.
        """
        data, end, allowance = self.data, len(self.data), self.allowance
        try:
            for number, wire, integer, start, stop in raw_fields(data):
                allowance.fields -= 1
                if stop > end or allowance.fields < 0:
                    break
                if number in known:
                    name, ways = known[number]
                    if wire not in ways:
                        raise self.damaged(f"its field {name!r} is written as type {wire}")
                    yield Field(name, integer, data[start:stop])
            else:
                return
        except IndexError:
            raise self.damaged("it ends in the middle of a number") from None
        except WireError as error:
            raise self.damaged(str(error)) from None
        if allowance.fields < 0:
            raise ModelFileError(
                f"{self.path}: holds more than {MOST_FIELDS:,} fields; no network has as many. The file is damaged."
            )
        raise self.damaged(f"its field {number} would end {stop - end:,} bytes after it")

    def inner(self, found: Field, what: str) -> Message:
        """Return the message that a field holds."""
        return Message(self.path, what, found.data, self.allowance)

    def text(self, found: Field, most: int | None = None) -> str:
        """Return the text that a field holds, or its beginning where it has more than ``most`` bytes.

        Raises
        ------
        ModelFileError
            If it is no UTF-8.
        """
        cut = most is not None and len(found.data) > most
        try:
            return bytes(found.data[:most]).decode("utf-8", errors="ignore" if cut else "strict")
        except UnicodeDecodeError:
            raise self.damaged(f"its field {found.name!r} is no text") from None

    def joined(self, before: memoryview | bytearray | None, found: Field) -> memoryview | bytearray:
        """Return packed numbers with those of one more field after them; only the first piece is not copied.

        Raises
        ------
        ModelFileError
            If more than :data:`MOST_COPIED` bytes of the file come in pieces.
        """
        if before is None:
            return found.data
        self.allowance.copied -= len(found.data) + (len(before) if isinstance(before, memoryview) else 0)
        if self.allowance.copied < 0:
            raise ModelFileError(
                f"{self.path}: more than {MOST_COPIED:,} bytes of values lie in pieces, some in the {self.what}; "
                "load it with the library that wrote it and save it again."
            )
        whole = bytearray(before) if isinstance(before, memoryview) else before
        whole += found.data
        return whole

    def damaged(self, why: str) -> ModelFileError:
        """Return the error that says what is wrong with this message."""
        return ModelFileError(f"{self.path}: the {self.what} cannot be read: {why}. The file is damaged or cut short.")


class WireError(ValueError):
    """Bytes that are no field; callers say in which message."""


def raw_fields(data: memoryview | bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield number, way of writing, value of a varint, and where the value begins and ends, of each field.

    The last one may end after the data does: to see that is left to the caller.

    Raises
    ------
    WireError
        If what follows is no field.
    IndexError
        If the data end within a number.
    """
    at, end = 0, len(data)
    while at < end:
        key, start = data[at], at + 1
        if key >= 0x80:  # calling a function for each byte would take twice as long
            key, start = varint(data, at)
        number, wire, integer = key >> 3, key & 7, 0
        if not 0 < number < 1 << 29:
            raise WireError(f"it has a field with the number {number}")
        if wire == VARINT:
            integer, stop = varint(data, start)
        elif wire == BYTES:
            length, start = data[start], start + 1
            if length >= 0x80:
                length, start = varint(data, start - 1)
            stop = start + length
        elif wire in WIDTHS:
            stop = start + WIDTHS[wire]
        else:
            raise WireError(f"its field {number} is written as type {wire}, which is none")
        yield number, wire, integer, start, stop
        at = stop


def varint(data: memoryview | bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it.

    Raises
    ------
    WireError
        If it has more than :data:`LONGEST` bytes.
    IndexError
        If the data end before it does.

    Examples
    --------
    >>> varint(bytes([0x96, 0x01]), 0)
    (150, 2)
    """
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    found = byte & 0x7F
    for place in range(1, LONGEST):
        byte = data[at + place]
        found |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return found & (1 << 64) - 1, at + place + 1
    raise WireError(f"a number has more than {LONGEST} bytes")


def signed(integer: int) -> int:
    """Return the number below zero that a varint above 2⁶³ stands for.

    >>> signed(2**64 - 1), signed(5)
    (-1, 5)
    """
    return integer - (1 << 64) if integer >> 63 else integer


@dataclass(frozen=True)
class Varints:
    """Numbers packed as varints, decoded when they are asked for.

    The first reading counts how many end in each block of bytes, so that any stretch is found without decoding those
    before it.

    Attributes
    ----------
    where
        The file and the tensor, as messages begin.
    data
        All bytes of the numbers.
    dtype
        What comes out: the lowest bits of each number, as many as the dtype has.
    count
        How many numbers there should be.
    """

    where: str
    data: memoryview = field(repr=False)
    dtype: np.dtype[Any]
    count: int

    @property
    def nbytes(self) -> int:
        """How many bytes the numbers take."""
        return len(self.data)

    @functools.cached_property
    def before(self) -> Array:
        """How many numbers end before each block of bytes, and at last in all of them, (blocks + 1,)."""
        raw = np.frombuffer(self.data, np.uint8)
        counts = [np.count_nonzero(raw[at : at + BLOCK] < 0x80) for at in range(0, len(raw), BLOCK)]
        found: Array = np.cumsum([0, *counts])
        if found[-1] != self.count or (len(raw) and raw[-1] >= 0x80):
            raise ModelFileError(
                f"{self.where} has {self.count:,} values; its numbers are {found[-1]:,}"
                f"{' and the beginning of another' if len(raw) and raw[-1] >= 0x80 else ''}. The file is damaged."
            )
        return found

    def flat(self, start: int, stop: int) -> Array:
        """Return the numbers start … stop − 1.

        Raises
        ------
        ModelFileError
            If the bytes do not hold as many numbers as they should, or no numbers.
        """
        found = np.empty(max(0, stop - start), self.dtype)
        bits = np.dtype(f"u{self.dtype.itemsize}")
        for first in range(start, stop, AT_ONCE):
            last = min(first + AT_ONCE, stop)
            found[first - start : last - start] = self._decoded(first, last).astype(bits).view(self.dtype)
        return found

    def _decoded(self, first: int, last: int) -> Array:
        begin, end = self._place(first), self._place(last)
        if end - begin > LONGEST * (last - first):
            raise self._too_long()
        raw = np.frombuffer(self.data[begin:end], np.uint8)
        ends = np.flatnonzero(raw < 0x80)  # (numbers,)
        begins = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - begins + 1
        longest = int(lengths.max())
        if longest > LONGEST:
            raise self._too_long()
        found = np.zeros(len(ends), np.uint64)
        for place in range(longest):
            having = np.flatnonzero(lengths > place)
            part = (raw[begins[having] + place] & 0x7F).astype(np.uint64)
            found[having] |= part << np.uint64(7 * place)
        return found

    def _place(self, numbers: int) -> int:
        """Return how many bytes the first so many numbers take."""
        block = int(np.searchsorted(self.before, numbers)) - 1  # the one in which the last of them ends
        if block < 0:
            return 0
        at = block * BLOCK
        ends = np.flatnonzero(np.frombuffer(self.data[at : at + BLOCK], np.uint8) < 0x80)
        return at + int(ends[numbers - int(self.before[block]) - 1]) + 1

    def _too_long(self) -> ModelFileError:
        return ModelFileError(f"{self.where} holds a number of more than {LONGEST} bytes. The file is damaged.")
