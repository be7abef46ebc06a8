"""The networks of a run: how many there are to be, which of them its model is made of, and how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pondera.choice import counted
from pondera.recording.folder import UNFINISHED
from pondera.recording.run import Run
from pondera.training.stopping import COMPLETED, DIVERGED, INTERRUPTED, PATIENCE, without_epoch

WORDS = {(COMPLETED, PATIENCE): "to the end", (INTERRUPTED,): "in part", (DIVERGED,): "until a number was not finite"}
"""How far networks were trained, by what ended them."""


@dataclass(frozen=True)
class Networks:
    """What is known of the networks of a run.

    Attributes
    ----------
    kept
        Their numbers, but of those that were kept from finishing an epoch, where others did: the model, too, is made
        without them.
    averaged
        How many the model is, or is to be, the mean of.
    ended
        Why training ended, in a sentence; empty while it goes on.
    note
        How many are left out; empty where none is.
    """

    kept: tuple[int, ...]
    averaged: int
    ended: str
    note: str


def networks_of(run: Run) -> Networks:
    """Return what is known of the networks of a run."""
    about, parts, state = run.about, run.parts, run.state
    endings = {part: about.get(f"ended.{part}", {}) for part in parts}
    cut = (part for part in parts if endings[part].get("reason") in (INTERRUPTED, DIVERGED))
    left_out = {part for part in cut if not run.epochs_taken(part)}
    kept = tuple(part for part in parts if part not in left_out) or parts[:1]
    wanted = 0 if "merged" in about else int(about.get("arguments", {}).get("seeds", 0))  # of another loop not known
    several = max(wanted, len(parts)) > 1
    if state == UNFINISHED:
        return Networks(kept, max(wanted, len(parts)), "" if several else _first(kept, endings), "")
    interrupted = several and state == INTERRUPTED
    return Networks(
        kept,
        len(kept),
        _counted([endings[part] for part in kept if part not in left_out]) if interrupted else _first(kept, endings),
        without_epoch(wanted - len(kept), wanted) if wanted > len(kept) else "",
    )


def _first(kept: tuple[int, ...], endings: Mapping[int, Mapping[str, Any]]) -> str:
    return str(endings[kept[0]].get("message", "")) if kept else ""


def _counted(endings: list[Mapping[str, Any]]) -> str:
    """Return how far the networks of a training came that was interrupted."""
    counts = {words: sum(each.get("reason") in reasons for each in endings) for reasons, words in WORDS.items()}
    some = [(count, words) for words, count in counts.items() if count]
    if not some:
        return "Training was interrupted before a network finished an epoch."
    (first, words), *others = some
    were = f"{counted(first, 'network')} {'was' if first == 1 else 'were'}"
    return f"Training was interrupted: {were} trained {words}{''.join(f', {count} {more}' for count, more in others)}."
