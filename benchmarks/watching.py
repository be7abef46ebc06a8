"""Times a loop of PyTorch bare, watched by Pondera, and watched by wandb on as many steps.

Run ``python -m benchmarks.watching``. The network has a million weights. wandb works offline and logs gradients and
parameters once in as many steps as Pondera does on average; it keeps histograms of both, Pondera figures of weights,
gradients, updates and outputs, histograms of weights, and a sample of the weights themselves.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, round_robin, table, verdict

PACKAGES = ("pondera", "torch", "wandb", "numpy")
WIDTHS, BATCH, STEPS, ROWS = (256, 800, 800, 200), 256, 600, 2048
MOST = 0.15
"""What watching may add to the time of the loop."""


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


def recorded_steps(folder: Path) -> int:
    """Return how many steps of a run were looked at from both sides."""
    import pondera

    with pondera.runs.open(folder) as run:
        return len(run.tensor(next(iter(run.tensors()))).steps)


def contenders(folder: Path, every: int) -> dict[str, Callable[[], object]]:
    """Return the loop bare and watched; wandb looks at one in ``every`` steps."""
    import wandb

    import pondera

    def theirs(model: Any, _: Any) -> Any:
        run = wandb.init(mode="offline", dir=str(folder), project="watching", settings=wandb.Settings(silent=True))
        run.watch(model, log="all", log_freq=every)
        return run

    return {
        "bare": lambda: loop(lambda *_: None, lambda *_: None),
        "pondera.watch": lambda: loop(
            lambda model, optimizer: pondera.watch(model, optimizer, folder / "run", replace=True),
            lambda watching, loss: watching.loss(loss),
        ),
        "wandb.watch": lambda: loop(theirs, lambda run, loss: run.log({"loss": loss.item()})),
    }


def report(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for name, entry in content["entries"].items():
        times = entry["seconds"]
        shown = {who: _added(times, who) for who in ("pondera.watch", "wandb.watch")}
        clear = not any(times[who]["disturbed"] for who in ("bare", "pondera.watch"))
        met = verdict(times["pondera.watch"]["median"] / times["bare"]["median"] - 1 <= MOST) if clear else "unclear"
        rows.append(
            [name, f"{times['bare']['median'] / STEPS * 1e3:.1f} ms", shown["pondera.watch"], str(entry["steps"])]
        )
        rows[-1] += [shown["wandb.watch"], str(STEPS // entry["every"]), f"≤ {MOST:.0%}: {met}"]
    head = [
        "a loop of PyTorch",
        "a bare step",
        "pondera.watch",
        f"recorded of {STEPS}",
        "wandb.watch",
        "logged",
        "target",
    ]
    return "\n\n".join(
        [
            table(head, rows),
            "What watching adds to the time of the loop: median of the rounds (fastest beside fastest bare one). "
            "Less than nothing is how far rounds differ by themselves. A * marks that others were at work in "
            "some of the rounds. How many steps Pondera records depends on the time it has; wandb logs as many "
            "as it recorded in a loop before.",
            sentence(content["machine"]),
        ]
    )


def _added(times: dict[str, dict[str, float]], who: str) -> str:
    median, least = (times[who][kind] / times["bare"][kind] - 1 for kind in ("median", "min"))
    return f"{median:+.1%} ({least:+.1%}){'*' if times[who]['disturbed'] else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=60)
    chosen = parser.parse_args()
    os.environ["WANDB_MODE"] = "offline"
    found = machine(PACKAGES)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        contenders(folder, 1)["pondera.watch"]()
        steps = recorded_steps(folder / "run")
        times = round_robin(contenders(folder, STEPS // steps), rounds=chosen.rounds, patience=chosen.patience)
        entry = {"seconds": times, "steps": recorded_steps(folder / "run"), "every": STEPS // steps}
    weights = sum((a + 1) * b for a, b in itertools.pairwise(WIDTHS))
    print(report(keep("watching", found, {f"{weights:,} weights": entry})))


if __name__ == "__main__":
    main()
