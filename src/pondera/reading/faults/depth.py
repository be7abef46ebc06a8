"""Scale along depth: what layers multiply by, one after the other."""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from pondera.choice import listed
from pondera.findings import Finding
from pondera.reading.faults.facts import Facts, Place
from pondera.reading.faults.rule import certainty_of
from pondera.reading.series import COUNTED, family, numbers_of
from pondera.weights.layers import Layer

PRODUCT = "possibly scale along depth"
"""The rule of products: whether layers follow each other with nothing between them, weights alone do not tell."""

FEWEST = 4
"""Layers that a depth has at least."""

FACTOR = 30.0
"""A layer is out of scale where it is so many times larger or smaller than the median of its like. So are layers that
grow, or shrink, so many times from the smallest to the largest."""

GAINS = 300.0
"""The same for gains of normalization, which learn to differ more from place to place."""

FROM_ZERO = re.compile(r"(^|[._/])(controlnet_(down|mid)_block|zero_conv)s?([._/]|$)")
"""Layers that begin at zero and stand beside each other: how far each has come is no question of scale."""

BESIDE = re.compile(r"((?<![A-Za-z])(expert|head|branch|tower|member)|Expert|Head|Branch|Tower|Member)(e?s)?(?![a-z])")
"""In the names of layers that are numbered and stand beside each other, not one after the other."""

MOST_RANKED = 200
"""Layers whose order is looked at."""

PER_LAYER = (0.3, 4.0)
"""The geometric mean of the layers' gains that is healthy, where nothing normalizes between them, …"""

WHOLE = 1e3
"""… unless the product of the gains, or one over it, stays below this."""

ALONE = 100.0
"""A layer's gain is out of scale where it is so many times the median of those around it, whatever their shapes."""

GAIN = "‖W‖F / √outputs of each layer: the factor for inputs that are independent and of one scale"
ADVICE = (
    "What passes through explodes or vanishes here, unless normalization follows at once. Look at the gradients of "
    "this layer, clip them, or load it again if it came from elsewhere."
)


def out_of_scale(facts: Facts) -> Iterator[Finding]:
    """Layers of one kind at different depths of which some are far larger or smaller than the others."""
    named: set[str] = set()
    for name, places in _alike(facts):
        sizes = [place.size for place in places]
        median = statistics.median(sizes)
        factor = GAINS if places[0].kind == "normalization" else FACTOR
        odd = [place for place in places if not median / factor < place.size < median * factor]
        odd = [place for place in odd if not _is_made_up_for(facts, place, places)]
        if (
            not odd
            and factor == FACTOR
            and len(places) > FEWEST
            and max(sizes) > FACTOR * min(sizes)
            and _is_trend(sizes)
        ):
            odd = [min(places, key=lambda place: place.size), max(places, key=lambda place: place.size)]
        if not odd or not median > 0:
            continue
        named.update(place.name for place in odd)
        first = odd[0]
        times = first.size / median
        others = f" Also out of scale: {listed([place.name for place in odd[1:]])}." if len(odd) > 1 else ""
        yield Finding(
            f"{first.name} is {_times(times)} than the same weights elsewhere ({name}, median "
            f"√(Σ w² / n) {median:.3g}, from {min(sizes):.3g} to {max(sizes):.3g}).{others}",
            {"size": first.size, "median": median, "sizes": sizes[:1000], "odd": [place.name for place in odd][:1000]},
            "√(Σ w² / n) against the median of the layers of the same name and shape",
            certainty=certainty_of("scale along depth"),
            advice=ADVICE,
            where=first.name,
        )
    yield from _products(facts, named)


def _is_made_up_for(facts: Facts, place: Place, places: Sequence[Place]) -> bool:
    """Whether the normalization of a layer's outputs divides by as much as the layer is out of scale.

    Its running variance is of what the layer gives: where it grew or shrank along with the weights, nothing changes.
    """
    passed = {each.name: each.size / deviation for each in places if (deviation := _deviation_after(facts, each))}
    if place.name not in passed or len(passed) < FEWEST:
        return False
    median = statistics.median(passed.values())
    return median / FACTOR < passed[place.name] < median * FACTOR


def _deviation_after(facts: Facts, place: Place) -> float | None:
    """Return the deviation that the normalization with the number of a layer, or the next one, divides by."""
    name = _name(place)
    block, _, last = name.rpartition(".")
    numbers = numbers_of(last)
    following = str(numbers[-1] + 1) if last.isdecimal() else None
    for other in facts.normalizing.get(block, ()):
        own = other.name.rpartition(".")[2]
        if own == following or (following is None and numbers_of(own) == numbers):
            variance = facts.statistics.get(other.tensors["variance"])
            if variance is not None and variance.mean > 0:
                return math.sqrt(variance.mean)
    return None


def _is_trend(sizes: Sequence[float]) -> bool:
    """Whether sizes rise, or fall, with depth: nearly all pairs of layers are in that order (Kendall's τ ≥ 0.8)."""
    pairs = [(a, b) for i, a in enumerate(sizes[:MOST_RANKED]) for b in sizes[i + 1 : MOST_RANKED]]
    rising = sum(b > a for a, b in pairs)
    return max(rising, len(pairs) - rising) >= 0.9 * len(pairs)


def _alike(facts: Facts) -> list[tuple[str, list[Place]]]:
    """Return what names have in common, and the tensors of one shape that have them, in the order of the numbers."""
    groups: dict[tuple[str, tuple[int, ...]], list[Place]] = {}
    gains = (place for place in facts.floats if place.kind == "normalization" and place.role == "weight")
    for place in (*facts.connections, *gains):
        learned = place.kind != "embedding" and not FROM_ZERO.search(place.name)
        if learned and place.size > 0 and math.isfinite(place.size):
            groups.setdefault((family(place.name), place.tensor.shape), []).append(place)
    ordered = [sorted(some, key=lambda place: numbers_of(place.name)) for some in groups.values()]
    return [(COUNTED.sub("*", some[-1].name), some) for some in ordered if len(some) >= FEWEST]


def _products(facts: Facts, named: Collection[str]) -> Iterator[Finding]:
    """Layers that follow each other without normalization, whose gains multiply to something huge or tiny."""
    if not facts.weights.whole or any(layer.kind == "normalization" for layer in facts.layers):
        return
    for chain in _chains(facts):
        yield from _product(chain, named)


def _product(chain: Sequence[Place], named: Collection[str]) -> Iterator[Finding]:
    gains = [gain_of(place) for place in chain]
    if not all(0 < gain < math.inf for gain in gains):
        return
    median = statistics.median(gains)
    for place, gain in zip(chain, gains, strict=True):
        if place.name not in named and not median / ALONE < gain < median * ALONE:
            yield Finding(
                f"{place.name} multiplies the scale of what passes through by {gain:.3g}; the layers around it by "
                f"{median:.3g} (median).",
                {"gain": gain, "median": median, "gains": gains[:1000]},
                GAIN,
                certainty=certainty_of("scale along depth"),
                advice=ADVICE,
                where=place.name,
            )
    product = sum(map(math.log10, gains))
    mean = 10 ** (product / len(gains))
    if PER_LAYER[0] <= mean <= PER_LAYER[1] or abs(product) < math.log10(WHOLE):
        return
    what = "vanishes" if mean < 1 else "explodes"
    yield Finding(
        f"What passes through the {len(chain)} layers from {_name(chain[0])} to {_name(chain[-1])} possibly {what}: "
        f"each multiplies its scale by {mean:.2g} on average, all together by 10^{product:.1f}, if they follow each "
        "other with nothing between them.",
        {
            "gains": gains[:1000],
            "mean": mean,
            "log10_product": product,
            "layers": len(chain),
            "chain": [place.name for place in chain][:1000],
        },
        GAIN,
        "He et al. 2015, arXiv 1502.01852, on the scale along depth",
        certainty_of(PRODUCT),
        "Weights do not tell of connections that skip layers, nor of factors outside of the layers; where there are "
        "such, nothing is wrong. Else start the weights with He's or Glorot's scale, or put normalization between the "
        "layers; if gradients are clipped to tiny steps or the loss is NaN, this is why.",
        PRODUCT,
        chain[0].name,
    )


def _chains(facts: Facts) -> Iterator[list[Place]]:
    """Yield the layers that are known to follow each other: those numbered in one series, in the order of the numbers.

    The order of a file tells nothing: many writers sort by name. Numbers tell where they are all that differs in the
    names of a series, nothing else is counted along with it, and each layer takes what the one before gives.
    """
    series: dict[str, list[Place]] = {}
    beginnings: Counter[str] = Counter()
    for place in facts.connections:
        if place.role == "weight" and place.layer is not None and place.kind != "embedding":
            series.setdefault(family(place.layer.name), []).append(place)
    for places in series.values():
        beginnings.update({_beginning(place) for place in places})
    for places in series.values():
        chain = sorted(places, key=lambda place: numbers_of(_name(place)))
        if (
            len(chain) >= FEWEST
            and all(place.kind in ("dense", "convolution") for place in chain)
            and all(beginnings[_beginning(place)] == 1 for place in chain)
            and len({numbers_of(_name(place)) for place in chain}) == len(chain)
            and not BESIDE.search(_name(chain[0]))
            and not FROM_ZERO.search(_name(chain[0]))
            and _follow(chain)
        ):
            yield chain


def _times(ratio: float) -> str:
    """Return how many times larger or smaller something is.

    >>> _times(100.0), _times(0.036)
    ('100 times larger', '27.8 times smaller')
    """
    return f"{ratio:.3g} times larger" if ratio >= 1 else f"{1 / ratio:.3g} times smaller"


def _name(place: Place) -> str:
    return place.layer.name if place.layer is not None else place.name


def _beginning(place: Place) -> str:
    """Return what stands before the first number in the name of a layer: series that share it are counted together."""
    return COUNTED.split(_name(place), maxsplit=1)[0]


def _follow(chain: Sequence[Place]) -> bool:
    """Whether each layer takes what the one before gives."""
    return all(_fits(a.layer, b.layer) for a, b in itertools.pairwise(chain) if a.layer and b.layer)


def _fits(before: Layer, after: Layer) -> bool:
    if not before.outputs or not after.inputs:
        return False
    # After a convolution the next layer may take the places, too, flattened.
    if before.kind == "convolution":
        return after.inputs % before.outputs == 0
    return after.inputs == before.outputs


def gain_of(place: Place) -> float:
    """Return ‖W‖F / √outputs, times what the network multiplies these weights by besides."""
    outputs = place.layer.outputs if place.layer and place.layer.outputs else 1
    factor = place.layer.factor if place.layer else 1.0
    return factor * place.figures.l2 / math.sqrt(outputs)
