"""The process that writes a run: which one it is, and how others have it wait or stop.

They talk through the folder of the run, so that whoever looks at it can do so from any process, also one that was
started after training began.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import time
from pathlib import Path
from typing import IO

from pondera.door import opener
from pondera.errors import RunError
from pondera.files import is_locked
from pondera.recording.schema import DATABASE, LOCK, PAUSE, STOP
from pondera.training.stopping import Interruption

LOOK_AGAIN = 0.1
"""Seconds between two looks whether a training is to wait, and whether one that waits may go on."""


def sign(held: IO[bytes]) -> None:
    """Write the number of this process, and where that is its own, into the lock that it holds."""
    held.truncate(0)
    held.write(f"{os.getpid()} {_where()}".encode())
    held.flush()


def leave(held: IO[bytes]) -> None:
    """Give a lock back, without the number of this process, which will be another's some day."""
    with held:
        held.truncate(0)


def writer_of(folder: Path) -> int | None:
    """Return the number of the process that writes to a run now, None where there is none.

    Examples
    --------
    >>> writer_of(Path("no-such-run")) is None
    True
    """
    place = folder / LOCK
    if not place.is_file():
        return None
    if not is_locked(place):
        return None
    return _signed(folder)[0]


def is_paused(folder: Path) -> bool:
    """Whether somebody asked the training to wait."""
    return (folder / PAUSE).exists()


def is_waiting(folder: Path) -> bool:
    """Whether the training waits already."""
    try:
        return (folder / PAUSE).stat().st_size > 0
    except OSError:
        return False


def is_stopping(folder: Path) -> bool:
    """Whether somebody told the training to end."""
    return (folder / STOP).exists()


def forget_wishes(folder: Path) -> None:
    """Take away what an earlier training was asked for: that it waits, or ends."""
    for name in (PAUSE, STOP):
        (folder / name).unlink(missing_ok=True)


def doing(folder: Path) -> str:
    """Return ``"running"``, ``"paused"`` or ``"stopping"`` of what is trained now, and nothing of any other run."""
    try:
        if writer_of(folder) is None:
            return ""
    except OSError:  # the lock is another user's, or was taken away just now
        return ""
    return "stopping" if is_stopping(folder) else "paused" if is_waiting(folder) else "running"


def pause(folder: Path) -> None:
    """Have the training that writes to a run wait, once the steps are taken that it is at: half a second of them.

    Raises
    ------
    RunError
        If nothing writes to it.
    """
    _require_writer(folder)
    open(folder / PAUSE, "ab", opener=opener).close()


def go_on(folder: Path) -> None:
    """Have a training that waits go on.

    Raises
    ------
    RunError
        If it is no folder of a run.
    """
    if not (folder / DATABASE).is_file():
        raise RunError(f"{folder}: expected the folder of a run, with a {DATABASE} in it. Give such a folder.")
    forget_wishes(folder)


def stop(folder: Path) -> None:
    """End the training that writes to a run as Ctrl-C does: the best weights so far are kept, and saved.

    Raises
    ------
    RunError
        If nothing writes to it, or what does is out of reach.
    """
    process = _require_writer(folder)
    where = _signed(folder)[1]
    if where and where != _where():  # the number is another process's here
        raise RunError(
            f"{folder}: it is trained in another container, or on another machine. Stop it there, by Ctrl-C."
        )
    open(folder / STOP, "ab", opener=opener).close()  # for whoever looks at it meanwhile
    (folder / PAUSE).unlink(missing_ok=True)
    os.kill(process, signal.SIGINT)


def wait_while_paused(folder: Path, interruption: Interruption) -> float:
    """Return once nobody wants the training to wait, or somebody wants it to end, and how many seconds that took."""
    begun = time.perf_counter()
    while is_paused(folder) and not interruption.requested:
        if not is_waiting(folder):
            _say_that_it_waits(folder)
        time.sleep(LOOK_AGAIN)
    return time.perf_counter() - begun


def _say_that_it_waits(folder: Path) -> None:
    """Write so into the file that asks for it; none is made, for then it would be asked for again."""
    with contextlib.suppress(OSError), open(folder / PAUSE, "r+b", opener=opener) as file:
        file.write(b"waiting")


def _require_writer(folder: Path) -> int:
    process = writer_of(folder)
    if process is None:
        raise RunError(f"{folder}: no training writes to this run now. Start one, or resume it.")
    return process


def _signed(folder: Path) -> tuple[int | None, str]:
    """Return the number of the process that signed a lock, and where it is its own, as far as that is written."""
    with open(folder / LOCK, "rb", opener=opener) as file:
        number, _, where = file.read().decode(errors="replace").strip().partition(" ")
    return int(number) if number.isdecimal() and number.isascii() else None, where


def _where() -> str:
    """Return what tells apart machines, starts of one, and its containers: each has numbers of processes of its own."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return platform.node()
