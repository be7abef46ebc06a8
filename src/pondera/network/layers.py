"""The list of layers, and the way from JSON back to a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pondera.choice import Choice, unknown
from pondera.errors import ArgumentError
from pondera.network.dense import Dense
from pondera.network.dropout import Dropout
from pondera.network.embedding import Embedding
from pondera.network.layer import Layer
from pondera.network.normalization import LayerNorm
from pondera.network.residual import Residual
from pondera.network.scale import Scale

LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer for layer in (Dense, Scale, LayerNorm, Dropout, Residual, Embedding)
}


def layer_from_json(value: Any) -> Layer:
    """Return the layer that :meth:`~pondera.network.layer.Layer.to_json` described.

    Raises
    ------
    ArgumentError
        If the kind is unknown, a field is unknown, missing or of a value the layer refuses, or layers are nested
        hundreds deep.

    Examples
    --------
    >>> layer_from_json(Dense(3, "relu").to_json()) == Dense(3, "relu")
    True
    """
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ArgumentError(f"Expected a layer as a dictionary with a 'kind'. Got {value!r:.80}.")
    if not isinstance(value["kind"], str) or value["kind"] not in LAYERS:
        raise ArgumentError(unknown("layer", value["kind"], LAYERS))
    layer = LAYERS[value["kind"]]
    try:
        fields = {name: _field(item) for name, item in value.items() if name != "kind"}
    except RecursionError:
        raise ArgumentError("The layers are nested too deep to be read.") from None
    known = [f.name for f in dataclasses.fields(layer)]  # type: ignore[arg-type]
    for name in fields:
        if name not in known:
            raise ArgumentError(unknown(f"field of the layer {value['kind']!r}:", name, known))
    try:
        return layer(**fields)
    except TypeError as error:
        raise ArgumentError(f"The layer {value['kind']!r} cannot be made from {value!r:.200}: {error}.") from None


def _field(item: Any) -> Any:
    if isinstance(item, Mapping):
        return layer_from_json(item) if "kind" in item else Choice.of(item)
    if isinstance(item, list):
        return tuple(_field(part) for part in item)
    return item
