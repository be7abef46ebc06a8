"""The folder that is served: names that pages may use, and nothing outside of it.

A name is checked here, so that what is wrong with it can be said. What is opened is opened through
:mod:`pondera.door`, which follows no link whatever becomes of the name after the check.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from pondera.door import Inside
from pondera.errors import ArgumentError
from pondera.files import is_text
from pondera.recording.schema import DATABASE, SNAPSHOTS, STATES
from pondera.weights.folder import PART

OWN = ".pondera"
"""The folder, in the one that is served, for what the workbench keeps: logs of trainings, the bin, uploads."""

LOGS, BIN, UPLOADS = "logs", "bin", "uploads"
"""Folders in it."""

LONGEST = 150
"""Bytes of a file of the workbench's own that is named by a run: systems allow names of 255."""

WINDOWS = os.name == "nt"
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\..*)?")
"""What Windows takes for a device, in every folder and with any ending."""

TABLES = (".csv", ".tsv", ".parquet", ".arrow", ".feather")
CHECKPOINTS = (
    ".safetensors",
    ".gguf",
    ".pt",
    ".pth",
    ".bin",
    ".ckpt",
    ".onnx",
    ".keras",
    ".h5",
    ".hdf5",
    ".npz",
    ".npy",
)
"""Endings by which files are sorted into lists; whether one can be read its first bytes decide."""

INDEX = ".index.json"
"""The ending of an index of a checkpoint in parts, after the ending of those: it stands for all of them."""


@dataclass(frozen=True)
class Served:
    """A folder whose files pages may name.

    Parameters
    ----------
    root
        The folder; it is there.
    """

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.resolve())

    @property
    def inside(self) -> Inside:
        """The same folder as what files are opened by."""
        return Inside(self.root)

    def path(self, name: str) -> Path:
        """Return the place that a name stands for: parts joined by slashes, below the folder, links never followed.

        Raises
        ------
        ArgumentError
            If the name is not of that form, or leads out of the folder.

        Examples
        --------
        >>> Served(Path("/")).path("../etc")
        Traceback (most recent call last):
        pondera.errors.ArgumentError: '../etc' leads out of the folder that is served. Give a name below it.
        """
        if name in ("", "."):
            return self.root
        parts = name.split("/")
        if any(letter in name for letter in "\\\0") or any(part in ("", ".", "..") for part in parts):
            raise ArgumentError(f"{name!r} leads out of the folder that is served. Give a name below it.")
        if any(len(os.fsencode(part)) > 255 for part in parts) or len(os.fsencode(name)) > 4000:
            raise ArgumentError("Expected the name of a file, found one that is too long. Give a shorter one.")
        if WINDOWS and any(":" in part or part[-1] in ". " or RESERVED.fullmatch(part) for part in parts):
            raise ArgumentError(f"{name!r} is no name of a file on Windows. Give a name without a colon, such as 'a'.")
        place = self.root
        for part in parts:
            place = place / part
            if place.is_symlink():
                raise ArgumentError(f"{name!r} is a link, which is not followed. Serve the folder that it leads to.")
        return place

    def existing(self, name: str) -> Path:
        """Return the place that a name stands for, once it is sure that something is there.

        Raises
        ------
        ArgumentError
            As of :meth:`path`, or if nothing is there.
        """
        place = self.path(name)
        if not place.exists():
            raise ArgumentError(f"{name!r}: there is no such file in the folder that is served.")
        return place

    def whole(self, name: str) -> list[Path]:
        """Return what changes where a checkpoint does: its file, of an index its parts, of a folder what is in it.

        Raises
        ------
        ArgumentError
            As of :meth:`existing`.
        """
        place = self.existing(name)
        if place.is_dir():
            return [place, *sorted(place.glob("*")), *sorted(place.glob("*/*"))]
        if not is_index(place.name):
            return [place]
        return [place, *sorted(each for each in place.parent.iterdir() if index_of(each.name) == place.name)]

    def run(self, name: str) -> Path:
        """Return the folder of a run, once it is sure that nothing in it is a link.

        Raises
        ------
        ArgumentError
            As of :meth:`path`, if there is none, or if something in it is a link.
        """
        folder = self.path(name)
        if not folder.exists():
            raise ArgumentError(f"{name!r}: there is no such run in the folder that is served.")
        for place in (folder, folder / SNAPSHOTS, folder / STATES):
            if place.is_dir() and any(each.is_symlink() for each in place.iterdir()):
                raise ArgumentError(f"{name!r} holds a link, which is not followed. Serve the folder that it leads to.")
        return folder

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Return the descriptor of a file; no part of its path is a link, also if it has become one just now.

        Raises
        ------
        ArgumentError, OSError
            As of :meth:`path`, and of :func:`os.open`.
        """
        return self.inside.open(self.path(name).relative_to(self.root).parts, flags)

    def open_own(self, flags: int, *parts: str) -> int:
        """Return the descriptor of a file of the workbench's own; folders are made where something is written.

        Raises
        ------
        OSError
            As of :func:`os.open`, and if something on the way is a link.
        """
        return self.inside.open((OWN, *parts), flags, make=bool(flags & os.O_CREAT))

    def read_own(self, *parts: str, last: int = 1 << 20) -> bytes | None:
        """Return what a file of the workbench's own holds, at most so many bytes of its end; None where there is none.

        Raises
        ------
        OSError
            If something on the way is a link, or the file cannot be read.
        """
        try:
            with os.fdopen(self.open_own(os.O_RDONLY, *parts), "rb") as file:
                file.seek(max(os.fstat(file.fileno()).st_size - last, 0))
                return file.read(last)
        except FileNotFoundError:
            return None

    def write_own(self, content: bytes, *parts: str) -> None:
        """Write a file of the workbench's own.

        Raises
        ------
        OSError
            As of :meth:`open_own`.
        """
        with os.fdopen(self.open_own(os.O_WRONLY | os.O_CREAT | os.O_TRUNC, *parts), "wb") as file:
            file.write(content)

    def remove_own(self, *parts: str) -> None:
        """Remove a file of the workbench's own, where there is one.

        Raises
        ------
        OSError
            If something on the way is a link.
        """
        (*above, name) = (OWN, *parts)
        with contextlib.suppress(FileNotFoundError), self.inside.holding(above) as folder:
            if folder is None:
                self.root.joinpath(*above, name).unlink()
            else:
                os.unlink(name, dir_fd=folder)

    def own_names(self, *parts: str) -> list[str]:
        """Return what is in a folder of the workbench's own, by name; nothing where there is none.

        Raises
        ------
        OSError
            If something on the way is a link.
        """
        try:
            with self.inside.holding((OWN, *parts)) as folder:
                return sorted(
                    filter(is_text, os.listdir(self.root.joinpath(OWN, *parts) if folder is None else folder))
                )
        except FileNotFoundError:
            return []

    def move(self, source: Path, target: Path) -> None:
        """Move something to where nothing is yet; folders on the way there are made.

        Raises
        ------
        OSError
            If it cannot be moved, or something on the way is a link.
        """
        (*above, name), (*below, new) = (self.inside.parts(place) for place in (source, target))
        with self.inside.holding(above) as before, self.inside.holding(below, make=True) as after:
            if before is None or after is None:
                os.rename(source, target)
            else:
                os.rename(name, new, src_dir_fd=before, dst_dir_fd=after)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, at which nothing is yet.

        Raises
        ------
        FileExistsError
            If something is there.
        OSError
            If it cannot be done, or something on the way is a link.
        """
        (*above, name), (*below, new) = (self.inside.parts(place) for place in (source, target))
        with self.inside.holding(above) as before, self.inside.holding(below) as after:
            if before is None or after is None:
                os.link(source, target)
                return
            try:
                os.link(name, new, src_dir_fd=before, dst_dir_fd=after, follow_symlinks=False)
            except (PermissionError, NotImplementedError):
                # Linux refuses so where a file system has no hard links, such as FAT; Python where the system has no
                # call that makes one without following links. The name is claimed first: nothing there is replaced.
                # Who may not write there at all is refused by the claim.
                os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=after))
                try:
                    os.rename(name, new, src_dir_fd=before, dst_dir_fd=after)
                except OSError:
                    os.unlink(new, dir_fd=after)
                    raise

    def name(self, place: Path) -> str:
        """Return the name of a place, as :meth:`path` takes it."""
        return place.relative_to(self.root).as_posix()

    def without_root(self, sentence: str) -> str:
        """Return a sentence in which files are called as pages call them, wherever the folder is."""
        return sentence.replace(f"{self.root}{os.sep}", "").replace(str(self.root), ".")


def is_index(name: str) -> bool:
    """Whether a file is called as the index of a checkpoint in parts."""
    return name.endswith(INDEX)


def index_of(name: str) -> str | None:
    """Return how the index of a checkpoint is called that a file would be a part of; None where it is called as none.

    Examples
    --------
    >>> index_of("model-00001-of-00002.safetensors"), index_of("model.safetensors")
    ('model.safetensors.index.json', None)
    """
    found = PART.fullmatch(name)
    return f"{found[1]}{found[4]}{INDEX}" if found else None


def slug(name: str) -> str:
    """Return a file's name for what is of a run: another for each run, and never too long.

    Examples
    --------
    >>> slug("a/b"), slug("a--b"), len(slug("a/b" * 1000))
    ('a%2Fb', 'a--b', 167)
    """
    found = quote(name, safe=" ")
    if len(found) <= LONGEST:
        return found
    return f"{found[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def name_of(slug: str) -> str | None:
    """Return which run a file's name is of; None where the run's name was too long for it.

    Examples
    --------
    >>> name_of(slug("a/b")), name_of(slug("a/b" * 1000)) is None
    ('a/b', True)
    """
    return unquote(slug) if len(slug) <= LONGEST else None


def free(place: Path) -> Iterator[Path]:
    """Yield a place and others beside it, of the next numbers, to be tried in this order.

    Examples
    --------
    >>> from itertools import islice
    >>> [each.name for each in islice(free(Path("a.csv")), 3)]
    ['a.csv', 'a-2.csv', 'a-3.csv']
    """
    yield place
    number = 1
    while True:
        number += 1
        yield place.with_name(f"{place.stem}-{number}{place.suffix}")


def kind_of(place: Path) -> str:
    """Return in which list a file belongs: table, checkpoint, snapshot, run, or other, which is in none."""
    ending = place.suffix.lower()
    if place.name == DATABASE:
        return "run"
    if place.parent.name in (SNAPSHOTS, STATES) and (place.parent.parent / DATABASE).exists():
        return "snapshot" if place.parent.name == SNAPSHOTS else "other"  # of a run: what it is followed by
    if is_index(place.name):
        ending = Path(place.name.removesuffix(INDEX)).suffix.lower()
    return "table" if ending in TABLES else "checkpoint" if ending in CHECKPOINTS else "other"
