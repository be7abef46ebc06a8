"""Keras's config: which layers a model has, of what kind, and what they are called. It is read as JSON, never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pondera.weights import plain_json

DEEPEST = 32
"""Models within models are looked into so far."""

MOST_CONFIG = 1 << 22
"""A longer config is left out, and one that is nested deeper than :data:`MOST_NESTED`."""

MOST_NESTED = 200


class Layer(NamedTuple):
    """A layer that a config describes; ``position`` counts all layers, in the order of the model."""

    position: int
    name: str
    kind: str


def read_json(text: str) -> dict[str, Any]:
    """Return an object written in JSON; an empty one if it is damaged or none: names are a help, not a need.

    >>> read_json('{"rate": NaN}'), read_json("[")
    ({'rate': 'NaN'}, {})
    """
    if len(text) > MOST_CONFIG:
        return {}
    try:
        found = plain_json.read_json(text.encode())
    except ValueError:
        return {}
    return found if isinstance(found, dict) and not _is_deep(found) else {}


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_NESTED):
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [child for each in inner for child in each]
    return bool(level)


def layers_of(config: dict[str, Any]) -> dict[str, Layer]:
    """Return the layers by the paths under which Keras 3 keeps their weights.

    >>> dense = {"class_name": "Dense", "config": {"name": "price"}}
    >>> layers_of({"class_name": "Sequential", "config": {"layers": [dense, dense]}})["layers/dense_1"]
    Layer(position=1, name='price', kind='Dense')
    """
    found: dict[str, Layer] = {}
    for path, name, kind in _walk(config, "", 0):
        found[path] = Layer(len(found), name, kind)
    return found


def _walk(config: dict[str, Any], path: str, depth: int) -> Iterator[tuple[str, str, str]]:
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list) or depth > DEEPEST:
        return
    used: dict[str, int] = {}
    for layer in layers:
        kind = layer.get("class_name") if isinstance(layer, dict) else None
        if not isinstance(kind, str) or len(kind) > 200:
            continue
        part = _snake(kind)
        used[part] = used.get(part, -1) + 1
        place = f"{path}layers/{part}_{used[part]}" if used[part] else f"{path}layers/{part}"
        yield place, _name(layer), kind
        yield from _walk(layer, f"{place}/", depth + 1)


def _name(layer: dict[str, Any]) -> str:
    inner = layer.get("config")
    name = inner.get("name") if isinstance(inner, dict) else layer.get("name")
    return name.encode("utf-8", "replace").decode() if isinstance(name, str) and len(name) <= 200 else ""


def _snake(name: str) -> str:
    """Return the name of a class as Keras writes it in a path.

    >>> [_snake(name) for name in ("Dense", "Conv2D", "BatchNormalization", "LSTM")]
    ['dense', 'conv2d', 'batch_normalization', 'lstm']
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def summary_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a config says as metadata: the kind of the model, its layers' names and kinds, and all of it."""
    if not config:
        return {}
    found: dict[str, Any] = {"layers": {}, "config": config}
    if isinstance(config.get("class_name"), str):
        found["class_name"] = config["class_name"]
    names: dict[str, str] = {}
    for path, layer in layers_of(config).items():
        outer = path.rpartition("/layers/")[0]
        names[path] = f"{names[outer]}/{layer.name}" if names.get(outer) else layer.name
        found["layers"][names[path]] = layer.kind
    return found
