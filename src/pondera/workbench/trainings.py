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
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pondera.errors import ArgumentError
from pondera.recording.process import go_on, is_paused, pause, stop, writer_of
from pondera.recording.schema import PAUSE
from pondera.workbench.questions import check_arguments, error_of
from pondera.workbench.served import OWN, Served

BEHIND = 5
"""How far the priority of a training stands behind that of the page that shows it: it waits for milliseconds."""

RUNNING, PAUSED, STARTING, ENDED, FAILED = "running", "paused", "starting", "ended", "failed"


class Trainings:
    """Starts trainings in the folder that is served, and tells where each of them is.

    Parameters
    ----------
    served
        The folder.
    """

    def __init__(self, served: Served) -> None:
        self.served = served
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

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
            If one of that name is going on, or an option holds what no command line can.
        """
        folder = self.served.path(name)
        if self.activity(name) in (RUNNING, PAUSED, STARTING):
            raise ArgumentError(f"{name!r} is being trained already. Give the run another name.")
        check_arguments([name, *options, table])
        (folder / PAUSE).unlink(missing_ok=True)
        self._run(name, [*options, f"--out={name}", *(["--", table] if table else [])])

    def resume(self, name: str) -> None:
        """Go on with a training whose process died."""
        self._run(name, [f"--resume={name}"])

    def activity(self, name: str) -> str:
        """Return what a training does now: starting, running, paused, ended, or failed."""
        folder = self.served.path(name)
        if writer_of(folder) is not None:
            return PAUSED if is_paused(folder) else RUNNING
        process = self._processes.get(name)
        if process is not None:
            code = process.poll()
            if code is None:  # before the run is there, and while it is tested on rows it never saw
                return RUNNING if (folder / "model.safetensors").exists() else STARTING
            return ENDED if code == 0 else FAILED
        return ENDED

    def told(self, name: str) -> dict[str, Any]:
        """Return what a training does now, and what it said: ``activity``, ``error``, ``log``."""
        activity, log = self.activity(name), self._log(name)
        text = log.read_text("utf-8", "replace") if log.is_file() else ""
        return {
            "activity": activity,
            "error": error_of(text) if activity == FAILED else None,
            "log": text[-20_000:],
        }

    def pause(self, name: str) -> None:
        """Have a training wait at the end of its epoch."""
        pause(self.served.existing(name))

    def go_on(self, name: str) -> None:
        """Have a training that waits go on; one whose process died is resumed."""
        folder = self.served.existing(name)
        go_on(folder)
        if self.activity(name) in (ENDED, FAILED):
            self.resume(name)

    def stop(self, name: str) -> None:
        """End a training; its best weights so far are kept."""
        process = self._processes.get(name)
        if self.activity(name) == STARTING and process is not None:
            os.kill(process.pid, signal.SIGINT)
            return
        stop(self.served.existing(name))

    def let_go(self) -> None:
        """Leave trainings to themselves where the server ends: they go on, and nobody waits for them."""
        for process in self._processes.values():
            if process.poll() is None:
                process.returncode = 0  # Python would warn that it still runs, which it shall
        self._processes.clear()

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        """Run ``pondera train`` in a process that goes on where the server ends."""
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "pondera", "train", *arguments],
                cwd=self.served.root,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )
        self._processes[name] = process
        with contextlib.suppress(AttributeError, OSError):  # Windows has no such call; who may not do it does without
            os.setpriority(os.PRIO_PROCESS, process.pid, BEHIND)

    def _log(self, name: str) -> Path:
        return self.served.root / OWN / "logs" / f"{name.replace('/', '--')}.log"
