"""What Pondera's own files say of their layers besides names: which weights are divided by √inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pondera.weights.plain_json import read_json


def divided_layers(metadata: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths of the layers whose weights the network divides by √inputs (the ``ntk`` parametrization).

    Parameters
    ----------
    metadata
        Of a file. Whatever it holds: what is not as Pondera writes it says nothing.

    Examples
    --------
    >>> import json
    >>> layers = [{"kind": "scale"}, {"kind": "dense", "parametrization": "ntk"}]
    >>> sorted(divided_layers({"pondera.architecture": json.dumps({"layers": layers})}))
    ['layers.1']
    """
    architecture = _json(metadata.get("pondera.architecture"))
    if architecture is None:
        model = _json(metadata.get("pondera"))
        architecture = model.get("architecture") if isinstance(model, Mapping) else None
    return frozenset(_divided(architecture, ""))


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return read_json(text.encode())
    except ValueError:
        return None


def _divided(holder: Any, path: str) -> Iterator[str]:
    """Yield paths within an architecture, or within a layer that is made of layers."""
    stack = [(holder, path)]
    while stack:
        described, before = stack.pop()
        layers = described.get("layers") if isinstance(described, Mapping) else None
        for at, layer in enumerate(layers if isinstance(layers, list) else ()):
            if isinstance(layer, Mapping):
                here = f"{before}layers.{at}"
                if layer.get("parametrization") == "ntk":
                    yield here
                stack.append((layer, f"{here}."))
