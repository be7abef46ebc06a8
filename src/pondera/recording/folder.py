"""The folder of a run: its states, and what it says of where it was made."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pondera import __version__
from pondera.errors import RunError
from pondera.files import lock
from pondera.machine import cores
from pondera.recording import schema
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


@contextmanager
def new_run(folder: Path, replace: bool) -> Iterator[sqlite3.Connection]:
    """Yield the database of a new run, in a transaction; if anything goes wrong there is none.

    Raises
    ------
    RunError
        If the folder holds a run that is not to be replaced, or cannot be written to.
    """
    make_place(folder, replace)
    try:
        (folder / schema.SNAPSHOTS).mkdir(parents=True, exist_ok=True)
        handle = lock(folder / schema.LOCK)
    except BlockingIOError:
        raise RunError(f"{folder}: another process is writing to this run. Give another folder.") from None
    except OSError as error:
        raise RunError(f"{folder}: cannot be written to: {error.strerror}. Give another folder.") from error
    database = schema.create(folder / schema.DATABASE)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
    except BaseException:
        database.close()
        handle.close()
        remove_run(folder)
        raise
    database.close()
    handle.close()
