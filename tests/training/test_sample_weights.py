"""How much rows count in training."""

import numpy as np
import pytest

from pondera.training.fit import fit
from pondera.training.plan import Plan
from tests.training.small import CLASSES, RANDOM, X, Y, assert_bitwise, figures, small


@pytest.mark.parametrize("loss", ["squared_error", "softmax_cross_entropy"])
def test_a_weight_of_two_is_a_row_twice(loss):
    counts = RANDOM.integers(0, 4, len(X))
    targets = CLASSES if loss == "softmax_cross_entropy" else Y
    network = small(2 if loss == "softmax_cross_entropy" else 1, "float64")
    plan = Plan(loss=loss, optimizer="momentum", learning_rate=0.05, epochs=30, batch_size=1000)
    weighted = fit(network, X, targets, plan, sample_weight=counts)
    repeated = fit(network, X.repeat(counts, axis=0), targets.repeat(counts), plan)
    for name, value in repeated.network.weights.items():
        np.testing.assert_allclose(weighted.network.weights[name], value, rtol=1e-9, atol=1e-12)
    assert weighted.history[-1].training_loss == pytest.approx(repeated.history[-1].training_loss, rel=1e-9)


def test_rows_of_weight_zero_are_left_out():
    used = RANDOM.random(len(X)) < 0.7
    plan = Plan(epochs=4, batch_size=8)
    poisoned = np.where(used[:, None], X, np.nan)
    held = (X, Y, np.where(Y > 0, 1.0, 0.0))
    one = fit(small(), poisoned, Y, plan, sample_weight=used.astype(float), validation=held)
    other = fit(small(), X[used], Y[used], plan, validation=(X[Y > 0], Y[Y > 0]))
    assert_bitwise(one.weights, other.weights)
    assert figures(one) == figures(other)


def test_scaling_all_weights_changes_nothing():
    weights = RANDOM.uniform(0.5, 2, len(X))
    plan = Plan(epochs=5, batch_size=8)
    one, other = (fit(small(dtype="float64"), X, Y, plan, sample_weight=factor * weights) for factor in (1, 1000))
    for name, value in one.network.weights.items():
        np.testing.assert_allclose(other.network.weights[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("factor", [5e-324, 1e-300, 1e-60, 2.0, 2.0**100, 1e60, 1e308])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_any_size(factor, dtype):
    plan = Plan(epochs=2, batch_size=8)
    plain = fit(small(dtype=dtype), X, Y, plan, validation=(X, Y))
    scaled = fit(
        small(dtype=dtype), X, Y, plan, sample_weight=np.full(50, factor), validation=(X, Y, np.full(50, factor))
    )
    for name, value in plain.network.weights.items():
        np.testing.assert_allclose(scaled.network.weights[name], value, rtol=1e-4, atol=1e-6)
    if np.frexp(factor)[0] == 0.5:  # powers of two, and with them weights of one, change no bit
        assert_bitwise(scaled.weights, plain.weights)
        assert figures(scaled) == figures(plain)


def test_the_training_loss_is_the_mean_over_rows():
    # with a rate of 0 nothing moves, so the figure must be the loss of the start, short last batch included
    network = small(dtype="float64")
    errors = (network(X)[:, 0] - Y) ** 2
    weights = RANDOM.uniform(0.1, 3, len(X))
    for batch in (50, 16, 7, 1):
        plan = Plan(optimizer="sgd", learning_rate=0.0, epochs=2, batch_size=batch)
        assert fit(network, X, Y, plan).history[1].training_loss == pytest.approx(errors.mean(), rel=1e-12)
        weighted = fit(network, X, Y, plan, sample_weight=weights).history[1].training_loss
        assert weighted == pytest.approx(np.average(errors, weights=weights), rel=1e-12)
