"""What a tensor was made as, where no training made it: asked once for each, by rules that have something to say of it.

Some tensors are computed, and look like faults of what is learned: sines begin with zeros, a filter that blurs is the
same for every channel, an identity is nearly all zeros. They are known by what they are, not by what they are called.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pondera.reading.faults.facts import Facts, Place
from pondera.reading.faults.fixed import is_fixed
from pondera.weights.tensor import Array

WAVES = "waves"
"""Sines and cosines: a Fourier transform, embeddings of places."""

KERNEL = "one kernel"
"""A filter for each channel by itself, the same for all: bilinear interpolation, a blur, a derivative."""

AVERAGE = "an average"
"""Such a filter whose values are all the same and add up to 1."""

DIAGONAL = "a diagonal"
"""An identity, or one kernel from each channel to itself, and zeros."""

MASK = "a mask"
"""Zeros, and one number that shuts off what it is added to."""

COMPUTED = frozenset({WAVES, KERNEL, AVERAGE, DIAGONAL, MASK})
"""Every design: rules about training, and about copies within a tensor, say nothing of these."""

MOST_VALUES = 1 << 24
"""Larger tensors are not judged."""

SHUT = 1e4
"""What masks add to what they shut off is below minus this."""


def design_of(facts: Facts, name: str) -> str:
    """Return what a tensor was made as; ``""`` where nothing shows it.

    Examples
    --------
    >>> from pondera.reading.statistics import statistics_of
    >>> from pondera.weights.collection import Weights
    >>> from pondera.weights.tensor import Mapped, Tensor
    >>> data = np.eye(16, dtype=np.float32)
    >>> tensor = Tensor("w.weight", (16, 16), "float32", Mapped(memoryview(data).cast("B"), 0, data.dtype, 256))
    >>> design_of(Facts(Weights.of([tensor], ""), {tensor.name: statistics_of(tensor)}), tensor.name)
    'a diagonal'
    """
    if name not in facts.designs:
        place = facts.by_name.get(name)
        found = (design for design, shows in _SHOWN.items() if place is not None and shows(facts, place))
        facts.designs[name] = next(found, "")
    return facts.designs[name]


def _is_mask(facts: Facts, place: Place) -> bool:
    figures = place.figures
    shut = figures.infinite if figures.minimum == figures.maximum == 0 else figures.count - figures.zeros
    if figures.nan or not shut or not 0 < figures.zeros == figures.count - shut:
        return False
    return bool(figures.infinite == shut or (figures.minimum < -SHUT and _is_one_number(place)))


def _is_one_number(place: Place) -> bool:
    """Whether all values that are not zero are the least of them: they then have the mean and the size it gives."""
    figures = place.figures
    least = abs(figures.minimum)
    return math.isclose(figures.l1 / least, figures.count - figures.zeros, rel_tol=1e-9)


def _is_average(facts: Facts, place: Place) -> bool:
    figures, size = place.figures, _kernel_size(place)
    return size > 1 and figures.minimum == figures.maximum and math.isclose(figures.minimum * size, 1, rel_tol=1e-3)


def _is_one_kernel(facts: Facts, place: Place) -> bool:
    size = _kernel_size(place)
    if size < 2 or place.tensor.count == size or place.figures.minimum == place.figures.maximum:
        return False
    values = _values(place)
    channels = values.reshape(-1, size) if place.tensor.shape[1] == 1 else values.reshape(size, -1).T
    return bool((channels == channels[0]).all())


def _kernel_size(place: Place) -> int:
    """Return how many places the kernel has of a filter for each channel by itself; 0 for any other tensor.

    It lies as (channels, 1, *places), or as (*places, channels, 1).
    """
    shape = place.tensor.shape
    if len(shape) < 3 or not place.tensor.count:
        return 0
    return math.prod(shape[2:]) if shape[1] == 1 else math.prod(shape[:-2]) if shape[-1] == 1 else 0


def _is_diagonal(facts: Facts, place: Place) -> bool:
    shape, figures = place.tensor.shape, place.figures
    for first, second in ((0, 1), (-2, -1)) if len(shape) > 1 else ():
        if shape[first] == shape[second] > 1 and (figures.count - figures.zeros) * shape[first] <= figures.count:
            blocks = np.moveaxis(_values(place), (first, second), (0, 1))
            here = np.arange(shape[first])
            own = blocks[here, here]
            if own.any() and (own == own[0]).all() and np.count_nonzero(blocks) == np.count_nonzero(own):
                return True
    return False


def _are_waves(facts: Facts, place: Place) -> bool:
    return place.tensor.ndim > 1 and is_fixed(facts, place.name)


def _values(place: Place) -> Array:
    return place.tensor.source.flat(0, place.tensor.count).reshape(place.tensor.shape)


def _of_moderate_size(shows: Callable[[Facts, Place], bool]) -> Callable[[Facts, Place], bool]:
    return lambda facts, place: place.tensor.count <= MOST_VALUES and shows(facts, place)


_SHOWN: dict[str, Callable[[Facts, Place], bool]] = {
    MASK: _is_mask,
    AVERAGE: _is_average,
    DIAGONAL: _of_moderate_size(_is_diagonal),
    KERNEL: _of_moderate_size(_is_one_kernel),
    WAVES: _are_waves,
}
"""Design -> what shows it, from the cheapest."""
