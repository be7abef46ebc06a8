"""Tensors that one block of a stack lacks, and all others have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pondera.choice import listed
from pondera.findings import Finding
from pondera.reading.faults.facts import Facts
from pondera.reading.series import stacks

FEWEST = 4
"""Blocks of a stack."""


def absent(facts: Facts) -> Iterator[Finding]:
    """Blocks that lack some tensors of all others, which are alike, and have none instead."""
    if not facts.weights.whole:
        return
    for prefix, blocks in stacks(facts.weights).items():
        if len(blocks) < FEWEST:
            continue
        for number in sorted(blocks):
            gone = _gone(blocks, number)
            if not gone:
                continue
            names = [f"{prefix}{number}.{rest}" for rest in sorted(gone)]
            yield Finding(
                f"{names[0]} is not there, while {len(blocks) - 1:,} other blocks have it."
                + (f" Nor are {listed(names[1:])}." if names[1:] else ""),
                {"missing": names, "blocks": len(blocks)},
                "names of the tensors of all blocks",
                advice="The file was not written whole, or a tensor is called otherwise in this block. A library that "
                "loads it leaves what is missing as it was started. Restore the file from where it came from.",
                where=names[0],
            )


def _gone(blocks: Mapping[int, set[str]], number: int) -> set[str]:
    """Return what a block lacks by mistake: its tensors are those of the others but for these."""
    own, others = blocks[number], [names for at, names in blocks.items() if at != number]
    gone = set.intersection(*others) - own
    if not gone or not own <= {name for names in others for name in names}:
        return set()
    ends = (min(blocks), max(blocks))
    within = {frozenset(names) for at, names in blocks.items() if at not in (number, *ends)}
    if number not in ends:
        return gone if len(within) == 1 else set()
    # The first and the last block often have no normalization, or lead nowhere: half a layer is no such thing.
    layers = {rest.rpartition(".")[0] for rest in own if "." in rest}
    return {rest for rest in gone if rest.rpartition(".")[0] in layers}
