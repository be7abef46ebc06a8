"""A TensorProto, as ONNX files hold them for every constant array -> a tensor (https://onnx.ai/onnx/intro/concepts.html).

The values lie in one of three places: as raw bytes in the message, as a list of numbers in it (``float_data`` and its
like), or in a file beside it. Raw bytes and lists of floats are mapped where they lie; integers are decoded when they
are asked for.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pondera.errors import ModelFileError
from pondera.weights.mapped import MOST_AXES, beside, checked_range, checked_shape, map_file
from pondera.weights.packed import NARROW, Packed, packed_size
from pondera.weights.protobuf import BYTES, FIXED32, FIXED64, LONGEST, VARINT, Message, Varints, signed, varint
from pondera.weights.tensor import DTYPES, Array, Mapped, Source, Tensor

STRING = 8

KINDS: dict[int, tuple[str, str]] = {
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", "int32_data"),
    11: ("float64", "double_data"),
    12: ("uint32", "uint64_data"),
    13: ("uint64", "uint64_data"),
    14: ("complex64", "float_data"),
    15: ("complex128", "double_data"),
    16: ("bfloat16", "int32_data"),
    17: ("float8_e4m3fn", "int32_data"),
    18: ("float8_e4m3fnuz", "int32_data"),
    19: ("float8_e5m2", "int32_data"),
    20: ("float8_e5m2fnuz", "int32_data"),
    21: ("uint4", "int32_data"),
    22: ("int4", "int32_data"),
    23: ("float4_e2m1fn", "int32_data"),
    24: ("float8_e8m0fnu", "int32_data"),
    25: ("uint2", "int32_data"),
    26: ("int2", "int32_data"),
    27: ("float6_e2m3fn", "int32_data"),
    28: ("float6_e3m2fn", "int32_data"),
}
"""The format's number for a type of values -> our dtype, and the list that has its values where they are not raw."""

TENSOR = {
    1: ("dims", (VARINT, BYTES)),
    2: ("data_type", (VARINT,)),
    3: ("segment", (BYTES,)),
    4: ("float_data", (FIXED32, BYTES)),
    5: ("int32_data", (VARINT, BYTES)),
    7: ("int64_data", (VARINT, BYTES)),
    8: ("name", (BYTES,)),
    9: ("raw_data", (BYTES,)),
    10: ("double_data", (FIXED64, BYTES)),
    11: ("uint64_data", (VARINT, BYTES)),
    13: ("external_data", (BYTES,)),
    14: ("data_location", (VARINT,)),
}
ENTRY = {1: ("key", (BYTES,)), 2: ("value", (BYTES,))}

MOST_TEXT = 1 << 16
"""Longer texts than this are cut."""


@dataclass(frozen=True)
class Coded:
    """Values of fewer than eight bits, each in a byte of its own."""

    source: Source
    dtype: str

    @property
    def nbytes(self) -> int:
        """How many bytes the values take where they are stored."""
        return self.source.nbytes

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1."""
        bits, meaning = NARROW[self.dtype]
        found: Array = meaning[self.source.flat(start, stop) & ((1 << bits) - 1)]
        return found


@dataclass(frozen=True)
class Beside:
    """Values in another file, which is mapped only while they are looked at: a network may name thousands of files.

    Attributes
    ----------
    file
        Where they lie.
    end
        How long the file must be.
    nbytes
        How many bytes they take there.
    source
        What reads them, given the mapped file.
    """

    file: Path
    end: int
    nbytes: int
    source: Callable[[memoryview], Source] = field(repr=False)

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1.

        Raises
        ------
        ModelFileError
            If the file is gone, or shorter than it was.
        """
        view = map_file(self.file)
        if len(view) < self.end:
            raise ModelFileError(f"{self.file}: has become shorter since it was opened. Open it again.")
        return self.source(view).flat(start, stop)


def read_tensor(message: Message, sizes: dict[Path, int], name: str | None = None, prefix: str = "") -> Tensor | str:
    """Return the tensor of a message, or only its name where its values are texts.

    Parameters
    ----------
    message
        A TensorProto.
    sizes
        The files beside it that have been looked at, and how long they are; added to.
    name
        What it is called, if not as the message says.
    prefix
        What its name begins with.

    Raises
    ------
    ModelFileError
        If the message is damaged, or its values are not where it says or not as many.
    """
    numbers, pieces, external, own = _parts(message)
    name = prefix + (own if name is None else name)
    kind = numbers.get("data_type", 0)
    if kind == STRING:
        return name
    if kind not in KINDS or "segment" in pieces:
        what = "is one of several segments" if kind in KINDS else f"has values of the type {kind}"
        raise ModelFileError(
            f"{message.path}: tensor {name!r:.200} {what}, which is not read; expected numbers of a type from 1 to "
            f"{max(KINDS)}, whole. Save the network again with the onnx library."
        )
    dtype, place = KINDS[kind]
    shape = checked_shape(message.path, name, _dims(message, pieces.get("dims")))
    count = math.prod(shape)
    if numbers.get("data_location") == 1:
        source = _external(message.path, name, external, sizes, dtype, count)
    elif "raw_data" in pieces:
        source = _raw(message.path, name, memoryview(pieces["raw_data"]), dtype, count)
    else:
        source = _listed(message.path, name, memoryview(pieces.get(place, b"")), dtype, place, count)
    return Tensor(name, shape, dtype, source)


def _parts(message: Message) -> tuple[dict[str, int], dict[str, Any], dict[str, str], str]:
    """Return what a message says: numbers, values, the place of values in another file, and the tensor's name."""
    numbers: dict[str, int] = {}
    pieces: dict[str, memoryview | bytearray] = {}
    external: dict[str, str] = {}
    own = ""
    for found in message.fields(TENSOR):
        if found.name == "name":
            own = message.text(found)
        elif found.name in ("data_type", "data_location"):
            numbers[found.name] = found.integer & 0xFFFFFFFF
        elif found.name == "external_data":
            key, value = read_entry(message.inner(found, "place of values in another file"))
            external[key[:20]] = value
        elif found.name in ("raw_data", "segment"):
            pieces[found.name] = found.data
        else:
            pieces[found.name] = message.joined(pieces.get(found.name), found)
        if len(external) > 20:
            raise message.damaged("it says more about the place of its values than there is to say")
    return numbers, pieces, external, own


def read_entry(message: Message) -> tuple[str, str]:
    """Return the two texts of a StringStringEntryProto."""
    texts = {found.name: message.text(found, MOST_TEXT) for found in message.fields(ENTRY)}
    return texts.get("key", ""), texts.get("value", "")


def _dims(message: Message, packed: memoryview | bytearray | None) -> list[int]:
    data = memoryview(packed or b"")
    if len(data) > MOST_AXES * LONGEST:
        raise message.damaged(f"its shape takes {len(data):,} bytes")
    found, at = [], 0
    try:
        while at < len(data):
            length, at = varint(data, at)
            found.append(signed(length))
    except (IndexError, ValueError):
        raise message.damaged("its shape ends in the middle of a number") from None
    return found


def _size(dtype: str, count: int) -> int:
    """Return how many bytes values take one after the other."""
    return packed_size(dtype, count) if dtype in NARROW else count * DTYPES[dtype].itemsize


def _dense(buffer: memoryview, start: int, dtype: str, count: int) -> Source:
    """Return values that lie one after the other."""
    if dtype in NARROW:
        return Packed(Mapped(buffer, start, DTYPES["uint8"], packed_size(dtype, count)), dtype, count)
    return Mapped(buffer, start, DTYPES[dtype], count)


def _raw(path: Path, name: str, data: memoryview, dtype: str, count: int) -> Source:
    _check_size(path, name, dtype, count, _size(dtype, count), len(data))
    return _dense(data, 0, dtype, count)


def _check_size(path: Path, name: str, dtype: str, count: int, expected: int, found: int) -> None:
    if found != expected:
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} has {count:,} values of the dtype {dtype}, which take {expected:,} bytes; "
            f"it has {found:,}. The file is damaged."
        )


def _listed(path: Path, name: str, data: memoryview, dtype: str, place: str, count: int) -> Source:
    """Return values from a list of numbers: floats lie there as in raw bytes, integers are varints."""
    if place in ("float_data", "double_data"):
        return _raw(path, name, data, dtype, count)
    where = f"{path}: tensor {name!r:.200}"
    numbers, kind = count, DTYPES.get(dtype, np.dtype(np.uint8))
    one_each = dtype in NARROW and NARROW[dtype][0] == 6  # 6 bits have a number of their own, 2 and 4 share one
    if dtype in NARROW and not one_each:
        numbers = _size(dtype, count)
    if not numbers <= len(data) <= LONGEST * numbers:
        raise ModelFileError(
            f"{where} has {count:,} values of the dtype {dtype}; the {len(data):,} bytes of its {place} cannot hold as "
            "many. The file is damaged."
        )
    source = Varints(where, data, kind, numbers)
    if dtype not in NARROW:
        return source
    return Coded(source, dtype) if one_each else Packed(source, dtype, count)


def _external(
    path: Path, name: str, external: dict[str, str], sizes: dict[Path, int], dtype: str, count: int
) -> Source:
    """Return values that lie in another file."""
    file = beside(path, external.get("location"))
    if not count:  # the file may be empty, and then cannot be mapped
        return _dense(memoryview(b""), 0, dtype, 0)
    if file not in sizes:
        if not os.path.exists(file):  # Path.exists raises where a name is too long
            raise ModelFileError(
                f"{path}: the values of tensor {name!r:.200} are in the file {external['location']!r:.200} beside it, "
                "which is missing. Copy it there."
            )
        sizes[file] = len(map_file(file))
    size = _size(dtype, count)
    start = _number(path, name, external.get("offset", "0"))
    _check_size(path, name, dtype, count, size, _number(path, name, external.get("length", str(size))))
    checked_range(file, name, start, start + size, sizes[file])
    return Beside(file, start + size, size, lambda view: _dense(view, start, dtype, count))


def _number(path: Path, name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} lies at {text!r:.80} of another file; expected a whole number of bytes."
        )
    return int(text)
