"""Tensors in stretches, over all cores: one pool of threads for a whole file, results in the file's order.

A stretch is long where values lie in memory as they are, so that little is done in Python; elsewhere it is decoded in
pieces that stay in the second cache. Small tensors are handed out several at a time.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from pondera.machine import cores
from pondera.weights.hdf5.chunks import Chunked
from pondera.weights.layout import in_order
from pondera.weights.mapped import look, require_uncut
from pondera.weights.quantized.encodings import Blocks
from pondera.weights.quantized.kernels import Kernel, compiled
from pondera.weights.tensor import Mapped, Tensor

Array = np.ndarray[Any, Any]
T = TypeVar("T")

SHORTEST, STRETCH = 1 << 20, 1 << 24
"""Values of a stretch: no fewer are worth handing to a thread, and more would only keep more of a file in memory."""

PARTS = 4
"""A tensor is cut into so many stretches, as far as these bounds allow."""

PIECE = 1 << 17
"""Values that are decoded at a time: 512 kB of float32, which stay in the second cache."""

TOGETHER = 1 << 20
"""Bytes from which on stretches are a task of their own; smaller ones are handed out together."""

AHEAD = 4
"""Tasks that are handed out for each thread before the first result is taken."""


class Stretch(NamedTuple):
    """The values start … stop − 1 of a tensor."""

    tensor: Tensor
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """About how many bytes they take where they are stored."""
        return self.tensor.nbytes * (self.stop - self.start) // max(self.tensor.count, 1)

    def pieces(self) -> Iterator[Array]:
        """Yield the values in order, flat, in one piece or in several; none of them can be written to.

        A piece holds only until the next is asked for: all that are decoded lie in the same memory.
        """
        source = self.tensor.source
        step = max(self.stop - self.start, 1) if isinstance(source, Mapped) else PIECE
        decoded = np.empty(PIECE, np.float32) if isinstance(source, Blocks) else None
        for start in range(self.start, self.stop, step):
            stop = min(start + step, self.stop)
            if decoded is not None and isinstance(source, Blocks):
                source.into(start, decoded[: stop - start])
                values = decoded[: stop - start]
            else:
                values = np.require(source.flat(start, stop), None, ["C", "A"]).view()
            values.flags.writeable = False  # loops are then compiled for one kind of array only
            yield values

    def blocks(self) -> tuple[Kernel, Array] | None:
        """Return what decodes the values, and their blocks, (n, bytes); None where no compiled loop does."""
        source = self.tensor.source
        kernel = compiled(source.encoding.name) if isinstance(source, Blocks) else None
        if kernel is None or not isinstance(source, Blocks):
            return None
        size, values = source.encoding.size, source.encoding.values
        count = (self.stop - self.start) // values
        look(source.buffer, count * size)
        raw = np.frombuffer(source.buffer, np.uint8, count * size, source.start + self.start // values * size)
        raw.flags.writeable = False
        return kernel, raw.reshape(count, size)


def stretches_of(tensor: Tensor) -> list[Stretch]:
    """Return a tensor's stretches in order; there is one at least, be it empty."""
    step = min(max(-(-tensor.count // PARTS), SHORTEST), STRETCH)
    step = -(-step // PIECE) * PIECE  # whole blocks of every encoding
    return [Stretch(tensor, at, min(at + step, tensor.count)) for at in range(0, max(tensor.count, 1), step)]


def over_threads(
    work: Callable[[Stretch], T], stretches: Iterable[Stretch], nbytes: int, threads: int | None = None
) -> Iterator[tuple[Stretch, T]]:
    """Yield each stretch and what comes of it, in their order.

    Parameters
    ----------
    work
        Is called in several threads at once.
    stretches
        What is read.
    nbytes
        How many bytes they take in all.
    threads
        How many; by default as many as there are cores.
    """

    def done(task: list[Stretch]) -> list[tuple[Stretch, T]]:
        found = [(stretch, work(stretch)) for stretch in task]
        for stretch in task:
            require_uncut(stretch.tensor.source)
        return found

    tasks = _tasks(stretches)
    workers = min(threads or cores(), nbytes // TOGETHER + 1)
    if workers == 1:
        for task in tasks:
            yield from done(task)
        return
    waiting: deque[Future[list[tuple[Stretch, T]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            waiting.extend(pool.submit(done, task) for task in itertools.islice(tasks, AHEAD * workers))
            while waiting:
                found = waiting.popleft().result()
                waiting.extend(pool.submit(done, task) for task in itertools.islice(tasks, 1))
                yield from found
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _tasks(stretches: Iterable[Stretch]) -> Iterator[list[Stretch]]:
    """Yield stretches in order, as many at a time as are worth handing to a thread.

    What is unpacked from the front on stays with one thread: two would unpack it again and again.
    """
    task: list[Stretch] = []
    size = 0
    for stretch in stretches:
        if size >= TOGETHER and not (task[-1].tensor is stretch.tensor and _unpacked(stretch.tensor)):
            yield task
            task, size = [], 0
        task.append(stretch)
        size += stretch.nbytes
    if task:
        yield task


def _unpacked(tensor: Tensor) -> bool:
    return in_order(tensor.source) or isinstance(tensor.source, Chunked)
