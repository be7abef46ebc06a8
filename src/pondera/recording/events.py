"""TensorBoard's event files, read and written without TensorBoard.

A file is one record after the other (https://www.tensorflow.org/tutorials/load_data/tfrecord): its length in 8 bytes, a
checksum of these, the bytes, a checksum of them. The checksum is CRC-32C, turned by 15 bits and added to a constant, so
that a checksum of what holds checksums is none that is easily right. The bytes are an ``Event`` of protocol buffers
(https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto and ``summary.proto``).
"""

from __future__ import annotations

import math
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from pondera.door import opener
from pondera.errors import ModelFileError, PonderaWarning, RunError
from pondera.recording.checksum import masked_crc
from pondera.weights.protobuf import BYTES, FIXED32, FIXED64, VARINT, Allowance, Message, signed

PROGRAM = "TensorBoard"
"""Whose files they are: what a run that was made of them has for its framework."""

Array = np.ndarray[Any, Any]

LONGEST = 1 << 28
"""A record of more bytes is refused: no scalar and no histogram takes as many."""

LATEST = 1 << 53
"""Steps are below this."""

EVENT = {1: ("wall_time", (FIXED64,)), 2: ("step", (VARINT,)), 5: ("summary", (BYTES,))}
SUMMARY = {1: ("value", (BYTES,))}
VALUE = {
    1: ("tag", (BYTES,)),
    2: ("simple_value", (FIXED32,)),
    5: ("histo", (BYTES,)),
    8: ("tensor", (BYTES,)),
    9: ("metadata", (BYTES,)),
}
METADATA, PLUGIN = {1: ("plugin_data", (BYTES,))}, {1: ("plugin_name", (BYTES,))}
HISTOGRAM = {
    1: ("min", (FIXED64,)),
    2: ("max", (FIXED64,)),
    3: ("num", (FIXED64,)),
    4: ("sum", (FIXED64,)),
    5: ("sum_squares", (FIXED64,)),
    6: ("bucket_limit", (BYTES, FIXED64)),
    7: ("bucket", (BYTES, FIXED64)),
}
TENSOR = {
    1: ("dtype", (VARINT,)),
    4: ("tensor_content", (BYTES,)),
    5: ("float_val", (BYTES, FIXED32)),
    6: ("double_val", (BYTES, FIXED64)),
}
FLOAT, DOUBLE = 1, 2
"""The types of tensors that hold figures, as TensorFlow numbers them."""


class Histogram(NamedTuple):
    """How values are spread: their number, extremes and sums, and (n,) the upper ends of bins and what they hold."""

    low: float
    high: float
    number: float
    total: float
    squares: float
    limits: Array
    counts: Array


class Told(NamedTuple):
    """What an event says of a tag: a number or a histogram."""

    step: int
    tag: str
    value: float | Histogram


def read_events(path: Path) -> Iterator[Told]:
    """Yield the scalars and histograms of a file; what else it holds is passed over.

    One record is in memory at a time. A file that ends within a record is one whose process was killed, or still
    writes: a warning says so.

    Raises
    ------
    RunError
        If the file cannot be read, a checksum is wrong, or a record holds no event or more than :data:`LONGEST` bytes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "events.out.tfevents.1")
    ...     _ = path.write_bytes(version_record(0.0) + record_of(0.0, 3, [("loss", 0.25)]))
    ...     list(read_events(path))
    [Told(step=3, tag='loss', value=0.25)]
    """
    try:
        with open(path, "rb", opener=opener) as file:
            for at, record in _records(path, file):
                yield from _event(Message(path, f"event at byte {at:,}", memoryview(record), Allowance()))
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}.") from error
    except ModelFileError as error:
        raise RunError(str(error)) from error


def _records(path: Path, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    at, size = 0, os.fstat(file.fileno()).st_size
    while begin := file.read(12):
        length, crc = struct.unpack("<QI", begin) if len(begin) == 12 else (0, 0)
        if len(begin) == 12:
            if crc != masked_crc(begin[:8]):
                raise RunError(f"{path}: the checksum at byte {at + 8:,} is wrong. It is damaged, or no event file.")
            if length > LONGEST:
                raise RunError(f"{path}: the record at byte {at:,} has {length:,} bytes; at most {LONGEST:,} are read.")
        rest = file.read(min(length + 4, size - at)) if len(begin) == 12 else b""
        if len(rest) < length + 4:
            message = f"{path} ends within a record, as when its process was killed. What comes before is read."
            warnings.warn(message, PonderaWarning, stacklevel=3)
            return
        record = rest[:-4]
        if struct.unpack("<I", rest[-4:])[0] != masked_crc(record):
            raise RunError(f"{path}: the checksum of the record at byte {at:,} is wrong. The file is damaged.")
        yield at, record
        at += 16 + length


def _event(event: Message) -> Iterator[Told]:
    step = 0
    summaries: list[Message] = []
    for found in event.fields(EVENT):
        if found.name == "step":
            step = signed(found.integer)
        elif found.name == "summary":
            summaries.append(event.inner(found, event.what))
    if summaries and not 0 <= step < LATEST:
        raise event.damaged(f"its step is {step}")
    for summary in summaries:
        for found in summary.fields(SUMMARY):
            yield from _value(step, summary.inner(found, event.what))


def _value(step: int, value: Message) -> Iterator[Told]:
    tag, plugin = "", ""
    told: dict[str, memoryview] = {}
    for found in value.fields(VALUE):
        if found.name == "tag":
            tag = value.text(found)
        elif found.name == "metadata":
            plugin = _plugin(value.inner(found, value.what))
        else:
            told[found.name] = found.data
    inner = {name: Message(value.path, value.what, data, value.allowance) for name, data in told.items()}
    if "simple_value" in told:
        yield Told(step, tag, struct.unpack("<f", told["simple_value"])[0])
    elif "histo" in told:
        yield Told(step, tag, _histogram(inner["histo"]))
    elif "tensor" in told and plugin in ("scalars", "histograms"):
        values = _tensor(inner["tensor"])
        if plugin == "scalars" and values.size == 1:
            yield Told(step, tag, float(values[0]))
        elif plugin == "histograms" and values.size % 3 == 0:
            yield Told(step, tag, _of_triples(values.reshape(-1, 3), value))


def _plugin(metadata: Message) -> str:
    for found in metadata.fields(METADATA):
        inner = metadata.inner(found, metadata.what)
        for name in inner.fields(PLUGIN):
            return inner.text(name)
    return ""


def _histogram(message: Message) -> Histogram:
    numbers = dict.fromkeys(("min", "max", "num", "sum", "sum_squares"), 0.0)
    lists: dict[str, bytearray] = {"bucket_limit": bytearray(), "bucket": bytearray()}
    for found in message.fields(HISTOGRAM):
        if found.name in numbers:
            numbers[found.name] = struct.unpack("<d", found.data)[0]
        else:
            lists[found.name] += found.data
    if any(len(each) % 8 for each in lists.values()):
        raise message.damaged("a list of its numbers is cut")
    limits, counts = (np.frombuffer(bytes(each), "<f8") for each in lists.values())
    low, high, number, total, squares = numbers.values()
    return _checked(Histogram(low, high, number, total, squares, limits, counts), message)


def _of_triples(rows: Array, message: Message) -> Histogram:
    """Return the histogram of (n, 3) left ends, right ends and counts; its sums are those of the bins' middles."""
    left, right, counts = rows.T
    middle, filled = (left + right) / 2, counts > 0
    low, high = (float(left[filled].min()), float(right[filled].max())) if filled.any() else (math.inf, -math.inf)
    total, squares = float(counts @ middle), float(counts @ middle**2)
    return _checked(Histogram(low, high, float(counts.sum()), total, squares, right, counts), message)


def _checked(found: Histogram, message: Message) -> Histogram:
    good = len(found.limits) == len(found.counts) and not np.isnan(found.limits).any()
    if not good or not np.isfinite(found.counts).all() or (found.counts < 0).any() or (np.diff(found.limits) < 0).any():
        raise message.damaged("its histogram has bins that are none")
    if found.squares < 0:
        raise message.damaged("the squares in its histogram are less than nothing")
    if found.counts.sum() > 2**53 or not 0 <= found.number <= 2**53:
        raise message.damaged("its histogram counts more values than there are")
    return found


def _tensor(message: Message) -> Array:
    kind = 0
    content = {name: bytearray() for name in ("tensor_content", "float_val", "double_val")}
    for found in message.fields(TENSOR):
        if found.name == "dtype":
            kind = found.integer
        else:
            content[found.name] += found.data
    dtype = {FLOAT: "<f4", DOUBLE: "<f8"}.get(kind)
    if dtype is None:
        return np.zeros(0)
    data = bytes(content["tensor_content"] or content["float_val" if kind == FLOAT else "double_val"])
    if len(data) % np.dtype(dtype).itemsize:
        raise message.damaged("its numbers are cut")
    return np.frombuffer(data, dtype).astype(np.float64)


def version_record(when: float) -> bytes:
    """Return the record that every file begins with."""
    return _record(struct.pack("<Bd", 0x09, when) + _bytes(3, b"brain.Event:2"))


def record_of(when: float, step: int, told: Sequence[tuple[str, float | Histogram]]) -> bytes:
    """Return the record of what is told of some tags at a step, ``when`` in seconds since 1970."""
    values = b""
    for tag, value in told:
        if isinstance(value, Histogram):
            sums = (value.low, value.high, value.number, value.total, value.squares)
            inner = b"".join(struct.pack("<Bd", (k + 1) << 3 | FIXED64, each) for k, each in enumerate(sums))
            inner += _bytes(6, value.limits.astype("<f8").tobytes()) + _bytes(7, value.counts.astype("<f8").tobytes())
            field = _bytes(5, inner)
        else:
            with np.errstate(over="ignore"):  # beyond float32 it is infinite
                field = bytes([2 << 3 | FIXED32]) + np.float64(value).astype("<f4").tobytes()
        values += _bytes(1, _bytes(1, tag.encode()) + field)
    return _record(struct.pack("<Bd", 0x09, when) + b"\x10" + _varint(step) + _bytes(5, values))


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def _bytes(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | BYTES]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
