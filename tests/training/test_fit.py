import equinox
import jax
import jax.numpy as jnp
import numpy as np
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
from tests.training.small import CLASSES, RANDOM, X, Y, assert_bitwise, figures, small

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
