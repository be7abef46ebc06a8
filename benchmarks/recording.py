"""Times trainings with and without recording: Pondera's own at four sizes, and a loop of PyTorch beside wandb.

Run ``python -m benchmarks.recording``. A training and the same recorded go on at the same time, in turns of a
second: a machine that is now fast and now slow is so for both. A recorded one waits at the end of its turn until all is
written, also for the disk, and that is counted, though by itself it would train meanwhile; what wandb's own process
does in the turns of others is not. Trainings take some ten or twenty seconds: the tenth of a second that recording may
take beside its share is in it. The loop of PyTorch trains a million weights. wandb works offline and logs gradients and
parameters once in as many steps as Pondera does on average; it keeps histograms of both, Pondera figures of weights,
gradients, updates and outputs, histograms of weights, and a sample of the weights themselves.
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
from benchmarks.measure import PAUSE, QUIET, keep, table, verdict
from benchmarks.step_contenders import RATE, Task
from benchmarks.turns import Turns

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


def pondera_loops(task: Task, epochs: int, folder: Path, turns: Turns) -> dict[str, Callable[[], object]]:
    """Return a training with and without its run; what they compile is compiled already."""
    import pondera

    x, y, _ = task.rows()
    network = task.network()
    plan = pondera.Plan(loss=task.loss, learning_rate=RATE, epochs=epochs, batch_size=task.batch)

    def bare(plan: Any = plan, progress: Any = lambda _: turns.over("bare")) -> object:
        return pondera.fit(network, x, y, plan, progress=progress)

    def recorded(plan: Any = plan, in_turns: bool = True) -> object:
        shutil.rmtree(folder, ignore_errors=True)
        with pondera.runs.Recorder(folder) as recorder:

            def over(_: object) -> None:
                if in_turns:  # the time that others train is not this training's
                    recorder.waited(turns.over("recorded", recorder.writer.flush))

            return pondera.fit(network, x, y, plan, recorder=recorder, progress=over)

    bare(plan.replace(epochs=1), None)
    recorded(plan.replace(epochs=1), in_turns=False)
    return {"bare": bare, "recorded": recorded}


def together(calls: dict[str, Callable[[], object]], turns: Turns, rounds: int) -> dict[str, list[float]]:
    """Time long calls against each other, each round begun by another; and how many cores others kept busy."""
    found: dict[str, list[float]] = {name: [] for name in (*calls, "others")}
    names = list(calls)
    for k in range(rounds):
        time.sleep(PAUSE)
        others = Others()
        order = names[k % len(names) :] + names[: k % len(names)]
        for name, seconds in turns.measure({name: calls[name] for name in order}).items():
            found[name].append(seconds)
        found["others"].append(others.cores() or 0.0)
    return found


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


def torch_loops(folder: Path, every: int, turns: Turns) -> dict[str, Callable[[], object]]:
    """Return the loop bare and watched; wandb looks at one in ``every`` steps."""
    import wandb

    import pondera

    def theirs(model: Any, _: Any) -> Any:
        run = wandb.init(mode="offline", dir=str(folder), project="watching", settings=wandb.Settings(silent=True))
        run.watch(model, log="all", log_freq=every)
        return run

    def ours(watching: Any, loss: Any) -> None:
        watching.loss(loss)
        watching.recording.overhead.waited(turns.over("recorded", watching.recording.writer.flush))

    def logged(run: Any, loss: Any) -> None:
        run.log({"loss": loss.item()})
        turns.over("wandb.watch")

    return {
        "bare": lambda: loop(lambda *_: None, lambda *_: turns.over("bare")),
        "recorded": lambda: loop(lambda *both: pondera.watch(*both, folder, replace=True), ours),
        "wandb.watch": lambda: loop(theirs, logged),
    }


def report(content: dict[str, Any], loops: bool | None = None) -> str:
    """Return the results as Markdown: those of loops of PyTorch, those of Pondera's trainings, or all."""
    rows = []
    for name, entry in content["entries"].items():
        theirs = name.startswith("PyTorch")
        if loops not in (None, theirs):
            continue
        times = entry["seconds"]
        clear = max(times["others"]) <= QUIET
        met = verdict(statistics.median(_added(times, "recorded")) <= MOST[theirs]) if clear else "unclear"
        rows.append([name, f"{statistics.median(times['bare']):.1f} s", _words(times, "recorded"), str(entry["steps"])])
        rows[-1] += [_words(times, "wandb.watch"), str(STEPS // entry["every"]) if theirs else "–"]
        rows[-1] += [f"≤ {MOST[theirs]:.0%}: {met}"]
    if not rows:
        return "*Not measured yet.*"
    head = ["a training", "bare", "recorded adds", "steps recorded", "wandb.watch adds", "steps logged", "target"]
    explained = (
        "What recording adds to the time of the same training that goes on beside it, in turns of a second: "
        "median of the rounds (least to most). A * marks that others were at work in some of the rounds. How many "
        "steps are recorded depends on the time there is; wandb logs as many as were recorded in a loop before."
    )
    return "\n\n".join([table(head, rows), explained, sentence(content["machine"])])


def report_of_sizes(content: dict[str, Any]) -> str:
    """Return the results of Pondera's own trainings as Markdown."""
    return report(content, loops=False)


def report_of_loops(content: dict[str, Any]) -> str:
    """Return the results of loops of PyTorch as Markdown."""
    return report(content, loops=True)


def _added(times: dict[str, list[float]], who: str) -> list[float]:
    return [with_it / bare - 1 for with_it, bare in zip(times[who], times["bare"], strict=True)]


def _words(times: dict[str, list[float]], who: str) -> str:
    if who not in times:
        return "–"
    added = _added(times, who)
    marked = "*" if max(times["others"]) > QUIET else ""
    return f"{statistics.median(added):+.1%} ({min(added):+.1%} to {max(added):+.1%}){marked}"


def main() -> None:
    """Measure, keep, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=[*(task.name for task, _ in SIZES), "PyTorch"], help="one training")
    asked = parser.parse_args()
    os.environ["WANDB_MODE"] = "offline"
    entries: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder, turns = Path(place, "run"), Turns()
        for task, epochs in SIZES:
            if asked.only in (None, task.name):
                found = together(pondera_loops(task, epochs, folder, turns), turns, asked.rounds)
                entries[task.name] = {"seconds": found, "steps": looked_at(folder)}
        if asked.only in (None, "PyTorch"):
            turns.measure({"recorded": torch_loops(folder, 1, turns)["recorded"]})
            every = max(STEPS // looked_at(folder), 1)
            found = together(torch_loops(folder, every, turns), turns, asked.rounds)
            entries[LOOP] = {"seconds": found, "steps": looked_at(folder), "every": every}
    print(report(keep("recording", machine(PACKAGES), entries)))


if __name__ == "__main__":
    main()
