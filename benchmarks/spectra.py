"""Times the spectra of a checkpoint's dense layers, tail exponents included, beside WeightWatcher; compares figures.

Run ``python -m benchmarks.spectra [FILE]``; by default on the 37 dense layers of all-MiniLM-L6-v2, for which the target
is set. One more measurement needs no file: a 15,000 × 15,000 matrix.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.large import peak_gb
from benchmarks.machine import Others, machine, sentence
from benchmarks.measure import QUIET, keep, round_robin, table, verdict
from benchmarks.reading_files import minilm

PACKAGES = ("pondera", "weightwatcher", "numpy", "scipy", "numba", "torch")
TIMES = 4.0  # so many times as fast as WeightWatcher
AGREE = 1e-4  # figures agree to this share
LARGE = 15_000

Matrices = Mapping[str, "np.ndarray[Any, Any]"]


def matrices_of(path: Path) -> Matrices:
    """Return the dense layers of a file: its matrices, tables of embeddings not among them."""
    from pondera.weights.open import open as open_weights

    return {
        name: tensor.values().astype(np.float32)
        for name, tensor in open_weights(path).items()
        if tensor.ndim == 2 and "embed" not in name
    }


def pondera(matrices: Matrices) -> Any:
    """Pondera's spectra."""
    from pondera.reading.spectrum.spectrum import spectra_of

    return list(spectra_of(matrices.values()))


def weightwatcher(matrices: Matrices) -> Callable[[], Any]:
    """Return WeightWatcher's analysis of the same matrices, as linear layers without a bias."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import weightwatcher as watcher
    logging.disable(logging.CRITICAL)
    layers = [torch.nn.Linear(m.shape[1], m.shape[0], bias=False) for m in matrices.values()]
    with torch.no_grad():
        for layer, matrix in zip(layers, matrices.values(), strict=True):
            layer.weight.copy_(torch.from_numpy(matrix.copy()))
    watch = watcher.WeightWatcher(model=torch.nn.Sequential(*layers))

    def analyze() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return watch.analyze()

    return analyze


def differences(ours: Any, theirs: Any) -> dict[str, float]:
    """Return how far figures are from WeightWatcher's at most, as shares of them."""
    pairs = {
        "spectral_norm": ([each.spectral_norm for each in ours], theirs["sv_max"]),
        "stable_rank": ([each.stable_rank for each in ours], theirs["stable_rank"]),
        "alpha": ([each.alpha for each in ours], theirs["alpha"]),
        "alpha_distance": ([each.tail.distance for each in ours], theirs["D"]),
    }
    return {
        name: float(np.abs(np.asarray(mine, float) / np.asarray(other, float) - 1).max())
        for name, (mine, other) in pairs.items()
    }


def large() -> dict[str, Any]:
    """Return what the spectrum of a large matrix takes, and its error where the answer is known."""
    from pondera.reading.spectrum.krylov import COLUMNS, STEPS
    from pondera.reading.spectrum.spectrum import spectrum_of

    matrix = np.random.default_rng(0).standard_normal((LARGE, LARGE), np.float32)
    spectrum_of(matrix[:3000, :3000])  # compiles
    before, others, begun = peak_gb(), Others(), time.perf_counter()
    found = spectrum_of(matrix)
    seconds = time.perf_counter() - begun
    return {
        "side": LARGE,
        "seconds": seconds,
        "others": others.cores() or 0.0,
        "gflops": 4 * LARGE**2 * COLUMNS * STEPS / seconds / 1e9,
        "gigabytes_more": peak_gb() - before,
        "errors": dict(found.errors),
        "spectral_norm_of_law": 2 * LARGE**0.5,
        "spectral_norm": found.spectral_norm,
    }


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    parts = []
    entries = content["entries"]
    for name, entry in entries.items():
        if name == "large":
            continue
        of = {who: times["median"] for who, times in entry["seconds"].items()}
        rows = [[who, f"{of[who]:.3f}", f"{entry['seconds'][who]['disturbed']:.0%}"] for who in of]
        ratio = of["WeightWatcher"] / of["Pondera"]
        apart = entry["differences"]
        equal = max(apart["spectral_norm"], apart["stable_rank"]) <= AGREE
        parts += [
            table([f"{name}: {entry['layers']} matrices, {entry['values']:,} values", "seconds", "disturbed"], rows),
            f"At least {TIMES:g} times as fast as WeightWatcher: {verdict(ratio >= TIMES)} ({ratio:.1f} ×). Largest "
            f"singular value and stable rank equal to {AGREE:g}: {verdict(equal)} ({apart['spectral_norm']:.0e}, "
            f"{apart['stable_rank']:.0e}); the tail exponents are equal to {apart['alpha']:.0e}. *disturbed* is the "
            f"share of rounds in which other processes kept more than {QUIET:g} cores busy.",
        ]
    if "large" in entries:
        found = entries["large"]
        errors = ", ".join(f"{name} {error:.1g}" for name, error in found["errors"].items())
        parts.append(
            f"{found['side']:,} × {found['side']:,} float32: {found['seconds']:.1f} s"
            f"{'*' if found['others'] > QUIET else ''} ({found['gflops']:.0f} GFLOP/s), "
            f"{found['gigabytes_more']:.2f} GB beside the matrix; stated errors: {errors}. A * "
            f"marks that other processes kept more than {QUIET:g} cores busy."
        )
    return "\n\n".join([*parts, sentence(content["machine"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="a checkpoint whose layers are matrices")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for measurements taken again")
    chosen = parser.parse_args()
    about = machine(PACKAGES)
    matrices = matrices_of(chosen.file or minilm())
    analyze = weightwatcher(matrices)
    apart = differences(pondera(matrices), analyze())
    seconds = round_robin(
        {"Pondera": lambda: pondera(matrices), "WeightWatcher": analyze}, rounds=chosen.rounds, patience=chosen.patience
    )
    values = sum(matrix.size for matrix in matrices.values())
    entry = {"layers": len(matrices), "values": values, "seconds": seconds, "differences": apart}
    keep("spectra", about, {chosen.file.name if chosen.file else "all-MiniLM-L6-v2": entry})
    print("large", file=sys.stderr, flush=True)
    content = keep("spectra", about, {"large": large()})
    print(report(content))


if __name__ == "__main__":
    main()
