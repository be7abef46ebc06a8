"""How fast memory is: what a plain sum over the bytes of a file, by all cores at once, reaches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pondera.machine import cores
from pondera.weights.collection import Weights

Array = np.ndarray[Any, Any]

MOST = 1 << 28
"""Bytes that are looked at, at most."""

PART = 1 << 22
"""Bytes of them that a thread takes at a time."""

SHARED = 1 << 24
"""Of a smaller file every byte is looked at so often that this many are."""

SECONDS = 0.015
"""How long each half of it takes, about: to fetch the bytes, and to measure."""


def bandwidth_of(weights: Weights, threads: int | None = None) -> float | None:
    """Return how many 10⁹ bytes a second a plain sum over the last bytes of a mapped file reaches, when in memory.

    It is what reading can be compared with: nothing that looks at every byte is much faster. It takes some hundredths
    of a second, whatever the file's size.

    Parameters
    ----------
    weights
        Whose bytes; those that are compressed are not looked at.
    threads
        How many; by default as many as there are cores.

    Returns
    -------
    None where no tensor's bytes lie in memory as they are.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped, Tensor
    >>> ones = np.ones(10_000, np.float32)
    >>> tensor = Tensor("w", (10_000,), "float32", Mapped(memoryview(ones.tobytes()), 0, ones.dtype, ones.size))
    >>> bandwidth_of(Weights.of([tensor], "none")) > 0
    True
    """
    from pondera.reading.kernels import total

    parts = list(_parts(weights))
    if not parts:
        return None
    times = max(1, SHARED // sum(part.nbytes for part in parts))
    with ThreadPoolExecutor(threads or cores()) as pool:
        present = _fetched(parts, pool, total)
        nbytes = sum(part.nbytes for part in present) * times
        fastest, begun = float("inf"), time.perf_counter()
        while time.perf_counter() - begun < SECONDS or fastest == float("inf"):
            started = time.perf_counter()
            list(pool.map(lambda part: total(part, times), present))
            fastest = min(fastest, time.perf_counter() - started)
    return nbytes / 1e9 / fastest


def _fetched(parts: list[Array], pool: ThreadPoolExecutor, total: Any) -> list[Array]:
    """Return the parts that could be brought into memory within the time there is; those may lie on a slow disk."""
    begun = time.perf_counter()

    def fetch(part: Array) -> bool:
        late = time.perf_counter() - begun > SECONDS and part is not parts[0]
        if not late:
            total(part, 1)
        return not late

    return [part for part, present in zip(parts, list(pool.map(fetch, parts)), strict=True) if present]


def _parts(weights: Weights) -> Iterator[Array]:
    """Yield bytes of a file as uint64, those that were read last first."""
    left = MOST
    for tensor in reversed(list(weights.values())):
        source: Any = tensor.source
        buffer, start = getattr(source, "buffer", None), getattr(source, "start", None)
        if not isinstance(buffer, memoryview) or not isinstance(start, int):
            continue
        count = min(source.nbytes, len(buffer) - start, left)
        raw = np.frombuffer(buffer, np.uint8, max(count, 0), start)
        raw = raw[-raw.ctypes.data % 8 :]
        words = raw[: len(raw) // 8 * 8].view(np.uint64)
        words.flags.writeable = False
        left -= words.nbytes
        yield from (words[at : at + PART // 8] for at in range(0, len(words), PART // 8))
