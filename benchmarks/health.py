"""How often the rules that read a run are right: on trainings that are healthy, and on ones with planted faults.

Run ``python -m benchmarks.health``; it needs no peer and takes some minutes. Thresholds are chosen on one half of the
zoo; the table is of the other half. It writes ``results/health.json``, and thresholds and counts, which findings quote,
to ``src/pondera/recording/health/calibration.py``.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table, verdict

PACKAGES = ("pondera", "jax", "numpy", "scikit-learn")
CALIBRATION = Path(__file__).parents[1] / "src/pondera/recording/health/calibration.py"

HEALTHY, PLANTED = 10, 3
"""Seeds of each shape that are trained as they are, and of each way to plant a fault in it."""

FIRST = {"chosen on": 0, "held out": 1000}
"""Seeds of the halves begin here."""

BAR = (0.95, 0.02)
"""Hits at least, and false alarms at most."""


class Judged(NamedTuple):
    """One training, and what a rule measured in it.

    Attributes
    ----------
    planted
        Whether the rule's fault is there.
    measures
        (step, measure) as the rule is asked while training goes on, and at the end.
    lasting
        Whether only what it finds at the end counts: what a rule says of the rows and takes back never was so.
    shown
        The step at which the loss shows it.
    """

    rule: str
    name: str
    planted: bool
    measures: tuple[tuple[int, float], ...]
    lasting: bool
    shown: int

    @property
    def value(self) -> float:
        """The most it ever measured, or the last: of a fault and of a healthy training alike."""
        return self.measures[-1][1] if self.lasting else max(value for _, value in self.measures)


def judged(work: tuple[str, int, int, int]) -> list[Judged]:
    """Train a shape of a half, healthy and with every fault that fits; ``work`` is (half, shape, seeds, seeds)."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    from benchmarks import health_plants as plants
    from benchmarks.health_runs import CHOSEN_ON, HELD_OUT, Case, trained
    from pondera.recording.health.rules import RULES

    half, number, healthy_seeds, planted_seeds = work
    shape = (CHOSEN_ON if half == "chosen on" else HELD_OUT)[number]
    rules = {rule.name: rule for rule in RULES}
    found, healthy = [], {}
    for seed in range(FIRST[half], FIRST[half] + healthy_seeds):
        outcome = healthy[seed] = trained(Case(shape, seed))
        for name, rule in rules.items():
            if plants.certainly_healthy(name, outcome):
                found.append(_judged(rule, outcome, _name(outcome), False, outcome.facts.taken))
    for k, plant in enumerate(plants.PLANTS):
        if not plant.fits(shape):
            continue
        for seed in list(healthy)[:planted_seeds]:
            case = plant.make(Case(shape, seed), np.random.default_rng([seed, k]))
            outcome = trained(case)
            if not outcome.facts.taken or (plant.truth and not plant.truth(outcome, healthy[seed])):
                continue
            shown = plants.shown_at(outcome, healthy[seed])
            name = f"{_name(outcome)}, {plant.make.__qualname__.split('.')[0]}"
            found.append(_judged(rules[plant.rule], outcome, name, True, shown))
    return found


def _name(outcome: Any) -> str:
    case = outcome.case
    shape = case.shape
    return f"{shape.table} {shape.hidden} {shape.activation} {shape.optimizer} {shape.rate:g} seed {case.seed}"


def _judged(rule: Any, outcome: Any, name: str, planted: bool, shown: int) -> Judged:
    """Return what a rule measures whenever a recorder would ask it, and at the end."""
    facts = outcome.facts
    measures = tuple((each.taken, float(rule.measure(each))) for each in (*facts.on_the_way, facts))
    return Judged(rule.name, name, planted, measures, rule.of_rows, shown)


def zoo(half: str, scale: float, workers: int) -> list[Judged]:
    """Train a half of the zoo."""
    from benchmarks.health_runs import CHOSEN_ON, HELD_OUT

    shapes = CHOSEN_ON if half == "chosen on" else HELD_OUT
    seeds = (max(round(HEALTHY * scale), 1), max(round(PLANTED * scale), 1))
    work = [(half, k, *seeds) for k in range(len(shapes))]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return [each for part in pool.map(judged, work) for each in part]


def chosen(trainings: Sequence[Judged]) -> float:
    """Return the threshold that misses and alarms least, by the bar of each; of equals the middle of the widest gap."""
    planted = np.sort([each.value for each in trainings if each.planted])
    healthy = np.sort([each.value for each in trainings if not each.planted])
    if not len(planted):
        return math.inf
    values = np.unique(np.concatenate([planted, healthy]))
    values = values[np.isfinite(values)]
    between = np.concatenate([values[:1] - 1, (values[1:] + values[:-1]) / 2, values[-1:] + 1])
    width = np.concatenate([[0.0], np.diff(values), [0.0]])
    missed = np.searchsorted(planted, between) / len(planted)
    alarmed = 1 - np.searchsorted(healthy, between) / max(len(healthy), 1)
    cost = np.maximum(missed / (1 - BAR[0]), alarmed / BAR[1])
    best = np.flatnonzero(cost == cost.min())
    return float(f"{between[best[width[best].argmax()]]:.3g}")


def entry(trainings: Sequence[Judged], threshold: float) -> dict[str, Any]:
    """Return how a rule did with a threshold."""
    planted = [each for each in trainings if each.planted]
    healthy = [each for each in trainings if not each.planted]
    hits = [each for each in planted if each.value >= threshold]
    leads = [each.shown - next(step for step, value in each.measures if value >= threshold) for each in hits]
    return {
        "hits": len(hits),
        "planted": len(planted),
        "alarms": sum(each.value >= threshold for each in healthy),
        "healthy": len(healthy),
        "lead": float(np.median(leads)) if leads else None,
        "threshold": threshold,
    }


def met(found: dict[str, Any]) -> bool:
    """Whether a rule does as well as it should."""
    return bool(
        found["planted"] and found["hits"] >= BAR[0] * found["planted"] and found["alarms"] <= BAR[1] * found["healthy"]
    )


def report(content: dict[str, Any]) -> str:
    """Return the table as text."""
    rows = [
        [
            name if met(found) else f"possibly {name}",
            f"{found['hits']} of {found['planted']}",
            f"{100 * found['hits'] / max(found['planted'], 1):.1f} %",
            f"{found['alarms']} of {found['healthy']}",
            f"{100 * found['alarms'] / max(found['healthy'], 1):.1f} %",
            "–" if found["lead"] is None else f"{found['lead']:,.0f}",
            f"{found['threshold']:g}",
            verdict(met(found)),
        ]
        for name, found in content["entries"].items()
    ]
    heads = ["rule", "found", "hits", "false alarms", "share", "lead, steps", "threshold", "≥ 95 % at ≤ 2 %"]
    return f"{table(heads, rows)}\n\n{content['trainings']:,} trainings. {sentence(content['machine'])}"


def write_calibration(entries: dict[str, dict[str, Any]], path: Path = CALIBRATION) -> None:
    """Write thresholds and counts where the rules take them from."""
    text = path.read_text(encoding="utf-8")
    begin = text.index("THRESHOLDS: dict")
    lines = ["THRESHOLDS: dict[str, float] = {"]
    lines += [f'    "{rule}": {float(found["threshold"])!r},' for rule, found in entries.items()]
    lines += ["}", "", "COUNTS: dict[str, Counts] = {"]
    for rule, found in entries.items():
        lines.append(
            f'    "{rule}": Counts({found["hits"]}, {found["planted"]}, {found["alarms"]}, {found["healthy"]}),'
        )
    last = text[text.index('"""', text.index("CHANGED: ")) :]  # what it is
    lines += ["}", "", "CHANGED: frozenset[str] = frozenset()", last]
    path.write_text(text[:begin] + "\n".join(lines), encoding="utf-8")


def by_rule(trainings: Sequence[Judged]) -> dict[str, list[Judged]]:
    found = defaultdict(list)
    for each in trainings:
        found[each.rule].append(each)
    return found


def told(trainings: Sequence[Judged], threshold: float) -> list[str]:
    """Return which faults were missed and which alarms were false, in words."""
    return [
        f"{'missed' if each.planted else 'false alarm'}: {each.rule}: {each.value:.3g} in {each.name}"
        for each in trainings
        if each.planted != (each.value >= threshold)
    ]


def main() -> None:
    from pondera.recording.health.rules import RULES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="the share of the seeds; less than 1 keeps nothing")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--verbose", action="store_true", help="list every false alarm and every miss")
    parser.add_argument(
        "--half", choices=list(FIRST), help="only this half, with thresholds as they are; keeps nothing"
    )
    wish = parser.parse_args()
    about = machine(PACKAGES)
    begun = time.perf_counter()
    halves = [wish.half] if wish.half else list(FIRST)
    trainings = {half: by_rule(zoo(half, wish.scale, wish.workers)) for half in halves}
    from pondera.recording.health.calibration import THRESHOLDS

    for half in halves:
        names = [rule.name for rule in RULES]
        thresholds = THRESHOLDS if wish.half else {name: chosen(trainings["chosen on"][name]) for name in names}
        entries = {name: entry(trainings[half][name], thresholds[name]) for name in names}
        if wish.verbose:
            for name in names:
                print("\n".join(told(trainings[half][name], thresholds[name])), file=sys.stderr)
        distinct = {each.name for every in trainings[half].values() for each in every}
        print(half, report({"entries": entries, "trainings": len(distinct), "machine": about}), "", sep="\n\n")
    if wish.half or wish.scale < 1:
        return
    keep("health", about, entries, trainings=len(distinct), seconds=round(time.perf_counter() - begun, 1))
    write_calibration(entries)


if __name__ == "__main__":
    main()
