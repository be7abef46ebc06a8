"""A rule, and what it needs to become a finding: a measure, a threshold, and what is known of how often it is right."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pondera.findings import Finding
from pondera.recording.health.calibration import CHANGED, COUNTS, THRESHOLDS
from pondera.recording.health.facts import Facts

POSSIBLY = "possibly "
"""How the names of rules begin that missed their bar."""

DOUBT = "Possibly: "
"""How their statements begin."""

HITS, ALARMS = 0.95, 0.02
"""The bar: hits at least, and false alarms at most."""

BRIEF = 0.01
"""Of the steps; what was so for fewer and is over is not told."""

LONG = 0.5
"""Of the steps; what was so for as many and is over should not come again."""

OVER = "It is over: nothing needs doing."
"""What is advised of what was so on the way, did not last and did no harm."""


@dataclass(frozen=True)
class Suspicion:
    """How far something looks like a fault, and what to say of it if that is far enough.

    Attributes
    ----------
    measure
        Larger is worse; what the threshold is compared with.
    statement, advice, where
        As of a :class:`~pondera.findings.Finding`.
    figures
        The numbers behind the statement; ``change`` is the advice as settings, and ``since`` the step from which on it
        is so, where the rule knows that better than when it was first found.
    """

    measure: float
    statement: str
    advice: str
    where: str = ""
    figures: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Rule:
    """One kind of fault: called with facts it returns a finding, or None.

    Attributes
    ----------
    name
        What it is called.
    look
        Facts -> suspicion; None where there is nothing to judge, such as units where no layers are known.
    method
        What is measured, in words.
    source
        The paper it follows.
    of_rows
        Whether it says something of the rows, which no training changes: what it does not find any more never was so.
    """

    name: str
    look: Callable[[Facts], Suspicion | None]
    method: str
    source: str
    of_rows: bool = False

    def measure(self, facts: Facts) -> float:
        """Return how far it looks like this fault; −∞ where there is nothing to judge."""
        found = self._looked(facts)
        return -math.inf if found is None or math.isnan(found.measure) else found.measure

    def judges(self, facts: Facts) -> bool:
        """Return whether there was something to judge, at the end or at any time before."""
        return any(self.measure(each) > -math.inf for each in (facts, *facts.on_the_way))

    def _looked(self, facts: Facts) -> Suspicion | None:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # losses of 0, and what is infinite
            return self.look(facts)

    def __call__(self, facts: Facts) -> Finding | None:
        """Return what the rule finds."""
        found = self._looked(facts)
        threshold = THRESHOLDS.get(self.name, math.inf)
        if found is None or not found.measure >= threshold:
            return None
        sure = is_sure(self.name)
        statement = found.statement if sure else f"{DOUBT}{_small(found.statement)}"
        measure = found.measure if math.isfinite(found.measure) else None
        return Finding(
            statement,
            {"measure": measure, "threshold": threshold, **(found.figures or {})},
            self.method,
            self.source,
            certainty_of(self.name),
            as_arguments(found.advice) if facts.framework else found.advice,
            self.name if sure else f"{POSSIBLY}{self.name}",
            found.where,
        )

    def since(self, facts: Facts, finding: Finding) -> Finding:
        """Return the finding with the recorded step since which the rule finds it whenever it is asked."""
        if "since" in finding.figures:
            return finding
        silent, speaks = -1, facts.taken - 1
        for before in reversed(facts.on_the_way):
            if self(before) is None:
                silent = before.taken - 1
                break
            speaks = before.taken - 1
        steps = [step for step in facts.points.tolist() if silent < step < speaks]
        at = bisect_left(steps, True, key=lambda step: self(facts.until(step)) is not None)
        return replace(finding, figures={**finding.figures, "since": steps[at] if at < len(steps) else speaks})

    def passed(self, facts: Facts) -> Finding | None:
        """Return what the rule found on the way and does not find any more.

        What was so for a hundredth of the steps, as when a layer that begins at 0 lets nothing through, is no matter.
        Of what was so for less than half of them no change of settings is advised, unless training came to nothing.
        """
        if self.of_rows:
            return None
        found = [(before, finding) for before in facts.on_the_way if (finding := self(before)) is not None]
        if not found:
            return None
        last, finding = found[-1]
        until = next((each.taken for each in facts.on_the_way if each.taken > last.taken), facts.taken) - 1
        if until - (found[0][0].taken - 1) < BRIEF * facts.taken:
            return None
        speaks = [before.taken for before, _ in found]  # between two looks it was so where it was at both
        looks = zip(facts.on_the_way, facts.on_the_way[1:], strict=False)
        lasted = sum(b.taken - a.taken for a, b in looks if a.taken in speaks and b.taken in speaks)
        figures = {"since": found[0][0].taken - 1, **finding.figures, "until": last.taken - 1}
        if lasted < LONG * facts.taken and not facts.failed:
            finding = replace(finding, advice=OVER)
            figures.pop("change", None)
        step = f"step {last.taken - 1:,}"
        once = figures["since"] == figures["until"]
        when = f"As seen at {step} only" if once else f"Until {step} at least, as of then"
        said = f"{when}: {_small(finding.statement)}"
        if not is_sure(self.name):
            said = f"{DOUBT}{_small(when)}, {_small(finding.statement.removeprefix(DOUBT))}"
        return replace(finding, statement=said, figures=figures)


def _small(sentence: str) -> str:
    """Return a sentence as it goes on after other words: with a small letter first."""
    return f"{sentence[:1].lower()}{sentence[1:]}"


def as_arguments(advice: str) -> str:
    """Return advice without options of ``pondera train`` and names of Pondera's, for trainings of another loop.

    >>> as_arguments("Learn slower: --learning-rate 0.001. Or take another activation (--activation).")
    'Learn slower: learning_rate=0.001. Or take another activation.'
    >>> as_arguments("Start with smaller weights, such as LeCun's (weight='lecun_normal').")
    "Start with smaller weights, such as LeCun's."
    """
    return re.sub(
        r" \(--[a-z-]+\)| \(weight='\w+'\)|--([a-z-]+)(?: (\d+(?:\.\d+)?(?:e[+-]?\d+)?|[a-z]\w*))?",
        lambda at: "" if at[1] is None else f"{at[1].replace('-', '_')}={at[2] or ''}",
        advice,
    )


def is_sure(rule: str) -> bool:
    """Return whether a rule met its bar on trainings that its threshold was not chosen on."""
    known = COUNTS.get(rule)
    return known is not None and known.hits >= HITS * known.planted and is_seldom_wrong(rule)


def is_seldom_wrong(rule: str) -> bool:
    """Return whether a rule met the bar for false alarms, however many faults it misses."""
    known = COUNTS.get(rule)
    return known is not None and known.alarms <= ALARMS * known.healthy


def certainty_of(rule: str) -> str:
    """Return what is known of a rule: how often it finds what was planted, and how often it is wrong."""
    known = COUNTS.get(rule)
    if known is None:
        return "not calibrated"
    when = "; counted before the rule last changed" if rule in CHANGED else ""
    return (
        f"found {known.hits} of {known.planted} planted faults, with false alarms in {known.alarms} of {known.healthy} "
        f"healthy trainings (held out{when})"
    )
