"""Times long calls against each other at the same time: they go on in turns, so that all find the machine as fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

TURN = 1.0
"""Seconds of a turn, at least."""


class Turns:
    """Lets calls in threads of their own go on one after the other, and counts the seconds of each.

    A machine that others work on too is now fast and now slow, by more than what is to be measured. Measured one after
    the other, calls differ by that. Each of these calls says :meth:`over` whenever it can wait.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._order: list[str] = []  # of those that are not done; the first is on
        self._handed = threading.Condition()
        self._begun = 0.0

    def measure(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Do all calls, the first of them first, and return the seconds of each."""
        self.seconds, self._order = dict.fromkeys(calls, 0.0), list(calls)
        with ThreadPoolExecutor(len(calls)) as threads:
            for done in [threads.submit(self._do, name, call) for name, call in calls.items()]:
                done.result()
        return self.seconds

    def over(self, name: str, settle: Callable[[], object] = lambda: None) -> float:
        """Have the others go on if a turn is over, and return how many seconds that took.

        Before they do, ``settle`` waits for what the call still does in other threads: it belongs to its turn.
        """
        if time.perf_counter() - self._begun < TURN:
            return 0.0
        settle()
        left = time.perf_counter()
        self._give(name, done=False)
        self._wait(name)
        return time.perf_counter() - left

    def _do(self, name: str, call: Callable[[], object]) -> None:
        self._wait(name)
        try:
            call()
        finally:
            self._give(name, done=True)

    def _wait(self, name: str) -> None:
        with self._handed:
            self._handed.wait_for(lambda: self._order[0] == name)
            self._begun = time.perf_counter()

    def _give(self, name: str, *, done: bool) -> None:
        with self._handed:
            self.seconds[name] += time.perf_counter() - self._begun
            self._order.remove(name)
            self._order += [] if done else [name]
            self._handed.notify_all()
