"""The door through which files are opened to be read: it can be closed to all but one folder, links not followed.

A program that reads what others name, as the workbench does, closes it once, for the whole process. Every reader opens
its files here, so that none can forget to ask, and what is asked is asked of the very file that is opened: each part of
its path is opened in turn, by a descriptor of the one before it, and a link is refused where it stands. A check of the
name beforehand would be of another file where the name is changed in between.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
FOLDER = getattr(os, "O_DIRECTORY", 0)
DESCRIPTORS = Path("/proc/self/fd")
WALKS = os.open in os.supports_dir_fd  # Windows opens nothing by descriptors of folders

LINK = "it is a link, which is not followed. Serve the folder that it leads to"
OUTSIDE = "it lies outside of the folder that is served. Copy it there, or serve a folder that holds it"


@dataclass(frozen=True)
class Inside:
    """A folder out of which nothing leads.

    Parameters
    ----------
    root
        The folder, without links in its path.
    """

    root: Path

    def parts(self, path: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the parts of a path below the folder.

        Raises
        ------
        PermissionError
            If it is none below it.
        """
        for place in (os.path.abspath(path), os.path.realpath(path)):
            if Path(place).is_relative_to(self.root):
                return Path(place).relative_to(self.root).parts
        raise PermissionError(errno.EACCES, OUTSIDE, str(path))

    @contextmanager
    def holding(self, parts: Sequence[str], make: bool = False) -> Iterator[int | None]:
        """Yield a descriptor of a folder below this one, None where the system has none; no part of it is a link.

        Parameters
        ----------
        parts
            Names, from this folder down.
        make
            Whether folders that are not there are made.

        Raises
        ------
        OSError
            If one is a link, or no folder.
        """
        if not WALKS:
            self._look(parts, make)
            yield None
            return
        held = os.open(self.root, os.O_RDONLY | FOLDER)
        try:
            for part in parts:
                if make:
                    _make(part, held)
                below = _open(part, os.O_RDONLY | FOLDER, held)
                os.close(held)
                held = below
            yield held
        finally:
            os.close(held)

    def open(self, parts: Sequence[str], flags: int, make: bool = False) -> int:
        """Return the descriptor of a file below the folder; no part of its path is a link.

        Parameters
        ----------
        parts
            Names, from this folder down.
        flags
            As :func:`os.open` takes them.
        make
            Whether folders that are not there are made.

        Raises
        ------
        OSError
            As of :func:`os.open`, and if something is a link.
        """
        if not parts:
            return os.open(self.root, flags)
        with self.holding(parts[:-1], make) as folder:
            if folder is not None:
                return _open(parts[-1], flags, folder)
            place = self.root.joinpath(*parts)
            if place.is_symlink():
                raise OSError(errno.ELOOP, LINK)
            opened = os.open(place, flags | getattr(os, "O_BINARY", 0), 0o666)
            self._look(parts[:-1], make=False)  # nothing became a link in between
            return opened

    def check_file(self, parts: Sequence[str]) -> None:
        """Refuse what is no file, or has a link in its path.

        Raises
        ------
        OSError
            If it has.
        """
        with self.holding(parts[:-1]) as folder:
            place = str(self.root.joinpath(*parts)) if folder is None else parts[-1]
            kind = os.stat(place, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISLNK(kind):
            raise OSError(errno.ELOOP, LINK)
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is no file")

    def _look(self, parts: Sequence[str], make: bool) -> None:
        place = self.root
        for part in parts:
            place = place / part
            if make:
                place.mkdir(exist_ok=True)
            if place.is_symlink() or Path(os.path.realpath(place)) != place:
                raise OSError(errno.ELOOP, LINK)


def _make(part: str, folder: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(part, dir_fd=folder)


def _open(part: str, flags: int, folder: int) -> int:
    """Open one name in a folder; a pipe is not waited for."""
    try:
        return os.open(part, flags | NO_LINK | getattr(os, "O_NONBLOCK", 0), 0o666, dir_fd=folder)
    except OSError as error:
        try:
            is_link = stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)
        except OSError:
            is_link = False
        if is_link:
            raise OSError(errno.ELOOP, LINK) from None
        raise error


class Door:
    """What is asked wherever a file is opened to be read."""

    def __init__(self) -> None:
        self.inside: Inside | None = None

    def open(self, path: str | os.PathLike[str], flags: int) -> int:
        """Return a descriptor, as the ``opener`` of :func:`open`.

        Raises
        ------
        OSError
            As of :func:`os.open`; and while the door is closed, of what lies elsewhere, and of links.
        """
        if self.inside is None:
            return os.open(path, flags, 0o666)
        return self.inside.open(self.inside.parts(path), flags)

    def check_database(self, path: Path) -> None:
        """Refuse a database that may not be opened: SQLite opens by name, so it is asked before.

        It is looked at and not opened: to close one descriptor of a file is to lose the locks of all others.

        Raises
        ------
        OSError
            As of :meth:`open`.
        """
        if self.inside is not None:
            self.inside.check_file(self.inside.parts(path))

    def check_opened(self, database: sqlite3.Connection) -> None:
        """Refuse a database that turned into another while it was opened: asked after.

        SQLite itself follows no link in the last part of a name, and says which name it opened. Where the system tells
        what is behind each descriptor of the process, no database outside of the folder may be.

        Raises
        ------
        OSError
            If it lies elsewhere.
        """
        if self.inside is None:
            return
        (_, _, opened) = database.execute("PRAGMA database_list").fetchone()
        self.inside.parts(opened)
        for each in DESCRIPTORS.iterdir() if DESCRIPTORS.is_dir() else ():
            if self._is_foreign(each):
                raise PermissionError(errno.EACCES, OUTSIDE)

    def _is_foreign(self, descriptor: Path) -> bool:
        """Whether a database outside of the folder is behind a descriptor of this process."""
        assert self.inside is not None
        try:
            target = os.readlink(descriptor)
            if not target.startswith("/") or Path(target).is_relative_to(self.inside.root):
                return False
            told = os.stat(descriptor)
            if not stat.S_ISREG(told.st_mode) or not told.st_nlink:  # one without a name is SQLite's own
                return False
            return os.pread(int(descriptor.name), 16, 0) == b"SQLite format 3\0"
        except OSError:
            return False  # it was closed since, or cannot be read


_door = Door()
opener = _door.open
check_database = _door.check_database
check_opened = _door.check_opened


@contextmanager
def only_below(folder: Path) -> Iterator[Inside]:
    """Close the door to all but one folder, for the whole process, as long as this goes on.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, only_below(Path(folder)):
    ...     open("/etc/hostname", "rb", opener=opener)
    Traceback (most recent call last):
    PermissionError: [Errno 13] it lies outside of the folder that is served. Copy it there, or serve a folder that holds it: '/etc/hostname'
    """  # noqa: E501
    before = _door.inside
    _door.inside = Inside(Path(os.path.realpath(folder)))
    try:
        yield _door.inside
    finally:
        _door.inside = before
