"""Tables of sines and cosines are no layers that anything is wrong with; layers with dead units are."""

import numpy as np
import pytest
import scipy.fft

from pondera.reading.faults.fixed import is_fixed_basis
from pondera.reading.faults.rules import findings_of
from tests.reading.faults.test_faults import facts_of, trained

K, T = np.arange(65)[:, None], np.arange(128)
COSINES, SINES = np.cos(2 * np.pi * K * T / 128), np.sin(2 * np.pi * K * T / 128)
POSITIONS = np.arange(200)[:, None] * np.exp(-np.log(1e4) * np.arange(0, 64, 2) / 64)

BASES = {
    "short-time Fourier": np.concatenate([COSINES, SINES]) * np.hanning(128),
    "sines": SINES,
    "turned": (COSINES * np.hamming(128)).T,
    "cosine transform": scipy.fft.dct(np.eye(48), norm="ortho"),
    "positions": np.stack([np.sin(POSITIONS), np.cos(POSITIONS)], axis=2).reshape(200, 64),
}


def rules(matrix, dtype):
    """Give the rules that find something in a layer of these weights."""
    return {finding.rule for finding in findings_of(facts_of({"a.weight": matrix.astype(dtype)}))}


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("name", BASES)
def test_nothing_is_wrong_with_a_basis(name, dtype):
    facts = facts_of({"a.weight": BASES[name].astype(dtype)})
    assert is_fixed_basis(facts.connections[0])
    assert not rules(BASES[name], dtype) & {"dead units", "duplicated units", "untrained", "possibly untrained"}


@pytest.mark.parametrize("name", ["short-time Fourier", "sines"])
def test_a_sine_of_no_frequency_would_be_a_dead_unit_elsewhere(name):
    mixed = BASES[name] @ np.random.default_rng(0).standard_normal((128, 128))
    mixed[0 if name == "sines" else 65] = 0
    assert "dead units" in rules(mixed, "float32")


def test_dead_units_of_trained_layers_are_found():
    matrix = trained(3)
    matrix[[5, 9]] = 0
    assert "dead units" in rules(matrix, "float32")
    random = np.random.default_rng(0)
    for other in (random.standard_normal((64, 64)), np.eye(64), np.cumsum(random.standard_normal((64, 48)), axis=0)):
        assert not is_fixed_basis(facts_of({"a.weight": other.astype(np.float32)}).connections[0])
