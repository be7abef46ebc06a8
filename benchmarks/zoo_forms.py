"""Forms that a trained network is kept in, all of them healthy: in every one of them a finding is a false alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import ml_dtypes
import numpy as np

from benchmarks.zoo_networks import Specimen, is_float
from benchmarks.zoo_parts import Part
from pondera.weights.layers import OUTPUTS
from pondera.weights.tensor import Array

Random = np.random.Generator


BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


class Form(NamedTuple):
    """What is done to a network, and the rules that are right to speak of it."""

    change: Callable[[Specimen, Part, Random], Specimen]
    true_of_it: frozenset[str] = frozenset()


def as_trained(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Return it as it is."""
    return specimen


def half(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Store it in 16 bits."""
    kind = np.float16 if random.integers(2) else ml_dtypes.bfloat16
    return specimen.changed({name: array.astype(kind) for name, array in specimen.arrays.items() if is_float(array)})


def pruned(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Set the smallest weights of every matrix to zero."""
    share = float(random.choice(part.pruned))
    arrays = {name: specimen.arrays[name] for name in _large(specimen)}
    return specimen.changed({name: array * _kept(array, share) for name, array in arrays.items()})


def masked(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Keep masks of pruning beside the weights, as PyTorch does."""
    if not any(name.endswith(".weight") for name in specimen.axes):
        return specimen
    share = float(random.choice(part.pruned))
    arrays, axes, biases = dict(specimen.arrays), dict(specimen.axes), dict(specimen.biases)
    for name in _large(specimen):
        original = f"{name}_orig"
        arrays[original] = arrays.pop(name)
        arrays[f"{name}_mask"] = _kept(arrays[original], share).astype(np.float32)
        axes[original] = axes.pop(name)
        if name in biases:
            biases[original] = biases.pop(name)
    return replace(specimen, arrays=arrays, axes=axes, biases=biases)


def structured(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Set whole units to zero, some of which follow each other, as the pruning of filters and heads does."""
    arrays = {}
    for name in _large(specimen):
        if name in specimen.tokens:
            continue
        axis = specimen.axes[name].index(OUTPUTS)
        units = np.moveaxis(np.array(specimen.arrays[name]), axis, 0)
        count = len(units) // 4
        if count:
            first = int(random.integers(len(units) - count))
            gone = np.arange(first, first + count) if random.integers(2) else random.permutation(len(units))[:count]
            units[gone] = 0
            arrays[name] = np.ascontiguousarray(np.moveaxis(units, 0, axis))
    return specimen.changed(arrays)


def quantized(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Store matrices as int8 with scales beside them: one for each matrix, or for each output."""
    return with_codes(specimen, bool(random.integers(2)), 1.0)


def rounded(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Round matrices to few bits, as training that knows of quantization leaves them, still as floats."""
    levels = int(random.choice(part.levels))
    arrays = {}
    for name in _large(specimen):
        scale = np.abs(specimen.arrays[name]).max() / levels
        arrays[name] = (np.round(specimen.arrays[name] / scale) * scale).astype(np.float32)
    return specimen.changed(arrays)


def folded(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Fold batch normalization into the convolutions before it, as networks are prepared for use."""
    arrays, biases = dict(specimen.arrays), dict(specimen.biases)
    for k in (1, 2, 3):
        gain, bias, mean, variance = (arrays.get(f"bn{k}.{each}") for each in BATCH_NORM)
        name = f"conv{k}.weight"
        if gain is None or name not in arrays:
            continue
        factor = gain / np.sqrt(variance + 1e-5)
        arrays[name] = (arrays[name] * factor[:, None, None, None]).astype(np.float32)
        arrays[f"conv{k}.bias"] = (bias - mean * factor).astype(np.float32)
        biases[name] = f"conv{k}.bias"
        for each in BATCH_NORM:
            del arrays[f"bn{k}.{each}"]
    return replace(specimen, arrays=arrays, biases=biases)


def by_name(specimen: Specimen, part: Part, random: Random) -> Specimen:
    """Put the tensors into the order of their names, as many writers do."""
    return replace(specimen, arrays={name: specimen.arrays[name] for name in sorted(specimen.arrays)})


FORMS: dict[str, Form] = {
    "as trained": Form(as_trained),
    "16 bits": Form(half),
    "pruned": Form(pruned),
    "pruned with masks": Form(masked),
    "units pruned": Form(structured, frozenset({"dead units"})),
    "int8 with scales": Form(quantized),
    "rounded": Form(rounded),
    "normalization folded": Form(folded),
    "sorted by name": Form(by_name),
}


def with_codes(specimen: Specimen, by_output: bool, reach: float) -> Specimen:
    """Return int8 matrices whose scale reaches up to a quantile of the sizes."""
    arrays = dict(specimen.arrays)
    for name in specimen.matrices():
        axes, array = specimen.axes[name], arrays[name]
        others = tuple(i for i, axis in enumerate(axes) if axis != OUTPUTS) if by_output else None
        limit = np.maximum(np.quantile(np.abs(array), reach, axis=others, keepdims=by_output), 1e-12)
        arrays[name] = np.clip(np.round(array / limit * 127), -127, 127).astype(np.int8)
        arrays[f"{name}_scale"] = np.asarray(limit / 127, np.float32).reshape(limit.shape if by_output else ())
    return replace(specimen, arrays=arrays)


def _large(specimen: Specimen) -> list[str]:
    return specimen.matrices(64)


def _kept(weight: Array, share: float) -> Array:
    """Return where the largest weights are, all but a share."""
    return np.abs(weight) >= np.quantile(np.abs(weight), share)
