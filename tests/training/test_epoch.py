"""What the compiled steps say of their gradients."""

import jax
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
