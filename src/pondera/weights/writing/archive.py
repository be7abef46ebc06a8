"""Zip archives of uncompressed entries, written in one go, the bytes of each at a multiple of 64 in the file.

So a reader can map the values where they lie, aligned for whatever loads they are read with. The room before an entry
is made as PyTorch makes it, by a field in the entry's header that says nothing. Entries from 2 GB on and archives
beyond 4 GB have zip's 64-bit fields.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pondera.errors import ArgumentError

ALIGNED = 64
FIELD = struct.Struct("<2sH")  # the name of a further field in an entry's header, and its length
SHORT = (1 << 31) - 1
"""The longest entry that has no 64-bit fields."""

LONGEST_NAME = (1 << 16) - 1
"""Of an entry, in bytes."""


class NewArchive:
    """An archive that is being written.

    Parameters
    ----------
    file
        Where it goes, empty.
    archive
        What writes zip's own structures there.
    """

    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile) -> None:
        self.file, self.archive = file, archive

    def add(self, name: str, size: int, pieces: Iterable[bytes | memoryview]) -> int:
        """Append an entry of ``size`` bytes and return the check sum of its content."""
        info = zipfile.ZipInfo(name)
        info.CRC = 0  # or it has no header yet
        wide = size > SHORT
        begin = self.file.tell() + len(info.FileHeader(wide)) + FIELD.size
        room = -begin % ALIGNED
        info.extra = FIELD.pack(b"FB", room) + b"Z" * room
        with self.archive.open(info, "w", force_zip64=wide) as entry:
            for piece in pieces:
                entry.write(piece)
        info.extra = b""  # the archive's table of contents need not repeat it
        return info.CRC


@contextmanager
def new_archive(path: Path) -> Iterator[NewArchive]:
    """Yield an archive to write into a file."""
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as archive:
        yield NewArchive(file, archive)


def check_entry(name: str) -> None:
    """Refuse a name that an entry of an archive cannot have.

    Raises
    ------
    ArgumentError
        If it is too long, or would be another name in the archive.
    """
    if zipfile.ZipInfo(name).filename != name or len(name.encode()) > LONGEST_NAME:
        raise ArgumentError(
            f"No file in a zip archive can be called {name!r:.200}: its name may have {LONGEST_NAME:,} bytes and no "
            "zero byte. Write safetensors."
        )
