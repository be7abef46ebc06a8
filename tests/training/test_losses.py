import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.training.losses import LOSSES, loss_of

CLASSES = {"softmax_cross_entropy"}  # losses whose targets are class numbers

OPTIONS = [
    (name, option)
    for name, loss in LOSSES.items()
    for option, parameter in inspect.signature(loss.error).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
]


def example(name, rows=6, outputs=3, seed=0):
    """Give outputs and targets that suit the loss, float64."""
    random = np.random.default_rng(seed)
    out = random.normal(size=(rows, outputs)) * 2
    if name in CLASSES:
        return out, random.integers(0, outputs, rows)
    if name == "binary_cross_entropy":
        return out, random.integers(0, 2, (rows, outputs)).astype(float)
    if name == "poisson":
        return out, random.poisson(2.0, (rows, outputs)).astype(float)
    return out, random.normal(size=(rows, outputs)) * 2


# what a loss is held against: (outputs, targets) -> mean over all rows, by code that is not ours
REFERENCES = {
    "squared_error": lambda out, y: metrics.mean_squared_error(y, out),
    "absolute_error": lambda out, y: metrics.mean_absolute_error(y, out),
    "huber": lambda out, y: special.huber(1.0, out - y).mean(),
    "binary_cross_entropy": lambda out, y: np.mean(
        [metrics.log_loss(y[:, j], special.expit(out[:, j])) for j in range(y.shape[1])]
    ),
    "softmax_cross_entropy": lambda out, y: metrics.log_loss(y, special.softmax(out, 1), labels=range(out.shape[1])),
    # half the deviance is Σ y·ln y − y·z + e^z − y
    "poisson": lambda out, y: (
        metrics.mean_poisson_deviance(y.ravel(), np.exp(out).ravel()) / 2 - np.mean(special.xlogy(y, y) - y)
    ),
}


def test_every_loss_has_a_reference():
    assert set(REFERENCES) == set(LOSSES)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_value(name, outputs, x64):
    outputs = max(outputs, 2) if name in CLASSES else outputs
    out, y = example(name, 50, outputs)
    errors = loss_of(name).error(jnp.asarray(out), jnp.asarray(y))
    assert errors.shape == (50,)
    assert float(errors.mean()) == pytest.approx(REFERENCES[name](out, y), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient(name, x64, slopes):
    out, y = example(name)

    @jax.jit
    def total(out):
        return loss_of(name).error(out, jnp.asarray(y)).sum()

    np.testing.assert_allclose(jax.grad(total)(jnp.asarray(out)), slopes(total, out), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_options_reach_the_gradient(name, option, x64, slopes):
    out, y = example(name)
    error = loss_of(Choice(name, **{option: 0.3})).error
    assert not np.allclose(error(out, y), LOSSES[name].error(out, y))
    np.testing.assert_allclose(
        jax.grad(lambda out: error(out, y).sum())(jnp.asarray(out)),
        slopes(jax.jit(lambda out: error(out, y).sum()), out),
        rtol=1e-7,
        atol=1e-8,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"poisson"}))  # e^z is a rate: it has no finite value at 1e4
def test_extreme_outputs(name, dtype, x64):
    out = jnp.asarray([[1e4, -1e4], [-1e4, 1e4], [0.0, 1e4], [1e4, 1e4]], dtype)
    y = jnp.asarray([0, 0, 1, 1]) if name in CLASSES else jnp.asarray([[0, 0], [0, 1], [1, 1], [1, 0]], dtype)
    errors = loss_of(name).error(out, y)
    assert errors.dtype == dtype
    assert np.isfinite(errors).all()
    assert np.isfinite(jax.grad(lambda out: loss_of(name).error(out, y).sum())(out)).all()


def test_poisson_far_down(x64):
    out = jnp.asarray([[-1e4]])
    assert float(loss_of("poisson").error(out, jnp.asarray([[2.0]]))[0]) == 2e4
    assert np.isfinite(jax.grad(lambda out: loss_of("poisson").error(out, jnp.asarray([[2.0]])).sum())(out)).all()


def test_extreme_logits_cost_what_they_should(x64):
    binary = loss_of("binary_cross_entropy").error
    wrong, right = jnp.asarray([[1e4]]), jnp.asarray([[-1e4]])
    assert float(binary(wrong, jnp.zeros((1, 1)))[0]) == 1e4
    assert float(binary(right, jnp.zeros((1, 1)))[0]) == 0.0
    several = loss_of("softmax_cross_entropy").error
    assert float(several(jnp.asarray([[1e4, 0.0]]), jnp.asarray([1]))[0]) == 1e4


@pytest.mark.parametrize("delta", [0.3, 1.0, 2.5])
def test_huber_is_scipys_for_every_delta(delta, x64):
    errors = np.linspace(-4, 4, 41)[:, None]
    ours = loss_of(Choice("huber", delta=delta)).error(jnp.asarray(errors), jnp.zeros((41, 1)))
    np.testing.assert_allclose(ours, special.huber(delta, errors[:, 0]), rtol=1e-14)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_label_smoothing(share, x64):
    out, y = example("softmax_cross_entropy", 20, 4)
    soft = np.eye(4)[y] * (1 - share) + share / 4
    expected = -(soft * special.log_softmax(out, 1)).sum(1)
    ours = loss_of(Choice("softmax_cross_entropy", label_smoothing=share)).error(jnp.asarray(out), jnp.asarray(y))
    np.testing.assert_allclose(ours, expected, rtol=1e-13)
    out, y = example("binary_cross_entropy", 20, 1)
    soft = y * (1 - share) + share / 2
    expected = -(soft * special.log_expit(out) + (1 - soft) * special.log_expit(-out))[:, 0]
    ours = loss_of(Choice("binary_cross_entropy", label_smoothing=share)).error(jnp.asarray(out), jnp.asarray(y))
    np.testing.assert_allclose(ours, expected, rtol=1e-13)


def test_two_logits_are_one(x64):
    out, y = example("binary_cross_entropy", 20, 1)
    pair = np.column_stack([np.zeros(20), out[:, 0]])
    np.testing.assert_allclose(
        loss_of("softmax_cross_entropy").error(jnp.asarray(pair), jnp.asarray(y[:, 0].astype(int))),
        loss_of("binary_cross_entropy").error(jnp.asarray(out), jnp.asarray(y)),
        rtol=1e-12,
    )


@pytest.mark.parametrize("name", LOSSES)
def test_link_miss_and_metric(name, x64):
    loss = loss_of(name)
    out, y = example(name, 40, 3)
    out, y = jnp.asarray(out), jnp.asarray(y)
    miss = np.asarray(loss.miss(out, y))
    predicted = np.asarray(loss.link(out))
    assert miss.shape == (40,)
    if loss.metric == "accuracy":
        assert ((predicted >= 0) & (predicted <= 1)).all()
        right = predicted.argmax(1) == y if name in CLASSES else np.mean((predicted > 0.5) == y, axis=1)
        np.testing.assert_allclose(1 - miss, right)
    else:
        assert loss.metric == "rmse"
        np.testing.assert_allclose(miss, np.mean((predicted - y) ** 2, axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"absolute_error"}))  # whose kink lies there
def test_the_gradient_vanishes_where_the_prediction_is_right(name, x64):
    if name in CLASSES | {"binary_cross_entropy"}:
        out = jnp.asarray([[100.0, -100.0]])
        y = jnp.asarray([0]) if name in CLASSES else jnp.asarray([[1.0, 0.0]])
    else:
        y = jnp.asarray([[2.0, 3.0]])
        out = jnp.log(y) if name == "poisson" else y
    np.testing.assert_allclose(jax.grad(lambda out: loss_of(name).error(out, y).sum())(out), 0, atol=1e-12)


def test_unknown():
    with pytest.raises(ArgumentError, match=r"Unknown loss 'hubber'. Did you mean 'huber'\?"):
        loss_of("hubber")
    with pytest.raises(ArgumentError, match=r"The loss 'huber' takes delta. Got the option 'd'."):
        loss_of(Choice("huber", d=1))
