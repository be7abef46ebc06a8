"""The GGUF format of llama.cpp: facts about a model, and named tensors, most of them in blocks that share a scale.

The specification is ``docs/gguf.md`` in https://github.com/ggml-org/ggml. A file is a magic word, a version, how many
tensors and facts there are, the facts (key, type, value), what the tensors are (name, lengths, type, place), and their
values, each tensor at a multiple of the alignment. Versions 2 and 3 are read, in little-endian order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pondera.errors import ModelFileError
from pondera.weights.collection import Weights
from pondera.weights.gguf.facts import U32, U64, Cursor, read_facts
from pondera.weights.mapped import MOST_AXES, checked_count, checked_range, checked_shape
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import DTYPES, Mapped, Source, Tensor

MAGIC = b"GGUF"
ALIGNMENT = 32  # where the file says nothing else

PLAIN: dict[int, str] = {
    0: "float32",
    1: "float16",
    24: "int8",
    25: "int16",
    26: "int32",
    27: "int64",
    28: "float64",
    30: "bfloat16",
}
"""The types of tensors whose values lie as they are."""

BLOCKS: dict[int, str] = {
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
    40: "NVFP4",
    41: "Q1_0",
}
"""The types of tensors in blocks -> :data:`~pondera.weights.quantized.ENCODINGS`."""

GONE: dict[int, str] = {
    4: "Q4_2",
    5: "Q4_3",
    31: "Q4_0_4_4",
    32: "Q4_0_4_8",
    33: "Q4_0_8_8",
    36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}
"""Types that ggml no longer reads."""


def looks_like_gguf(head: bytes) -> bool:
    """Whether a file begins with the format's magic word."""
    return head.startswith(MAGIC)


def open_gguf(path: Path, view: memoryview) -> Weights:
    """Return the tensors of a mapped file; nothing but its facts and the list of its tensors is read.

    Of an array of more than 64 items, such as a vocabulary, the metadata says ``type``, ``length`` and ``first``: the
    first eight. Numbers that are infinite or none are texts in it.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another version or byte order, or says something that cannot be.
    """
    cursor = Cursor(path, view, len(MAGIC))
    _check_version(path, cursor.number(U32))
    tensor_count, fact_count = cursor.number(U64), cursor.number(U64)
    checked_count(path, tensor_count)
    facts = read_facts(cursor, fact_count)
    infos = [_info(cursor) for _ in range(tensor_count)]
    alignment = _alignment(path, facts)
    first = -(-cursor.at // alignment) * alignment
    tensors: dict[str, Tensor] = {}
    places = []
    for info in infos:
        if info.name in tensors:
            raise ModelFileError(f"{path}: two tensors are called {info.name!r:.200}. The file is damaged.")
        if info.offset % alignment:
            raise ModelFileError(
                f"{path}: tensor {info.name!r:.200} begins at byte {info.offset:,} of the values; expected a multiple "
                f"of {alignment:,}. The file is damaged."
            )
        tensor = tensors[info.name] = _tensor(path, view, first + info.offset, info)
        if tensor.nbytes:
            places.append((info.offset, info.offset + tensor.nbytes, info.name))
    _check_apart(path, places)
    return Weights.of(list(tensors.values()), "GGUF", metadata=facts, files=(path,))


def _check_version(path: Path, version: int) -> None:
    if version in (2, 3):
        return
    if version == 1:
        found = "version 1, which was in use for some weeks of 2023. Convert the model anew."
    elif version and not version & 0xFFFF:
        found = "one in big-endian order. Convert it with llama.cpp's gguf-convert-endian."
    else:
        found = f"version {version:,}. The file is damaged or newer than this version of Pondera; update Pondera."
    raise ModelFileError(f"{path}: expected a GGUF file of version 2 or 3 in little-endian order, found {found}")


def _alignment(path: Path, facts: dict[str, Any]) -> int:
    found = facts.get("general.alignment", ALIGNMENT)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1 or found & (found - 1):
        raise ModelFileError(f"{path}: has the alignment {found!r:.80}; expected a power of two. The file is damaged.")
    return found


@dataclass(frozen=True)
class Info:
    """What the file says of a tensor: its name, its shape, the number of its type, and where it begins."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


def _info(cursor: Cursor) -> Info:
    name = cursor.name("tensor")
    axes = cursor.number(U32)
    if axes > MOST_AXES:
        raise ModelFileError(f"{cursor.path}: tensor {name!r:.200} has {axes:,} axes; expected at most {MOST_AXES}.")
    lengths = [cursor.number(U64) for _ in range(axes)]
    # The file lists the fastest axis first. Turned round, a matrix is (outputs, inputs), as its framework had it and as
    # the arrays of the gguf package are shaped.
    shape = checked_shape(cursor.path, name, lengths[::-1])
    return Info(name, shape, cursor.number(U32), cursor.number(U64))


def _tensor(path: Path, view: memoryview, start: int, info: Info) -> Tensor:
    name, shape = info.name, info.shape
    count = math.prod(shape)
    source: Source
    if info.kind in PLAIN:
        dtype = PLAIN[info.kind]
        source = Mapped(view, start, DTYPES[dtype], count)
    elif info.kind in BLOCKS:
        dtype = BLOCKS[info.kind]
        encoding = ENCODINGS[dtype]
        row = shape[-1] if shape else 1
        if row % encoding.values:
            raise ModelFileError(
                f"{path}: tensor {name!r:.200} has rows of {row:,} values; expected a multiple of {encoding.values}, "
                f"the values of a block of {dtype}. The file is damaged."
            )
        source = Blocks(view, start, encoding, count)
    else:
        raise ModelFileError(f"{path}: tensor {name!r:.200} {_not_read(info.kind)}")
    checked_range(path, name, start, start + source.nbytes, len(view))
    return Tensor(name, shape, dtype, source)


def _not_read(kind: int) -> str:
    if kind in GONE:
        return f"has the type {GONE[kind]}, which ggml no longer has. Quantize the model anew."
    if kind == 9:
        return "has the type Q8_1, which is for use while computing and is not stored. Quantize the model anew."
    return (
        f"has the type number {kind:,}, which is not known. The file is damaged or newer than Pondera; update Pondera."
    )


def _check_apart(path: Path, places: list[tuple[int, int, str]]) -> None:
    """Refuse tensors that overlap; between them there may be bytes that belong to none."""
    reached, before = 0, ""
    for begin, end, name in sorted(places):
        if begin < reached:
            raise ModelFileError(f"{path}: the tensors {before!r:.200} and {name!r:.200} overlap. The file is damaged.")
        reached, before = end, name
