"""Steps that wait for the thread that writes: only so many, for each holds two states of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pondera.recording.writer import RunWriter

MOST_WAITING, MANY = 4, 128
"""Steps that wait at most, of large networks and of small ones; from then on training waits too, instead of memory
filling. A small training may be over before what looks at its first step is compiled."""

HELD = 64 << 20
"""Bytes that waiting steps may hold; as many as MOST_WAITING may wait whatever they hold."""


class Backlog:
    """What one training has a writer look at, in its order.

    Parameters
    ----------
    writer
        Whose thread looks.
    size
        Bytes that a waiting step holds; None where that is not known.

    Attributes
    ----------
    waiting
        How many steps wait.
    most
        How many may.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, RunWriter(Path(folder)) as writer:
    ...     seen, backlog = [], Backlog(writer)
    ...     for step in range(9):
    ...         backlog.add(seen.append, step)
    ...     writer.flush()
    ...     seen, backlog.waiting
    ([0, 1, 2, 3, 4, 5, 6, 7, 8], 0)
    """

    def __init__(self, writer: RunWriter, size: int | None = None) -> None:
        self.writer, self.waiting = writer, 0
        self.most = MOST_WAITING if size is None else max(min(HELD // max(size, 1), MANY), MOST_WAITING)

    @property
    def busy(self) -> bool:
        """Whether so many wait that steps had better be left out, if they may."""
        return self.waiting >= self.most // MOST_WAITING

    def add(self, job: Callable[..., None], *arguments: Any) -> None:
        """Have the thread do something, once there is room for it; a writer that is over does nothing any more."""
        if self.writer.over:  # in a process that was forked from its own nobody lets go of what it held then
            return
        with self.writer.settled:
            self.writer.settled.wait_for(lambda: self.waiting < self.most or self.writer.failure is not None)
            self.waiting += 1
        if self.writer.later(self._do, job, arguments):
            if self.busy:  # else the thread looks soon by itself: woken just now it would be in training's way
                self.writer.hurry()
        else:
            self._done()

    def _do(self, job: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        try:
            job(*arguments)
        finally:
            self._done()

    def _done(self) -> None:
        with self.writer.settled:
            self.waiting -= 1
            self.writer.settled.notify_all()
