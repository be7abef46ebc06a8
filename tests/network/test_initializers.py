import math

import numpy as np
import pytest

from pondera.choice import Choice, look_up
from pondera.errors import ArgumentError
from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.initializers import INITIALIZERS, generator
from pondera.network.residual import Residual
from pondera.network.scale import Scale

# what leaves: "normal" or "uniform" with its standard deviation, "orthogonal", or always the same value
KINDS = {
    "normal": ("normal", lambda fan_in, fan_out: 0.01),
    "uniform": ("uniform", lambda fan_in, fan_out: 0.05 / math.sqrt(3)),
    "lecun_normal": ("normal", lambda fan_in, fan_out: math.sqrt(1 / fan_in)),
    "lecun_uniform": ("uniform", lambda fan_in, fan_out: math.sqrt(1 / fan_in)),
    "glorot_normal": ("normal", lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "glorot_uniform": ("uniform", lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "he_normal": ("normal", lambda fan_in, fan_out: math.sqrt(2 / fan_in)),
    "he_uniform": ("uniform", lambda fan_in, fan_out: math.sqrt(2 / fan_in)),
    "orthogonal": ("orthogonal", lambda fan_in, fan_out: 1 / math.sqrt(max(fan_in, fan_out))),
    "zeros": ("same", lambda fan_in, fan_out: 0.0),
    "constant": ("same", lambda fan_in, fan_out: 0.0),
}


def test_every_initializer_has_its_kind():
    assert set(KINDS) == set(INITIALIZERS)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_shape_and_dtype(name):
    for shape in [(1,), (5,), (1, 1), (3, 7), (7, 3), (2, 3, 4)]:
        array = INITIALIZERS[name](generator(0, "a"), shape)
        assert array.shape == shape
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert np.isfinite(array).all()


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (20, 15, 400)])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_spread(name, shape):
    kind, spread = KINDS[name]
    array = INITIALIZERS[name](generator(3, "weight"), shape)
    std = spread(math.prod(shape[:-1]), shape[-1])
    if kind == "same":
        assert len(np.unique(array)) == 1
        return
    # five standard errors of the mean and of the standard deviation of 120,000 draws
    assert abs(array.mean()) < 5 * std / math.sqrt(array.size)
    assert array.std() == pytest.approx(std, rel=5 / math.sqrt(2 * array.size))
    fourth = np.mean((array / std) ** 4)
    assert fourth == pytest.approx(1.8 if kind == "uniform" else 3.0, rel=0.05)  # a uniform's and a normal's kurtosis
    if kind == "uniform":
        limit = std * math.sqrt(3)
        assert np.abs(array).max() <= limit
        assert np.abs(array).max() > 0.999 * limit


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_start_follows_from_seed_and_name(name):
    draw = INITIALIZERS[name]
    start = draw(generator(1, "layers.0.weight"), (6, 5))
    np.testing.assert_array_equal(start, draw(generator(1, "layers.0.weight"), (6, 5)))
    if KINDS[name][0] != "same":
        assert not np.array_equal(start, draw(generator(2, "layers.0.weight"), (6, 5)))
        assert not np.array_equal(start, draw(generator(1, "layers.1.weight"), (6, 5)))


@pytest.mark.parametrize("shape", [(8, 8), (9, 4), (4, 9), (2, 3, 5), (3, 4, 5)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(shape, gain):
    flat = INITIALIZERS["orthogonal"](generator(0, "q"), shape, gain=gain).reshape(-1, shape[-1]) / gain
    rows, columns = flat.shape
    product = flat.T @ flat if rows >= columns else flat @ flat.T
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-14)


def test_orthogonal_draws_are_uniform_over_the_group():
    # the trace of a uniformly drawn orthogonal matrix has mean 0 and variance 1 (Diaconis & Shahshahani 1994);
    # without the correction of signs its mean would be far from 0
    traces = [np.trace(INITIALIZERS["orthogonal"](generator(seed, "q"), (4, 4))) for seed in range(4000)]
    assert abs(np.mean(traces)) < 5 / math.sqrt(4000)
    assert np.var(traces) == pytest.approx(1, rel=0.15)


def test_options():
    draw = generator(0, "w")
    assert look_up("initializer", Choice("normal", std=2.0), INITIALIZERS)(draw, (200, 200)).std() == pytest.approx(
        2, rel=0.02
    )
    assert np.abs(look_up("initializer", Choice("uniform", limit=3.0), INITIALIZERS)(draw, (99, 99))).max() > 2.9
    assert (look_up("initializer", Choice("constant", value=-4), INITIALIZERS)(draw, (2, 2)) == -4).all()
    assert not INITIALIZERS["zeros"](draw, (3, 3)).any()
    assert (INITIALIZERS["constant"](draw, (3, 3)) == 1).all()


def test_other_layers_do_not_change_a_start():
    small = Architecture(4, (Dense(5, "relu"), Dense(3))).initial(7)
    large = Architecture(4, (Dense(5, "tanh"), Dense(3), Scale(), Residual((Dense(3),)), Dense(9))).initial(7)
    for name, start in small.items():
        np.testing.assert_array_equal(start, large[name])


def test_precision_is_rounded_once():
    architecture = Architecture(4, (Dense(5, weight="glorot_normal", bias="normal"),))
    wide, narrow = architecture.initial(1, "float64"), architecture.initial(1, "float32")
    for name in wide:
        assert wide[name].dtype == np.float64
        assert narrow[name].dtype == np.float32
        np.testing.assert_array_equal(wide[name].astype(np.float32), narrow[name])


@pytest.mark.parametrize("seed", [-1, 1.5, None, "1"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ArgumentError, match="A seed is a whole number of at least 0"):
        Architecture(1, (Dense(1),)).initial(seed)


def test_large_seeds_and_numpy_seeds():
    architecture = Architecture(3, (Dense(2),))
    a, b = architecture.initial(2**40), architecture.initial(np.int64(2**40))
    np.testing.assert_array_equal(a["layers.0.weight"], b["layers.0.weight"])


def test_unknown_precision():
    with pytest.raises(ArgumentError, match="Unknown dtype 'float16'"):
        Architecture(1, (Dense(1),)).initial(0, "float16")
