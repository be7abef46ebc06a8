"""The folder of a run: its states, and what it says of where it was made."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pondera import __version__
from pondera.errors import RunError
from pondera.machine import cores
from pondera.recording.room import remove_run
from pondera.recording.schema import DATABASE

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
        raise RunError(f"{folder}: found a run. Give another folder, or replace=True.")
    if replace:
        remove_run(folder)
