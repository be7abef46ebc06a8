"""What was read from files, kept until they change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """Remembers what was made from files, the last few of them.

    Parameters
    ----------
    most
        How many things are kept.

    Examples
    --------
    >>> kept = Kept(2)
    >>> kept.of([Path("a")], "size", lambda: 3), kept.of([Path("a")], "size", lambda: 4)
    (3, 3)
    """

    def __init__(self, most: int = 256) -> None:
        self.most = most
        self._things: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, files: list[Path], what: Hashable, make: Callable[[], T]) -> T:
        """Return what was made of some files before, or make it, where it was not or they have changed since."""
        key = (what, *((path, *version(path)) for path in files))
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
                found: T = self._things[key]
                return found
        made = make()  # outside of the lock: two may make the same, and nobody waits for what others make
        with self._lock:
            self._things[key] = made
            while len(self._things) > self.most:
                self._things.popitem(last=False)
        return made


def version(path: Path) -> tuple[int, int]:
    """Return what changes where a file changes: when it did, and its bytes; zeros where there is none."""
    try:
        told = path.stat()
    except OSError:
        return 0, 0
    return told.st_mtime_ns, told.st_size
