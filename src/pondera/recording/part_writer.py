"""Writes one part of a run, a network of a population or a process, into the run's database."""

from __future__ import annotations

import dataclasses
import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pondera.recording import room
from pondera.recording.figures import TensorFigures, UnitFigures
from pondera.recording.followed import followed
from pondera.recording.schema import SNAPSHOTS
from pondera.weights.safetensors import write

Array = np.ndarray[Any, Any]

LOOKS = 16
"""Points after which it is looked whether they take too much of the disk."""


class PartWriter:
    """What the thread that writes a run knows of one part of it; only that thread calls it.

    A part that is there goes on where it was. ``share`` is how many bytes of disk it may take, and its writer sets
    it: what the part may take depends on the other ones. ``size`` is how many bytes its weights have.
    """

    def __init__(self, database: sqlite3.Connection, folder: Path, part: int) -> None:
        self.database, self.folder, self.part = database, folder, part
        self.share, self.size = 0.0, 0
        self._start: dict[str, Array] = {}
        self._tensors: dict[str, int] = {}  # the number that the database gave each
        self._places: dict[str, Array | None] = {}
        # How many figures of steps are kept, and how many steps the next of them are means of. Steps from the end on
        # have no figures: that is known once one was written.
        self.steps_kept, self._stride = room.kept_steps(database, part)
        self._end = math.inf
        self._behind: list[Array] = []  # figures of steps in a row that are not written yet
        self._behind_from, self._behind_to = 0, 0
        (self._epochs_size,) = database.execute(
            "SELECT coalesce(sum(length(figures)), 0) FROM epochs WHERE part = ?", (part,)
        ).fetchone()
        self._points = 0

    @property
    def most_steps(self) -> int:
        """Figures of steps that there is room for."""
        return max(min(room.MOST_STEPS, int(self.share * room.STEPS / room.STEP)), 2)

    def begin(self, start: Mapping[str, Array], initializers: Mapping[str, Any], seed: int) -> None:
        """Take in tensors with their weights at the start, which are written only where they are new."""
        start = {name: np.asarray(value) for name, value in start.items()}
        places = followed({name: value.shape for name, value in start.items()}, seed)
        for name, value in start.items():
            chosen = places[name]
            self.database.execute(
                "INSERT OR IGNORE INTO tensors (part, name, shape, dtype, initializer, places) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    self.part,
                    name,
                    json.dumps(value.shape),
                    value.dtype.newbyteorder("<").str,
                    json.dumps(initializers.get(name)),
                    None if chosen is None else chosen.astype("<i8").tobytes(),
                ),
            )
        rows = self.database.execute("SELECT name, id FROM tensors WHERE part = ?", (self.part,))
        self._tensors |= dict(rows.fetchall())
        self._start |= start
        self.size = sum(value.nbytes for value in self._start.values())
        self._places |= places

    def steps(self, first: int, figures: Sequence[Array]) -> None:
        """Take in losses, learning rates and norms of gradients of steps, (n,) each.

        They are written by :meth:`catch_up`: to write many at once takes little more than to write a few.
        """
        if not len(figures[0]):
            return
        if first != self._behind_to:
            self.catch_up()
            self._behind_from = first
        columns = np.empty((3, len(figures[0])), "<f4")
        with np.errstate(over="ignore"):  # beyond float32 a loss is infinite
            for row, values in zip(columns, figures, strict=True):
                row[:] = values
        self._behind.append(columns)
        self._behind_to = first + columns.shape[1]

    def catch_up(self) -> None:
        """Write down the steps that were taken in; those that an earlier process wrote of the same steps go."""
        if not self._behind:
            return
        first, figures = self._behind_from, np.concatenate(self._behind, axis=1)
        self._behind, self._behind_from = [], self._behind_to
        if first < self._end:
            room.cut_steps(self.database, self.part, first)
            self.steps_kept, self._stride = room.kept_steps(self.database, self.part)
        self.steps_kept += room.add_steps(self.database, self.part, first, figures, self._stride)
        self._end = first + figures.shape[1]
        most = self.most_steps
        while self.steps_kept > most:
            self._stride *= 2
            self.steps_kept = room.coarsen_steps(self.database, self.part, self._stride)

    def epoch(self, epoch: int, figures: str) -> None:
        """Write down an epoch's figures, which are JSON."""
        self.database.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", (self.part, epoch, figures))
        self._epochs_size += len(figures)
        most = min(room.MOST_OF_EPOCHS, int(self.share * room.EPOCHS))
        if self._epochs_size > most:
            self._epochs_size = room.thin_epochs(self.database, self.part, most)

    def point(
        self,
        step: int,
        before: Mapping[str, Array],
        after: Mapping[str, Array],
        gradients: Mapping[str, Array] | None,
        units: Mapping[str, UnitFigures] | None,
        squares: Mapping[str, float] | None,
        losses: tuple[float, float] | None,
    ) -> None:
        """Write down what :meth:`pondera.recording.writer.RunWriter.point` is given."""
        for name in before:  # later on some may have been taken out of the network
            w, gradient = np.asarray(before[name]), None
            if gradients is not None and name in gradients:
                gradient = np.asarray(gradients[name])
            found = TensorFigures.of(w, self._start[name], np.asarray(after[name]), gradient)
            if gradient is None and squares is not None:
                found = dataclasses.replace(found, gradient_squares=squares[name])
            self.database.execute(
                "INSERT OR REPLACE INTO tensor_figures VALUES (?, ?, ?, ?)",
                (step, self._tensors[name], found.to_bytes(), found.spread.to_bytes()),
            )
            self._values(name, step, w, gradient)
        self.database.executemany(
            "INSERT OR REPLACE INTO unit_figures VALUES (?, ?, ?, ?)",
            [(self.part, step, layer, json.dumps(figures.to_json())) for layer, figures in (units or {}).items()],
        )
        if losses is not None:  # SQLite keeps NaN as NULL, and infinities as they are
            self.database.execute("INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?)", (self.part, step, *losses))
        self._points += 1
        if self._points % LOOKS == 0:
            room.thin_points(self.database, self.part, self.share * room.POINTS)

    def weights(self, step: int, weights: Mapping[str, Array]) -> None:
        """Write down the weights one by one as they were after so many steps, if nothing is known of that yet."""
        for name in weights:
            found = self.database.execute(
                "SELECT 1 FROM weights WHERE tensor = ? AND step = ?", (self._tensors[name], step)
            ).fetchone()
            if found is None:
                self._values(name, step, np.asarray(weights[name]), None)

    def snapshot(self, step: int, weights: Mapping[str, Array]) -> list[Path]:
        """Write all weights as they are after so many steps to a file of their own; return files to be taken out."""
        file = f"{SNAPSHOTS}/{self.part}-{step:012d}.safetensors"
        write(self.folder / file, {name: np.asarray(value) for name, value in weights.items()}, {"step": str(step)})
        self.database.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (self.part, step, file))
        most = int(self.share * room.SNAPSHOTS_SHARE / max(self.size, 1))
        return [self.folder / each for each in room.thin_snapshots(self.database, self.part, most, step)]

    def _values(self, name: str, step: int, w: Array, gradient: Array | None) -> None:
        places = self._places[name]
        self.database.execute(
            "INSERT OR REPLACE INTO weights VALUES (?, ?, ?, ?)",
            (self._tensors[name], step, _at(w, places), None if gradient is None else _at(gradient, places)),
        )


def _at(values: Array, places: Array | None) -> bytes:
    """Return the values at some places, or all of them, as bytes of little end."""
    chosen = values.reshape(-1) if places is None else values.reshape(-1)[places]
    return np.ascontiguousarray(chosen, chosen.dtype.newbyteorder("<")).tobytes()
