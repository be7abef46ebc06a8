"""The folder of a run: its states, and what it says of where it was made."""

from __future__ import annotations

import datetime
import os
import platform
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pondera import __version__
from pondera.errors import RunError
from pondera.files import lock
from pondera.machine import cores
from pondera.recording import schema
from pondera.recording.process import sign
from pondera.recording.room import remove_states
from pondera.recording.schema import DATABASE, LOCK, PAUSE, SNAPSHOTS, STOP

FINISHED, UNFINISHED = "finished", "unfinished"
"""States of a run: trained to its end, and being trained or cut off."""

ATTEMPTS, A_LOOK = 5, 0.02
"""Who only asks whether a run is being written holds its lock as well, for far less than this many seconds."""

WINDOWS = os.name == "nt"
"""Where no file that is open can be taken away."""


def found_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the folders of runs in a folder and in those below it, by name."""
    return sorted(path.parent for path in Path(folder).rglob(DATABASE))


def circumstances(versions: Mapping[str, str]) -> dict[str, Any]:
    """Return when and on what a run began, and the versions of what made it, as plain values."""
    return {
        "began": datetime.datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": cores()},
        "versions": {"pondera": __version__, "python": platform.python_version(), **versions},
    }


def claim(folder: Path) -> IO[bytes]:
    """Return the lock of a run's folder, signed, which nobody else gets until it is closed.

    Raises
    ------
    RunError
        If another process writes to the run.
    OSError
        If the folder cannot be written to.
    """
    for _ in range(ATTEMPTS):
        try:
            held = lock(folder / LOCK)
        except BlockingIOError:
            time.sleep(A_LOOK)
        else:
            sign(held)
            return held
    raise RunError(
        f"{folder}: another process is writing to this run. Wait until it has ended, or give another folder."
    )


def remove_run(folder: Path) -> bool:
    """Take the files of a run out of a folder, but for its model, and return whether there were any.

    Raises
    ------
    RunError
        If another process writes to it: it stays as it was.
    OSError
        If they cannot be taken out.
    """
    if not (folder / DATABASE).exists():
        return False
    with claim(folder):
        remove_states(folder)
        for path in (folder / SNAPSHOTS).glob("*.safetensors"):
            path.unlink()
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", PAUSE, STOP):
            (folder / name).unlink(missing_ok=True)
        if not WINDOWS:
            (folder / LOCK).unlink()  # while nobody else can hold it
    if WINDOWS:
        with suppress(PermissionError):  # somebody holds it by now
            (folder / LOCK).unlink(missing_ok=True)
    for place in (folder / SNAPSHOTS, folder):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    return True


def make_place(folder: Path, replace: bool) -> None:
    """See to it that no run is in a folder where one is to begin.

    Raises
    ------
    RunError
        If there is one, and it is not to be replaced, or another process writes to it: it stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     schema.create(Path(place, DATABASE)).close()
    ...     make_place(Path(place), replace=True)
    ...     Path(place, DATABASE).exists()
    False
    """
    if not (folder / DATABASE).exists():
        return
    if not replace:
        raise RunError(f"{folder}: found a run. {schema.INSTEAD}")
    try:
        remove_run(folder)
    except OSError as error:
        raise RunError(f"{folder}: the run cannot be replaced: {error.strerror}. Give another folder.") from error


def remove_garbage(folder: Path) -> None:
    """Take out a run whose database is none, is empty, or cannot be read any more; any other stays.

    Raises
    ------
    RunError
        If another process writes to it, or it cannot be taken out.
    """
    if not (folder / DATABASE).is_file():
        return
    try:
        schema.connect(folder / DATABASE).close()
    except (schema.EmptyRunError, schema.NoDatabaseError):
        make_place(folder, replace=True)
    except RunError:  # of another program, or another version
        return


@contextmanager
def new_run(folder: Path, replace: bool) -> Iterator[tuple[sqlite3.Connection, Path]]:
    """Yield the database of a new run, in a transaction, and the folder of its files, which is beside the final one.

    Only when all went well is it moved there: if anything goes wrong the folder stays as it was, an earlier run too.

    Raises
    ------
    RunError
        If the folder holds a run that is not to be replaced, cannot be written to, or another process writes to it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with new_run(Path(place, "run"), replace=False) as (database, _):
    ...         _ = database.execute("INSERT INTO about VALUES ('level', '0')")
    ...     sorted(path.name for path in Path(place).iterdir()), (Path(place, "run") / DATABASE).is_file()
    (['run'], True)
    """
    if not replace:
        make_place(folder, replace=False)
    final = folder.absolute()
    beside = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        (beside / SNAPSHOTS).mkdir(parents=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written to: {error.strerror}. Give another folder.") from error
    try:
        database = schema.create(beside / DATABASE)
        try:
            database.execute("BEGIN IMMEDIATE")
            yield database, beside
            database.execute("COMMIT")
            database.execute("PRAGMA journal_mode = DELETE")  # one file
        finally:
            database.close()
        make_place(folder, replace)
        _move(beside, final)
    except sqlite3.Error as error:
        raise RunError(f"{folder}: cannot be written to: {error}. Give another folder, or free some space.") from error
    except OSError as error:
        raise RunError(f"{folder}: cannot be written to: {error.strerror}. Give another folder.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(beside: Path, final: Path) -> None:
    """Move the files of a run to where they belong, the database last: without it there is no run."""
    (final / SNAPSHOTS).mkdir(parents=True, exist_ok=True)
    for path in (beside / SNAPSHOTS).iterdir():
        path.replace(final / SNAPSHOTS / path.name)
    (beside / DATABASE).replace(final / DATABASE)
