"""One model, one file: weights under their names, everything else as JSON in the metadata of a safetensors file."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pondera.choice import Choice, counted
from pondera.errors import ArgumentError, ModelFileError, PonderaError
from pondera.model.model import Model
from pondera.network.architecture import Architecture
from pondera.network.network import Network
from pondera.tables.encode import Encoding
from pondera.tables.scale import Scaling
from pondera.tables.target import Classes, TargetScaling
from pondera.training.losses import loss_of
from pondera.weights.mapped import map_file
from pondera.weights.safetensors import open_safetensors, read, write

FORMAT = 1
KEY, FORMAT_KEY, DIGEST_KEY = "pondera", "pondera.format", "pondera.sha256"


def save(model: Model, path: str | os.PathLike[str], estimator: Mapping[str, Any] | None = None) -> None:
    """Write a model to a file that any safetensors reader can load.

    The file is whole or not there. Its metadata holds the description under ``pondera``, the format's version
    under ``pondera.format`` and a digest of both weights and description under ``pondera.sha256``.

    Parameters
    ----------
    model
        The model.
    path
        Where to; an existing file is replaced.
    estimator
        The parameters of the estimator that trained it, JSON-ready.

    Raises
    ------
    ModelFileError
        If the place cannot be written to.
    """
    description = json.dumps(_describe(model) | {"estimator": dict(estimator or {})}, allow_nan=False)
    weights = model.weights
    metadata = {KEY: description, FORMAT_KEY: str(FORMAT), DIGEST_KEY: _digest(description, weights)}
    write(path, weights, metadata)


def load(path: str | os.PathLike[str]) -> tuple[Model, dict[str, Any]]:
    """Return the model in a file, and the parameters of the estimator that trained it.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, truncated, of a later version, or holds no Pondera model.
    """
    weights, metadata = read(path)
    description = _description(path, weights, metadata)
    try:
        content = json.loads(description)
        return _model(content, weights), dict(content["estimator"])
    except (PonderaError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: expected the description of a Pondera model, found one that cannot be used ({error}). "
            "Save the model again with this version of Pondera."
        ) from error


def record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return how the model in a file came about, without reading its weights: its ``record``.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, or says nothing of this.
    """
    place = Path(path)
    metadata = open_safetensors(place, map_file(place)).metadata
    try:
        return dict(json.loads(metadata[KEY])["record"])
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: expected a model that Pondera trained, found a file that does not say how it was trained."
        ) from error


def _description(path: Any, weights: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """Return the description of the model, or say why the file has none that can be used."""
    if KEY not in metadata or FORMAT_KEY not in metadata:
        raise ModelFileError(
            f"{path}: expected a model that Pondera trained, found a safetensors file of "
            f"{counted(len(weights), 'tensor')} without its description. It holds the weights of some other program."
        )
    if metadata[FORMAT_KEY] != str(FORMAT):
        raise ModelFileError(
            f"{path}: expected a model file of version {FORMAT}, found version {metadata[FORMAT_KEY]!r:.20}. "
            "It was written by another version of Pondera; upgrade Pondera, or save the model again."
        )
    description = metadata[KEY]
    if metadata.get(DIGEST_KEY) != _digest(description, weights):
        raise ModelFileError(
            f"{path}: the weights or their description are not those that were saved: the digest differs. "
            "The file is damaged or was edited; restore it from a copy."
        )
    return description


def _describe(model: Model) -> dict[str, Any]:
    return {
        "task": model.task,
        "target_name": model.target_name,
        "encoding": model.encoding.to_json(),
        "scaling": model.scaling.to_json(),
        "target": model.target.to_json(),
        "architecture": model.architecture.to_json(),
        "networks": len(model.networks),
        "loss": model.loss.to_json(),
        "clamp": model.clamp,
        "record": dict(model.record),
    }


def _model(content: Mapping[str, Any], weights: Mapping[str, Any]) -> Model:
    architecture = Architecture.from_json(content["architecture"])
    encoding = Encoding.from_json(content["encoding"])
    scaling = Scaling.from_json(content["scaling"])
    count = content["networks"]
    if type(count) is not int or not 1 <= count <= max(len(weights), 1):
        raise ArgumentError(f"{count!r} networks in {len(weights)} weights")
    if architecture.inputs != len(encoding.inputs):
        raise ArgumentError(f"{len(encoding.inputs)} inputs for a network of {architecture.inputs}")
    kind = Classes if content["task"] == "classification" else TargetScaling
    target, loss = kind.from_json(content["target"]), Choice.of(content["loss"])
    _check_figures(scaling, target, architecture.inputs)
    _check_outputs(target, loss, architecture.outputs)
    prefixes = [""] if count == 1 else [f"networks.{k}." for k in range(count)]
    return Model(
        target_name=str(content["target_name"]),
        encoding=encoding,
        scaling=scaling,
        target=target,
        networks=tuple(
            Network(architecture, {name: weights[prefix + name] for name in architecture.shapes}) for prefix in prefixes
        ),
        loss=loss,
        clamp=bool(content["clamp"]),
        record=dict(content["record"]),
    )


def _check_figures(scaling: Scaling, target: Classes | TargetScaling, inputs: int) -> None:
    """Raise unless the figures of inputs and target are there and finite, and classes differ and are of one type."""
    if len(scaling.center) != inputs or len(scaling.factor) != inputs:
        raise ArgumentError(f"figures to scale {len(scaling.center)} and {len(scaling.factor)} of {inputs} inputs")
    if not all(map(math.isfinite, scaling.center + scaling.factor)):
        raise ArgumentError("figures to scale inputs that are not finite")
    if isinstance(target, TargetScaling):
        figures = (target.mean, target.std, target.low, target.high)
        if not all(map(math.isfinite, figures)) or target.std <= 0 or target.low > target.high:
            raise ArgumentError(f"the figures {figures} of a target")
        return
    types = {type(value) for value in target.values}
    if len(types) != 1 or not types <= {str, bool, int, float} or len(set(target.values)) != len(target.values):
        raise ArgumentError(f"the classes {target.values!r:.80}")
    if len(target.values) < 2:
        raise ArgumentError("a single class")


def _check_outputs(target: Classes | TargetScaling, loss: Choice, outputs: int) -> None:
    """Raise unless the network's outputs are what the loss makes predictions of this target from."""
    classifies = isinstance(target, Classes)
    if (loss_of(loss).metric == "accuracy") != classifies:
        raise ArgumentError(f"the loss {loss.name!r} for a target of {'classes' if classifies else 'numbers'}")
    found = len(target.values) if isinstance(target, Classes) else 1
    expected = (2, 1) if loss.name == "binary_cross_entropy" else (found, found)
    if (found, outputs) != expected:
        raise ArgumentError(f"{outputs} outputs and the loss {loss.name!r} for a target of {found} classes or numbers")


def _digest(description: str, weights: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """SHA-256 over the description, and over each tensor's name, dtype, shape and bytes in the order of the names."""
    digest = hashlib.sha256(description.encode())
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
