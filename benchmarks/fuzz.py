"""Millions of damaged files: every one must give weights or a sentence, within bounds of time and memory.

Run ``python -m benchmarks.fuzz --format gguf --count 200000 --seed 0``. Valid files are changed at random and from
within, opened, and their values, figures and metadata are read, in a process that

- is stopped by any file that takes longer than :data:`~benchmarks.fuzz_guard.SECONDS`,
- may use :data:`~benchmarks.fuzz_guard.ADDRESSES` bytes of addresses more than at its start,
- fails where anything is executed, imported, written, or read outside the mutant's folder.

Mutants that get a sentence that was not seen before are changed further, so that the search goes where readers look.
What fails is kept with a note of what happened. Counts go to ``results/fuzz.json``; ``--show`` writes the table of
``docs/fuzzing.md`` from them. After a reader was changed, ``--fresh`` forgets the format's earlier runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import re
import resource
import shutil
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.fuzz_guard import Forbidden, Guard, Hang
from benchmarks.fuzz_mutate import mutant
from benchmarks.fuzz_seeds import FORMATS, Seed
from benchmarks.measure import RESULTS, table
from pondera.files import whole_file
from pondera.reading.read import read
from pondera.reading.statistics import statistics_of
from pondera.weights.collection import Weights
from pondera.weights.quantized.encodings import ENCODINGS
from pondera.weights.tensor import DTYPES, Mapped, Tensor

PAGE = Path(__file__).parent.parent / "docs" / "fuzzing.md"
MOST_KEPT = 400
"""Mutants that are changed further: no more than this at a time."""

MOST_FAILURES = 200
"""A run ends after as many failures."""

COUNTS = struct.Struct("<6q")
"""What the processes share: mutants begun, refused, read, sentences, failures, bytes of the largest process."""


class Counts:
    """Figures that outlive the process that counts, should a mutant kill it."""

    names = ("begun", "refused", "read", "sentences", "failures", "resident")

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, COUNTS.size)

    def __getitem__(self, name: str) -> int:
        return int(COUNTS.unpack_from(self.memory)[self.names.index(name)])

    def __setitem__(self, name: str, value: int) -> None:
        struct.pack_into("<q", self.memory, 8 * self.names.index(name), value)


class Run:
    """Mutants of one format, one after the other, each process going on where the last one died.

    Parameters
    ----------
    format
        One of :data:`~benchmarks.fuzz_seeds.FORMATS`.
    count, seed
        How many mutants, and what they follow from.
    folder
        Where mutants are written to, best in memory.
    failed
        Where those go that fail.
    """

    def __init__(self, format: str, count: int, seed: int, folder: Path, failed: Path) -> None:  # noqa: A002
        self.format, self.count, self.seed, self.folder, self.failed = format, count, seed, folder, failed
        self.counts = Counts()
        self.seeds = FORMATS[format]()
        self.places = [self._placed(number, seed) for number, seed in enumerate(self.seeds)]
        self.kept: list[tuple[int, str, bytes]] = []
        self.said: set[str] = set()

    def _placed(self, number: int, seed: Seed) -> Path:
        place = self.folder / str(number)
        place.mkdir(parents=True)
        for name, content in seed.files.items():
            (place / name).write_bytes(content)
        return place

    def whole(self) -> dict[str, Any]:
        """Read all mutants and return the counts."""
        warm()
        for place, each in zip(self.places, self.seeds, strict=True):  # valid files, and whatever is imported late
            read(place / each.opened if each.opened else place).to_json()
        begun = time.perf_counter()
        while self.counts["begun"] < self.count and self.counts["failures"] < MOST_FAILURES:
            child = os.fork()
            if not child:
                self._child()
            _, status = os.waitpid(child, 0)
            if status:
                self._fail(f"the process ended with the status {status}")
        counts = self.counts
        return {
            "seed": self.seed,
            "date": datetime.now(UTC).date().isoformat(),
            "inputs": counts["begun"],
            "refused": counts["refused"],
            "read": counts["read"],
            "sentences": counts["sentences"],
            "failures": counts["failures"],
            "seconds": round(time.perf_counter() - begun, 1),
            "resident_mb": round(counts["resident"] / 1e6),
        }

    def _child(self) -> None:
        """Go on until all are done; the process never returns from here."""
        status = 1
        try:
            guard = Guard(self.folder)
            while self.counts["begun"] < self.count and self.counts["failures"] < MOST_FAILURES:
                self._one(guard)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _one(self, guard: Guard) -> None:
        counts, random = self.counts, Random(f"{self.format} {self.seed} {self.counts['begun']}")
        counts["begun"] += 1
        number, name, content = self._chosen(random)
        seed, place = self.seeds[number], self.places[number]
        others = [each.files[each.changed[0]] for each in self.seeds]
        changed = mutant(self.format, name, random, content, others)
        file = place / name
        file.unlink(missing_ok=True)  # an earlier one may still be mapped
        file.write_bytes(changed)
        try:
            said = guard.check(place / seed.opened if seed.opened else place)
        except (Exception, Hang, Forbidden):
            self._fail(traceback.format_exc())
            return
        finally:
            counts["resident"] = max(counts["resident"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        counts["refused" if said else "read"] += 1
        self._learn(said, place, number, name, changed)

    def _chosen(self, random: Random) -> tuple[int, str, bytes]:
        """Return what is changed next: a mutant that was kept, or a seed, the small ones more often."""
        if self.kept and random.random() < 0.5:
            number, name, content = random.choice(self.kept)
        else:
            sizes = [sum(map(len, seed.files.values())) for seed in self.seeds]
            (number,) = random.choices(range(len(self.seeds)), [1 / (2000 + size) for size in sizes])
            changed = self.seeds[number].changed
            name = changed[min(int(random.expovariate(1.2)), len(changed) - 1)]
            content = self.seeds[number].files[name]
        for other in self.seeds[number].changed:
            if other != name:  # as it was before it was changed
                (self.places[number] / other).write_bytes(self.seeds[number].files[other])
        return number, name, content

    def _learn(self, said: str, place: Path, number: int, name: str, changed: bytes) -> None:
        parts = re.split(r"['\"]", re.sub(r"[\d,.]+", "#", said.replace(str(place), "")))
        kind = f"{parts[0][:60]} … {parts[-1][-40:]}"  # without the names that it quotes
        if kind in self.said or len(self.said) > 20_000:
            return
        self.said.add(kind)
        self.counts["sentences"] = max(self.counts["sentences"], len(self.said))
        if len(changed) < 40_000:
            self.kept.append((number, name, changed))
            del self.kept[:-MOST_KEPT]

    def _fail(self, what: str) -> None:
        """Keep the mutant, which still lies where it was read, and what happened."""
        self.counts["failures"] += 1
        place = self.failed / f"{self.format}-{self.seed}-{self.counts['begun'] - 1}"
        newest = max(self.places, key=lambda each: max(file.stat().st_mtime_ns for file in each.iterdir()))
        shutil.copytree(newest, place, dirs_exist_ok=True)
        (place / "what.txt").write_text(what)
        print(f"{place}: {what.strip().splitlines()[-1]:.300}", file=sys.stderr, flush=True)


def warm() -> None:
    """Compile every loop that reading may need, so that nothing is compiled while mutants are read."""
    for name, dtype in DTYPES.items():
        if name.startswith("complex"):
            continue
        content = bytes(65 * dtype.itemsize)
        for buffer, start in ((memoryview(content), 0), (memoryview(content), 1), (memoryview(bytearray(content)), 0)):
            statistics_of(Tensor("w", (64,), name, Mapped(buffer, start, dtype, 64)), threads=1)
        broken = memoryview(b"\xff" * 65 * dtype.itemsize)  # of most dtypes no numbers
        read(Weights.of([Tensor("fc.weight", (8, 8), name, Mapped(broken, 0, dtype, 64))], "PyTorch")).to_json()
    for encoding in ENCODINGS.values():
        for blocks in (1, 70_000 // encoding.values + 1):
            encoding.decode(np.zeros((blocks, encoding.size), np.uint8))
            encoding.decode(np.frombuffer(bytes(blocks * encoding.size), np.uint8).reshape(blocks, encoding.size))


def keep(format: str, entry: dict[str, Any], fresh: bool) -> None:  # noqa: A002
    """Add a run to the results."""
    path = RESULTS / "fuzz.json"
    found: dict[str, list[dict[str, Any]]] = json.loads(path.read_text()) if path.is_file() else {}
    found[format] = [*([] if fresh else found.get(format, [])), entry]
    with whole_file(path) as part:
        part.write_text(json.dumps({name: found[name] for name in FORMATS if name in found}, indent=1) + "\n")


def report() -> str:
    """Return what was found as a table, all runs of a format together."""
    rows = []
    for name, runs in json.loads((RESULTS / "fuzz.json").read_text()).items():
        total = {key: sum(run[key] for run in runs) for key in ("inputs", "refused", "read", "failures", "seconds")}
        rows.append([
            name,
            *(f"{total[key]:,}" for key in ("inputs", "refused", "read")),
            f"{total['failures']:,}",
            f"{total['inputs'] / max(total['seconds'], 1e-9):,.0f}",
            f"{max(run['resident_mb'] for run in runs):,} MB",
            max(run["date"] for run in runs),
        ])  # fmt: skip
    heads = ["format", "mutants", "refused", "read", "failures", "a second", "memory", "date"]
    return table(heads, rows)


def show() -> None:
    """Write the table into the documentation."""
    before, _, rest = PAGE.read_text().partition("<!-- fuzz -->\n")
    _, _, after = rest.partition("<!-- end -->")
    marked = f"{before}<!-- fuzz -->\n\n{report()}\n\n<!-- end -->{after}"
    with whole_file(PAGE) as part:
        part.write_text(marked)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder in memory where there is one."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(os.path.realpath(folder))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--format", choices=[*FORMATS, "all"], default="all")
    parser.add_argument("--count", type=int, default=200_000, help="how many mutants of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--failed", type=Path, default=Path("fuzz-failures"), help="where mutants go that fail")
    parser.add_argument("--fresh", action="store_true", help="forget earlier runs of the format")
    parser.add_argument("--dry", action="store_true", help="keep no counts")
    parser.add_argument("--show", action="store_true", help="only write the table of docs/fuzzing.md")
    chosen = parser.parse_args()
    if chosen.show:
        show()
        return
    failures = 0
    for name in FORMATS if chosen.format == "all" else [chosen.format]:
        with scratch() as folder:
            entry = Run(name, chosen.count, chosen.seed, folder, chosen.failed).whole()
        print(f"{name}: {entry}", flush=True)
        failures += entry["failures"]
        if not chosen.dry:
            keep(name, entry, chosen.fresh)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
