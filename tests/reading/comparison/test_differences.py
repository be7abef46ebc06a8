import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pondera.reading.comparison import kernels
from pondera.reading.comparison.grids import grid
from pondera.reading.comparison.measure import differences_of
from pondera.reading.comparison.views import View
from pondera.weights.tensor import DTYPES, Mapped, Tensor

FLOATS = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]


def view(array):
    flat = np.ascontiguousarray(array).reshape(-1)
    source = Mapped(memoryview(flat.view(np.uint8)), 0, flat.dtype, flat.size)
    return View.of(Tensor("w", np.shape(array), flat.dtype.name, source))


def between(a, b):
    return differences_of(view(a), view(b))


def pairs(name, size=5000, seed=0):
    random = np.random.default_rng(seed)
    a = (random.normal(size=size) + (1 if name == "uint16" else 0)).round(0 if DTYPES[name].kind in "biu" else 9)
    a = (np.abs(a) if name in ("uint16", "bool") else a).astype(DTYPES[name])
    b = a.astype(np.float64) + random.normal(size=size) * (random.random(size) < 0.3)
    b = (np.abs(b).round() if name in ("uint16", "bool") else b).astype(DTYPES[name])
    return a, b


@pytest.mark.parametrize("name", [*FLOATS, "int8", "int32", "int64", "uint16", "bool"])
def test_figures_are_those_of_numpy_in_float64(name):
    a, b = pairs(name)
    x, y = a.astype(np.float64), b.astype(np.float64)
    found = between(a, b)
    assert (found.count, found.finite) == (5000, 5000)
    assert found.max == np.abs(y - x).max()
    assert found.mean == pytest.approx(np.abs(y - x).mean(), rel=1e-12)
    assert found.relative_norm == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x), rel=1e-12)
    assert found.cosine == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), rel=1e-12)
    assert found.correlation == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-10)
    bits = f"u{a.itemsize}"  # 0 and -0 are not the same
    assert found.changed == (a.view(bits) != b.view(bits)).mean()


def order(values):
    """The place of each value among all of its dtype, by counting them: for dtypes of 8 and 16 bits."""
    kind = values.dtype
    with np.errstate(all="ignore"):
        patterns = np.arange(1 << 8 * kind.itemsize, dtype=f"u{kind.itemsize}").view(kind).astype(np.float64)
    every = np.unique(patterns[np.isfinite(patterns)])
    return np.searchsorted(every, values.astype(np.float64))


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_units_of_last_place_count_the_values_between(name):
    a, b = pairs(name)
    a[:50] = (a[:50].astype(np.float64) * 1e-5).astype(a.dtype)  # denormal in half precision
    apart = np.abs(order(a) - order(b))
    found = between(a, b)
    assert found.ulp == apart.max()
    assert found.mean_ulp == pytest.approx(apart.mean(), rel=1e-12)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_neighbours_are_one_unit_apart_everywhere(name):
    kind = DTYPES[name]
    tiny = np.finfo(kind).smallest_subnormal
    a = np.array([1.0, -1.0, 0.5 - 2.0**-30, 1e-40, 0.0, -3e38, 2.0**-126, tiny], kind)
    b = np.nextafter(a, kind.type(np.inf))
    assert (between(a, b).ulp, between(a, b).mean_ulp) == (1.0, 1.0)
    assert between(-tiny * np.ones(1, kind), tiny * np.ones(1, kind)).ulp == 2.0


def test_a_unit_of_two_dtypes_is_that_of_the_coarser():
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    found = between(values, values.astype(ml_dtypes.bfloat16))
    assert found.ulp_of == "bfloat16"
    assert 0.45 < found.ulp <= 0.5
    assert found.mean_ulp == pytest.approx(0.25, rel=0.05)  # evenly spread over half a unit
    assert between(values, values.astype(np.float64)).ulp == 0


def test_what_is_not_finite_is_counted_and_spoils_nothing():
    a = np.array([1.0, np.nan, np.inf, 2.0, np.nan, 3.0], np.float32)
    b = np.array([1.5, np.nan, 4.0, 2.0, 5.0, -np.inf], np.float32)
    for x, y in ((a, b), (a.astype(np.float64), b.astype(np.float64)), (a.astype(np.float64), b)):
        found = between(x, y)
        assert found.finite == 2
        assert found.counts[[kernels.BROKEN_X, kernels.BROKEN_Y]].tolist() == [3, 2]
        assert found.changed == pytest.approx(4 / 6)  # the first NaN is the same
        assert (found.max, found.mean) == (0.5, 0.25)
        assert math.isfinite(found.relative_norm)
    assert between(np.array([np.nan] * 3), np.zeros(3)).relative_norm == 0
    assert between(np.array([np.nan] * 3), np.zeros(3)).cosine is None


def test_a_nan_of_other_bits_is_another_value_of_its_dtype():
    a = np.array([0x7FC00000, 0], np.uint32).view(np.float32)
    b = np.array([0x7FC00001, 1 << 31], np.uint32).view(np.float32)
    found = between(a, b)
    assert found.changed == 1.0
    assert (found.counts[kernels.SIGNS], found.max, found.ulp) == (1, 0.0, 0.0)


def test_empty_tensors_and_single_numbers():
    found = between(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32))
    assert (found.count, found.changed, found.max, found.relative_norm, found.cosine) == (0, 0, 0, 0, None)
    assert between(np.array(2.0), np.array(3.0)).relative_norm == 0.5
    assert between(np.zeros(3), np.ones(3)).relative_norm is None


def test_complex_numbers_are_compared_by_their_parts():
    a = np.array([1 + 2j, 3 - 1j], np.complex64)
    found = between(a, a + np.complex64(1j))
    assert (found.count, found.changed, found.max) == (4, 0.5, 1.0)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e5m2", "float8_e4m3fn"])
@pytest.mark.parametrize("wide", [np.float32, np.float64])
@given(data=st.data())
def test_rounding_is_that_of_ml_dtypes(name, wide, data):
    width = 32 if wide == np.float32 else 64
    values = data.draw(arrays(wide, st.integers(1, 50), elements=st.floats(-200, 200, width=width)))
    through = values.astype(np.float32) if name != "float16" else values  # ml_dtypes goes by float32
    kind = DTYPES[name]
    rounded = through.astype(kind)
    to = grid(name, wide == np.float64)
    bits = np.int32 if wide == np.float32 else np.int64
    back = rounded.astype(wide)
    count = kernels.not_rounded32 if wide == np.float32 else kernels.not_rounded64
    x = through.astype(wide)
    assert count(x.view(bits), back.view(bits), x, back, to.drop, to.normal, to.step, to.top, False) == 0
    off = np.nextafter(back, wide(300))
    changed = count(x.view(bits), off.view(bits), x, off, to.drop, to.normal, to.step, to.top, False)
    assert changed >= (np.abs(back) < 190).sum()


def test_rounding_towards_zero_is_told_from_rounding_to_nearest():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    chopped = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    for stored in (chopped, chopped.astype(ml_dtypes.bfloat16)):
        found = between(values, stored).rounding()
        assert (found.to, found.chop, found.of_first) == ("bfloat16", True, True)
    nearest = between(values, values.astype(ml_dtypes.bfloat16)).rounding()
    assert (nearest.to, nearest.chop, nearest.of_first) == ("bfloat16", False, True)
    back = between(values.astype(np.float16), values).rounding()
    assert (back.to, back.of_first) == ("float16", False)


def test_one_value_off_is_no_rounding():
    values = np.random.default_rng(0).normal(size=600_000).astype(np.float32)
    rounded = values.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert between(values, rounded).rounding() is not None
    rounded[555_555] *= 1 + 2.0**-7  # in a later tile
    assert between(values, rounded).rounding() is None


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_runs_join_to_the_whole(m, n, seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, m + n))
    whole, parts = between(a, b), between(a[:m], b[:m]).merge(between(a[m:], b[m:]))
    np.testing.assert_allclose(parts.sums, whole.sums, rtol=1e-12, atol=1e-12)
    assert parts.counts.tolist() == whole.counts.tolist()
    assert parts.extremes.tolist() == whole.extremes.tolist()
