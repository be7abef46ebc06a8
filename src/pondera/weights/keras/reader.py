"""Keras's files: ``.keras`` archives, ``.weights.h5`` of Keras 3, and the older HDF5 files.

An archive is a zip of ``metadata.json``, ``config.json`` and ``model.weights.h5``
(https://keras.io/guides/serialization_and_saving/). The weights of Keras 3 lie at paths such as
``layers/dense_1/vars/0``, made of the kinds of layers and their order; a layer's own name is an attribute beside them,
or follows from the config. The older files list their layers and weights by name in attributes. Of a config nothing but
names and numbers is taken: no class is looked up and nothing in it is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pondera.errors import ModelFileError
from pondera.weights.archive import Entry, entries_of
from pondera.weights.collection import Weights
from pondera.weights.hdf5.reader import Contents, plain_weights, read_hdf5
from pondera.weights.hdf5.space import MOST_NAME
from pondera.weights.keras.config import MOST_CONFIG, Layer, layers_of, read_json, summary_of
from pondera.weights.tensor import Tensor

WEIGHTS = "model.weights.h5"
FILES = ("metadata.json", "config.json", WEIGHTS)
MOST_UNPACKED = 1 << 28
"""Compressed weights are unpacked into memory up to this many bytes; stored ones are mapped, whatever their size."""

KERNEL = (("kernel",), ("kernel", "bias"))
CELL = (("kernel", "recurrent_kernel"), ("kernel", "recurrent_kernel", "bias"))
SCALED = (("moving_mean", "moving_variance"), ("gamma", "beta", "moving_mean", "moving_variance"))
SEPARABLE = (("depthwise_kernel", "pointwise_kernel"), ("depthwise_kernel", "pointwise_kernel", "bias"))
VARIABLES: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("dense", "einsum_dense", "conv1d", "conv2d", "conv3d"), KERNEL),
    **dict.fromkeys(("conv1d_transpose", "conv2d_transpose", "conv3d_transpose"), KERNEL),
    **dict.fromkeys(("depthwise_conv1d", "depthwise_conv2d"), KERNEL),
    **dict.fromkeys(("separable_conv1d", "separable_conv2d"), SEPARABLE),
    **dict.fromkeys(("cell", "lstm_cell", "gru_cell", "simple_rnn_cell"), CELL),
    **dict.fromkeys(("layer_normalization", "group_normalization"), (("gamma", "beta"),)),
    "batch_normalization": SCALED,
    "embedding": (("embeddings",),),
    "p_re_lu": (("alpha",),),
    "normalization": (("mean", "variance", "count"),),
    "seed_generator": (("seed_generator_state",),),
}
"""Kind of a layer, as paths have it -> what its variables may be, in their order. Which it is, their number tells."""


def looks_like_keras(head: bytes) -> bool:
    """Whether a file begins as a zip archive whose first entry is one of Keras's."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length] in [name.encode() for name in FILES]


def open_keras(path: Path, view: memoryview) -> Weights:
    """Return the weights in a mapped ``.keras`` archive: mapped where they are stored, which is how Keras writes them.

    Raises
    ------
    ModelFileError
        If the archive or the HDF5 file in it is damaged, or has no weights.
    """
    entries = entries_of(path, view)
    if WEIGHTS not in entries:
        found = next((name for name in entries if name.startswith("model.weights")), None)
        raise ModelFileError(
            f"{path}: expected {WEIGHTS!r} in the Keras archive, found {found or 'no weights'!r}. "
            "Load the model with Keras and save it again, or save_weights as .weights.h5."
        )
    entry = entries[WEIGHTS]
    if entry.deflated and entry.size > MOST_UNPACKED:
        raise ModelFileError(
            f"{path}: {WEIGHTS!r} is compressed and has {entry.size:,} bytes; up to {MOST_UNPACKED:,} are unpacked "
            "into memory. Unzip the archive and give the path of the file in it."
        )
    stored = memoryview(entry.read(MOST_UNPACKED)) if entry.deflated else entry.stored
    contents = read_hdf5(path, stored)
    config = read_json(_text(entries, "config.json"))
    metadata = {
        key: value for key, value in read_json(_text(entries, "metadata.json")).items() if isinstance(value, str)
    }
    return _keras_3(path, contents, config, metadata, "Keras .keras")


def _text(entries: dict[str, Entry], name: str) -> str:
    if name not in entries or entries[name].size > MOST_CONFIG:
        return ""
    return entries[name].read(MOST_CONFIG).decode("utf-8", errors="replace")


def open_keras_hdf5(path: Path, view: memoryview) -> Weights:
    """Return the weights in a mapped HDF5 file: Keras 3's, the older Keras's, or any arrays by their paths.

    Raises
    ------
    ModelFileError
        If the file is damaged, or an array is kept in a way that is not read.
    """
    contents = read_hdf5(path, view)
    for top in ("model_weights", ""):
        names = contents.texts(top, "layer_names")
        if names is not None:
            return _older(path, contents, f"{top}/" if top else "", names)
    if any(_is_variable(name) for name in contents.datasets):
        return _keras_3(path, contents, {}, {}, "Keras 3 .weights.h5")
    return plain_weights(path, contents)


def _is_variable(path: str) -> bool:
    return path.split("/")[-2:-1] == ["vars"]


def _older(path: Path, contents: Contents, top: str, layers: Sequence[str]) -> Weights:
    """Return the weights of a file that lists its layers, and with each layer its weights."""
    names: dict[str, str] = {}  # path -> name, in the order of the layers
    for layer in dict.fromkeys([*layers, "top_level_model_weights"]):
        for weight in contents.texts(top + layer, "weight_names") or []:
            place = f"{top}{layer}/{weight}"
            if place not in contents.datasets and place not in contents.left_out:
                raise ModelFileError(
                    f"{path}: the layer {layer!r:.200} should have the weight {weight!r:.200}, which the file does not "
                    "hold. It is damaged; restore it from a copy."
                )
            names[place] = weight if layer in weight.split("/") else f"{layer}/{weight}"
    state = "optimizer_weights/"
    for weight in contents.texts(state[:-1], "weight_names") or []:
        names[state + weight] = weight
    order = {place: at for at, place in enumerate(names)}
    places = sorted(contents.datasets, key=lambda place: order.get(place, len(order)))
    config = read_json(contents.text("", "model_config"))
    metadata = {
        key: value
        for key in ("keras_version", "backend")
        if (value := contents.text(top[:-1], key) or contents.text("", key))
    }
    optimizer = {place for place in places if place.startswith(state)}
    return _collected(path, contents, "Keras HDF5", places, names, optimizer, metadata | summary_of(config))


def _keras_3(path: Path, contents: Contents, config: dict[str, Any], metadata: dict[str, Any], kind: str) -> Weights:
    """Return the weights of a file whose paths are made of the kinds of layers."""
    layers = layers_of(config)
    known: dict[str, str] = {}
    names = {place: _name(place, contents, layers, known) for place in contents.datasets if _is_variable(place)}
    places = sorted(contents.datasets, key=lambda place: _order(place, layers))
    optimizer = {place for place in places if place.startswith("optimizer/")}
    return _collected(path, contents, kind, places, names, optimizer, metadata | summary_of(config))


def _name(place: str, contents: Contents, layers: dict[str, Layer], known: dict[str, str]) -> str:
    """Return a variable's name: the names of the layers around it, and which of their variables it is.

    A name that would be too long is the path instead. ``known`` keeps what each group was found to be called.
    """
    *parts, _, number = place.split("/")
    found, inside = [], ""
    for part in parts:
        inside = f"{inside}/{part}" if inside else part
        if inside not in known:
            name = contents.text(f"{inside}/vars", "name") or (layers[inside].name if inside in layers else "")
            known[inside] = name if len(name) <= MOST_NAME else ""
        if known[inside] or f"{inside}/vars" in contents.groups:
            found.append(known[inside] or part)
    if sum(map(len, found)) > MOST_NAME:
        return place
    beside = contents.groups.get(f"{inside}/vars" if inside else "vars", 0)
    for kind in _kinds(parts[-1], found[-1]) if parts and found else ():
        for variables in VARIABLES.get(kind, ()):
            if len(variables) == beside and number.isdecimal() and int(number) < beside:
                return "/".join([*found, variables[int(number)]])
    return "/".join([*found, number])


def _kinds(part: str, name: str) -> Iterator[str]:
    """Yield what kind of layer it may be: by its path, by the name it was given by itself, as a part of attention."""
    for text in (part, name):
        yield re.sub(r"_\d+$", "", text)
    if part.endswith("_dense"):
        yield "dense"


def _order(place: str, layers: dict[str, Layer]) -> list[tuple[int, list[tuple[int, str]]]]:
    """Return what sorts the paths as the model has its layers, and otherwise by their numbers."""
    parts = place.split("/")
    found = []
    for at, part in enumerate(parts):
        layer = layers.get("/".join(parts[: at + 1]))
        number = [(int(text), "") if text.isdecimal() else (-1, text) for text in re.split(r"(\d{1,18})", part)]
        found.append((layer.position if layer else len(layers), number))
    return found


def _collected(
    path: Path,
    contents: Contents,
    kind: str,
    places: Sequence[str],
    names: dict[str, str],
    optimizer: set[str],
    metadata: dict[str, Any],
) -> Weights:
    """Return the tensors under their names; under their paths where the names do not differ."""
    uses: dict[str, int] = {}
    for name in names.values():
        uses[name] = uses.get(name, 0) + 1
    tensors: dict[str, Tensor] = {}
    state: dict[str, Tensor] = {}
    paths: dict[str, str] = {}
    for place in places:
        name = names.get(place, place)
        if uses.get(name, 0) > 1 or (name != place and name in contents.datasets):
            name = place
        into = state if place in optimizer else tensors
        into[name] = replace(contents.datasets[place], name=name)
        paths[name] = place
    metadata["paths"] = paths
    if contents.left_out:
        metadata["left_out"] = contents.left_out
    return Weights(MappingProxyType(tensors), kind, metadata, (path,), MappingProxyType(state))
