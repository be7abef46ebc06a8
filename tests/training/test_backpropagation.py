"""Loss, gradients and whole trajectories against scikit-learn and against plain NumPy."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import LabelBinarizer

from pondera.choice import Choice
from pondera.network.architecture import multilayer
from pondera.network.network import Network
from pondera.training.epoch import Order, Program, Rows, loss_and_gradients, order_of
from pondera.training.fit import fit
from pondera.training.plan import Plan

HIDDEN = (7, 5)


def theirs(kind, activation, x, y, weights, sample_weight):
    """Give scikit-learn's loss and gradients on these weights."""
    model = kind(
        hidden_layer_sizes=HIDDEN,
        activation=activation,
        alpha=0.0,
        max_iter=1,
        solver="sgd",
        batch_size=len(x),
        random_state=0,
    )
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        model.fit(x, y)
    layers = range(len(HIDDEN) + 1)
    model.coefs_ = [np.array(weights[f"layers.{i}.weight"]) for i in layers]
    model.intercepts_ = [np.array(weights[f"layers.{i}.bias"]) for i in layers]
    answers = LabelBinarizer().fit_transform(y) if kind is MLPClassifier else y.reshape(len(y), -1)
    activations = [x, *(np.empty((len(x), units)) for units in [*HIDDEN, answers.shape[1]])]
    loss, coefs, intercepts = model._backprop(
        x, answers, sample_weight, activations, [None] * len(layers), [None] * len(layers), [None] * len(layers)
    )
    gradients = {f"layers.{i}.weight": coefs[i] for i in layers} | {f"layers.{i}.bias": intercepts[i] for i in layers}
    return loss, gradients


def ours(loss, architecture, x, y, weights, sample_weight):
    """Give our loss and gradients, taken from one step of training on all rows."""
    program = Program(architecture, Choice(loss), Choice("sgd"), 0.0, None, ())
    picked, present = order_of(0, 0, len(x), len(x))
    order = Order(jnp.asarray(picked), jnp.asarray(present, float), jnp.ones(1))
    row_weights = np.ones(len(x)) if sample_weight is None else sample_weight
    targets = y if loss == "softmax_cross_entropy" else y.astype(float).reshape(len(y), -1)
    rows = Rows(*(jnp.asarray(part) for part in (x, targets, row_weights)))
    return loss_and_gradients(program, program.start(weights, 0), rows, order, 0)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(("activation", "named"), [("relu", "relu"), ("tanh", "tanh"), ("logistic", "sigmoid")])
@pytest.mark.parametrize(
    ("task", "loss", "outputs", "factor"),
    [
        ("binary", "binary_cross_entropy", 1, 1.0),
        ("multiclass", "softmax_cross_entropy", 4, 1.0),
        ("regression", "squared_error", 1, 2.0),  # scikit-learn halves the squared error
    ],
)
def test_loss_and_gradients_are_scikit_learns(task, loss, outputs, factor, activation, named, weighted, x64):
    random = np.random.default_rng(3)
    x = random.normal(size=(40, 6))
    y = random.normal(size=40) if task == "regression" else np.arange(40) % max(outputs, 2)
    sample_weight = random.uniform(0.1, 3, 40) if weighted else None
    architecture = multilayer(6, HIDDEN, outputs, named)
    weights = {name: random.normal(size=shape) for name, shape in architecture.shapes.items()}
    kind = MLPRegressor if task == "regression" else MLPClassifier
    their_loss, their_gradients = theirs(kind, activation, x, y, weights, sample_weight)
    our_loss, our_gradients = ours(loss, architecture, x, y, weights, sample_weight)
    assert float(our_loss) == pytest.approx(factor * their_loss, rel=1e-6)
    for name, gradient in their_gradients.items():
        np.testing.assert_allclose(our_gradients[name], factor * gradient, rtol=1e-6, atol=1e-13, err_msg=name)


def forward_and_back(weights, x, y):
    """Give the gradients of the mean squared error of a tanh network with one hidden layer, written out by hand."""
    hidden = np.tanh(x @ weights["layers.0.weight"] + weights["layers.0.bias"])
    out = hidden @ weights["layers.1.weight"] + weights["layers.1.bias"]
    back = 2 * (out - y) / out.size
    below = (back @ weights["layers.1.weight"].T) * (1 - hidden**2)
    gradients = {
        "layers.0.weight": x.T @ below,
        "layers.0.bias": below.sum(0),
        "layers.1.weight": hidden.T @ back,
        "layers.1.bias": back.sum(0),
    }
    return float(np.mean((out - y) ** 2)), gradients


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("batch", [30, 7], ids=["one batch", "batches, the last of two rows"])
def test_a_trajectory_is_plain_numpys(batch, outputs):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.normal(size=(30, outputs))
    network = Network(multilayer(4, [6], outputs, "tanh"), multilayer(4, [6], outputs).initial(5, "float64"))
    plan = Plan(optimizer="sgd", learning_rate=0.1, epochs=40, batch_size=batch, seed=9)
    weights = {name: value.copy() for name, value in network.weights.items()}
    for epoch in range(plan.epochs):
        losses, counts = [], []
        order, present = order_of(plan.seed, epoch, 30, batch)
        for rows, there in zip(order, present, strict=True):
            loss, gradients = forward_and_back(weights, x[rows[there]], y[rows[there]])
            losses.append(loss)
            counts.append(there.sum())
            for name, gradient in gradients.items():
                weights[name] -= plan.learning_rate * gradient
    fitted = fit(network, x, y, plan)
    for name, value in weights.items():
        np.testing.assert_allclose(fitted.network.weights[name], value, rtol=1e-10, atol=1e-12)
    assert fitted.history[-1].training_loss == pytest.approx(np.average(losses, weights=counts), rel=1e-10)


def test_whole_network_gradients_in_float64(x64, slopes):
    random = np.random.default_rng(0)
    architecture = multilayer(3, [4, 4], 2, "mish")
    weights = {name: random.normal(size=shape) for name, shape in architecture.shapes.items()}
    x, y = random.normal(size=(5, 3)), random.integers(0, 2, 5)

    def loss(weights):
        return ours("softmax_cross_entropy", architecture, x, y, weights, None)[0]

    gradients = ours("softmax_cross_entropy", architecture, x, y, weights, None)[1]
    compiled = jax.jit(loss)
    for name, gradient in gradients.items():
        measured = slopes(lambda value, name=name: compiled({**weights, name: value}), weights[name])
        np.testing.assert_allclose(gradient, measured, rtol=1e-6, atol=1e-9)
