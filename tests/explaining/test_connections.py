import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.explaining.connections import activation_scaled, unit_ablation, weight_of

RANDOM = np.random.default_rng(0)


@pytest.fixture
def question(ask, bent, rows):
    answers = RANDOM.normal(size=len(rows))
    return dataclasses.replace(ask(bent, rows, answers), loss="squared_error")


def error(network, question, weights=None):
    outputs = np.asarray(network.with_weights(weights or {})(question.x))[:, 0]
    return np.square(outputs - question.answers)


def test_ablation_of_a_weight_is_exact(question, bent):
    found = weight_of(question, bent, "layers.2.weight", (3, 1))
    gone = np.array(bent.weights["layers.2.weight"])
    gone[3, 1] = 0
    expected = error(bent, question, {"layers.2.weight": gone}).mean() - error(bent, question).mean()
    assert found.ablation == pytest.approx(expected, rel=1e-10)


def test_pushes_are_the_gradients_of_single_rows(question, bent):
    found = weight_of(question, bent, "layers.1.weight", (0, 2))
    with jax.enable_x64(True):
        for row in (0, 5, 17):

            def loss(matrix, row=row):
                outputs = bent.architecture({**bent.weights, "layers.1.weight": matrix}, question.x[row : row + 1])
                return jnp.sum((outputs[:, 0] - question.answers[row]) ** 2)

            slope = jax.grad(loss)(jnp.asarray(bent.weights["layers.1.weight"]))
            assert found.pushes[row] == pytest.approx(float(slope[0, 2]), rel=1e-10)
    assert found.gradient == pytest.approx(found.pushes.mean(), rel=1e-12)


def test_the_last_weight_is_a_parabola(question, bent):
    found = weight_of(question, bent, "layers.3.weight", (2, 0))
    assert found.second_order == pytest.approx(found.ablation, rel=1e-8)  # the error is quadratic in it
    middle = len(found.values) // 2
    assert found.values[middle] == pytest.approx(found.value)
    assert found.values[0] == pytest.approx(0)
    assert found.errors[middle] == pytest.approx(error(bent, question).mean())
    up, down = found.strongest()
    assert (found.pushes[up] < 0).all()
    assert (found.pushes[down] > 0).all()


def test_units_are_ablated_exactly(question, bent):
    found = unit_ablation(question, bent, 1)
    assert found.shape == (8,)
    outgoing = np.array(bent.weights["layers.2.weight"])
    outgoing[4] = 0
    expected = error(bent, question, {"layers.2.weight": outgoing}).mean() - error(bent, question).mean()
    assert found[4] == pytest.approx(expected, rel=1e-10)


def test_activation_scaled_weights(bent, rows):
    found = activation_scaled(bent, rows)
    assert list(found) == ["layers.1.weight", "layers.2.weight", "layers.3.weight"]
    entering = rows * bent.weights["layers.0.scale"]
    norms = np.sqrt((entering**2).sum(axis=0))
    np.testing.assert_allclose(found["layers.1.weight"], np.abs(bent.weights["layers.1.weight"]) * norms[:, None])


def test_what_is_not_there_is_said(question, bent):
    with pytest.raises(ArgumentError, match=r"layers\.9\.weight"):
        weight_of(question, bent, "layers.9.weight", (0,))
    with pytest.raises(ArgumentError, match=r"shape \(4, 8\). Got the index \[4, 0\]"):
        weight_of(question, bent, "layers.1.weight", (4, 0))
    with pytest.raises(ArgumentError, match="choose another layer"):
        unit_ablation(question, bent, 3)
    with pytest.raises(ArgumentError, match="right answers"):
        weight_of(dataclasses.replace(question, answers=None), bent, "layers.1.weight", (0, 0))
