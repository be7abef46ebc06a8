"""Faults that are planted in the networks of the zoo.

The tensors that a fault may be planted in are those that its rule is asked about: hits and false alarms are counted
over the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.zoo_forms import with_codes
from benchmarks.zoo_networks import Specimen, is_float
from pondera.reading.series import lines, stacks
from pondera.weights.layers import OUTPUTS
from pondera.weights.tensor import Array

Random = np.random.Generator
Places = Callable[[Specimen], Sequence[str]]


class Damage(NamedTuple):
    """What happens to the bytes of a file where a tensor lies.

    Attributes
    ----------
    tensor
        Its name.
    change
        The bytes of the file, where the tensor begins, where it ends.
    """

    tensor: str
    change: Callable[[Array, int, int], None]


Plant = Callable[[Specimen, str, Random], Mapping[str, Array] | Specimen | Damage]


class Fault(NamedTuple):
    """How a fault is planted.

    Attributes
    ----------
    places
        A network -> the tensors that may have the fault; of faults of a whole network, those it may begin at.
    plant
        A network, one of these tensors -> the network with the fault, the arrays that are other ones, or what becomes
        of the bytes of its file.
    whole
        Whether it is a network that is right or wrong, not a tensor.
    found_by
        The rules that find it; the one it is named after where there are none.
    """

    places: Places
    plant: Plant
    whole: bool = False
    found_by: tuple[str, ...] = ()


# Which tensors may have a fault.


def floats(fewest: int = 1) -> Places:
    """Give all floats of so many values, learned or not, but for masks of infinities."""
    return lambda specimen: [
        name
        for name, array in specimen.arrays.items()
        if array.size >= fewest and is_float(array) and np.isfinite(array.astype(np.float32)).all()
    ]


def matrices(fewest: int = 1) -> Places:
    """Give connections that were learned."""
    return lambda specimen: specimen.matrices(fewest)


def started(fewest: int, bias: bool) -> Places:
    """Give connections that began at random, with a bias or without."""

    def places(specimen: Specimen) -> Sequence[str]:
        names = [name for name in specimen.matrices(fewest) if (name in specimen.biases) == bias]
        starts = {name: specimen.starts.get(name.removesuffix("_orig")) for name in names}
        return [name for name, start in starts.items() if start is not None and np.ptp(start) > 0]

    return places


def clipped(specimen: Specimen) -> Sequence[str]:
    """Give connections, floats or codes."""
    return [name for name in specimen.axes if specimen.arrays[name].size >= 1024]


def of_units(fewest: int) -> Places:
    """Give connections of eight units or more, of so many weights each.

    Tokens are none, as some may never occur, nor are the factors of adapters.
    """

    def places(specimen: Specimen) -> Sequence[str]:
        names = [name for name in specimen.matrices(256) if name not in specimen.tokens and "lora" not in name]
        units = ((name, units_of(specimen, name)) for name in names)
        return [name for name, rows in units if len(rows) >= 8 and rows[0].size >= fewest]

    return places


def in_series(specimen: Specimen) -> Sequence[str]:
    """Give connections of which three or more of one shape are counted, and differ."""
    return sorted({name for names in _series(specimen, 3) for name in names})


def beside(specimen: Specimen) -> Sequence[str]:
    """Give queries, whose keys have the same shape."""
    return [
        name
        for name in specimen.matrices(256)
        if "q_proj" in name and name.replace("q_proj", "k_proj") in specimen.arrays
    ]


def of_four(specimen: Specimen) -> Sequence[str]:
    """Give connections of which four or more of one shape are counted."""
    return sorted({name for names in _series(specimen, 4) for name in names if specimen.chain})


def in_blocks(specimen: Specimen) -> Sequence[str]:
    """Give tensors of the blocks between the first and the last."""
    found = []
    for prefix, blocks in stacks(specimen.arrays).items():
        within = sorted(blocks)[1:-1] if len(blocks) >= 4 else []
        found += [f"{prefix}{number}{mark}{rest}" for number in within for mark in "./" for rest in blocks[number]]
    return [name for name in found if name in specimen.arrays]


def _series(specimen: Specimen, fewest: int) -> list[list[str]]:
    """Return connections that are counted, of one shape, so many of which differ."""
    found = []
    for names in lines(name for name in specimen.matrices(256) if name not in specimen.tokens).values():
        for shape in {specimen.arrays[name].shape for name in names}:
            some = [name for name in names if specimen.arrays[name].shape == shape]
            if len({specimen.arrays[name].tobytes() for name in some}) >= fewest:
                found.append(some)
    return found


def units_of(specimen: Specimen, name: str) -> Array:
    """Return a copy of a tensor with the axis of its outputs first."""
    return np.moveaxis(np.array(specimen.arrays[name]), specimen.axes[name].index(OUTPUTS), 0)


def _as_before(specimen: Specimen, name: str, units: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(units, 0, specimen.axes[name].index(OUTPUTS)))


# How the fault is made.


def back(*roles: str) -> Plant:
    """Put a layer, or a part of it, back to where training began."""

    def plant(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
        names = {"weight": name, "bias": specimen.biases.get(name, "")}
        return {names[role]: specimen.starts[names[role]] for role in roles}

    return plant


SECTOR = 512


def zero_run(specimen: Specimen, name: str, random: Random) -> Damage:
    """Two sectors of the file or more are zeros, or all of it from somewhere in the tensor on."""
    share, to_end = random.random(2), random.integers(3) == 0

    def change(data: Array, begin: int, end: int) -> None:
        first, last = -(-begin // SECTOR), end // SECTOR
        most = max((end - begin) // 3 // SECTOR, 2)
        length = 2 + int(share[1] * (most - 1))
        at = first + int(share[0] * max(last - first - length + 1, 1))
        data[at * SECTOR : None if to_end else (at + length) * SECTOR] = 0

    return Damage(name, change)


def random_bytes(specimen: Specimen, name: str, random: Random) -> Damage:
    """One to sixteen sectors of the file are random."""
    share, noise, count = random.random(), random.integers(0, 256, 16 * SECTOR).astype(np.uint8), random.integers(1, 17)

    def change(data: Array, begin: int, end: int) -> None:
        length = min(count, (end - begin) // 2 // SECTOR)
        first, last = -(-begin // SECTOR), end // SECTOR
        at = first + int(share * max(last - first - length + 1, 1))
        data[at * SECTOR : (at + length) * SECTOR] = noise[: length * SECTOR]

    return Damage(name, change)


def repeated(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """Pages of a tensor are there twice, at the cost of others."""
    array = np.array(specimen.arrays[name])
    data = array.reshape(-1).view(np.uint8)
    pages = data.size // 4096
    length = 4096 * int(random.integers(1, max(pages // 3, 1) + 1))
    first, second = sorted(int(n) for n in random.choice(pages - length // 4096 + 1, 2, replace=False) * 4096)
    length = min(length, second - first)
    data[second : second + length] = data[first : first + length]
    return {name: array}


def copied(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """A tensor is another one of its series."""
    names = next(names for names in _series(specimen, 3) if name in names)
    others = [each for each in names if not np.array_equal(specimen.arrays[each], specimen.arrays[name])]
    return {name: specimen.arrays[str(random.choice(others))].copy()}


def key_for_query(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """Keys are where queries should be."""
    return {name: specimen.arrays[name.replace("q_proj", "k_proj")].copy()}


def saturated(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array] | Specimen:
    """Floats are clipped, or integers made with a scale that is too small: 2 to 20 % of the values are beyond it."""
    beyond = float(random.choice([0.02, 0.05, 0.1, 0.2]))
    if random.integers(2):
        return with_codes(specimen, False, 1 - beyond)
    array = specimen.arrays[name]
    limit = np.quantile(np.abs(array), 1 - beyond)
    return {name: np.clip(array, -limit, limit)}


def duplicated(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """A tenth of the units, two at least, are copies of others."""
    units = units_of(specimen, name)
    count = max(len(units) // 10, 2)
    chosen = random.permutation(len(units))[: 2 * count]
    units[chosen[:count]] = units[chosen[count:]]
    return {name: _as_before(specimen, name, units)}


def dead(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """Some units have no weights, or weights that decay made vanish."""
    units = units_of(specimen, name)
    across = bool(random.integers(2)) and units.ndim == 2 and units.shape[1] >= 8
    units = units.T.copy() if across else units
    gone = random.permutation(len(units))[: max(int(len(units) * random.choice([0.02, 0.1, 0.5])), 1)]
    units[gone] *= np.float32(random.choice([0.0, 1e-9]))
    return {name: _as_before(specimen, name, units.T if across else units)}


def one_value(specimen: Specimen, name: str, random: Random, values: Callable[[Random], float]) -> Mapping[str, Array]:
    """One value is another."""
    array = np.array(specimen.arrays[name])
    array.reshape(-1)[random.integers(array.size)] = values(random)
    return {name: array}


def not_finite(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """One value is NaN or infinite."""
    return one_value(specimen, name, random, lambda random: random.choice([np.nan, np.inf, -np.inf]))


def beyond_half(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """A value is beyond float16."""
    return one_value(specimen, name, random, lambda random: random.choice([-1, 1]) * random.uniform(65_520, 1e6))


def constant(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """A matrix is all zero, or all one value."""
    return {name: np.full_like(specimen.arrays[name], random.choice([0.0, 0.1]))}


def below_half(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """A matrix is so small that float16 loses most of its bits."""
    array = specimen.arrays[name]
    return {name: (array * (2e-5 / np.abs(array).max())).astype(np.float32)}


def out_of_scale(specimen: Specimen, name: str, random: Random) -> Mapping[str, Array]:
    """One of many layers of one shape is a hundred times too large or too small."""
    return {name: (specimen.arrays[name] * random.choice([0.01, 100])).astype(np.float32)}


def missing(specimen: Specimen, name: str, random: Random) -> Specimen:
    """A tensor is not there."""
    return replace(specimen, arrays={each: array for each, array in specimen.arrays.items() if each != name})


POSSIBLY_UNTRAINED = ("untrained", "possibly untrained")
FAULTS: dict[str, Fault] = {
    "not finite": Fault(floats(), not_finite),
    "random bytes": Fault(floats(2048), random_bytes),
    "zero run": Fault(floats(2048), zero_run),
    "repeated block": Fault(floats(4096), repeated),
    "copied layer": Fault(in_series, copied),
    "possibly copied layer": Fault(beside, key_for_query),
    "missing tensor": Fault(in_blocks, missing, whole=True),
    "constant": Fault(matrices(2), constant, found_by=("constant", "empty adapter")),
    "untrained": Fault(started(256, True), back("weight", "bias")),
    "untrained, no bias": Fault(started(256, False), back("weight")),
    "possibly untrained": Fault(started(4096, False), back("weight"), found_by=POSSIBLY_UNTRAINED),
    "untrained, bias trained": Fault(started(256, True), back("weight")),
    "scale along depth": Fault(of_four, out_of_scale, whole=True),
    "saturated": Fault(clipped, saturated),
    "duplicated units": Fault(of_units(16), duplicated),
    "dead units": Fault(of_units(1), dead),
    "beyond float16": Fault(matrices(2), beyond_half),
    "below float16": Fault(matrices(64), below_half),
}
"""Rule -> how its fault is planted; what follows a comma tells what is planted apart."""

PLAIN = re.compile(",.*")


def rule_of(fault: str) -> str:
    """Return the rule that a fault is named after."""
    return PLAIN.sub("", fault)
