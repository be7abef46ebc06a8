"""Runs out of TensorBoard's event files, and event files out of runs."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pondera.choice import listed, outside, unknown
from pondera.errors import ArgumentError, RunError
from pondera.files import folder_for, whole_file
from pondera.recording.events import PROGRAM, Histogram, read_events, record_of, version_record
from pondera.recording.figures import BINS, NUMBERS, Spread, TensorFigures
from pondera.recording.folder import FINISHED, circumstances, new_run
from pondera.recording.overview import metric_of
from pondera.recording.run import Run

Array = np.ndarray[Any, Any]

EVENTS = "*tfevents*"

LOSSES = (
    "loss",
    "train/loss",
    "train_loss",
    "training_loss",
    "Loss/train",
    "loss/train",
    "train/epoch_loss",
    "epoch_loss",
)
VALIDATION = (
    "epoch/validation_loss",
    "val_loss",
    "validation_loss",
    "val/loss",
    "validation/loss",
    "Loss/val",
    "loss/val",
    "validation/epoch_loss",
)
RATES = ("learning rate", "lr", "learning_rate", "train/lr", "train/learning_rate", "epoch_learning_rate")
EPOCH, OWN = "epoch/", ".pondera."
"""How tags of an epoch's figures begin, and what is in the names of files, where :func:`to_tensorboard` wrote them."""

METRIC = "validation_metric"
"""The figure of an epoch behind which, in its tag, stands what it is called."""

NORMS = ("gradient norm", "grad_norm", "gradient_norm", "train/grad_norm")
"""Tags of scalars as loops call them, the first that is there counts."""

WEIGHTS, GRADIENTS = ("weights/", "parameters/", "params/"), ("gradients/", "grads/", "grad/")
"""How tags of histograms begin that are of a tensor's weights, or of its gradients."""

ENDINGS = ("/grad", ".grad", "_grad", "/gradient")
"""How tags of a tensor's gradients end."""

AT_ONCE = 1 << 14
"""Bins of a histogram that are looked at at a time: a damaged file may say that there are millions."""

PARTS = 16
"""Values of a bin of a histogram lie at so many places in it, evenly apart."""


def from_tensorboard(
    logs: str | os.PathLike[str],
    run: str | os.PathLike[str],
    *,
    loss: str | None = None,
    validation_loss: str | None = None,
    learning_rate: str | None = None,
    gradient_norm: str | None = None,
    replace: bool = False,
) -> None:
    """Make a run of what a training wrote for TensorBoard: scalars and histograms.

    Each tag of a histogram becomes a tensor under that name, ``weights/`` before it left out; a tag
    ``gradients/NAME``, ``NAME.grad`` or the like gives the gradients of the tensor ``NAME``. What a histogram does not
    tell is NaN: zeros, distances from the start, updates, single weights. Where it tells no sums, as those of
    TensorFlow 2, they are those of its bins' middles. Within a bin values are taken to be spread evenly.

    Parameters
    ----------
    logs
        An event file, or a folder of some; those in folders below it have the folder's name before their tags.
    run
        Folder of the new run.
    loss, validation_loss, learning_rate, gradient_norm
        Tags of these scalars; by default such as they are often called. The run's ``about`` says which were found.
    replace
        Whether a run that is in the folder is replaced; else it is an error.

    Raises
    ------
    ArgumentError
        If there is no scalar of a tag that was given, or without one there is nothing that a run is made of.
    RunError
        If there are no event files, they hold no scalars and no histograms, one of them is damaged, or the folder holds
        a run or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> from pondera.recording.loops import Loop
    >>> with tempfile.TemporaryDirectory() as place:
    ...     loop, w = Loop(Path(place, "run")), {"w": np.array([3.0, 4.0])}
    ...     loop.begin(w)
    ...     loop.point(0, w, w, w)
    ...     loop.took(0, loss=0.5)
    ...     loop.close(True)
    ...     _ = to_tensorboard(Path(place, "run"), Path(place, "logs"))
    ...     from_tensorboard(Path(place, "logs"), Path(place, "back"))
    ...     with Run(Path(place, "back")) as found:
    ...         found.steps().losses.tolist(), found.tensor("w").figures[0].norm, found.about["tags"]["loss"]
    ([0.5], 5.0, 'loss')
    """
    scalars, histograms, own = _found(Path(logs))
    if not scalars and not histograms:
        raise RunError(f"{logs}: expected scalars or histograms of TensorBoard, found none.")
    wanted = {"loss": loss, "validation_loss": validation_loss, "rate": learning_rate, "norm": gradient_norm}
    usual = {"loss": LOSSES, "validation_loss": VALIDATION, "rate": RATES, "norm": NORMS}
    tags = {name: _chosen(tag, usual[name], scalars) for name, tag in wanted.items()}
    told = {name: {} if tag is None else scalars[tag] for name, tag in tags.items()}
    if not histograms and not any(told.values()):
        raise ArgumentError(
            f"{logs}: none of its scalars is called as a loss often is; name it: {listed(sorted(scalars))}."
        )
    # Other programs may begin any tag so, and count in epochs.
    epochs = {tag.removeprefix(EPOCH): each for tag, each in scalars.items() if own and tag.startswith(EPOCH)}
    others = scalars.keys() - set(tags.values()) - {f"{EPOCH}{name}" for name in epochs}
    metric = next((name for name in epochs if name.startswith(f"{METRIC}/")), None)
    if metric is not None:
        epochs[METRIC] = epochs.pop(metric)
    last = max(set().union(*(told[name] for name in ("loss", "rate", "norm"))), default=-1)
    seen = {step for each in histograms.values() for step in each if step > last}  # nothing else is known of these
    about = {
        "state": FINISHED,
        "framework": PROGRAM,
        "tags": {**tags, "others": sorted(others)},
        **({} if metric is None else {"metric": metric.removeprefix(f"{METRIC}/")}),
        **circumstances({}),
    }
    with new_run(Path(run), replace) as (database, _):
        database.executemany("INSERT INTO about VALUES (?, ?)", [(k, json.dumps(v)) for k, v in about.items()])
        for first, figures in _stretches(seen, told["loss"], told["rate"], told["norm"]):
            database.execute("INSERT INTO steps VALUES (0, ?, 1, ?)", (first, figures.astype("<f4").tobytes()))
        for number, epoch in enumerate(_epochs({**epochs, "validation_loss": told["validation_loss"]})):
            database.execute("INSERT INTO epochs VALUES (0, ?, ?)", (number, json.dumps(epoch | {"epoch": number})))
        for name, (weights, gradients) in _tensors(histograms).items():
            size = int(max(each.number for each in weights.values()))
            tensor = database.execute(
                "INSERT INTO tensors (part, name, shape, dtype, initializer, places) VALUES (0, ?, ?, ?, ?, ?)",
                (name, json.dumps([size]), "<f4", "null", b""),
            ).lastrowid
            for step, each in weights.items():
                found = _figures(each, gradients.get(step))
                row = (step, tensor, found.to_bytes(), found.spread.to_bytes())
                database.execute("INSERT INTO tensor_figures VALUES (?, ?, ?, ?)", row)


def to_tensorboard(run: str | os.PathLike[str], folder: str | os.PathLike[str], part: int = 0) -> Path:
    """Write a part of a run as an event file for TensorBoard, and return the file.

    Of every step loss, learning rate and gradient norm; of every epoch its figures, the validation metric with its name
    where that is known; of every tensor at the steps that were recorded a histogram ``weights/NAME``, and its gradient
    norm and update ratio. Written again it replaces the file that was written before.

    Raises
    ------
    RunError
        If the run cannot be read, has no such part, or the file cannot be written.
    """
    with Run(Path(run)) as found:
        if part not in found.parts:
            raise RunError(outside(f"{run} has", len(found.parts), "network", part))
        if not found.taken:
            raise RunError(f"{run}: no step was recorded, so there is nothing to write. Give a run that was trained.")
        if Path(folder).is_file():
            raise RunError(f"{folder}: expected a folder, or a place for one, found a file. Give another place.")
        now = time.time()
        path = Path(folder) / _named(found, part)
        try:
            with folder_for(path.parent), whole_file(path) as beside, beside.open("wb") as file:
                file.write(version_record(now))
                for step, told in _events(found, part):
                    file.write(record_of(now, step, told))
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}. Give another folder.") from error
    return path


def _named(run: Run, part: int) -> str:
    """Return what the event file of a part of a run is called: the same each time, so that no figure is there twice."""
    begun, place = str(run.about.get("began", "")), str(run.folder.resolve())
    number = hashlib.blake2s(json.dumps([begun, place, part]).encode(), digest_size=4).hexdigest()
    try:
        seconds = int(time.mktime(time.strptime(begun[:19], "%Y-%m-%dT%H:%M:%S")))
    except (ValueError, OverflowError):
        seconds = 0
    return f"events.out.tfevents.{seconds}{OWN}{number}"


def _found(logs: Path) -> tuple[dict[str, dict[int, float]], dict[str, dict[int, Histogram]], bool]:
    """Return scalars and histograms by tag and step, and whether :func:`to_tensorboard` wrote them all.

    Of two of one step the later one counts.
    """
    files = [logs] if logs.is_file() else sorted(path for path in logs.rglob(EVENTS) if path.is_file())
    if not files:
        raise RunError(f"{logs}: expected event files of TensorBoard, found none.")
    scalars: dict[str, dict[int, float]] = {}
    histograms: dict[str, dict[int, Histogram]] = {}
    for path in files:
        below = "" if logs.is_file() or path.parent == logs else f"{path.parent.relative_to(logs).as_posix()}/"
        for step, tag, value in read_events(path):
            if isinstance(value, Histogram):
                histograms.setdefault(below + tag, {})[step] = value
            else:
                scalars.setdefault(below + tag, {})[step] = value
    return scalars, histograms, all(OWN in path.name for path in files)


def _chosen(tag: str | None, usual: tuple[str, ...], scalars: Mapping[str, Any]) -> str | None:
    if tag is not None and tag not in scalars:
        raise ArgumentError(unknown("scalar", tag, sorted(scalars)))
    return tag or next((each for each in usual if each in scalars), None)


def _stretches(shown: Iterable[int], *told: Mapping[int, float]) -> Iterator[tuple[int, Array]]:
    """Yield stretches of steps without a gap: the first, and (3, n) figures, NaN where one is not known.

    Steps are those that are told of, and those that are shown.
    """
    steps = np.array(sorted(set(shown).union(*told)), np.int64)
    if not len(steps):
        return
    for stretch in np.split(steps, np.flatnonzero(np.diff(steps) != 1) + 1):
        figures = [[each.get(step, math.nan) for step in stretch.tolist()] for each in told]
        yield int(stretch[0]), np.array(figures)


def _epochs(told: Mapping[str, Mapping[int, float]]) -> Iterator[dict[str, Any]]:
    """Yield what is told of epochs: figures by name, and of each by the last step of the epoch."""
    for step in sorted(set().union(*told.values())):
        figures = {name: each.get(step, math.nan) for name, each in told.items()}
        known = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        yield {"training_loss": None, METRIC: None, **known, "step": step + 1}


def _tensors(
    histograms: Mapping[str, dict[int, Histogram]],
) -> dict[str, tuple[dict[int, Histogram], dict[int, Histogram]]]:
    """Return the histograms of each tensor's weights and gradients, by step."""
    weights: dict[str, dict[int, Histogram]] = {}
    gradients: dict[str, dict[int, Histogram]] = {}
    for tag, found in histograms.items():
        begin = next((each for each in WEIGHTS if tag.startswith(each)), "")
        slope = next((each for each in GRADIENTS if tag.startswith(each)), "")
        ending = next((each for each in ENDINGS if tag.endswith(each)), "")
        name = tag.removeprefix(slope or begin).removesuffix(ending)
        if slope or ending:
            gradients.setdefault(name, found)
        else:
            weights[tag if name in weights else name] = found
    alone = {f"gradients/{name}": found for name, found in gradients.items() if name not in weights}
    return {name: (found, gradients.get(name, {})) for name, found in (weights | alone).items()}


def _figures(weights: Histogram, gradient: Histogram | None) -> TensorFigures:
    known = dict.fromkeys(NUMBERS, math.nan) | {
        "count": weights.number,
        "nan": 0.0,
        "infinite": 0.0,
        "low": weights.low,
        "high": weights.high,
        "total": weights.total,
        "squares": weights.squares,
        "gradient_squares": math.nan if gradient is None else gradient.squares,
        "gradient_broken": 0.0,
    }
    return TensorFigures(**known, spread=_spread(weights))


def _spread(found: Histogram) -> Spread:
    """Return a histogram in our bins: the values of each of its own lie evenly apart in it."""
    dense = np.zeros(BINS)
    filled = np.flatnonzero(found.counts)
    for at in range(0, len(filled), AT_ONCE):
        dense += _dense(found, filled[at : at + AT_ONCE])
    return Spread.sparse(np.minimum(dense, 2**32 - 1))


def _dense(found: Histogram, filled: Array) -> Array:
    """Return how many values of some bins of a histogram are in each of ours, (2048,)."""
    right = np.minimum(found.limits[filled], found.high)
    left = np.maximum(np.where(filled > 0, found.limits[filled - 1], -math.inf), found.low)
    share = (np.arange(PARTS) + 0.5) / PARTS
    with np.errstate(invalid="ignore", over="ignore"):
        places = left[:, None] + share * (right - left)[:, None]  # (filled, PARTS)
        values = np.nan_to_num(places, nan=0.0).astype(np.float32)
    whole = np.round(np.arange(PARTS + 1) / PARTS * found.counts[filled][:, None])
    counts = np.diff(whole, axis=1)
    bits = values.view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return np.bincount((ordered.reshape(-1) >> 21) + BINS // 2, counts.reshape(-1), BINS)


def _histogram(figures: TensorFigures) -> Histogram:
    """Return the bins of a tensor's finite values without gaps between them, as TensorBoard wants them."""
    low, high = figures.spread.edges
    known = np.isfinite(low) & np.isfinite(high)
    ends = np.stack([np.minimum(low, high)[known], np.maximum(low, high)[known]], axis=1)  # (bins, 2)
    counts = np.stack([np.zeros(len(ends)), figures.spread.counts[known]], axis=1)  # nothing between two bins
    finite = figures.count - figures.nan - figures.infinite
    some = finite > 0
    return Histogram(
        figures.low if some else 0.0,
        figures.high if some else 0.0,
        finite,
        figures.total,
        figures.squares,
        np.maximum.accumulate(ends.reshape(-1)) if len(ends) else np.zeros(1),
        counts.reshape(-1) if len(ends) else np.zeros(1),
    )


def _events(run: Run, part: int) -> Iterator[tuple[int, list[tuple[str, float | Histogram]]]]:
    """Yield what is told of steps, in no order of steps; figures that are not known are left out."""
    told = run.steps(part)
    for step, *values in zip(told.first.tolist(), told.losses, told.rates, told.norms, strict=True):
        named = zip(("loss", "learning rate", "gradient norm"), values, strict=True)
        known: list[tuple[str, float | Histogram]] = [(tag, float(v)) for tag, v in named if not math.isnan(v)]
        yield step, known
    metric = metric_of(run.about_of(part))
    for epoch in run.epochs(part):
        numbers = {name: each for name, each in epoch.items() if isinstance(each, (int, float))}
        last = max(int(numbers.pop("step", 0)) - 1, 0)
        if metric and METRIC in numbers:
            numbers[f"{METRIC}/{metric}"] = numbers.pop(METRIC)
        yield last, [(f"{EPOCH}{name}", float(each)) for name, each in numbers.items() if name != "epoch"]
    for name in run.tensors(part):
        tensor = run.tensor(name, part)
        for step, figures in zip(tensor.steps.tolist(), tensor.figures, strict=True):
            scalars = {"gradient norm": figures.gradient_norm, "update ratio": figures.update_ratio}
            yield (
                step,
                [
                    (f"weights/{name}", _histogram(figures)),
                    *((f"{tag}/{name}", each) for tag, each in scalars.items() if not math.isnan(each)),
                ],
            )
