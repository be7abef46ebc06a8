"""Which steps are recorded from both sides: all at first, then ever fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pondera.choice import unknown
from pondera.errors import ArgumentError


class Schedule(NamedTuple):
    """All steps below ``every``, and from there on each at least ``growth`` times the one before.

    Attributes
    ----------
    every, growth
        As said.
    share
        Of the training's time that looking at steps may take; those for which there is no time are left out. None for
        no limit: the same steps are recorded everywhere.
    """

    every: int
    growth: float
    share: float | None

    def next(self, step: int) -> int:
        """Return the first step, from this one on, that is recorded.

        Examples
        --------
        >>> plan = Schedule(4, 1.5, None)
        >>> [plan.next(step) for step in range(12)]
        [0, 1, 2, 3, 4, 6, 6, 9, 9, 9, 14, 14]
        """
        at = self.every
        if step <= at:
            return step
        while at < step:
            at = max(int(at * self.growth + 0.5), at + 1)
        return at


SNAPSHOT_GROWTH = 4
"""All weights are written to a file at the start and whenever so many times more steps were taken."""

SHARE = 0.005
"""Of a training's time that looking at steps takes by default at most; what is recorded of every step comes on top."""

SCHEDULES: dict[str, Schedule] = {
    "default": Schedule(every=8, growth=1.125, share=SHARE),
    "full": Schedule(every=1000, growth=1.01, share=None),
}

OFF = "off"
"""The level of those who may do without recording: nothing is recorded."""

ALWAYS = 1
"""So many steps are recorded whatever it takes."""

SLACK = 0.1
"""Seconds that looking at steps may take beside its share: short trainings are recorded well too. Of several networks
the second may take half of it more, the third a third, and so on."""


def schedule_of(level: str) -> Schedule:
    """Return the schedule of a level of recording; ``"off"``, which records nothing, has none.

    Raises
    ------
    ArgumentError
        If there is no such level.
    """
    require_level(level, [*SCHEDULES])
    return SCHEDULES[level]


def require_level(level: str, known: Sequence[str]) -> None:
    """Raise unless a level of recording is one of those that a caller takes.

    Raises
    ------
    ArgumentError
        If it is none of them.

    Examples
    --------
    >>> require_level("off", ["default", "full"])
    Traceback (most recent call last):
    pondera.errors.ArgumentError: Unknown level of recording 'off'. Known: default, full.
    """
    if level not in known:
        raise ArgumentError(unknown("level of recording", level, known))


def snapshot_after(step: int) -> int:
    """Return the step of the first snapshot after one step.

    Examples
    --------
    >>> [snapshot_after(step) for step in (0, 1, 2, 4, 15, 16)]
    [1, 4, 4, 16, 16, 64]
    """
    at = 1
    while at <= step:
        at *= SNAPSHOT_GROWTH
    return at
