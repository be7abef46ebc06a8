"""Findings that follow from another one: damage makes units look dead and values too large, which is no news.

What is left out is named by the finding that it follows from, so that nothing is lost unseen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pondera.choice import listed
from pondera.findings import Finding
from pondera.reading.faults.facts import Facts
from pondera.reading.faults.zeros import STRAY

ABSURD = 1e18
"""No weight is so large: where bytes were overwritten, values beyond are of the same damage in whatever tensor."""

OF_NOISE = frozenset(
    {
        "not finite",
        "untrained",
        "possibly untrained",
        "scale along depth",
        "possibly scale along depth",
        "saturated",
        "duplicated units",
        "dead units",
        "beyond float16",
        "below float16",
    }
)
"""Rules whose findings about a tensor of random bytes say nothing: the bytes are of all kinds and drown the others."""

Key = tuple[str, str]
"""A rule, and where."""


def without_consequences(facts: Facts, findings: Iterable[Finding]) -> tuple[list[Finding], dict[Key, list[str]]]:
    """Return the findings that stand for themselves, and the rule and place of each -> rules whose findings it caused.

    Parameters
    ----------
    facts
        Of the file.
    findings
        One for each place.

    Examples
    --------
    >>> from pondera.weights.collection import Weights
    >>> damage, dead = (Finding("So.", rule=rule, where="w") for rule in ("random bytes", "dead units"))
    >>> kept, caused = without_consequences(Facts(Weights.of([], ""), {}), [damage, dead])
    >>> [each.rule for each in kept], caused
    (['random bytes'], {('random bytes', 'w'): ['dead units']})
    """
    every = list(findings)
    noise = {each.where: each for each in every if each.rule == "random bytes"}
    runs = {each.where: each for each in every if each.rule == "zero run"}
    kept: list[Finding] = []
    caused: dict[Key, list[str]] = {}
    for finding in every:
        cause = None
        within = next((name for name in finding.figures.get("chain", [finding.where]) if name in noise), None)
        if finding.rule in OF_NOISE and within is not None:
            cause = noise[within]
        elif finding.rule == "beyond float16" and noise and finding.figures["largest"] > ABSURD:
            cause = next(iter(noise.values()))
        elif finding.rule == "dead units" and finding.where in runs and _is_within(facts, finding, runs[finding.where]):
            cause = runs[finding.where]
        if cause is None:
            kept.append(finding)
        else:
            rules = caused.setdefault((cause.rule, cause.where), [])
            rules += [finding.rule] if finding.rule not in rules else []
    return kept, caused


def with_consequences(finding: Finding, caused: dict[Key, list[str]]) -> Finding:
    """Return a finding, of one place or several, that names the rules whose findings it caused."""
    places: Sequence[str] = finding.figures.get("places", [finding.where])
    rules = list(dict.fromkeys(rule for place in places for rule in caused.get((finding.rule, place), [])))
    if not rules:
        return finding
    return replace(
        finding,
        figures={**finding.figures, "consequences": rules},
        advice=f"{finding.advice} What follows from it is not listed: {listed(rules)}.".strip(),
    )


def _is_within(facts: Facts, dead: Finding, run: Finding) -> bool:
    """Whether units along the first axis are dead because of a run of zeros that began or ended within one.

    A run of whole units may as well be what dead units look like.
    """
    shape = facts.weights[run.where].shape
    row = math.prod(shape[1:])
    start, length = run.figures["start"], run.figures["length"]
    first, last = -(-start // row), (start + length) // row  # whole units of the run
    if dead.figures["units"] != shape[0] or length - (last - first) * row <= STRAY:
        return False
    return bool(dead.figures["dead"] <= last - first and all(first <= unit < last for unit in dead.figures["first"]))
