"""Units of a layer: how strongly each is connected, which are dead, and which point the same way.

This is connection strength, √Σ w², from the weights alone. It is not importance, which needs data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.machine import cores
from pondera.reading.units import kernels
from pondera.reading.units.duplicates import Duplicates, duplicates
from pondera.reading.units.layout import Layout, directions, layout_of, stretches
from pondera.reading.widths import widened
from pondera.weights.collection import Weights
from pondera.weights.layers import Layer
from pondera.weights.tensor import Array, Tensor

SHOWN = 5
"""How many of the strongest and of the weakest connections are told."""

ALONE = 1 << 18
"""Tensors of no more values than this are read by one thread: starting another would take longer."""


@dataclass(frozen=True)
class Connection:
    """One weight.

    Attributes
    ----------
    output, input
        The units that it connects; of a convolution, channels.
    value
        The weight.
    place
        Its indices in the tensor.
    """

    output: int
    input: int
    value: float
    place: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the connection as plain values."""
        return {"output": self.output, "input": self.input, "value": self.value, "place": list(self.place)}


@dataclass(frozen=True)
class Units:
    """What the weights of a layer say about its units. Values that are not finite count as 0, and their number is told.

    Attributes
    ----------
    layer, role
        Whose weights these are.
    inputs
        (inputs,) √Σ w² of the weights that leave each input unit. All places of a convolution's kernel belong to their
        input channel, all matrices of a stack to their common inputs.
    outputs
        (outputs,) √Σ w² of the weights that enter each output unit; of a stack, one matrix after the other.
    strength
        One number of the layer: the root mean square of ``outputs``, ‖W‖F / √outputs.
    strongest, weakest
        The weights of largest and of smallest size that are not 0, at most :data:`SHOWN` each; of equals the first.
    dead_inputs, dead_outputs
        Units that nothing leaves, and units that nothing enters: all their weights are exactly 0 (in float64, smaller
        than 10⁻¹⁶²).
    duplicates
        Pairs of output units that point the same way, or opposite ways.
    broken
        How many weights are NaN or infinite.
    broken_inputs, broken_outputs
        (inputs,), (outputs,) whether a weight of the unit is.
    """

    layer: str
    role: str
    inputs: Array = field(repr=False, compare=False)
    outputs: Array = field(repr=False, compare=False)
    strength: float
    strongest: tuple[Connection, ...]
    weakest: tuple[Connection, ...]
    dead_inputs: tuple[int, ...]
    dead_outputs: tuple[int, ...]
    duplicates: Duplicates
    broken: int
    broken_inputs: Array = field(repr=False, compare=False)
    broken_outputs: Array = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values; what float64 cannot hold becomes None."""
        return {
            "layer": self.layer,
            "role": self.role,
            "strength": _plain(self.strength),
            "inputs": [_plain(value) for value in self.inputs.tolist()],
            "outputs": [_plain(value) for value in self.outputs.tolist()],
            "strongest": [each.to_json() for each in self.strongest],
            "weakest": [each.to_json() for each in self.weakest],
            "dead_inputs": list(self.dead_inputs),
            "dead_outputs": list(self.dead_outputs),
            "duplicates": self.duplicates.to_json(),
            "broken": self.broken,
        }


def units_of(layer: Layer, weights: Weights, role: str = "weight", threads: int | None = None) -> Units:
    """Return what the weights of a layer say about its units, from one pass over them.

    Sums are float64, so that strengths are right to far better than 10⁻⁶. Memory holds a stretch of the file for each
    thread and a few numbers for each unit, never the whole matrix; where units may be duplicates, the weights of at
    most :data:`~pondera.reading.units.duplicates.GATHERED` bytes of them.

    Parameters
    ----------
    layer
        Its axes say which units a weight connects.
    weights
        What the layer is a part of.
    role
        Which of its tensors; ``"recurrent"`` for the connections among a recurrent layer's own units.
    threads
        How many stretches are read at a time; by default as many as there are cores.

    Raises
    ------
    ArgumentError
        If the layer has no connections of this role, its axes do not fit the tensor, or the values are complex.

    Examples
    --------
    >>> from pondera.weights.layers import INPUTS, OUTPUTS
    >>> from pondera.weights.tensor import Mapped
    >>> data = np.array([[3.0, 0.0, 0.5], [-4.0, 0.0, 0.0]], np.float32)
    >>> tensor = Tensor("fc.weight", (2, 3), "float32", Mapped(memoryview(data.tobytes()), 0, data.dtype, 6))
    >>> layer = Layer("fc", "dense", {"weight": "fc.weight"}, {"weight": (OUTPUTS, INPUTS)}, 3, 2)
    >>> units = units_of(layer, Weights.of([tensor], "example"))
    >>> units.inputs.tolist(), units.dead_inputs
    ([5.0, 0.0, 0.5], (1,))
    >>> units.strongest[0]
    Connection(output=1, input=0, value=-4.0, place=(1, 0))
    """
    if role not in layer.tensors or role not in layer.axes:
        raise ArgumentError(f"{layer.name} has no connections called {role!r}. It has: {', '.join(layer.axes) or '-'}.")
    tensor = weights[layer.tensors[role]]
    layout = layout_of(tensor, layer.axes[role])
    axes = directions(layout.features)
    parts = _parts(tensor.count, threads or cores())
    if len(parts) == 1:
        whole = _read(tensor, layout, axes, parts[0])
    else:
        with ThreadPoolExecutor(len(parts)) as pool:
            whole = reduce(_Sums.join, pool.map(lambda part: _read(tensor, layout, axes, part), parts))
    return _finished(layer, role, tensor, layout, whole)


class _Sums:
    """What a part of the values adds up to."""

    def __init__(self, layout: Layout) -> None:
        self.outputs, self.features = np.zeros(layout.outputs), np.zeros(layout.features)
        self.projections = np.zeros((4, layout.outputs))
        self.broken_outputs, self.broken_features = np.zeros(layout.outputs, bool), np.zeros(layout.features, bool)
        self.strong, self.weak = np.full(SHOWN, -math.inf), np.full(SHOWN, -math.inf)
        self.strong_places, self.weak_places = np.zeros(SHOWN, np.int64), np.zeros(SHOWN, np.int64)
        self.broken = 0

    def add(self, values: Array, start: int, layout: Layout, axes: Array) -> None:
        """Add values from a flat index on."""
        limits = np.full(3, np.inf, values.dtype)
        found = kernels.extremes(
            values, start, self.strong, self.strong_places, self.weak, self.weak_places, limits
        )  # fmt: skip
        kernels.sums(values, start, *layout.runs, axes, self.outputs, self.features, self.projections)
        if found:
            kernels.mark_broken(values, start, *layout.runs, self.broken_outputs, self.broken_features)
            self.broken += int(found)

    def join(self, later: _Sums) -> _Sums:
        """Add the sums of a later part."""
        self.outputs += later.outputs
        self.features += later.features
        self.projections += later.projections
        self.broken_outputs |= later.broken_outputs
        self.broken_features |= later.broken_features
        self.broken += later.broken
        for sizes, places in (("strong", "strong_places"), ("weak", "weak_places")):
            both = np.concatenate([getattr(self, sizes), getattr(later, sizes)])
            where = np.concatenate([getattr(self, places), getattr(later, places)])
            best = np.argsort(-both, kind="stable")[:SHOWN]
            setattr(self, sizes, both[best])
            setattr(self, places, where[best])
        return self


def _parts(count: int, workers: int) -> list[range]:
    """Return the flat indices that each thread reads: neighbours, so that each goes through the file in order."""
    size = max(-(-count // workers), ALONE)
    return [range(start, min(start + size, count)) for start in range(0, count, size)] or [range(0)]


def _read(tensor: Tensor, layout: Layout, axes: Array, part: range) -> _Sums:
    found = _Sums(layout)
    with np.errstate(over="ignore"):
        for start, values in stretches(tensor, part):
            found.add(widened(values), start, layout, axes)
    return found


def _finished(layer: Layer, role: str, tensor: Tensor, layout: Layout, found: _Sums) -> Units:
    order = layout.order  # from the order of the tensor's axes to stack, outputs
    squares, broken = order(found.outputs), order(found.broken_outputs)
    inputs, broken_inputs = layout.by_input(found.features), layout.by_input(found.broken_features)
    return Units(
        layer=layer.name,
        role=role,
        inputs=np.sqrt(inputs),
        outputs=np.sqrt(squares),
        strength=math.sqrt(float(squares.sum()) / max(len(squares), 1)),
        strongest=tuple(_connections(tensor, layout, found.strong, found.strong_places)),
        weakest=tuple(_connections(tensor, layout, found.weak, found.weak_places)),
        dead_inputs=tuple(np.flatnonzero((inputs == 0) & (broken_inputs == 0)).tolist()),
        dead_outputs=tuple(np.flatnonzero((squares == 0) & ~broken).tolist()),
        duplicates=duplicates(tensor, layout, found.outputs, found.projections, ~found.broken_outputs),
        broken=found.broken,
        broken_inputs=broken_inputs > 0,
        broken_outputs=broken,
    )


def _connections(tensor: Tensor, layout: Layout, sizes: Array, places: Array) -> Iterator[Connection]:
    for at in places[np.isfinite(sizes)].tolist():
        place = tuple(int(i) for i in np.unravel_index(at, tensor.shape))
        value = float(widened(tensor.source.flat(at, at + 1))[0])
        yield Connection(*layout.ends(place), value, place)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
