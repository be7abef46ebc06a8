"""A tensor on its way into a file: the dtype that it takes there, and its bytes, a stretch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pondera.choice import counted
from pondera.errors import ArgumentError
from pondera.weights.packed import PACKED, pack
from pondera.weights.tensor import DTYPES, Array, Tensor
from pondera.weights.writing.rounding import Losses, rounded

Told = Callable[[int], object]
"""What is told how many bytes were written."""


@dataclass(frozen=True)
class Outgoing:
    """A tensor as it will be in a file.

    Attributes
    ----------
    tensor
        What is written.
    dtype
        What it is written as: a name in :data:`~pondera.weights.tensor.DTYPES` or
        :data:`~pondera.weights.packed.PACKED`.
    losses
        Filled in while it is written, if it is rounded.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped
    >>> values = np.array([1.0, 0.1])
    >>> tensor = Tensor("w", (2,), "float64", Mapped(memoryview(values.tobytes()), 0, values.dtype, 2))
    >>> [bytes(piece).hex() for piece in Outgoing(tensor, "float16").pieces()]
    ['003c662e']
    """

    tensor: Tensor
    dtype: str
    losses: Losses | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.tensor.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.tensor.shape

    @property
    def bits(self) -> int:
        """How many bits a value takes."""
        return PACKED[self.dtype][0] if self.dtype in PACKED else 8 * DTYPES[self.dtype].itemsize

    @property
    def nbytes(self) -> int:
        """How many bytes it takes in the file."""
        return -(-self.tensor.count * self.bits // 8)

    def pieces(self, told: Told = lambda size: None) -> Iterator[memoryview]:
        """Yield its bytes in order and tell how many; memory stays small however large it is.

        Raises
        ------
        ArgumentError
            After the last, if a finite value became infinite.
        """
        for values in self.tensor.chunks():
            piece = self._bytes(values)
            yield piece.data
            told(len(piece))
        if self.losses is not None and self.losses.overflowed:
            wider = "bfloat16 or float32" if self.dtype == "float16" else "float32" if self.dtype != "float32" else ""
            advice = f"Give --dtype {wider}" if wider else "Leave out --dtype"
            raise ArgumentError(
                f"{self.name!r:.200}: {counted(self.losses.overflowed, 'value')} of {self.tensor.count:,} lie beyond "
                f"the largest {self.dtype} and would become infinite. {advice}."
            )

    def _bytes(self, values: Array) -> Array:
        if self.dtype in PACKED:
            return pack(values, self.dtype)
        found = rounded(values, DTYPES[self.dtype])
        if self.losses is not None:
            self.losses.add(values, found)
        return found.view(np.uint8)
