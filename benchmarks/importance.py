"""Holds importances and their verdicts against tables whose truth is known.

Run ``python -m benchmarks.importance``: on every table of :mod:`benchmarks.truths` several populations are trained,
each on rows of its own, and explained on rows that they never saw; on some also where there are few rows, or where they
are those that were trained on. It takes about twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table, verdict
from benchmarks.truths import TRUTHS, Truth
from benchmarks.zoo import at_least
from pondera.estimators.classifier import PonderaClassifier
from pondera.estimators.regressor import PonderaRegressor
from pondera.explaining.ask import question_of
from pondera.explaining.explain import explain
from pondera.explaining.explanation import Explanation
from pondera.explaining.methods import METHODS
from pondera.explaining.ranks import condensed, rank_correlation
from pondera.explaining.reliability.weights import GOOD

PACKAGES = ("pondera", "numpy", "jax", "scikit-learn")
ROWS, NETWORKS, REPEATS = 2000, 3, 8
RIGHT = 0.95
"""The share of "reliable" that must be right, at least: by a one-sided bound of as much confidence."""

APART = 2.0
"""By what factor inputs must differ in truth for it to be wrong that they matter equally: more than their intervals, of
0.3 on both sides at most, leave open."""

Counts = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A table, how many rows of it there are, how many networks, and whether they are explained on rows they saw."""

    make: Callable[[np.random.Generator, int], Truth]
    rows: int = ROWS
    networks: int = NETWORKS
    seen: bool = False


SETTINGS: Mapping[str, Setting] = {
    **{name: Setting(make) for name, make in TRUTHS.items()},
    "Friedman 1, 50 rows": Setting(TRUTHS["Friedman 1"], 100),
    "linear, 50 rows": Setting(TRUTHS["linear, unequal scales"], 100, networks=5),
    "irrelevant inputs, rows seen": Setting(TRUTHS["irrelevant inputs"], 300, seen=True),
    "Friedman 1, rows seen": Setting(TRUTHS["Friedman 1"], 300, seen=True),
}


def explained(truth: Truth, seed: int, networks: int = NETWORKS, seen: bool = False) -> Explanation:
    """Train a population on one half of the rows and explain it on the other, or on the same."""
    frame = truth.frame
    half = len(truth.y) // 2
    rows = slice(0, half) if seen else slice(half, None)
    kind = PonderaClassifier if truth.classes else PonderaRegressor
    estimator = kind([64, 64], recipe="plain", epochs=60, seeds=networks, random_state=seed)
    model = estimator.fit(frame[:half], truth.y[:half]).model_
    target = pl.Series(model.target_name, truth.y)
    return explain(question_of(model, frame[rows], target[rows], seed=seed)[0], seed=seed)


def mistakes(found: Explanation, truth: Truth) -> list[str]:
    """Return what the explanation is sure of and is wrong.

    Two columns whose intervals do not overlap and that the truth orders otherwise, or not at all; irrelevant ones with
    an influence that is no trifle; and that columns matter equally which do not. Of columns that are said not to be
    told apart nothing is sure.
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
    equal = truth.importance[influential & (truth.importance > 0)]
    if found.evidence.equal and len(equal) and equal.max() > APART * equal.min():
        wrong.append(f"equal, though {equal.max() / equal.min():.1f} times as important")
    return wrong + [
        f"{found.names[k]} ({stable.mean[k]:.3g}, {stable.low[k]:.3g} to {stable.high[k]:.3g}) called influential"
        for k in np.flatnonzero(influential & truth.irrelevant)
    ]


def weights_right(found: Explanation, truth: Truth) -> bool | None:
    """Whether what is said of the weights is so: None where nothing is said.

    Strengths must order the inputs as the truth does where they may be read, roughly where that is said, and not where
    they may not be read; the order of irrelevant inputs is none.
    """
    said = found.weights
    if said is None or said.verdict == "cannot be told" or not np.ptp(truth.importance):
        return None
    matter = truth.importance > 0
    strength = condensed(found.results["first_layer"].shares, matter)
    correlation = rank_correlation(strength, condensed(truth.importance, matter))
    if said.verdict == "no":
        return not correlation >= GOOD
    return correlation >= (GOOD if said.verdict == "yes" else 0)


def count(name: str, truth: Truth, found: Explanation, counts: Counts) -> None:
    """Add what one explanation came to."""
    numbers = {"explanations": 0, "false": 0, "hardly": 0, "irrelevant": 0}
    entry = counts.setdefault(name, {**numbers, "verdicts": {}, "right": {}, "methods": {}, "weights": {}})
    said = found.reliability.verdict
    entry["explanations"] += 1
    entry["verdicts"][said] = entry["verdicts"].get(said, 0) + 1
    entry["right"][said] = entry["right"].get(said, 0) + (not mistakes(found, truth))
    if found.influential is not None:
        entry["false"] += int((found.influential & truth.irrelevant).sum())
        entry["irrelevant"] += int(truth.irrelevant.sum())
    if found.influential is not None and found.measurable is not None:
        entry["hardly"] += int((found.measurable & ~found.influential & truth.irrelevant).sum())
    if found.weights is not None:
        told = entry["weights"].setdefault(found.weights.verdict, [0, 0])
        told[0] += weights_right(found, truth) is not False
        told[1] += 1
    if np.ptp(truth.importance):
        for method, each in found.results.items():
            correlation = rank_correlation(each.shares, truth.importance)
            entry["methods"].setdefault(method, []).append(0.0 if np.isnan(correlation) else correlation)


def report(content: Mapping[str, Any]) -> str:
    """Return a run's results as text."""
    entries = content["entries"]
    return "\n\n".join([_correlations(entries), _verdicts(entries), _weights(entries), sentence(content["machine"])])


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
    kinds = ("false", "hardly")
    for truth, entry in entries.items():
        said.update(entry["verdicts"])
        right.update(entry["right"])
        cells = [
            f"{entry['right'].get(w, 0)} of {entry['verdicts'][w]}" if w in entry["verdicts"] else "" for w in words
        ]
        wrong = [f"{entry[kind]} of {entry['irrelevant']}" if entry["irrelevant"] else "" for kind in kinds]
        rows.append([truth, *cells, *wrong])
    every = sum(said.values())
    irrelevant = sum(entry["irrelevant"] for entry in entries.values())
    wrong = [f"{sum(entry[kind] for entry in entries.values())} of {irrelevant}" for kind in kinds]
    rows.append(["all", *(f"{right[w]} of {said[w]}" for w in words), *wrong])
    share, bound = right["reliable"] / max(said["reliable"], 1), at_least(right["reliable"], said["reliable"])
    head = ["right, of how often it was said", *words, "irrelevant called influential", "called hardly so"]
    return "\n\n".join(
        [
            table(head, rows),
            "*Right* is an explanation none of whose intervals order two inputs wrongly, or two that matter equally at "
            "all, that calls none equal of which one matters twice as much as another, and no irrelevant input "
            f"influential. “Reliable” was right in {right['reliable']} of {said['reliable']}, {share:.1%}: in "
            f"{bound:.1%} or more (one-sided, 95 %; ≥ {RIGHT:.0%}: {verdict(bound >= RIGHT)}), and could be said of "
            f"{said['reliable'] / max(every, 1):.0%} of {every} explanations.",
        ]
    )


def _weights(entries: Mapping[str, Any]) -> str:
    """Return how often what is said of weights was so."""
    words = ("yes", "partly", "no", "cannot be told")
    counts = {
        word: [sum(entry["weights"].get(word, [0, 0])[k] for entry in entries.values()) for k in (0, 1)]
        for word in words
    }
    cells = [f"{counts[word][0]} of {counts[word][1]}" for word in words[:3]] + [str(counts["cannot be told"][1])]
    return "\n\n".join(
        [
            table(["may weights be read: right, of how often it was said", *words], [["all", *cells]]),
            f"*Right* is yes where the strengths of the first layer have a rank correlation with the truth of {GOOD} "
            f"or more, partly where it is 0 or more, and no where it is below {GOOD}.",
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
    for name, setting in SETTINGS.items():
        for seed in range(chosen.first, chosen.first + chosen.repeats):
            if chosen.only in (None, name):
                truth = setting.make(np.random.default_rng(seed), setting.rows)
                found = explained(truth, seed, setting.networks, setting.seen)
                count(name, truth, found, counts)
                right = "; ".join(mistakes(found, truth)) or "right"
                print(f"{name}, {seed}: {found.reliability.verdict}, {right}", file=sys.stderr, flush=True)
    if chosen.only is None:
        print(report(keep("importance", machine(PACKAGES), counts)))
    else:
        print(report({"entries": counts, "machine": machine(PACKAGES)}))


if __name__ == "__main__":
    main()
