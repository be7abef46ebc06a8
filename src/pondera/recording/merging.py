"""Runs of several processes become one: as its parts, or as shards of the same tensors."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from pondera.errors import ArgumentError, RunError
from pondera.recording import schema
from pondera.recording.figures import TensorFigures
from pondera.recording.folder import FINISHED, new_run
from pondera.recording.run import Run
from pondera.weights.safetensors import read, write

Array = np.ndarray[Any, Any]

PLAIN = {
    "steps": "first, stride, figures",
    "epochs": "epoch, figures",
    "unit_figures": "step, layer, figures",
    "looks": "step, before, after",
}
"""Tables of a part as a whole -> their columns."""

OF_PARTS = ("kept.", "seed.", "ended.", "began.", "broken.", "epochs_apart.")
"""What is known of a part begins with one of these, and its number follows."""

OF_RUNS = ("identity", "rows", "steps_per_epoch", "inputs", "outputs", "columns", "framework", "layers", "metric")
"""What is known of a run as a whole, and of each of its parts alone once it is merged with others that differ."""

OF_COMMANDS = ("arguments", "model")
"""What a command would train again by: it trains no merged run."""


def merge(
    folders: Sequence[str | os.PathLike[str]],
    into: str | os.PathLike[str],
    *,
    shards: bool = False,
    replace: bool = False,
) -> None:
    """Put runs together into one.

    Parameters
    ----------
    folders
        The runs, in the order in which their parts are numbered, or their shards come.
    into
        Folder of the new run; those that it is made of stay.
    shards
        Whether each run holds some of every tensor, the next rows of its first axis, as the processes of PyTorch's
        fully sharded training do; else each holds networks of its own, which become parts of the new run. Of shards,
        figures are joined exactly at the steps that all runs recorded (record at level ``"full"``), the norms of
        gradients are those of all together, and losses, epochs and outputs of layers are those of the first run.
    replace
        Whether a run that is in the folder is replaced; else it is an error.

    Raises
    ------
    ArgumentError
        If there are no runs, or the new one is to be put into one of them.
    RunError
        If one of them cannot be read, the folder holds a run or cannot be written to, or shards do not fit together.

    Examples
    --------
    >>> import tempfile
    >>> from pondera.recording.loops import Loop
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for rank in (0, 1):
    ...         loop, half = Loop(Path(place, str(rank))), {"w": np.full((1, 2), 3.0 + rank)}
    ...         loop.begin(half)
    ...         loop.point(0, half, half)
    ...         loop.took(0, loss=0.5, norm=3.0 + rank)
    ...         loop.close(True)
    ...     merge([Path(place, "0"), Path(place, "1")], Path(place, "whole"), shards=True)
    ...     with Run(Path(place, "whole")) as run:
    ...         run.tensors(), run.tensor("w").figures[0].squares, run.steps().norms.tolist()
    ({'w': (2, 2)}, 50.0, [5.0])
    """
    places, target = [Path(each) for each in folders], Path(into)
    if not places or target.resolve() in [each.resolve() for each in places]:
        raise ArgumentError("merge takes the folders of some runs, and another folder to put them into.")
    opened = [Run(each) for each in places]
    try:
        with new_run(target, replace) as (database, folder):
            (_join_shards if shards else _add_parts)(opened, database, folder)
    finally:
        for run in opened:
            run.close()


def _add_parts(runs: Sequence[Run], database: sqlite3.Connection, folder: Path) -> None:
    """Copy the parts of runs, numbered one after the other."""
    about = {
        name: value
        for name, value in runs[0].about.items()
        if not name.startswith((*OF_PARTS, *(f"{each}." for each in OF_RUNS)))
    }
    whole = [run.about_of(part) for run in runs for part in run.parts]
    for name in OF_RUNS:
        about.pop(name, None)
        if all(each.get(name) == whole[0].get(name) for each in whole[1:]):
            about |= {name: whole[0][name]} if name in whole[0] else {}
        else:
            about |= {f"{name}.{number}": each[name] for number, each in enumerate(whole) if name in each}
    number = 0
    for run in runs:
        for part in run.parts:
            for name in OF_PARTS:
                if f"{name}{part}" in run.about:
                    about[f"{name}{number}"] = run.about[f"{name}{part}"]
            _copy_plain(run, part, database, number)
            for (tensor,) in _rows(run, "SELECT id FROM tensors WHERE part = ? ORDER BY id", part):
                copied = database.execute(
                    "INSERT INTO tensors (part, name, shape, dtype, initializer, places) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        number,
                        *_rows(run, "SELECT name, shape, dtype, initializer, places FROM tensors WHERE id = ?", tensor)[
                            0
                        ],
                    ),
                ).lastrowid
                for table, columns in (("tensor_figures", "figures, histogram"), ("weights", "weights, gradients")):
                    database.executemany(
                        f"INSERT INTO {table} (tensor, step, {columns}) VALUES (?, ?, ?, ?)",
                        [
                            (copied, *row)
                            for row in _rows(run, f"SELECT step, {columns} FROM {table} WHERE tensor = ?", tensor)
                        ],
                    )
            for step, path in run.snapshots(part).items():
                file = f"{schema.SNAPSHOTS}/{number}-{step:012d}.safetensors"
                shutil.copyfile(path, folder / file)
                database.execute("INSERT INTO snapshots VALUES (?, ?, ?)", (number, step, file))
            number += 1
    _tell(runs, database, about)


def _join_shards(runs: Sequence[Run], database: sqlite3.Connection, folder: Path) -> None:
    """Join the tensors of runs, of which each holds the next rows."""
    first = runs[0]
    for run in runs[1:]:
        if [run.tensors(part).keys() for part in run.parts] != [first.tensors(part).keys() for part in first.parts]:
            raise RunError(f"{run.folder}: expected shards of the tensors in {first.folder}, found others.")
    for part in first.parts:
        _copy_plain(first, part, database, part)
        _join_norms(runs, part, database)
        for name in first.tensors(part):
            _join_tensor(runs, part, name, database)
        steps = set.intersection(*(set(run.snapshots(part)) for run in runs))
        for step in sorted(steps):
            held = [read(run.snapshots(part)[step])[0] for run in runs]
            file = f"{schema.SNAPSHOTS}/{part}-{step:012d}.safetensors"
            whole = {name: np.concatenate([np.atleast_1d(each[name]) for each in held]) for name in held[0]}
            write(folder / file, whole, {"step": str(step)})
            database.execute("INSERT INTO snapshots VALUES (?, ?, ?)", (part, step, file))
    _tell(runs, database, dict(first.about))


def _join_norms(runs: Sequence[Run], part: int, database: sqlite3.Connection) -> None:
    """Put the norms of all gradients where those of the first run's are."""
    told = [dict(zip((found := run.steps(part)).first.tolist(), found.norms, strict=True)) for run in runs]
    for begin, stride, data in _rows(runs[0], "SELECT first, stride, figures FROM steps WHERE part = ?", part):
        figures = np.frombuffer(data, "<f4").reshape(3, -1).copy()
        for i in range(figures.shape[1]):
            norms = [each.get(begin + stride * i, np.nan) for each in told]
            figures[2, i] = np.sqrt(np.sum(np.square(norms)))
        database.execute("UPDATE steps SET figures = ? WHERE part = ? AND first = ?", (figures.tobytes(), part, begin))


def _join_tensor(runs: Sequence[Run], part: int, name: str, database: sqlite3.Connection) -> None:
    query = "SELECT id, shape, dtype, initializer, places FROM tensors WHERE part = ? AND name = ?"
    held = [_rows(run, query, part, name)[0] for run in runs]
    shapes = [tuple(json.loads(shape)) or (1,) for _, shape, *_ in held]
    if len({(shape[1:], dtype) for shape, (_, _, dtype, *_) in zip(shapes, held, strict=True)}) > 1:
        raise RunError(
            f"{name}: expected shards that differ in their first axis only, found the shapes "
            f"{', '.join(map(str, shapes))}. Merge these runs without shards=True."
        )
    sizes = [int(np.prod(shape)) for shape in shapes]
    begins = np.cumsum([0, *sizes[:-1]])
    places: bytes | None = None
    if any(each is not None for *_, each in held):
        chosen = [
            begin + (np.arange(size) if each is None else np.frombuffer(each, "<i8"))
            for begin, size, (*_, each) in zip(begins, sizes, held, strict=True)
        ]
        places = np.concatenate(chosen).astype("<i8").tobytes()
    whole = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    number = database.execute(
        "INSERT INTO tensors (part, name, shape, dtype, initializer, places) VALUES (?, ?, ?, ?, ?, ?)",
        (part, name, json.dumps(whole), held[0][2], held[0][3], places),
    ).lastrowid
    histories = [run.tensor(name, part) for run in runs]
    figures = [dict(zip(each.steps.tolist(), each.figures, strict=True)) for each in histories]
    for step in sorted(set.intersection(*(set(each) for each in figures))):
        joined = reduce(TensorFigures.merge, [each[step] for each in figures])
        row = (step, number, joined.to_bytes(), joined.spread.to_bytes())
        database.execute("INSERT INTO tensor_figures VALUES (?, ?, ?, ?)", row)
    values = [
        {
            step: each
            for step, *each in _rows(run, "SELECT step, weights, gradients FROM weights WHERE tensor = ?", tensor)
        }
        for run, (tensor, *_) in zip(runs, held, strict=True)
    ]
    for step in sorted(set.intersection(*(set(each) for each in values))):
        weights, gradients = zip(*(each[step] for each in values), strict=True)
        known = None if any(each is None for each in gradients) else b"".join(gradients)
        database.execute("INSERT INTO weights VALUES (?, ?, ?, ?)", (number, step, b"".join(weights), known))


def _copy_plain(run: Run, part: int, database: sqlite3.Connection, number: int) -> None:
    for table, columns in PLAIN.items():
        rows = _rows(run, f"SELECT {columns} FROM {table} WHERE part = ?", part)
        marks = ", ".join("?" * (columns.count(",") + 2))
        database.executemany(
            f"INSERT INTO {table} (part, {columns}) VALUES ({marks})", [(number, *row) for row in rows]
        )


def _tell(runs: Sequence[Run], database: sqlite3.Connection, about: dict[str, Any]) -> None:
    """Write down what is known of the whole: it is finished where all are."""
    others = [run.state for run in runs if run.state != FINISHED]
    told = about | {"merged": [str(run.folder) for run in runs], "state": others[0] if others else FINISHED}
    told = {name: each for name, each in told.items() if name not in OF_COMMANDS}
    database.executemany("INSERT INTO about VALUES (?, ?)", [(name, json.dumps(each)) for name, each in told.items()])


def _rows(run: Run, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return run.database.execute(query, values).fetchall()
