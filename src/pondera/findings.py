"""A finding: one result as plain data, so that text, JSON, HTML and pages cannot disagree about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One result.

    Attributes
    ----------
    statement
        One sentence that a reader can act on.
    figures
        The numbers behind the statement, JSON-ready.
    method
        How the figures were obtained.
    source
        The paper or reference of the method; empty when it is plain arithmetic.
    certainty
        What is known of how far the statement can be believed: ``"exact"`` for arithmetic on the numbers at
        hand, otherwise a sentence.
    advice
        What to do about it; empty when nothing needs doing.
    rule
        Name of the rule that found it, where there is a list of rules.
    where
        What it is about: a tensor, a layer; empty for the whole.

    Examples
    --------
    >>> Finding("2 of 8 units are dead.", {"dead": 2, "units": 8}, "count of all-zero columns").statement
    '2 of 8 units are dead.'
    """

    statement: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    source: str = ""
    certainty: str = "exact"
    advice: str = ""
    rule: str = ""
    where: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a dictionary of plain values."""
        return {
            "statement": self.statement,
            "figures": dict(self.figures),
            "method": self.method,
            "source": self.source,
            "certainty": self.certainty,
            "advice": self.advice,
            "rule": self.rule,
            "where": self.where,
        }
