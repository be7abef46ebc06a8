"""Writes a run from a thread of its own, within a budget of disk."""

from __future__ import annotations

import contextlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pondera.errors import PonderaError, RunError
from pondera.recording import room, schema
from pondera.recording.arguments import require
from pondera.recording.figures import UnitFigures
from pondera.recording.folder import claim
from pondera.recording.part_writer import PartWriter
from pondera.recording.process import forget_wishes, leave
from pondera.recording.schema import SNAPSHOTS, STATES

Array = np.ndarray[Any, Any]

WAITING = 1000
"""Jobs that wait for the thread at most: from then on whoever has another one waits too, instead of memory filling."""

COMMIT = 0.5
"""Seconds after which what there is to write is written and made to last: to wake the thread for every piece of it
costs training more than the writing, and what comes within them is written at once."""


class RunWriter:
    """Writes what is known of a training into the folder of a run.

    Every method returns at once; a thread does the work a little later, in the order of the calls. What goes wrong
    there, such as a full disk, ends the recording and not the training: :attr:`failure` says so.

    Parameters
    ----------
    folder
        Of the run; it is made where there is none.
    budget
        Bytes of disk; None for 256 MB, or 16 times the bytes of the weights where that is more.

    Raises
    ------
    ArgumentError
        If the budget is no number of at least 0.
    RunError
        If the folder cannot be written to, or another process writes to it.

    Examples
    --------
    >>> import tempfile
    >>> from pondera.recording.run import Run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with RunWriter(Path(folder)) as writer:
    ...         w = np.array([1.0, 2.0])
    ...         writer.part(0, {"w": w})
    ...         writer.steps(0, 0, np.array([0.5]), np.array([0.1]), np.array([3.0]))
    ...         writer.point(0, 0, {"w": w}, {"w": w - 0.1}, {"w": np.ones(2)})
    ...     with Run(Path(folder)) as run:
    ...         run.steps().losses.tolist(), run.tensor("w").figures[0].gradient_squares
    ([0.5], 2.0)
    """

    def __init__(self, folder: Path, budget: int | None = None) -> None:
        require("a recording", budget=budget)
        self.folder, self.budget = folder, budget
        self.failure: str | None = None
        self.settled = threading.Condition()  # told when there is a failure, or what somebody waits for is done
        # Seconds of a core that the thread took for steps that were looked at, and whether a job's are none of these.
        self.seconds, self.excused = 0.0, False
        try:
            (folder / SNAPSHOTS).mkdir(parents=True, exist_ok=True)
            self._lock = claim(folder)
        except OSError as error:
            raise RunError(f"{folder}: cannot be written to: {error.strerror}. Give another folder.") from error
        for place in (folder, folder / SNAPSHOTS, folder / STATES):  # what a process that was killed was writing
            for path in place.glob(".*.part"):
                path.unlink(missing_ok=True)
        forget_wishes(folder)  # nobody has asked this process for anything
        self.new = not (folder / schema.DATABASE).exists()
        try:
            self.database = schema.create(folder / schema.DATABASE)
        except RunError:
            leave(self._lock)
            raise
        self._parts: dict[int, PartWriter] = {}
        self._behind: set[int] = set()  # parts with steps that are taken in and not written yet
        self._jobs: queue.Queue[tuple[Callable[..., None], tuple[Any, ...]] | None] = queue.Queue(WAITING)
        self._hurried, self._closed = threading.Event(), False
        self._committed = time.perf_counter()
        self._thread = threading.Thread(target=self._work, name="pondera recording", daemon=True)
        self._thread.start()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def later(self, job: Callable[..., None], *arguments: Any) -> bool:
        """Have the thread do something, in its own time; return whether it will: not where it has ended."""
        while self.failure is None and not self.over:
            if self._jobs.full():
                self.hurry()
            with contextlib.suppress(queue.Full):
                self._jobs.put((job, arguments), timeout=COMMIT)
                return True
        return False

    def hurry(self) -> None:
        """Have the thread do now what it was asked for."""
        self._hurried.set()

    def about(self, **values: Any) -> None:
        """Write down what is known of the run as a whole, JSON-ready."""
        self.later(self._about, {name: json.dumps(value) for name, value in values.items()})

    def found_out(self, name: str, compute: Callable[..., Any], *arguments: Any) -> None:
        """Have the thread find out something of the run as a whole, JSON-ready, and write it down."""
        self.later(self._found_out, name, compute, arguments)

    def forget(self, *names: str) -> None:
        """Take out what was known of the run as a whole and is so no more."""
        self.later(self._forget, names)

    def part(
        self, part: int, start: Mapping[str, Array], initializers: Mapping[str, Any] | None = None, seed: int = 0
    ) -> None:
        """Begin a part of the run, a network of a population or a process, with its weights at the start.

        A part that is there goes on: its start is not written again. Tensors that come later are added to it.
        """
        self.later(self._part, part, dict(start), dict(initializers or {}), seed)

    def steps(self, part: int, first: int, losses: Array, rates: Array, norms: Array) -> None:
        """Write down steps: (n,) losses, learning rates and norms of all gradients; NaN for what is not known.

        The arrays are read later on: they are not to be changed.
        """
        self.later(self._steps, part, first, (losses, rates, norms))

    def epoch(self, part: int, epoch: int, figures: Mapping[str, Any]) -> None:
        """Write down an epoch's figures, JSON-ready."""
        self.later(self._epoch, part, epoch, dict(figures))

    def point(
        self,
        part: int,
        step: int,
        before: Mapping[str, Array],
        after: Mapping[str, Array],
        gradients: Mapping[str, Array] | None = None,
        units: Mapping[str, UnitFigures] | None = None,
        squares: Mapping[str, float] | None = None,
        losses: tuple[float, float] | None = None,
    ) -> None:
        """Write down the weights on both sides of a step, its gradients, and what the layers made of its batch.

        ``squares`` are the sums of each tensor's squared gradients, where these are not given, and ``losses``
        the batch's mean loss before the step and after it.
        """
        self.later(self.write_point, part, step, before, after, gradients, units, squares, losses)

    def snapshot(self, part: int, step: int, weights: Mapping[str, Array]) -> None:
        """Write all weights as they are after so many steps to a file of their own."""
        self.later(self._snapshot, part, step, weights)

    def weights(self, part: int, step: int, weights: Mapping[str, Array]) -> None:
        """Write down the weights one by one as they were after so many steps, if nothing is known of that yet."""
        self.later(self._weights, part, step, weights)

    def clear(self) -> None:
        """Take out everything that an earlier training left here."""
        self.later(self._clear)

    def flush(self) -> None:
        """Wait until everything that was asked for is written, and lasts."""
        if self.over:
            return
        done = threading.Event()
        self._jobs.put((self.commit, (done,)))
        self.hurry()
        done.wait()

    def close(self) -> None:
        """Write what is left, and let go of the folder; the thread itself does not wait for its own end."""
        if not self.over:
            self._closed = True
            self._jobs.put(None)
            self.hurry()
            if threading.current_thread() is not self._thread:  # where what is collected there closes its run
                self._thread.join()

    @property
    def over(self) -> bool:
        """Whether nobody reads the queue any more; in a process that was forked from this one nobody does either."""
        return self._closed or not self._thread.is_alive()

    def _work(self) -> None:
        self._write()
        try:
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.database.execute("PRAGMA journal_mode = DELETE")  # one file, readable where nothing can be written
        except sqlite3.Error:
            pass  # a reader is looking; the file beside it stays
        self.database.close()
        leave(self._lock)

    def _write(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                self._do(self.commit)
                self._hurried.wait(COMMIT)
                self._hurried.clear()
                continue
            if job is None:
                self._do(self.commit)
                return
            if self._behind and job[0] not in (self._steps, self._epoch):  # others may look at what came before
                self._do(self._catch_up)
            begun = time.thread_time()
            self._do(job[0], *job[1])
            if time.perf_counter() - self._committed > COMMIT:
                self._do(self.commit)
            self.seconds += 0.0 if self.excused else time.thread_time() - begun
            self.excused = False

    def _do(self, job: Callable[..., None], *arguments: Any) -> None:
        if self.failure is not None and job != self.commit:
            return
        try:
            if job != self.commit and not self.database.in_transaction:
                self.database.execute("BEGIN")
            job(*arguments)
        except BaseException as error:  # whatever it is, sys.exit() too, ends the recording, and nothing else
            expected = isinstance(error, sqlite3.Error | OSError | PonderaError)
            with self.settled:
                self.failure = self.failure or (str(error) if expected else f"{type(error).__name__}: {error}")
                self.settled.notify_all()

    def commit(self, done: threading.Event | None = None) -> None:
        """Make what is written so far last; to be called by the thread only."""
        self._committed = time.perf_counter()
        try:
            if self.failure is None:
                self._catch_up()
            if self.database.in_transaction:
                self.database.execute("COMMIT")
            if not (self.folder / schema.DATABASE).exists():  # SQLite goes on writing where nobody will find it
                raise RunError(f"{schema.DATABASE} was taken away")
        finally:
            if done is not None:
                done.set()

    def _about(self, values: Mapping[str, str]) -> None:
        self.database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", values.items())

    def _found_out(self, name: str, compute: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.excused = True  # once a run: it is not what recording goes on to cost
        self._about({name: json.dumps(compute(*arguments))})

    def _forget(self, names: tuple[str, ...]) -> None:
        self.database.executemany("DELETE FROM about WHERE name = ?", [(name,) for name in names])

    def _clear(self) -> None:
        for (table,) in self.database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            self.database.execute(f"DELETE FROM {table}")
        self._remove(list((self.folder / SNAPSHOTS).glob("*.safetensors")))
        self._parts.clear()

    def _part(self, part: int, start: Mapping[str, Array], initializers: Mapping[str, Any], seed: int) -> None:
        if part not in self._parts:
            self._parts[part] = PartWriter(self.database, self.folder, part)
        self._parts[part].begin(start, initializers, seed)
        size = sum(each.size for each in self._parts.values())
        for each in self._parts.values():
            each.share = room.allowed(self.budget, size) / len(self._parts)

    def _steps(self, part: int, first: int, figures: tuple[Array, Array, Array]) -> None:
        self.excused = True  # or a training of very many steps would leave no time to look at any
        self._parts[part].steps(first, figures)
        self._behind.add(part)

    def _catch_up(self) -> None:
        for part in self._behind:
            self._parts[part].catch_up()
        self._behind.clear()

    def _epoch(self, part: int, epoch: int, figures: dict[str, Any]) -> None:
        self.excused = True
        self._parts[part].epoch(epoch, json.dumps(figures))

    def write_point(
        self,
        part: int,
        step: int,
        before: Mapping[str, Array],
        after: Mapping[str, Array],
        gradients: Mapping[str, Array] | None,
        units: Mapping[str, UnitFigures] | None,
        squares: Mapping[str, float] | None,
        losses: tuple[float, float] | None = None,
    ) -> None:
        """Do what :meth:`point` asks for; to be called by the thread only."""
        self._parts[part].point(step, before, after, gradients, units, squares, losses)

    def _weights(self, part: int, step: int, weights: Mapping[str, Array]) -> None:
        self._parts[part].weights(step, weights)

    def _snapshot(self, part: int, step: int, weights: Mapping[str, Array]) -> None:
        gone = self._parts[part].snapshot(step, weights)
        self._remove(gone)

    def _remove(self, paths: Sequence[Path]) -> None:
        """Take out files, once it lasts that the database tells of them no more: whoever looks never misses one."""
        if paths:
            self.commit()
        for path in paths:
            path.unlink(missing_ok=True)
