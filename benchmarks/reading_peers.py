"""How others find out what values are in a file: each function returns a call that does it all, from the file on."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[], Any]


def plain_sum(path: Path) -> Call:
    """Sum the file's bytes by all cores, as whole numbers of 8 bytes: the bandwidth."""
    from pondera.machine import cores
    from pondera.reading.kernels import total
    from pondera.weights.mapped import map_file

    view = map_file(path)
    words = np.frombuffer(view, np.uint64, len(view) // 8)
    part = 1 << 21
    pool = ThreadPoolExecutor(cores())

    def call() -> int:
        starts = range(0, len(words), part)
        return sum(int(each) for each in pool.map(lambda start: total(words[start : start + part], 1), starts))

    return call


def pondera(path: Path) -> Call:
    """Everything that :class:`~pondera.reading.statistics.Statistics` has, of every tensor."""
    from pondera.reading.statistics import statistics_of_all
    from pondera.weights.open import open as open_weights

    return lambda: dict(statistics_of_all(open_weights(path)))


def numpy_four(path: Path) -> Call:
    """Minimum, maximum, mean and deviation of every tensor; bfloat16 by way of float32."""
    from pondera.weights.open import open as open_weights

    def figures(values: Any) -> tuple[float, ...]:
        wide = values if values.dtype == np.float32 else values.astype(np.float32)
        return float(wide.min()), float(wide.max()), float(wide.mean()), float(wide.std())

    return lambda: [figures(tensor.values()) for tensor in open_weights(path).values()]


def torch_four(path: Path) -> Call:
    """Minimum, maximum, mean and deviation of every tensor, as PyTorch's operations on the mapped file."""
    from safetensors import safe_open

    def call() -> list[Any]:
        with safe_open(path, "pt") as file:
            found = []
            for name in file.keys():  # noqa: SIM118
                tensor = file.get_tensor(name)
                found.append((*tensor.aminmax(), tensor.mean(), tensor.std(correction=0)))
            return found

    return call


def weightlens(path: Path) -> Call:
    """``lens analyze`` with as many workers as it finds right, its report thrown away."""
    from rich.console import Console
    from weightlens.cli import run_cli

    def call() -> None:
        told = io.StringIO()
        if run_cli(["analyze", str(path), "--num-workers", "auto"], console=Console(file=told)) == 2:
            raise RuntimeError(told.getvalue())

    return call


def gguf_decode(path: Path) -> Call:
    """The ``gguf`` package's own decoding, in one piece, without any statistics."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    tensor = GGUFReader(path).tensors[0]
    return lambda: dequantize(tensor.data, tensor.tensor_type)
