import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from pondera.choice import Choice
from pondera.errors import ArgumentError, ShapeError
from pondera.network.activations import ACTIVATIONS
from pondera.network.neuron import Neuron


def test_the_textbook_example():
    neuron = Neuron([0.7, 0.3], bias=1)
    assert neuron([5, 2]) == 5.1
    explained = neuron.explain([5, 2])
    assert explained.contributions == (3.5, 0.6)
    assert explained.sum == explained.output == 5.1
    assert explained.inputs == (5.0, 2.0)
    assert explained.weights == (0.7, 0.3)
    assert explained.bias == 1.0


def test_the_sum_is_correctly_rounded():
    # added from left to right this gives 0
    assert Neuron([1e16, 1.0, -1e16])([1, 1, 1]) == 1.0
    assert sum([1e16, 1.0, -1e16]) == 0.0
    assert Neuron([0.1] * 10)([1] * 10) == 1.0
    random = np.random.default_rng(0)
    weights, x = random.normal(size=50), random.normal(size=50) * 10.0 ** random.integers(-8, 8, 50)
    expected = math.fsum([*(weights * x).tolist(), 0.25])
    assert Neuron(weights, 0.25).explain(x).sum == expected
    order = random.permutation(50)
    assert Neuron(weights[order], 0.25).explain(x[order]).sum == expected


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, x64):
    neuron = Neuron([0.5, -1.5], 0.2, name)
    for x in [[1.0, 2.0], [-3.0, -1.0], [0.0, 0.0]]:
        explained = neuron.explain(x)
        assert explained.activation == name
        assert explained.sum == math.fsum([x[0] * 0.5, x[1] * -1.5, 0.2])
        assert explained.output == pytest.approx(
            float(ACTIVATIONS[name].function(jnp.asarray(explained.sum))), rel=1e-15
        )
        assert neuron(x) == explained.output


def test_activation_with_options():
    assert Neuron([1.0], 0.0, Choice("leaky_relu", slope=0.25))([-2.0]) == -0.5
    assert Neuron([1.0], 0.0, {"name": "leaky_relu", "slope": 0.25})([-2.0]) == -0.5


def test_many_rows():
    neuron = Neuron([0.7, 0.3], 1)
    out = neuron(np.array([[5, 2], [0, 0], [1, 1]]))
    assert out.tolist() == [neuron([5, 2]), 1.0, neuron([1, 1])]
    assert neuron(np.zeros((0, 2))).shape == (0,)


def test_json_and_repr():
    plain = Neuron([0.7, 0.3], 1, "relu").explain(np.array([5, 2])).to_json()
    assert json.loads(json.dumps(plain)) == {
        "inputs": [5.0, 2.0],
        "weights": [0.7, 0.3],
        "contributions": [3.5, 0.6],
        "bias": 1.0,
        "sum": 5.1,
        "activation": "relu",
        "output": 5.1,
    }
    assert repr(Neuron([0.7, 0.3], 1, "relu")) == "Neuron([0.7, 0.3], bias=1.0, activation='relu')"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([],), "needs a list of weights"),
        ((5,), "needs a list of weights"),
        (([[1.0]],), r"needs a list of weights.*shape \(1, 1\)"),
        ((["a"],), "The weights of a neuron must be numbers"),
        ((None,), "The weights of a neuron must be"),
        (([1.0, float("nan")],), "The weights of a neuron must be finite"),
        (([1.0], float("inf")), "The bias of a neuron must be finite"),
        (([1.0], [1.0]), "A neuron has one bias"),
        (([1.0], 0, "rleu"), "Unknown activation 'rleu'"),
        (([1.0], 0, Choice("relu", slope=1)), "takes no options"),
    ],
)
def test_neurons_that_cannot_be(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        Neuron(*arguments)


def test_inputs_that_do_not_fit():
    neuron = Neuron([0.7, 0.3])
    with pytest.raises(ShapeError, match=r"has 2 weights and needs as many inputs; 3 were given"):
        neuron([1, 2, 3])
    with pytest.raises(ShapeError, match=r"3 were given"):
        neuron([[1, 2, 3]])
    with pytest.raises(ShapeError, match=r"an array of shape \(1, 2\) was given"):
        neuron.explain([[1, 2]])
    with pytest.raises(ShapeError, match=r"shape \(1, 1, 2\)"):
        neuron([[[1, 2]]])
    with pytest.raises(ShapeError):
        neuron(5.0)
    with pytest.raises(ArgumentError, match=r"The inputs of a neuron must be numbers"):
        neuron(["x", "y"])
    with pytest.raises(ArgumentError, match=r"finite"):
        neuron([math.nan, 1])
    with pytest.raises(ArgumentError, match=r"too large for a float64"):
        Neuron([1e308, 1e308])([10, 10])
    with pytest.raises(ArgumentError, match=r"too large for a float64"):
        Neuron([1e308, 1e308])([1, 1])
    with pytest.raises(ArgumentError, match=r"too large for a float64"):
        Neuron([1e308, -1e308])([10, 10])
