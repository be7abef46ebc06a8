"""A few rows, and a small network to be trained on them."""

import jax
import numpy as np

from pondera.network.dense import Dense
from pondera.network.network import Network

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
