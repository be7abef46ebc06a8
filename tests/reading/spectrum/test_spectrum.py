import json
import math

import ml_dtypes
import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.reading.spectrum import operand
from pondera.reading.spectrum.marchenko_pastur import bulk_of, median
from pondera.reading.spectrum.spectrum import spectra_of, spectrum_of
from pondera.reading.spectrum.tail import tail_of

RANDOM = np.random.default_rng(0)
FIGURES = ("spectral_norm", "stable_rank", "effective_rank", "edge", "outside", "alpha")


def with_values(values, outputs, inputs):
    """Give a matrix of known singular values."""
    left = np.linalg.qr(RANDOM.standard_normal((outputs, len(values))))[0]
    right = np.linalg.qr(RANDOM.standard_normal((inputs, len(values))))[0]
    return left * values @ right.T


def entropy_rank(values):
    shares = values[values > 0] / values.sum()
    return math.exp(-(shares * np.log(shares)).sum())


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (1, 30), (30, 1), (1, 1), (50, 50)])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int8])
def test_against_the_singular_values_of_numpy(shape, kind):
    matrix = (RANDOM.standard_normal(shape) * 20).astype(kind)
    matrix[0, 0] = 9
    exact = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    found = spectrum_of(matrix)
    assert found.method == "exact"
    np.testing.assert_allclose(found.values, exact, rtol=1e-9, atol=1e-6 * exact[0])
    assert found.spectral_norm == pytest.approx(exact[0], rel=1e-12)
    assert found.stable_rank == pytest.approx((exact**2).sum() / exact[0] ** 2, rel=1e-12)
    assert found.effective_rank == pytest.approx(entropy_rank(exact), rel=1e-6)


@pytest.mark.parametrize("exact", [2048, 10])
def test_closed_forms(exact):
    n = 700
    square = np.linalg.qr(RANDOM.standard_normal((n, n)))[0]
    cases = {
        "orthogonal": (square, 1.0, n, n),
        "rank one": (np.outer(np.arange(n), np.ones(n)), math.sqrt(n * (np.arange(n) ** 2).sum()), 1, 1),
        "constant": (np.full((n, n + 30), -2.0), 2 * math.sqrt(n * (n + 30)), 1, 1),
        "three": (with_values(np.array([4.0, 4.0, 2.0]), n, n), 4.0, 2.25, entropy_rank(np.array([2, 2, 1]))),
    }
    for name, (matrix, norm, stable, effective) in cases.items():
        found = spectrum_of(matrix.astype(np.float32), exact)
        assert found.spectral_norm == pytest.approx(norm, rel=1e-5), name
        assert found.stable_rank == pytest.approx(stable, rel=1e-4), name
        assert found.effective_rank == pytest.approx(effective, rel=1e-3), name
        assert found.alpha is None, name


@pytest.mark.parametrize("exact", [2048, 1])
def test_what_has_no_spectrum_says_so(exact):
    shape = (700, 650) if exact == 1 else (40, 50)
    zero = spectrum_of(np.zeros(shape, np.float32), exact)
    assert (zero.spectral_norm, zero.stable_rank, zero.effective_rank, zero.alpha, zero.bulk) == (0.0, *[None] * 4)
    for bad in (np.nan, np.inf, -np.inf):
        matrix = RANDOM.standard_normal(shape)
        matrix[3, 7] = bad
        found = spectrum_of(matrix, exact)
        assert (found.method, found.spectral_norm, found.alpha) == ("none", None, None)
        assert "NaN or infinite" in found.reason
        json.dumps(found.to_json(), allow_nan=False)
    assert spectrum_of(np.empty((0, 5)), exact).reason == "It has no values."
    with pytest.raises(ArgumentError, match=r"Expected a matrix of real numbers. Got float64 of the shape \(3,\)"):
        spectrum_of(np.zeros(3), exact)
    with pytest.raises(ArgumentError, match="complex64"):
        spectrum_of(np.zeros((3, 3), np.complex64), exact)


@pytest.mark.parametrize("exact", [2048, 1])
@pytest.mark.parametrize(("kind", "size"), [("f4", 1e-30), ("f4", 1e30), ("f8", 1e-200), ("f8", 1e200)])
def test_sizes_whose_squares_leave_the_range(kind, size, exact):
    matrix = RANDOM.standard_normal((700, 660) if exact == 1 else (70, 60))
    small, plain = spectrum_of((matrix * size).astype(kind), exact), spectrum_of(matrix, exact)
    assert small.spectral_norm == pytest.approx(plain.spectral_norm * size, rel=1e-5)
    assert small.stable_rank == pytest.approx(plain.stable_rank, rel=1e-5)
    assert small.bulk.edge == pytest.approx(plain.bulk.edge * size, rel=1e-2)
    assert small.alpha == pytest.approx(plain.alpha, rel=1e-2)


@pytest.mark.parametrize("shape", [(400, 400), (300, 900), (1200, 150)])
def test_noise_is_seen_as_noise(shape):
    found = spectrum_of(RANDOM.normal(0, 0.05, shape).astype(np.float32))
    law = 0.05 * (math.sqrt(shape[0]) + math.sqrt(shape[1]))
    assert found.bulk.deviation == pytest.approx(0.05, rel=0.02)
    assert law < found.bulk.edge < 1.06 * law
    assert (found.bulk.outside, found.bulk.energy) == (0, 0.0)


def test_what_stands_out_of_noise_is_counted():
    strong = np.array([90.0, 70.0, 60.0])
    matrix = RANDOM.standard_normal((500, 300)) + with_values(strong, 500, 300)
    found = spectrum_of(matrix)
    exact = np.linalg.svd(matrix, compute_uv=False) ** 2
    assert found.bulk.outside == 3
    assert found.bulk.energy == pytest.approx(exact[:3].sum() / exact.sum(), rel=1e-9)
    assert found.to_json()["outside_share"] == 3 / 300


@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.0])
def test_the_median_of_the_law(ratio):
    large = RANDOM.standard_normal((1000, int(1000 * ratio)))
    seen = np.median(np.linalg.eigvalsh(large.T @ large) / 1000)
    assert median(ratio) == pytest.approx(seen, rel=0.03)
    assert bulk_of(np.array([2.0]), 1).deviation > 0


def brute_force(values):
    """Give start, exponent and distance from the definition, a candidate at a time."""
    best = (np.inf, None, None)
    for start in np.sort(values)[:-1]:
        tail = np.sort(values[values >= start])
        slope = len(tail) / np.log(tail / start).sum()
        ranks = np.arange(len(tail)) / len(tail)
        distance = np.abs(1 - (tail / start) ** -slope - ranks).max()
        if distance < best[0]:
            best = (distance, start, 1 + slope)
    return best


@pytest.mark.parametrize("size", [10, 57, 400])
def test_the_tail_is_that_of_the_definition(size):
    for values in (RANDOM.lognormal(0, 1.5, size), RANDOM.pareto(2, size) + 1, RANDOM.random(size) * 1e-30):
        distance, start, alpha = brute_force(values)
        found = tail_of(RANDOM.permutation(values))
        assert found.start == start
        assert found.alpha == pytest.approx(alpha, rel=1e-9)
        assert found.distance == pytest.approx(distance, rel=1e-9)
        assert found.count == (values >= start).sum()
        assert found.error == pytest.approx((alpha - 1) / math.sqrt(found.count))


@pytest.mark.parametrize("alpha", [1.8, 2.5, 3.5])
def test_a_known_exponent_is_found(alpha):
    random = np.random.default_rng(3)
    power = (1 - random.random(5000)) ** (-1 / (alpha - 1))  # p(x) ∝ x^−alpha from 1 on
    found = tail_of(np.concatenate([power, random.random(500)]))  # and values below, which are none of it
    assert abs(found.alpha - alpha) < 3 * found.error
    assert found.distance < 1.36 / math.sqrt(found.count)


def test_too_few_values_and_equal_ones_have_no_tail():
    assert tail_of(np.arange(1.0, 10)) is None
    assert tail_of(np.full(100, 3.0)) is None


SPECTRA = {
    "noise": lambda: RANDOM.standard_normal((700, 900)),
    "power law": lambda: with_values(np.sort((1 - RANDOM.random(700)) ** (-1 / 3))[::-1], 700, 700),
    "heavy-tailed": lambda: RANDOM.standard_t(2.5, (900, 700)),
    "few in noise": lambda: 3 * RANDOM.standard_normal((700, 900)) + with_values(np.full(20, 900.0), 700, 900),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_estimates_keep_to_their_errors(name):
    matrix = SPECTRA[name]().astype(np.float32)
    exact, found = spectrum_of(matrix), spectrum_of(matrix, exact=1)
    assert (exact.method, found.method) == ("exact", "randomized")
    assert abs(found.spectral_norm / exact.spectral_norm - 1) <= found.errors["spectral_norm"] < 1e-3
    assert abs(found.stable_rank / exact.stable_rank - 1) <= found.errors["stable_rank"]
    assert abs(found.effective_rank / exact.effective_rank - 1) <= 3 * found.errors["effective_rank"] < 0.1
    assert abs(found.bulk.edge / exact.bulk.edge - 1) <= 3 * found.errors["edge"]
    assert (found.values**2).sum() == pytest.approx((exact.values**2).sum(), rel=1e-3)
    if name != "noise":  # whose exponent nothing holds
        assert abs(found.alpha / exact.alpha - 1) <= 3 * found.errors["alpha"] + 0.02


def test_large_estimates_are_the_same_every_time_and_for_any_layout(monkeypatch):
    matrix = RANDOM.standard_normal((650, 800)).astype(np.float32)
    monkeypatch.setattr(operand, "BLOCK", 100 * 650)
    first = spectrum_of(matrix, exact=1)
    (one,) = spectra_of([matrix], exact=1, threads=1)
    assert first.to_json() == one.to_json() == spectrum_of(matrix, exact=1).to_json()
    monkeypatch.setattr(operand, "WHOLE", 0)  # nothing is held
    for other in (np.asfortranarray(matrix), matrix.T, matrix.astype(np.float64), np.repeat(matrix, 2, 1)[:, ::2]):
        again = spectrum_of(other, exact=1)
        for name in FIGURES:
            assert again.to_json()[name] == pytest.approx(first.to_json()[name], rel=1e-3), name


def test_many_come_in_order():
    matrices = [RANDOM.standard_normal((k, 20)) for k in range(1, 30)]
    matrices.insert(5, RANDOM.standard_normal((700, 650)))
    found = list(spectra_of(iter(matrices), exact=1, threads=2))
    assert [(each.outputs, each.inputs) for each in found] == [matrix.shape for matrix in matrices]
    assert [each.method for each in found].index("randomized") == 5
    for each, matrix in zip(found, matrices, strict=True):
        assert each.spectral_norm == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-5)
