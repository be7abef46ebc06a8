"""Trainings that the workbench starts: processes that outlive the page, and the server too.

A training is ``pondera train`` in a process and a session of its own. All that is known of it is on the disk: the run
that it records, and what it printed, in a log beside the other things that the workbench keeps. A server that is
started again finds it there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pondera.errors import ArgumentError
from pondera.recording.process import forget_wishes, go_on, is_paused, is_stopping, is_waiting, pause, stop, writer_of
from pondera.recording.schema import DATABASE, LOCK
from pondera.workbench import child
from pondera.workbench.questions import check_arguments, error_of
from pondera.workbench.served import LOGS, Served, name_of, slug

BEHIND = 5
"""How far the priority of a training stands behind that of the page that shows it: it waits for milliseconds."""

STARTING, RUNNING, PAUSING, PAUSED, STOPPING = "starting", "running", "pausing", "paused", "stopping"
ENDED, FAILED = "ended", "failed"
GOING_ON = (STARTING, RUNNING, PAUSING, PAUSED, STOPPING)

STOPPED = (0, child.INTERRUPTED, -signal.SIGINT)
"""What a process ends with that did what it was asked for, or was asked to stop."""

STOPPED_BEFORE = "It was stopped before it began, and left no run."
"""What is written into the log of a training that was."""

TOLD = 20_000
"""Bytes of a log that are told, at most."""


class Process(subprocess.Popen[bytes]):
    """A process that goes on where nobody holds it any more."""

    told_to_stop = False
    """Whether it was, while it wrote to no run: then it ends with whatever Python ends with at such a time."""

    had_run = False
    """Whether its run was there once."""

    def __del__(self) -> None:  # Python would warn that it still runs, which it shall
        pass


class Trainings:
    """Starts trainings in the folder that is served, and tells where each of them is.

    Parameters
    ----------
    served
        The folder.
    """

    def __init__(self, served: Served) -> None:
        self.served = served
        self._processes: dict[str, Process] = {}
        self._lock = threading.RLock()  # nothing begins between the look at what is there and what follows from it

    def start(self, name: str, options: Sequence[str], table: str = "") -> None:
        """Start a training whose run goes to a folder of that name.

        Parameters
        ----------
        name
            Of the run, as :meth:`Served.path` takes it.
        options
            Of ``pondera train``, without ``--out``, each in one piece.
        table
            The name of the table; empty where an option names an example.

        Raises
        ------
        ArgumentError
            If one of that name is going on, or there is a run of that name, or an option holds what no command line
            can.
        """
        folder = self.served.path(name)
        check_arguments([name, *options, table])
        with self._lock:
            if self.activity(name) in GOING_ON:
                raise ArgumentError(f"{name!r} is being trained already. Give the run another name.")
            if (folder / DATABASE).exists():
                raise ArgumentError(f"{name!r} is a run already. Give another name, or put the old one into the bin.")
            forget_wishes(folder)
            self._run(name, [*options, f"--out={name}", *(["--", table] if table else [])])

    @contextmanager
    def at_rest(self, name: str) -> Iterator[None]:
        """See to it that no training goes on in a folder, nor in one below it, as long as this goes on.

        Raises
        ------
        ArgumentError
            If one does.
        """
        folder = self.served.existing(name)
        with self._lock:
            begun = (each for each in list(self._processes) if self.served.path(each).is_relative_to(folder))
            held = (self.served.name(place.parent) for place in folder.rglob(LOCK) if not place.is_symlink())
            for each in (*begun, *held):
                if self.activity(each) in GOING_ON:
                    raise ArgumentError(f"{each!r} is being trained. Stop it first.")
            yield

    def activity(self, name: str) -> str:
        """Return what a training does now: starting, running, pausing, paused, stopping, ended, or failed."""
        folder = self.served.path(name)
        if writer_of(folder) is not None:
            if is_stopping(folder):
                return STOPPING
            return (PAUSED if is_waiting(folder) else PAUSING) if is_paused(folder) else RUNNING
        process = self._processes.get(name)
        if process is not None:
            code = process.poll()
            if code is None:  # before the run is there, and while it is tested on rows it never saw
                if is_stopping(folder) or process.told_to_stop:
                    return STOPPING
                return RUNNING if (folder / "model.safetensors").exists() else STARTING
            return ENDED if code in STOPPED or process.told_to_stop else FAILED
        return FAILED if not (folder / DATABASE).exists() and self._last_error(name) else ENDED

    def told(self, name: str) -> dict[str, Any]:
        """Return what a training does now, and what it said: ``activity``, ``error``, ``log``."""
        activity = self.activity(name)
        text = self._said(name)
        return {
            "activity": activity,
            "error": error_of(text) if activity == FAILED else None,
            "log": text,
        }

    def was_stopped_before(self, name: str) -> bool:
        """Return whether a training was stopped before there was a run."""
        there = (self.served.path(name) / DATABASE).exists()
        return not there and self.activity(name) == ENDED and STOPPED_BEFORE in self._said(name).splitlines()

    def without_run(self) -> list[str]:
        """Return the names of trainings whose run is not there: they get ready, or failed before they had one."""
        try:
            logs = {name_of(each.removesuffix(".log")) for each in self.served.own_names(LOGS)} - {None, ""}
        except OSError:  # where the folder of logs is a link
            logs = set()
        return sorted(name for name in {*self._processes, *logs} if name is not None and self._is_without_run(name))

    def forget(self, name: str) -> None:
        """Throw away what a training said that is over.

        Raises
        ------
        ArgumentError
            If it goes on.
        """
        with self._lock:
            if self.activity(name) in GOING_ON:
                raise ArgumentError(f"{name!r} is being trained. Stop it first.")
            self._processes.pop(name, None)
            self.served.remove_own(LOGS, _log(name))

    def _is_without_run(self, name: str) -> bool:
        try:
            there = (self.served.path(name) / DATABASE).exists()
            return not there and self.activity(name) in (*GOING_ON, FAILED)
        except (ArgumentError, OSError):  # a file in the folder of logs that is none of ours
            return False

    def _said(self, name: str) -> str:
        return (self.served.read_own(LOGS, _log(name), last=TOLD) or b"").decode("utf-8", "replace")

    def _last_error(self, name: str) -> bool:
        """Whether the last that a training said is why it failed."""
        lines = self._said(name).strip().splitlines()
        return bool(lines) and lines[-1].startswith("Error: ")

    def pause(self, name: str) -> None:
        """Have a training wait, after half a second of steps at most."""
        pause(self.served.run(name))

    def go_on(self, name: str) -> None:
        """Have a training that waits go on; one whose process died is resumed.

        Raises
        ------
        ArgumentError
            If it was told to stop, and has not ended yet.
        """
        with self._lock:
            if self.activity(name) == STOPPING:
                raise ArgumentError(f"{name!r} was told to stop. Wait until it has ended.")
            go_on(self.served.run(name))
            if self.activity(name) not in GOING_ON:
                self._run(name, [f"--resume={name}"])

    def stop(self, name: str) -> None:
        """End a training; its best weights so far are kept."""
        process = self._processes.get(name)
        if process is not None and process.poll() is None and writer_of(self.served.path(name)) is None:
            process.told_to_stop = True  # it gets ready, or tests its model
            process.send_signal(signal.SIGINT)
            if not (self.served.path(name) / DATABASE).exists():
                with os.fdopen(self._opened(name), "w") as log:
                    print(STOPPED_BEFORE, file=log)
            return
        stop(self.served.run(name))

    def end_deleted(self) -> None:
        """End trainings whose run somebody deleted: nobody would see them, nor could stop them.

        They are killed. One that is told to stop would write its model, and the folder anew for it.
        """
        with self._lock:
            for name, process in self._processes.items():
                there = (self.served.path(name) / DATABASE).exists()
                if process.had_run and not there and process.poll() is None:
                    process.told_to_stop = True
                    process.kill()
                process.had_run = there

    def _opened(self, name: str, flags: int = 0) -> int:
        """Return the descriptor of a log, which is written to at its end."""
        return self.served.open_own(os.O_WRONLY | os.O_CREAT | os.O_APPEND | flags, LOGS, _log(name))

    def let_go(self) -> None:
        """Leave trainings to themselves where the server ends: they go on, and nobody waits for them."""
        self._processes.clear()

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        """Run ``pondera train`` in a process that goes on where the server ends."""
        with os.fdopen(self._opened(name, os.O_TRUNC), "wb") as told:
            process = Process(
                child.command(self.served.root, ["train", *arguments]),
                cwd=self.served.root,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )
        self._processes[name] = process
        with contextlib.suppress(AttributeError, OSError):  # Windows has no such call; who may not do it does without
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + BEHIND)


def _log(name: str) -> str:
    return f"{slug(name)}.log"
