"""Blocks of bytes that occur twice.

A copy of another block is made of healthy values, but no two weights agree in all their bits by chance. Every tensor of
floats is looked at, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pondera.findings import Finding
from pondera.reading.faults.facts import SECTOR, Facts, Place
from pondera.reading.faults.rule import RESTORE, certainty_of
from pondera.weights.tensor import DTYPES, Array, Mapped, Tensor

SHORTEST_COPY = 4096
"""Bytes in a row that must occur twice: a page."""

PIECE = 1 << 24
"""Bytes that are gone through at a time."""

MOST_LOADED = 1 << 26
"""Larger tensors are compared only where they are mapped as they are: others would have to be unpacked whole."""

MOST_PRINTS = 1 << 17
"""Places that are compared, all tensors together; in larger files they lie farther apart."""


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
