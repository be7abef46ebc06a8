"""What a GGUF file says before its tensors: facts about the model, each a key, a type and a value.

Nothing that a file claims is kept unless it is small: of a vocabulary of 100,000 texts the first few are.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pondera.errors import ModelFileError

MOST_FACTS = 100_000
"""More facts than this are refused; models have some dozens."""

MOST_DEPTH = 4
"""Arrays nested deeper than this are refused; models have none in arrays."""

MOST_ITEMS = 1 << 24
"""More texts and arrays within arrays than this, all together, are refused: they can only be passed one by one."""

MOST_KEPT = 1 << 26
"""More bytes of names, texts and numbers to be kept than this, all together, are refused."""

SIZE_OF_ITEM = 32
"""How many bytes a number or a text takes in Python beside its own."""

LONGEST_LIST = 64
"""An array up to this length is kept whole; of a longer one (a vocabulary) its type, length and beginning are kept."""

SHOWN = 8
"""How many items the beginning of a long array has."""

TEXT, ARRAY = 8, 9

NUMBERS: dict[int, tuple[str, struct.Struct]] = {
    0: ("uint8", struct.Struct("<B")),
    1: ("int8", struct.Struct("<b")),
    2: ("uint16", struct.Struct("<H")),
    3: ("int16", struct.Struct("<h")),
    4: ("uint32", struct.Struct("<I")),
    5: ("int32", struct.Struct("<i")),
    6: ("float32", struct.Struct("<f")),
    7: ("bool", struct.Struct("<?")),
    10: ("uint64", struct.Struct("<Q")),
    11: ("int64", struct.Struct("<q")),
    12: ("float64", struct.Struct("<d")),
}
"""The types of facts that are single numbers."""

U32, U64 = NUMBERS[4][1], NUMBERS[10][1]


@dataclass
class Cursor:
    """A place in the file that moves on as values are taken, and what has been taken so far.

    Attributes
    ----------
    path, view
        The file.
    at
        The next byte.
    kept
        How many bytes of names, texts and numbers have been kept.
    items
        How many texts and arrays within arrays have been passed.
    """

    path: Path
    view: memoryview = field(repr=False)
    at: int
    kept: int = 0
    items: int = 0

    def skip(self, size: int) -> int:
        """Pass over bytes and return where they began.

        Raises
        ------
        ModelFileError
            If the file ends before.
        """
        begin = self.at
        if size > len(self.view) - begin:
            raise ModelFileError(
                f"{self.path}: the GGUF file ends within its list of facts and tensors, at byte {len(self.view):,}. It "
                "is cut short or damaged; restore it from a copy."
            )
        self.at += size
        return begin

    def number(self, kind: struct.Struct) -> Any:
        """Return the next number."""
        return kind.unpack_from(self.view, self.skip(kind.size))[0]

    def text(self) -> bytes:
        """Return the next text, undecoded."""
        size = self.number(U64)
        begin = self.skip(size)
        self.keep(size)
        return bytes(self.view[begin : self.at])

    def name(self, what: str) -> str:
        """Return the next text, which names something.

        Raises
        ------
        ModelFileError
            If it is no text.
        """
        found = self.text()
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError:
            raise ModelFileError(
                f"{self.path}: expected the name of a {what} in UTF-8, found {found!r:.80}. The file is damaged."
            ) from None

    def pass_items(self, kind: int, length: int, depth: int, key: str) -> None:
        """Pass over items of an array without keeping them."""
        if kind in NUMBERS:
            self.skip(length * NUMBERS[kind][1].size)
            return
        self.count_items(length)
        if kind == TEXT:
            self._pass_texts(length)
            return
        for _ in range(length):
            inner, count = self.array_head(depth + 1, key)
            self.pass_items(inner, count, depth + 1, key)

    def _pass_texts(self, count: int) -> None:
        at, last, size_at = self.at, len(self.view) - U64.size, U64.unpack_from
        for _ in range(count):  # a vocabulary has 100,000 or more: nothing but what is needed
            if at > last:
                self.skip(len(self.view))  # which there are not
            at += U64.size + size_at(self.view, at)[0]
        self.skip(at - self.at)

    def keep(self, size: int) -> None:
        """Count what is kept of the file.

        Raises
        ------
        ModelFileError
            If it gets too much.
        """
        self.kept += size + SIZE_OF_ITEM
        if self.kept > MOST_KEPT:
            raise ModelFileError(
                f"{self.path}: holds names and facts of more than {MOST_KEPT:,} bytes. The file is damaged or no model."
            )

    def count_items(self, count: int) -> None:
        """Count texts and arrays within arrays.

        Raises
        ------
        ModelFileError
            If there are too many.
        """
        self.items += count
        if self.items > MOST_ITEMS:
            raise ModelFileError(
                f"{self.path}: holds arrays of more than {MOST_ITEMS:,} texts. The file is damaged or no model."
            )

    def array_head(self, depth: int, key: str) -> tuple[int, int]:
        """Return the type of an array's items and how many there are.

        Raises
        ------
        ModelFileError
            If there is no such type, or arrays are nested too deep.
        """
        if depth > MOST_DEPTH:
            raise ModelFileError(
                f"{self.path}: the fact {key!r:.200} has arrays nested over {MOST_DEPTH} deep. The file is damaged."
            )
        kind = self.number(U32)
        _check_kind(self.path, key, kind)
        return kind, self.number(U64)


def _check_kind(path: Path, key: str, kind: int) -> None:
    if kind not in NUMBERS and kind not in (TEXT, ARRAY):
        raise ModelFileError(
            f"{path}: the fact {key!r:.200} is of the type {kind:,}; expected one of 0 to 12. The file is damaged."
        )


def read_facts(cursor: Cursor, count: int) -> dict[str, Any]:
    """Return the facts that come next.

    Raises
    ------
    ModelFileError
        If there are too many or too long ones, one occurs twice, or is of no known type.
    """
    if count > MOST_FACTS:
        raise ModelFileError(
            f"{cursor.path}: holds {count:,} facts; expected at most {MOST_FACTS:,}. The file is damaged or no model."
        )
    facts: dict[str, Any] = {}
    for _ in range(count):
        key = cursor.name("fact")
        if key in facts:
            raise ModelFileError(f"{cursor.path}: holds the fact {key!r:.200} twice. The file is damaged.")
        kind = cursor.number(U32)
        _check_kind(cursor.path, key, kind)
        facts[key] = _value(cursor, kind, 0, key)
    return facts


def _value(cursor: Cursor, kind: int, depth: int, key: str) -> Any:
    """Return a value of a type as plain data."""
    if kind == TEXT:
        return cursor.text().decode("utf-8", errors="replace")
    if kind in NUMBERS:
        cursor.keep(0)
        value = cursor.number(NUMBERS[kind][1])
        return value if not isinstance(value, float) or math.isfinite(value) else str(value)
    cursor.keep(0)
    inner, length = cursor.array_head(depth + 1, key)
    kept = length if length <= LONGEST_LIST else SHOWN
    if inner not in NUMBERS:
        cursor.count_items(kept)
    items = [_value(cursor, inner, depth + 1, key) for _ in range(kept)]
    if kept == length:
        return items
    cursor.pass_items(inner, length - kept, depth + 1, key)
    name = NUMBERS[inner][0] if inner in NUMBERS else "text" if inner == TEXT else "array"
    return {"type": name, "length": length, "first": items}
