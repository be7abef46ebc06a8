"""Which steps of somebody else's training loop are recorded, and whether there is time for them."""

from __future__ import annotations

import time

from pondera.recording.schedule import ALWAYS, SLACK, schedule_of
from pondera.recording.writer import RunWriter


class Pace:
    """Decides about steps one after the other.

    Parameters
    ----------
    level
        ``"default"`` or ``"full"``; see :class:`~pondera.recording.recorder.Recorder`.
    writer
        What its thread takes counts as what recording takes.

    Raises
    ------
    ArgumentError
        If there is no such level.
    """

    def __init__(self, level: str, writer: RunWriter) -> None:
        self.schedule = schedule_of(level)
        self.writer, self.begun, self.spent = writer, time.perf_counter(), 0.0

    def wants(self, step: int) -> bool:
        """Return whether a step is recorded."""
        if self.schedule.next(step) != step:
            return False
        share = self.schedule.share
        if share is None or step < ALWAYS:
            return True
        return self.writer.seconds + self.spent <= share * (time.perf_counter() - self.begun) + SLACK
