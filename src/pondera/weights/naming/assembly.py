"""The tensors of a file -> its layers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from pondera.weights.collection import Weights
from pondera.weights.layers import CONNECTING, INPUTS, OUTPUTS, STACK, Layer
from pondera.weights.naming.fused import Heads, Parts, attention_parts, heads_of
from pondera.weights.naming.groups import Group, by_class, by_name
from pondera.weights.naming.kinds import Evidence, evidence_of, kind_of
from pondera.weights.naming.onnx import by_use
from pondera.weights.naming.pondera import divided_layers
from pondera.weights.naming.schemes import PYTORCH, Scheme, scheme_of
from pondera.weights.naming.shapes import sizes
from pondera.weights.naming.slots import FUSED, OUTPUT

EXPERTS = {"gate_up_proj": "down_proj", "down_proj": "gate_up_proj"}


def layers_of(weights: Weights) -> tuple[Layer, ...]:
    """Return the layers of a file: every tensor is in exactly one of them, in the order of the file.

    The names of layers differ. What neither names, metadata nor shapes tell is left open: the kind is ``"unknown"``,
    or there are no axes. Nothing but names, shapes and metadata is read.

    Parameters
    ----------
    weights
        As :func:`pondera.open` gives them.

    Examples
    --------
    >>> from pondera.weights.tensor import DTYPES, Mapped, Tensor
    >>> def tensor(name, *shape):
    ...     return Tensor(name, shape, "float32", Mapped(memoryview(b""), 0, DTYPES["float32"], 0))
    >>> tensors = [tensor("conv.weight", 8, 3, 5, 5), tensor("conv.bias", 8), tensor("ln.weight", 8)]
    >>> [(layer.name, layer.kind, layer.inputs, layer.outputs) for layer in layers_of(Weights.of(tensors, "PyTorch"))]
    [('conv', 'convolution', 3, 8), ('ln', 'normalization', None, 8)]
    """
    scheme, groups = groups_of(weights)
    evidence = evidence_of(scheme, groups)
    layers = [_layer(group, evidence, beside) for group, beside in _with_neighbours(groups)]
    layers = _with_parts(layers, groups, heads_of(weights))
    if scheme.name == "Pondera":
        layers = _with_factors(layers, divided_layers(weights.metadata))
    return tuple(_with_own_names(layers))


def state_of(layers: Sequence[Layer]) -> frozenset[str]:
    """Return the names of the tensors that are state rather than weights: running figures, counters, constants.

    Examples
    --------
    >>> layer = Layer("bn", "normalization", {"weight": "bn.weight", "mean": "bn.running_mean"})
    >>> sorted(state_of([layer]))
    ['bn.running_mean']
    """
    return frozenset(name for layer in layers for name in layer.state)


def groups_of(weights: Weights) -> tuple[Scheme, list[Group]]:
    """Return the scheme of a file, and its tensors in groups that are a layer each."""
    scheme = scheme_of(weights)
    groups = by_use(weights, scheme) if scheme.name == "ONNX" else by_name(weights, scheme)
    if scheme.name == "Keras":
        by_class(weights, groups, scheme)
    for group in groups:
        bias = group.tensors.get("bias")
        if len(group.tensors) == 1 and bias is not None and bias.ndim > 2:  # the causal mask of GPT-2 is called bias
            group.tensors = {"buffer": bias}
    return scheme, groups


def _with_neighbours(groups: Sequence[Group]) -> Iterator[tuple[Group, Group | None]]:
    """Yield each group with the one whose shapes may tell its axes."""
    experts = {group.parts: group for group in groups if group.parts[-1:] and group.parts[-1] in EXPERTS}
    for group, after in itertools.zip_longest(groups, groups[1:]):
        last = group.parts[-1] if group.parts else ""
        yield group, experts.get((*group.parts[:-1], EXPERTS[last])) if last in EXPERTS else after


def _layer(group: Group, evidence: Evidence, beside: Group | None) -> Layer:
    kind, axes, slot = kind_of(group, evidence, beside)
    weight = group.tensors.get("weight")
    inputs = outputs = None
    parts: Parts = ()
    if weight is not None and axes.get("weight"):
        inputs, outputs = sizes(axes["weight"], weight.shape)
        if axes["weight"][0] != INPUTS:  # the groups of a transposed convolution share its outputs instead
            inputs *= group.groups or 1
        if slot is not None and slot.parts:
            each = _width(axes["weight"], weight.shape) // len(slot.parts)
            parts = tuple((part, each) for part in slot.parts)
        if kind == "recurrent":
            parts = _gates(group, axes, evidence.scheme)
    elif weight is not None and kind in ("normalization", "scale") and weight.ndim == 1:
        outputs = weight.count
    roles = sorted(group.tensors, key=lambda role: (role != "weight", role != "bias"))
    return Layer(
        group.name,
        kind,
        {role: group.tensors[role].name for role in roles},
        axes,
        inputs,
        outputs,
        parts,
        evidence.scheme.name,
        group.groups if kind in CONNECTING else None,
    )


def _width(axes: tuple[str, ...], shape: tuple[int, ...]) -> int:
    """Return the outputs of one matrix of a stack."""
    stacked = [n for n, axis in zip(shape, axes, strict=True) if axis == STACK]
    return sizes(axes, shape)[1] // max(math.prod(stacked), 1)


def _gates(group: Group, axes: Mapping[str, tuple[str, ...]], scheme: Scheme) -> Parts:
    """Return the gates of a recurrent layer; how many there are, the hidden units tell."""
    if "weight" not in axes or "recurrent" not in axes:
        return ()
    outputs = _width(axes["weight"], group.tensors["weight"].shape)
    if "projection" in axes:  # then what comes back is fewer than the hidden units
        hidden = sizes(axes["projection"], group.tensors["projection"].shape)[0]
    else:
        hidden = sizes(axes["recurrent"], group.tensors["recurrent"].shape)[0]
    known = scheme.gates if scheme.matrix or group.axes else PYTORCH.gates if axes["weight"][0] == OUTPUTS else {}
    gates = known.get(outputs // hidden, ()) if hidden and outputs % hidden == 0 else ()
    return tuple((gate, hidden) for gate in gates)


def _with_parts(layers: Sequence[Layer], groups: Sequence[Group], heads: Heads) -> list[Layer]:
    """Return layers, the fused ones with what they are made of; the output layer beside one tells how many queries."""
    queries = {
        group.parts[:-1]: layer.inputs
        for layer, group in zip(layers, groups, strict=True)
        if layer.kind == OUTPUT and layer.inputs
    }
    found = []
    for layer, group in zip(layers, groups, strict=True):
        if layer.kind == FUSED and layer.inputs and layer.outputs:
            parts = attention_parts(group.parts, layer.outputs, layer.inputs, heads, queries.get(group.parts[:-1]))
            layer = replace(layer, parts=parts)
        found.append(layer)
    return found


def _with_factors(layers: Sequence[Layer], divided: Collection[str]) -> list[Layer]:
    """Return layers, some with the factor that the architecture has besides their weights."""
    return [
        replace(layer, factor=1 / math.sqrt(layer.inputs))
        if layer.inputs and re.sub(r"^networks\.\d+\.", "", layer.name) in divided
        else layer
        for layer in layers
    ]


def _with_own_names(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield layers under names that differ; one without a name is called as its first tensor."""
    taken: set[str] = set()
    for layer in layers:
        first = next(iter(layer.tensors.values()))
        name = layer.name or first
        if name in taken:
            name = first
        while name in taken:
            name += "'"
        taken.add(name)
        yield layer if name == layer.name else replace(layer, name=name)
