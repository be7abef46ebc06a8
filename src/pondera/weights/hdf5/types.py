"""What the values in an HDF5 file are, and in what shape.

Sections IV.A.2.b (dataspace) and IV.A.2.d (datatype) of
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html. A float is described bit by bit there: where its
sign, exponent and mantissa lie. That is how bfloat16 is told from float16.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from pondera.weights.hdf5.space import Cursor
from pondera.weights.mapped import checked_shape

OTHERS = {
    2: "times",
    3: "texts",
    4: "bit fields",
    5: "opaque bytes",
    6: "records of several fields",
    7: "references",
    9: "lists of varying length",
    10: "arrays",
    11: "complex numbers",
}
"""The classes whose values are no plain numbers, in words."""

FLOATS: dict[tuple[int, ...], np.dtype[Any]] = {
    layout: np.dtype(kind)
    for layout, kind in {
        (2, 15, 10, 5, 0, 10, 15): np.float16,
        (4, 31, 23, 8, 0, 23, 127): np.float32,
        (8, 63, 52, 11, 0, 52, 1023): np.float64,
        (2, 15, 7, 8, 0, 7, 127): ml_dtypes.bfloat16,
        (1, 7, 3, 4, 0, 3, 7): ml_dtypes.float8_e4m3fn,
        (1, 7, 2, 5, 0, 2, 15): ml_dtypes.float8_e5m2,
    }.items()
}
"""Bytes, place of the sign, place and size of the exponent, place and size of the mantissa, bias -> dtype."""


class Kind(NamedTuple):
    """What one value is.

    ``dtype`` is None where it is no number; ``text`` is ``"fixed"`` or ``"variable"`` for texts; ``big`` says that the
    first byte of a number is the highest; ``words`` describes it.
    """

    size: int
    words: str
    dtype: np.dtype[Any] | None = None
    big: bool = False
    text: str = ""

    @property
    def stored(self) -> np.dtype[Any]:
        """The dtype of a number as it lies in the file."""
        assert self.dtype is not None
        return self.dtype.newbyteorder(">") if self.big and self.size > 1 else self.dtype


def kind_of(cursor: Cursor) -> Kind:
    """Return what a datatype message describes.

    Raises
    ------
    ModelFileError
        If it ends too early.
    """
    first, bits, size = cursor.number(1), cursor.number(3), cursor.number(4)
    group = first & 15
    if group == 0:
        return _whole(cursor, bits, size)
    if group == 1:
        return _float(cursor, bits, size)
    if group == 8:
        return _enumeration(cursor, size)
    text = "fixed" if group == 3 else "variable" if group == 9 and bits & 15 == 1 else ""
    return Kind(size, "texts" if text else OTHERS.get(group, f"values of the unknown class {group}"), text=text)


def _whole(cursor: Cursor, bits: int, size: int) -> Kind:
    offset, precision = cursor.number(2), cursor.number(2)
    if size not in (1, 2, 4, 8) or offset or precision != 8 * size:
        return Kind(size, f"whole numbers of {precision} bits")
    dtype = np.dtype(f"{'i' if bits & 8 else 'u'}{size}")
    return Kind(size, dtype.name, dtype, bool(bits & 1))


def _float(cursor: Cursor, bits: int, size: int) -> Kind:
    offset, precision = cursor.number(2), cursor.number(2)
    layout = (size, bits >> 8 & 255, *(cursor.number(1) for _ in range(4)), cursor.number(4))
    dtype = FLOATS.get(layout)
    normal = not bits & 0x40 and bits >> 4 & 3 == 2 and not offset and precision == 8 * size  # VAX order, a hidden 1
    if dtype is None or not normal:
        return Kind(size, f"floats of {precision} bits in a layout that is not IEEE's")
    if bits & 1 and dtype == ml_dtypes.bfloat16:
        return Kind(size, "bfloat16 with its high byte first")
    return Kind(size, dtype.name, dtype, bool(bits & 1))


def _enumeration(cursor: Cursor, size: int) -> Kind:
    base = _base(cursor)
    if base.dtype is not None and size == 1 and re.match(rb"FALSE\x00+TRUE\x00+\x01", bytes(cursor.view[cursor.at :])):
        return Kind(1, "bool", np.dtype(np.bool_))
    return base if base.size == size else Kind(size, "an enumeration")


def _base(cursor: Cursor) -> Kind:
    """Return the whole numbers that an enumeration is made of."""
    first, bits, size = cursor.number(1), cursor.number(3), cursor.number(4)
    return _whole(cursor, bits, size) if first & 15 == 0 else Kind(size, "an enumeration")


def shape_of(cursor: Cursor, name: str) -> tuple[int, ...] | None:
    """Return the shape that a dataspace message describes, or None where there are no values at all.

    Raises
    ------
    ModelFileError
        If no array can have it.
    """
    version, axes = cursor.number(1), cursor.number(1)
    flags = cursor.number(1)
    if version == 1:
        cursor.take(5)
        empty = False
    elif version == 2:
        empty = cursor.number(1) == 2
        if flags & ~1:
            raise cursor.space.damaged(f"the shape of {name!r:.200} has flags {flags} that it cannot have")
    else:
        raise cursor.space.unsupported(f"the shape of {name!r:.200} is written in version {version}")
    lengths = [cursor.number(8) for _ in range(axes)]
    return None if empty else checked_shape(cursor.space.path, name, lengths)
