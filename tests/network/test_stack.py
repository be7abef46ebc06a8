import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.layer import Layer
from pondera.network.residual import Residual
from pondera.network.scale import Scale

RANDOM = np.random.default_rng(0)
KEY = jax.random.PRNGKey(0)

STACKS: list[tuple[Layer, ...]] = [
    (Scale(), Dense(4, "tanh"), Dense(2)),
    (Scale(), Dense(4, "selu", parametrization="ntk", bias=None), Scale()),
    (Dense(3, "silu"), Scale(), Scale(), Dense(2, "gelu")),
    (Residual((Scale(), Dense(3, "tanh"))), Scale()),
    (Scale(),),
]


@pytest.mark.parametrize("layers", STACKS)
def test_training_finds_what_layer_by_layer_gives(layers):
    architecture = Architecture(3, layers)
    with jax.enable_x64(True):
        weights = {name: RANDOM.normal(size=shape) for name, shape in architecture.shapes.items()}
        x = RANDOM.normal(size=(5, 3))

        def loss(key):
            return lambda weights, x: jnp.sum(jnp.sin(architecture.apply(weights, x, key)))

        np.testing.assert_allclose(
            architecture.apply(weights, x, KEY), [*architecture.trace(weights, x)][-1][1], rtol=1e-13
        )
        training, predicting = (jax.grad(loss(key), (0, 1))(weights, x) for key in (KEY, None))
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-11), training, predicting)


def test_a_scaling_layer_costs_training_no_product_of_rows():
    def products(layers):
        architecture = Architecture(3, layers)
        weights = architecture.initial(0)
        gradient = jax.grad(lambda w: jnp.sum(architecture.apply(w, np.ones((5, 3), np.float32), KEY) ** 2))
        return jax.jit(gradient).lower(weights).as_text().count("dot_general")

    assert products([Scale(), Dense(4), Dense(2)]) == products([Dense(4), Dense(2)]) == 5
