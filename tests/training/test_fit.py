import os
import signal
import threading

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pondera.choice import Choice
from pondera.errors import ArgumentError, PonderaError, ShapeError
from pondera.network.architecture import multilayer
from pondera.network.dense import Dense
from pondera.network.dropout import Dropout
from pondera.network.embedding import Embedding
from pondera.network.network import Network
from pondera.network.normalization import LayerNorm
from pondera.network.residual import Residual
from pondera.network.scale import Scale
from pondera.training import loop as loop_module
from pondera.training.epoch import order_of, run_steps
from pondera.training.fit import fit
from pondera.training.loop import Training
from pondera.training.plan import Plan
from pondera.training.population import fit_population
from pondera.training.stopping import Best, Interruption

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(50, 3))
Y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
CLASSES = (Y > 0).astype(int)


def small(outputs=1, dtype="float32", seed=0):
    return Network.create(3, [Dense(8, "tanh"), Dense(outputs)], dtype=dtype, seed=seed)


def assert_bitwise(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def figures(fitted):
    """Give the history without the seconds, which differ from run to run."""
    return [(f.epoch, f.learning_rate, f.training_loss, f.validation_loss, f.validation_metric) for f in fitted.history]


# ----------------------------------------------------------------------------------------------------- same again


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_seed_same_weights(dtype):
    network = Network.create(
        3, [Scale(), Residual((LayerNorm(), Dense(3, "mish"), Dropout(0.3))), Dense(1)], dtype=dtype
    )
    plan = Plan(epochs=4, batch_size=8, schedule="cosine", seed=5)
    one, other = (fit(network, X, Y, plan, validation=0.2) for _ in range(2))
    assert_bitwise(one.weights, other.weights)
    assert figures(one) == figures(other)
    third = fit(network, X, Y, plan.replace(seed=6), validation=0.2)
    assert not np.array_equal(one.network.weights["layers.2.weight"], third.network.weights["layers.2.weight"])
    assert one.network.dtype == dtype


def test_results_do_not_depend_on_how_often_somebody_looks(monkeypatch):
    plan = Plan(epochs=3, batch_size=4, seed=1)
    network = Network.create(3, [Dense(8, "tanh"), Dropout(0.2), Dense(1)])
    results = []
    for glance in (0.0, 1e9):
        monkeypatch.setattr(loop_module, "GLANCE", glance)
        results.append(fit(network, X, Y, plan, validation=0.2))
    for steps in (2, 3, 7):
        monkeypatch.setattr(Training, "_pace", lambda self, *_, steps=steps: setattr(self, "glance", steps))
        results.append(fit(network, X, Y, plan, validation=0.2, progress=lambda where: None))
    for other in results[1:]:
        assert_bitwise(results[0].weights, other.weights)
        assert figures(results[0]) == figures(other)


def test_going_on_is_the_same_as_not_having_stopped():
    network = Network.create(3, [Dense(8, "tanh"), Dropout(0.2), Dense(1)])
    plan = Plan(epochs=7, batch_size=8, seed=3, optimizer="adam")
    whole = fit(network, X, Y, plan)
    first = fit(network, X, Y, plan.replace(epochs=3))
    second = fit(network, X, Y, plan.replace(epochs=4), start=first.state)
    assert_bitwise(second.weights, whole.weights)
    assert [f.epoch for f in second.history] == [3, 4, 5, 6]
    assert figures(first) + figures(second) == figures(whole)


def test_epochs_are_counted_whatever_the_number_of_rows():
    state, epochs = None, []
    for rows in (50, 3, 20, 50):
        fitted = fit(small(), X[:rows], Y[:rows], Plan(epochs=2, batch_size=4), start=state)
        state = fitted.state
        epochs += [figure.epoch for figure in fitted.history]
    assert epochs == list(range(8))
    assert int(state.epoch) == 8
    assert int(state.step) == 2 * (13 + 1 + 5 + 13)


def test_the_rates_in_the_history_are_those_of_the_steps():
    plan = Plan(epochs=4, batch_size=25, schedule="cosine", learning_rate=0.1)
    fitted = fit(small(), X, Y, plan)
    steps = np.arange(1, 8, 2)  # the last of two steps in each epoch
    np.testing.assert_allclose(
        [f.learning_rate for f in fitted.history], 0.05 * (1 + np.cos(np.pi * steps / 8)), rtol=1e-12
    )
    again = fit(small(), X, Y, plan, start=fitted.state)
    assert [f.learning_rate for f in again.history] == [f.learning_rate for f in fitted.history]


def test_equal_programs_are_compiled_once():
    plan = Plan(epochs=1, optimizer=Choice("adam", b1=0.77))
    fit(small(), X, Y, plan)
    before = run_steps._cache_size()
    fit(small(seed=3), X, Y, plan.replace(learning_rate=0.5, epochs=2, schedule="cosine", seed=8))
    assert run_steps._cache_size() == before


def test_the_order_of_rows_is_a_permutation_that_follows_from_seed_and_epoch():
    seen = set()
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        order, present = order_of(seed, epoch, 23, 5)
        assert order.shape == present.shape == (5, 5)
        assert sorted(order[present].tolist()) == list(range(23))
        assert (~present).sum() == 2
        np.testing.assert_array_equal(order, order_of(seed, epoch, 23, 5)[0])
        seen.add(order.tobytes())
    assert len(seen) == 3


# ------------------------------------------------------------------------------------------------ what is trained


def test_a_plain_function_is_trained_as_the_network_is():
    network = small(dtype="float64")

    def apply(weights, x):
        hidden = jnp.tanh(x @ weights["layers.0.weight"] + weights["layers.0.bias"])
        return hidden @ weights["layers.1.weight"] + weights["layers.1.bias"]

    plan = Plan(epochs=5, batch_size=8)
    ours = fit(network, X, Y, plan, validation=0.2)
    plain = fit(apply, X, Y, plan, weights=dict(network.weights), validation=0.2)
    assert plain.network is None
    assert ours.network is not None
    for name, value in ours.weights.items():
        np.testing.assert_allclose(plain.weights[name], value, rtol=1e-9, atol=1e-12)
    assert plain.best_epoch == ours.best_epoch


class Line:
    """A callable with a state of its own, as other libraries' modules are."""

    def __call__(self, weights, x):
        return x @ weights[0][0] + weights[0][1] + weights[1]["shift"]


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_any_pytree_of_weights(kind):
    weights = [(kind(np.zeros((3, 1), np.float32)), kind(np.zeros(1, np.float32))), {"shift": kind(np.float32(0.5))}]
    fitted = fit(Line(), X, X @ [1.0, 2.0, 3.0], Plan(epochs=400, learning_rate=0.1), weights=weights)
    assert jax.tree.structure(fitted.weights) == jax.tree.structure(weights)
    np.testing.assert_allclose(fitted.weights[0][0][:, 0], [1, 2, 3], atol=1e-3)
    assert not np.asarray(weights[0][0]).any()


def test_an_equinox_module_is_trained_as_it_is():
    module = equinox.nn.MLP(3, 1, 16, 1, activation=jax.nn.tanh, key=jax.random.PRNGKey(0))
    weights, rest = equinox.partition(module, equinox.is_array)
    plan = Plan(epochs=200, learning_rate=0.02, rate_factors={"bias": 0.0})
    fitted = fit(lambda w, x: jax.vmap(equinox.combine(w, rest))(x), X, Y, plan, weights=weights, validation=0.2)
    trained = equinox.combine(fitted.weights, rest)
    assert isinstance(trained, equinox.nn.MLP)
    assert fitted.history[fitted.best_epoch].validation_loss < 0.2 * fitted.history[0].validation_loss
    np.testing.assert_array_equal(trained.layers[0].bias, module.layers[0].bias)
    assert not np.array_equal(trained.layers[0].weight, module.layers[0].weight)


def test_nested_dictionaries_as_flax_has_them():
    # what flax.linen.Module.init returns and its apply takes: nested dictionaries of arrays
    start = {"params": {"Dense_0": {"kernel": np.zeros((3, 1), np.float32), "bias": np.zeros(1, np.float32)}}}

    def apply(variables, x):
        layer = variables["params"]["Dense_0"]
        return x @ layer["kernel"] + layer["bias"]

    fitted = fit(apply, X, X @ [1.0, 2.0, 3.0] + 4.0, Plan(epochs=400, learning_rate=0.1), weights=start)
    layer = fitted.weights["params"]["Dense_0"]
    np.testing.assert_allclose(layer["kernel"][:, 0], [1, 2, 3], atol=1e-3)
    np.testing.assert_allclose(layer["bias"], 4, atol=1e-3)


def test_inputs_of_more_axes():
    def apply(weights, x):
        return jnp.mean(x, axis=(1, 2))[:, None] * weights["w"]

    images = RANDOM.normal(size=(20, 4, 4)) + 1
    fitted = fit(
        apply,
        images,
        3 * images.mean((1, 2)),
        Plan(epochs=200, learning_rate=0.1),
        weights={"w": np.zeros(1, np.float32)},
        validation=0.2,
    )
    np.testing.assert_allclose(fitted.weights["w"], 3, atol=1e-2)


def test_weights_of_their_own_to_start_from():
    network = small()
    start = {name: np.ones(shape) for name, shape in network.architecture.shapes.items()}
    nothing = fit(network, X, Y, Plan(epochs=0), weights=start)
    assert all((value == 1).all() for value in nothing.network.weights.values())


def test_embeddings_learn():
    codes = np.arange(40) % 4
    x = np.column_stack([codes, RANDOM.normal(size=40)])
    network = Network.create(2, [Embedding((0,), (4,), size=3), Dense(1)])
    fitted = fit(network, x, np.array([5.0, -3.0, 2.0, 0.0])[codes], Plan(epochs=300, learning_rate=0.05))
    assert fitted.history[-1].training_loss < 0.05


def test_a_hundred_layers():
    network = Network.create(4, [Residual((Dense(4, "tanh"),)) for _ in range(99)] + [Dense(1)])
    x = X[:, [0, 1, 2, 0]]
    fitted = fit(network, x, Y, Plan(epochs=2, batch_size=50, learning_rate=1e-4))
    assert fitted.history[1].training_loss < fitted.history[0].training_loss
    assert np.isfinite(fitted.network(x)).all()


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "metric"),
    [
        ("squared_error", 1, Y, "rmse"),
        ("absolute_error", 2, np.column_stack([Y, -Y]), "rmse"),
        (Choice("huber", delta=0.5), 1, Y, "rmse"),
        ("binary_cross_entropy", 1, CLASSES, "accuracy"),
        ("binary_cross_entropy", 1, CLASSES.astype(bool), "accuracy"),
        ("softmax_cross_entropy", 2, CLASSES, "accuracy"),
        ("poisson", 1, np.exp(Y).round(), "rmse"),
    ],
)
def test_every_kind_of_target(loss, outputs, targets, metric):
    fitted = fit(small(outputs), X, targets, Plan(loss=loss, epochs=20, learning_rate=0.03), validation=0.2)
    assert fitted.history[-1].training_loss < fitted.history[0].training_loss
    assert fitted.metric == metric
    if metric == "accuracy":
        assert all(0 <= f.validation_metric <= 1 for f in fitted.history)


# ---------------------------------------------------------------------------------------------- sample weights


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


# -------------------------------------------------------------------------------------- validation and stopping


def test_validation_figures():
    held = (X[:10], Y[:10], np.arange(10.0))
    fitted = fit(small(dtype="float64"), X[10:], Y[10:], Plan(epochs=3, keep="last"), validation=held)
    errors = (fitted.network(X[:10])[:, 0] - Y[:10]) ** 2
    mean = np.average(errors, weights=np.arange(10.0))
    assert fitted.history[-1].validation_loss == pytest.approx(mean, rel=1e-12)
    assert fitted.history[-1].validation_metric == pytest.approx(mean**0.5, rel=1e-12)


def test_accuracy_on_validation_rows():
    plan = Plan(loss="softmax_cross_entropy", epochs=10, keep="last", learning_rate=0.03)
    fitted = fit(small(2), X[20:], CLASSES[20:], plan, validation=(X[:20], CLASSES[:20]))
    right = np.mean(fitted.network(X[:20]).argmax(1) == CLASSES[:20])
    assert fitted.history[-1].validation_metric == pytest.approx(right)


def test_a_share_of_the_rows_is_held_out_by_the_seed():
    plan = Plan(epochs=1, learning_rate=0.0, optimizer="sgd")
    first, same, other = (
        fit(small(), X, Y, plan.replace(seed=seed), validation=0.2).history[0].validation_loss for seed in (0, 0, 4)
    )
    assert first == same != other


@pytest.mark.parametrize("keep", ["loss", "metric", "last"])
def test_which_epoch_is_kept(keep):
    # few rows and a large rate: the validation figures go up and down
    network = Network.create(3, [Dense(30, "tanh"), Dense(2)])
    plan = Plan(loss="softmax_cross_entropy", epochs=60, learning_rate=0.05, keep=keep)
    held = (X[20:], CLASSES[20:])
    fitted = fit(network, X[:20], CLASSES[:20], plan, validation=held)
    losses = np.array([f.validation_loss for f in fitted.history])
    accuracies = np.array([f.validation_metric for f in fitted.history])
    last = len(losses) - 1
    best = {
        "loss": last - losses[::-1].argmin(),
        "metric": last - accuracies[::-1].argmax(),  # the later of equals
        "last": last,
    }
    assert len(set(best.values())) == 3
    assert fitted.best_epoch == best[keep]
    outputs = fitted.network(X[20:])
    assert np.mean(outputs.argmax(1) == CLASSES[20:]) == pytest.approx(accuracies[fitted.best_epoch])
    again = fit(network, X[:20], CLASSES[:20], plan.replace(epochs=fitted.best_epoch + 1, keep="last"), validation=held)
    assert_bitwise(again.weights, fitted.weights)


def test_patience():
    # the held-out answers are the opposite of the training ones: every epoch is worse than the one before
    plan = Plan(epochs=100, patience=3, learning_rate=0.01)
    fitted = fit(small(), X, Y + 10, plan, validation=(X, -Y - 10))
    assert fitted.reason == "patience"
    assert [f.epoch for f in fitted.history] == [0, 1, 2, 3]
    assert fitted.best_epoch == 0
    assert fitted.message == "No better epoch came in 3 epochs after epoch 1; the rest of the plan was not trained."
    assert_bitwise(fitted.weights, fit(small(), X, Y + 10, plan.replace(epochs=1)).weights)


def test_without_validation_the_last_epoch_is_kept():
    fitted = fit(small(), X, Y, Plan(epochs=3))
    assert (fitted.best_epoch, fitted.reason) == (2, "completed")
    assert fitted.message == "All 3 epochs were trained."
    assert fitted.history[0].validation_loss is None
    assert fitted.history[0].validation_metric is None


def test_no_epochs():
    network = small()
    fitted = fit(network, X, Y, Plan(epochs=0), validation=0.2)
    assert_bitwise(fitted.weights, dict(network.weights))
    assert (fitted.history, fitted.best_epoch, fitted.reason) == ((), -1, "completed")


def test_best_keeps_the_later_of_equals_and_never_a_nan():
    best = Best()
    for epoch, cost in enumerate([3.0, float("nan"), 2.0, 2.0, 2.5]):
        best.offer(f"epoch {epoch}", cost, epoch)
    assert (best.thing, best.epoch, best.cost) == ("epoch 3", 3, 2.0)


def test_progress():
    seen = []
    fitted = fit(small(), X, Y, Plan(epochs=3, batch_size=25), validation=0.2, progress=seen.append)
    assert [where.step for where in seen] == sorted(where.step for where in seen)
    assert (seen[-1].step, seen[-1].steps, seen[-1].epoch, seen[-1].epochs) == (6, 6, 2, 3)
    assert seen[-1].figures == fitted.history[-1]
    assert all(where.rows_per_second > 0 for where in seen)


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


# --------------------------------------------------------------------------------------------------- precision


def test_float64_leaves_the_switch_alone():
    fitted = fit(small(dtype="float64"), X, Y, Plan(epochs=2), validation=0.2)
    assert fitted.network.dtype == "float64"
    assert not jax.config.jax_enable_x64
    assert jnp.asarray(np.ones(1)).dtype == jnp.float32
    with pytest.raises(PonderaError):
        fit(small(dtype="float64"), X, Y[:3], Plan(epochs=2))
    assert jnp.asarray(np.ones(1)).dtype == jnp.float32


def test_float64_is_more_precise():
    plan = Plan(epochs=300, learning_rate=0.1, schedule="cosine")
    line = X @ [1.0, 2.0, 3.0]
    losses = [
        fit(Network.create(3, [Dense(1)], dtype=dtype), X, line, plan).history[-1].training_loss
        for dtype in ("float32", "float64")
    ]
    assert losses[1] < losses[0]


# ------------------------------------------------------------------------------------------------------ errors

NUMBER = {"w": np.zeros((3, 1), np.float32)}


def line(weights, x):
    return x @ weights["w"]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((small(), X[:, :2], Y), {}, ShapeError, r"layers\.0 \(dense\): expected rows of 3 values.*\(50, 2\)"),
        ((small(), X, Y[:9]), {}, ShapeError, r"expected one target a row, found 50 rows and targets \(9,\)"),
        ((small(), X, 5.0), {}, ShapeError, r"expected one target a row, found 50 rows and targets \(\)"),
        ((small(), X[0], Y), {}, ShapeError, r"expected an array \(rows, inputs\).*found the shape \(3,\)"),
        ((small(), X[:0], Y[:0]), {}, ShapeError, r"at least one row, found the shape \(0, 3\)"),
        ((small(2), X, Y), {}, ShapeError, r"returns \(2,\) values a row and the targets have \(1,\)"),
        ((small(), X, [["a"]] * 50), {}, ArgumentError, r"the targets of the rows: expected an array of numbers"),
        ((small(), [["a"] * 3] * 50, Y), {}, ArgumentError, r"the rows: expected an array of numbers"),
        ((small(), [[1], [2, 3]], [1, 2]), {}, ArgumentError, r"the rows: expected an array of numbers"),
        ((small(), X, Y), {"sample_weight": np.ones(3)}, ArgumentError, r"one sample weight a row.*shape \(3,\)"),
        ((small(), X, Y), {"sample_weight": -np.ones(50)}, ArgumentError, r"sample weight"),
        ((small(), X, Y), {"sample_weight": np.zeros(50)}, ArgumentError, r"not all 0"),
        ((small(), X, Y), {"sample_weight": np.full(50, np.nan)}, ArgumentError, r"finite"),
        (
            (small(), X, Y),
            {"sample_weight": ["a"] * 50},
            ArgumentError,
            r"sample weights: expected an array of numbers",
        ),
        ((small(), X, Y), {"validation": 1.5}, ArgumentError, r"between 0 and 1"),
        ((small(), X, Y), {"validation": [X, Y]}, ArgumentError, r"validation= is a share of the rows"),
        ((small(), X, Y), {"validation": (X,)}, ArgumentError, r"validation= is a share of the rows"),
        ((small(), X, Y), {"validation": (X, Y[:4])}, ShapeError, r"the validation rows: expected one target a row"),
        ((small(), X, Y), {"validation": (X[:, :2], Y)}, ShapeError, r"the validation rows"),
        ((small(2), X, Y), {"validation": (X, Y[:, None])}, ShapeError, r"returns \(2,\) values"),
        ((small(), X, Y), {"validation": (X, np.column_stack([Y, Y]))}, ShapeError, r"the validation rows"),
        (("network", X, Y), {}, ArgumentError, r"Expected a Network or a function"),
        ((line, X, Y), {}, ArgumentError, r"trained from weights="),
        ((line, X, Y), {"weights": {}}, ArgumentError, r"trained from weights="),
        ((line, X, Y), {"weights": {"w": 1.0}}, ArgumentError, r"expected arrays of floats, found 1.0 as 'w'"),
        ((line, X, Y), {"weights": {"w": np.zeros((3, 1), int)}}, ArgumentError, r"expected arrays of floats"),
        ((lambda w, x: x[:, 0], X, Y), {"weights": NUMBER}, ShapeError, r"must return an array \(rows, outputs\)"),
        ((lambda w, x: (x, x), X, Y), {"weights": NUMBER}, ShapeError, r"must return an array \(rows, outputs\)"),
        ((small(), X, Y), {"weights": {"layers.0.bais": np.zeros(8)}}, ShapeError, r"Did you mean 'layers.0.bias'"),
    ],
)
def test_what_does_not_fit(arguments, options, error, words):
    with pytest.raises(error, match=words):
        fit(*arguments, Plan(epochs=1), **options)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (Y, r"softmax cross-entropy expects class numbers, integers of shape \(rows,\); found float64"),
        (CLASSES[:, None], r"found int64 of shape \(50, 1\)"),
        (CLASSES + 1, r"the network has 2 outputs, one a class; found the class numbers 1 to 2"),
        (CLASSES - 1, r"found the class numbers -1 to 0"),
    ],
)
def test_class_numbers_that_do_not_fit(targets, words):
    plan = Plan(loss="softmax_cross_entropy", epochs=1)
    with pytest.raises(ShapeError, match=words):
        fit(small(2), X, targets, plan)
    with pytest.raises(ShapeError, match=words.replace("the network has 2 outputs, one a class; ", "")):
        fit(small(2), X, CLASSES, plan, validation=(X, targets))


def test_multilayer_by_default():
    assert multilayer(3, [8], 1, "tanh").shapes == small().architecture.shapes
    fitted = fit(small(), X, Y)
    assert len(fitted.history) == Plan().epochs


@pytest.mark.parametrize("plan", ["adam", {"epochs": 3}, 5])
def test_what_is_no_plan(plan):
    with pytest.raises(ArgumentError, match=r"plan= is a Plan such as"):
        fit(small(), X, Y, plan)
    with pytest.raises(ArgumentError, match=r"plan= is a Plan such as"):
        fit_population(small().architecture, X, Y, plan, seeds=2)


def test_a_population_is_made_of_an_architecture():
    with pytest.raises(ArgumentError, match=r"an Architecture, such as network.architecture. .* of type Network"):
        fit_population(small(), X, Y, seeds=2)
