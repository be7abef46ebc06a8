"""The folder that is served: names that pages may use, and nothing outside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pondera.errors import ArgumentError

OWN = ".pondera"
"""The folder, in the one that is served, for what the workbench keeps: logs of trainings and the bin."""

MOST_LISTED = 5000
"""Files that are listed at most: a page of more helps nobody."""

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

    def name(self, place: Path) -> str:
        """Return the name of a place, as :meth:`path` takes it."""
        return place.relative_to(self.root).as_posix()

    def files(self) -> list[dict[str, Any]]:
        """Return the tables, files of weights and runs of the folder: ``name``, ``kind``, ``bytes``, ``modified``."""
        found = [each for each in self._walk() if each["kind"] != "other"]
        return sorted(found, key=lambda each: str(each["name"]))

    def _walk(self) -> Iterator[dict[str, Any]]:
        seen = 0
        for folder, inside, names in os.walk(self.root, followlinks=False):
            inside[:] = sorted(name for name in inside if not name.startswith((".", "__")) and name != "node_modules")
            for name in sorted(names):
                place = Path(folder, name)
                kind = _kind(place)
                if kind == "other" or name.startswith(".") or place.is_symlink():
                    continue
                seen += 1
                if seen > MOST_LISTED:
                    return
                told = place.stat()
                named = place.parent if kind == "run" else place
                yield {
                    "name": self.name(named) if named != self.root else ".",
                    "kind": kind,
                    "bytes": told.st_size,
                    "modified": told.st_mtime,
                }


def _kind(place: Path) -> str:
    ending = place.suffix.lower()
    if place.name == "run.sqlite":
        return "run"
    if place.parent.name in ("snapshots", "states") and (place.parent.parent / "run.sqlite").exists():
        return "snapshot" if place.parent.name == "snapshots" else "other"  # of a run: what it is followed by
    return "table" if ending in TABLES else "checkpoint" if ending in CHECKPOINTS else "other"
