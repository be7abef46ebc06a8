"""Writes the measured tables into the README of this folder, between its markers.

Run ``python -m benchmarks.show``; with ``--check`` it changes nothing and fails where the README is out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import large, steps, tables
from benchmarks.measure import load
from pondera.files import whole_file

README = Path(__file__).parent / "README.md"

REPORTS = {
    "steps": steps.report,
    "tables": tables.report,
    "tables_bundled": tables.report,
    "large": large.report,
}


def filled(text: str) -> str:
    """Return the README with what was measured between ``<!-- name -->`` and ``<!-- /name -->``."""
    for name, report in REPORTS.items():
        content = load(name)
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            sys.exit(f"{README.name}: the markers {begin} and {end} are missing.")
        shown = report(content) if content else "*Not measured yet.*"
        text = f"{head}{begin}\n\n{shown}\n\n{end}{tail}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    before = README.read_text()
    after = filled(before)
    if check:
        sys.exit(0 if before == after else f"{README.name} does not show what was measured: python -m benchmarks.show")
    with whole_file(README) as part:
        part.write_text(after)


if __name__ == "__main__":
    main()
