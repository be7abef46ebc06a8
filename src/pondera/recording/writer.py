"""Writes a run from a thread of its own, within a budget of disk."""

from __future__ import annotations

import dataclasses
import json
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pondera.errors import PonderaError, RunError
from pondera.recording import room, schema
from pondera.recording.arguments import require
from pondera.recording.figures import TensorFigures, UnitFigures
from pondera.recording.folder import claim
from pondera.recording.followed import followed
from pondera.recording.process import forget_wishes, leave
from pondera.recording.schema import SNAPSHOTS, STATES
from pondera.weights.safetensors import write

Array = np.ndarray[Any, Any]

WAITING = 1000
"""Jobs that wait for the thread at most: from then on whoever has another one waits too, instead of memory filling."""

COMMIT = 0.2
"""Seconds after which what there is to write is written and made to last: to wake the thread for every piece of it
costs training more than the writing."""

LOOKS = 16
"""Points after which it is looked whether they take too much of the disk."""


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
        self._parts: dict[int, _Part] = {}
        self._most_steps = self._most_of_epochs = 0  # of each part
        self._jobs: queue.Queue[tuple[Callable[..., None], tuple[Any, ...]] | None] = queue.Queue(WAITING)
        self._hurried, self._closed = threading.Event(), False
        self._committed = time.perf_counter()
        self._thread = threading.Thread(target=self._work, name="pondera recording", daemon=True)
        self._thread.start()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def later(self, job: Callable[..., None], *arguments: Any) -> None:
        """Have the thread do something, in its own time; where it has ended nothing is done, and nobody waits."""
        if self.failure is None and not self._over:
            if self._jobs.full():
                self.hurry()
            self._jobs.put((job, arguments))

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
        """Write down steps: (n,) losses, learning rates and norms of all gradients; NaN for what is not known."""
        figures = np.empty((3, len(losses)), "<f4")
        with np.errstate(over="ignore"):  # beyond float32 a loss is infinite
            for row, values in zip(figures, (losses, rates, norms), strict=True):
                row[:] = values
        self.later(self._steps, part, first, figures)

    def epoch(self, part: int, epoch: int, figures: Mapping[str, Any]) -> None:
        """Write down an epoch's figures, JSON-ready."""
        self.later(self._epoch, part, epoch, json.dumps(dict(figures)))

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
        self.later(self._after, part, step, weights)

    def clear(self) -> None:
        """Take out everything that an earlier training left here."""
        self.later(self._clear)

    def flush(self) -> None:
        """Wait until everything that was asked for is written, and lasts."""
        if self._over:
            return
        done = threading.Event()
        self._jobs.put((self.commit, (done,)))
        self.hurry()
        done.wait()

    def close(self) -> None:
        """Write what is left, and let go of the folder; the thread itself does not wait for its own end."""
        if not self._over:
            self._closed = True
            self._jobs.put(None)
            self.hurry()
            if threading.current_thread() is not self._thread:  # where what is collected there closes its run
                self._thread.join()

    @property
    def _over(self) -> bool:
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
        except Exception as error:  # whatever it is ends the recording, which says so, and nothing else
            expected = isinstance(error, sqlite3.Error | OSError | PonderaError)
            with self.settled:
                self.failure = self.failure or (str(error) if expected else f"{type(error).__name__}: {error}")
                self.settled.notify_all()

    def commit(self, done: threading.Event | None = None) -> None:
        """Make what is written so far last; to be called by the thread only."""
        self._committed = time.perf_counter()
        try:
            if self.database.in_transaction:
                self.database.execute("COMMIT")
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
        for path in (self.folder / SNAPSHOTS).glob("*.safetensors"):
            path.unlink()

    def _part(self, part: int, start: dict[str, Array], initializers: dict[str, Any], seed: int) -> None:
        start = {name: np.asarray(value) for name, value in start.items()}
        places = followed({name: value.shape for name, value in start.items()}, seed)
        for name, value in start.items():
            chosen = places[name]
            self.database.execute(
                "INSERT OR IGNORE INTO tensors (part, name, shape, dtype, initializer, places) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    part,
                    name,
                    json.dumps(value.shape),
                    value.dtype.newbyteorder("<").str,
                    json.dumps(initializers.get(name)),
                    None if chosen is None else chosen.astype("<i8").tobytes(),
                ),
            )
        rows = self.database.execute("SELECT name, id FROM tensors WHERE part = ?", (part,))
        (epochs,) = self.database.execute(
            "SELECT coalesce(sum(length(figures)), 0) FROM epochs WHERE part = ?", (part,)
        ).fetchone()
        found = self._parts.setdefault(part, _Part({}, {}, {}, *room.kept_steps(self.database, part), epochs))
        found.start |= start
        found.tensors |= dict(rows.fetchall())
        found.places |= places
        self._most_steps = min(room.MOST_STEPS, int(self._share(room.STEPS) / room.STEP))
        self._most_of_epochs = min(room.MOST_OF_EPOCHS, int(self._share(room.EPOCHS)))

    def _steps(self, part: int, first: int, figures: Array) -> None:
        self.excused = True  # or a training of very many steps would leave no time to look at any
        if not figures.shape[1]:
            return
        kept = self._parts[part]
        if first < kept.end:
            room.cut_steps(self.database, part, first)
            kept.steps, kept.stride = room.kept_steps(self.database, part)
        kept.steps += room.add_steps(self.database, part, first, figures, kept.stride)
        kept.end = first + figures.shape[1]
        while kept.steps > max(self._most_steps, 2):
            kept.stride *= 2
            kept.steps = room.coarsen_steps(self.database, part, kept.stride)

    def _epoch(self, part: int, epoch: int, figures: str) -> None:
        self.excused = True
        self.database.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", (part, epoch, figures))
        kept = self._parts[part]
        kept.epochs += len(figures)
        if kept.epochs > self._most_of_epochs:
            kept.epochs = room.thin_epochs(self.database, part, self._most_of_epochs)

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
        known = self._parts[part]
        for name in before:  # later on some may have been taken out of the network
            start, w, later = known.start[name], np.asarray(before[name]), np.asarray(after[name])
            gradient = None if gradients is None or name not in gradients else np.asarray(gradients[name])
            found = TensorFigures.of(w, start, later, gradient)
            if gradient is None and squares is not None:
                found = dataclasses.replace(found, gradient_squares=squares[name])
            self.database.execute(
                "INSERT OR REPLACE INTO tensor_figures VALUES (?, ?, ?, ?)",
                (step, known.tensors[name], found.to_bytes(), found.spread.to_bytes()),
            )
            self._values(known, name, step, w, gradient)
        self.database.executemany(
            "INSERT OR REPLACE INTO unit_figures VALUES (?, ?, ?, ?)",
            [(part, step, layer, json.dumps(figures.to_json())) for layer, figures in (units or {}).items()],
        )
        if losses is not None:  # SQLite keeps NaN as NULL, and infinities as they are
            self.database.execute("INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?)", (part, step, *losses))
        known.points += 1
        if known.points % LOOKS == 0:
            room.thin_points(self.database, part, self._share(room.POINTS))

    def _values(self, known: _Part, name: str, step: int, w: Array, gradient: Array | None) -> None:
        places = known.places[name]
        self.database.execute(
            "INSERT OR REPLACE INTO weights VALUES (?, ?, ?, ?)",
            (known.tensors[name], step, _at(w, places), None if gradient is None else _at(gradient, places)),
        )

    def _after(self, part: int, step: int, weights: Mapping[str, Array]) -> None:
        known = self._parts[part]
        for name in weights:
            found = self.database.execute(
                "SELECT 1 FROM weights WHERE tensor = ? AND step = ?", (known.tensors[name], step)
            ).fetchone()
            if found is None:
                self._values(known, name, step, np.asarray(weights[name]), None)

    def _snapshot(self, part: int, step: int, weights: Mapping[str, Array]) -> None:
        file = f"{SNAPSHOTS}/{part}-{step:012d}.safetensors"
        write(self.folder / file, {name: np.asarray(value) for name, value in weights.items()}, {"step": str(step)})
        self.database.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (part, step, file))
        size = sum(value.nbytes for value in self._parts[part].start.values())
        most = int(self._share(room.SNAPSHOTS_SHARE) / max(size, 1))
        room.thin_snapshots(self.database, self.folder, part, most, step)

    def _share(self, share: float) -> float:
        """Return how many bytes one part may take of a share of the budget."""
        size = sum(value.nbytes for part in self._parts.values() for value in part.start.values())
        return room.allowed(self.budget, size) * share / len(self._parts)


@dataclasses.dataclass
class _Part:
    """What the thread knows of a part. Steps from ``end`` on have no figures: that is known once one was written."""

    start: dict[str, Array]
    tensors: dict[str, int]
    places: dict[str, Array | None]
    steps: int  # figures of steps that are kept
    stride: int  # how many steps the next of them are means of
    epochs: int  # bytes of their figures
    points: int = 0
    end: float = math.inf


def _at(values: Array, places: Array | None) -> bytes:
    """Return the values at some places, or all of them, as bytes of little end."""
    chosen = values.reshape(-1) if places is None else values.reshape(-1)[places]
    return np.ascontiguousarray(chosen, chosen.dtype.newbyteorder("<")).tobytes()
