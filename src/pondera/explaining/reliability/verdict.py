"""How far a ranking can be believed, in a word and in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pondera.choice import counted, quoted

Verdict = Literal["reliable", "partly", "not identifiable", "unreliable"]

STABLE, UNSTABLE = 0.8, 0.5
"""Concordance of networks of other starts."""

AGREED, APART = 0.7, 0.4
"""How far other methods support the ranking: 0.5 where they cannot tell any two that it orders, and 0.7 where they tell
two fifths of them and contradict none. Below 0.4 there are contradictions."""

HEAVY = 0.25
"""The share of the whole error that one row has, from which on little can be measured beside it."""

HARDEST, CROWDED = 100, 1 / 3
"""Where one row in so many has this share of the whole error, what is measured is mostly about those rows."""

FEWEST = 10
"""Of fewer rows chance and influence cannot be told apart: the spread over rows is not known."""

KNOWN = 0.1
"""The share of rows that training saw from which on what it took to know them is a part of what is measured; as of
importance that others may claim."""

STRANGE = 0.1
"""The share of rows from which on it is told that a column holds what training never saw."""

SAME = "All right answers are the same: whether the model is any good cannot be said."

OUTDONE, LUCK = 0.1, 0.5
"""Shares of random orders that are better than the ranking."""


@dataclass(frozen=True)
class Evidence:
    """What was measured of a ranking.

    Attributes
    ----------
    skill
        By how much the network's error is below that of the best constant, as a share of what right outputs would be
        below it; None where the answers are not known or all the same.
    stability
        The concordance of networks of other starts; None with one network, and where there is nothing to be ordered.
    agreement
        The median concordance of the ranking with families of other methods; None with one, and where there is nothing
        to be ordered.
    outdone
        The share of random orders that are better than the ranking at deletion and insertion, by more than chance and a
        trifle; None where there is no order.
    grouped
        The share of all importance that belongs to columns which cannot be told apart: groups, and columns that have
        next to nothing of their own beside several others together.
    ordered
        Whether any two columns differ measurably.
    equal
        Where they do not: whether intervals are so narrow that they are equal.
    answered
        Whether the right answers are known.
    columns
        How many can be told apart: a group is one.
    rows
        How many there are.
    told
        The share of all importance that belongs to columns which others together tell for a good part.
    influence
        Whether any column has an influence that can be measured.
    networks
        How many there are.
    heaviest
        The row with more of the whole error than any other, and its share; None where errors are not known.
    blind
        Whether the ranking is that of networks of random weights as well, which do other things.
    dispensable
        Whether networks that are trained without the first of the ranking do better than without random columns.
    measure
        What the error is that ``skill`` is of.
    random
        Whether another training could have begun otherwise.
    seen
        The share of rows that training saw; None where that is not known.
    strange
        The column that most often holds what training never saw, and the share of rows where it does.
    as_sizes
        The same where mean sizes of contributions are compared, and not their squares; None where that is no question.
    hardest
        The share of all squared errors that the rows with the largest have, one in :data:`HARDEST`; None where errors
        are not squared or not known, or so many rows are fewer than two.
    """

    skill: float | None
    stability: float | None
    agreement: float | None
    outdone: float | None
    grouped: float
    ordered: bool
    equal: bool = False
    answered: bool = True
    columns: int = 2
    rows: int = FEWEST
    told: float = 0.0
    influence: bool = True
    networks: int = 2
    heaviest: tuple[int, float] | None = None
    hardest: float | None = None
    as_sizes: float | None = None
    blind: bool = False
    dispensable: bool = False
    measure: str = "error"
    random: bool = True
    seen: float | None = None
    strange: tuple[str, float] | None = None


@dataclass(frozen=True)
class Reliability:
    """The verdict, and the sentences that say why."""

    verdict: Verdict
    statement: str


def reliability_of(evidence: Evidence) -> Reliability:
    """Return how far a ranking can be believed.

    Examples
    --------
    >>> reliability_of(Evidence(0.9, 0.98, 0.95, 0.0, 0.0, True)).verdict
    'reliable'
    >>> reliability_of(Evidence(0.9, 0.98, 0.95, 0.0, 0.7, True)).verdict
    'not identifiable'
    """
    broken = _broken(evidence)
    if broken:
        return Reliability("unreliable", " ".join(broken))
    if evidence.grouped > 0.5:
        return Reliability(
            "not identifiable",
            f"{evidence.grouped:.0%} of all importance belongs to inputs whose values others tell: believe what those "
            "have together, not how it is divided.",
        )
    doubts = _doubts(evidence)
    if doubts:
        return Reliability("partly", " ".join(doubts))
    if evidence.columns == 1:
        return Reliability("reliable", "There is one input only, and models use it.")
    agreeing = [
        *(["other random starts"] if evidence.networks > 1 else []),
        *(["other methods"] if evidence.agreement is not None else []),
        *(["the deletion of inputs"] if evidence.outdone is not None else []),
    ]
    said = f"{' and '.join([', '.join(agreeing[:-1]), agreeing[-1]] if agreeing[1:] else agreeing).capitalize()} "
    said += "say the same." if agreeing[1:] else "says the same."
    equal = " No two inputs differ measurably: they matter equally." if evidence.equal else ""
    return Reliability("reliable", said + equal)


def _broken(evidence: Evidence) -> list[str]:
    found = []
    if evidence.rows < FEWEST:
        found.append(f"Of {counted(evidence.rows, 'row')} chance cannot be told from influence: give {FEWEST} or more.")
    if evidence.skill is not None and evidence.skill <= 0.02:
        how = "worse" if evidence.skill < -0.02 else "hardly better"
        by = "" if evidence.measure == "error" else f", by the {evidence.measure}"
        found.append(f"The model predicts these rows {how} than a constant{by}: there is nothing to explain.")
    if not evidence.influence:
        found.append("No input has a measurable influence: there is nothing to rank.")
    elif not evidence.ordered and not evidence.equal and evidence.columns > 1:
        found.append("No two inputs differ measurably in importance, and intervals are wide.")
    if found and evidence.answered and evidence.skill is None:
        found.append(SAME)
    if found and evidence.rows >= FEWEST and evidence.heaviest is not None and evidence.heaviest[1] >= HEAVY:
        row, share = evidence.heaviest
        found.append(
            f"Row {row} (from 0) alone has {share:.0%} of the whole error: leave it out, to see what matters elsewhere."
        )
    if evidence.stability is not None and evidence.stability < UNSTABLE:
        found.append(
            f"Networks from other random starts order the inputs otherwise (concordance {evidence.stability:.2f})."
        )
    if evidence.agreement is not None and evidence.agreement < APART:
        found.append(f"Other methods contradict the ranking (median concordance {evidence.agreement:.2f}).")
    if evidence.outdone is not None and evidence.outdone > LUCK and not evidence.equal:
        found.append("Taking the inputs away in this order harms the network less than in random orders.")
    return found


def _doubts(evidence: Evidence) -> list[str]:
    found = []
    if not evidence.answered:
        found.append("Without the right answers it is not known whether the model is any good.")
    elif evidence.skill is None:
        found.append(SAME)
    if evidence.seen is not None and evidence.seen >= KNOWN:
        found.append(
            f"{evidence.seen:.0%} of these rows have the values of rows that were trained on: what it takes to know "
            "them by heart looks important, too."
        )
    if evidence.strange is not None and evidence.strange[1] >= STRANGE:
        name, share = evidence.strange
        found.append(
            f"In {share:.0%} of these rows {quoted(name)} has no value that training saw: what it matters elsewhere "
            "cannot be told of them."
        )
    if evidence.blind:
        found.append("Networks of random weights give the same ranking: it is not about what this one learned.")
    if evidence.networks == 1 and evidence.random:
        found.append("There is one model only: whether another random start says the same was not measured.")
    elif evidence.stability is not None and evidence.stability < STABLE:
        found.append(f"Networks from other random starts agree only roughly (concordance {evidence.stability:.2f}).")
    if evidence.agreement is None and evidence.columns > 1:
        found.append("One method only was asked: whether others say the same was not measured.")
    elif evidence.agreement is not None and evidence.agreement < AGREED:
        found.append(f"Other methods agree only roughly (median concordance {evidence.agreement:.2f}).")
    elif evidence.as_sizes is not None and evidence.as_sizes < APART:
        found.append(
            "The order is one of squared effects; by their mean size it is another (concordance "
            f"{evidence.as_sizes:.2f}): some inputs act in few rows by much, others in all by little."
        )
    if evidence.outdone is not None and evidence.outdone > OUTDONE and not evidence.equal:
        found.append("Taking the inputs away in this order harms the network hardly more than in random orders.")
    if evidence.dispensable:
        found.append("Networks trained without the first of the ranking do better than ones without random inputs.")
    if evidence.hardest is not None and evidence.hardest >= CROWDED:
        found.append(
            f"The {1 / HARDEST:.0%} of rows with the largest errors have {evidence.hardest:.0%} of the whole squared "
            "error: the order is mostly about them, and other rows of this kind may give another."
        )
    if evidence.grouped > 0.1:
        found.append(f"{evidence.grouped:.0%} of all importance belongs to inputs whose values others tell.")
    if evidence.told > 0.1:
        found.append(
            f"{evidence.told:.0%} of all importance belongs to inputs that others together tell for a good part."
        )
    return found
