"""Takes a dense network of 100 million weights through its life: create, train, save, load, compare.

Run ``python -m benchmarks.large``. It needs about 3 GB of room in the temporary folder, and no peer.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.machine import Others, machine, sentence
from benchmarks.measure import QUIET, keep, table, verdict
from benchmarks.step_contenders import Task

T = TypeVar("T")

PACKAGES = ("pondera", "jax", "safetensors", "numpy")
LIMIT_GB = 24.0
TASK = Task((4096, 6144, 6144, 6144, 10), batch=256, steps=3)


class Stages:
    """What each stage took: its seconds, and the most memory the process has held until its end."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, float]] = {}

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        """Run a stage."""
        others, begun = Others(), time.perf_counter()
        result = work()
        seconds = time.perf_counter() - begun
        self.taken[name] = {"seconds": seconds, "peak_gb": peak_gb(), "others": others.cores() or 0.0}
        print(f"{name}: {self.taken[name]['seconds']:.1f} s, {peak_gb():.2f} GB", file=sys.stderr, flush=True)
        return result


def peak_gb() -> float:
    """Return the most resident memory this process has held, in 10⁹ bytes."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found / 1e9 if sys.platform == "darwin" else found * 1024 / 1e9


def same_bits(one: Any, other: Any) -> bool:
    """Whether two collections of arrays hold the same names, shapes, dtypes and bits."""
    return sorted(one) == sorted(other) and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and np.array_equal(one[name].view(np.uint32), other[name].view(np.uint32))
        for name in one
    )


def measure(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the seconds and memory of each stage, and what was found."""
    import pondera

    stage = Stages()
    path = folder / "large.safetensors"
    network = stage("create", TASK.network)
    x, y, _ = TASK.rows()
    epochs = 3
    plan = pondera.Plan(loss=TASK.loss, learning_rate=1e-4, epochs=epochs, batch_size=TASK.batch)
    fitted = stage(f"train {epochs * TASK.steps} steps", lambda: pondera.fit(network, x, y, plan))
    trained = fitted.network.weights
    stage("save", lambda: fitted.network.save(path))
    size = path.stat().st_size
    again = stage("load", lambda: pondera.Network.load(path))
    equal = stage("compare", lambda: same_bits(trained, again.weights))
    out = stage(f"predict {len(x)} rows", lambda: again(x))
    warm = min(figures.seconds for figures in fitted.history[1:]) / TASK.steps
    found = {
        "weights": network.size,
        "widths": TASK.name,
        "batch": TASK.batch,
        "file_bytes": size,
        "same_bits": equal and np.array_equal(out, fitted.network(x)),
        "seconds_a_step": warm,
        "gflops": TASK.operations / warm / 1e9,
        "losses": [figures.training_loss for figures in fitted.history],
        "peak_gb": peak_gb(),
    }
    return stage.taken, found


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    found = content["found"]
    rows = [
        [name, f"{s['seconds']:.2f}{'*' if s['others'] > QUIET else ''}", f"{s['peak_gb']:.2f}"]
        for name, s in content["entries"].items()
    ]
    within = verdict(found["peak_gb"] <= LIMIT_GB and found["same_bits"])
    return "\n\n".join(
        [
            table(["stage", "seconds", "peak GB so far"], rows),
            f"{found['widths']}: {found['weights']:,} weights, batch {found['batch']}, "
            f"{found['seconds_a_step']:.2f} s a step after the first epoch ({found['gflops']:.0f} GFLOP/s); the file "
            f"has {found['file_bytes'] / 1e6:.0f} MB. What was loaded is "
            f"{'bit for bit what was saved' if found['same_bits'] else 'NOT what was saved'}. At most "
            f"{LIMIT_GB:g} GB of memory: {within} ({found['peak_gb']:.2f} GB). A * marks "
            f"seconds during which other processes kept more than {QUIET:g} cores busy; the speed is from there too.",
            sentence(content["machine"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the file is written for a while")
    chosen = parser.parse_args()
    about = machine(PACKAGES)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        stages, found = measure(Path(folder))
    print(report(keep("large", about, stages, found=found)))
    if not found["same_bits"]:
        sys.exit("What was loaded differs from what was saved.")


if __name__ == "__main__":
    main()
