"""The run of somebody else's training loop: how it begins, and which of its steps there is time to record."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pondera.errors import RunError
from pondera.recording.room import remove_run
from pondera.recording.schedule import ALWAYS, SLACK, schedule_of
from pondera.recording.schema import DATABASE
from pondera.recording.writer import RunWriter

FINISHED, UNFINISHED = "finished", "unfinished"
"""States of a run: trained to its end, and being trained or cut off."""


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


def begin_run(
    run: str | os.PathLike[str],
    level: str,
    *,
    budget: int | None,
    replace: bool,
    about: Mapping[str, Any] | None,
) -> Pace:
    """Begin the run of a loop in a folder, and return who decides which of its steps are recorded.

    Parameters
    ----------
    run, level, budget
        As of a :class:`~pondera.recording.recorder.Recorder`.
    replace
        Whether a run that is in the folder is replaced; else it is an error.
    about
        What is known of the run, JSON-ready.

    Raises
    ------
    ArgumentError
        If there is no such level.
    RunError
        If the folder cannot be written to, or holds a run.
    """
    schedule_of(level)
    folder = Path(run)
    if (folder / DATABASE).exists() and not replace:
        raise RunError(f"{folder}: found a run. Give another folder, or replace=True.")
    if replace:
        remove_run(folder)
    writer = RunWriter(folder, budget)
    writer.about(**{**(about or {}), "state": UNFINISHED, "level": level}, began=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    return Pace(level, writer)
