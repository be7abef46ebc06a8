import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.network.scale import Scale
from pondera.training.epoch import Order, Program, Rows, order_of, run_steps
from pondera.training.fit import fit
from pondera.training.optimizers import OPTIMIZERS, optimizer_of, transformation
from pondera.training.plan import Plan

RATE = 0.003

# the same optimizer under Optax's own alias: (learning rate, mask of weight decay) -> transformation
ALIASES = {
    "sgd": lambda rate, mask: optax.sgd(rate),
    "momentum": lambda rate, mask: optax.sgd(rate, momentum=0.9),
    "nesterov": lambda rate, mask: optax.sgd(rate, momentum=0.9, nesterov=True),
    "rmsprop": lambda rate, mask: optax.rmsprop(rate, decay=0.9, eps=1e-8),
    "adam": lambda rate, mask: optax.adam(rate),
    "adamw": lambda rate, mask: optax.adamw(rate, weight_decay=1e-2, mask=mask),
    "lion": lambda rate, mask: optax.lion(rate, weight_decay=0.0),
    "adafactor": lambda rate, mask: optax.adafactor(rate),
}


def matrices_only(weights):
    return jax.tree.map(lambda weight: weight.ndim > 1, weights)


def start():
    random = np.random.default_rng(0)
    shapes = {"a": {"weight": (150, 140), "bias": (140,)}, "b": {"weight": (3, 2), "scale": (2,)}}
    return jax.tree.map(
        lambda shape: jnp.asarray(random.normal(size=shape)), shapes, is_leaf=lambda x: isinstance(x, tuple)
    )


def gradients(step, weights):
    random = np.random.default_rng(step)
    return jax.tree.map(lambda weight: jnp.asarray(random.normal(size=weight.shape)) + 0.1 * weight, weights)


def walk(update_of, steps=6):
    """Take steps; update_of gives (state, the function from gradients to the change of weights)."""
    weights = start()
    state, change = update_of(weights)
    for step in range(steps):
        moves, state = change(gradients(step, weights), state, weights)
        weights = jax.tree.map(lambda w, move: w + move, weights, moves)
    return weights


def ours(direction, rate):
    def begin(weights):
        def change(grads, state, weights):
            updates, state = direction.update(grads, state, weights)
            return jax.tree.map(lambda update: rate * update, updates), state

        return direction.init(weights), change

    return begin


def theirs(optimizer):
    return lambda weights: (optimizer.init(weights), optimizer.update)


def assert_same(one, other, rtol=1e-12):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-14), one, other)


def test_every_optimizer_has_its_alias():
    assert set(ALIASES) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_optaxs(name, x64):
    direction = transformation(Choice(name), OPTIMIZERS[name].weight_decay, None)
    assert_same(walk(ours(direction, RATE)), walk(theirs(ALIASES[name](RATE, matrices_only))))


@pytest.mark.parametrize(
    ("choice", "alias"),
    [
        (Choice("momentum", decay=0.7), optax.sgd(RATE, momentum=0.7)),
        (Choice("nesterov", decay=0.7), optax.sgd(RATE, momentum=0.7, nesterov=True)),
        (Choice("rmsprop", decay=0.7, epsilon=1e-3), optax.rmsprop(RATE, decay=0.7, eps=1e-3)),
        (Choice("adam", b1=0.8, b2=0.95, epsilon=1e-3), optax.adam(RATE, b1=0.8, b2=0.95, eps=1e-3)),
        (Choice("lion", b1=0.8, b2=0.95), optax.lion(RATE, b1=0.8, b2=0.95, weight_decay=0.0)),
        (Choice("adafactor", decay=0.6, clip=0.5), optax.adafactor(RATE, decay_rate=0.6, clipping_threshold=0.5)),
    ],
    ids=lambda value: value.name if isinstance(value, Choice) else "",
)
def test_options_are_optaxs(choice, alias, x64):
    assert_same(walk(ours(transformation(choice, 0.0, None), RATE)), walk(theirs(alias)))


def test_weight_decay_is_decoupled_and_leaves_vectors_alone(x64):
    ours_by_rate = walk(ours(transformation(Choice("adam"), 0.1, None), RATE))
    assert_same(ours_by_rate, walk(theirs(optax.adamw(RATE, weight_decay=0.1, mask=matrices_only))))
    weights = start()
    still = jax.tree.map(jnp.zeros_like, weights)
    direction = transformation(Choice("sgd"), 0.1, None)
    updates, _ = direction.update(still, direction.init(weights), weights)
    np.testing.assert_allclose(updates["a"]["weight"], -0.1 * weights["a"]["weight"], rtol=1e-15)
    assert not updates["a"]["bias"].any()
    assert not updates["b"]["scale"].any()


def test_gradients_are_clipped_by_their_global_norm(x64):
    weights = start()
    grads = gradients(0, weights)
    norm = float(np.sqrt(sum((np.asarray(leaf) ** 2).sum() for leaf in jax.tree.leaves(grads))))
    for limit in (norm / 10, norm * 10):
        direction = transformation(Choice("sgd"), 0.0, limit)
        updates, _ = direction.update(grads, direction.init(weights), weights)
        factor = min(1.0, limit / norm)
        assert_same(updates, jax.tree.map(lambda g, f=factor: -f * g, grads))


def regression(rows=24):
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, 3))
    return x, np.sin(x[:, 0]) + x[:, 1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_uses_it(name):
    x, y = regression()
    network = Network.create(3, [Dense(8, "tanh"), Dense(1)], dtype="float64")
    named = fit(network, x, y, Plan(optimizer=name, learning_rate=RATE, epochs=5, batch_size=10, weight_decay=0.0))
    own = optax.adam(RATE) if name == "adamw" else ALIASES[name](RATE, None)
    other = fit(network, x, y, Plan(optimizer=own, epochs=5, batch_size=10))
    for weight, value in named.weights.items():
        np.testing.assert_allclose(value, other.weights[weight], rtol=1e-9, atol=1e-12)
        assert not np.array_equal(value, network.weights[weight])


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.chain(optax.clip(0.1), optax.sgd(0.05)),
        optax.adabelief(1e-3),
        optax.radam(optax.cosine_decay_schedule(1e-2, 30)),
        optax.MultiSteps(optax.adam(1e-2), 2),
        optax.yogi(1e-2),
        optax.chain(optax.adam(1e-2), optax.contrib.reduce_on_plateau(patience=2)),
    ],
    ids=["chain", "adabelief", "scheduled", "multi-steps", "yogi", "plateau"],
)
def test_any_optax_object(optimizer):
    optimizer = optimizer.gradient_transformation() if isinstance(optimizer, optax.MultiSteps) else optimizer
    x, y = regression()
    fitted = fit(Network.create(3, [Dense(8, "tanh"), Dense(1)]), x, y, Plan(optimizer=optimizer, epochs=30))
    assert fitted.history[-1].training_loss < fitted.history[0].training_loss
    assert fitted.history[-1].learning_rate == 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_line_search_on_a_full_batch(dtype):
    x, y = regression()
    network = Network.create(3, [Dense(8, "tanh"), Dense(1)], dtype=dtype)
    fitted = fit(network, x, y, Plan(optimizer=optax.lbfgs(), epochs=20))
    assert fitted.history[-1].training_loss < 0.02 < 0.5 < fitted.history[0].training_loss


def test_weight_decay_does_not_pass_through_an_optax_object(x64):
    direction = transformation(optax.adam(RATE), 0.1 * RATE, None)
    assert_same(walk(ours(direction, 1.0)), walk(theirs(optax.adamw(RATE, weight_decay=0.1, mask=matrices_only))))


def test_rate_factors_multiply_the_step_of_their_weights(x64):
    random = np.random.default_rng(0)
    network = Network.create(3, [Scale(), Dense(2, "tanh"), Dense(1)], dtype="float64")
    x, y = random.normal(size=(5, 3)), random.normal(size=(5, 1))

    def step(factors):
        plan = Plan(optimizer="sgd", learning_rate=0.1, rate_factors=factors)
        program = Program(network.architecture.apply, plan.loss, plan.optimizer, 0.0, None, plan.factors)
        state = program.start(dict(network.weights), 0)
        picked, present = order_of(0, 0, 5, 5)
        order = Order(jnp.asarray(picked), jnp.asarray(present, float), jnp.asarray([0.1]))
        after = run_steps(program, state, Rows(jnp.asarray(x), jnp.asarray(y), jnp.ones(5)), order, 0, 1).state
        return {name: np.asarray(value) - network.weights[name] for name, value in after.weights.items()}

    plain, changed = step({}), step({"bias": 0.5, "scale": 6.0})
    for name, move in plain.items():
        factor = {"bias": 0.5, "scale": 6.0}.get(name.rpartition(".")[2], 1.0)
        np.testing.assert_allclose(changed[name], factor * move, rtol=1e-9, atol=1e-15)


def test_unknown():
    with pytest.raises(ArgumentError, match=r"Unknown optimizer 'adm'. Did you mean 'adam'\?"):
        optimizer_of("adm")
    with pytest.raises(ArgumentError, match=r"The optimizer 'sgd' takes no options. Got the option 'decay'."):
        optimizer_of(Choice("sgd", decay=0.1))
