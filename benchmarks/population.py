"""What a population costs beside as many trainings one after the other, in one process, everything compiled.

Run ``python -m benchmarks.population``; it needs no peer.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.machine import machine, sentence
from benchmarks.measure import QUIET, keep, round_robin, table
from benchmarks.step_contenders import Task

PACKAGES = ("pondera", "jax", "numpy")
NETWORKS = 4
EPOCHS = 3
TASKS = (
    Task((2, 8, 1), batch=32, steps=400),
    Task((20, 128, 128, 1), batch=256, steps=100),
    Task((64, 256, 256, 256, 2), batch=256, steps=80),
    Task((64, 512, 512, 512, 1), batch=256, steps=40),
)


def contenders(task: Task) -> dict[str, Callable[[], object]]:
    """Return a population, and the same networks trained one by one."""
    import pondera
    from pondera.training.population import seeds_of

    architecture = task.network().architecture
    x, y, _ = task.rows()
    loss = "softmax_cross_entropy" if task.classes else "squared_error"
    plan = pondera.Plan(loss=loss, epochs=EPOCHS, batch_size=task.batch)

    def together() -> object:
        return pondera.fit_population(architecture, x, y, plan, seeds=NETWORKS)

    def one_by_one() -> object:
        return [
            pondera.fit(pondera.Network(architecture, architecture.initial(seed)), x, y, plan.replace(seed=seed))
            for seed in seeds_of(plan.seed, NETWORKS)
        ]

    return {"together": together, "one by one": one_by_one}


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    rows = []
    for name, entry in content["entries"].items():
        together, alone = entry["seconds"]["together"], entry["seconds"]["one by one"]
        mark = "*" if max(together["disturbed"], alone["disturbed"]) > 0 else ""
        cells = [f"{alone['median']:.2f}{mark}", f"{together['median']:.2f}{mark}"]
        rows.append([name, str(entry["batch"]), *cells, f"{together['median'] / alone['median']:.2f}"])
    return "\n\n".join(
        [
            table(["network", "batch", "one by one, s", "together, s", "share"], rows),
            f"{NETWORKS} networks, {EPOCHS} epochs each; with N cores no share can be below 1 / N. A * marks that in "
            f"some of the rounds other processes kept more than {QUIET:g} cores busy.",
            sentence(content["machine"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for measurements taken again")
    chosen = parser.parse_args()
    about = machine(PACKAGES)
    content: dict[str, Any] = {}
    for task in TASKS:
        print(task.name, file=sys.stderr, flush=True)
        seconds = round_robin(contenders(task), rounds=chosen.rounds, patience=chosen.patience)
        content = keep("population", about, {task.name: {"batch": task.batch, "seconds": seconds}})
    print(report(content))


if __name__ == "__main__":
    main()
