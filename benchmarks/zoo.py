"""How often the rules for faults are right: on hundreds of networks, healthy ones and ones with planted faults.

Run ``python -m benchmarks.zoo``; it needs no peer. It prints the table of docs/faults.md, for the half of the zoo that
thresholds were not chosen on, writes ``results/zoo.json``, and keeps the counts that findings quote in
``src/pondera/reading/faults/calibration.py``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, table
from benchmarks.zoo_faults import FAULTS, HEALTHY, Planted, plantings
from benchmarks.zoo_networks import CHOSEN_ON, HELD_OUT, Half, Specimen, cnns, detectors, mlps, transformers
from pondera.findings import Finding
from pondera.reading.faults.depth import PRODUCT
from pondera.reading.faults.facts import Facts
from pondera.reading.faults.rules import findings_of
from pondera.reading.statistics import statistics_of
from pondera.reading.units.units import units_of

PACKAGES = ("pondera", "jax", "numpy", "scikit-learn")
CALIBRATION = Path(__file__).parents[1] / "src/pondera/reading/faults/calibration.py"
DESCRIPTION = Path(__file__).parents[1] / "docs/faults.md"
TIMES = 3
"""Faults of each kind that are planted in each network, one at a time."""

BAR = (0.95, 0.01)
"""Hits at least, and false alarms at most."""

WHOLE = ("scale along depth", PRODUCT, "metadata")
"""Rules that are about a network, not about a tensor."""

POSSIBLY = "possibly untrained"


class Counts(NamedTuple):
    """How a rule did: faults found, faults planted, false alarms, healthy tensors or networks."""

    hits: int
    planted: int
    alarms: int
    healthy: int


class Networks(NamedTuple):
    """A half of the zoo."""

    healthy: list[Specimen]
    vanishing: list[Specimen]
    exploding: list[Specimen]


def networks(half: Half, scale: float = 1.0) -> Networks:
    """Train a half of the zoo."""

    def some(count: int) -> int:
        return max(round(count * scale), 1)

    return Networks(
        [
            *mlps(half, some(60)),
            *mlps(half, some(9), deep=True),
            *cnns(half, some(12)),
            *transformers(half, some(12)),
            *detectors(half, some(9)),
        ],
        list(mlps(half, some(9), gain=0.15, deep=True)),
        list(mlps(half, some(9), gain=8.0, deep=True)),
    )


def facts_of(specimen: Specimen) -> Facts:
    """Return what is known of a network, as reading its file would give it."""
    weights = specimen.weights()
    figures = {name: statistics_of(tensor, threads=1) for name, tensor in weights.items()}
    units = {layer.name: units_of(layer, weights, threads=1) for layer in specimen.layers if layer.connects}
    return Facts(weights, figures, specimen.layers, units)


def places(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    """Return (rule, tensor) of findings, those that were folded into one as well."""
    return {
        (finding.rule, where)
        for finding in findings
        for where in finding.figures.get("places", finding.figures.get("odd", [finding.where]))
    }


def false_alarms(healthy: Sequence[Specimen], random: np.random.Generator) -> tuple[Counter[str], int, int, list[str]]:
    """Return the alarms by rule, how many tensors and networks there were, and which alarms they were."""
    alarms: Counter[str] = Counter()
    tensors = count = 0
    told = []
    for specimen in healthy:
        for change in HEALTHY:
            changed = change(specimen, random)
            found = places(findings_of(facts_of(changed)))
            alarms.update(rule for rule, _ in found)
            told += [f"{rule}: {where} of {specimen.name}, {change.__name__}" for rule, where in sorted(found)]
            tensors += len(changed.matrices())
            count += 1
    return alarms, tensors, count, told


def hits(planted: Iterable[Planted], rules: Sequence[str]) -> tuple[int, int, list[str]]:
    """Return how many planted faults were found by one of some rules, how many there were, and which were missed."""
    found = count = 0
    missed = []
    for specimen, where in planted:
        seen = {place for rule, place in places(findings_of(facts_of(specimen))) if rule in rules}
        right = bool(seen & set(where)) if where else bool(seen)
        found += right
        count += 1
        if not right:
            missed.append(f"{', '.join(where)} of {specimen.name}")
    return found, count, missed


def judged(zoo: Networks, seed: int, verbose: bool) -> dict[str, Counts]:
    """Return how every rule did on a half of the zoo."""
    random = np.random.default_rng(seed)
    alarms, tensors, count, told = false_alarms(zoo.healthy, random)
    report = list(told)
    counts = {}
    for rule in FAULTS:
        cases = list(plantings(zoo.healthy, rule, TIMES, random))
        name = rule.partition(",")[0]
        found, planted, missed = hits(cases, (name,))
        report += [f"missed by {rule}: {case}" for case in missed]
        counts[rule] = Counts(found, planted, alarms[name], count if rule in WHOLE else tensors)
        if rule == "scale along depth":
            whole = [Planted(specimen, ()) for specimen in (*zoo.vanishing, *zoo.exploding)]
            found, planted, missed = hits(whole, (PRODUCT,))
            report += [f"missed by {PRODUCT}: {case}" for case in missed]
            counts[PRODUCT] = Counts(found, planted, alarms[PRODUCT], count)
        if rule == "untrained, no bias":  # what the sure rule leaves open
            found, planted, _ = hits(cases, (rule, POSSIBLY))
            counts[POSSIBLY] = Counts(found, planted, alarms[rule] + alarms[POSSIBLY], tensors)
    if verbose:
        print("\n".join(report), file=sys.stderr)
    return counts


def met(counts: Counts) -> bool:
    """Whether a rule does as well as it should."""
    return counts.hits >= BAR[0] * counts.planted and counts.alarms <= BAR[1] * counts.healthy


def report(counts: dict[str, Counts], trained: int) -> str:
    """Return the table as text."""
    rows = [
        [
            rule,
            f"{each.hits:,} of {each.planted:,}",
            f"{100 * each.hits / max(each.planted, 1):.1f} %",
            f"{each.alarms:,} of {each.healthy:,}",
            f"{100 * each.alarms / max(each.healthy, 1):.2f} %",
            "met" if met(each) else "missed",
        ]
        for rule, each in counts.items()
    ]
    heads = ["rule", "found", "hits", "false alarms", "share", f"≥ {BAR[0]:.0%} at ≤ {BAR[1]:.0%}"]
    return table(heads, rows) + f"\n\n{trained} trained networks, each as it is and in five other healthy forms."


def write_calibration(counts: dict[str, Counts], path: Path = CALIBRATION) -> None:
    """Write the counts where findings quote them from."""
    text = path.read_text(encoding="utf-8")
    begin = text.index("CALIBRATION: dict")
    lines = [
        f'    "{rule}": Counts({each.hits}, {each.planted}, {each.alarms}, {each.healthy}, '
        f'"{"networks" if rule in WHOLE else "tensors"}"),'
        for rule, each in counts.items()
    ]
    path.write_text(text[:begin] + "\n".join(["CALIBRATION: dict[str, Counts] = {", *lines, "}", ""]), encoding="utf-8")


def write_table(text: str, path: Path = DESCRIPTION) -> None:
    """Write the table into the description of the rules."""
    before, _, rest = path.read_text(encoding="utf-8").partition("<!-- zoo -->")
    path.write_text(
        f"{before}<!-- zoo -->\n\n{text}\n\n<!-- /zoo -->{rest.partition('<!-- /zoo -->')[2]}", encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--chosen-on", action="store_true", help="the half that thresholds were chosen on; keeps nothing"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="the share of the networks that is trained")
    parser.add_argument("--verbose", action="store_true", help="list every false alarm and every miss")
    chosen = parser.parse_args()
    about = machine(PACKAGES)
    begun = time.perf_counter()
    zoo = networks(CHOSEN_ON if chosen.chosen_on else HELD_OUT, chosen.scale)
    counts = judged(zoo, 1 if chosen.chosen_on else 2, chosen.verbose)
    trained = sum(map(len, zoo))
    text = f"{report(counts, trained)} {sentence(about)}"
    print(text)
    if chosen.chosen_on or chosen.scale != 1:
        return
    entries: dict[str, Any] = {rule: each._asdict() for rule, each in counts.items()}
    keep("zoo", about, entries, networks=trained, seconds=round(time.perf_counter() - begun, 1))
    write_calibration({rule: each for rule, each in counts.items() if "," not in rule})
    write_table(text)


if __name__ == "__main__":
    main()
