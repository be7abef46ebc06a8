"""Runs side by side: what they were asked for, where they differ, and what came of them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pondera.errors import PonderaError, RunError
from pondera.recording.damaged import recorded
from pondera.recording.folder import found_in
from pondera.recording.history import Steps
from pondera.recording.networks import networks_of
from pondera.recording.process import doing
from pondera.recording.run import Run
from pondera.recording.schema import DATABASE
from pondera.recording.settings import settings, used

ACCURACY, ERROR, SHARE_OF_DEVIATION = "accuracy", "RMSE", "RMSE/std"
BEST: dict[str, Callable[[Iterable[float]], float]] = {ACCURACY: max, ERROR: min, SHARE_OF_DEVIATION: min}
"""What metrics are called, and which of an epoch's is the best: of any other that is not known."""

SHOWN = 24
"""Losses of a run that are told: of epochs, evenly apart."""


@dataclass(frozen=True)
class Overview:
    """One run at a glance.

    Attributes
    ----------
    folder, state, began
        Where it is, what state it is in, and when it began. The state is that of :attr:`~pondera.runs.Run.state`, or
        ``"damaged"``; of :func:`overviews` it is ``"running"``, ``"paused"`` or ``"stopping"`` while a process writes
        to the run.
    steps, epochs
        How many were taken.
    settings
        What was asked for, of the plan and the command line, as plain values; None for an option that was not given.
    losses
        Of some epochs, evenly apart: on the validation rows where there are any, else on those trained on.
    best, metric
        The best validation metric of an epoch, and what it is called. None where nothing was held out, or it is not
        known what the metric is; then its name is empty.
    problem
        Why the run cannot be read; empty where it can.
    ended
        Why training ended, of several networks the first, or how far they came where they were interrupted; empty
        while it goes on.
    note
        What else is worth knowing: how many networks finished no epoch and were left out, and from which step on the
        loss is no number; else empty.
    used
        What was used of options that were not given, as far as it is known: these are compared by it.
    """

    folder: Path
    state: str
    began: str
    steps: int
    epochs: int
    settings: Mapping[str, Any]
    losses: tuple[float, ...]
    best: float | None
    metric: str
    problem: str = ""
    ended: str = ""
    note: str = ""
    used: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "run": str(self.folder),
            "state": self.state,
            "began": self.began,
            "steps": self.steps,
            "epochs": self.epochs,
            "settings": dict(self.settings),
            "losses": list(self.losses),
            "best": self.best,
            "metric": self.metric,
            "problem": self.problem or None,
            "ended": self.ended or None,
            "note": self.note or None,
        }


def overviews(places: Iterable[Path]) -> list[Overview]:
    """Return the runs in some folders, each of which is one or holds some, by when they began.

    Raises
    ------
    RunError
        If there are none.
    """
    folders: dict[Path, None] = {}
    looked = list(places)
    for place in looked:
        found = [place] if (place / DATABASE).is_file() else found_in(place) if place.is_dir() else []
        if not found:
            raise RunError(f"{place}: expected a run or a folder of runs, found none. pondera train leaves one behind.")
        folders.update(dict.fromkeys(found))
    now = [replace(found, state=doing(found.folder) or found.state) for found in map(overview, folders)]
    return sorted(now, key=by_beginning)


def by_beginning(found: Overview) -> tuple[float, str]:
    """Return what runs are put in order by: when they began, whatever clock said so."""
    try:
        return datetime.datetime.fromisoformat(found.began).timestamp(), str(found.folder)
    except (ValueError, OverflowError):  # it is not known
        return 0.0, str(found.folder)


def overview(folder: Path) -> Overview:
    """Return a run at a glance; one that cannot be read says why."""
    try:
        with Run(folder) as run, recorded(folder):
            return _of(run)
    except PonderaError as error:
        return Overview(folder, "damaged", "", 0, 0, {}, (), None, "", str(error))


def _of(run: Run) -> Overview:
    about = run.about
    epochs = run.epochs(run.parts[0]) if run.parts else []
    losses = [
        float(loss)
        for each in epochs
        for loss in [each["training_loss"] if each["validation_loss"] is None else each["validation_loss"]]
        if loss is not None
    ]
    scores = [each["validation_metric"] for each in epochs if each["validation_metric"] is not None]
    metric = metric_of(run.about_of(run.parts[0]) if run.parts else about)
    networks = networks_of(run)
    return Overview(
        folder=run.folder,
        state=run.state,
        began=str(about.get("began", "")),
        steps=run.taken,
        epochs=run.epochs_taken(run.parts[0]) if run.parts else 0,
        settings=settings(about),
        used=used(about),
        losses=tuple(losses[round(k * (len(losses) - 1) / (SHOWN - 1))] for k in range(SHOWN))
        if len(losses) > SHOWN
        else tuple(losses),
        best=BEST[metric](scores) if scores and metric in BEST else None,
        metric=metric,
        ended=networks.ended,
        note=" ".join(filter(None, [networks.note, _note(run.steps(run.parts[0])) if run.parts else ""])),
    )


def _note(steps: Steps) -> str:
    """Return from which step on the loss is no number, to the end; empty where it is one.

    A loop need not tell every loss: what is missing at the end counts where more is missing than ever was before.
    """
    known = np.flatnonzero(np.isfinite(steps.losses))
    if not len(known):
        return ""
    missing = np.diff(known, prepend=-1) - 1  # before each that is known
    last = int(known[-1])
    if len(steps.losses) - 1 - last <= missing.max():
        return ""
    return f"The loss is no number since step {int(steps.first[last + 1]):,}."


def metric_of(about: Mapping[str, Any]) -> str:
    """Return what the validation metric is called; empty where that is not known.

    Where a table was trained on, its answers were given mean 0 and deviation 1: errors are shares of the deviation.
    """
    if about.get("framework"):  # not Pondera's own; of one that was exported the name came along
        return str(about["metric"]) if about.get("metric") in list(BEST) else ""
    loss = ((about.get("identity") or {}).get("plan") or {}).get("loss")  # a name, or one with options
    of_classes = "cross_entropy" in str(loss["name"] if isinstance(loss, Mapping) else loss)
    if "task" in about:
        return ACCURACY if about["task"] == "classification" else SHARE_OF_DEVIATION
    return "" if loss is None else ACCURACY if of_classes else ERROR


def differences(found: Iterable[Overview]) -> dict[str, list[Any]]:
    """Return the settings in which runs differ, with the value of each run; None also where a run does not know it.

    What is not known, as of a run that cannot be read or of another program's loop, is no difference. Options that
    were not given are compared by what was used.

    Examples
    --------
    >>> one, two = (Overview(Path(), "", "", 0, 0, {"seed": seed}, (), None, "") for seed in (0, 5))
    >>> other = replace(one, settings={})
    >>> differences([one, other, two]), differences([one, other])
    ({'seed': [0, None, 5]}, {})
    """
    runs = [{**each.settings, **each.used} for each in found]
    names = dict.fromkeys(name for each in runs for name in each)
    known = {name: [each[name] for each in runs if name in each] for name in names}
    return {
        name: [each.get(name) for each in runs]
        for name, values in known.items()
        if any(value != values[0] for value in values)
    }
