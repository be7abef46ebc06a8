"""On what was measured: processor, memory, operating system, versions, date."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

STAT = Path("/proc/stat")

# What in the environment changes how fast libraries are.
SETTINGS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """Return what a measurement depends on, as plain values.

    Parameters
    ----------
    packages
        Distributions whose versions belong to the result; those that are not installed are None.
    """
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "load_before": round(os.getloadavg()[0], 2),
    }


class Others:
    """How busy other processes kept the machine while something was measured.

    It matters because it is not fair: threads that wait for each other in a loop, as OpenMP's do, lose far more to a
    neighbour on one core than a program that hands out work.
    """

    def __init__(self) -> None:
        self.began, self.busy = time.perf_counter(), _busy() - _own()

    def cores(self) -> float | None:
        """Return how many cores others have kept busy since then, on average; None where the system does not say."""
        if not STAT.is_file():
            return None
        return max(0.0, (_busy() - _own() - self.busy) / (time.perf_counter() - self.began))


def _busy() -> float:
    """Return the seconds that all cores together have worked: user, nice, system, interrupts, stolen."""
    if not STAT.is_file():
        return 0.0
    user, nice, system, _, _, irq, soft, steal = (int(n) for n in STAT.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def same_machine(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two results may stand in one table: everything but date and load is the same."""
    passing = ("date", "load_before")
    return all(one.get(key) == other.get(key) for key in (one.keys() | other.keys()) if key not in passing)


def sentence(found: dict[str, Any]) -> str:
    """Return the machine as a line of text."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items() if number)
    settings = "".join(f" {name}={value};" for name, value in found["settings"].items())
    return (
        f"{found['processor']}, {found['cores']} cores, {found['memory_gib']} GiB, {found['system']}, "
        f"Python {found['python']}; {versions};{settings} {found['date']}; "
        f"load before the run {found['load_before']}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip() + _width(info.read_text())
    return platform.processor() or platform.machine()


def _width(info: str) -> str:
    return " (AVX-512)" if "avx512f" in info else " (AVX2)" if "avx2" in info else ""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
