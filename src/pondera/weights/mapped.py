"""Files as memory: mapped, never loaded; and what every reader checks of what a file claims."""

from __future__ import annotations

import contextlib
import itertools
import math
import mmap
import os
import stat
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pondera.door import opener
from pondera.errors import ModelFileError
from pondera.weights.cut import watch

Array = np.ndarray[Any, Any]

MOST_TENSORS = 500_000
"""More tensors than this are refused: the largest models known have about 100,000."""

MOST_AXES = 64
"""More axes than NumPy has are refused."""

MOST_VALUES = 1 << 58
"""More values than this have more bytes than can be addressed."""


KEPT = 1 << 27
"""About so many bytes of mapped files stay in memory, of all files together."""

AT_ONCE = 1 << 20
"""Bytes that may come into memory when one of them is looked at, if the system keeps the file in large pages."""


class FileMap(mmap.mmap):
    """A file's bytes, mapped for reading only; the ``obj`` of every memoryview of them.

    Attributes
    ----------
    path
        Of the file.
    number
        Higher than that of whatever was mapped before.
    cut
        Whether bytes that were looked at were not there any more: zeros were seen in their place.
    """

    path: Path
    number: int
    cut: bool
    _version: tuple[int, ...]

    @classmethod
    def of(cls, path: Path, file: BinaryIO) -> FileMap:
        """Return an open file mapped."""
        found = cls(file.fileno(), 0, access=mmap.ACCESS_READ)
        found.path, found.number, found.cut = path, next(_numbers), False
        found._version = _version(os.fstat(file.fileno()))
        watch(found, _address(found), len(found))
        _open.add(found)
        return found

    def mark(self) -> None:
        """Take note that the file was cut; it is known too when this mapping is gone."""
        self.cut = True
        _cut[self.path] = max(self.number, _cut.get(self.path, -1))

    def check(self) -> None:
        """Refuse to go on where the file is shorter than it was, or was when it was looked at, or was written to.

        Raises
        ------
        ModelFileError
            Says so.
        """
        if self.cut or self.size() < len(self):
            raise _became_shorter(self.path)
        try:
            now = _version(os.stat(self.path))
        except OSError:  # gone: what is mapped stays as it was, as it does where another file takes its name
            return
        if now[:2] == self._version[:2] and now != self._version:
            raise ModelFileError(
                f"{self.path}: was written to while it was read. Read it again when it is written to its end."
            )


_numbers = itertools.count()
_open: weakref.WeakSet[FileMap] = weakref.WeakSet()
_cut: dict[Path, int] = {}  # where a file was cut while it was looked at -> the number of the last mapping that saw it


def _version(told: os.stat_result) -> tuple[int, ...]:
    """Return what a file is known again by, two numbers, and what changes where it is written to."""
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns


def _became_shorter(path: Path) -> ModelFileError:
    return ModelFileError(f"{path}: became shorter while it was read. Read it again when it is written to its end.")


def mapped_so_far() -> int:
    """Return a number above those of all files mapped so far, and no higher than that of the next."""
    return next(_numbers) + 1


def check_whole(paths: Iterable[Path], since: int = 0) -> None:
    """Refuse what was made of files, once they have been looked at, if one of them was cut or written to meanwhile.

    Parameters
    ----------
    paths
        Of the files.
    since
        What :func:`mapped_so_far` gave before they were opened: what others mapped before is not looked at.

    Raises
    ------
    ModelFileError
        Says which.
    """
    wanted = set(paths)
    for path in wanted:
        if _cut.get(path, -1) >= since:
            raise _became_shorter(path)
    for file in list(_open):
        if file.path in wanted and file.number >= since:
            file.check()


def _address(buffer: Any) -> int:
    return int(np.frombuffer(buffer, np.uint8).__array_interface__["data"][0])


def file_of(buffer: memoryview) -> tuple[FileMap, int] | None:
    """Return the mapped file that a buffer is of, and where in it the buffer begins; None where it is of none."""
    return (buffer.obj, _address(buffer) - _address(buffer.obj)) if isinstance(buffer.obj, FileMap) else None


def require_uncut(source: Any) -> None:
    """Refuse what was made of a tensor's values, if they lie in a file that was found cut when they were looked at.

    Raises
    ------
    ModelFileError
        Says which.
    """
    file = getattr(getattr(source, "buffer", None), "obj", None)
    if isinstance(file, FileMap) and file.cut:
        raise _became_shorter(file.path)


class Residence:
    """Keeps what of mapped files lies in memory small, however large they are and however often they are read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: weakref.WeakSet[FileMap] = weakref.WeakSet()
        self._looked_at = 0

    def look(self, buffer: memoryview, nbytes: int) -> None:
        """Take note that so many bytes of a buffer are about to be looked at; of mapped files others make room.

        Their pages are dropped, and come back when they are looked at again. Arrays that refer to them stay valid:
        nothing is lost but the time to map pages again.
        """
        if not isinstance(buffer.obj, FileMap):
            return
        buffer.obj.check()
        if not hasattr(mmap, "MADV_DONTNEED"):  # Windows takes no advice
            return
        with self._lock:
            self._files.add(buffer.obj)
            self._looked_at += max(nbytes, AT_ONCE)
            if self._looked_at <= KEPT:
                return
            self._looked_at = 0
            files = list(self._files)
        if sum(map(len, files)) > KEPT:
            for file in files:
                with contextlib.suppress(OSError, ValueError):  # it is advice
                    file.madvise(mmap.MADV_DONTNEED)


_residence = Residence()
look = _residence.look


def map_file(path: Path) -> memoryview:
    """Return a file's bytes, mapped: the system reads them when they are looked at. Its ``obj`` is a FileMap.

    Raises
    ------
    ModelFileError
        If there is no such file, it is empty, is none (a folder, a pipe, a device) or may not be read.
    """
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise ModelFileError(f"{path}: is a folder, not a file. Give the path of a file of weights.")
        if not stat.S_ISREG(kind):
            raise ModelFileError(f"{path}: is a pipe or device. Give the path of a file of weights.")
        with open(path, "rb", opener=opener) as file:
            if not file.seek(0, 2):
                raise ModelFileError(f"{path}: is empty: expected a file of weights.")
            return memoryview(FileMap.of(path, file))
    except ModelFileError:
        raise
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such file. Give the path of a file of weights.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{path}: cannot be read: {reason}.") from error


def beside(path: Path, name: object) -> Path:
    """Return the file that another file names as its neighbour: in the same folder or below it, never elsewhere.

    Except that Hugging Face's cache keeps each version of a model as a folder ``snapshots/…`` of links into ``blobs``,
    a folder beside ``snapshots``: these links, and no others, may leave the folder.

    Raises
    ------
    ModelFileError
        If the name is absolute, leads out of the folder (by ``..`` or by a link) or in a circle, or is none.
    """
    if not isinstance(name, str) or not name or "\x00" in name:
        raise ModelFileError(f"{path}: expected the name of a file beside it, found {name!r:.80}.")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise ModelFileError(f"{path}: names a file {name!a:.80}, which no system can have.") from None
    folder = Path(os.path.realpath(path.parent))
    found = Path(os.path.realpath(folder / name))
    below = not Path(name).is_absolute() and "\\" not in name and ".." not in Path(name).parts
    if below and found.parent in _blobs(folder):
        return path.parent / name
    if not below or not found.is_relative_to(folder):
        link = " but behind a link that leads out of it" if below else ""
        raise ModelFileError(
            f"{path}: names the file {name!r:.200}, which is not in its folder{link}. Only files beside it are read; "
            "copy it there."
        )
    if os.path.islink(found):  # what a link leads to at last is none
        raise ModelFileError(
            f"{path}: names the file {name!r:.200}, a link that leads in a circle. Copy the file there."
        )
    return found


def _blobs(folder: Path) -> list[Path]:
    """Return where Hugging Face's cache keeps the files of a folder in it; nothing for any other folder."""
    return [above.parent / "blobs" for above in folder.parents if above.name == "snapshots"]


def checked_shape(path: Path, name: str, shape: Sequence[object]) -> tuple[int, ...]:
    """Return a shape that a file claims, if a tensor can have it.

    Raises
    ------
    ModelFileError
        If a length is no whole number of at least 0, or there are more axes or values than anything can hold.
    """
    if len(shape) > MOST_AXES:
        raise ModelFileError(f"{path}: tensor {name!r:.200} has {len(shape)} axes; expected at most {MOST_AXES}.")
    lengths: list[int] = []
    for length in shape:
        if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length < MOST_VALUES:
            raise ModelFileError(
                f"{path}: tensor {name!r:.200} has the shape {list(shape)!r:.200}; expected whole numbers from 0 up."
            )
        lengths.append(length)
    if math.prod(length or 1 for length in lengths) >= MOST_VALUES:  # NumPy refuses an overflow beside a 0 too
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} of the shape {lengths!r:.200} would have more values than can be addressed. "
            "The file is damaged."
        )
    return tuple(lengths)


def checked_count(path: Path, tensors: int) -> None:
    """Refuse more tensors than :data:`MOST_TENSORS`.

    Raises
    ------
    ModelFileError
        Says how many there are.
    """
    if tensors > MOST_TENSORS:
        raise ModelFileError(
            f"{path}: holds {tensors:,} tensors; expected at most {MOST_TENSORS:,}. The file is damaged or no model."
        )


def checked_range(path: Path, name: str, start: int, stop: int, end: int, what: str = "tensor") -> None:
    """Refuse values that do not lie within the file.

    Raises
    ------
    ModelFileError
        Says where they would lie, and where the file ends.
    """
    if not 0 <= start <= stop <= end:
        raise ModelFileError(
            f"{path}: {what} {name!r:.200} would lie at bytes {start:,} to {stop:,} of {end:,}. The file is cut short "
            "or damaged; restore it from a copy."
        )
