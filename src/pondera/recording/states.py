"""Where a training goes on from: files of its whole state, the last two of which are kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pondera.errors import ModelFileError, PonderaWarning, RunError
from pondera.recording.schema import STATES
from pondera.training.epoch import State, weight_name
from pondera.training.figures import EpochFigures
from pondera.training.stopping import Best, Ending
from pondera.training.watching import Checkpoint
from pondera.weights.safetensors import read, write

Array = np.ndarray[Any, Any]

KEY, DIGEST = "pondera.state", "pondera.sha256"

FIGURES = [field.name for field in dataclasses.fields(EpochFigures)]


def save_state(folder: Path, part: int, step: int, checkpoint: Checkpoint) -> None:
    """Write everything that a part's training needs to go on after so many steps; the file is whole or not there.

    Of the files before it the last one stays, so that two are there: a damaged one loses the steps between them only.
    """
    own = _arrays("state", checkpoint.state)
    best = checkpoint.best
    shared = best.thing is checkpoint.state.weights
    arrays = own | ({} if best.thing is None or shared else _arrays("best", best.thing))
    arrays["losses"] = checkpoint.losses[: checkpoint.done]
    arrays |= _history_arrays(checkpoint.history)
    text = json.dumps(
        {
            "step": step,
            "started": checkpoint.started,
            "done": checkpoint.done,
            "epoch_steps": len(checkpoint.losses),
            "epochs": len(checkpoint.history),
            "best": None if best.thing is None else "state" if shared else "best",
            "best_epoch": best.epoch,
            "improved": best.improved,
            "cost": best.cost,
            "keeps_best": checkpoint.keeps_best,
            **checkpoint.ending._asdict(),
        }
    )
    place = folder / STATES
    place.mkdir(exist_ok=True)
    write(place / f"{part}-{step:012d}.safetensors", arrays, {KEY: text, DIGEST: _digest(text, arrays)})
    for old in _files(folder, part)[:-2]:
        old.unlink()


def load_state(folder: Path, part: int, template: State) -> tuple[Checkpoint, int, str] | None:
    """Return where a part goes on, after how many steps, and a sentence if its last file was damaged; None for nowhere.

    A damaged file is taken out.

    Parameters
    ----------
    folder, part
        Of the run.
    template
        A state of the same training, whose shapes the file's must be.

    Raises
    ------
    RunError
        If a whole file does not fit the training, or one cannot be read: it may be whole, and nothing is taken out.
    """
    note = ""
    for path in reversed(_files(folder, part)):
        try:
            arrays, metadata = read(path)
            text = metadata.get(KEY, "")
            if metadata.get(DIGEST) != _digest(text, arrays):
                raise ModelFileError(f"{path}: the digest differs")
        except ModelFileError as error:
            if isinstance(error.__cause__, OSError):
                raise RunError(f"{error} Training goes on from there: have it readable, then resume.") from error
            note = f"{path.name} is damaged and was passed over. "
            path.unlink(missing_ok=True)  # else it would stay for the last one, and a good one go for it
            continue
        told = json.loads(text)
        checkpoint = _checkpoint(told, arrays, template, path)
        step = int(told["step"])
        return checkpoint, step, note and f"{note}Training goes on after step {step:,}."
    if note:
        warnings.warn(f"{note}No whole one is left: training begins anew.", PonderaWarning, stacklevel=2)
    return None


def _checkpoint(told: Mapping[str, Any], arrays: Mapping[str, Array], template: State, path: Path) -> Checkpoint:
    state = _filled("state", template, arrays, path)
    best: Best[Any] = Best()
    best.epoch, best.improved, best.cost = told["best_epoch"], told["improved"], told["cost"]
    if told["best"] is not None:
        best.thing = state.weights if told["best"] == "state" else _filled("best", template.weights, arrays, path)
    losses = np.zeros(told["epoch_steps"])
    losses[: told["done"]] = arrays["losses"]
    return Checkpoint(
        state=state,
        started=told["started"],
        done=told["done"],
        losses=losses,
        history=_history(arrays, told["epochs"]),
        best=best,
        keeps_best=told["keeps_best"],
        ending=Ending(told["reason"], told["message"], told["cause"]),
    )


def _history_arrays(history: Sequence[EpochFigures]) -> dict[str, Array]:
    """Return the figures of epochs, (epochs,) each, but for those that are None in all: of many they are no header."""
    columns = {name: [getattr(figures, name) for figures in history] for name in FIGURES}
    return {f"history.{name}": np.array(column) for name, column in columns.items() if column and column[0] is not None}


def _history(arrays: Mapping[str, Array], epochs: int) -> list[EpochFigures]:
    """Return what :func:`_history_arrays` was given."""
    nothing = [None] * epochs
    columns = [arrays[f"history.{name}"].tolist() if f"history.{name}" in arrays else nothing for name in FIGURES]
    return [EpochFigures(*figures) for figures in zip(*columns, strict=True)]


def _arrays(prefix: str, tree: Any) -> dict[str, Array]:
    """Return the leaves of a pytree as arrays, under their paths."""
    return {
        f"{prefix}.{weight_name(path)}": np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _filled(prefix: str, template: Any, arrays: Mapping[str, Array], path: Path) -> Any:
    """Return a pytree of the template's form with the arrays of a file in it."""

    def leaf(place: Any, like: Any) -> Any:
        found = arrays.get(f"{prefix}.{weight_name(place)}")
        if found is None or found.shape != np.shape(like) or found.dtype != np.asarray(like).dtype:
            raise RunError(
                f"{path}: expected a state of this training, found one of another: "
                f"{weight_name(place)} is of the shape {np.shape(like)} here. Give another folder."
            )
        return jnp.asarray(found)

    return jax.tree_util.tree_map_with_path(leaf, template)


def _files(folder: Path, part: int) -> list[Path]:
    """Return the files of a part, the oldest first."""
    return sorted((folder / STATES).glob(f"{part}-*.safetensors"))


def _digest(text: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
