"""The chunks of a dataset that were unpacked last: the values that are read next lie in the same ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from pondera.weights.tensor import Array

MOST_KEPT = 1 << 28
"""No more bytes than this are kept, or one chunk that is larger."""


class Kept:
    """Arrays by the place they are unpacked from, those that were asked for last."""

    def __init__(self) -> None:
        self._found: OrderedDict[int, Array] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, place: int, unpack: Callable[[], Array]) -> Array:
        """Return an array, unpacked if it is not here."""
        with self._lock:
            if place in self._found:
                self._found.move_to_end(place)
                return self._found[place]
        array = unpack()
        with self._lock:
            self._found[place] = array
            most = MOST_KEPT // max(1, array.nbytes)  # chunks of a dataset are all of one size
            while len(self._found) > max(1, most):
                self._found.popitem(last=False)
        return array

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._found.clear()
