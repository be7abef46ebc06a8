"""How a run stays within its budget of disk: what is kept gets sparser, and its ends stay."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from pondera.recording.schema import STATES

Array = np.ndarray[Any, Any]

SMALLEST, COPIES = 256 << 20, 16
"""Bytes of disk that a run may take by default: the former, or the latter times the bytes of its weights."""

POINTS, SNAPSHOTS_SHARE = 1 / 2, 1 / 4
"""What of the budget recorded steps may take, and files of all weights. Where weights are many, a sample of them is all
that is recorded step by step, and there is room for what training goes on from."""

GROWTH = 1.01
"""Recorded steps that are left are at first so many times the one before, at least."""

MOST_STEPS, STEPS, STEP = 1 << 18, 1 / 16, 12
"""Figures of steps that are kept, what of the budget they may take, and bytes of each; of more steps they are means of
several, and the last of them of those that there are."""

MOST_OF_EPOCHS, EPOCHS = 8 << 20, 1 / 16
"""Bytes that the figures of epochs take at most, and what of the budget; of more, every second epoch goes."""

BEST = (("validation_loss", min), ("validation_metric", min), ("validation_metric", max))
"""What of the figures of epochs is looked for later: the epochs that have the least or the most of it stay."""


def allowed(budget: int | None, size: int) -> int:
    """Return how many bytes a run of weights of ``size`` bytes may take."""
    return max(SMALLEST, COPIES * size) if budget is None else budget


def kept_steps(database: sqlite3.Connection, part: int) -> tuple[int, int]:
    """Return how many figures of steps a part has, and of how many steps the widest of them is the mean."""
    figures = f"coalesce(sum(length(figures)) / {STEP}, 0), coalesce(max(stride), 1)"
    count, stride = database.execute(f"SELECT {figures} FROM steps WHERE part = ?", (part,)).fetchone()
    return count, stride


def cut_steps(database: sqlite3.Connection, part: int, at: int) -> None:
    """Take out the figures of steps from one on: what a training that was killed had written is written again.

    A mean of steps on both sides is kept as that of the earlier ones.
    """
    database.execute("DELETE FROM steps WHERE part = ? AND first >= ?", (part, at))
    last = "FROM steps WHERE part = ? ORDER BY first DESC LIMIT 1"
    found = database.execute(f"SELECT first, stride, length(figures) / {STEP} {last}", (part,)).fetchone()
    if found is None or found[0] + found[1] * found[2] <= at:
        return
    first, stride, _ = found
    (data,) = database.execute(f"SELECT figures {last}", (part,)).fetchone()  # averaged figures are joined to long rows
    values = np.frombuffer(data, "<f4").reshape(3, -1)
    whole, rest = divmod(at - first, stride)
    database.execute("DELETE FROM steps WHERE part = ? AND first = ?", (part, first))
    _put(database, part, first, stride, values[:, :whole])
    _put(database, part, first + whole * stride, rest, values[:, whole : whole + (rest > 0)])


def add_steps(database: sqlite3.Connection, part: int, first: int, figures: Array, stride: int) -> int:
    """Write (3, n) figures of steps as means of ``stride`` of them each, and return how many more are kept now.

    The last mean is of those that there are; when more come it takes them in.
    """
    taken, begun = 0, 0  # figures that are taken in, and steps that they are means of
    if stride > 1:
        row = database.execute(
            f"SELECT first, stride, figures FROM steps WHERE part = ? AND length(figures) = {STEP} "
            "AND first = (SELECT max(first) FROM steps WHERE part = ?)",
            (part, part),
        ).fetchone()
        if row is not None and row[1] < stride and row[0] + row[1] == first:
            first, begun, taken = row[0], row[1], 1
            database.execute("DELETE FROM steps WHERE part = ? AND first = ?", (part, first))
            figures = np.concatenate([np.frombuffer(row[2], "<f4").reshape(3, 1), figures], axis=1)
    widths = np.ones(figures.shape[1], np.int64)
    widths[:taken] = begun
    ends = np.cumsum(widths)
    return _put_means(database, part, first + ends - widths, widths, figures, (ends - widths) // stride) - taken


def coarsen_steps(database: sqlite3.Connection, part: int, stride: int) -> int:
    """Average the figures of steps that come within so many steps, and return how many are left."""
    query = "SELECT first, stride, figures FROM steps WHERE part = ? ORDER BY first"
    rows = database.execute(query, (part,)).fetchall()
    values = [np.frombuffer(data, "<f4").reshape(3, -1) for _, _, data in rows]
    firsts = [first + each * np.arange(v.shape[1]) for (first, each, _), v in zip(rows, values, strict=True)]
    widths = np.repeat([each for _, each, _ in rows], [v.shape[1] for v in values])
    database.execute("DELETE FROM steps WHERE part = ?", (part,))
    all_firsts = np.concatenate(firsts)
    owners = (all_firsts - all_firsts[0]) // stride
    return _put_means(database, part, all_firsts, widths, np.concatenate(values, axis=1), owners)


def _put_means(
    database: sqlite3.Connection, part: int, firsts: Array, widths: Array, figures: Array, owners: Array
) -> int:
    """Write means of neighbours of one owner, weighted by how many steps each is of, and return how many they are.

    Figures that are not known are left out. How many steps a mean knows is not kept: averaged again, it counts as one
    of all its steps.
    """
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
    if len(starts) < len(owners):
        figures = _means(figures, widths, starts)
        lasts = np.append(starts[1:], len(firsts)) - 1
        widths = firsts[lasts] + widths[lasts] - firsts[starts]
        firsts = firsts[starts]
    breaks = np.flatnonzero((np.diff(widths) != 0) | (firsts[1:] != firsts[:-1] + widths[:-1])) + 1
    for at in np.split(np.arange(len(firsts)), breaks):
        _put(database, part, int(firsts[at[0]]), int(widths[at[0]]), figures[:, at[0] : at[-1] + 1])
    return len(firsts)


def _means(figures: Array, widths: Array, starts: Array) -> Array:
    """Return the means of what is known of each stretch of (3, n) figures, from one start to the next."""
    unknown = np.isnan(figures)
    if unknown.any():
        widths, figures = np.where(unknown, 0, widths), np.where(unknown, 0, figures)
    with np.errstate(invalid="ignore"):  # of infinite losses, and where nothing is known
        sums = np.add.reduceat(figures * widths, starts, axis=1)
        return np.asarray(sums / np.add.reduceat(widths, starts, axis=-1))


def _put(database: sqlite3.Connection, part: int, first: int, stride: int, figures: Array) -> None:
    """Write a row of (3, n) figures, each of so many steps, if there are any."""
    if figures.shape[1]:
        row = (part, first, stride, figures.astype("<f4").tobytes())
        database.execute("INSERT INTO steps (part, first, stride, figures) VALUES (?, ?, ?, ?)", row)


def thin_epochs(database: sqlite3.Connection, part: int, most: int) -> int:
    """Take out figures of epochs where those of a part take more bytes than ``most``; return how many they take.

    Those that stay are so many epochs apart, a power of two, and the first, the last and the best of all.
    """
    query = "SELECT epoch, figures FROM epochs WHERE part = ? ORDER BY epoch"
    rows = database.execute(query, (part,)).fetchall()
    size = sum(len(figures) for _, figures in rows)
    if size <= most or len(rows) < 3:  # the first and the last stay
        return size
    epochs = np.array([epoch for epoch, _ in rows])
    steps = np.diff(epochs).min()  # of a loop of one's own epochs may be numbered by tens
    database.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (f"epochs_apart.{part}", json.dumps(int(steps))))
    places, apart = (epochs - epochs[0]) // steps, 2
    while (places % apart == 0).sum() > len(rows) / 2:
        apart *= 2
    figures = [json.loads(figures) for _, figures in rows]
    kept = {epochs[0], epochs[-1], *epochs[places % apart == 0]}
    for name, best in BEST:
        known = [(each[name], epoch) for epoch, each in zip(epochs, figures, strict=True) if each.get(name) is not None]
        kept |= {best(known)[1]} if known else set()
    gone = [(part, epoch) for epoch, _ in rows if epoch not in kept]
    database.executemany("DELETE FROM epochs WHERE part = ? AND epoch = ?", gone)
    return sum(len(figures) for epoch, figures in rows if epoch in kept)


def thin_points(database: sqlite3.Connection, part: int, most: float) -> None:
    """Take half of the recorded steps out, if those of a part take more bytes than ``most``."""
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
    of_part = "tensor IN (SELECT id FROM tensors WHERE part = ?)"  # of a network some tensors may be taken out
    steps = database.execute(f"SELECT DISTINCT step FROM weights WHERE {of_part} ORDER BY step", (part,)).fetchall()
    taken = [step for (step,) in steps]
    for step in sorted(set(taken) - set(sparser(taken))):
        for table in ("unit_figures", "looks"):
            database.execute(f"DELETE FROM {table} WHERE part = ? AND step = ?", (part, step))
        for tensor in ids:
            database.execute("DELETE FROM weights WHERE tensor = ? AND step = ?", (tensor, step))
            database.execute("DELETE FROM tensor_figures WHERE tensor = ? AND step = ?", (tensor, step))


def sparser(steps: list[int]) -> list[int]:
    """Return at most half of some ascending steps: the first, the last, and between them early ones nearer together.

    Examples
    --------
    >>> sparser(list(range(0, 40)))
    [0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 19, 23, 27, 32, 38, 39]
    """
    growth = GROWTH
    while True:
        kept = steps[:1]
        for step in steps[1:]:
            if step >= kept[-1] * growth:
                kept.append(step)
        if steps and kept[-1] != steps[-1]:
            kept.append(steps[-1])
        if len(kept) <= max(len(steps) // 2, 2):
            return kept
        growth = 1 + 2 * (growth - 1)


def thin_snapshots(database: sqlite3.Connection, part: int, most: int, latest: int) -> list[str]:
    """Take out every second snapshot, if there are more than ``most``, at least 2: not the first, last and latest.

    Returns their files, which are there still.
    """
    rows = database.execute("SELECT step, file FROM snapshots WHERE part = ? ORDER BY step", (part,)).fetchall()
    if len(rows) <= max(most, 2):
        return []
    gone = [row for row in rows[1:-1] if row[0] != latest][::2]
    database.executemany("DELETE FROM snapshots WHERE part = ? AND step = ?", [(part, step) for step, _ in gone])
    return [file for _, file in gone]


def remove_states(folder: Path) -> None:
    """Take out the files of all parts: nothing goes on from here."""
    for path in (folder / STATES).glob("*.safetensors"):
        path.unlink()
    if (folder / STATES).is_dir() and not any((folder / STATES).iterdir()):
        (folder / STATES).rmdir()
