"""A run of ``pondera train``: its model, and the rows it was trained on as the network saw them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pondera.choice import listed, outside
from pondera.commands.training import Asked
from pondera.errors import ArgumentError
from pondera.recording.networks import networks_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pondera.commands.training import Rows as TableRows
    from pondera.model.model import Model
    from pondera.model.train import Prepared
    from pondera.recording.run import Run
    from pondera.training.epoch import Rows
    from pondera.training.fit import Trainable
    from pondera.training.plan import Plan


@dataclass(frozen=True)
class Recorded:
    """What a run was trained from.

    Attributes
    ----------
    run, model
        The run, and the model that came of it; None while it is trained, where it died, and of a damaged file.
    ready
        The rows that were trained on, and how.
    numbers
        (rows,) which row of the table each of these is, from 0.
    """

    run: Run
    model: Model | None
    ready: Prepared
    numbers: NDArray[np.int64]

    def again(self, part: int) -> tuple[Trainable, Rows, Plan]:
        """Return what is needed to train one of its networks again: the network at its start, the rows, the plan.

        Raises
        ------
        ArgumentError
            If it has no such network.
        """
        from pondera.choice import Choice
        from pondera.network.network import Network
        from pondera.training.fit import trainable
        from pondera.training.rows import rows_of

        if part not in self.run.parts:
            raise ArgumentError(outside(f"{self.run.folder} has", len(self.run.parts), "network", part))
        seed = int(self.run.about[f"seed.{part}"])
        dtype = next(iter(self.run.about["identity"]["weights"].values()))[-1]
        start = Network(self.ready.architecture, self.ready.architecture.initial(seed, dtype))
        model = trainable(start)
        with model.precision:
            rows, _ = rows_of(
                start.architecture,
                self.ready.x,
                self.ready.answers,
                self.ready.weights,
                None,
                Choice.of(self.ready.plan.loss),
                seed,
                model.weights,
            )
        return model, rows, self.ready.plan.replace(seed=seed)


def recorded(run: Run, table: Path | None) -> Recorded:
    """Return what a run was trained from; ``table`` is where its table is now, None for where it was.

    Raises
    ------
    ArgumentError
        If it is no run of ``pondera train``, or the table is another one.
    """
    from pondera.network.precision import precision
    from pondera.recording.identity import fingerprint

    _require_arguments(run)
    asked, rows, ready = prepared(run, table)
    found = Recorded(run, _model_of(run), ready, rows.numbers[ready.numbers])
    part = run.parts[0]
    with precision([ready.x]):
        again = fingerprint(found.again(part)[1])
    if again != run.about["identity"]["data"]:
        raise ArgumentError(f"{asked.table or asked.example}: its rows are not those that {run.folder} was trained on.")
    return found


def table_of(folder: Path) -> tuple[Path | None, str | None]:
    """Return the table that a run was trained on, or the name of its example; None for both where that is not known."""
    from pondera.errors import RunError
    from pondera.recording import runs

    try:
        with runs.open(folder) as run:
            asked = Asked.from_json(run.about["arguments"])
    except (RunError, KeyError):
        return None, None
    return asked.table, asked.example


def prepared(run: Run, table: Path | None) -> tuple[Asked, TableRows, Prepared]:
    """Return what a run was asked for, its rows, and these as its network is trained on them; it needs no model yet.

    Raises
    ------
    ArgumentError, TableError
        If it is no run of ``pondera train``, or its table cannot be read.
    """
    from pondera.model.train import prepare
    from pondera.tables.frame import as_frame

    _require_arguments(run)
    asked = Asked.from_json(run.about["arguments"])
    if table is not None:
        asked = dataclasses.replace(asked, table=table)
    rows = asked.rows()
    settings = asked.estimator(rows.task)._settings()
    return asked, rows, prepare(as_frame(rows.columns), rows.train[rows.column], rows.task, settings)


def _model_of(run: Run) -> Model | None:
    """Return the model that came of a run; None where there is none yet, a damaged one, or one of another training."""
    from pondera.errors import ModelFileError
    from pondera.model.file import load

    place = run.folder / str(run.about["model"])
    if not place.exists() or any(f"kept.{part}" not in run.about for part in run.parts):
        return None
    try:
        model, _ = load(place)
    except ModelFileError:
        return None
    kept = networks_of(run).kept
    whole = len(model.networks) == len(kept)  # else it is not known which are which
    networks = zip(kept, model.networks, strict=False)
    return None if whole and not all(run.came_to(each.weights, part) for part, each in networks) else model


def model_of(found: Recorded) -> Model:
    """Return the model that came of a run.

    Raises
    ------
    ArgumentError
        If it is not there yet.
    """
    if found.model is None:
        raise ArgumentError(no_model(found.run))
    return found.model


def no_model(run: Run) -> str:
    """Return why there is no model that came of a run, and what to do."""
    from pondera.errors import ModelFileError
    from pondera.model.file import load
    from pondera.recording.folder import FINISHED
    from pondera.recording.process import doing

    if doing(run.folder):
        return f"{run.folder}: this training has not ended. Wait until it has."
    place = run.folder / str(run.about["model"])
    if any(f"kept.{part}" not in run.about for part in run.parts) or (run.state != FINISHED and not place.exists()):
        return f"{run.folder}: this training was cut off. Go on with it: pondera train --resume {run.folder}."
    try:
        if place.exists():
            load(place)
    except ModelFileError as error:
        return str(error)
    return f"{place}: there is no such file, or it is of another training. Put the run's model there, or train again."


def _require_arguments(run: Run) -> None:
    if "arguments" not in run.about:
        raise ArgumentError(f"{run.folder}: expected a run of pondera train, found one of another program.")


def network_of(found: Recorded, part: int) -> Any:
    """Return the network that came of a part of the run.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if part not in found.run.parts:
        raise ArgumentError(outside(f"{found.run.folder} has", len(found.run.parts), "network", part))
    networks, kept = model_of(found).networks, networks_of(found.run).kept
    if part not in kept:
        others = listed([str(each) for each in kept])
        raise ArgumentError(
            f"{found.run.folder}: network {part} finished no epoch and was left out. Choose another one: {others}."
        )
    if len(networks) != len(kept):
        raise ArgumentError(
            f"{found.run.folder}: {len(kept)} networks were trained, and its model has {len(networks)}. Train again to "
            "follow single weights."
        )
    return networks[kept.index(part)]
