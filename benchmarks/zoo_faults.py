"""What is done to the networks of the zoo: things that leave them healthy, and faults that are planted in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import ml_dtypes
import numpy as np

from benchmarks.zoo_networks import Specimen
from pondera.weights.layers import OUTPUTS
from pondera.weights.tensor import Array

Random = np.random.Generator


class Planted(NamedTuple):
    """A network with a fault, and the tensors it is in; empty where it is in the whole."""

    specimen: Specimen
    where: tuple[str, ...]


# What leaves a network healthy.


def as_trained(specimen: Specimen, random: Random) -> Specimen:
    """Return it as it is."""
    return specimen


def half(specimen: Specimen, random: Random) -> Specimen:
    """Store it in 16 bits."""
    kind = np.float16 if random.integers(2) else ml_dtypes.bfloat16
    return replace(specimen, arrays={name: array.astype(kind) for name, array in specimen.arrays.items()})


def pruned(specimen: Specimen, random: Random) -> Specimen:
    """Set the smallest weights of every matrix to zero."""
    share = float(random.choice([0.3, 0.5, 0.8, 0.9]))
    arrays = dict(specimen.arrays)
    for name in specimen.matrices(64):
        limit = np.quantile(np.abs(arrays[name]), share)
        arrays[name] = np.where(np.abs(arrays[name]) < limit, 0, arrays[name]).astype(np.float32)
    return replace(specimen, arrays=arrays)


def quantized(specimen: Specimen, random: Random) -> Specimen:
    """Store matrices as int8, with one scale for all or one for each output."""
    return _quantized(specimen, bool(random.integers(2)), 1.0)


def rounded(specimen: Specimen, random: Random) -> Specimen:
    """Round matrices to 4 or 8 bits, as training that knows of quantization leaves them, still as floats."""
    levels = int(random.choice([7, 127]))
    arrays = dict(specimen.arrays)
    for name in specimen.matrices(64):
        scale = np.abs(arrays[name]).max() / levels
        arrays[name] = (np.round(arrays[name] / scale) * scale).astype(np.float32)
    return replace(specimen, arrays=arrays)


def by_name(specimen: Specimen, random: Random) -> Specimen:
    """Put the tensors into the order of their names, as many writers do."""
    names = sorted(specimen.arrays)
    layers = sorted(specimen.layers, key=lambda layer: names.index(layer.tensors["weight"]))
    return replace(specimen, arrays={name: specimen.arrays[name] for name in names}, layers=tuple(layers))


HEALTHY: tuple[Callable[[Specimen, Random], Specimen], ...] = (as_trained, half, pruned, quantized, rounded, by_name)


def _quantized(specimen: Specimen, by_output: bool, reach: float) -> Specimen:
    """Return int8 matrices whose scale reaches up to a quantile of the sizes."""
    arrays = dict(specimen.arrays)
    for layer in specimen.layers:
        for role, axes in layer.axes.items():
            name = layer.tensors[role]
            others = tuple(i for i, axis in enumerate(axes) if axis != OUTPUTS) if by_output else None
            limit = np.quantile(np.abs(arrays[name]), reach, axis=others, keepdims=by_output)
            codes = np.round(arrays[name] / np.maximum(limit, 1e-12) * 127)
            arrays[name] = np.clip(codes, -127, 127).astype(np.int8)
    return replace(specimen, arrays=arrays)


# What is a fault.


def _one(specimen: Specimen, random: Random, fewest: int) -> str | None:
    names = specimen.matrices(fewest)
    return str(random.choice(names)) if names else None


def untrained(specimen: Specimen, random: Random) -> Planted | None:
    """A layer as it was before training, with its bias."""
    return _back(specimen, random, has_bias=True, roles=("weight", "bias"))


def untrained_without(specimen: Specimen, random: Random) -> Planted | None:
    """A layer without a bias as it was before training."""
    return _back(specimen, random, has_bias=False, roles=("weight",))


def untrained_alone(specimen: Specimen, random: Random) -> Planted | None:
    """A matrix as it was before training, beside a bias that was trained."""
    return _back(specimen, random, has_bias=True, roles=("weight",))


def _back(specimen: Specimen, random: Random, has_bias: bool, roles: tuple[str, ...]) -> Planted | None:
    names = specimen.matrices(256)
    names = [name for name in names if (name.replace("weight", "bias") in specimen.arrays) == has_bias]
    if not names:
        return None
    name = str(random.choice(names))
    back = {each: specimen.starts[each] for role in roles for each in [name.replace("weight", role)]}
    return Planted(replace(specimen, arrays={**specimen.arrays, **back}), (name,))


def zero_run(specimen: Specimen, random: Random) -> Planted | None:
    """Some pages of 1 kB, or the end of a tensor, are zeros."""
    name = _one(specimen, random, 2048)
    if name is None:
        return None
    array = np.array(specimen.arrays[name])
    flat = array.reshape(-1)
    if random.integers(3) == 0:
        flat[-int(random.integers(256, flat.size // 3 + 257)) :] = 0
    else:
        length = 256 * int(random.integers(1, max(flat.size // 1024, 2)))
        begin = 16 * int(random.integers(0, (flat.size - length) // 16 + 1))  # tensors do not begin with a page
        flat[begin : begin + length] = 0
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


def random_bytes(specimen: Specimen, random: Random) -> Planted | None:
    """A stretch of 512 bytes or more is random."""
    name = _one(specimen, random, 2048)
    if name is None:
        return None
    array = np.array(specimen.arrays[name])
    data = array.reshape(-1).view(np.uint8)
    length = min(512 * int(random.integers(1, 17)), data.size // 2)
    begin = 512 * int(random.integers(0, (data.size - length) // 512 + 1))
    data[begin : begin + length] = random.integers(0, 256, length)
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


def repeated(specimen: Specimen, random: Random) -> Planted | None:
    """Pages of a tensor are there twice, at the cost of others."""
    name = _one(specimen, random, 4096)
    if name is None:
        return None
    array = np.array(specimen.arrays[name])
    data = array.reshape(-1).view(np.uint8)
    pages = data.size // 4096
    length = 4096 * int(random.integers(1, max(pages // 3, 1) + 1))
    first, second = sorted(int(n) for n in random.choice(pages - length // 4096 + 1, 2, replace=False) * 4096)
    length = min(length, second - first)
    data[second : second + length] = data[first : first + length]
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


def copied(specimen: Specimen, random: Random) -> Planted | None:
    """A layer is another one of its series, of which there are three or more."""
    series: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name in specimen.matrices(1024):
        series.setdefault((re.sub(r"\d+", "*", name), specimen.arrays[name].shape), []).append(name)
    long = [names for (pattern, _), names in series.items() if "*" in pattern and len(names) > 2]
    if not long:
        return None
    names = long[random.integers(len(long))]
    one, other = sorted(random.choice(names, 2, replace=False), key=names.index)
    arrays = {**specimen.arrays, str(other): np.array(specimen.arrays[str(one)])}
    return Planted(replace(specimen, arrays=arrays), (str(one), str(other)))


def saturated(specimen: Specimen, random: Random) -> Planted | None:
    """Floats are clipped, or integers made with a scale that is too small: 2 to 20 % of the values are beyond it."""
    name = _one(specimen, random, 1024)
    if name is None:
        return None
    beyond = float(random.choice([0.02, 0.05, 0.1, 0.2]))
    if random.integers(2):
        made = _quantized(specimen, False, 1 - beyond)
        return Planted(made, (name,))
    array = specimen.arrays[name]
    limit = np.quantile(np.abs(array), 1 - beyond)
    return Planted(replace(specimen, arrays={**specimen.arrays, name: np.clip(array, -limit, limit)}), (name,))


def _units(specimen: Specimen, name: str) -> tuple[Array, int]:
    """Return a copy of a tensor with the axis of its outputs first, and which axis that was."""
    layer = next(layer for layer in specimen.layers if name in layer.tensors.values())
    axis = layer.axes["weight"].index(OUTPUTS)
    return np.moveaxis(np.array(specimen.arrays[name]), axis, 0), axis


def duplicated(specimen: Specimen, random: Random) -> Planted | None:
    """A tenth of the units, two at least, are copies of others."""
    names = [n for n in specimen.matrices(256) if not n.startswith("tokens")]
    names = [n for n in names if (u := _units(specimen, n)[0]).shape[0] >= 8 and u[0].size >= 16]
    if not names:
        return None
    name = str(random.choice(names))
    array, axis = _units(specimen, name)
    count = max(len(array) // 10, 2)
    chosen = random.permutation(len(array))[: 2 * count]
    array[chosen[:count]] = array[chosen[count:]]
    arrays = {**specimen.arrays, name: np.ascontiguousarray(np.moveaxis(array, 0, axis))}
    return Planted(replace(specimen, arrays=arrays), (name,))


def dead(specimen: Specimen, random: Random) -> Planted | None:
    """Some units have no weights, or weights that decay made vanish."""
    names = [n for n in specimen.matrices(256) if not n.startswith("tokens")]  # tokens that never occur may be zero
    names = [n for n in names if min(specimen.arrays[n].shape[:2]) >= 8]
    if not names:
        return None
    name = str(random.choice(names))
    array, axis = _units(specimen, name)
    across = bool(random.integers(2)) and array.ndim == 2
    array = array.T.copy() if across else array
    gone = random.permutation(len(array))[: max(int(len(array) * random.choice([0.02, 0.1, 0.5])), 1)]
    array[gone] *= np.float32(random.choice([0.0, 1e-9]))
    array = array.T if across else array
    arrays = {**specimen.arrays, name: np.ascontiguousarray(np.moveaxis(array, 0, axis))}
    return Planted(replace(specimen, arrays=arrays), (name,))


def not_finite(specimen: Specimen, random: Random) -> Planted | None:
    """One value is NaN or infinite."""
    name = str(random.choice(list(specimen.arrays)))
    array = np.array(specimen.arrays[name])
    array.reshape(-1)[random.integers(array.size)] = random.choice([np.nan, np.inf, -np.inf])
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


def constant(specimen: Specimen, random: Random) -> Planted | None:
    """A matrix is all zero, or all one value."""
    name = _one(specimen, random, 2)
    if name is None:
        return None
    array = np.full_like(specimen.arrays[name], random.choice([0.0, 0.1]))
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


def beyond_half(specimen: Specimen, random: Random) -> Planted | None:
    """A value is beyond float16."""
    name = _one(specimen, random, 2)
    if name is None:
        return None
    array = np.array(specimen.arrays[name])
    array.reshape(-1)[random.integers(array.size)] = random.choice([-1, 1]) * random.uniform(65_520, 1e6)
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


def below_half(specimen: Specimen, random: Random) -> Planted | None:
    """A matrix is so small that float16 loses most of its bits."""
    name = _one(specimen, random, 64)
    if name is None:
        return None
    array = (specimen.arrays[name] * (2e-5 / np.abs(specimen.arrays[name]).max())).astype(np.float32)
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


def one_out_of_scale(specimen: Specimen, random: Random) -> Planted | None:
    """One of many layers of one shape is a hundred times too large or too small."""
    names = specimen.matrices(64)
    alike = [n for n in names if sum(specimen.arrays[n].shape == specimen.arrays[m].shape for m in names) >= 4]
    if not specimen.chain or not alike:
        return None
    name = str(random.choice(alike))
    array = (specimen.arrays[name] * random.choice([0.01, 100])).astype(np.float32)
    return Planted(replace(specimen, arrays={**specimen.arrays, name: array}), (name,))


FAULTS: dict[str, Callable[[Specimen, Random], Planted | None]] = {
    "not finite": not_finite,
    "random bytes": random_bytes,
    "zero run": zero_run,
    "repeated block": repeated,
    "copied layer": copied,
    "constant": constant,
    "untrained": untrained,
    "untrained, no bias": untrained_without,
    "untrained, bias trained": untrained_alone,
    "scale along depth": one_out_of_scale,
    "saturated": saturated,
    "duplicated units": duplicated,
    "dead units": dead,
    "beyond float16": beyond_half,
    "below float16": below_half,
}
"""Rule -> what plants its fault, or None where a network has no place for it."""


def plantings(specimens: list[Specimen], rule: str, times: int, random: Random) -> Iterator[Planted]:
    """Yield networks with a fault planted, each network so many times, some of them stored in 16 bits."""
    for specimen in specimens:
        for _ in range(times):
            planted = FAULTS[rule](specimen, random)
            if planted is not None:
                in_half = rule.startswith(("untrained", "zero run", "dead units")) and random.random() < 0.25
                yield Planted(half(planted.specimen, random), planted.where) if in_half else planted
