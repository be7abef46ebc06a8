"""Holds importances and their verdicts against tables whose truth is known.

Run ``python -m benchmarks.importance``: on every table of :mod:`benchmarks.truths` several populations are trained,
each on rows of its own, and explained on rows that they never saw.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table, verdict
from benchmarks.truths import TRUTHS, Truth
from pondera.estimators.classifier import PonderaClassifier
from pondera.estimators.regressor import PonderaRegressor
from pondera.explaining.ask import question_of
from pondera.explaining.explain import explain
from pondera.explaining.explanation import Explanation
from pondera.explaining.methods import METHODS
from pondera.explaining.ranks import rank_correlation

PACKAGES = ("pondera", "numpy", "jax", "scikit-learn")
ROWS, NETWORKS, REPEATS = 2000, 3, 4
RIGHT = 0.95

Counts = dict[str, Any]


def explained(truth: Truth, seed: int) -> Explanation:
    """Train a population on one half of the rows and explain it on the other."""
    frame = truth.frame
    half = len(truth.y) // 2
    kind = PonderaClassifier if truth.classes else PonderaRegressor
    estimator = kind([64, 64], recipe="plain", epochs=60, seeds=NETWORKS, random_state=seed)
    model = estimator.fit(frame[:half], truth.y[:half]).model_
    target = pl.Series(model.target_name, truth.y)
    return explain(question_of(model, frame[half:], target[half:], seed=seed)[0], seed=seed)


def mistakes(found: Explanation, truth: Truth) -> list[str]:
    """Return what the explanation is sure of and is wrong.

    Two columns whose intervals do not overlap and that the truth orders otherwise, or not at all, and irrelevant ones
    with a measurable influence. Of columns that are said not to be told apart nothing is sure.
    """
    stable, columns = found.stability, range(len(truth.importance))
    alone = [k for k in columns if len(found.groups.of(k)) == 1]
    wrong = [
        f"{found.names[i]} ({stable.mean[i]:.3g}) above {found.names[j]} ({stable.mean[j]:.3g})"
        for i in alone
        for j in alone
        if stable.low[i] > stable.high[j] and truth.importance[i] <= truth.importance[j]
    ]
    influential = np.zeros(len(columns), bool) if found.influential is None else found.influential
    return wrong + [
        f"{found.names[k]} ({stable.mean[k]:.3g}, {stable.low[k]:.3g} to {stable.high[k]:.3g}) called influential"
        for k in np.flatnonzero(influential & truth.irrelevant)
    ]


def count(name: str, truth: Truth, found: Explanation, counts: Counts) -> None:
    """Add what one explanation came to."""
    entry = counts.setdefault(
        name, {"explanations": 0, "verdicts": {}, "right": {}, "false": 0, "irrelevant": 0, "methods": {}}
    )
    said = found.reliability.verdict
    entry["explanations"] += 1
    entry["verdicts"][said] = entry["verdicts"].get(said, 0) + 1
    entry["right"][said] = entry["right"].get(said, 0) + (not mistakes(found, truth))
    if found.influential is not None:
        entry["false"] += int((found.influential & truth.irrelevant).sum())
        entry["irrelevant"] += int(truth.irrelevant.sum())
    if np.ptp(truth.importance):
        for method, each in found.results.items():
            correlation = rank_correlation(each.shares, truth.importance)
            entry["methods"].setdefault(method, []).append(0.0 if np.isnan(correlation) else correlation)


def report(content: Mapping[str, Any]) -> str:
    """Return a run's results as text."""
    entries = content["entries"]
    return "\n\n".join([_correlations(entries), _verdicts(entries), sentence(content["machine"])])


def _correlations(entries: Mapping[str, Any]) -> str:
    names = [name for name in METHODS if any(name in entry["methods"] for entry in entries.values())]
    rows = []
    for truth, entry in entries.items():
        if entry["methods"]:
            found = [np.mean(entry["methods"][name]) if name in entry["methods"] else None for name in names]
            rows.append([truth, *("–" if each is None else f"{each:.2f}" for each in found)])
    return table(["rank correlation with the truth", *(METHODS[name].title for name in names)], rows)


def _verdicts(entries: Mapping[str, Any]) -> str:
    rows, said, right = [], Counter[str](), Counter[str]()
    words = ("reliable", "partly", "not identifiable", "unreliable")
    for truth, entry in entries.items():
        said.update(entry["verdicts"])
        right.update(entry["right"])
        cells = [
            f"{entry['right'].get(w, 0)} of {entry['verdicts'][w]}" if w in entry["verdicts"] else "" for w in words
        ]
        false = f"{entry['false']} of {entry['irrelevant']}" if entry["irrelevant"] else ""
        rows.append([truth, *cells, false])
    every = sum(said.values())
    false, irrelevant = (sum(entry[key] for entry in entries.values()) for key in ("false", "irrelevant"))
    rows.append(["all", *(f"{right[w]} of {said[w]}" for w in words), f"{false} of {irrelevant}"])
    share = right["reliable"] / max(said["reliable"], 1)
    return "\n\n".join(
        [
            table(["right, of how often it was said", *words, "irrelevant called influential"], rows),
            "*Right* is an explanation none of whose intervals order two inputs wrongly, or two that matter equally at "
            "all, and that calls no irrelevant input influential. “Reliable” was right in "
            f"{share:.0%} (≥ {RIGHT:.0%}: {verdict(share >= RIGHT)}) and could be said of "
            f"{said['reliable'] / max(every, 1):.0%} of {every} explanations.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importance", description=__doc__)
    parser.add_argument("--only", help="one of the tables")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument(
        "--first", type=int, default=0, help="seed of the first repetition; thresholds were chosen on others"
    )
    chosen = parser.parse_args()
    counts: Counts = {}
    for name, make in TRUTHS.items():
        for seed in range(chosen.first, chosen.first + chosen.repeats):
            if chosen.only in (None, name):
                truth = make(np.random.default_rng(seed), ROWS)
                found = explained(truth, seed)
                count(name, truth, found, counts)
                right = "; ".join(mistakes(found, truth)) or "right"
                print(f"{name}, {seed}: {found.reliability.verdict}, {right}", file=sys.stderr, flush=True)
    if chosen.only is None:
        print(report(keep("importance", machine(PACKAGES), counts)))
    else:
        print(report({"entries": counts, "machine": machine(PACKAGES)}))


if __name__ == "__main__":
    main()
