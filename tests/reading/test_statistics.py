import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from pondera.errors import ArgumentError
from pondera.reading import statistics
from pondera.reading.statistics import Statistics, joined, statistics_of
from pondera.reading.tally import Moments, Tally
from pondera.weights.tensor import DTYPES, Mapped, Tensor

RANDOM = np.random.default_rng(0)
REAL = [name for name in DTYPES if not name.startswith("complex")]


def sample(name, size=20_000):
    kind = DTYPES[name]
    if kind.kind == "b":
        return RANDOM.random(size) < 0.3
    low = 0 if kind.kind == "u" or name == "float8_e8m0fnu" else -100
    values = RANDOM.integers(low, 100, size) if kind.kind in "iu" else RANDOM.normal(size=size) * 3
    return (np.abs(values) if name == "float8_e8m0fnu" else values).astype(kind)


@pytest.mark.parametrize("name", REAL)
def test_figures_are_those_of_numpy_in_float64(name):
    values = sample(name)
    exact = values.astype(np.float64)
    found = Statistics.of(values)
    assert found.count == values.size
    assert (found.minimum, found.maximum) == (exact.min(), exact.max())
    assert found.zeros == (exact == 0).sum()
    assert (found.nan, found.infinite, found.places) == (0, 0, ())
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12, abs=1e-14)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-12)
    assert found.l1 == pytest.approx(math.fsum(np.abs(exact)), rel=1e-13)
    assert found.l2 == pytest.approx(math.sqrt(math.fsum(exact**2)), rel=1e-13)
    assert found.skewness == pytest.approx(stats.skew(exact), abs=1e-9)
    assert found.kurtosis == pytest.approx(stats.kurtosis(exact), abs=1e-9)


@pytest.mark.parametrize("center", [0.0, 1e4, -1e6])
def test_a_large_mean_costs_no_digits(center):
    values = RANDOM.normal(center, 1.0, 3_000_000)
    found = Statistics.of(values)
    mean = math.fsum(values) / values.size
    assert found.mean == pytest.approx(mean, rel=1e-14, abs=1e-15)
    assert found.deviation == pytest.approx(math.sqrt(math.fsum((values - mean) ** 2) / values.size), rel=1e-11)


def test_the_stated_bound_of_sums_holds():
    values = (RANDOM.normal(size=5_000_000) * np.exp(RANDOM.normal(size=5_000_000) * 5)).astype(np.float32)
    found = Statistics.of(values)
    exact = math.fsum(values.astype(np.float64))
    assert abs(found.mean * found.count - exact) <= 2**-36 * found.l1


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "float8_e5m2"])
def test_what_is_not_finite_is_counted_and_found(name):
    values = RANDOM.normal(size=(40, 50)).astype(DTYPES[name])
    values[3, 7] = np.nan
    values[3, 9] = -np.inf
    values[20] = np.inf
    values[0, 0] = -0.0
    found = Statistics.of(values)
    exact = values.astype(np.float64)
    finite = exact[np.isfinite(exact)]
    assert (found.nan, found.infinite) == (1, 51)
    assert found.places == ((3, 7), (3, 9), (20, 0), (20, 1), (20, 2))
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    assert found.mean == pytest.approx(finite.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(finite.std(), rel=1e-12)
    assert found.zeros == (finite == 0).sum()


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_denormals(name):
    kind = DTYPES[name]
    smallest = ml_dtypes.finfo(kind).smallest_normal
    values = np.array([smallest, -smallest, smallest / kind.type(2), 0, -(smallest / kind.type(2)), 1], kind)
    found = Statistics.of(values)
    assert (found.denormals, found.zeros) == (2, 1)


def test_constants_empties_and_nothing_but_nan():
    constant = Statistics.of(np.full((3, 4), 2.5, np.float32))
    assert (constant.mean, constant.deviation, constant.minimum, constant.maximum) == (2.5, 0.0, 2.5, 2.5)
    assert math.isnan(constant.skewness)
    empty = Statistics.of(np.empty((0, 4), np.float32))
    assert (empty.count, empty.l2, empty.nan) == (0, 0.0, 0)
    assert math.isnan(empty.mean)
    assert math.isnan(empty.quantile(0.5))
    broken = Statistics.of(np.full(5, np.nan, np.float32))
    assert (broken.count, broken.nan) == (5, 5)
    assert math.isnan(broken.minimum)
    number = Statistics.of(np.array(np.nan, np.float32))
    assert number.places == ((),)


@pytest.mark.parametrize("q", [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
@pytest.mark.parametrize("size", [1001, 5_000_000])
def test_quantiles_to_one_percent(q, size):
    values = np.exp(RANDOM.normal(size=size)).astype(np.float32)
    found = Statistics.of(values)
    low, high = np.quantile(values, [max(q - 0.003, 0), min(q + 0.003, 1)])
    assert low * 0.99 <= found.quantile(q) <= high * 1.01
    assert (found.quantile(0), found.quantile(1)) == (found.minimum, found.maximum)


def test_stretches_and_threads_change_nothing(monkeypatch):
    values = RANDOM.normal(size=(300, 1000)).astype(np.float32)
    whole = Statistics.of(values, threads=1)
    monkeypatch.setattr(statistics, "STRETCH", 7001)
    for threads in (1, 3):
        parts = Statistics.of(values, threads=threads)
        assert (parts.count, parts.minimum, parts.maximum, parts.zeros) == (
            whole.count, whole.minimum, whole.maximum, whole.zeros,
        )  # fmt: skip
        assert parts.mean == pytest.approx(whole.mean, rel=1e-12)
        assert parts.kurtosis == pytest.approx(whole.kurtosis, rel=1e-9)
        np.testing.assert_array_equal(parts.histogram, whole.histogram)


FLOATS = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float64, st.integers(1, 50), elements=FLOATS), arrays(np.float64, st.integers(1, 50), elements=FLOATS))
def test_moments_can_be_joined(one, other):
    def moments(values):
        return Moments.about(
            float(values[0]), len(values), *(float(((values - values[0]) ** k).sum()) for k in (1, 2, 3, 4))
        )

    both = moments(one).merge(moments(other))
    exact = np.concatenate([one, other])
    scale = max(np.abs(exact).max(), 1e-300)
    assert both.count == exact.size
    assert both.mean == pytest.approx(exact.mean(), rel=1e-9, abs=1e-9 * scale)
    assert both.second == pytest.approx(((exact - exact.mean()) ** 2).sum(), rel=1e-6, abs=1e-9 * scale**2)
    assert both.fourth == pytest.approx(((exact - exact.mean()) ** 4).sum(), rel=1e-6, abs=1e-9 * scale**4)


def test_nothing_joined_is_nothing():
    assert joined([]).values == 0
    assert Tally().merge(Tally()).moments == Moments()


def test_complex_numbers_are_refused():
    values = np.zeros(3, np.complex64)
    tensor = Tensor("z", (3,), "complex64", Mapped(memoryview(values.tobytes()), 0, values.dtype, 3))
    with pytest.raises(ArgumentError, match=r"z holds complex numbers"):
        statistics_of(tensor)
