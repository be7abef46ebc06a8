"""NumPy's own files: one array (.npy), or several in a zip archive (.npz). Objects, which are pickles, are refused.

The format is described in ``numpy.lib.format``; its header is a Python dictionary written out, which is read as
literals and never evaluated.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pondera.errors import ModelFileError
from pondera.weights.archive import Entry, Inflated, entries_of
from pondera.weights.collection import Weights
from pondera.weights.layout import Converted, Strided, Turned
from pondera.weights.mapped import checked_count, checked_range, checked_shape
from pondera.weights.tensor import DTYPES, Mapped, Source, Tensor

MAGIC = b"\x93NUMPY"
NUMBER = re.compile(r"[<>|=]?(?:\?|[biufc]\d{1,2})", re.ASCII)
"""How dtypes of numbers are written; of anything else NumPy makes a grammar of its own, or warns."""

WORDS = re.compile(rb"""['"]descr['"]: ?['"][<>|=][USMm]""")
"""How the headers of arrays of letters and of dates describe them."""

MOST_DESCRIPTION = 256
"""Bytes at the beginning of an array that describe it, if it is of one type."""

MOST_HEADER = 1 << 16
"""A longer header is refused: parsing literals takes memory many times their length."""

MOST_TURNED = 1 << 28
"""Compressed values with the first axis fastest are unpacked into memory up to this many bytes."""


def looks_like_npy(head: bytes) -> bool:
    """Whether a file begins as an array does."""
    return head.startswith(MAGIC)


def looks_like_npz(head: bytes) -> bool:
    """Whether a file begins as a zip archive of arrays does."""
    return head.startswith(b"PK\x03\x04") and head[30:].partition(b"PK")[0][:512].find(b".npy") >= 0


def open_npy(path: Path, view: memoryview) -> Weights:
    """Return the one array of a mapped .npy file, called as the file is.

    Raises
    ------
    ModelFileError
        If its header is damaged, or it holds objects.
    """
    name = path.stem
    dtype, shape, fortran, start = _header(path, name, bytes(view[:MOST_HEADER]))
    tensor = _tensor(path, name, dtype, shape, fortran, lambda count: Mapped(view, start, dtype, count))
    checked_range(path, name, start, start + tensor.nbytes, len(view))
    return Weights.of([tensor], "NumPy .npy", files=(path,))


def open_npz(path: Path, view: memoryview) -> Weights:
    """Return the arrays of a .npz archive: mapped where they are stored, streamed where they are compressed.

    Arrays of letters or dates, such as the names of classes, are left out and named as ``skipped``.

    Raises
    ------
    ModelFileError
        If the archive or one of its arrays is damaged, one holds objects, or none holds numbers.
    """
    entries = entries_of(path, view)
    checked_count(path, len(entries))
    arrays = [entry for entry in entries.values() if entry.name.endswith(".npy")]
    words = [entry for entry in arrays if WORDS.search(entry.head(MOST_DESCRIPTION))]
    words = words if len(words) < len(arrays) else []
    tensors = [_of_entry(path, entry) for entry in arrays if entry not in words]
    return Weights.of(tensors, "NumPy .npz", files=(path,), skipped=tuple(entry.name for entry in words))


def _of_entry(path: Path, entry: Entry) -> Tensor:
    name = entry.name.removesuffix(".npy")
    dtype, shape, fortran, start = _header(path, name, entry.head(MOST_HEADER))

    def source(count: int) -> Source:
        if entry.deflated:
            return Inflated(entry, start, dtype, count)
        return Mapped(entry.stored, start, dtype, count)

    tensor = _tensor(path, name, dtype, shape, fortran, source)
    checked_range(path, name, start, start + tensor.nbytes, entry.size)
    return tensor


def _tensor(
    path: Path, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool, source: Callable[[int], Source]
) -> Tensor:
    stored = source(math.prod(shape))
    native = dtype.newbyteorder("=")
    if fortran and len(shape) > 1:
        stored = _turned(path, name, stored, shape)
    if dtype != native or not dtype.isnative:
        stored = Converted(stored, native)
    return Tensor(name, shape, native.name, stored)


def _turned(path: Path, name: str, stored: Source, shape: tuple[int, ...]) -> Source:
    """Return values with the first axis fastest in the order of the tensor."""
    if isinstance(stored, Mapped):
        strides = tuple(math.prod(shape[:axis]) for axis in range(len(shape)))
        return Strided(stored.buffer, stored.start, stored.dtype, shape, strides)
    if stored.nbytes > MOST_TURNED:
        raise ModelFileError(
            f"{path}: {name!r:.200} is compressed, has its first axis fastest and takes {stored.nbytes:,} bytes; up to "
            f"{MOST_TURNED:,} are turned round in memory. Save it with numpy.savez, which does not compress."
        )
    return Turned(stored, shape)


def _header(path: Path, name: str, head: bytes) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """Return dtype, shape, whether the first axis is the fastest, and where the values begin."""
    if not head.startswith(MAGIC) or len(head) < 10:
        raise ModelFileError(f"{path}: {name!r:.200} is no NumPy array: its first bytes are others. It is damaged.")
    wide = head[6] >= 2
    start = 12 if wide else 10
    length = int.from_bytes(head[8:start], "little")
    if length > len(head) - start:
        raise ModelFileError(
            f"{path}: the header of {name!r:.200} has {length:,} bytes, more than there are or than an array needs. It "
            "is damaged."
        )
    if b"\\" in head[start : start + length]:  # of which Python would warn
        raise ModelFileError(f"{path}: the header of {name!r:.200} cannot be read. It is damaged.")
    try:
        found = ast.literal_eval(head[start : start + length].decode("utf-8" if head[6] >= 3 else "latin1").strip())
        written, fortran, shape = found["descr"], found["fortran_order"], found["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise ModelFileError(f"{path}: the header of {name!r:.200} cannot be read. It is damaged.") from error
    if not isinstance(shape, tuple) or not isinstance(fortran, bool) or not isinstance(written, str):
        what = "a table of several types" if isinstance(written, list) else repr(written)[:80]
        raise ModelFileError(f"{path}: {name!r:.200} holds {what}; expected numbers of one type.")
    return _dtype(path, name, written), checked_shape(path, name, shape), fortran, start + length


def _dtype(path: Path, name: str, written: str) -> np.dtype[Any]:
    if written[:2] in ("|O", "=O", "<O", ">O") or written == "O":
        raise ModelFileError(
            f"{path}: {name!r:.200} holds Python objects, a pickle, which can run any program when opened; it is not "
            "opened. Save numbers."
        )
    try:
        dtype = np.dtype(written if written in DTYPES or NUMBER.fullmatch(written) else "V")
    except (TypeError, ValueError):
        dtype = np.dtype("V")
    if dtype.newbyteorder("=").name not in DTYPES:
        raise ModelFileError(f"{path}: {name!r:.200} holds values of the type {written!r:.40}; expected numbers.")
    return dtype
