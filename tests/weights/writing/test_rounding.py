from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.weights.tensor import DTYPES
from pondera.weights.writing.rounding import Losses, holds, rounded

REAL = [name for name in DTYPES if name.startswith(("float", "bfloat"))]
TARGETS = ["bfloat16", "float16", "float32"]
ANY_FLOAT = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.builds(  # near the middle of two neighbours, where rounding twice goes wrong
        lambda high, bit, low: float(high + bit * 2.0**-8 + low * 2.0**-50),
        st.integers(1, 255),
        st.integers(0, 255),
        st.integers(-3, 3),
    ),
)


def every(dtype):
    """Give all finite values of a dtype of 16 bits, in order, as float64."""
    with np.errstate(invalid="ignore"):
        values = np.arange(1 << 16, dtype=np.uint16).view(DTYPES[dtype]).astype(np.float64)
    return np.unique(values[np.isfinite(values)])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@given(value=ANY_FLOAT)
def test_the_nearest_value_wins(dtype, value):
    values = every(dtype)
    found = float(rounded(np.array([value]), DTYPES[dtype])[0])
    step = values[-1] - values[-2]
    if abs(value) >= values[-1] + step / 2:
        assert found == np.copysign(np.inf, value)
        return
    at = int(np.searchsorted(values, value))
    near = values[max(at - 1, 0) : at + 1]
    exact = [abs(Fraction(each) - Fraction(value)) for each in near.tolist()]
    best = [each for each, distance in zip(near, exact, strict=True) if distance == min(exact)]
    assert found in best
    if len(best) == 2:  # the even one
        assert int(np.array([found]).astype(DTYPES[dtype]).view(np.uint16)[0]) % 2 == 0


@given(st.lists(st.floats(width=64), max_size=20))
def test_signs_infinities_and_what_is_no_number_stay(values):
    given_ = np.array(values, np.float64)
    for dtype in TARGETS:
        found = rounded(given_, DTYPES[dtype]).astype(np.float64)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(given_))
        known = ~np.isnan(given_)
        np.testing.assert_array_equal(np.signbit(found)[known], np.signbit(given_)[known])
        assert np.isinf(found[np.isinf(given_)]).all()


@pytest.mark.parametrize("source", REAL)
@pytest.mark.parametrize("target", TARGETS)
def test_what_holds_what(source, target):
    size = DTYPES[source].itemsize
    if size > 2:
        patterns = np.random.default_rng(0).integers(0, 256, 8 << 12, dtype=np.uint8)
    else:
        patterns = np.arange(1 << 8 * size, dtype=f"u{size}")
    values = patterns.view(DTYPES[source])
    with np.errstate(invalid="ignore"):
        found, expected = rounded(values, DTYPES[target]).astype(np.float64), values.astype(np.float64)
    assert holds(DTYPES[target], DTYPES[source]) == np.array_equal(found, expected, equal_nan=True)


def test_losses_are_counted():
    values = np.array([1.0, 0.1, np.nan, np.inf, -0.0, 1e-9, 1e9, -1e9, 1 / 3])
    losses = Losses()
    losses.add(values, rounded(values, DTYPES["float16"]))
    assert (losses.values, losses.rounded, losses.vanished, losses.overflowed) == (9, 5, 1, 2)
    shares = [abs(float(np.float16(value)) / value - 1) for value in (0.1, 1 / 3)]
    assert losses.most == max(shares)
    more = Losses()
    more.add(np.array([2.0]), np.array([2.0], np.float32))
    losses.merge(more)
    assert (losses.values, losses.rounded) == (10, 5)


def test_twice_rounded_would_be_wrong():
    value = np.array([1 + 2**-8 + 2**-40])  # float32 drops the last bit, and the tie goes down to 1
    assert value.astype(np.float32).astype(ml_dtypes.bfloat16)[0] == 1
    assert rounded(value, DTYPES["bfloat16"])[0] == 1 + 2**-7
