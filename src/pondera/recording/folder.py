"""The folder of a run: its states, what it says of where it was made, and how it is taken away."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pondera import __version__
from pondera.errors import RunError
from pondera.machine import cores
from pondera.recording.schema import DATABASE
from pondera.recording.writer import LOCK, SNAPSHOTS, STATES

FINISHED, UNFINISHED = "finished", "unfinished"


def circumstances(versions: Mapping[str, str]) -> dict[str, Any]:
    """Return when and on what a run began, and the versions of what made it, as plain values."""
    return {
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": cores()},
        "versions": {"pondera": __version__, "python": platform.python_version(), **versions},
    }


def make_place(folder: Path, replace: bool) -> None:
    """See to it that no run is in a folder where one is to begin.

    Raises
    ------
    RunError
        If there is one, and it is not to be replaced.
    """
    if not replace and (folder / DATABASE).exists():
        raise RunError(f"{folder}: expected a folder without a run, found one. Give another folder, or replace=True.")
    if replace:
        remove_run(folder)


def remove_run(folder: Path) -> bool:
    """Take the files of a run out of a folder, but for its model, and return whether there were any."""
    there = (folder / DATABASE).exists()
    if there:
        remove_states(folder)
        for path in (folder / SNAPSHOTS).glob("*.safetensors"):
            path.unlink()
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK):
            (folder / name).unlink(missing_ok=True)
        for place in (folder / SNAPSHOTS, folder):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    return there


def remove_states(folder: Path) -> None:
    """Take out the files of all parts: nothing goes on from here."""
    for path in (folder / STATES).glob("*.safetensors"):
        path.unlink()
    if (folder / STATES).is_dir() and not any((folder / STATES).iterdir()):
        (folder / STATES).rmdir()
