"""How often the rules for faults are right: on files of small networks, healthy ones and ones with planted faults.

Run ``python -m benchmarks.zoo``; it needs no peer. It opens the third part of the zoo, writes ``results/zoo.json``, and
keeps the counts that findings quote in ``src/pondera/reading/faults/calibration.py``; ``python -m benchmarks.show``
writes the table of docs/faults.md. ``--part first`` looks at what thresholds are chosen on, and keeps nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

import pondera
from benchmarks.machine import machine, sentence
from benchmarks.measure import RESULTS, keep, table, verdict
from benchmarks.zoo_faults import FAULTS, Damage, rule_of
from benchmarks.zoo_forms import FORMS, half
from benchmarks.zoo_networks import Specimen, adapters, cnns, detectors, mlps, sirens, transformers
from benchmarks.zoo_parts import PARTS, Part
from pondera.findings import Finding
from pondera.reading.faults.depth import PRODUCT
from pondera.reading.faults.rule import ALARMS, HITS

PACKAGES = ("pondera", "jax", "numpy", "scikit-learn")
CALIBRATION = Path(__file__).parents[1] / "src/pondera/reading/faults/calibration.py"
TIMES = 3
"""Faults of each kind that are planted in each network, one at a time, in different places."""

SURE = 0.95
"""How sure the bounds are (Clopper & Pearson 1934, one-sided)."""


class Networks(NamedTuple):
    """A part of the zoo."""

    healthy: list[Specimen]
    out_of_scale: list[Specimen]


class Found(NamedTuple):
    """Findings in a file: the rule and the tensor of each, those that were folded into one as well."""

    places: frozenset[tuple[str, str]]

    def where(self, rules: Iterable[str]) -> set[str]:
        """Return the tensors that one of some rules spoke of."""
        return {where for rule, where in self.places if rule in rules}


def networks(part: Part, scale: float = 1.0) -> Networks:
    """Train a part of the zoo."""

    def some(count: int) -> int:
        return max(round(count * scale), 1)

    return Networks(
        [
            *mlps(part, some(40)),
            *mlps(part, some(8), deep=True),
            *sirens(part, some(6)),
            *cnns(part, some(12)),
            *transformers(part, some(28)),
            *detectors(part, some(6)),
            *adapters(part, some(8)),
        ],
        [*mlps(part, some(10), gain=0.15, deep=True), *mlps(part, some(10), gain=8.0, deep=True)],
    )


def read(specimen: Specimen, folder: Path, damage: Damage | None = None) -> Found:
    """Write a network to a file, damage that, and return what is found in it."""
    file = folder / "network.safetensors"
    save_file({name: np.ascontiguousarray(array) for name, array in specimen.arrays.items()}, file)
    if damage:
        source = pondera.open(file)[damage.tensor].source
        data = np.fromfile(file, np.uint8)
        damage.change(data, source.start, source.start + source.nbytes)
        data.tofile(file)
    return Found(frozenset(_places(pondera.read(file, doubtful=True).findings)))


def _places(findings: Iterable[Finding]) -> Iterator[tuple[str, str]]:
    for finding in findings:
        figures = finding.figures
        for where in figures.get("places", figures.get("odd", figures.get("missing", [finding.where]))):
            yield finding.rule, where


class Healthy(NamedTuple):
    """What was found in all forms of all networks: what each fault's rules were asked about, and where they spoke."""

    asked: dict[str, set[tuple[int, str]]]
    alarmed: dict[str, set[tuple[int, str]]]
    told: list[str]


def false_alarms(zoo: Networks, part: Part, folder: Path, random: np.random.Generator) -> Healthy:
    """Look at every network in every healthy form. A tensor counts once: it is alarmed if it is in one of the forms."""
    asked: dict[str, set[tuple[int, str]]] = {fault: set() for fault in (*FAULTS, PRODUCT)}
    alarmed: dict[str, set[tuple[int, str]]] = {fault: set() for fault in asked}
    told = []
    for number, specimen in enumerate(zoo.healthy):
        for name, form in FORMS.items():
            changed = form.change(specimen, part, random)
            found = Found(frozenset(each for each in read(changed, folder).places if each[0] not in form.true_of_it))
            told += [f"{rule}: {where} of {specimen.name}, {name}" for rule, where in sorted(found.places)]
            for label in asked:
                fault = FAULTS.get(label)
                rules = (fault.found_by if fault else ()) or (rule_of(label),)
                where = found.where(rules)
                whole = fault is None or fault.whole
                places = set(fault.places(changed)) if fault else ({""} if specimen.chain else set())
                if not form.true_of_it & {*rules}:
                    asked[label] |= {(number, "" if whole else each) for each in places | where}
                alarmed[label] |= {(number, "" if whole else each) for each in where}
    return Healthy(asked, alarmed, told)


def hits(
    label: str, zoo: Networks, part: Part, folder: Path, random: np.random.Generator
) -> tuple[int, int, list[str]]:
    """Return how many planted faults were found, how many there were, and which were missed.

    In each network the fault is planted several times, in different tensors.
    """
    fault = FAULTS[label]
    rules = fault.found_by or (rule_of(label),)
    found = count = 0
    missed = []
    for specimen in zoo.healthy:
        names = random.permutation(list(fault.places(specimen)))[:TIMES].tolist()
        for name in names:
            made = fault.plant(specimen, name, random)
            damage = made if isinstance(made, Damage) else None
            faulty = made if isinstance(made, Specimen) else specimen.changed(made if damage is None else {})
            in_half = label.startswith(("untrained", "zero run", "dead units")) and random.random() < 0.25
            seen = read(half(faulty, part, random) if in_half else faulty, folder, damage).where(rules)
            # Of two that are the same, either may be named.
            right = bool(seen) if fault.whole or "copied" in label else name in seen
            found += right
            count += 1
            if not right:
                missed.append(f"missed by {label}: {name} of {specimen.name}")
    return found, count, missed


def judged(zoo: Networks, part: Part, verbose: bool) -> dict[str, dict[str, Any]]:
    """Return how every rule did on a part of the zoo."""
    random = np.random.default_rng([part.seed, 99])
    counts = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        healthy = false_alarms(zoo, part, folder, random)
        told = list(healthy.told)
        for label in (*FAULTS, PRODUCT):
            if label == PRODUCT:
                seen = [bool(read(specimen, folder).where([PRODUCT])) for specimen in zoo.out_of_scale]
                found, count, missed = sum(seen), len(seen), []
            else:
                found, count, missed = hits(label, zoo, part, folder, random)
            told += missed
            whole = label == PRODUCT or FAULTS[label].whole
            counts[label] = _entry(found, count, healthy.asked[label], healthy.alarmed[label], whole)
    if verbose:
        print("\n".join(told), file=sys.stderr)
    return counts


def _entry(
    found: int, count: int, asked: set[tuple[int, str]], alarmed: set[tuple[int, str]], whole: bool
) -> dict[str, Any]:
    networks = len({number for number, _ in asked})
    alarmed_networks = len({number for number, _ in alarmed})
    return {
        "hits": found,
        "planted": count,
        "hits_at_least": at_least(found, count),
        "alarms": len(alarmed),
        "healthy": len(asked),
        "alarms_at_most": at_most(len(alarmed), len(asked)),
        "alarmed_networks": alarmed_networks,
        "networks": networks,
        "networks_at_most": at_most(alarmed_networks, networks),
        "of": "networks" if whole else "tensors",
    }


def at_least(part: int, whole: int) -> float:
    """Return the share that a count shows at least.

    >>> round(at_least(58, 58), 3)
    0.95
    """
    from scipy.stats import beta

    return float(beta.ppf(1 - SURE, part, whole - part + 1)) if part else 0.0


def at_most(part: int, whole: int) -> float:
    """Return the share that a count shows at most.

    >>> round(at_most(0, 300), 4)
    0.0099
    """
    from scipy.stats import beta

    return float(beta.ppf(SURE, part + 1, whole - part)) if part < whole else 1.0


def met(entry: Mapping[str, Any]) -> bool:
    """Whether a rule does as well as it should."""
    return bool(entry["hits"] >= HITS * entry["planted"] and entry["alarms"] <= ALARMS * entry["healthy"])


def report(content: Mapping[str, Any]) -> str:
    """Return the table as text."""
    rows = [
        [
            rule,
            f"{each['hits']:,} of {each['planted']:,}",
            f"{100 * each['hits'] / max(each['planted'], 1):.1f} %",
            f"≥ {100 * each['hits_at_least']:.1f} %",
            f"{each['alarms']:,} of {each['healthy']:,}" if each["of"] == "tensors" else "",
            f"≤ {100 * each['alarms_at_most']:.2f} %" if each["of"] == "tensors" else "",
            f"{each['alarmed_networks']:,} of {each['networks']:,}",
            f"≤ {100 * each['networks_at_most']:.1f} %",
            verdict(met(each)),
        ]
        for rule, each in content["entries"].items()
    ]
    heads = ["rule", "found", "hits", "bound", "false alarms, tensors", "bound", "networks", "bound"]
    heads.append(f"≥ {HITS:.0%} at ≤ {ALARMS:.0%}")
    return (
        f"{table(heads, rows)}\n\n{content['trained']} trained networks, each in {len(FORMS)} healthy forms: a tensor "
        f"with all of its forms is one, and so is a network. Bounds are those of Clopper and Pearson, one-sided, "
        f"{SURE:.0%}. "
        f"{sentence(content['machine'])}"
    )


def write_calibration(entries: Mapping[str, Mapping[str, Any]], path: Path = CALIBRATION) -> None:
    """Write the counts where findings quote them from."""
    text = path.read_text(encoding="utf-8")
    begin = text.index("CALIBRATION: dict")
    lines = []
    for rule, each in entries.items():
        if "," not in rule:
            found = f"{each['hits']}, {each['planted']}, {each['hits_at_least']:.4f}"
            alarms = f"{each['alarms']}, {each['healthy']}, {each['alarms_at_most']:.4f}"
            networks = f"{each['alarmed_networks']}, {each['networks']}"
            lines.append(f'    "{rule}": Counts({found}, {alarms}, {networks}, "{each["of"]}"),')
    path.write_text(text[:begin] + "\n".join(["CALIBRATION: dict[str, Counts] = {", *lines, "}", ""]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=tuple(PARTS), default="third", help="all but the third keep nothing")
    parser.add_argument("--scale", type=float, default=1.0, help="the share of the networks that is trained")
    parser.add_argument("--verbose", action="store_true", help="list every false alarm and every miss")
    chosen = parser.parse_args()
    about = machine(PACKAGES)
    begun = time.perf_counter()
    part = PARTS[chosen.part]
    zoo = networks(part, chosen.scale)
    content: dict[str, Any] = {
        "machine": about,
        "trained": sum(map(len, zoo)),
        "entries": judged(zoo, part, chosen.verbose),
    }
    seconds = round(time.perf_counter() - begun, 1)
    print(report(content), f"{seconds:,} seconds.")
    if chosen.part == "third" and chosen.scale == 1:
        (RESULTS / "zoo.json").unlink(missing_ok=True)  # what other rules did is no part of this table
        keep("zoo", about, content["entries"], trained=content["trained"], seconds=seconds)
        write_calibration(content["entries"])


if __name__ == "__main__":
    main()
