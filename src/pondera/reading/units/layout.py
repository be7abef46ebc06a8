"""Where the weights of each unit lie in a tensor, whichever way its axes are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pondera.errors import ArgumentError
from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, STACK
from pondera.weights.tensor import Array, Tensor

STRETCH = 1 << 18
"""Values that are read at a time: what a block encoding decodes to stays in the second cache."""


DIRECTIONS = 4
"""On how many directions units are projected."""


@dataclass(frozen=True)
class Layout:
    """How the values of a tensor follow each other.

    A *feature* is what a weight of an output unit leads from: an input unit, of a convolution with a place of the
    kernel. Outputs (of all matrices of a stack) and features are numbered in the order of the tensor's axes, so that
    values next to each other share one and are neighbours in the other.

    Attributes
    ----------
    axes
        What each axis is.
    shape
        Of the tensor.
    runs
        For the kernels: what the axes but the last are, (axes, 3) of size, step of the output, step of the feature;
        the last axis' length; and whether values along it share their feature. Neighbouring axes of one kind are one.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    runs: tuple[Array, int, bool]

    @property
    def outputs(self) -> int:
        """How many output units there are."""
        return math.prod(self._sizes(OUTPUTS, STACK))

    @property
    def features(self) -> int:
        """How many weights an output unit has."""
        return math.prod(self._sizes(INPUTS, KERNEL))

    @property
    def in_rows(self) -> bool:
        """Whether the weights of an output unit follow each other without a gap."""
        outer, _, by_feature = self.runs
        return not by_feature and not outer[:, 2].any()

    def order(self, by_output: Array) -> Array:
        """Return values by output, (outputs,), in the order stack, outputs."""
        kinds = [axis for axis in self.axes if axis in (OUTPUTS, STACK)]
        order = sorted(range(len(kinds)), key=lambda at: kinds[at] != STACK)
        return by_output.reshape(self._sizes(OUTPUTS, STACK)).transpose(order).reshape(-1)

    def by_input(self, by_feature: Array) -> Array:
        """Return sums by input, (inputs,), from values by feature, (features,)."""
        kinds = [axis for axis in self.axes if axis in (INPUTS, KERNEL)]
        places = tuple(at for at, kind in enumerate(kinds) if kind == KERNEL)
        sums: Array = by_feature.reshape(self._sizes(INPUTS, KERNEL)).sum(axis=places)
        return sums.reshape(-1)

    def ends(self, place: tuple[int, ...]) -> tuple[int, int]:
        """Return the output and the input unit of a weight."""
        found = []
        for kinds in ((STACK, OUTPUTS), (INPUTS,)):
            at = 0
            for kind in kinds:
                for axis in (axis for axis, each in enumerate(self.axes) if each == kind):
                    at = at * self.shape[axis] + place[axis]
            found.append(at)
        return found[0], found[1]

    def _sizes(self, *kinds: str) -> tuple[int, ...]:
        return tuple(size for size, axis in zip(self.shape, self.axes, strict=True) if axis in kinds)


def layout_of(tensor: Tensor, axes: tuple[str, ...]) -> Layout:
    """Return where the weights of each unit of a tensor lie.

    Raises
    ------
    ArgumentError
        If the axes do not fit the tensor, or its values are complex.

    Examples
    --------
    >>> from pondera.weights.tensor import Mapped
    >>> kernel = Tensor("kernel", (3, 3, 8, 16), "float32", Mapped(memoryview(b""), 0, np.dtype("f4"), 0))
    >>> layout = layout_of(kernel, (KERNEL, KERNEL, INPUTS, OUTPUTS))
    >>> layout.outputs, layout.features, layout.in_rows
    (16, 72, False)
    """
    if tensor.dtype.startswith("complex"):
        raise ArgumentError(f"{tensor.name} holds complex numbers; units are compared by real ones. Take its parts.")
    if len(axes) != len(tensor.shape) or not axes:
        raise ArgumentError(f"{tensor.name} has the shape {tensor.shape}; axes {axes} were given for it.")
    kinds = zip((axis in (OUTPUTS, STACK) for axis in axes), tensor.shape, strict=True)
    groups = [
        (moves, math.prod(size for _, size in group))  # whether the output changes along it, and its length
        for moves, group in itertools.groupby(kinds, key=lambda kind: kind[0])
    ]
    by_feature, inner = groups.pop()
    outer = []
    steps = {by_feature: inner, not by_feature: 1}
    for moves, size in reversed(groups):
        outer.append((size, steps[True] if moves else 0, 0 if moves else steps[False]))
        steps[moves] *= size
    return Layout(axes, tensor.shape, (np.array(outer[::-1], np.int64).reshape(-1, 3), max(inner, 1), by_feature))


def directions(features: int) -> Array:
    """Return the directions that units are projected on, (4, features): normal numbers, the same every time."""
    return np.random.default_rng(0x9E3779B9).standard_normal((DIRECTIONS, features))


def stretches(tensor: Tensor, part: range) -> Iterator[tuple[int, Array]]:
    """Yield the values of a part of a tensor, a stretch at a time, each with the flat index of its first."""
    for start in range(part.start, part.stop, STRETCH):
        yield start, tensor.source.flat(start, min(start + STRETCH, part.stop))
