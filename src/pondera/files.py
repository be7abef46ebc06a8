"""Files that are whole or not there: write beside, flush to the disk, rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes the final name only when everything went well.

    Whatever happens, a file under the final name is complete: the old one or the new one.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full.

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
    part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    part.open("xb").close()
    try:
        yield part
        _flush(part)
        part.replace(final)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _flush(final.parent)  # so that the new name survives a power cut too


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
