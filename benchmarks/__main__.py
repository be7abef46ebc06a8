"""Runs all benchmarks, one process after the other, and writes their tables into the README.

Run ``python -m benchmarks --data DIR``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="where the CSV files lie; without it, scikit-learn's tables")
    chosen = parser.parse_args()
    data = [] if chosen.data is None else ["--data", chosen.data]
    parts = {"steps": [], "tables": data, "large": [], "population": []}
    parts |= {"reading": [], "figures": [], "spectra": [], "verdicts": []}
    parts |= {"zoo": [], "attributions": [], "importance": []}
    parts |= {"recording": [], "budgets": [], "kills": [], "health": [], "show": []}
    for name, options in parts.items():
        print(f"== {name} ==", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False)
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
