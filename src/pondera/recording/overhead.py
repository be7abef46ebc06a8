"""What looking at steps takes of a training's time, and how much it may."""

from __future__ import annotations

import threading
import time

from pondera.recording.schedule import SLACK, Schedule
from pondera.recording.writer import RunWriter


class Overhead:
    """Counts the seconds that looking at a training's steps takes.

    Parameters
    ----------
    schedule
        Whose share of the time it may take.
    writer
        Whose thread's seconds count.

    Attributes
    ----------
    begun
        When training began, by ``time.perf_counter``; later by what it waited since.
    spent
        Seconds that training itself waited for recording, or that recording computed on training's cores, beside those
        of the writer's thread.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, RunWriter(Path(folder)) as writer:
    ...     overhead = Overhead(Schedule(every=8, growth=1.125, share=0.01), writer)
    ...     overhead.took(5.0)
    ...     overhead.allows(), overhead.allows(slack=9)
    (False, True)
    """

    def __init__(self, schedule: Schedule, writer: RunWriter) -> None:
        self.share, self.writer = schedule.share, writer
        self.begun, self.spent = time.perf_counter(), 0.0
        self._counting = threading.Lock()

    @property
    def seconds(self) -> float:
        """Seconds since training began in which it went on."""
        return time.perf_counter() - self.begun

    def took(self, seconds: float) -> None:
        """Count seconds that training waited, or its cores computed for recording."""
        with self._counting:
            self.spent += seconds

    def waited(self, seconds: float) -> None:
        """Count seconds in which training did not go on as none of its own."""
        self.begun += seconds

    def allows(self, slack: float = SLACK) -> bool:
        """Return whether recording took no more than its share so far and ``slack`` seconds; it may without a share."""
        return self.share is None or self.writer.seconds + self.spent <= self.share * self.seconds + slack
