"""Compares the figures of every tensor of checkpoints with NumPy's in float64 on the decoded values.

Run ``python -m benchmarks.figures [FILE ...]``; all-MiniLM-L6-v2 and generated files of every format and dtype are
looked at in either case. A figure that is off makes the exit code 1.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz_seeds import FORMATS
from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table, verdict
from benchmarks.reading_files import minilm
from pondera.choice import listed
from pondera.reading.statistics import Statistics, statistics_of
from pondera.weights.collection import Weights
from pondera.weights.open import open as open_weights
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import DTYPES, Mapped, Tensor

PACKAGES = ("pondera", "numpy", "numba", "ml_dtypes", "gguf")
NEAR = 1e-6  # figures agree to this share
WITHIN_BIN = 0.011  # a quantile lies within its bin, or in the next
SIGMAS = 6.0  # so many standard errors the quantile of a sample may be off, in shares
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
SIZES = (1, 7, 8193, 70_000)

EXACT = ("count", "zeros", "nan", "infinite", "minimum", "maximum")
CLOSE = ("mean", "deviation", "l1", "l2")


def in_numpy(values: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return the same figures from NumPy, in float64."""
    wide = values.astype(np.float64).reshape(-1)
    finite = wide[np.isfinite(wide)]
    found: dict[str, float] = {
        "count": wide.size,
        "zeros": int((wide == 0).sum()),
        "nan": int(np.isnan(wide).sum()),
        "infinite": int(np.isinf(wide).sum()),
    }
    if finite.size:
        found |= {"minimum": finite.min(), "maximum": finite.max(), "mean": finite.mean(), "deviation": finite.std()}
        found |= {"l1": np.abs(finite).sum(), "l2": np.sqrt(np.square(finite).sum())}
    return found


def off_quantiles(ours: Statistics, values: np.ndarray[Any, Any]) -> list[str]:
    """Return which quantiles disagree: by more than 1 %, or than what the sample that they are of makes likely."""
    wide = values.astype(np.float64).reshape(-1)
    finite, wrong = wide[np.isfinite(wide)], []
    for q in QUANTILES if finite.size else ():
        slack = SIGMAS * math.sqrt(q * (1 - q) / ours.sampled) if ours.sampled < finite.size else 0.0
        shares = [max(q - slack, 0.0), min(q + slack, 1.0)]
        low, high = np.quantile(finite, shares, method="inverted_cdf")
        below, above = low - WITHIN_BIN * abs(low) - 1e-40, high + WITHIN_BIN * abs(high) + 1e-40
        wrong += [] if below <= ours.quantile(q) <= above else [f"q{q}"]
    return wrong


def off(ours: Statistics, theirs: dict[str, float]) -> tuple[list[str], float]:
    """Return which figures disagree, and the largest relative difference of those that need not be exact.

    A mean is compared to the mean size of the values: where they cancel, NumPy's own sum has lost those digits.
    """
    wrong = [name for name in EXACT if name in theirs and getattr(ours, name) != theirs[name]]
    largest = 0.0
    for name in CLOSE:
        if name in theirs:
            scale = theirs["l1"] / theirs["count"] if name == "mean" else abs(theirs[name])
            share = abs(getattr(ours, name) - theirs[name]) / scale if scale else abs(getattr(ours, name))
            largest = max(largest, float(share))
            wrong += [name] if share > NEAR else []
    return wrong, largest


def check(name: str, weights: Weights, entries: dict[str, Any]) -> None:
    """Add what all tensors of a file came to."""
    entry = entries.setdefault(name, {"tensors": 0, "values": 0, "largest": 0.0, "wrong": []})
    for tensor in [*weights.values(), *weights.optimizer.values()]:
        if tensor.dtype.startswith("complex"):
            continue
        with np.errstate(invalid="ignore"):
            theirs = in_numpy(tensor.values())
            ours = statistics_of(tensor)
            wrong, largest = off(ours, theirs)
            wrong += off_quantiles(ours, tensor.values())
        entry["tensors"] += 1
        entry["values"] += tensor.count
        entry["largest"] = max(entry["largest"], largest)
        entry["wrong"] += [f"{tensor.name}: {figure}" for figure in wrong]


def generated() -> Iterator[tuple[str, Weights]]:
    """Yield small files of every format, then values of every dtype and of every block encoding."""
    with tempfile.TemporaryDirectory() as folder:
        for format_, seeds in FORMATS.items():
            for number, seed in enumerate(seeds()):
                place = Path(folder, f"{format_}-{number}")
                place.mkdir()
                for file, content in seed.files.items():
                    (place / file).write_bytes(content)
                yield f"{format_} files", open_weights(place / seed.opened if seed.opened else place)
    random = np.random.default_rng(0)
    for dtype, kind in DTYPES.items():
        if not dtype.startswith("complex"):
            yield "every dtype", Weights.of([_values(f"{dtype} {size}", size, kind, random) for size in SIZES], dtype)
    for name in ENCODINGS:
        yield "every block encoding", Weights.of([_blocks(name, random)], name)


def _values(name: str, size: int, kind: np.dtype[Any], random: np.random.Generator) -> Tensor:
    spread = random.standard_normal(size) * (50 if kind.kind in "iu" else 0.02)
    values = (np.abs(spread) if kind.kind in "u" else spread).astype(kind)
    if kind.kind not in "iub" and size > 7:
        with np.errstate(invalid="ignore"):
            values[3:5] = np.array([np.nan, np.inf]).astype(kind)  # of dtypes without them, what takes their place
    return Tensor(name, (size,), kind.name, Mapped(memoryview(values.tobytes()), 0, kind, size))


def _blocks(name: str, random: np.random.Generator) -> Tensor:
    """Return random blocks whose values the ``gguf`` package's own decoding agrees on."""
    encoding = ENCODINGS[name]
    raw = random.integers(0, 256, (600, encoding.size), dtype=np.uint8)
    layout = raw.view(encoding.layout)[:, 0]
    for scale in {"d", "m"} & set(encoding.layout.names or ()):
        if layout.dtype[scale].kind == "f":
            layout[scale] = random.uniform(0.001, 0.002, layout[scale].shape)
    count = 600 * encoding.values
    tensor = Tensor(name, (count,), name, Blocks(memoryview(raw.tobytes()), 0, encoding, count))
    theirs = in_gguf(name, raw)
    if theirs is not None and not np.array_equal(theirs.reshape(-1), tensor.values(), equal_nan=True):
        raise AssertionError(f"{name} decodes to other values than in the gguf package.")
    return tensor


def in_gguf(name: str, raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Return what the gguf package decodes blocks to; None for encodings that it does not decode."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        found: np.ndarray[Any, Any] = dequantize(raw, GGMLQuantizationType[name])
    except (KeyError, NotImplementedError):  # the report names these
        return None
    return found


def without_peer() -> list[str]:
    """Return the encodings whose decoding nothing was compared with."""
    return [name for name, each in ENCODINGS.items() if in_gguf(name, np.zeros((1, each.size), np.uint8)) is None]


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    rows = [
        [
            name,
            f"{entry['tensors']:,}",
            f"{entry['values']:,}",
            f"{entry['largest']:.0e}",
            verdict(not entry["wrong"]),
        ]
        for name, entry in content["entries"].items()
    ]
    heads = ["statistics of", "tensors", "values", "largest relative difference", "agree"]
    told = (
        "Beside NumPy in float64 on the decoded values: count, zeros, NaN, infinities, minimum and maximum exactly; "
        f"mean, deviation and norms to {NEAR:g}; quantiles to 1 %, those of a sample within {SIGMAS:g} standard errors "
        "of the share besides."
    )
    alone = content["without_peer"]
    told += (
        f" Blocks decode as in the gguf package, which has nothing to compare {listed(alone)} with." if alone else ""
    )
    return "\n\n".join([table(heads, rows), told, sentence(content["machine"])])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", help="checkpoints of any format")
    chosen = parser.parse_args()
    entries: dict[str, Any] = {}
    check("all-MiniLM-L6-v2", open_weights(minilm()), entries)
    for path in chosen.files:
        check(path.name, open_weights(path), entries)
    for name, weights in generated():
        check(name, weights, entries)
    content = keep("figures", machine(PACKAGES), entries, without_peer=without_peer())
    print(report(content))
    wrong = [f"{name}: {each}" for name, entry in entries.items() for each in entry["wrong"]]
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
