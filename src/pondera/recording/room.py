"""How a run stays within its budget of disk: what is kept gets sparser, and its ends stay."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from pondera.recording.schema import DATABASE, LOCK, SNAPSHOTS, STATES

SMALLEST, COPIES = 256 << 20, 16
"""Bytes of disk that a run may take by default: the former, or the latter times the bytes of its weights."""

SHARE = 4
"""Points take one part in so many of the budget, and so do snapshots; the rest is for what training goes on from."""

MOST_STEPS = 1 << 20
"""Figures of steps that are kept one by one; of more, neighbours are averaged."""


def allowed(budget: int | None, size: int) -> int:
    """Return how many bytes a run of weights of ``size`` bytes may take."""
    return max(SMALLEST, COPIES * size) if budget is None else budget


def coarsen_steps(database: sqlite3.Connection, part: int) -> int:
    """Average neighbours among the figures of steps, and return how many are left."""
    rows = database.execute("SELECT first, stride, figures FROM steps WHERE part = ?", (part,)).fetchall()
    left = 0
    for first, stride, data in rows:
        values = np.frombuffer(data, "<f4").reshape(3, -1)
        if values.shape[1] % 2:
            values = np.concatenate([values, values[:, -1:]], axis=1)
        halved = values.reshape(3, -1, 2).mean(axis=2, dtype=np.float64).astype("<f4")
        left += halved.shape[1]
        database.execute(
            "UPDATE steps SET stride = ?, figures = ? WHERE part = ? AND first = ?",
            (2 * stride, halved.tobytes(), part, first),
        )
    return left


def thin_points(database: sqlite3.Connection, part: int, most: float) -> None:
    """Take out every second point but the first and the last, if the points of a part take more bytes than ``most``."""
    ids = [each for (each,) in database.execute("SELECT id FROM tensors WHERE part = ?", (part,))]
    size = 0
    for tensor in ids:
        for query in (
            "SELECT sum(length(weights) + coalesce(length(gradients), 0)) FROM weights WHERE tensor = ?",
            "SELECT sum(length(figures) + length(histogram)) FROM tensor_figures WHERE tensor = ?",
        ):
            size += database.execute(query, (tensor,)).fetchone()[0] or 0
    if size <= most:
        return
    steps = database.execute("SELECT DISTINCT step FROM weights WHERE tensor = ? ORDER BY step", ids[:1]).fetchall()
    for (step,) in steps[1:-1:2]:
        for table in ("unit_figures", "looks"):
            database.execute(f"DELETE FROM {table} WHERE part = ? AND step = ?", (part, step))
        for tensor in ids:
            database.execute("DELETE FROM weights WHERE tensor = ? AND step = ?", (tensor, step))
            database.execute("DELETE FROM tensor_figures WHERE tensor = ? AND step = ?", (tensor, step))


def thin_snapshots(database: sqlite3.Connection, folder: Path, part: int, most: int) -> None:
    """Take out every second snapshot but the first and the last, if there are more than ``most``, at least 2."""
    rows = database.execute("SELECT step, file FROM snapshots WHERE part = ? ORDER BY step", (part,)).fetchall()
    if len(rows) <= max(most, 2):
        return
    for step, file in rows[1:-1:2]:
        (folder / file).unlink(missing_ok=True)
        database.execute("DELETE FROM snapshots WHERE part = ? AND step = ?", (part, step))


def remove_states(folder: Path) -> None:
    """Take out the files of all parts: nothing goes on from here."""
    for path in (folder / STATES).glob("*.safetensors"):
        path.unlink()
    if (folder / STATES).is_dir() and not any((folder / STATES).iterdir()):
        (folder / STATES).rmdir()


def remove_run(folder: Path) -> bool:
    """Take the files of a run out of a folder, but for its model, and return whether there were any."""
    there = (folder / DATABASE).exists()
    if there:
        remove_states(folder)
        for path in (folder / SNAPSHOTS).glob("*.safetensors"):
            path.unlink()
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK):
            (folder / name).unlink(missing_ok=True)
        for place in (folder / SNAPSHOTS, folder):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    return there
