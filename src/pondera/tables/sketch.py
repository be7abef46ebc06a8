"""Whether rows are among those that training saw: from a few hashes of them, which is all that is kept."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

KEPT = 512
"""Hashes that are kept: of no more different rows every one."""

_SHIFTS = tuple(np.uint64(shift) for shift in (30, 27, 31))
_FACTORS = tuple(np.uint64(factor) for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sketch:
    """The smallest hashes of some rows (Bar-Yossef et al. 2002, RANDOM '02): a sample of them that values choose.

    Of other rows those with a hash in the same range are as good as drawn at random, and of each of them it is known
    whether it is one of the rows.

    Attributes
    ----------
    hashes
        (some,) uint64, ascending, each once.
    whole
        Whether these are of all rows, so that every other row can be told.

    Examples
    --------
    >>> seen = Sketch.of(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> seen.among(np.array([[3.0, 4.0], [3.0, 5.0], [1.0, 2.0]])).tolist()
    [1.0, 0.0, 1.0]
    >>> Sketch.from_text(seen.to_text()) == seen
    True
    """

    hashes: Array
    whole: bool

    @classmethod
    def of(cls, x: Array) -> Sketch:
        """Return the sketch of rows (rows, inputs), as a network takes them."""
        return cls._smallest(np.unique(_hashes(x)), True)

    @classmethod
    def _smallest(cls, hashes: Array, whole: bool) -> Sketch:
        return cls(hashes[:KEPT], whole and len(hashes) <= KEPT)

    def with_rows(self, x: Array) -> Sketch:
        """Return the sketch of these rows and more, (rows, inputs)."""
        more = Sketch.of(x)
        return self._smallest(np.union1d(self.hashes, more.hashes), self.whole and more.whole)

    def among(self, x: Array) -> Array:
        """Return whether each row has the values of one that was seen: 1 or 0, NaN where that is not known, (rows,)."""
        found = _hashes(x)
        known = np.isin(found, self.hashes).astype(np.float64)
        if not self.whole:
            known[found > self.hashes[-1]] = np.nan
        return known

    def to_text(self) -> str:
        """Return the sketch as a text, which :meth:`from_text` takes."""
        return f"{'all' if self.whole else 'some'}:{base64.b64encode(self.hashes.astype('<u8').tobytes()).decode()}"

    @classmethod
    def from_text(cls, text: str) -> Sketch:
        """Return the sketch that :meth:`to_text` wrote.

        Raises
        ------
        ValueError
            If it is none.
        """
        kind, _, code = text.partition(":")
        hashes = np.frombuffer(base64.b64decode(code, validate=True), "<u8").astype(np.uint64)
        if kind not in ("all", "some") or not len(hashes):
            raise ValueError("no sketch of rows")
        return cls(hashes, kind == "all")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sketch) and self.whole == other.whole and np.array_equal(self.hashes, other.hashes)

    __hash__ = None  # type: ignore[assignment]  # as of other things that hold arrays


def _hashes(x: Array) -> Array:
    """Return a number of 64 bits for each row, the same on every machine: (rows,)."""
    found = np.zeros(len(x), np.uint64)
    for column in np.asarray(x).T:
        bits = (column.astype(np.float32) + np.float32(0)).view(np.uint32)  # −0 is 0
        found = _mixed((found ^ bits.astype(np.uint64)) + _STEP)
    return found


def _mixed(values: Array) -> Array:
    """Return numbers whose every bit depends on every bit of those given: SplitMix (Steele, Lea & Flood 2014)."""
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        values = (values ^ (values >> shift)) * factor
    return np.asarray(values ^ (values >> _SHIFTS[-1]))
