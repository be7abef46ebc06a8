"""A rule, and how what it finds is put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pondera.choice import listed
from pondera.findings import Finding
from pondera.reading.faults.calibration import CALIBRATION
from pondera.reading.faults.design import design_of
from pondera.reading.faults.facts import Facts
from pondera.reading.series import natural

HITS, ALARMS = 0.95, 0.01
"""A rule that finds less of what was planted, or is wrong in more of the healthy, says "possibly"."""

POSSIBLY = "possibly "
"""How the names of rules begin that never can tell for certain."""

RESTORE = "Restore the file from where it came from, and compare checksums."

MOST_PLACES = 1_000
"""No more places than this are listed in the figures of a finding."""


@dataclass(frozen=True)
class Rule:
    """One kind of fault.

    Attributes
    ----------
    name
        What it is called; findings carry it.
    look
        Facts -> findings, one for each place.
    spares
        What it says nothing of: designs, as :mod:`~pondera.reading.faults.design` tells them.
    """

    name: str
    look: Callable[[Facts], Iterable[Finding]]
    spares: frozenset[str] = frozenset()

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """Yield what the rule finds, one finding for each place."""
        for finding in self.look(facts):
            if self.spares and design_of(facts, finding.where) in self.spares:
                continue
            yield finding if finding.rule else replace(finding, rule=self.name)


def together(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings, the same one in several places as one; the first by name is told, whatever the file's order."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.rule, finding.advice), []).append(finding)
    for same in found.values():
        yield folded(sorted(same, key=lambda finding: natural(finding.where)))


def folded(findings: Sequence[Finding]) -> Finding:
    """Return findings of one kind as one that names the places.

    Examples
    --------
    >>> folded([Finding("a is empty.", where="a"), Finding("b is empty.", where="b")]).statement
    'a is empty. Also in 1 other place: b.'
    """
    first, *others = findings
    if not others:
        return first
    places = [finding.where for finding in findings]
    count = len(others)
    return replace(
        first,
        statement=f"{first.statement} Also in {count:,} other place{'' if count == 1 else 's'}: {listed(places[1:])}.",
        figures={
            **first.figures,
            "count": len(findings),
            "places": places[:MOST_PLACES],
            "each": [finding.figures for finding in findings[:MOST_PLACES]],
        },
    )


def is_sure(rule: str) -> bool:
    """Return whether a rule does as well as it should, which those do that only count, and have no calibration.

    Examples
    --------
    >>> is_sure("random bytes"), is_sure("metadata"), is_sure("possibly untrained")
    (True, True, False)
    """
    known = CALIBRATION.get(rule)
    good = known is None or (known.hits >= HITS * known.planted and known.alarms <= ALARMS * known.healthy)
    return good and not rule.startswith(POSSIBLY)


def hedged(finding: Finding) -> Finding:
    """Return a finding that says "possibly" if its rule is not sure."""
    if is_sure(finding.rule) or POSSIBLY.strip() in finding.statement:
        return finding
    return replace(finding, statement=f"Possibly: {finding.statement}")


def certainty_of(rule: str) -> str:
    """Return what is known of a rule: how often it finds what was planted, and how often it is wrong.

    That is of the networks of one zoo, with the bounds that so many of them allow, and no probability that a finding is
    true: that depends on how common such faults are where a file comes from.
    """
    known = CALIBRATION.get(rule)
    if known is None:
        return "not calibrated"
    return (
        f"in our zoo of small networks found {known.hits:,} of {known.planted:,} planted faults (at least "
        f"{100 * known.hits_at_least:.1f} %), with false alarms in {known.alarms:,} of {known.healthy:,} healthy "
        f"{known.of} (at most {100 * known.alarms_at_most:.2g} %)"
    )
