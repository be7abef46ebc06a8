"""The safetensors format: named arrays and a few texts (https://github.com/huggingface/safetensors).

A file is the length of its header (8 bytes, little-endian), the header as JSON, and the values. The header names
each tensor's dtype, shape, and where its values begin and end; together they cover the rest of the file without gap.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from pondera.errors import ModelFileError
from pondera.files import whole_file
from pondera.weights.collection import Weights
from pondera.weights.mapped import checked_count, checked_range, checked_shape, map_file, mapped_so_far
from pondera.weights.packed import PACKED, Packed, packed_size
from pondera.weights.plain_json import read_json
from pondera.weights.tensor import DTYPES, Mapped, Source, Tensor

Arrays = Mapping[str, np.ndarray[Any, Any]]

MOST_HEADER = 100_000_000
"""A longer header is refused, as the format's own library does."""

NAMES: dict[str, str] = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F6_E2M3": "float6_e2m3fn",
    "F6_E3M2": "float6_e3m2fn",
    "F4": "float4_e2m1fn",
}
"""The format's dtypes -> ours."""


def looks_like_safetensors(head: bytes) -> bool:
    """Whether a file begins as this format does: a length, then a brace; with a quote after it, whatever the length."""
    length = int.from_bytes(head[:8], "little")
    return head[8:10] == b'{"' or (head[8:9] == b"{" and 2 <= length <= MOST_HEADER)


def open_safetensors(path: Path, view: memoryview) -> Weights:
    """Return the tensors of a mapped file; nothing but its header is read.

    Raises
    ------
    ModelFileError
        If the header is damaged, or says something that cannot be.
    """
    header, first = _header(path, view)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ModelFileError(f"{path}: expected texts as metadata, found {metadata!r:.80}. The file is damaged.")
    checked_count(path, len(header))
    tensors, places = [], []
    for name, entry in header.items():
        tensor, begin, end = _tensor(path, view, first, name, entry)
        tensors.append(tensor)
        places.append((begin, end, name))
    _check_cover(path, places, len(view) - first)
    return Weights.of(tensors, "safetensors", metadata=metadata, files=(path,))


def _header(path: Path, view: memoryview) -> tuple[dict[str, Any], int]:
    """Return the header, and where the values begin."""
    length = int.from_bytes(view[:8], "little")
    if len(view) < 8 or length > MOST_HEADER or length + 8 > len(view):
        raise ModelFileError(f"{path}: expected a safetensors file, found {_found(path, view)}")
    text = bytes(view[8 : 8 + length])
    checked_count(path, text.count(b'"data_offsets"'))  # before a million tensors take memory
    try:
        header = read_json(text)
    except ValueError as error:
        raise ModelFileError(
            f"{path}: the header of the safetensors file cannot be read: {str(error).rstrip('.')}. The file is "
            "damaged; restore it from a copy or save it again."
        ) from None
    if not isinstance(header, dict):
        raise ModelFileError(f"{path}: expected a dictionary as header, found {header!r:.80}. The file is damaged.")
    return header, 8 + length


def _tensor(path: Path, view: memoryview, first: int, name: str, entry: Any) -> tuple[Tensor, int, int]:
    """Return a tensor that the header names, and where it begins and ends, counted from the first value."""
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise ModelFileError(f"{path}: tensor {name!r:.200} lacks its dtype, shape or place. The file is damaged.")
    kind, shape, places = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in NAMES:
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} has the dtype {kind!r:.40}; expected one of {', '.join(NAMES)}."
        )
    whole = isinstance(places, list) and len(places) == 2 and all(type(place) is int for place in places)
    if not isinstance(shape, list) or not whole:
        raise ModelFileError(f"{path}: tensor {name!r:.200} has no shape or no place in the file. The file is damaged.")
    lengths = checked_shape(path, name, shape)
    begin, end = places
    checked_range(path, name, first + begin, first + end, len(view))
    count = int(np.prod(lengths, dtype=object))
    source: Source
    if NAMES[kind] in PACKED:
        packed = Mapped(view, first + begin, DTYPES["uint8"], packed_size(NAMES[kind], count))
        source = Packed(packed, NAMES[kind], count)
    else:
        source = Mapped(view, first + begin, DTYPES[NAMES[kind]], count)
    if source.nbytes != end - begin:
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} of the shape {list(lengths)} and dtype {kind} takes {source.nbytes:,} "
            f"bytes; the header gives it {end - begin:,}. The file is damaged."
        )
    return Tensor(name, lengths, NAMES[kind], source), begin, end


def _check_cover(path: Path, places: list[tuple[int, int, str]], size: int) -> None:
    """Refuse tensors that overlap, or bytes that belong to none."""
    reached = 0
    for begin, end, name in sorted(places):
        if begin != reached:
            what = "overlaps the one before it" if begin < reached else f"leaves {begin - reached:,} bytes unused"
            raise ModelFileError(f"{path}: tensor {name!r:.200} {what}. The file is damaged.")
        reached = end
    if reached != size:
        what = "bytes follow the last tensor" if reached < size else "bytes are missing at the end"
        raise ModelFileError(f"{path}: {abs(size - reached):,} {what}. The file is damaged.")


def write(path: str | os.PathLike[str], arrays: Arrays, metadata: Mapping[str, str]) -> None:
    """Write arrays and texts to a safetensors file that is whole or not there.

    Raises
    ------
    ModelFileError
        If the place cannot be written to.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        with whole_file(path) as part:
            mode = part.stat().st_mode
            save_file(contiguous, part, metadata=dict(metadata) or None)  # it writes {} as a damaged header
            part.chmod(mode)  # it makes a new file that only its owner can read
    except (OSError, SafetensorError, ValueError) as error:  # a ValueError is a path that no system has
        raise ModelFileError(f"{path}: cannot be written: {_reason(error)}.") from error


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Return the arrays, copied into memory, and the texts of a safetensors file.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is not a whole safetensors file.
    """
    place = Path(path)
    since = mapped_so_far()
    weights = replace(open_safetensors(place, map_file(place)), since=since)
    arrays = {name: np.array(tensor.values()) for name, tensor in weights.items()}
    weights.require_whole()
    return arrays, dict(weights.metadata)


def _found(path: Path, view: memoryview) -> str:
    """Return what a file that cannot be read seems to be, and what to do."""
    head = bytes(view[:4096])
    if head[8:9] == b"{":
        said = int.from_bytes(head[:8], "little")
        return (
            f"one of {len(view):,} bytes whose header is said to have {said:,}. It is cut short or damaged; restore it "
            "from a copy or save it again."
        )
    text = head.decode("utf-8", errors="replace")
    kind = "a table" if head.startswith((b"PAR1", b"ARROW1")) else "a text" if _is_text(text) else "something else"
    return f"{kind}. Give the path of a model file."


def _is_text(text: str) -> bool:
    return all(letter.isprintable() or letter.isspace() for letter in text) and "\ufffd" not in text[:-1]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().rstrip(".") or type(error).__name__
