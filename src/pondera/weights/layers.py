"""A layer: tensors that belong together, what kind of layer they are, and which of their axes is which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pondera.weights.collection import Weights
from pondera.weights.tensor import Array

KINDS = (
    "dense",
    "convolution",
    "attention query",
    "attention key",
    "attention value",
    "attention output",
    "fused attention",  # query, key and value in one matrix
    "recurrent",
    "embedding",
    "normalization",
    "scale",  # a factor for each value, and nothing else
    "unknown",
)

CONNECTING = KINDS[:8]
"""Kinds whose weights lead from inputs to outputs."""

STATE = ("mean", "variance", "counter", "buffer")
"""Roles of tensors that no gradient moves: figures gathered while training, and constants."""

OUTPUTS, INPUTS, KERNEL, STACK = "outputs", "inputs", "kernel", "stack"
"""Axes: units that are led to; what leads to them; places of a convolution's kernel; matrices of one shape, stacked."""

WHOLE = ("int", "uint", "bool")
"""How the names of dtypes begin that are whole numbers."""


@dataclass(frozen=True)
class Layer:
    """Tensors of one layer.

    Attributes
    ----------
    name
        What its tensors' names have in common.
    kind
        One of :data:`KINDS`; ``"unknown"`` where neither names nor metadata tell.
    tensors
        Role -> name of a tensor. The main one is ``"weight"``, then ``"bias"``; a recurrent layer has ``"recurrent"``
        too; a normalization layer ``"mean"`` and ``"variance"``; an adapter ``"lora_a"`` and ``"lora_b"``. Where the
        weights are packed by a quantization that is not decoded, there is ``"packed"`` and no ``"weight"``.
    axes
        Role -> what each axis of that tensor is (:data:`OUTPUTS` …), for the roles whose weights are connections.
    inputs, outputs
        How many there are of each, kernels not counted; None where it is not known. Of a stack, the outputs of all
        its matrices. Of a convolution whose groups are not known, the inputs of one group.
    parts
        What the outputs of a fused or recurrent layer are, in order, and how many of each: ``(("query", 768), …)``;
        in a stack, those of each matrix.
    scheme
        Whose names these are, such as ``"PyTorch"``.
    groups
        Into how many groups a convolution's inputs are divided, each leading to its own outputs; None where it is not
        known.
    factor
        What the network multiplies its weights by besides: 1 / √inputs in the ``ntk`` parametrization of Pondera's own
        files, which say so.

    Examples
    --------
    >>> layer = Layer("fc", "dense", {"weight": "fc.weight"}, {"weight": (OUTPUTS, INPUTS)}, 3, 2, scheme="PyTorch")
    >>> layer.connects
    True
    """

    name: str
    kind: str
    tensors: Mapping[str, str]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: int | None = None
    outputs: int | None = None
    parts: tuple[tuple[str, int], ...] = ()
    scheme: str = ""
    groups: int | None = None
    factor: float = 1.0

    @property
    def connects(self) -> bool:
        """Whether its weights lead from inputs to outputs, and which axis is which is known."""
        return self.kind in CONNECTING and "weight" in self.axes

    @property
    def state(self) -> tuple[str, ...]:
        """The names of its tensors that are state rather than weights, such as running means."""
        return tuple(name for role, name in self.tensors.items() if role in STATE)

    def matrix(self, weights: Weights, role: str = "weight") -> Array:
        """Return the connections of a role as (outputs, inputs).

        A stack of matrices comes out as one matrix of all their outputs, the places of a kernel as inputs of their own.
        """
        values = weights[self.tensors[role]].values()
        return np.transpose(values, order := self.order(role)).reshape(
            int(np.prod([values.shape[axis] for axis in order if self.axes[role][axis] in (STACK, OUTPUTS)])), -1
        )

    def order(self, role: str) -> tuple[int, ...]:
        """Return the axes of a role's tensor in the order stack, outputs, inputs, kernel."""
        axes = self.axes[role]
        return tuple(sorted(range(len(axes)), key=lambda at: (STACK, OUTPUTS, INPUTS, KERNEL).index(axes[at])))


def is_constant(layer: Layer, weights: Weights) -> bool:
    """Whether what no operation of an ONNX graph knows as weights holds whole numbers, or a single value, only."""
    tensors = [weights[name] for name in layer.tensors.values()]
    return (
        weights.format.startswith("ONNX")
        and layer.kind == "unknown"
        and all(tensor.count <= 1 or tensor.dtype.startswith(WHOLE) for tensor in tensors)
        and not {"packed", "scales"} & set(layer.tensors)
    )
