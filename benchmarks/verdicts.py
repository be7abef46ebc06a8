"""Files made from one network, and what Pondera says became of it in each.

Run ``python -m benchmarks.verdicts [MODEL.safetensors]``, with all-MiniLM-L6-v2 or another BERT in Hugging Face's
names. The files are left in ``--out`` (a temporary folder by default). A verdict that is wrong makes the exit code 1.
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

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table
from benchmarks.reading_files import minilm
from pondera.reading.comparison import compare
from pondera.weights.open import open as open_weights

PACKAGES = ("pondera", "numpy", "numba", "safetensors", "torch", "gguf")

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


CASES: tuple[tuple[str, str, Callable[[Arrays, Path], None], str], ...] = (
    ("PyTorch's zip format", "torch.pt", torch_zip, "same weights in another file"),
    ("rounded to bfloat16", "bfloat16.safetensors", bfloat16, "only rounded"),
    ("there and back", "bfloat16-as-float32.safetensors", bfloat16_as_float32, "only rounded"),
    ("a layer moved by one last place", "one-last-place.safetensors", one_last_place, "fine-tuned"),
    ("an adapter of rank 8 merged in", "rank-8.safetensors", adapter, "low-rank adapter merged"),
    ("renamed and transposed", "renamed.safetensors", renamed, "same network, renamed or transposed"),
    ("GGUF, Q8_0", "q8.gguf", quantized, "only rounded"),
    ("GGUF, Q8_0, llama.cpp's names", "q8-llama.gguf", quantized_llama, "only rounded"),
)
"""What was done, name of the file, what makes it, and what is to be said of it."""


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    rows = [
        [name, each["verdict"], "right" if each["verdict"] == each["expected"] else "WRONG", f"{each['seconds']:.1f}"]
        for name, each in content["entries"].items()
    ]
    return f"{table(['a copy of MiniLM', 'verdict', '', 's'], rows)}\n\n{sentence(content['machine'])}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", help="a BERT as safetensors in float32")
    parser.add_argument("--out", type=Path, help="folder for the files")
    chosen = parser.parse_args()
    model = chosen.model or minilm()
    arrays = load_file(model)
    entries: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = chosen.out or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        for what, name, make, expected in CASES:
            if not (out / name).exists():
                make(arrays, out / name)
            began = time.perf_counter()
            found = compare(open_weights(model), open_weights(out / name))
            seconds = time.perf_counter() - began
            entries[what] = {
                "verdict": found.verdict,
                "expected": expected,
                "statement": found.statement,
                "seconds": seconds,
            }
            print(f"{what}: {found.statement}", file=sys.stderr, flush=True)
    print(report(keep("verdicts", machine(PACKAGES), entries)))
    sys.exit(any(each["verdict"] != each["expected"] for each in entries.values()))


if __name__ == "__main__":
    main()
