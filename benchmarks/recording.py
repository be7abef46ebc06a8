"""Times trainings with and without recording: Pondera's own at four sizes, and a loop of PyTorch beside wandb.

Run ``python -m benchmarks.recording``. Trainings take some ten or twenty seconds: the tenth of a second that recording
may take beside its share is in it. The loop of PyTorch trains a million weights. wandb works offline and logs gradients
and parameters once in as many steps as Pondera does on average; it keeps histograms of both, Pondera figures of
weights, gradients, updates and outputs, histograms of weights, and a sample of the weights themselves.
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

from benchmarks.machine import Others, machine, sentence
from benchmarks.measure import PAUSE, QUIET, keep, seconds_of, table, verdict
from benchmarks.step_contenders import RATE, Task

PACKAGES = ("pondera", "jax", "torch", "wandb", "numpy")

# The network and its batches, as where steps are timed, and epochs that take some ten seconds; of the largest more, as
# ten seconds are not one epoch of the digits that it is the size for.
SIZES: list[tuple[Task, int]] = [
    (Task((2, 8, 1), 32, 5000), 400),
    (Task((20, 128, 128, 1), 256, 1000), 22),
    (Task((64, 512, 512, 512, 1), 256, 100), 16),
    (Task((784, 2048, 2048, 10), 512, 10), 25),
]

WIDTHS, BATCH, STEPS, ROWS = (256, 800, 800, 200), 256, 600, 2048  # of the loop of PyTorch
LOOP = f"PyTorch, {sum((a + 1) * b for a, b in itertools.pairwise(WIDTHS)):,} weights"

MOST = {False: 0.05, True: 0.15}
"""What recording may add to the time: of Pondera's own trainings, and of the loop."""


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


def loop(before: Callable[[Any, Any], Any], told: Callable[[Any, Any], None]) -> None:
    """Train; ``before`` is given module and optimizer, ``told`` what it returned and the loss of each step."""
    import torch

    torch.manual_seed(0)
    layers = [layer for a, b in itertools.pairwise(WIDTHS) for layer in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    x, y = torch.randn(ROWS, WIDTHS[0]), torch.randint(0, WIDTHS[-1], (ROWS,))
    watching = before(model, optimizer)
    for step in range(STEPS):
        at = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x[at]), y[at])
        loss.backward()
        told(watching, loss)
        optimizer.step()
    if watching is not None:
        watching.close() if hasattr(watching, "close") else watching.finish()


def torch_loops(folder: Path, every: int) -> dict[str, Callable[[], object]]:
    """Return the loop bare and watched; wandb looks at one in ``every`` steps."""
    import wandb

    import pondera

    def theirs(model: Any, _: Any) -> Any:
        run = wandb.init(mode="offline", dir=str(folder), project="watching", settings=wandb.Settings(silent=True))
        run.watch(model, log="all", log_freq=every)
        return run

    return {
        "bare": lambda: loop(lambda *_: None, lambda *_: None),
        "recorded": lambda: loop(
            lambda model, optimizer: pondera.watch(model, optimizer, folder, replace=True),
            lambda watching, loss: watching.loss(loss),
        ),
        "wandb.watch": lambda: loop(theirs, lambda run, loss: run.log({"loss": loss.item()})),
    }


def report(content: dict[str, Any], loops: bool | None = None) -> str:
    """Return the results as Markdown: those of loops of PyTorch, those of Pondera's trainings, or all."""
    rows = []
    for name, entry in content["entries"].items():
        theirs = name.startswith("PyTorch")
        if loops not in (None, theirs):
            continue
        times = entry["seconds"]
        clear = not any(times[who]["disturbed"] for who in ("bare", "recorded"))
        met = verdict(times["recorded"]["median"] / times["bare"]["median"] - 1 <= MOST[theirs]) if clear else "unclear"
        rows.append([name, f"{times['bare']['median']:.1f} s", _added(times, "recorded"), str(entry["steps"])])
        rows[-1] += [_added(times, "wandb.watch"), str(STEPS // entry["every"]) if theirs else "–"]
        rows[-1] += [f"≤ {MOST[theirs]:.0%}: {met}"]
    if not rows:
        return "*Not measured yet.*"
    head = ["a training", "bare", "recorded adds", "steps recorded", "wandb.watch adds", "steps logged", "target"]
    explained = (
        "What recording adds to the time: median of the rounds (fastest beside fastest bare one). Less than nothing is "
        "how far rounds differ by themselves. A * marks that others were at work in some of the rounds. How many "
        "steps are recorded depends on the time there is; wandb logs as many as were recorded in a loop before."
    )
    return "\n\n".join([table(head, rows), explained, sentence(content["machine"])])


def report_of_sizes(content: dict[str, Any]) -> str:
    """Return the results of Pondera's own trainings as Markdown."""
    return report(content, loops=False)


def report_of_loops(content: dict[str, Any]) -> str:
    """Return the results of loops of PyTorch as Markdown."""
    return report(content, loops=True)


def _added(times: dict[str, dict[str, float]], who: str) -> str:
    if who not in times:
        return "–"
    median, least = (times[who][kind] / times["bare"][kind] - 1 for kind in ("median", "min"))
    return f"{median:+.1%} ({least:+.1%}){'*' if times[who]['disturbed'] else ''}"


def main() -> None:
    """Measure, keep, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=[*(task.name for task, _ in SIZES), "PyTorch"], help="one training")
    asked = parser.parse_args()
    os.environ["WANDB_MODE"] = "offline"
    entries: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        for task, epochs in SIZES:
            if asked.only in (None, task.name):
                found = alternate(pondera_loops(task, epochs, folder), asked.rounds)
                entries[task.name] = {"seconds": found, "steps": looked_at(folder)}
        if asked.only in (None, "PyTorch"):
            torch_loops(folder, 1)["recorded"]()
            every = max(STEPS // looked_at(folder), 1)
            found = alternate(torch_loops(folder, every), asked.rounds)
            entries[LOOP] = {"seconds": found, "steps": looked_at(folder), "every": every}
    print(report(keep("recording", machine(PACKAGES), entries)))


if __name__ == "__main__":
    main()
