"""Trainings that end before their plan: by Ctrl-C, or because they diverge."""

import os
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.training.epoch import order_of
from pondera.training.fit import fit
from pondera.training.loop import Training
from pondera.training.plan import Plan
from pondera.training.stopping import Interruption
from tests.training.small import X, Y, assert_bitwise, small

# ------------------------------------------------------------------------------------------------------- Ctrl-C


@pytest.fixture
def handler():
    """A Ctrl-C handler that was there before."""

    def mine(number, frame):
        raise AssertionError("the signal reached the handler that training replaces")

    before = signal.signal(signal.SIGINT, mine)
    yield mine
    signal.signal(signal.SIGINT, before)


def test_control_c_stops_cleanly(handler):
    timers = []

    def progress(where):
        if where.epoch >= 2 and not timers:
            timers.append(threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)))
            timers[0].start()

    plan = Plan(epochs=10_000_000, batch_size=8)
    fitted = fit(small(), X, Y, plan, validation=0.2, progress=progress)
    timers[0].join()
    assert signal.getsignal(signal.SIGINT) is handler
    assert fitted.reason == "interrupted"
    assert f"the weights of the best epoch so far ({fitted.best_epoch + 1}) were kept" in fitted.message
    losses = [f.validation_loss for f in fitted.history]
    assert losses[fitted.best_epoch] == min(losses)
    again = fit(small(), X, Y, plan.replace(epochs=fitted.best_epoch + 1), validation=0.2)
    assert_bitwise(again.weights, fitted.weights)


def test_an_interruption_asked_for_from_outside():
    asked = Interruption()
    asked.request()
    network = small()
    fitted = fit(network, X, Y, Plan(epochs=5, batch_size=8), interruption=asked)
    assert fitted.message == (
        "Training was interrupted in epoch 1, before step 1 of 7; the last good weights were kept."
    )
    assert_bitwise(fitted.weights, dict(network.weights))


def test_a_second_control_c_ends_at_once(handler):
    with Interruption() as asked:
        assert not asked.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler


def test_one_interruption_within_another(handler):
    with Interruption() as outer:
        os.kill(os.getpid(), signal.SIGINT)
        with Interruption() as inner:
            assert (outer.requested, inner.requested) == (False, True)  # it is the one that ends now
        os.kill(os.getpid(), signal.SIGINT)
        assert outer.requested
    with Interruption() as outer:
        with Interruption() as inner:
            os.kill(os.getpid(), signal.SIGINT)
        assert (outer.requested, inner.requested) == (False, True)
        with Interruption() as inner:
            assert not inner.requested
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_handler_comes_back_after_an_error(handler):
    def progress(where):
        raise RuntimeError("display broke")

    with pytest.raises(RuntimeError, match="display broke"):
        fit(small(), X, Y, Plan(epochs=1), progress=progress)
    assert signal.getsignal(signal.SIGINT) is handler


# --------------------------------------------------------------------------------------------------- divergence


def finite(fitted):
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted.weights))


def test_nan_in_the_weights_of_a_layer_names_the_layer():
    network = Network.create(3, [Dense(4, "tanh"), Dense(4, "relu"), Dense(1)])
    fitted = fit(network.with_weights({"layers.1.bias": [0, np.nan, 0, 0]}), X, Y, Plan(epochs=2))
    assert fitted.reason == "diverged"
    assert "at step 1 (epoch 1)" in fitted.message
    assert "first in the output of layers.1;" in fitted.message
    assert fitted.history == ()


def test_inputs_that_are_not_finite():
    x = X.copy()
    x[17, 1] = np.inf
    network = small()
    fitted = fit(network, x, Y, Plan(epochs=2, batch_size=5))
    step = 1 + int(np.flatnonzero((order_of(0, 0, 50, 5)[0] == 17).any(axis=1))[0])
    assert f"Training stopped at step {step} (epoch 1)" in fitted.message
    assert "first in the inputs themselves;" in fitted.message
    assert finite(fitted)
    assert np.array_equal(fitted.weights["layers.0.weight"], network.weights["layers.0.weight"]) == (step == 1)


def test_targets_that_are_not_finite_name_the_loss():
    fitted = fit(small(), X, np.where(np.arange(50) == 3, np.nan, Y), Plan(epochs=2))
    assert "first in the loss (squared_error);" in fitted.message
    assert finite(fitted)


@pytest.mark.parametrize("glance", [1, 3, 100])
def test_an_exploding_rate_is_found_to_the_step(glance, monkeypatch):
    monkeypatch.setattr(Training, "_pace", lambda self, *_: setattr(self, "glance", glance))
    plan = Plan(optimizer="sgd", learning_rate=1e4, epochs=20, batch_size=10)
    network = Network.create(3, [Dense(8, "relu"), Dense(1)])
    fitted = fit(network, X, Y, plan)
    assert fitted.reason == "diverged"
    assert finite(fitted)
    step = int(fitted.message.split("at step ")[1].split(" ")[0])
    assert int(fitted.state.step) == step - 2  # the step that led to weights without a finite loss is undone
    assert np.isfinite(fitted.network(X)).all()
    assert f"(epoch {(step - 1) // 5 + 1})" in fitted.message
    assert any(word in fitted.message for word in ("output of layers.", "loss (", "gradient of", "update of"))
    assert "Try a smaller learning rate" in fitted.message
    monkeypatch.setattr(Training, "_pace", lambda self, *_: setattr(self, "glance", 2))
    again = fit(network, X, Y, plan)
    assert again.message == fitted.message
    assert_bitwise(again.weights, fitted.weights)


def test_divergence_late_keeps_the_best_epoch():
    optimizer = optax.sgd(lambda count: jnp.where(count == 12, jnp.inf, 0.01))
    fitted = fit(small(), X, Y, Plan(optimizer=optimizer, epochs=9, batch_size=10), validation=(X, Y))
    assert (
        "Training stopped at step 13 (epoch 3): the loss or a weight became NaN or infinite, first in the update of"
        in (fitted.message)
    )
    assert "the weights of the best epoch so far (2) were kept." in fitted.message
    assert [f.epoch for f in fitted.history] == [0, 1]
    assert fitted.best_epoch == 1
    assert finite(fitted)


def test_divergence_of_a_plain_function():
    fitted = fit(
        lambda weights, x: jnp.sqrt(weights["w"] - 1) * x[:, :1], X, Y, Plan(epochs=2), weights={"w": np.zeros(1)}
    )
    assert "first in the loss (squared_error)" in fitted.message
    fitted = fit(
        lambda weights, x: jnp.sqrt(weights["w"] * x[:, :1]), X * 0, Y, Plan(epochs=2), weights={"w": np.zeros(1)}
    )
    assert "first in the gradient of w;" in fitted.message
    assert finite(fitted)
