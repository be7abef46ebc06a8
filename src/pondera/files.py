"""Files that are whole or not there: write beside, flush to the disk, rename."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

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
    part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
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


def _flush(path: Path, access: int) -> None:
    handle = os.open(path, access)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(path: str | os.PathLike[str]) -> IO[bytes]:
    """Return an open file that nobody else can lock until it is closed or this process ends, however it ends.

    Raises
    ------
    BlockingIOError
        If another process, or this one, holds it.
    OSError
        If the file cannot be written.
    """
    handle = open(path, "ab")  # noqa: SIM115 (who asked for it closes it)
    try:
        if os.name == "nt":
            import msvcrt

            try:
                msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            except PermissionError:
                raise BlockingIOError(errno.EAGAIN, "locked", str(path)) from None
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        handle.close()
        raise
    return handle
