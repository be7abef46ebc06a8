"""Writes what was measured into the READMEs, between their markers.

Run ``python -m benchmarks.show``; with ``--check`` it changes nothing and fails where a README is out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import (
    attributions,
    budgets,
    figures,
    health,
    importance,
    kills,
    large,
    population,
    reading,
    recording,
    spectra,
    steps,
    tables,
    verdicts,
    workbench,
    zoo,
)
from benchmarks.measure import load, table
from pondera.choice import counted
from pondera.files import whole_file

Report = Callable[[dict[str, Any]], str]

HERE = Path(__file__).parent


def steps_in_short(content: dict[str, Any]) -> str:
    """Return the ratios of a step's time, one row a network."""
    rows = []
    for name, entry in content["entries"].items():
        of = {who: times["median"] for who, times in entry["microseconds"].items()}
        peers = (of["PyTorch"], of["PyTorch fused"], of["Equinox"], of["scikit-learn"])
        rows.append([name, f"{of['Pondera']:,.0f} µs" if of["Pondera"] >= 10 else f"{of['Pondera']:.1f} µs"])
        rows[-1] += [f"{peer / of['Pondera']:.1f} ×" for peer in peers]
    head = [
        "a step of training",
        "Pondera",
        "PyTorch eager takes",
        "with fused Adam",
        "Equinox + Optax",
        "scikit-learn",
    ]
    return table(head, rows)


def tables_in_short(content: dict[str, Any]) -> str:
    """Return scores and times of whole fits, one row a table."""
    rows = []
    for name, entry in content["entries"].items():
        cells = [f"{name}, {entry['metric']} {'↑' if entry['metric'] == 'accuracy' else '↓'}"]
        cells += [f"{mean(f['scores']):.4f} in {mean(f['seconds']):.0f} s" for f in entry["learners"].values()]
        rows.append(cells)
    found = content["machine"]
    learners = next(iter(content["entries"].values()))["learners"]
    seeds = min(len(each["scores"]) for entry in content["entries"].values() for each in entry["learners"].values())
    where = (
        f"{found['processor']}, {found['cores']} cores, {found['date']}; {counted(seeds, 'seed')}; other "
        "seeds give other scores; details in [benchmarks](benchmarks/README.md)."
    )
    return f"{table(['rows never seen', *learners], rows)}\n\n{where}"


REPORTS: Mapping[Path, Mapping[str, tuple[str, Report]]] = {
    HERE / "README.md": {
        "steps": ("steps", steps.report),
        "tables": ("tables", tables.report),
        "tables_bundled": ("tables_bundled", tables.report),
        "large": ("large", large.report),
        "population": ("population", population.report),
        "reading": ("reading", reading.report),
        "figures": ("figures", figures.report),
        "spectra": ("spectra", spectra.report),
        "verdicts": ("verdicts", verdicts.report),
        "attributions": ("attributions", attributions.report),
        "importance": ("importance", importance.report),
    },
    HERE.parent / "docs" / "runs.md": {
        "kills": ("kills", kills.report),
        "recording": ("recording", recording.report_of_sizes),
        "budgets": ("budgets", budgets.report),
    },
    HERE.parent / "docs/watching.md": {"watching": ("recording", recording.report_of_loops)},
    HERE.parent / "docs/faults.md": {"zoo": ("zoo", zoo.report)},
    HERE.parent / "docs/health.md": {"health": ("health", health.report)},
    HERE.parent / "docs/workbench.md": {"workbench": ("workbench", workbench.report)},
    HERE.parent / "README.md": {
        "steps": ("steps", steps_in_short),
        "tables": ("tables", tables_in_short),
    },
}
"""File -> marker -> which result, and how it is shown."""


def filled(path: Path, reports: Mapping[str, tuple[str, Report]]) -> str:
    """Return a file with what was measured between ``<!-- marker -->`` and ``<!-- /marker -->``."""
    text = path.read_text()
    for marker, (name, report) in reports.items():
        content = load(name)
        begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            sys.exit(f"{path}: the markers {begin} and {end} are missing.")
        shown = report(content) if content else "*Not measured yet.*"
        text = f"{head}{begin}\n\n{shown}\n\n{end}{tail}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    for path, reports in REPORTS.items():
        after = filled(path, reports)
        if check and after != path.read_text():
            sys.exit(f"{path} does not show what was measured: python -m benchmarks.show")
        if not check:
            with whole_file(path) as part:
                part.write_text(after)


if __name__ == "__main__":
    main()
