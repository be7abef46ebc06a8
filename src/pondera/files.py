"""Files that are whole or not there: write beside, flush to the disk, rename."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pondera.door import opener
from pondera.errors import ArgumentError

BEGINNING = 4096
"""Bytes of a file that are looked at for what made it."""

LONGEST = 200
"""Bytes of a file's name that its part is named by: systems allow names of 255, and the part's is longer."""

FLUSHES_FOLDERS = os.name != "nt"  # Windows opens no folders


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes the final name only when everything went well.

    Whatever happens, a file under the final name is complete: the old one or the new one. A symbolic link stays; what
    it points to is written.

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
    final = _final(path)
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


@contextmanager
def folder_for(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Have a folder there, with those above it; if anything goes wrong, those made for it are taken away again.

    Raises
    ------
    OSError
        If they cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with suppress(ValueError), folder_for(Path(place, "a", "b")):
    ...         raise ValueError
    ...     os.listdir(place)
    []
    """
    place = Path(folder)
    missing = [each for each in (place, *place.parents) if not each.exists()]
    try:
        place.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):  # somebody else's files are in one by now
            for each in missing:
                each.rmdir()
        raise


def obstacle(path: str | os.PathLike[str]) -> str | None:
    """Return why no file can be written to a place, as what follows its name, or None.

    For work that takes long and ends with a file: to be asked before it begins. An empty file beside the place is made
    and taken away, which alone says whether the system allows it.

    Examples
    --------
    >>> obstacle("/"), obstacle("note.txt") is None
    ('is a folder; expected the name of a file', True)
    """
    try:
        final = _final(path)
        if final.is_dir():
            return "is a folder; expected the name of a file"
        if final.exists() and not final.is_file():
            return "is a pipe or device; expected the name of a file"
        if not final.parent.is_dir():
            return f"there is no folder '{final.parent}' to write to; make it first"
        with suppress(FileNotFoundError):
            final.lstat()  # which says where a name is too long; the part's is shorter
        probe = _beside(final)
        probe.open("xb").close()
        probe.unlink()
    except (OSError, ValueError) as error:  # a path that no system has is a ValueError
        return f"cannot be written: {getattr(error, 'strerror', None) or error}"
    return None


def check_place(path: str | os.PathLike[str], name: str, ours: bytes | None = None, advice: str = "") -> None:
    """Raise unless a file can be written to a place without a loss: to be asked before the work whose result it is.

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
        If there is an :func:`obstacle`, or a file that may not be replaced.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_place(Path(folder, "new.html"), "--html", b"<meta name='generator' content='Pondera")
    ...     _ = Path(folder, "notes.txt").write_text("mine")
    ...     check_place(Path(folder, "notes.txt"), "--html")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pondera.errors.ArgumentError: --html ...notes.txt: is there already; give another name.
    """
    why = obstacle(path) or _loss(Path(path), ours, advice)
    if why:
        raise ArgumentError(f"{name} {path}: {why}.")


def _loss(place: Path, ours: bytes | None, advice: str) -> str:
    """Return that a file is there which would be lost, and what to do; nothing where none would be."""
    if not place.exists() or not place.stat().st_size:
        return ""
    if ours is not None:
        with place.open("rb") as file:
            if ours in file.read(BEGINNING):
                return ""
    made = "" if ours is None else " and was not made by Pondera"
    return f"is there already{made}; give another name{advice and f', or {advice}'}"


def _final(path: str | os.PathLike[str]) -> Path:
    """Return where a file is to be in the end: a link is followed, also one to where nothing is yet."""
    final = Path(path)
    return Path(os.path.realpath(final)) if final.is_symlink() else final


def _beside(final: Path) -> Path:
    """Return the name of a part: hidden, of its own, and in the same folder, from which it can be renamed."""
    name = os.fsencode(final.name)[:LONGEST].decode(errors="ignore")
    return final.with_name(f".{name}.{secrets.token_hex(4)}.part")


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
    handle = open(path, "ab", opener=opener)  # noqa: SIM115 (who asked for it closes it)
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
            if not (os.path.exists(path) and os.path.samestat(os.fstat(handle.fileno()), os.stat(path))):
                raise BlockingIOError(errno.EAGAIN, "taken away by whoever held it", str(path))
    except BaseException:
        handle.close()
        raise
    return handle


def is_locked(path: str | os.PathLike[str]) -> bool:
    """Whether somebody holds the :func:`lock` of a file: any number may ask at once, and none takes another for it.

    Who wants the lock at that very moment is refused it.

    Raises
    ------
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     is_locked(file.name)
    False
    """
    if os.name == "nt":  # it knows one kind of lock
        try:
            lock(path).close()
        except BlockingIOError:
            return True
        return False
    import fcntl

    with open(path, "rb", opener=opener) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_text(name: str) -> bool:
    r"""Return whether a name can be told: systems have names that are no UTF-8, and no answer can hold them.

    Examples
    --------
    >>> is_text("ä.csv"), is_text("\udcff.csv")
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
