"""What is in the folder that is served, as far as that can be listed: folders are looked through, nearest first."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pondera.files import is_text
from pondera.workbench.served import Served, index_of, is_index, kind_of

MOST_LISTED = 5000
"""Files of a kind that are listed, at most: a page of more helps nobody."""

MOST_FOLDERS = 10_000
"""Folders that are looked through, at most."""

REST = 10
"""For how many times as long as a look took nothing is looked through again."""

NAMES = {"table": "tables", "checkpoint": "files of weights", "snapshot": "snapshots", "run": "runs"}


@dataclass(frozen=True)
class Listed:
    """What was found.

    Attributes
    ----------
    files
        By name: ``name``, ``kind``, ``bytes``, ``modified``.
    left_out
        Why there may be others, and what to do; None where all are listed.
    """

    files: tuple[dict[str, Any], ...]
    left_out: str | None


class Listing:
    """Lists the tables, files of weights and runs of a folder, and spends little of the time on it.

    Parameters
    ----------
    served
        The folder.
    """

    def __init__(self, served: Served) -> None:
        self.served = served
        self._lock = threading.Lock()  # who asks while somebody looks gets what that one finds
        self._last = Listed((), None)
        self._good_until = 0.0
        self._changes = self._seen = 0

    def now(self) -> Listed:
        """Return what is in the folder, or was a moment ago."""
        with self._lock:
            begun = time.monotonic()
            if begun >= self._good_until or self._changes != self._seen:
                self._seen = self._changes  # what changes while it looks it may not see
                self._last = self._look()
                ended = time.monotonic()
                self._good_until = ended + REST * (ended - begun)
            return self._last

    def forget(self) -> None:
        """Have the next look be a new one: something was put into the folder, or taken out of it."""
        self._changes += 1

    def runs(self) -> list[str]:
        """Return the names of the folders of runs, sorted."""
        return [str(each["name"]) for each in self.now().files if each["kind"] == "run"]

    def _look(self) -> Listed:
        found: list[dict[str, Any]] = []
        counts: Counter[str] = Counter()
        folders = deque([self.served.root])
        for _ in range(MOST_FOLDERS):
            if not folders:
                break
            for each in self._in(folders.popleft(), folders):
                counts[each["kind"]] += 1
                if counts[each["kind"]] <= MOST_LISTED:
                    found.append(each)
        many = [NAMES[kind] for kind, count in counts.items() if count > MOST_LISTED]
        reasons = [f"there are more than {MOST_LISTED:,} {' and '.join(many)}"] if many else []
        reasons += [f"there are more than {MOST_FOLDERS:,} folders"] if folders else []
        left_out = f"Not all is listed: {', and '.join(reasons)}. Serve a folder further down." if reasons else None
        return Listed(tuple(sorted(found, key=lambda each: str(each["name"]))), left_out)

    def _in(self, folder: Path, folders: deque[Path]) -> Iterator[dict[str, Any]]:
        """Yield what is in a folder, and put the folders in it to those that are looked through later."""
        try:
            with os.scandir(folder) as inside:
                entries = sorted((each for each in inside if is_text(each.name)), key=lambda each: each.name)
        except OSError:  # it is not for us, or has gone
            return
        there = {each.name for each in entries}
        for entry in entries:
            if entry.name.startswith(".") or entry.is_symlink() or index_of(entry.name) in there:
                continue
            place = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("__") and entry.name != "node_modules":
                    folders.append(place)
                continue
            kind = kind_of(place)
            if kind == "other":
                continue
            try:
                told = entry.stat(follow_symlinks=False)
                parts = [each for each in entries if index_of(each.name) == entry.name] if is_index(entry.name) else []
                size = told.st_size + sum(each.stat(follow_symlinks=False).st_size for each in parts)
            except FileNotFoundError:  # since it was listed
                continue
            yield {
                "name": self.served.name(folder if kind == "run" else place),
                "kind": kind,
                "bytes": size,
                "modified": told.st_mtime,
            }
