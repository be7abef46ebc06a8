"""Times a training step at four sizes, beside PyTorch, scikit-learn, and Equinox with Optax.

Run ``python -m benchmarks.steps``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import machine, sentence
from benchmarks.measure import QUIET, keep, round_robin, table, verdict
from benchmarks.step_contenders import (
    Task,
    equinox_steps,
    pondera_fit,
    pondera_steps,
    sklearn_epoch,
    torch_eager,
)

PACKAGES = ("pondera", "jax", "torch", "scikit-learn", "equinox", "optax", "numpy")

# The network and its batches; epochs of a whole call of pondera.fit; how many times faster than PyTorch it is to be.
SIZES: list[tuple[Task, int, float]] = [
    (Task((2, 8, 1), 32, 500), 40, 15.0),
    (Task((20, 128, 128, 1), 256, 100), 8, 1.4),
    (Task((64, 512, 512, 512, 1), 256, 40), 2, 1.2),
    (Task((784, 2048, 2048, 10), 512, 5), 2, 1.0),
]

SAME_STEPS = 20
SAME_WITHIN = 1e-9  # in float64; in float32 two orders of addition drift apart by themselves
SIDE = 2048  # of the matrices whose product is the peak


def products() -> dict[str, Callable[[], object]]:
    """Return, by library, the product of two float32 matrices of SIDE × SIDE."""
    import jax
    import jax.numpy as jnp
    import torch

    a = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    in_jax, in_torch, product = jnp.asarray(a), torch.as_tensor(a), jax.jit(jnp.matmul)
    return {
        "JAX product": lambda: product(in_jax, in_jax).block_until_ready(),
        "PyTorch product": lambda: in_torch @ in_torch,
        "NumPy product": lambda: a @ a,
    }


def loss_difference(task: Task, dtype: str) -> float:
    """Return the largest relative difference between Pondera's and PyTorch's losses over the first steps.

    In float32 two programs that round differently drift apart while training goes up and down; in float64 they do not,
    so that is where a difference in what is computed would show.
    """
    short = Task(task.widths, task.batch, SAME_STEPS, dtype)
    with jax_precision(dtype):
        ours, theirs = pondera_steps(short)(), torch_eager(short, fused=False)()
    return float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-12)))


def jax_precision(dtype: str) -> Any:
    """Return a context in which JAX keeps that precision."""
    from pondera.network.precision import precision

    return precision([np.zeros((), dtype)])


def measure(task: Task, epochs: int, rounds: int, patience: float) -> dict[str, Any]:
    """Time everyone at one size; seconds become microseconds a step."""
    calls = {
        "Pondera": pondera_steps(task),
        "pondera.fit": pondera_fit(task, epochs),
        "PyTorch": torch_eager(task, fused=False),
        "PyTorch fused": torch_eager(task, fused=True),
        "scikit-learn": sklearn_epoch(task),
        "Equinox": equinox_steps(task),
    }
    counts = {name: task.steps * (epochs if name == "pondera.fit" else 1) for name in calls}
    times = round_robin({**calls, **products()}, rounds=rounds, patience=patience)
    return {
        "batch": task.batch,
        "operations": task.operations,
        "loss_difference": {dtype: loss_difference(task, dtype) for dtype in ("float32", "float64")},
        "peak": {name: 2 * SIDE**3 / times[name]["min"] / 1e9 for name in products()},
        "disturbed": {name: t["disturbed"] for name, t in times.items()},
        "microseconds": {
            name: {kind: times[name][kind] / count * 1e6 for kind in ("median", "min")}
            for name, count in counts.items()
        },
    }


def threads() -> dict[str, int]:
    """Return how many threads each library takes by itself."""
    import torch
    from threadpoolctl import threadpool_info

    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {"PyTorch": torch.get_num_threads(), "BLAS": max(blas, default=1), "JAX": machine(())["cores"]}


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    entries = content["entries"]
    peak = max(speed for entry in entries.values() for speed in entry["peak"].values())
    targets = {task.name: target for task, _, target in SIZES}
    rows, detail, same = [], [], []
    for name, entry in entries.items():
        of = {who: t["median"] for who, t in entry["microseconds"].items()}
        speed = entry["operations"] / of["Pondera"] / 1e3
        ratio = of["PyTorch"] / of["Pondera"]
        clear = not any(entry["disturbed"][who] for who in ("Pondera", "PyTorch"))
        others = [f"{of[who] / of['Pondera']:.2f}×" for who in ("PyTorch", "PyTorch fused", "scikit-learn", "Equinox")]
        rows.append([name, str(entry["batch"]), f"{of['Pondera']:,.1f}", f"{of['pondera.fit']:,.1f}"])
        rows[-1] += [*others, f"{speed:.1f}", f"{100 * speed / peak:.0f} %"]
        rows[-1] += [f"≥ {targets[name]:g}×: {verdict(ratio >= targets[name]) if clear else 'unclear'}"]
        detail.append([name, *(_times(entry, who) for who in of)])
        differences = entry["loss_difference"]
        same.append(
            [
                name,
                f"{differences['float32']:.0e}",
                f"{differences['float64']:.0e}, {verdict(differences['float64'] <= SAME_WITHIN)}",
            ]
        )
    head = ["network", "batch", "µs/step", "in fit", "vs PyTorch", "its fused Adam", "vs scikit-learn", "vs Equinox"]
    peaks = {who: max(entry["peak"][who] for entry in entries.values()) for who in next(iter(entries.values()))["peak"]}
    return "\n\n".join(
        [
            table([*head, "GFLOP/s", "of peak", "target vs PyTorch"], rows),
            f"µs/step, median of the rounds (fastest round). A * marks that in some of the rounds other processes kept "
            f"more than {QUIET:g} cores busy: such a figure, and what is divided by it, is no measurement.",
            table(["network", *next(iter(entries.values()))["microseconds"]], detail),
            f"Largest relative difference of the first {SAME_STEPS} losses between Pondera and PyTorch from the same "
            "weights on the same batches:",
            table(["network", "float32", f"float64 (≤ {SAME_WITHIN:g})"], same),
            "In float32 the two drift apart as any two orders of addition do; float64 shows that the work is the same.",
            f"Peak, the fastest {SIDE} × {SIDE} float32 product of all rounds, GFLOP/s: "
            f"{', '.join(f'{who} {speed:.0f}' for who, speed in peaks.items())}. Threads: "
            f"{', '.join(f'{who} {count}' for who, count in content['threads'].items())}.",
            sentence(content["machine"]),
        ]
    )


def _times(entry: dict[str, Any], who: str) -> str:
    found = entry["microseconds"][who]
    return f"{found['median']:,.1f} ({found['min']:,.1f}){'*' if entry['disturbed'][who] else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one size, for example 2-8-1")
    parser.add_argument("--rounds", type=int, default=9, help="how often each library is measured")
    parser.add_argument("--patience", type=float, default=60, help="seconds a size spent on disturbed measurements")
    chosen = parser.parse_args()
    found = machine(PACKAGES)
    sizes = [size for size in SIZES if chosen.only in (None, size[0].name)]
    if not sizes:
        parser.error(f"no size {chosen.only!r}; there are {', '.join(task.name for task, *_ in SIZES)}")
    entries = {task.name: measure(task, epochs, chosen.rounds, chosen.patience) for task, epochs, _ in sizes}
    content = keep("steps", found, entries, threads=threads())
    print(report(content))


if __name__ == "__main__":
    main()
