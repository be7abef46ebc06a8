"""What the compiled steps say of their gradients."""

import jax
import ml_dtypes  # noqa: F401  # bfloat16 by name
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.training.epoch import SMALL, _squares

SHAPES = st.lists(
    st.sampled_from([(), (0,), (1,), (7,), (3, 5), (2, 3, 4), (SMALL,), (SMALL + 1,), (33, 64), (64, 33), (2, 25, 40)]),
    min_size=1,
    max_size=6,
)


def drawn(shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


@given(SHAPES)
def test_squares_of_each_tensor(shapes):
    gradients = drawn(shapes)
    expected = [float(np.square(each.astype(np.float64)).sum()) for each in gradients]
    assert _squares(gradients) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", range(4))
def test_what_is_not_finite_stays_in_its_tensor(value, place):
    gradients = drawn([(3, 5), (7,), (40, 40), (41, 41)])
    gradients[place].flat[2] = value
    assert np.flatnonzero(~np.isfinite(jax.jit(_squares)(gradients))).tolist() == [place]


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32"])
def test_narrow_floats_are_summed_in_wider_ones(kind):
    gradients = [np.full(shape, 300.0, kind) for shape in ((), (20,), (40, 40))]
    assert _squares(gradients) == pytest.approx([9e4, 18e5, 144e6])
