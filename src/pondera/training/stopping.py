"""When training ends, and which weights are kept."""

from __future__ import annotations

import math
import signal
import threading
from types import FrameType
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

COMPLETED = "completed"
PATIENCE = "patience"
INTERRUPTED = "interrupted"
DIVERGED = "diverged"


INPUTS = "the inputs themselves"
"""Where values are not finite that no training made so: no other way to train helps."""

CHECK = "Remove the rows with such values, or fill them in."
ADVICE = "Try a smaller learning rate, gradient clipping, or inputs of a smaller scale."


class Ending(NamedTuple):
    """Why a training ended.

    Attributes
    ----------
    reason
        One of the above; empty while it goes on.
    message
        A sentence for people.
    cause
        Of one that diverged, where numbers first were not finite.
    at
        Of one that diverged, the number of the step, counted from where this training began.
    """

    reason: str = ""
    message: str = ""
    cause: str = ""
    at: int | None = None


NOT_YET = Ending()
"""Of a training that goes on."""


def advice_for(where: str) -> str:
    """Return what to do about values that are not finite, by where the first one appeared."""
    return CHECK if where == INPUTS else ADVICE


def without_epoch(left_out: int, networks: int) -> str:
    """Return the sentence about the networks of a population that are left out of it."""
    return f"{left_out} of {networks} networks finished no epoch and were left out."


class Best(Generic[T]):
    """The best of the things offered so far; of equals, the later."""

    def __init__(self) -> None:
        self.thing: T | None = None
        self.epoch = -1
        self.improved = -1  # the last epoch that was better than all before it, not only as good
        self.cost = math.inf

    def offer(self, thing: T, cost: float, epoch: int) -> None:
        """Keep the thing if its cost is no higher than the lowest so far. A NaN is never kept."""
        if cost < self.cost:
            self.improved = epoch
        if cost <= self.cost:
            self.thing, self.cost, self.epoch = thing, cost, epoch


class Interruption:
    """Ctrl-C as a wish that training looks at between steps, so that it stops clean.

    Inside ``with`` the first Ctrl-C sets :attr:`requested`; a second one raises :class:`KeyboardInterrupt` at once.
    Python delivers signals to its main thread only: elsewhere this listens to nothing, and a population's threads
    share the one that was made in the main thread. One within another takes what was wished before it began, and what
    comes after it is the outer one's: who saves what was learned is not cut off there.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._before: Any = None
        self._listening = False

    @property
    def requested(self) -> bool:
        """Whether somebody wants training to stop."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask training to stop at the next step it looks."""
        self._event.set()

    def __enter__(self) -> Interruption:
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as for a job in the background
        self._listening = threading.current_thread() is threading.main_thread() and not ignored
        if self._listening:
            self._before = signal.signal(signal.SIGINT, self._on_signal)
            outer = getattr(self._before, "__self__", None)
            if isinstance(outer, Interruption) and outer.requested:
                outer._event.clear()
                self._event.set()
        return self

    def __exit__(self, *_: object) -> None:
        if self._listening:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._event.is_set():
            raise KeyboardInterrupt
        self._event.set()
