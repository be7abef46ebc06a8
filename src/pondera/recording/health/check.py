"""A run checked: what is wrong with its training, so far or in the end."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pondera.choice import counted
from pondera.findings import Finding
from pondera.recording.damaged import recorded
from pondera.recording.events import PROGRAM
from pondera.recording.health.changes import merged
from pondera.recording.health.facts import Facts
from pondera.recording.health.rate import POINTS
from pondera.recording.health.rules import RULES, findings_of, in_order
from pondera.recording.run import Run
from pondera.recording.unbegun import require_steps


@dataclass(frozen=True)
class Health:
    """What is wrong with a training.

    Attributes
    ----------
    run
        The folder.
    state
        ``"finished"``, ``"unfinished"`` while it is trained or where it was killed, or why it ended before.
    steps
        How many were taken.
    findings
        The gravest first; those of rules that are not sure come last, and say ``"possibly"``.
    unasked
        The rules that never had anything to judge, such as those of units where no outputs of layers were recorded.
    framework
        Whose loop it was; empty of Pondera's own.
    looked
        How many steps were looked at from both sides, which rules of weights and units judge by.
    """

    run: str
    state: str
    steps: int
    findings: tuple[Finding, ...]
    unasked: tuple[str, ...] = ()
    framework: str = ""
    looked: int = 0

    @property
    def changes(self) -> dict[str, Any]:
        """What the findings advise, by setting, such as ``{"learning_rate": 0.001}``."""
        return merged(self.findings)

    @property
    def hint(self) -> str:
        """How more rules could be asked; empty where recording more steps would not help."""
        if not self.unasked or self.looked >= min(POINTS, self.steps) or self.framework == PROGRAM:
            return ""
        level = 'level="full"' if self.framework else "--record full"
        return f"Only {counted(self.looked, 'step')} of {self.steps:,} were looked at: with {level} more can be asked."

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "run": self.run,
            "state": self.state,
            "steps": self.steps,
            "findings": [
                {**finding.to_json(), "figures": plain(finding.figures), "since": finding.figures.get("since")}
                for finding in self.findings
            ],
            "changes": self.changes,
            "looked": self.looked,
            "unasked": list(self.unasked),
            "hint": self.hint or None,
            "framework": self.framework or None,
        }


def check(folder: str | os.PathLike[str]) -> Health:
    """Return what is wrong with the training that a run was recorded of, also while it is trained.

    Of a population the same finding in several networks is one, which names them; what is so now is told apart from
    what was so on the way.

    Raises
    ------
    RunError
        If it is no folder of a run, damaged, or nothing was recorded yet.

    Examples
    --------
    >>> import tempfile, numpy as np, pondera
    >>> x = np.random.default_rng(0).standard_normal((64, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with pondera.runs.Recorder(folder, level="full") as recorder:
    ...         plan = pondera.Plan(optimizer="sgd", learning_rate=0.0, epochs=20)
    ...         network = pondera.Network.create(3, pondera.Dense(1))
    ...         fitted = pondera.fit(network, x, x[:, 0] * x[:, 1], plan, recorder=recorder)
    ...     pondera.runs.check(folder).findings[0].figures["distance"]
    0.0
    """
    with recorded(Path(folder)):  # what a run says of itself is looked at by the rules only
        with Run(Path(folder)) as run:
            require_steps(run)
            known = {part: Facts.of(run, part) for part in run.parts}
            state, taken = run.state, run.taken
        found = [(part, finding) for part, facts in known.items() for finding in findings_of(facts)]
        unasked = tuple(rule.name for rule in RULES if not any(rule.judges(facts) for facts in known.values()))
        framework = next(iter(known.values())).framework
        looked = min(len(facts.points) for facts in known.values())
        return Health(str(folder), state, taken, _joined(found, len(known)), unasked, framework, looked)


def _joined(found: list[tuple[int, Finding]], parts: int) -> tuple[Finding, ...]:
    """Return findings of several networks with those of one rule as one, in the order of the rules.

    What is so now in some networks is one, and what was so on the way in others is another.
    """
    if parts == 1:
        return tuple(finding for _, finding in found)
    by: dict[tuple[str, bool], list[tuple[int, Finding]]] = {}
    for part, finding in found:
        by.setdefault((finding.rule, "until" in finding.figures), []).append((part, finding))
    joined = []
    for same in by.values():
        networks, first = [part for part, _ in same], same[0][1]
        said = f"{first.statement} In {len(networks)} of {parts} networks."
        joined.append(replace(first, statement=said, figures={**first.figures, "networks": networks}))
    return in_order(joined)


def plain(value: Any) -> Any:
    """Return figures as JSON can hold them: what is not finite becomes None."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
