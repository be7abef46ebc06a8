"""Stretches of zeros that training did not write.

A file that was not written or copied whole holds zeros where a page or its end should be. What bytes are does not
depend on what a tensor is for: every tensor of floats is looked at, whatever its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pondera.findings import Finding
from pondera.reading.faults.design import WAVES, design_of
from pondera.reading.faults.facts import SECTOR, STRETCH, Facts, Place
from pondera.reading.faults.rule import RESTORE, certainty_of
from pondera.weights.mapped import file_of
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import Array, Mapped, Tensor

SHORTEST_RUN = 64
"""Zeros in a row that are looked for at least."""

CHANCE = 1e-9
"""A run of zeros counts where zeros in random places would give it with a lower probability than this."""

SPARSE = 0.01
"""With more zeros than this outside of the run, a tensor is sparse, and its run must be …"""

SPARSE_RUN = 16
"""… as many times longer than chance would give, because zeros of pruning gather in places."""

PATTERNED = 0.1
"""With more zeros than this outside of the run, zeros may be blocks of a pattern, however long."""

STRAY = 4
"""Zeros beside whole rows of them that may be there by chance."""

FEWEST_IN_ROW = 16
"""Shorter rows, such as those of small kernels, begin and end in too many places to say anything."""

FIRST_ROWS = 2
"""Rows of a table of waves that may be zeros by design: an extra token's, and the sines of place 0."""

NEARBY = 1 << 16
"""Bytes before and after a run of zeros in which its ends in the file are looked for."""

UNUSED = 1 / 4
"""Of tokens that follow each other no more than this share of all are not in use, or fill a table up."""

MOST_DECODED, AROUND = 64, 1 << 18
"""Stretches of a tensor in blocks that are looked at, and values on either side of one that is all zero."""


class Run(NamedTuple):
    """A stretch of values."""

    start: int
    length: int


def zero_run(facts: Facts) -> Iterator[Finding]:
    """A long stretch of exact zeros in a tensor that is not otherwise sparse."""
    for place in facts.stored:
        figures = place.figures
        if not SHORTEST_RUN <= figures.zeros < figures.count:
            continue
        run = longest_zeros(place.tensor)
        if run is None or not _is_long(place, run):
            continue
        whole = _is_of_rows(place.tensor, run)
        if not _is_damage(facts, place, run, whole):
            continue
        tail = run.start + run.length == place.tensor.count
        yield Finding(
            f"{place.name} has {run.length:,} zeros in a row, from value {run.start:,} "
            f"{'to its end' if tail else 'on'}, where hardly any other value is zero."
            if figures.zeros - run.length < SPARSE * figures.count
            else f"{place.name} has {run.length:,} zeros in a row, from value {run.start:,} "
            f"{'to its end' if tail else 'on'}: far more than its other zeros give by chance.",
            {
                "start": run.start,
                "length": run.length,
                "bytes": run.length * place.tensor.nbytes // place.tensor.count,
                "values": figures.count,
                "other_zeros": figures.zeros - run.length,
            },
            "longest run of exact zeros, against the longest that as many zeros in random places give",
            "Erdős & Rényi 1970 on the longest run",
            certainty_of("zero run"),
            f"Part of the tensor was probably not written or not copied. {RESTORE}"
            if not whole
            else "They are whole units. Either part of the tensor was not written or not copied, which checksums tell; "
            "or these units were pruned, are not used, or fill up to a round number, and nothing is wrong.",
            where=place.name,
        )


def _is_long(place: Place, run: Run) -> bool:
    """Whether zeros in random places would not give such a run."""
    outside = _outside(place, run)
    # Expected longest run: n·zᴸ = 1. With chance c instead of 1 it is ln(n/c) / ln(1/z).
    limit = math.log(place.figures.count / CHANCE) / -math.log(max(outside, 1e-12)) if outside < 1 else math.inf
    return run.length >= max(SHORTEST_RUN, limit * (SPARSE_RUN if outside > SPARSE else 1))


def _outside(place: Place, run: Run) -> float:
    """Return the share of zeros among the other values."""
    return (place.figures.zeros - run.length) / max(place.figures.count - run.length, 1)


def _is_of_rows(tensor: Tensor, run: Run) -> bool:
    """Whether a run is whole rows, along whatever axes; every value of a tensor of one axis is a row."""
    lengths = [length for length in tensor.shape if length > 1]
    rows = [math.prod(lengths[axis:]) for axis in range(1, len(lengths))]
    rows = [row for row in rows if row >= FEWEST_IN_ROW or len(rows) == 1]
    whole = ((row, (run.start + run.length) // row - -(-run.start // row)) for row in rows)
    return len(lengths) < 2 or any(count > 0 and run.length - count * row <= STRAY for row, count in whole)


def _is_damage(facts: Facts, place: Place, run: Run, whole: bool) -> bool:
    """Whether a long run may be damage, which begins and ends anywhere, or at sectors of a disk; designs do at rows."""
    early = run.start + run.length <= FIRST_ROWS * place.tensor.shape[-1]
    if early and design_of(facts, place.name) == WAVES:
        return False
    outside = _outside(place, run)
    if not whole:
        return outside <= PATTERNED or _is_of_sectors(place.tensor, run)
    units = next((length for length in place.tensor.shape if length > 1), 1)
    single = place.tensor.ndim > 1 and run.length <= place.tensor.count // units + STRAY
    unused = facts.is_of_tokens(place) and run.length <= UNUSED * place.figures.count
    if outside > SPARSE or single or unused:
        return False
    gain = place.kind == "normalization" and place.role in ("weight", "variance")  # which are not zero otherwise
    return gain or _is_of_sectors(place.tensor, run)


def _is_of_sectors(tensor: Tensor, run: Run) -> bool:
    """Whether the zeros in the file, of which a run is part, begin and end where sectors do, or with the file."""
    source = tensor.source
    if not isinstance(source, Mapped | Blocks):
        return False
    found = file_of(source.buffer)
    whole, shift = (
        (np.frombuffer(found[0], np.uint8), found[1]) if found else (np.frombuffer(source.buffer, np.uint8), 0)
    )
    first, last = (
        shift + source.start + at * tensor.nbytes // tensor.count for at in (run.start, run.start + run.length)
    )
    zeros_before = _zeros_ahead(whole[max(first - NEARBY, 0) : first][::-1])
    zeros_after = _zeros_ahead(whole[last : last + NEARBY])
    to_end = last + zeros_after == len(whole)
    begins = first % SECTOR <= zeros_before
    ends = to_end or -last % SECTOR <= zeros_after
    return (begins and ends) or (to_end and tensor.ndim > 1)


def longest_zeros(tensor: Tensor) -> Run | None:
    """Return the longest run of zeros of at least :data:`SHORTEST_RUN`."""
    if tensor.dtype in ENCODINGS:
        return _zeros_in_blocks(tensor)
    best = open_run = Run(0, 0)  # the second ends where the next values begin
    shift = 0
    for values in tensor.chunks():
        ahead = _zeros_ahead(values)
        open_run = Run(open_run.start, open_run.length + ahead)
        within = Run(0, 0)
        if ahead < len(values):
            within = _longest(values)
            best = max(best, open_run, Run(shift + within.start, within.length), key=lambda run: run.length)
            behind = _zeros_ahead(values[::-1])
            open_run = Run(shift + len(values) - behind, behind)
        shift += len(values)
    best = max(best, open_run, key=lambda run: run.length)
    return best if best.length >= SHORTEST_RUN else None


def _zeros_ahead(values: Array) -> int:
    """Return how many zeros come first."""
    if not len(values) or values[0] != 0:
        return 0
    other = values != 0
    return int(other.argmax()) if other.any() else len(values)


def _longest(values: Array) -> Run:
    """Return about the longest run of zeros. Only every 32nd value is looked at first: no long run lies between."""
    step = SHORTEST_RUN // 2
    hits = np.flatnonzero(values[::step] == 0)
    if len(hits) < 2:
        return Run(0, 0)
    ends = np.flatnonzero(np.diff(hits) > 1)
    firsts, lasts = np.r_[hits[0], hits[ends + 1]], np.r_[hits[ends], hits[-1]]
    longest = np.argsort(firsts - lasts, kind="stable")[:8]  # stretches of probes
    parts = ((max(int(firsts[at]) - 1, 0) * step, int(lasts[at] + 1) * step) for at in longest)
    return max((_longest_within(values, *part) for part in parts), key=lambda run: run.length)


def _zeros_in_blocks(tensor: Tensor) -> Run | None:
    """Return a run of zeros in a tensor in blocks, few of which are decoded; zeros are common in them."""
    for start in np.linspace(0, max(tensor.count - STRETCH, 0), MOST_DECODED).astype(np.int64).tolist():
        if not tensor.source.flat(start, min(start + STRETCH, tensor.count)).any():
            first = max(start - AROUND, 0)
            run = _longest_within(tensor.source.flat(first, min(start + AROUND, tensor.count)), 0, 2 * AROUND)
            return Run(first + run.start, run.length)
    return None


def _longest_within(values: Array, start: int, stop: int) -> Run:
    zero = np.concatenate([[False], values[start:stop] == 0, [False]])
    edges = np.flatnonzero(np.diff(zero.astype(np.int8)))
    firsts, ends = edges[::2], edges[1::2]
    if not len(firsts):
        return Run(start, 0)
    at = int(np.argmax(ends - firsts))
    return Run(start + int(firsts[at]), int(ends[at] - firsts[at]))
