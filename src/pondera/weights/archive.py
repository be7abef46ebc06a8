"""Zip archives as checkpoints use them: entries that are stored are mapped, entries that are deflated are streamed.

Zip's own promises are checked before anything is believed: every entry lies within the file, no two overlap (which is
how a small file claims to hold terabytes), names differ, nothing is encrypted.
"""

from __future__ import annotations

import io
import struct
import threading
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pondera.door import opener
from pondera.errors import ModelFileError
from pondera.weights.mapped import checked_count
from pondera.weights.tensor import Array

LOCAL = struct.Struct("<4s5H3L2H")  # the header before each entry
AT_ONCE = 1 << 20  # bytes that are inflated at a time


@dataclass(frozen=True)
class Entry:
    """One file of an archive.

    Attributes
    ----------
    path
        The archive.
    name
        The entry's name within it.
    view
        The archive's bytes.
    start, packed
        Where the entry's bytes begin, and how many there are.
    size
        How many bytes it says it has once unpacked.
    deflated
        Whether it is compressed.
    """

    path: Path
    name: str
    view: memoryview = field(repr=False)
    start: int
    packed: int
    size: int
    deflated: bool

    @property
    def stored(self) -> memoryview:
        """The bytes of an entry that is not compressed, mapped."""
        return self.view[self.start : self.start + self.packed]

    def head(self, most: int) -> bytes:
        """Return the first bytes of the entry, unpacked, at most ``most``."""
        if not self.deflated:
            return bytes(self.stored[:most])
        return Stream(self).read(min(most, self.size))

    def read(self, most: int) -> bytes:
        """Return the whole entry, unpacked.

        Raises
        ------
        ModelFileError
            If it has more than ``most`` bytes, or is damaged.
        """
        if self.size > most:
            raise ModelFileError(
                f"{self.path}: the entry {self.name!r:.200} says it has {self.size:,} bytes; expected at most "
                f"{most:,}. The file is damaged or no checkpoint."
            )
        return self.head(self.size)


class Stream:
    """An entry's bytes in order, unpacked as they are asked for."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        self.at = entry.start
        self.end = entry.start + entry.packed
        self.position = 0  # of what has been read

    def read(self, count: int) -> bytes:
        """Return the next bytes.

        Raises
        ------
        ModelFileError
            If they are damaged, or there are fewer.
        """
        parts = io.BytesIO()
        while parts.tell() < count:
            waiting = self.unpacker.unconsumed_tail
            if not waiting and self.at < self.end:
                waiting = bytes(self.entry.view[self.at : min(self.at + AT_ONCE, self.end)])
                self.at += len(waiting)
            try:
                part = self.unpacker.decompress(waiting, min(count - parts.tell(), AT_ONCE))
            except zlib.error as error:
                raise self._damaged(str(error)) from None
            if not part and (self.unpacker.eof or (not waiting and self.at >= self.end)):
                raise self._damaged(f"it ends after {self.position + parts.tell():,} of {self.entry.size:,} bytes")
            parts.write(part)
        self.position += count
        return parts.getvalue()

    def skip(self, count: int) -> None:
        """Pass over bytes without keeping them."""
        while count:
            step = min(count, AT_ONCE)
            self.read(step)
            count -= step

    def _damaged(self, why: str) -> ModelFileError:
        return ModelFileError(f"{self.entry.path}: the entry {self.entry.name!r:.200} cannot be unpacked: {why}.")


class Inflated:
    """Values in a compressed entry: read in order they cost one pass, and no more memory than what is asked for.

    Parameters
    ----------
    entry
        The compressed entry.
    start
        Where in it the first value begins.
    dtype, count
        What the values are, and how many.
    """

    def __init__(self, entry: Entry, start: int, dtype: np.dtype[np.generic], count: int) -> None:
        self.entry, self.start, self.dtype, self.count = entry, start, dtype, count
        self._stream: Stream | None = None
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """How many bytes the values take, unpacked."""
        return self.count * self.dtype.itemsize

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1; going back begins from the front again."""
        first = self.start + start * self.dtype.itemsize
        with self._lock:
            if self._stream is None or self._stream.position > first:
                self._stream = Stream(self.entry)
            self._stream.skip(first - self._stream.position)
            return np.frombuffer(self._stream.read((stop - start) * self.dtype.itemsize), self.dtype)


def entries_of(path: Path, view: memoryview) -> dict[str, Entry]:
    """Return the files of a zip archive by name, in the archive's order.

    Raises
    ------
    ModelFileError
        If the archive is damaged, or makes a promise that cannot be.
    """
    checked_count(path, _listed(view))  # before a million of them take memory
    try:
        with open(path, "rb", opener=opener) as file, zipfile.ZipFile(file) as archive:
            listed = archive.infolist()
    # What zipfile raises of a damaged archive; it becomes a sentence, nothing is passed over.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, OverflowError) as error:
        raise ModelFileError(
            f"{path}: the zip archive cannot be read: {str(error).rstrip('.')}. It is damaged."
        ) from None
    checked_count(path, len(listed))
    found: dict[str, Entry] = {}
    for info in listed:
        if not info.filename:
            raise ModelFileError(f"{path}: an entry of the zip archive has no name. It is damaged.")
        if info.filename.endswith("/"):
            continue
        if info.filename in found:
            raise ModelFileError(f"{path}: the zip archive holds {info.filename!r:.200} twice. It is damaged.")
        found[info.filename] = _entry(path, view, info)
    reached, before = 0, ""
    for entry in sorted(found.values(), key=lambda each: each.start):
        if entry.start < reached:
            raise ModelFileError(
                f"{path}: the entries {before!r:.200} and {entry.name!r:.200} of the zip archive overlap. It is "
                "damaged, or made to look larger than it is."
            )
        reached, before = entry.start + entry.packed, entry.name
    return found


def _listed(view: memoryview) -> int:
    """Return how many entries the directory at the end of an archive seems to have, without reading it."""
    tail = bytes(
        view[-(1 << 16) - 98 :]
    )  # the end record, its comment, and the two records before it in a large archive
    at = tail.rfind(b"PK\x05\x06")
    if not 0 <= at <= len(tail) - 22:
        return 0
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    large = tail.rfind(b"PK\x06\x06", 0, at)
    if large >= 0:
        at, size = large, int.from_bytes(tail[large + 40 : large + 48], "little")
    end = len(view) - len(tail) + at
    return sum(
        bytes(view[start : min(start + AT_ONCE + 3, end)]).count(b"PK\x01\x02")
        for start in range(max(0, end - size), end, AT_ONCE)
    )


def _entry(path: Path, view: memoryview, info: zipfile.ZipInfo) -> Entry:
    name = info.filename
    if info.flag_bits & 1:
        raise ModelFileError(
            f"{path}: the entry {name!r:.200} is encrypted. Unpack the archive with its password first."
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ModelFileError(
            f"{path}: the entry {name!r:.200} is compressed by method {info.compress_type}; expected none or deflate."
        )
    at = info.header_offset
    if not 0 <= at <= len(view) - LOCAL.size or bytes(view[at : at + 4]) != b"PK\x03\x04":
        raise ModelFileError(
            f"{path}: the entry {name!r:.200} of the zip archive is not where it should be. It is damaged."
        )
    lengths = LOCAL.unpack_from(view, at)[-2:]
    start = at + LOCAL.size + sum(lengths)
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    if start + info.compress_size > len(view) or (not deflated and info.compress_size != info.file_size):
        raise ModelFileError(
            f"{path}: the entry {name!r:.200} of the zip archive ends after the file does. It is cut short."
        )
    return Entry(path, name, view, start, info.compress_size, info.file_size, deflated)
