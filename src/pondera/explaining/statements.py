"""What an explanation says of several columns at once, as sentences: which are not told apart, what pairs do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pondera.choice import listed, quoted
from pondera.explaining.effects import Interaction

TOLD = 4  # columns told by others that have a sentence of their own
PAIRS = 3  # that are named
STRONG = 0.1  # of what both do: the least share that is named


def group_statement(names: Sequence[str], share: float, interval: tuple[float, float], rank: str) -> str:
    """Return what is known of columns that tell each other's values; ``rank`` is that of all as one, or nothing.

    >>> group_statement(["a", "b"], 0.21, (0.18, 0.24), "rank 2")
    "'a', 'b' tell each other's values. Taken as one, in a whole in which they count once, they have 21% \
(18% to 24%) of all importance: rank 2. How it is divided between them is not known."
    """
    low, high = interval
    sure = "" if math.isnan(low) else f" ({low:.0%} to {high:.0%})"
    return (
        f"{listed([quoted(name) for name in names])} tell each other's values. Taken as one, in a whole in which they "
        f"count once, they have {share:.0%}{sure} of all importance{f': {rank}' if rank else ''}. How it is divided "
        "between them is not known."
    )


def told_statements(told: Mapping[str, Sequence[str]]) -> list[str]:
    """Return which columns others tell that are no group with them: name -> names of those others."""
    sentences = [
        f"{quoted(name)} is told by {listed([quoted(other) for other in others])}"
        f"{' together' if len(others) > 1 else ''}, though they are no group: some of its importance may be theirs."
        for name, others in list(told.items())[:TOLD]
    ]
    if len(told) > TOLD:
        sentences.append(f"So are {listed([quoted(name) for name in list(told)[TOLD:]])} told by others.")
    return sentences


def pairs_statement(interactions: Sequence[Interaction]) -> str:
    """Return which pairs of columns do what is not the sum of what each does; nothing where none does.

    >>> pairs_statement([Interaction("a", "b", strength=0.5, share=0.25), Interaction("a", "c", 0.0, 0.0)])
    'Not the sum of each alone: a × b (25%) of what both do.'
    """
    strong = [each for each in interactions if each.share >= STRONG][:PAIRS]
    pairs = "; ".join(f"{each.first} × {each.second} ({each.share:.0%})" for each in strong)
    return f"Not the sum of each alone: {pairs} of what both do." if strong else ""
