"""Which tensor of one network belongs to which of another: by name, by naming scheme, by shape and content.

Content is looked at last and only for what is left. One pass over each such tensor gives figures that neither its
order nor rounding changes much (mean, deviation, mean size, skewness, kurtosis); the tensors of the same count that are
nearest by these are candidates, and a sample of values decides (:mod:`pondera.reading.comparison.relations`).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pondera.reading.comparison.alike import stored_alike
from pondera.reading.comparison.relations import ROTARY, Relation, extended, likeness, parts, relations, straight
from pondera.weights.collection import Weights
from pondera.weights.quantized.scaled import BESIDE
from pondera.weights.tensor import Tensor

CANDIDATES = 12
"""So many tensors of the nearest figures are looked at."""

FEWEST = 8
"""Tensors of fewer values are not looked for within others: they are found there by chance."""

LIKE, SURE = 0.0, 0.25
"""From this likeness on two tensors belong together; from this one on nothing else can come near."""


@dataclass(frozen=True)
class Match:
    """Two tensors that belong together.

    Attributes
    ----------
    first, second
        The tensors.
    by
        ``"name"``, ``"naming scheme"``, ``"prefix"`` or ``"content"``.
    relation
        How their values lie in each other; None where their shapes do not fit.
    equal
        Whether they are known to be the same bytes.
    """

    first: Tensor
    second: Tensor
    by: str
    relation: Relation | None
    equal: bool = False


def matches(a: Weights, b: Weights) -> tuple[Match, ...]:
    """Return what belongs together, in the order of the first network; each tensor once, but for fused ones.

    Examples
    --------
    >>> matches(Weights.of([], "none"), Weights.of([], "none"))
    ()
    """
    left, right = dict(a.tensors), dict(b.tensors)
    found: list[Match] = []
    for by, pairs in (("name", _same_names), ("naming scheme", _schemes(a, b)), ("prefix", _prefixed)):
        for name, other in list(pairs(left, right)):
            if name in left and other in right:
                found.append(_related(left.pop(name), right.pop(other), by))
    found, apart = _apart(found, left, right)
    found += _by_content(left, right)
    found += _fused(left, right)
    found += [match for match in apart if match.first.name in left and match.second.name in right]
    order = {name: at for at, name in enumerate(a)}
    return tuple(sorted(found, key=lambda match: order[match.first.name]))


Pairs = Iterator[tuple[str, str]]
Named = Mapping[str, Tensor]


def _same_names(left: Named, right: Named) -> Pairs:
    return ((name, name) for name in left if name in right)


def _schemes(a: Weights, b: Weights) -> Callable[[Named, Named], Pairs]:
    def pairs(left: Named, right: Named) -> Pairs:
        from pondera.weights.naming.common import canonical

        if not left or not right:
            return
        slots = {slot: name for name, slot in canonical(b).items() if name in right}
        for name, slot in canonical(a).items():
            if name in left and slot in slots and right[slots[slot]].count == left[name].count:
                yield name, slots[slot]

    return pairs


def _prefixed(left: Named, right: Named) -> Pairs:
    """Yield names that differ by what stands before them, the same for most: ``bert.`` or ``model.``."""
    ends: dict[str, list[str]] = defaultdict(list)
    for side, sign in ((left, 0), (right, 1)):
        for name in side:
            ends[re.split(r"[./]", name)[-1] + f"/{sign}"].append(name)
    votes: Counter[tuple[str, str]] = Counter()
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for end, names in ends.items():
        others = ends.get(end[:-1] + "1", []) if end.endswith("/0") else []
        for name in names:
            for other in others:
                long, short = (name, other) if len(name) > len(other) else (other, name)
                if long.endswith(("." + short, "/" + short)) and left[name].count == right[other].count:
                    key = (long[: -len(short)], "a" if long == name else "b")
                    votes[key] += 1
                    pairs[key].append((name, other))
    for key, count in votes.most_common(1):
        if 2 * count > min(len(left), len(right)):
            yield from pairs[key]


def _related(first: Tensor, second: Tensor, by: str) -> Match:
    """Return two tensors of one name with the relation that a sample of values shows; if none, in the same order."""
    if first.count != second.count:
        more = extended(first, second)
        return Match(first, second, by, more if more is not None and likeness(more) >= LIKE else None)
    plain = straight(first, second)
    if stored_alike(plain.first, plain.second) and _fits(first, second):
        return Match(first, second, by, plain, equal=True)
    return Match(first, second, by, _best(first, second, rotary=True)[1])


def _fits(first: Tensor, second: Tensor) -> bool:
    return any(True for relation in relations(first, second) if relation.words == "")


def _apart(found: list[Match], left: dict[str, Tensor], right: dict[str, Tensor]) -> tuple[list[Match], list[Match]]:
    """Free pairs whose shapes do not fit where others are waiting that do: names such as ``0.weight`` say little.

    Returns the pairs that stay, and those whose tensors are free for now.
    """
    kept, apart = [], []
    counts = Counter(tensor.count for tensor in (*left.values(), *right.values()))
    for match in found:
        if match.relation is None and (counts[match.first.count] or counts[match.second.count]):
            left[match.first.name], right[match.second.name] = match.first, match.second
            apart.append(match)
        else:
            kept.append(match)
    return kept, apart


def _by_content(left: dict[str, Tensor], right: dict[str, Tensor]) -> list[Match]:
    counts = {tensor.count for tensor in left.values()} & {tensor.count for tensor in right.values()} - {0}
    prints = [
        {name: _print(tensor) for name, tensor in side.items() if tensor.count in counts} for side in (left, right)
    ]
    found: list[Match] = []
    for rotary in (False, True):  # there are many orders of rows: they are tried once nothing simpler is left
        while more := _round(left, right, prints, rotary):
            found += more
    return found


def _round(
    left: dict[str, Tensor], right: dict[str, Tensor], prints: list[dict[str, tuple[float, ...]]], rotary: bool
) -> list[Match]:
    """Return the best pairs among the nearest candidates of each, and take them out of what is left."""
    scored: list[tuple[float, float, str, str, Relation]] = []
    found = []
    for name, tensor in list(left.items()):
        one = prints[0].get(name, ())
        fitting = [other for other, each in right.items() if each.count == tensor.count and other in prints[1]]
        nearest = sorted(fitting, key=lambda other: _distance(one, prints[1][other]))
        for other in nearest[: CANDIDATES // (3 if rotary else 1)]:
            like, relation = _best(tensor, right[other], rotary)
            if relation is not None and like >= SURE:
                found.append(Match(left.pop(name), right.pop(other), "content", relation))
                break
            if relation is not None and like >= LIKE:
                scored.append((-like, _distance(one, prints[1][other]), name, other, relation))
    for _, _, name, other, relation in sorted(scored, key=lambda each: each[:2]):
        if name in left and other in right:
            found.append(Match(left.pop(name), right.pop(other), "content", relation))
    return found


def _best(first: Tensor, second: Tensor, rotary: bool) -> tuple[float, Relation | None]:
    """Return the likeliest relation of two tensors and its likeness; the first one where none is likely."""
    reached, best = -math.inf, None
    for relation in relations(first, second):
        if relation.kind == ROTARY and not rotary:
            break
        like = likeness(relation)
        if best is None or (like >= LIKE and like > reached):
            reached, best = like, relation
        if reached >= SURE:
            break
    return reached, best


def _print(tensor: Tensor) -> tuple[float, ...]:
    """Return figures of a tensor's values that their order does not change, each of about the size of 1."""
    from pondera.reading.statistics import statistics_of

    if tensor.dtype.startswith("complex"):
        return ()
    found = statistics_of(tensor)
    if not found.deviation > 0:
        return (math.nan, found.mean, 0.0, 0.0, 0.0)
    return (
        100 * math.log(found.deviation),
        100 * found.mean / found.deviation,
        100 * found.l1 / (found.count * math.hypot(found.deviation, found.mean)),
        10 * found.skewness,
        10 * math.log(max(found.kurtosis + 3, 1.0)),
    )


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    apart = [abs(a - b) for a, b in zip(one, other, strict=False)]
    return max((each for each in apart if each == each), default=math.inf)


def _fused(left: dict[str, Tensor], right: dict[str, Tensor]) -> list[Match]:
    """Return the parts of fused tensors, both ways round."""
    found = []
    for small, big, back in ((left, right, False), (right, left, True)):
        used: set[str] = set()
        pieces = [tensor for tensor in small.values() if tensor.count >= FEWEST and _is_float(tensor)]
        for whole in [tensor for tensor in big.values() if _is_float(tensor)]:
            taken: set[tuple[int, int, int]] = set()
            for tensor in sorted(pieces, key=lambda tensor: _numbers(tensor.name) != _numbers(whole.name)):
                full = sum(length for _, _, length in taken) >= max(whole.shape, default=0)
                if full or tensor.name not in small:
                    continue
                relation = next(
                    (each for each in parts(tensor, whole) if each.place not in taken and _like(each)), None
                )
                if relation is None:
                    continue
                taken.add(relation.place)
                used.add(whole.name)
                del small[tensor.name]
                found.append(
                    Match(whole, tensor, "content", relation.swapped())
                    if back
                    else Match(tensor, whole, "content", relation)
                )
        for name in used:
            del big[name]
    return found


def _is_float(tensor: Tensor) -> bool:
    """Whether it holds weights, and not what an ONNX file has beside them: shapes, indices, masks."""
    return tensor.dtype.endswith(BESIDE) or not tensor.dtype.startswith(("int", "uint", "bool"))


def _like(relation: Relation) -> bool:
    return likeness(relation) >= LIKE


def _numbers(name: str) -> list[str]:
    return re.findall(r"\d+", name)[:1]
