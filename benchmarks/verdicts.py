"""Six files made from one network, and what Pondera says became of it in each.

Run ``python -m benchmarks.verdicts MODEL.safetensors`` with a BERT in Hugging Face's names; needs torch and gguf.
The files are left in ``--out`` (a temporary folder by default). A verdict that is wrong makes the exit code 1.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from pondera.reading.comparison import compare
from pondera.weights.open import open as open_weights

Arrays = dict[str, np.ndarray[Any, Any]]

BERT = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
"""Names of Hugging Face -> those that llama.cpp gives a BERT."""


def torch_zip(arrays: Arrays, path: Path) -> None:
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)


def bfloat16(arrays: Arrays, path: Path) -> None:
    save_file({name: _rounded(array) for name, array in arrays.items()}, path)


def bfloat16_as_float32(arrays: Arrays, path: Path) -> None:
    save_file({name: _rounded(array).astype(array.dtype) for name, array in arrays.items()}, path)


def _rounded(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(ml_dtypes.bfloat16) if array.dtype == np.float32 else array


def one_last_place(arrays: Arrays, path: Path) -> None:
    moved = {name: np.nextafter(a, np.float32(9)) if ".layer.3." in name else a for name, a in arrays.items()}
    save_file(moved, path)


def adapter(arrays: Arrays, path: Path, rank: int = 8) -> None:
    random = np.random.default_rng(0)

    def merged(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        down, up = (random.normal(size=size) for size in ((rank, array.shape[1]), (array.shape[0], rank)))
        return array + (0.002 * up @ down).astype(np.float32)

    adapted = re.compile(r"attention\.self\.(query|value)\.weight")
    save_file({name: merged(a) if adapted.search(name) else a for name, a in arrays.items()}, path)


def renamed(arrays: Arrays, path: Path) -> None:
    save_file(
        {
            f"blob{at:03d}": np.ascontiguousarray(array.T) if array.ndim == 2 else array
            for at, array in enumerate(arrays[name] for name in sorted(arrays))
        },
        path,
    )


def quantized(arrays: Arrays, path: Path) -> None:
    _gguf(arrays, path, lambda name: name)


def quantized_llama(arrays: Arrays, path: Path) -> None:
    _gguf(arrays, path, llama_name)


def _gguf(arrays: Arrays, path: Path, name_of: Callable[[str], str]) -> None:
    writer = gguf.GGUFWriter(path, "bert")
    for name, array in arrays.items():
        if array.ndim == 2 and array.dtype == np.float32 and "embeddings.p" not in name:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name_of(name), gguf.quants.quantize(array, kind), raw_dtype=kind)
        elif array.dtype == np.float32:
            writer.add_tensor(name_of(name), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_name(name: str) -> str:
    """Return what llama.cpp calls a tensor of a BERT."""
    stem, _, last = name.rpartition(".")
    block = re.search(r"layer\.(\d+)\.(.*)", stem)
    if block and block[2] in BERT:
        return f"blk.{block[1]}.{BERT[block[2]]}.{last}"
    return f"{BERT[stem]}.{last}" if stem in BERT else name


CASES: tuple[tuple[str, Callable[[Arrays, Path], None], str], ...] = (
    ("torch.pt", torch_zip, "same weights in another file"),
    ("bfloat16.safetensors", bfloat16, "only rounded"),
    ("bfloat16-as-float32.safetensors", bfloat16_as_float32, "only rounded"),
    ("one-last-place.safetensors", one_last_place, "fine-tuned"),
    ("rank-8.safetensors", adapter, "low-rank adapter merged"),
    ("renamed.safetensors", renamed, "same network, renamed or transposed"),
    ("q8.gguf", quantized, "only rounded"),
    ("q8-llama.gguf", quantized_llama, "only rounded"),
)
"""Name of a file, what makes it, and what is to be said of it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("model", type=Path, help="a BERT as safetensors in float32")
    parser.add_argument("--out", type=Path, help="folder for the files")
    chosen = parser.parse_args()
    arrays = load_file(chosen.model)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        out = chosen.out or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        for name, make, expected in CASES:
            if not (out / name).exists():
                make(arrays, out / name)
            began = time.perf_counter()
            found = compare(open_weights(chosen.model), open_weights(out / name))
            seconds = time.perf_counter() - began
            wrong += found.verdict != expected
            print(f"{'right' if found.verdict == expected else 'WRONG'}  {name}  {seconds:.2f} s\n  {found.statement}")
            for finding in found.findings:
                print(f"  - {finding.statement}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
