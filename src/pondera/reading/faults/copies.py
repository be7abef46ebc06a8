"""Layers that are another layer: written, or loaded, in its place.

Sharing by design leaves the same trace: tied tensors saved twice, blocks that share their weights, networks grown from
copies of their blocks, experts that begin alike. It comes in numbers, or in whole blocks. A mistake is one tensor that
is another while what is numbered along with it is not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pondera.findings import Finding
from pondera.reading.faults.design import COMPUTED, design_of
from pondera.reading.faults.facts import FLOATS, WEIGHT, Facts
from pondera.reading.faults.rule import certainty_of
from pondera.reading.series import family, lines, natural, patterns
from pondera.weights.layers import STATE
from pondera.weights.mapped import look
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import Array, Mapped, Tensor

SMALLEST = 1024
"""Bytes of a tensor that is the same as another not by chance."""

POSSIBLY = "possibly copied layer"
"""The rule of two tensors that are not two of three or more that are counted: such are shared by design more often."""

FEWEST = 3
"""Tensors of a series, of which one is another one by mistake."""

PARTS = re.compile(r"[./]")
"""What stands between the parts of a name."""

MORE_NUMBER = re.compile(r"_?\d")
"""How a name goes on that has another number."""

CODES = ("weight", "packed")
"""Roles of tensors of integers that are weights."""

NO_WEIGHTS = (*STATE, "scales", "zero_points")
"""Roles of tensors that are gathered in training, or belong to codes."""

Figures = tuple[Any, ...]
"""What two tensors have in common that may be the same: dtype, shape, and figures."""


def copied(facts: Facts) -> Iterator[Finding]:
    """Pairs of tensors that are the same in every byte, while neither their like nor what is beside them is."""
    learned = {name: key for name in facts.statistics if (key := _figures(facts, name)) is not None}
    groups = list(_same(facts, learned))
    series = lines(learned) if groups else {}
    alike = Counter(frozenset(map(family, group)) for group in groups)
    for group in groups:
        if len(group) != 2 or alike[frozenset(map(family, group))] > 1:
            continue  # shared by several, or again and again
        one, other = group
        roots = _roots(one, other, series)
        if (
            roots is None
            or _is_more(facts, learned, one, *roots)
            or _is_of_tokens(facts, *group)
            or design_of(facts, one) in COMPUTED
        ):
            continue
        several = _are_counted(facts, one, other, series)
        doubt = "" if several else ": possibly one was put in the place of the other"
        yield Finding(
            f"{other} is the same as {one}, in every byte{doubt}.",
            {"other": one, "values": facts.weights[other].count},
            "comparison of bytes, of tensors whose figures are the same; weights that are shared in whole blocks, or "
            "again and again, are left out",
            certainty=certainty_of("copied layer" if several else POSSIBLY),
            advice="One was probably written, or loaded, in place of the other. Load it again from where "
            "it came from. If these layers share their weights, or grew from one, it is meant so.",
            rule="" if several else POSSIBLY,
            where=other,
        )


def _figures(facts: Facts, name: str) -> Figures | None:
    """Return what tensors have in common that may be the same; None of those that are no weights, or one value only."""
    tensor, figures = facts.weights.get(name), facts.statistics[name]
    layer, role = facts.owners.get(name, (None, ""))
    if tensor is None or not figures.minimum < figures.maximum or role in NO_WEIGHTS:
        return None
    if not (tensor.dtype in FLOATS or tensor.dtype in ENCODINGS):
        known = layer is not None and layer.kind != "unknown"
        if not (role in CODES if known else WEIGHT.search(name)):
            return None
    return tensor.dtype, tensor.shape, figures.l2, figures.mean, figures.minimum, figures.maximum


def _same(facts: Facts, learned: Mapping[str, Figures]) -> Iterator[list[str]]:
    """Yield the names of tensors that are the same in every byte; tensors that are one place of the file are one."""
    alike: dict[Figures, list[str]] = {}
    for name in sorted(learned, key=natural):
        if facts.weights[name].nbytes >= SMALLEST:
            alike.setdefault(learned[name], []).append(name)
    for names in alike.values():
        while len(names) > 1:
            first = facts.weights[names[0]]
            same = [name for name in names[1:] if _equal(first, facts.weights[name])]
            places = {_place_of(facts.weights[name]): name for name in reversed([names[0], *same])}
            if len(places) > 1:
                yield sorted(places.values(), key=natural)
            names = [name for name in names[1:] if name not in same]


def _place_of(tensor: Tensor) -> tuple[int, int]:
    source = tensor.source
    return (id(source.buffer), source.start) if isinstance(source, (Mapped, Blocks)) else (id(source), 0)


def _equal(one: Tensor, other: Tensor) -> bool:
    if _place_of(one) == _place_of(other):
        return True
    return all(np.array_equal(a, b) for a, b in zip(_stored(one), _stored(other), strict=True))


def _stored(tensor: Tensor) -> Iterator[Array]:
    """Yield the bytes of a tensor; of blocks those that are stored, which several of may stand for the same values."""
    source = tensor.source
    if isinstance(source, Blocks):
        look(source.buffer, source.nbytes)
        yield np.frombuffer(source.buffer, np.uint8, source.nbytes, source.start)
    else:
        yield from (chunk.view(np.uint8) for chunk in tensor.chunks())


def _roots(one: str, other: str, series: Mapping[str, list[str]]) -> tuple[str, str] | None:
    """Return how two names begin, up to where they differ; None where they differ in more than one part."""
    for pattern in patterns(one).keys() & patterns(other).keys():
        rest = len(pattern) - pattern.index("*") - 1
        return one[: len(one) - rest], other[: len(other) - rest]
    first, second = PARTS.split(one), PARTS.split(other)
    differ = [at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b]
    if len(first) != len(second) or len(differ) != 1:
        return None
    rest = sum(len(part) + 1 for part in first[differ[0] + 1 :])
    return one[: len(one) - rest], other[: len(other) - rest]


def _is_more(facts: Facts, learned: Mapping[str, Figures], one: str, root: str, second: str) -> bool:
    """Whether what stands beside a tensor in its block, in other layers, is the same in the other block, too."""
    own = facts.owners.get(one, (None, ""))[0]
    for name, figures in learned.items():
        rest = name.removeprefix(root)
        layer = facts.owners.get(name, (None, ""))[0]
        apart = name != one and (layer is None or layer is not own)
        if apart and name.startswith(root) and not MORE_NUMBER.match(rest) and learned.get(second + rest) == figures:
            return True
    return False


def _is_of_tokens(facts: Facts, one: str, other: str) -> bool:
    """Whether one of two tensors is an embedding, or an output layer of its shape: such are tied, and saved twice."""
    places = (facts.by_name.get(name) for name in (one, other))
    return any(place is not None and (place.kind == "embedding" or facts.is_of_tokens(place)) for place in places)


def _are_counted(facts: Facts, one: str, other: str, series: Mapping[str, list[str]]) -> bool:
    """Whether two tensors are two of a series of three or more of one shape."""
    shape = facts.weights[one].shape
    return any(
        sum(name in facts.weights and facts.weights[name].shape == shape for name in series[pattern]) >= FEWEST
        for pattern in patterns(one).keys() & patterns(other).keys()
    )
