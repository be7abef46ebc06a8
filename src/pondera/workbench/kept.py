"""What was read from files, kept until they change."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

OBJECT = 1000
"""Bytes of any other thing, about, such as a tensor that lies in a file."""

MOST_BYTES = 128 << 20
"""Bytes that are kept, about."""


class Kept:
    """Remembers what was made from files: what was asked for last, as much as there is room for.

    Parameters
    ----------
    most
        How many things are kept.
    most_bytes
        How many bytes they take, about; what takes more alone is not kept.

    Examples
    --------
    >>> kept = Kept(2)
    >>> kept.of([Path("a")], "size", lambda: 3), kept.of([Path("a")], "size", lambda: 4)
    (3, 3)
    """

    def __init__(self, most: int = 256, most_bytes: int = MOST_BYTES) -> None:
        self.most, self.most_bytes = most, most_bytes
        self.bytes = 0
        self._things: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._made: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def of(self, files: list[Path], what: Hashable, make: Callable[[], T]) -> T:
        """Return what was made of some files before, or make it, where it was not or they have changed since.

        Whoever asks for what is being made waits for it; what others make nobody waits for.
        """
        key = (what, *((path, *version(path)) for path in files))
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
                found: T = self._things[key][0]
                return found
            making: Future[T] | None = self._made.get(key)
            if making is None:
                mine: Future[T] = Future()
                self._made[key] = mine
        if making is not None:
            return making.result()
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                del self._made[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._made[key]
            self._keep(key, made, size_of(made))
        mine.set_result(made)
        return made

    def _keep(self, key: Hashable, made: Any, size: int) -> None:
        if size > self.most_bytes:
            return
        self._things[key] = made, size
        self.bytes += size
        while len(self._things) > self.most or self.bytes > self.most_bytes:
            _, (_, gone) = self._things.popitem(last=False)
            self.bytes -= gone


def size_of(thing: Any) -> int:
    """Return about how many bytes something takes: plain values, arrays, and what is made of them.

    Examples
    --------
    >>> size_of(bytes(1000)) >= 1000, size_of({"a": [1.0] * 100}) > 2400
    (True, True)
    """
    own = sys.getsizeof(thing, 0)
    if isinstance(thing, Mapping):
        return own + sum(size_of(name) + size_of(value) for name, value in thing.items())
    if isinstance(thing, list | tuple | set | frozenset):
        return own + sum(map(size_of, thing))
    if isinstance(thing, np.ndarray):
        return max(own, thing.nbytes)
    if hasattr(thing, "weights") and isinstance(thing.weights, Mapping):
        return own + size_of(thing.weights)
    return own if isinstance(thing, str | bytes | int | float | None) else max(own, OBJECT)


def version(path: Path) -> tuple[int, ...]:
    """Return what changes where a file does, or another one or a link takes its place; zeros where there is none."""
    try:
        told = path.lstat()
    except OSError:
        return 0, 0, 0, 0
    return told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino
