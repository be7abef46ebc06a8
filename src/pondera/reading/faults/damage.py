"""Bytes that training did not write: stretches of zeros, random bytes, blocks that occur twice.

What bytes are does not depend on what a tensor is for: every tensor of floats is looked at, whatever its name.

A file that was not written or copied whole holds zeros where a page or its end should be; one that was overwritten
holds bytes of something else. Read as floats those have all exponents alike, so that among weights there are numbers
such as 10³⁰. A copy of another block is made of healthy values, but no two weights agree in all their bits by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pondera.choice import counted
from pondera.findings import Finding
from pondera.reading.faults.design import WAVES, design_of
from pondera.reading.faults.facts import STRETCH, Facts, Place
from pondera.reading.faults.rule import certainty_of
from pondera.reading.histogram import Histogram
from pondera.weights.layers import STATE
from pondera.weights.mapped import file_of
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import DTYPES, Array, Mapped, Tensor

RESTORE = "Restore the file from where it came from, and compare checksums."

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

FLIPPED = 2.0**60
"""So many times the usual size no weight is: the highest bits of an exponent have flipped."""

FLIPPED_HALF, LARGE_HALF = 2.0**12, 64.0
"""The same for float16, in which the highest bit of the exponent is a factor of 2¹⁶; what stays smaller is harmless."""

FEW = 2
"""Values that single bits may have made absurd."""

FEWEST = 16
"""Of fewer values none is far off the usual size."""

SECTOR = 512
"""Bytes at whose multiples content is compared: a sector of a disk."""

SHORTEST_COPY = 4096
"""Bytes in a row that must occur twice: a page."""

PIECE = 1 << 24
"""Bytes that are gone through at a time."""

MOST_LOADED = 1 << 26
"""Larger tensors are compared only where they are mapped as they are: others would have to be unpacked whole."""

MOST_PRINTS = 1 << 17
"""Places that are compared, all tensors together; in larger files they lie farther apart."""


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


def noise(facts: Facts) -> Iterator[Finding]:
    """Random bytes read as floats: huge values of all exponents alike among ordinary ones."""
    for place in facts.stored:
        found = _huge(place) if place.figures.count >= FEWEST else None
        if found is None:
            continue
        count, octaves, typical = found
        figures = place.figures
        yield Finding(
            f"{place.name} has about {counted(count, 'value')} of absurd size, up to "
            f"{max(-figures.minimum, figures.maximum):.2g}, while half of its values are below {typical:.2g}: "
            f"{'they look like random bytes' if count > FEW else 'as bits that flipped, or random bytes, leave them'}.",
            {
                "huge": count,
                "octaves": octaves,
                "median_size": typical,
                "largest": max(-figures.minimum, figures.maximum),
                "nan": figures.nan,
                "infinite": figures.infinite,
            },
            "exponents of the values, from the histogram: random bytes have all of them alike",
            "IEEE 754-2019 on the encoding of floats",
            certainty_of("random bytes"),
            f"Part of the tensor was overwritten, or is read with the wrong dtype or byte order. {RESTORE}",
            where=place.name,
        )


def _huge(place: Place) -> tuple[int, int, float] | None:
    """Return how many values are far too large, over how many powers of two they spread, and the typical size."""
    figures = place.figures
    wide = place.tensor.dtype in ("float32", "bfloat16", "float64")
    largest = max(-figures.minimum, figures.maximum)
    if not largest > (2.0**20 if wide else 2.0**7):
        return None
    if largest > 1e60:
        return 1, 200, _typical(exponents_of(figures.histogram))
    counts = exponents_of(figures.histogram)  # (256,)
    typical = _typical(counts)
    if _is_one_number(figures.histogram, typical):
        return None
    first = 127 + math.ceil(math.log2(max(typical, 2.0**-20))) + (40 if wide else 10)
    first = max(first, 127 + (20 if wide else 6))
    upper = counts[first:255]
    octaves = np.flatnonzero(upper)
    if upper.sum() < 3 or len(octaves) < 3 or np.ptp(octaves) < (16 if wide else 3):
        flipped = largest > FLIPPED * typical if wide else _is_flipped_half(place, largest, typical)
        return (max(int(upper.sum()), 1), max(len(octaves), 1), typical) if flipped else None
    half = len(upper) // 2 if wide else max((127 + 16 - first) // 2, 1)
    if not wide and (upper.sum() < 8 or 3 * upper[half:].sum() < upper[:half].sum()):
        return None  # a tail that grows thinner is one of a heavy-tailed tensor
    return int(upper.sum()), len(octaves), typical


def _is_flipped_half(place: Place, largest: float, typical: float) -> bool:
    """Whether a value of float16 is larger than any weight by what the highest bit of its exponent is a factor of."""
    learned = place.kind != "unknown" and place.role not in STATE  # figures of a training may have any range
    if place.tensor.dtype != "float16" or not learned or not largest > max(FLIPPED_HALF * typical, LARGE_HALF):
        return False
    sizes = exponents_of(place.figures.histogram)[127 + round(math.log2(LARGE_HALF)) : 255]
    return bool(sizes.sum() <= FEW)


def _is_one_number(histogram: Histogram, typical: float) -> bool:
    """Whether all that is absurdly large is one number again and again: it stands for something, such as no entry."""
    orders = histogram.bins.astype(np.int64) - 32768
    sizes = np.where(orders < 0, -1 - orders, orders) >> 7  # exponents
    absurd = sizes >= min(127 + 40 + math.log2(typical), 254)
    return bool(absurd.sum() == 1 and histogram.counts[absurd].sum() > FEW)


def exponents_of(histogram: Histogram) -> Array:
    """Return how many values have each of the 256 exponents of a float32, (256,), from a histogram of statistics."""
    orders = np.zeros(512, np.int64)  # sign and exponent, in the order of the values
    np.add.at(orders, histogram.bins >> 7, histogram.counts)
    counts: Array = orders[256:] + orders[:256][::-1]
    return counts


def _typical(counts: Array) -> float:
    """Return the power of two above the median size of the values that are not 0."""
    below = np.cumsum(counts[1:])
    return 2.0 ** (int(np.searchsorted(below, below[-1] / 2)) + 1 - 126) if len(below) and below[-1] else 1.0


def repeated(facts: Facts) -> Iterator[Finding]:
    """A block of bytes that occurs twice in one tensor."""
    whole = sum(place.tensor.nbytes for place in facts.stored)
    step = SECTOR
    while whole // step > MOST_PRINTS:
        step *= 2
    for place in facts.stored:
        tensor = place.tensor
        loaded = not isinstance(tensor.source, Mapped) and tensor.nbytes > MOST_LOADED
        if tensor.dtype not in DTYPES or tensor.nbytes < 2 * SHORTEST_COPY or loaded:
            continue
        found = _copy(place, step, facts.is_of_tokens(place))
        if found is None:
            continue
        first, second, length = found
        size = DTYPES[place.tensor.dtype].itemsize
        yield Finding(
            f"{place.name} has the same {length:,} bytes twice: from value {first // size:,} and from value "
            f"{second // size:,} on.",
            {"first": first // size, "second": second // size, "values": length // size, "bytes": length},
            f"comparison of bytes at multiples of {step:,}",
            certainty=certainty_of("repeated block"),
            advice=f"A block was probably written to two places. {RESTORE} If the layer was made by copying units, "
            "as growing a network or repeating heads of attention does, it is meant so.",
            where=place.name,
        )


def _copy(place: Place, step: int, of_tokens: bool) -> tuple[int, int, int] | None:
    """Return where the longest block begins for the first and the second time, and its length, in bytes."""
    words = _beginnings(place.tensor, step)  # (rows, 2)
    with np.errstate(over="ignore"):
        prints = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ words[:, 1]
    order = np.argsort(prints, kind="stable")
    same = np.flatnonzero(prints[order[1:]] == prints[order[:-1]])
    first, second = order[same], order[same + 1]
    plain = words[first, 0] != words[first, 1]  # not one value again and again
    first, second = first[plain], second[plain]
    need = max(SHORTEST_COPY // step - 1, 2)
    if len(first) < need:
        return None
    shifts, counts = np.unique(second - first, return_counts=True)
    shift = int(shifts[np.argmax(counts)])
    if counts.max() < need:
        return None
    at = int(first[second - first == shift][0]) * step
    data = place.tensor.source.flat(0, place.tensor.count).view(np.uint8)
    found = _extended(data, at, at + shift * step)
    if found is None or (of_tokens and _is_one_row(place, data[found[0] : found[0] + found[2]])):
        return None
    return found


def _beginnings(tensor: Tensor, step: int) -> Array:
    """Return the first 16 of every ``step`` bytes as two whole numbers, (rows, 2), uint64."""
    size = tensor.nbytes // tensor.count
    found = []
    for values in tensor.chunks(max(PIECE // step, 1) * step // size):
        data = values.view(np.uint8)
        rows = len(data) // step
        found.append(np.ascontiguousarray(data[: rows * step].reshape(rows, step)[:, :16]).view(np.uint64))
    return np.concatenate(found)


def _is_one_row(place: Place, block: Array) -> bool:
    """Whether a block is the same row again and again, as those of tokens that never occurred are."""
    row = place.tensor.nbytes // place.tensor.shape[0]
    return bool(len(block) < 2 * row or np.array_equal(block[row:], block[:-row]))


def _extended(data: Array, first: int, second: int) -> tuple[int, int, int] | None:
    """Return the whole block around two places that begin alike."""
    most = min(second - first, len(data) - second)
    unlike = np.flatnonzero(data[first : first + most] != data[second : second + most])
    after = int(unlike[0]) if len(unlike) else most
    back = min(first, second - first)
    unlike = np.flatnonzero(data[first - back : first][::-1] != data[second - back : second][::-1])
    before = int(unlike[0]) if len(unlike) else back
    block = data[first - before : first + after]
    if len(block) < SHORTEST_COPY or len(np.unique(block[: len(block) // 4 * 4].view(np.uint32)[:1024])) < 32:
        return None
    return first - before, second - before, len(block)
