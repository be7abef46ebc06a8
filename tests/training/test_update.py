import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pondera import Dense, Network, Plan
from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.training.backpropagation import trace
from pondera.training.epoch import Order, Program, Rows, run_steps
from pondera.training.update import WRITTEN, update_of

RANDOM = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("x64")

STEPS, RATE = 4, 0.05
CHOICES = [*WRITTEN, Choice("adam", b1=0.5, epsilon=1e-3), Choice("momentum", decay=0.5)]


def before_and_after(plan):
    """Train a network some steps, and give the state before the last of them, its batch, and the weights after it."""
    network = Network.create(3, [Dense(5, "tanh"), Dense(1)], seed=1, dtype="float64")
    x, y = RANDOM.normal(size=(20, 3)), RANDOM.normal(size=(20, 1)) * 10
    program = Program(
        network.architecture, Choice("squared_error"), plan.optimizer, plan.decay, plan.gradient_clip, plan.rate_factors
    )
    rows = Rows(jnp.asarray(x), jnp.asarray(y), jnp.ones(20))
    picked = np.arange(20).reshape(STEPS, 5)
    order = Order(jnp.asarray(picked), jnp.ones((STEPS, 5)), jnp.full(STEPS, RATE))
    state = run_steps(program, program.start(dict(network.weights), 0), rows, order, 0, STEPS - 1).state
    after = run_steps(program, state, rows, order, STEPS - 1, STEPS).state
    last = picked[-1]
    return network.with_weights(state.weights), state, (x[last], y[last]), after.weights


@pytest.mark.parametrize("optimizer", CHOICES, ids=str)
@pytest.mark.parametrize("more", [{}, {"gradient_clip": 0.5, "rate_factors": {"bias": 0.1}}], ids=str)
def test_what_is_written_out_is_what_training_does(optimizer, more):
    plan = Plan(optimizer=optimizer, **more)
    network, state, batch, after = before_and_after(plan)
    gradients = trace(network, *batch).gradients
    for name, index in (("layers.0.weight", (2, 4)), ("layers.1.weight", (3, 0)), ("layers.0.bias", (1,))):
        found = update_of(plan, state, gradients, name, index, RATE)
        assert found.after == pytest.approx(float(after[name][index]), rel=1e-12)
        assert found.before == float(state.weights[name][index])
        assert found.lines[-1].value == found.after


def test_weight_decay_is_of_matrices_only():
    plan = Plan(optimizer="adamw", weight_decay=0.3)
    network, state, batch, _ = before_and_after(plan)
    gradients = trace(network, *batch).gradients
    assert "0.3 ·" in str(update_of(plan, state, gradients, "layers.0.weight", (0, 0), RATE))
    assert "0.3 ·" not in str(update_of(plan, state, gradients, "layers.0.bias", (0,), RATE))


def test_what_is_not_written_out():
    plan = Plan(optimizer="sgd")
    _, state, _, _ = before_and_after(plan)
    gradients = {name: np.zeros(value.shape) for name, value in state.weights.items()}
    with pytest.raises(ArgumentError, match="lion"):
        update_of(Plan(optimizer="lion"), state, gradients, "layers.0.weight", (0, 0), RATE)
    with pytest.raises(ArgumentError, match="Optax object"):
        update_of(Plan(optimizer=optax.sgd(0.1)), state, gradients, "layers.0.weight", (0, 0), RATE)
    with pytest.raises(ArgumentError, match=r"layers\.7"):
        update_of(plan, state, gradients, "layers.7.weight", (0, 0), RATE)
    with pytest.raises(ArgumentError, match=r"shape \[3, 5\]"):
        update_of(plan, state, gradients, "layers.0.weight", (3, 0), RATE)
