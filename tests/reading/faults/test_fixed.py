"""Bases that were computed are not judged as if they had been learned; what was learned still is."""

import ml_dtypes
import numpy as np
import pytest
import scipy.fft

from pondera.reading.faults.facts import Facts
from pondera.reading.faults.fixed import is_fixed
from pondera.reading.faults.rules import findings_of
from pondera.reading.statistics import statistics_of
from pondera.reading.units.units import units_of
from pondera.weights.collection import Weights
from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, Layer
from pondera.weights.tensor import Mapped, Tensor

AXES = {2: (OUTPUTS, INPUTS), 3: (OUTPUTS, INPUTS, KERNEL), 4: (OUTPUTS, INPUTS, KERNEL, KERNEL)}
SHAPE = (64, 128)


def facts_of(values, kind="dense", dtype=np.float32):
    """Give the facts of a file of one layer."""
    flat = np.ascontiguousarray(values, dtype).reshape(-1)
    tensor = Tensor(
        "x.weight", values.shape, flat.dtype.name, Mapped(flat.view(np.uint8).data, 0, flat.dtype, flat.size)
    )
    weights = Weights.of([tensor], "test")
    layer = Layer("x", kind, {"weight": tensor.name}, {"weight": AXES[values.ndim]}, values.shape[1], len(values))
    units = {"x": units_of(layer, weights, threads=1)}
    return Facts(weights, {tensor.name: statistics_of(tensor, 1)}, [layer], units)


def rules_of(values, **more):
    return {finding.rule for finding in findings_of(facts_of(values, **more))}


def short_time_fourier(n, window=True):
    """Give the basis of a short-time Fourier transform, (n + 2, 1, n): cosines, then sines, under Hann's window."""
    turns = np.outer(np.arange(n // 2 + 1), np.arange(n)) / n
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n) if window else 1
    return (np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)]) * hann)[:, None]


def fourier(n):
    """Give the discrete Fourier transform, (n, n), complex."""
    return np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)


def positions(n, width):
    """Give the position embeddings of Vaswani et al. 2017, (n, width)."""
    angles = np.arange(n)[:, None] * 10_000.0 ** (-np.arange(0, width, 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(n, width)


def cosine_blocks(n):
    """Give the cosine transform of n × n blocks, as JPEG has it, (n², 1, n, n)."""
    one = np.cos(np.pi * np.outer(np.arange(n), np.arange(n) + 0.5) / n)
    return np.einsum("ix,jy->ijxy", one, one).reshape(n * n, 1, n, n)


def learned():
    random = np.random.default_rng(5)
    return 0.05 * random.standard_t(5, SHAPE) * random.lognormal(0, 0.4, (SHAPE[0], 1))


BASES = {
    "STFT": short_time_fourier(256),
    "STFT, long": short_time_fourier(1024),
    "STFT, padded": np.pad(short_time_fourier(200), ((0, 0), (0, 0), (28, 28))),
    "STFT, no window": short_time_fourier(1024, window=False),
    "STFT, back": np.moveaxis(short_time_fourier(128), 0, -1)[0, :, None],  # units along the last axis
    "STFT, inverse": np.linalg.pinv(short_time_fourier(128)[:, 0]).T[:, None],
    "STFT, cosines": short_time_fourier(256)[:129],
    "STFT, sines": short_time_fourier(256)[129:],
    "Fourier, real": fourier(256).real,
    "Fourier, imaginary": fourier(256).imag,
    "Fourier, small": fourier(16).real,
    "cosine transform": np.cos(np.pi * np.outer(np.arange(64), np.arange(64) + 0.5) / 64),
    "cosine transform of blocks": cosine_blocks(8),
    "cosine transform, scaled": scipy.fft.dct(np.eye(48), norm="ortho"),
    "STFT, turned": (short_time_fourier(128)[:65, 0] / np.hanning(129)[:128].clip(1e-9) * np.hamming(128)).T,
    "positions": positions(512, 128),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", BASES)
def test_a_fixed_basis_is_no_fault_of_training(name, dtype):
    assert is_fixed(facts_of(BASES[name], dtype=dtype), "x.weight")
    assert rules_of(BASES[name], dtype=dtype) == set()


@pytest.mark.parametrize("name", ["STFT", "Fourier, imaginary"])
def test_the_rules_would_have_spoken(name):
    off = BASES[name] * np.random.default_rng(0).lognormal(0, 0.02, BASES[name].shape)
    assert not is_fixed(facts_of(off), "x.weight")
    assert rules_of(off) == {"dead units"}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_dead_units_of_a_layer_that_learned_are_found(count, dtype):
    values = learned()
    values[np.random.default_rng(1).choice(len(values), count, replace=False)] = 0
    assert rules_of(values, dtype=dtype) == {"dead units"}


def test_a_basis_that_lost_units_is_none():
    values = BASES["STFT"].copy()
    values[[10, 20, 30, 40]] = 0
    assert "dead units" in rules_of(values)


@pytest.mark.parametrize("name", ["smooth", "one direction", "constant rows", "pruned", "identity"])
def test_structure_alone_makes_no_basis(name):
    random = np.random.default_rng(7)
    if name == "smooth":
        values = np.cumsum(np.cumsum(random.standard_normal(SHAPE), axis=1), axis=1)
    elif name == "one direction":
        values = np.outer(random.standard_normal(SHAPE[0]), np.sin(np.arange(SHAPE[1])))
    elif name == "constant rows":
        values = np.repeat(random.standard_normal(SHAPE[0])[:, None], SHAPE[1], axis=1)
    elif name == "pruned":
        values = np.where(random.random(SHAPE) < 0.97, 0, random.standard_normal(SHAPE))
    else:
        values = np.eye(SHAPE[0])
    for dtype in (np.float32, ml_dtypes.bfloat16):
        assert not is_fixed(facts_of(values, dtype=dtype), "x.weight")


def test_duplicates_and_starts_of_other_layers_are_found():
    values = learned()
    values[10:20] = values[:10]
    assert "duplicated units" in rules_of(values)
    assert "untrained" in rules_of(np.random.default_rng(2).uniform(-1, 1, SHAPE) / np.sqrt(SHAPE[1]))


def test_small_kernels_obey_by_chance_and_are_not_judged():
    assert not is_fixed(facts_of(np.random.default_rng(3).standard_normal((32, 1, 3))), "x.weight")


def test_broken_bases_and_unknown_names_are_not_judged():
    values = BASES["STFT"].copy()
    values[0, 0, 0] = np.nan
    assert not is_fixed(facts_of(values), "x.weight")
    assert not is_fixed(facts_of(values), "another")
