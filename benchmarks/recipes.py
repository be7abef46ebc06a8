"""Measures changes of the default recipe, each alone, on the same rows and several seeds: what the recipe rests on.

Run ``python -m benchmarks.recipes --data DIR [--seeds 3] [--only california]``; it takes a fit of the recipe for each
change, table and seed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks.data import DATASETS, Dataset
from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table

PACKAGES = ("pondera", "jax", "optax", "numpy", "polars")

CHANGES: dict[str, dict[str, Any]] = {
    "strong": {},
    "without weight decay (RealMLP-TD-S)": {"weight_decay": 0.0},
    "weight decay 0.02 (RealMLP-TD)": {"weight_decay": 0.02},
}
"""What is changed in the plan of ``strong``; ``rate`` multiplies its learning rate."""


def changed(changes: dict[str, Any]) -> Any:
    """Return the recipe with some of its plan changed."""
    from pondera.training.recipes import RECIPES

    strong = RECIPES["strong"]

    def plan(task: Any, classes: int) -> Any:
        before = strong.plan(task, classes)
        rate = before.peak * changes.get("rate", 1.0)
        return before.replace(learning_rate=rate, **{name: v for name, v in changes.items() if name != "rate"})

    return dataclasses.replace(strong, plan=plan)


def scores(dataset: Dataset, folder: Path, recipe: Any, seeds: int) -> list[float]:
    """Return the held-out score of each seed."""
    from pondera import PonderaClassifier, PonderaRegressor
    from pondera.training.recipes import RECIPES

    frame, target = dataset.read(folder)
    train, test = dataset.split(len(frame))
    kind = PonderaClassifier if dataset.classes else PonderaRegressor
    found = []
    before = RECIPES["strong"]
    RECIPES["strong"] = recipe
    try:
        for seed in range(seeds):
            model = kind(random_state=seed).fit(frame.iloc[train], target[train])
            predicted = np.asarray(model.predict(frame.iloc[test]))
            found.append(float(dataset.score(predicted, target[test], target)))
    finally:
        RECIPES["strong"] = before
    return found


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    names = list(content["entries"])
    heads = [f"{name} ({content['entries'][name]['metric']})" for name in names]
    rows = []
    for change in CHANGES:
        found = [content["entries"][name]["scores"].get(change) for name in names]
        rows.append([change, *("–" if not s else f"{mean(s):.4f} ± {stdev(s):.4f}" for s in found)])
    seeds = content["seeds"]
    return "\n\n".join(
        [table(["recipe", *heads], rows), f"Mean ± spread over {seeds} seeds.", sentence(content["machine"])]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", required=True, help="where the CSV files lie")
    parser.add_argument("--only", metavar="NAME", help="one table")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0; at least 2")
    chosen = parser.parse_args()
    if chosen.seeds < 2:
        parser.error("--seeds must be at least 2")
    content: dict[str, Any] = {}
    for dataset in DATASETS:
        if dataset.bundled or chosen.only not in (None, dataset.name):
            continue
        found = {}
        for change, changes in CHANGES.items():
            found[change] = scores(dataset, chosen.data, changed(changes), chosen.seeds)
            print(f"{dataset.name}, {change}: {mean(found[change]):.5f}", file=sys.stderr, flush=True)
        entry = {"metric": dataset.metric, "scores": found}
        content = keep("recipes", machine(PACKAGES), {dataset.name: entry}, seeds=chosen.seeds)
    print(report(content))


if __name__ == "__main__":
    main()
