"""A run as it is read: its plan, its steps, the figures of its tensors and the life of its weights."""

from __future__ import annotations

import inspect
import json
import math
import sqlite3
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from pondera.choice import outside, unknown
from pondera.constraints import index_into
from pondera.errors import ArgumentError, RunError
from pondera.recording import schema
from pondera.recording.damaged import recorded
from pondera.recording.figures import TensorFigures, UnitFigures
from pondera.recording.history import Steps, TensorHistory, WeightHistory
from pondera.recording.told import known, plain
from pondera.weights.mapped import map_file
from pondera.weights.safetensors import open_safetensors
from pondera.weights.tensor import Mapped, Tensor

Array = np.ndarray[Any, Any]
P = ParamSpec("P")
T = TypeVar("T")


def _reads(method: Callable[Concatenate[Run, P], T]) -> Callable[Concatenate[Run, P], T]:
    """Have a method say of a run that it is damaged, or closed; what it is wrongly called with is neither."""
    takes = inspect.signature(method)

    @wraps(method)
    def reading(run: Run, /, *arguments: P.args, **options: P.kwargs) -> T:
        takes.bind(run, *arguments, **options)
        if run.closed:
            raise RunError(f"{run.folder}: this run was closed. Open it again, and look at it within the with block.")
        with recorded(run.folder):
            return method(run, *arguments, **options)

    return reading


class Run:
    """The folder of a run, also while training writes to it.

    Parameters
    ----------
    folder
        Of the run.
    database
        The connection to read through, of whoever writes the run; by default one of its own.

    Raises
    ------
    RunError
        If it is no such folder, or damaged.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection | None = None) -> None:
        self.folder = folder
        self.database = schema.connect(folder / schema.DATABASE) if database is None else database
        self.closed = False

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Run {self.folder}: {'closed' if self.closed else f'{self.state}, {self.taken:,} steps'}>"

    def close(self) -> None:
        """Close the database."""
        self.closed = True
        self.database.close()

    @property
    @_reads
    def about(self) -> Mapping[str, Any]:
        """What is known of the run as a whole by now, such as its plan, its data, versions and the machine."""
        return {name: known(name, value) for name, value in self.database.execute("SELECT name, value FROM about")}

    def about_of(self, part: int) -> Mapping[str, Any]:
        """Return what is known of the run, and of one of its parts where the runs that were merged differ in it."""
        end = f".{part}"
        own = {name.removesuffix(end): value for name, value in self.about.items() if name.endswith(end)}
        return {**self.about, **own}

    @property
    @_reads
    def state(self) -> str:
        """``"finished"``, or why it ended before; ``"unfinished"`` where it is being trained or was killed."""
        return str(self._told("state", "unfinished"))

    def _told(self, name: str, otherwise: Any) -> Any:
        """Return one of the things that are known of the run as a whole, where it is."""
        found = self.database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return otherwise if found is None else known(name, found[0])

    @property
    @_reads
    def parts(self) -> tuple[int, ...]:
        """The numbers of its parts: networks of a population, processes, shards."""
        for table in ("tensors", "steps"):  # of an import without histograms nothing but steps is known
            found = self.database.execute(f"SELECT DISTINCT part FROM {table} ORDER BY part").fetchall()
            if found:
                return tuple(part for (part,) in found)
        return ()

    @property
    @_reads
    def taken(self) -> int:
        """How many steps were taken, of the part that came farthest, as far as they were told."""
        return max((max(int(self._end(part)), self.kept(part)) for part in self.parts), default=0)

    def _end(self, part: int) -> int:
        found = self.database.execute(
            "SELECT first, stride, length(figures) / 12 FROM steps WHERE part = ? ORDER BY first DESC LIMIT 1", (part,)
        ).fetchone()
        return 0 if found is None else found[0] + found[1] * found[2]

    @_reads
    def steps(self, part: int = 0) -> Steps:
        """Return loss, learning rate and gradient norm of every step, or of very many steps means of several."""
        rows = self.database.execute(
            "SELECT first, stride, figures FROM steps WHERE part = ? ORDER BY first", (part,)
        ).fetchall()
        first, widths, figures = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros((3, 0), np.float32)]
        for begin, stride, data in rows:
            values = np.frombuffer(data, "<f4").reshape(3, -1)
            first.append(begin + stride * np.arange(values.shape[1]))
            widths.append(np.full(values.shape[1], stride))
            figures.append(values)
        losses, rates, norms = np.concatenate(figures, axis=1).astype(np.float64)
        return Steps(np.concatenate(first), losses, rates, norms, np.concatenate(widths))

    @_reads
    def epochs(self, part: int = 0, first: int = 0) -> list[dict[str, Any]]:
        """Return the figures of epochs from one on: losses, metric, learning rate, seconds, the step it ended after.

        Of very many epochs they are not kept of all: see :meth:`epochs_taken`.
        """
        rows = self.database.execute(
            "SELECT figures FROM epochs WHERE part = ? AND epoch >= ? ORDER BY epoch", (part, first)
        )
        found = [plain(figures) for (figures,) in rows]
        if not all(isinstance(each, dict) for each in found):
            raise TypeError("an epoch has no figures")
        return found

    @_reads
    def epochs_taken(self, part: int | None = None) -> int:
        """Return how many epochs a part took, or all together; of many not all have their figures kept."""
        taken = 0
        for each in self.parts if part is None else (part,):
            query = "SELECT count(*), min(epoch), max(epoch) FROM epochs WHERE part = ?"
            count, first, last = self.database.execute(query, (each,)).fetchone()
            apart = self._told(f"epochs_apart.{each}", None)
            taken += count if apart is None else (last - first) // apart + 1
        return taken

    @_reads
    def tensors(self, part: int = 0) -> dict[str, tuple[int, ...]]:
        """Return the shapes of its tensors, by name."""
        rows = self.database.execute("SELECT name, shape FROM tensors WHERE part = ? ORDER BY id", (part,))
        return {name: tuple(json.loads(shape)) for name, shape in rows}

    @_reads
    def tensor(self, name: str, part: int = 0) -> TensorHistory:
        """Return the figures of a tensor at the steps that were recorded.

        Raises
        ------
        ArgumentError
            If there is no such tensor.
        """
        number, shape, dtype, initializer, _ = self._tensor(name, part)
        rows = self.database.execute(
            "SELECT step, figures, histogram FROM tensor_figures WHERE tensor = ? ORDER BY step", (number,)
        ).fetchall()
        return TensorHistory(
            name,
            shape,
            dtype.name,
            initializer,
            np.array([step for step, _, _ in rows], np.int64),
            tuple(TensorFigures.from_bytes(figures, spread) for _, figures, spread in rows),
        )

    @_reads
    def units(self, layer: str, part: int = 0) -> list[tuple[int, UnitFigures]]:
        """Return what a layer made of the batches of the steps that were recorded: (step, figures)."""
        rows = self.database.execute(
            "SELECT step, figures FROM unit_figures WHERE part = ? AND layer = ? ORDER BY step", (part, layer)
        )
        return [(step, UnitFigures.from_json(json.loads(figures))) for step, figures in rows]

    @_reads
    def looks(self, part: int = 0) -> Array:
        """Return what recorded steps did to their own batches: (n, 3), the step, its mean loss before and after."""
        rows = self.database.execute(
            "SELECT step, before, after FROM looks WHERE part = ? ORDER BY step", (part,)
        ).fetchall()
        return np.array(rows, np.float64).reshape(-1, 3)

    @_reads
    def layers(self, part: int = 0) -> list[str]:
        """Return the names of the layers whose outputs were looked at, in the order of the network."""
        rows = self.database.execute("SELECT DISTINCT layer FROM unit_figures WHERE part = ?", (part,))
        return sorted((layer for (layer,) in rows), key=_natural)

    @_reads
    def weight(self, name: str, index: tuple[int, ...], part: int = 0) -> WeightHistory:
        """Return one weight at the steps that were recorded.

        Raises
        ------
        ArgumentError
            If there is no such weight, or it is not among those that are followed.
        """
        number, shape, dtype, _, places = self._tensor(name, part)
        index = index_into(name, shape, index)
        place = int(np.ravel_multi_index(index, shape)) if shape else 0
        if places is not None:
            at = int(np.searchsorted(places, place))
            if at == len(places) or places[at] != place:
                return self._from_snapshots(name, index, part)
            place = at
        first = place * dtype.itemsize + 1  # SQLite counts from 1
        rows = self.database.execute(
            "SELECT step, substr(weights, ?, ?), substr(gradients, ?, ?) FROM weights WHERE tensor = ? ORDER BY step",
            (first, dtype.itemsize, first, dtype.itemsize, number),
        ).fetchall()
        nothing = np.array([math.nan], dtype).tobytes()
        return WeightHistory(
            np.array([step for step, _, _ in rows], np.int64),
            np.frombuffer(b"".join(value for _, value, _ in rows), dtype).astype(np.float64),
            np.frombuffer(b"".join(gradient or nothing for _, _, gradient in rows), dtype).astype(np.float64),
            self.kept(part),
        )

    @_reads
    def recorded(self, name: str, part: int = 0) -> list[int]:
        """Return the steps at which all weights of a tensor are known, ascending: each value is that just before it.

        Raises
        ------
        ArgumentError
            If there is no such tensor.
        """
        number, _, _, _, places = self._tensor(name, part)
        if places is not None:
            return list(self.snapshots(part))
        rows = self.database.execute("SELECT step FROM weights WHERE tensor = ? ORDER BY step", (number,))
        return [step for (step,) in rows]

    @_reads
    def tensor_at(self, name: str, step: int, part: int = 0) -> Tensor:
        """Return a tensor as it was just before one of the steps that :meth:`recorded` gives.

        Of a file of all weights nothing is read but what is asked for, so that a piece of a large matrix takes no
        longer than one of a small one.

        Raises
        ------
        ArgumentError
            If there is no such tensor, or it is not known at that step.
        """
        number, shape, dtype, _, places = self._tensor(name, part)
        if places is None:
            found = self.database.execute(
                "SELECT weights FROM weights WHERE tensor = ? AND step = ?", (number, step)
            ).fetchone()
            if found is not None:
                return Tensor(name, shape, dtype.name, Mapped(memoryview(found[0]), 0, dtype, math.prod(shape)))
        elif step in (files := self.snapshots(part)):
            return _in_file(files[step], name)
        raise ArgumentError(f"{self.folder}: {name} was not recorded at step {step}. Ask for a step that was.")

    def weights_at(self, name: str, step: int, part: int = 0) -> Array:
        """Return what :meth:`tensor_at` gives as an array in its own shape.

        Raises
        ------
        ArgumentError
            As of that.
        """
        found = self.tensor_at(name, step, part)
        with recorded(self.folder):
            return found.values()

    @_reads
    def kept(self, part: int = 0) -> int:
        """Return after how many steps the weights were taken that were kept."""
        return int(self._told(f"kept.{part}", self._end(part)))

    @_reads
    def came_to(self, weights: Mapping[str, Array], part: int = 0) -> bool:
        """Return whether these are the weights that were kept, as far as they are known one by one."""
        if self._told(f"kept.{part}", None) is None or self.tensors(part) != {
            name: w.shape for name, w in weights.items()
        }:
            return False
        for name, values in weights.items():
            number, _, dtype, _, places = self._tensor(name, part)
            chosen = np.asarray(values).reshape(-1)[slice(None) if places is None else places]
            found = self.database.execute(
                "SELECT weights FROM weights WHERE tensor = ? AND step = ?", (number, self.kept(part))
            ).fetchone()
            if found is not None and found[0] != chosen.astype(dtype).tobytes():
                return False
        return True

    @_reads
    def snapshots(self, part: int = 0) -> dict[int, Path]:
        """Return the files of all weights that are there, by the number of steps after which they were taken.

        Raises
        ------
        RunError
            If one is not in the folder of snapshots: a run reads nothing else.
        """
        rows = self.database.execute("SELECT step, file FROM snapshots WHERE part = ? ORDER BY step", (part,))
        files = {step: self._snapshot(file) for step, file in rows}
        return {step: file for step, file in files.items() if file.exists()}

    def _snapshot(self, file: str) -> Path:
        above, _, name = file.partition("/")
        place = self.folder / file
        if above != schema.SNAPSHOTS or name in ("", ".", "..") or set(name) & set("/\\:\0") or place.is_symlink():
            raise ValueError(
                f"it names the snapshot {file!r:.200}, which is no file in its own folder {schema.SNAPSHOTS}"
            )
        return place

    def _from_snapshots(self, name: str, index: tuple[int, ...], part: int) -> WeightHistory:
        found = {step: float(_in_file(path, name).values()[index]) for step, path in self.snapshots(part).items()}
        return WeightHistory(
            np.array(list(found), np.int64),
            np.array(list(found.values())),
            np.full(len(found), math.nan),
            self.kept(part),
        )

    def _tensor(self, name: str, part: int) -> tuple[int, tuple[int, ...], Any, dict[str, Any] | None, Array | None]:
        found = self.database.execute(
            "SELECT id, shape, dtype, initializer, places FROM tensors WHERE part = ? AND name = ?", (part, name)
        ).fetchone()
        if found is None:
            if part not in self.parts:
                raise RunError(outside(f"{self.folder} has", len(self.parts), "network", part))
            raise ArgumentError(unknown("tensor", name, self.tensors(part)))
        number, shape, dtype, initializer, places = found
        chosen = None if places is None else np.frombuffer(places, "<i8")
        source = json.loads(initializer)
        if isinstance(source, str):  # a choice without options is written as its name
            source = {"name": source}
        return number, tuple(json.loads(shape)), np.dtype(dtype), source, chosen


def _in_file(path: Path, name: str) -> Tensor:
    return open_safetensors(path, map_file(path))[name]


def _natural(name: str) -> list[Any]:
    """Sort ``layers.10`` after ``layers.2``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in name.split(".")]
