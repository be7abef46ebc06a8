"""Records a training of a million steps and one of fifty million weights: their disk, and how fast they open.

Run ``python -m benchmarks.budgets``. It needs about 5 GB of room in the temporary folder, and no peer. While training
goes on the folder is measured again and again: the most that it ever took counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table, verdict
from benchmarks.step_contenders import RATE, Task

PACKAGES = ("pondera", "jax", "numpy")
LOOK_AGAIN = 0.05  # seconds
OPENS_IN = 1.0  # seconds

# The network and its batches, epochs, and how much is recorded.
TRAININGS: dict[str, tuple[Task, int, str]] = {
    "a million steps": (Task((2, 8, 1), 32, 5000), 200, "default"),
    "a million steps, full": (Task((2, 8, 1), 32, 5000), 200, "full"),
    "50 million weights": (Task((1024, 6400, 6400, 512), 64, 4), 5, "default"),
}


def taken_by(folder: Path) -> int:
    """Return the bytes of all files in a folder; one that goes away meanwhile has none."""
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return found


@contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """Yield a list whose last number is the most bytes that a folder has taken so far."""
    most, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(LOOK_AGAIN):
            most.append(max(most[-1], taken_by(folder)))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        over.set()
        looking.join()
        most.append(max(most[-1], taken_by(folder)))


def seconds_of(work: Callable[[], object]) -> float:
    """Return what a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure(task: Task, epochs: int, level: str, folder: Path) -> dict[str, Any]:
    """Return what the run of a training takes and may take, and the seconds of looking at it."""
    import pondera
    from pondera.recording.room import allowed

    x, y, _ = task.rows()
    network = task.network()
    plan = pondera.Plan(loss=task.loss, learning_rate=RATE, epochs=epochs, batch_size=task.batch)
    with watched(folder) as most, pondera.runs.Recorder(folder, level=level) as recorder:
        pondera.fit(network, x, y, plan, recorder=recorder)

    def opened() -> None:
        with pondera.runs.open(folder) as run:
            run.steps()
            run.epochs()
            run.tensors()

    def followed() -> None:
        with pondera.runs.open(folder) as run:
            run.weight("layers.1.weight", (0, 0))

    def listed() -> None:
        command = [sys.executable, "-m", "pondera", "runs", str(folder), "--json"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)

    nbytes = sum(weight.nbytes for weight in network.weights.values())
    return {
        "steps": epochs * task.steps,
        "weights": sum(weight.size for weight in network.weights.values()),
        "most": most[-1],
        "kept": taken_by(folder),
        "budget": allowed(None, nbytes),
        "open": seconds_of(opened),
        "weight": seconds_of(followed),
        "command": seconds_of(listed),
    }


def report(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for name, entry in content["entries"].items():
        met = verdict(entry["most"] <= entry["budget"] and entry["open"] <= OPENS_IN)
        rows.append([name, f"{entry['steps']:,}", f"{entry['weights']:,}", f"{entry['most'] / 1e6:,.1f} MB"])
        rows[-1] += [f"{entry['kept'] / 1e6:,.1f} MB", f"{entry['budget'] / 1e6:,.0f} MB", f"{entry['open']:.3f} s"]
        rows[-1] += [f"{entry['weight']:.3f} s", f"{entry['command']:.2f} s", met]
    head = ["a training", "steps", "weights", "most on disk", "kept", "budget", "opened", "a weight's life"]
    head += ["`pondera runs`", "within the budget, opened in a second"]
    explained = (
        "*Opened*: `pondera.runs.open` with the figures of all steps and epochs. *A weight's life*: opened again, and "
        "the recorded values of one weight. *`pondera runs`*: the whole command, Python's start in it."
    )
    return "\n\n".join([table(head, rows), explained, sentence(content["machine"])])


def main() -> None:
    """Measure, keep, and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    entries = {}
    for name, (task, epochs, level) in TRAININGS.items():
        with tempfile.TemporaryDirectory() as place:
            entries[name] = measure(task, epochs, level, Path(place, "run"))
        print(f"{name}: {entries[name]['most'] / 1e6:,.1f} MB", file=sys.stderr, flush=True)
    print(report(keep("budgets", machine(PACKAGES), entries)))


if __name__ == "__main__":
    main()
