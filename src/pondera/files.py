"""Files that are whole or not there: look at the place, write beside, flush to the disk, rename."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pondera.errors import ArgumentError

BEGINNING = 4096
"""Bytes of a file that are looked at for what made it."""

FLUSHES_FOLDERS = os.name != "nt"  # Windows opens no folders


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes the final name only when everything went well.

    Whatever happens, a file under the final name is complete: the old one or the new one.

    Raises
    ------
    OSError
        If the path has no file name, the folder cannot be written to or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "note.txt")) as part:
    ...         _ = part.write_text("whole")
    ...     Path(folder, "note.txt").read_text(), len(os.listdir(folder))
    ('whole', 1)
    """
    final = Path(path)
    if not final.name:
        raise IsADirectoryError(errno.EISDIR, "the path has no file name", str(path))
    part = _beside(final)
    part.open("xb").close()
    try:
        yield part
        _flush(part, os.O_RDWR)
        part.replace(final)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if FLUSHES_FOLDERS:
        _flush(final.parent, os.O_RDONLY)  # so that the new name survives a power cut too


def check_place(path: str | os.PathLike[str], name: str, ours: bytes | None = None, advice: str = "") -> None:
    """Raise unless a file can be written to a place: to be asked before the work whose result the file is.

    Parameters
    ----------
    path
        Where the file is to be.
    name
        What the user calls it, for messages: ``"--html"``.
    ours
        What files that may be replaced hold within their first :data:`BEGINNING` bytes. Others, but for empty ones,
        may not; without it none may, and ``b""`` allows all.
    advice
        What else the user can do where a file is there already, such as ``"replace it with --force"``.

    Raises
    ------
    ArgumentError
        If the folder is not there or cannot be written to, or something is there that may not be replaced.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_place(Path(folder, "new.html"), "--html", b"<meta name='generator' content='Pondera")
    ...     _ = Path(folder, "notes.txt").write_text("mine")
    ...     check_place(Path(folder, "notes.txt"), "--html")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pondera.errors.ArgumentError: --html names ...notes.txt, which is there already. Give another name.
    """
    place = Path(path)
    try:
        wrong = _wrong(place, ours, advice)
        if not wrong:
            trial = _beside(place)  # permissions alone do not tell: disks may be read-only, and names too long
            trial.open("xb").close()
            trial.unlink()
    except (OSError, ValueError) as error:  # ValueError: a path that no system has
        wrong = f"which cannot be written: {getattr(error, 'strerror', None) or error}. Give another place."
    if wrong:
        raise ArgumentError(f"{name} names {place}, {wrong}")


def _wrong(place: Path, ours: bytes | None, advice: str) -> str:
    """Return what is there that may not be replaced, or is missing, and what to do."""
    if place.is_dir():
        return "which is a folder. Give the name of a file."
    if not place.parent.is_dir():
        return f"and there is no folder {place.parent}. Make the folder first."
    if not place.exists():
        return ""
    if not place.is_file():
        return "which is a pipe or device. Give the name of a file."
    if not place.stat().st_size or (ours is not None and ours in _beginning(place)):
        return ""
    made = "" if ours is None else " and was not made by Pondera"
    return f"which is there already{made}. Give another name{advice and f', or {advice}'}."


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BEGINNING)


def _beside(final: Path) -> Path:
    """Return a name beside a file, which no other file has."""
    return final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")


def _flush(path: Path, access: int) -> None:
    handle = os.open(path, access)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
