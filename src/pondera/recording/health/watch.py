"""Rules that are asked while training goes on: a finding is told when it arises."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pondera.findings import Finding
from pondera.recording.health.facts import FIRST, Facts, asked_next
from pondera.recording.health.rules import RULES
from pondera.recording.run import Run

OnFinding = Callable[[int, Finding], None]


class Watch:
    """Asks every rule about one network of a run that is being trained, and tells each finding once.

    Parameters
    ----------
    folder, database
        The run, and the connection of whoever writes it.
    part
        The number of the network.
    on_finding
        Called with that number and the finding, whose figures say after which step it was ``found``, and ``since``
        which it is so, at the latest.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection, part: int, on_finding: OnFinding) -> None:
        self.folder, self.database, self.part, self.on_finding = folder, database, part, on_finding
        self.next = FIRST
        self.told: set[str] = set()

    def look(self, step: int) -> None:
        """Ask the rules what they find after a step."""
        self.next = asked_next(step)
        facts = Facts.of(Run(self.folder, self.database), self.part)
        for rule in RULES:
            if rule.name not in self.told and (finding := rule(facts)) is not None:
                self.told.add(rule.name)
                self.on_finding(self.part, replace(finding, figures={"since": step, **finding.figures, "found": step}))
