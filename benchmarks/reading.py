"""Times the statistics of all tensors of a file that is in memory, beside what others take for fewer figures.

Run ``python -m benchmarks.reading``; it writes files of 4 GB into the temporary folder, one at a time, and needs as
much memory for them. ``--sparse`` reads a file of 40 GB that is nearly all holes, and looks at memory only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import reading_peers as peers
from benchmarks.machine import Others, machine, sentence
from benchmarks.measure import QUIET, keep, load, round_robin, seconds_of, table, verdict
from benchmarks.reading_files import minilm, write_gguf, write_large, write_sparse

PACKAGES = ("pondera", "numpy", "numba", "torch", "weightlens", "gguf")

FILES = {"float32": "F32", "bfloat16": "BF16"}
FAST = {
    "plain sum": peers.plain_sum,
    "Pondera": peers.pondera,
    "NumPy": peers.numpy_four,
    "PyTorch": peers.torch_four,
}
ENCODINGS = ("Q8_0", "Q4_0", "Q4_K", "Q6_K")
DECODED = 1 << 26  # values of a file of blocks

OVER_WEIGHTLENS, OVER_NUMPY, OF_BANDWIDTH, OVER_GGUF = 50.0, 5.0, 0.35, 10.0
SPARSE_GB, MOST_GB = 40.0, 1.0
START_SECONDS = 1.0
STARTS = 7

READ = """
import json, pathlib, sys, time
from pondera.reading.read import read
begun = time.perf_counter()
reading = read(sys.argv[1])
seconds = time.perf_counter() - begun
found = list(reading.statistics.values())
counts = [sum(each.count for each in found), sum(each.zeros for each in found)]
rules = sorted({(finding.rule, finding.where) for finding in reading.findings})
status = pathlib.Path("/proc/self/status").read_text()  # what getrusage says begins with whoever started this
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9
figures = [*counts, found[-1].minimum, found[-1].maximum, found[-1].mean]
print(json.dumps({"figures": figures, "rules": rules, "seconds": seconds, "peak_gb": peak}))
"""


def measure_file(path: Path, rounds: int, patience: float) -> dict[str, Any]:
    """Time everyone on one file: bytes a second; weightlens once, because it takes long."""
    size = path.stat().st_size
    times = round_robin({name: of(path) for name, of in FAST.items()}, rounds=rounds, seconds=0, patience=patience)
    others, slow = Others(), peers.weightlens(path)
    times["weightlens"] = {"median": (spent := seconds_of(slow)), "min": spent}
    times["weightlens"]["disturbed"] = float((others.cores() or 0.0) > QUIET)
    return {
        "bytes": size,
        "gigabytes_per_second": {
            name: {"median": size / 1e9 / t["median"], "best": size / 1e9 / t["min"]} for name, t in times.items()
        },
        "disturbed": {name: t["disturbed"] for name, t in times.items()},
    }


def measure_blocks(path: Path, rounds: int, patience: float) -> dict[str, Any]:
    """Time decoding with statistics against decoding alone: values a second."""
    calls: dict[str, Callable[[], Any]] = {"Pondera": peers.pondera(path), "gguf": peers.gguf_decode(path)}
    times = round_robin(calls, rounds=rounds, seconds=0, patience=patience)
    return {
        "values": DECODED,
        "million_values_per_second": {name: DECODED / 1e6 / t["median"] for name, t in times.items()},
        "disturbed": {name: t["disturbed"] for name, t in times.items()},
    }


def measure_start(path: Path) -> dict[str, Any]:
    """Time the whole command on a file, from the interpreter's start on, as often as STARTS says."""
    command = [sys.executable, "-m", "pondera", "read", str(path)]

    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=usual)

    run()  # compiles and fills caches
    others = Others()
    taken = [seconds_of(run) for _ in range(STARTS)]
    return {
        "bytes": path.stat().st_size,
        "seconds": {"median": statistics.median(taken), "min": min(taken)},
        "disturbed": float((others.cores() or 0.0) > QUIET),
    }


def measure_sparse(path: Path, gigabytes: float) -> dict[str, Any]:
    """Read a file larger than memory in a process of its own, and return its figures and the most memory it held."""
    count = write_sparse(path, gigabytes)
    done = subprocess.run([sys.executable, "-c", READ, str(path)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    *counted, mean = found["figures"]
    right = counted == [count, count - 1, 0.0, 3.0] and abs(mean * count / 10 / 3 - 1) < 1e-12
    return {**found, "gigabytes": gigabytes, "right": right}


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    entries = content["entries"]
    parts = [_files(entries), _blocks(entries), _rest(entries), sentence(content["machine"])]
    return "\n\n".join(part for part in parts if part)


def _files(entries: dict[str, Any]) -> str:
    rows, targets = [], []
    for name in FILES:
        if name not in entries:
            continue
        entry = entries[name]
        speed = {who: each["median"] for who, each in entry["gigabytes_per_second"].items()}
        ours = speed["Pondera"]
        shown = [f"{each:.2f}{'*' if entry['disturbed'][who] else ''}" for who, each in speed.items()]
        rows.append([name, *shown, f"{100 * ours / speed['plain sum']:.0f} %"])
        bars = {"weightlens": OVER_WEIGHTLENS, "NumPy": OVER_NUMPY}
        told = [f"{ours / speed[who]:.1f} × {who} {_target(ours / speed[who], bar)}" for who, bar in bars.items()]
        if name == "float32":
            share = ours / speed["plain sum"]
            told.append(f"{share:.2f} of the bandwidth {_target(share, OF_BANDWIDTH)}")
        targets.append(f"{name}: {', '.join(told)}.")
    if not rows:
        return ""
    head = ["GB/s", "plain sum", "Pondera", "NumPy", "PyTorch", "weightlens", "of plain sum"]
    return "\n\n".join([table(head, rows), *targets])


def _target(found: float, least: float) -> str:
    return f"(≥ {least:g}: {verdict(found >= least)})"


def _blocks(entries: dict[str, Any]) -> str:
    rows = []
    for name in ENCODINGS:
        if name in entries:
            speed = entries[name]["million_values_per_second"]
            ratio = speed["Pondera"] / speed["gguf"]
            mark = "*" if any(entries[name]["disturbed"].values()) else ""
            rows.append([name, f"{speed['Pondera']:,.0f}{mark}", f"{speed['gguf']:,.0f}{mark}", f"{ratio:.1f}×"])
            rows[-1].append(f"≥ {OVER_GGUF:g}×: {verdict(ratio >= OVER_GGUF)}")
    head = ["million values/s", "Pondera, with statistics", "gguf, decoding alone", "ratio", "target"]
    return table(head, rows) if rows else ""


def _rest(entries: dict[str, Any]) -> str:
    parts = []
    if "start" in entries:
        found = entries["start"]
        seconds = found["seconds"]["median"]
        parts.append(
            f"`pondera read` of all-MiniLM-L6-v2, {found['bytes'] / 1e6:.0f} MB, from the start of the interpreter to "
            f"its end: {seconds:.2f} s{'*' if found['disturbed'] else ''} "
            f"(≤ {START_SECONDS:g}: {verdict(seconds <= START_SECONDS)})."
        )
    if "sparse" in entries:
        found = entries["sparse"]
        within = verdict(found["peak_gb"] <= MOST_GB and found["right"])
        parts.append(
            f"A file of {found['gigabytes']:g} GB that is nearly all holes: at most {found['peak_gb']:.2f} GB of "
            f"memory (≤ {MOST_GB:g}: {within}), in {found['seconds']:.0f} s; its figures are "
            f"{'right' if found['right'] else 'WRONG'}."
        )
    parts.append(
        "GB/s, median of the rounds, of files in the page cache. The plain sum adds up the same mapped bytes with all "
        "cores and finds out nothing else. NumPy and PyTorch take minimum, maximum, mean and deviation; Pondera also "
        "norms, third and fourth moments, zeros, denormals, NaN, infinities and a histogram. A * marks that other "
        f"processes kept more than {QUIET:g} cores busy meanwhile."
    )
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where files are written for a while")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of each large file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for what others disturb")
    parser.add_argument("--sparse", action="store_true", help=f"only read a file of {SPARSE_GB:g} GB of holes")
    parser.add_argument("--only", help="one of the files: " + ", ".join([*FILES, *ENCODINGS, "start", "sparse"]))
    chosen = parser.parse_args()
    about = machine(PACKAGES)

    def wanted(name: str) -> bool:
        return name == ("sparse" if chosen.sparse else chosen.only or name)

    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = Path(folder, "weights.safetensors")
        for name in filter(wanted, FILES):
            write_large(path, FILES[name], chosen.gigabytes)
            keep("reading", about, {name: measure_file(path, chosen.rounds, chosen.patience)})
        for name in filter(wanted, ENCODINGS):
            write_gguf(path, name, DECODED)
            keep("reading", about, {name: measure_blocks(path, chosen.rounds, chosen.patience)})
        if wanted("start"):
            keep("reading", about, {"start": measure_start(minilm())})
        if wanted("sparse"):
            keep("reading", about, {"sparse": measure_sparse(path, SPARSE_GB)})
    content = load("reading")
    if content:
        print(report(content))


if __name__ == "__main__":
    main()
