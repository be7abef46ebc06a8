"""Weights -> a safetensors file (https://github.com/huggingface/safetensors), a stretch of values at a time.

The header lists tensors in the order they were in. Their values lie in the order of how wide they are, the widest
first, as the format's own library lays them out: so each begins at a multiple of its width. The header is filled up
with spaces to a multiple of 8 bytes for the same reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pondera.errors import ArgumentError
from pondera.weights.safetensors import MOST_HEADER, NAMES
from pondera.weights.writing.outgoing import Outgoing, Told

CODES = {dtype: code for code, dtype in NAMES.items()}
"""Our dtypes -> the format's."""

METADATA = "__metadata__"


def header_of(tensors: Sequence[Outgoing], texts: Mapping[str, str]) -> bytes:
    """Return all bytes that come before the values.

    Raises
    ------
    ArgumentError
        If a tensor has a name that the format has another use for, or the header would be longer than it may be.
    """
    places: dict[str, int] = {}
    reached = 0
    for tensor in laid_out(tensors):
        places[tensor.name] = reached
        reached += tensor.nbytes
    if METADATA in places:
        raise ArgumentError(f"A tensor is called {METADATA!r}, where safetensors keeps texts. Write another format.")
    header: dict[str, object] = {METADATA: dict(texts)} if texts else {}
    for tensor in tensors:
        begin = places[tensor.name]
        header[tensor.name] = {
            "dtype": CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, begin + tensor.nbytes],
        }
    written = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    written += b" " * (-len(written) % 8)
    if len(written) > MOST_HEADER:
        raise ArgumentError(
            f"The names, shapes and texts take {len(written):,} bytes; safetensors holds at most {MOST_HEADER:,}. "
            "Write another format."
        )
    return len(written).to_bytes(8, "little") + written


def check_safetensors(tensors: Sequence[Outgoing]) -> None:
    """Refuse names that the format has another use for, and more of them than fit.

    Raises
    ------
    ArgumentError
        Says which, or how many.
    """
    header_of(tensors, {})


def laid_out(tensors: Sequence[Outgoing]) -> list[Outgoing]:
    """Return tensors in the order their values lie in."""
    return sorted(tensors, key=lambda tensor: -tensor.bits)


def write_safetensors(path: Path, tensors: Sequence[Outgoing], texts: Mapping[str, str], told: Told) -> None:
    """Write tensors and texts to a file.

    Raises
    ------
    OSError
        If the file cannot be written to.
    """
    with path.open("wb") as file:
        file.write(header_of(tensors, texts))
        for tensor in laid_out(tensors):
            file.writelines(tensor.pieces(told))
