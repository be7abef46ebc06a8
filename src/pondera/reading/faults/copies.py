"""Layers that are another layer: written, or loaded, in its place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pondera.findings import Finding
from pondera.reading.faults.facts import Facts, Place
from pondera.reading.faults.rule import NUMBER, certainty_of, numbers_of
from pondera.weights.tensor import Mapped, Tensor

SMALLEST = 1024
"""Bytes of a tensor that is the same as another not by chance."""


def copied(facts: Facts) -> Iterator[Finding]:
    """Layers that are bit for bit another one of their series, which are not all the same and not tied."""
    series: dict[tuple[str, str, tuple[int, ...]], list[Place]] = {}
    for place in facts.connections:
        pattern = NUMBER.sub("*", place.name)
        if pattern != place.name and place.tensor.nbytes >= SMALLEST and place.figures.minimum < place.figures.maximum:
            series.setdefault((pattern, place.tensor.dtype, place.tensor.shape), []).append(place)
    for places in series.values():
        alike: dict[tuple[float, ...], list[Place]] = {}
        for place in sorted(places, key=lambda each: numbers_of(each.name)):
            figures = place.figures
            alike.setdefault((figures.l2, figures.mean, figures.minimum, figures.maximum), []).append(place)
        if len(alike) == 1:  # shared on purpose
            continue
        for first, *others in alike.values():
            for other in others:
                if not _in_one_place(first.tensor, other.tensor) and _same_values(first.tensor, other.tensor):
                    yield Finding(
                        f"{other.name} is {first.name} bit for bit.",
                        {"other": first.name, "values": other.tensor.count},
                        "comparison of bytes, of layers of one series whose figures are the same",
                        certainty=certainty_of("copied layer"),
                        advice="One was probably written, or loaded, in place of the other. Load it again from where "
                        "it came from. If layers were copied on purpose, as growing a network does, it is meant so.",
                        where=other.name,
                    )


def _in_one_place(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same bytes of the file: tied weights."""
    a, b = one.source, other.source
    return isinstance(a, Mapped) and isinstance(b, Mapped) and a.buffer is b.buffer and a.start == b.start


def _same_values(one: Tensor, other: Tensor) -> bool:
    return all(
        np.array_equal(a.view(np.uint8), b.view(np.uint8)) for a, b in zip(one.chunks(), other.chunks(), strict=True)
    )
