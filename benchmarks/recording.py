"""Times trainings with and without recording: Pondera's own at four sizes, and a loop of PyTorch beside wandb.

Run ``python -m benchmarks.recording``. Each training takes some ten seconds: the half second that recording may take
beside its share is in it. wandb, where it is installed (``pip install wandb``; it is
not among the locked peers), works offline and logs gradients and parameters as often as Pondera records them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import Others, machine, sentence
from benchmarks.measure import PAUSE, QUIET, keep, seconds_of, table
from benchmarks.step_contenders import RATE, Task

PACKAGES = ("pondera", "jax", "torch", "wandb", "numpy")

# The network and its batches, as where steps are timed, and epochs that take some ten seconds.
SIZES: list[tuple[Task, int]] = [
    (Task((2, 8, 1), 32, 5000), 400),
    (Task((20, 128, 128, 1), 256, 1000), 22),
    (Task((64, 512, 512, 512, 1), 256, 100), 16),
    (Task((784, 2048, 2048, 10), 512, 10), 10),
]

WIDTHS, BATCH, STEPS = (256, 800, 800, 200), 256, 600  # of the loop of PyTorch: about a million weights

MOST_ADDED = {"Pondera": 0.05, "PyTorch": 0.15}


def pondera_loops(task: Task, epochs: int, folder: Path) -> dict[str, Callable[[], object]]:
    """Return a training with and without its run."""
    import pondera

    x, y, _ = task.rows()
    network = task.network()
    plan = pondera.Plan(loss=task.loss, learning_rate=RATE, epochs=epochs, batch_size=task.batch)

    def recorded() -> object:
        shutil.rmtree(folder, ignore_errors=True)
        with pondera.runs.Recorder(folder) as recorder:
            return pondera.fit(network, x, y, plan, recorder=recorder)

    calls = {"bare": lambda: pondera.fit(network, x, y, plan), "recorded": recorded}
    whole, plan = plan, plan.replace(epochs=1)
    for call in calls.values():  # compiles
        call()
    plan = whole
    return calls


def alternate(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Time long calls against each other, each round begun by another; what they compile is compiled already."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    disturbed = dict.fromkeys(calls, 0)
    names = list(calls)
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            time.sleep(PAUSE)
            others = Others()
            taken[name].append(seconds_of(calls[name]))
            disturbed[name] += (others.cores() or 0.0) > QUIET
    return {
        name: {"median": statistics.median(all_), "min": min(all_), "disturbed": disturbed[name] / rounds}
        for name, all_ in taken.items()
    }


def looked_at(folder: Path) -> int:
    """Return how many steps of a run were looked at from both sides."""
    import pondera

    with pondera.runs.open(folder) as run:
        return len(run.tensor(next(iter(run.tensors()))).steps)


class Loop:
    """A loop of PyTorch over random rows."""

    def __init__(self) -> None:
        import torch

        torch.manual_seed(0)
        layers = [layer for a, b in itertools.pairwise(WIDTHS) for layer in (torch.nn.Linear(a, b), torch.nn.ReLU())]
        self.layers, self.torch = layers, torch
        self.x, self.y = torch.randn(BATCH * 8, WIDTHS[0]), torch.randint(0, WIDTHS[-1], (BATCH * 8,))

    @property
    def weights(self) -> int:
        """How many weights the network has."""
        return sum(each.numel() for layer in self.layers for each in layer.parameters())

    def run(self, around: Callable[[Any, Any], Any], told: Callable[[Any, Any], None]) -> None:
        """Train; ``around`` is given module and optimizer before, ``told`` what it returned and each loss."""
        torch = self.torch
        model = torch.nn.Sequential(*self.layers)
        optimizer = torch.optim.Adam(model.parameters(), 1e-4)
        watching = around(model, optimizer)
        for step in range(STEPS):
            at = slice(step % 8 * BATCH, (step % 8 + 1) * BATCH)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(self.x[at]), self.y[at])
            loss.backward()
            told(watching, loss)
            optimizer.step()
        if hasattr(watching, "close"):
            watching.close()


def torch_loops(folder: Path, every: int | None) -> dict[str, Callable[[], object]]:
    """Return the loop bare, watched by Pondera, and watched by wandb once in ``every`` steps, where it is installed."""
    import pondera

    loop = Loop()

    def ours(model: Any, optimizer: Any) -> Any:
        return pondera.watch(model, optimizer, folder / "run", replace=True)

    found: dict[str, Callable[[], object]] = {
        "bare": lambda: loop.run(lambda *_: None, lambda *_: None),
        "pondera.watch": lambda: loop.run(ours, lambda watching, loss: watching.loss(loss)),
    }
    if every is not None:
        import wandb

        def theirs(model: Any, _: Any) -> Any:
            run = wandb.init(mode="offline", dir=str(folder), project="p", settings=wandb.Settings(silent=True))
            run.watch(model, log="all", log_freq=every)
            return run

        def all_of_it() -> None:
            runs: list[Any] = []

            def around(model: Any, optimizer: Any) -> None:
                runs.append(theirs(model, optimizer))

            loop.run(around, lambda _, loss: runs[0].log({"loss": loss.item()}))
            runs[0].finish()

        found["wandb.watch"] = all_of_it
    return found


def report(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for name, entry in content["entries"].items():
        times = {who: each["median"] for who, each in entry["seconds"].items()}
        limit = MOST_ADDED["PyTorch" if "PyTorch" in name else "Pondera"]
        ours = times.get("recorded", times.get("pondera.watch", 0.0)) / times["bare"] - 1
        theirs = f"{times['wandb.watch'] / times['bare'] - 1:+.1%}" if "wandb.watch" in times else "–"
        met = f"{limit:.0%}: {'met' if ours <= limit else 'missed'}"
        rows.append([name, f"{times['bare']:.1f} s", f"{entry['points']}", f"{ours:+.1%}", theirs, met])
    head = ["a training", "bare", "steps looked at", "recorded", "wandb.watch", "target"]
    return f"{table(head, rows)}\n\n{sentence(content['machine'])}"


def main() -> None:
    """Measure, keep, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="the name of one size, or PyTorch")
    asked = parser.parse_args()
    os.environ["WANDB_MODE"] = "offline"
    entries: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for task, epochs in SIZES:
            if asked.only in (None, task.name):
                found = alternate(pondera_loops(task, epochs, folder / "run"), asked.rounds)
                entries[task.name] = {"seconds": found, "points": looked_at(folder / "run")}
                print(task.name, _said(found), flush=True)
        if asked.only in (None, "PyTorch"):
            begun = time.perf_counter()
            torch_loops(folder, None)["pondera.watch"]()
            points = looked_at(folder / "run")
            print(f"a loop takes {time.perf_counter() - begun:.1f} s", flush=True)
            every = max(STEPS // points, 1) if _has_wandb() else None
            found = alternate(torch_loops(folder, every), asked.rounds)
            name = f"PyTorch, {Loop().weights / 1e6:.1f} M weights"
            entries[name] = {"seconds": found, "points": looked_at(folder / "run"), "every": every}
            print(name, _said(found), flush=True)
    print(report(keep("recording", machine(PACKAGES), entries)))


def _has_wandb() -> bool:
    try:
        import wandb  # noqa: F401
    except ImportError:
        return False
    return True


def _said(found: dict[str, dict[str, float]]) -> str:
    bare = found["bare"]["median"]
    return ", ".join(f"{who} {each['median']:.2f} s ({each['median'] / bare - 1:+.1%})" for who, each in found.items())


if __name__ == "__main__":
    np.random.seed(0)
    main()
