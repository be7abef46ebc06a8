import numpy as np
import pytest

from pondera.explaining.question import Question
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.network.scale import Scale


def squared(outputs, answers):
    return np.square(outputs[:, 0] - answers)


@pytest.fixture
def ask():
    """Give the function (networks, rows) -> a question about the first output; the first network's is right."""

    def ask(networks, x, answers=None, **more):
        several = networks if isinstance(networks, list) else [networks]
        subjects = [Subject.of_network(network) for network in several]
        right = several[0](x)[:, 0] if answers is None else answers
        return Question.of_arrays(subjects, x, right, **more)

    return ask


@pytest.fixture
def bent():
    """A network of four inputs with ReLU units, in float64, behind a scaling layer."""
    network = Network.create(4, [Scale(), Dense(8, "relu"), Dense(6, "relu"), Dense(1)], seed=3, dtype="float64")
    random = np.random.default_rng(0)
    return network.with_weights({name: random.normal(size=value.shape) for name, value in network.weights.items()})


@pytest.fixture
def linear_network():
    """Give the function that makes a network which is a sum of inputs times weights."""

    def make(weights):
        network = Network.create(len(weights), [Dense(1)], dtype="float64")
        return network.with_weights({"layers.0.weight": np.array(weights, float)[:, None]})

    return make


@pytest.fixture
def rows():
    return np.random.default_rng(1).normal(size=(60, 4))
