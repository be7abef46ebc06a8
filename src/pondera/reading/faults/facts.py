"""What rules look at: figures that the pass over the bytes gave anyway, and a few stretches of values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pondera.reading.statistics import Statistics
from pondera.reading.units.units import Units
from pondera.weights.collection import Weights
from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, STACK, Layer
from pondera.weights.quantized.encodings import ENCODINGS
from pondera.weights.tensor import DTYPES, Array, Tensor

FLOATS = {name for name in DTYPES if "float" in name} | {"float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"}
WEIGHT = re.compile(r"(^|[._/:])(\w*(weight|kernel|embedding)s?|[Ww]\d*)(:\d+)?$")
"""How tensors of connections are called where no naming scheme is known."""

STRETCH = 4096
"""Values that a sample takes from one place."""

SECTOR = 512
"""Bytes at whose multiples content of files is compared: a sector of a disk."""


@dataclass(frozen=True)
class Place:
    """A tensor of floats, with what is known of it.

    Attributes
    ----------
    tensor, figures
        The tensor and its statistics.
    layer
        The layer it is in; None where that is not known.
    role
        What it is in its layer, such as ``"weight"``.
    """

    tensor: Tensor
    figures: Statistics
    layer: Layer | None
    role: str

    @property
    def name(self) -> str:
        """Its name in the file."""
        return self.tensor.name

    @property
    def kind(self) -> str:
        """The kind of its layer."""
        return self.layer.kind if self.layer else "unknown"

    @property
    def size(self) -> float:
        """√(Σ w² / n) of its finite values."""
        finite = self.figures.count - self.figures.nan - self.figures.infinite
        return self.figures.l2 / math.sqrt(max(finite, 1))

    @cached_property
    def fans(self) -> tuple[tuple[int, int], ...]:
        """What may be its (fan-in, fan-out), as initializers count them: both ways round where that is not known."""
        shape = self.tensor.shape
        axes = self.layer.axes.get(self.role, ()) if self.layer else ()
        if len(axes) == len(shape) and OUTPUTS in axes:
            kernel = math.prod(n for n, axis in zip(shape, axes, strict=True) if axis == KERNEL)
            into = kernel * math.prod(n for n, axis in zip(shape, axes, strict=True) if axis == INPUTS)
            out = kernel * math.prod(n for n, axis in zip(shape, axes, strict=True) if axis == OUTPUTS)
            return ((into, out),)
        first, last = math.prod(shape[1:]), math.prod(shape[:-1])
        return ((first, math.prod(shape) // max(shape[1], 1)), (last, math.prod(shape) // max(shape[-2], 1)))

    def matrix(self, most: int) -> Array:
        """Return its first values as a matrix of whole rows, float64, at most about ``most`` of them."""
        shape = self.tensor.shape
        axes = self.layer.axes.get(self.role, ()) if self.layer else ()
        width = shape[-1] if len(axes) == len(shape) and axes[0] in (KERNEL, STACK) else math.prod(shape[1:])
        rows = min(self.tensor.count // width, max(most // width, min(64, self.tensor.count // width)))
        columns = min(width, max(most // rows, 1))
        values = self.tensor.source.flat(0, rows * width).reshape(rows, width)[:, :columns]
        return values.astype(np.float64)


@dataclass(frozen=True)
class Facts:
    """What is known of a file of weights when its faults are looked for.

    Attributes
    ----------
    weights
        The tensors and the metadata.
    statistics
        Name of a tensor -> its figures; tensors of complex numbers have none.
    layers
        Layers, in the order of the file.
    units
        Name of a layer -> the figures of its units, of the role ``"weight"``.
    spectra
        Name of a layer -> its spectrum, where it was asked for.
    """

    weights: Weights
    statistics: Mapping[str, Statistics]
    layers: Sequence[Layer] = ()
    units: Mapping[str, Units] = field(default_factory=dict)
    spectra: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def owners(self) -> dict[str, tuple[Layer, str]]:
        """Name of a tensor -> its layer, and what it is there."""
        return {name: (layer, role) for layer in self.layers for role, name in layer.tensors.items()}

    @cached_property
    def connections(self) -> tuple[Place, ...]:
        """The tensors of connections, embeddings among them: floats or blocks of them, of two or more axes."""
        return tuple(place for place in self.stored if _connects(place, self.weights.format))

    @cached_property
    def connecting(self) -> frozenset[str]:
        """The names of these."""
        return frozenset(place.name for place in self.connections)

    @cached_property
    def stored(self) -> tuple[Place, ...]:
        """Every tensor of floats, or of blocks of them: what is known of bytes needs no names."""
        return tuple(self._floats())

    @cached_property
    def by_name(self) -> dict[str, Place]:
        """Name of a tensor of floats -> the tensor."""
        return {place.name: place for place in self.stored}

    @cached_property
    def designs(self) -> dict[str, str]:
        """Name of a tensor -> what it was made as, of those that a rule has asked for; see :mod:`.design`."""
        return {}

    @cached_property
    def floats(self) -> tuple[Place, ...]:
        """All tensors of floats that belong to a layer of a known kind, and those of connections."""
        return tuple(place for place in self.stored if place.kind != "unknown" or _connects(place, self.weights.format))

    @cached_property
    def normalizing(self) -> dict[str, list[Layer]]:
        """What a layer's name has before its last part -> normalizations there that divide by running variances."""
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            if layer.kind == "normalization" and "variance" in layer.tensors:
                found.setdefault(layer.name.rpartition(".")[0], []).append(layer)
        return found

    @cached_property
    def _tokens(self) -> set[tuple[int | None, int | None]]:
        return {(layer.inputs, layer.outputs) for layer in self.layers if layer.kind == "embedding"}

    def is_of_tokens(self, place: Place) -> bool:
        """Whether units stand for tokens, some of which may never occur, or only fill a table up to a round number.

        So they do in an embedding, and in an output layer of the same shape.
        """
        layer = place.layer
        if layer is None or layer.kind != "dense":
            return place.kind == "embedding"
        more = (layer.outputs or 0) > (layer.inputs or 0)  # as many inputs as outputs tell nothing
        return more and (layer.outputs, layer.inputs) in self._tokens

    def _floats(self) -> Iterator[Place]:
        for name, figures in self.statistics.items():
            tensor = self.weights.get(name)
            if tensor is not None and tensor.count and (tensor.dtype in FLOATS or tensor.dtype in ENCODINGS):
                layer, role = self.owners.get(name, (None, ""))
                yield Place(tensor, figures, layer, role)

    def beside(self, place: Place, role: str) -> Place | None:
        """Return another tensor of the same layer."""
        name = place.layer.tensors.get(role, "") if place.layer else ""
        if name not in self.statistics or name not in self.weights:
            return None
        return Place(self.weights[name], self.statistics[name], place.layer, role)


def _connects(place: Place, format: str) -> bool:  # noqa: A002
    if place.tensor.ndim < 2 or min(place.tensor.shape) < 1:
        return False
    if place.layer is not None and place.layer.connects:
        return place.role in place.layer.axes
    if place.kind == "embedding":
        return place.role == "weight"
    # An ONNX file has constants of every kind among its tensors: tables, masks, states that begin at zero.
    return place.kind == "unknown" and not format.startswith("ONNX") and bool(WEIGHT.search(place.name))


def sample(tensor: Tensor, most: int) -> Array:
    """Return values of a tensor, flat: all of them, or stretches from evenly spread places, ``most`` at the most.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped
    >>> data = np.arange(6, dtype="f4")
    >>> sample(Tensor("w", (6,), "float32", Mapped(memoryview(data.tobytes()), 0, data.dtype, 6)), 10).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    if tensor.count <= most:
        return tensor.source.flat(0, tensor.count)
    starts = np.linspace(0, tensor.count - STRETCH, max(most // STRETCH, 1)).astype(np.int64)
    return np.concatenate([tensor.source.flat(int(start), int(start) + STRETCH) for start in starts])
