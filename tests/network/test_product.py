import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pondera.network.product import product

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(3, 2))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3), (0, 3)])
def test_values_and_derivatives_are_those_of_the_plain_product(shape):
    with jax.enable_x64(True):
        x = RANDOM.normal(size=shape)

        def of(multiply):
            return lambda x, weight: jnp.sum(jnp.tanh(multiply(jnp.tanh(multiply(x, weight)), weight[:2])) ** 2)

        ours, plain = of(product), of(jnp.matmul)
        np.testing.assert_allclose(product(x, WEIGHT), x @ WEIGHT, rtol=1e-14)
        derivatives = [(kind, argument) for kind in (jax.grad, jax.jacfwd, jax.hessian) for argument in (0, 1)]
        found, expected = (
            jax.jit(lambda *given, f=f: [kind(f, argument)(*given) for kind, argument in derivatives])(x, WEIGHT)
            for f in (ours, plain)
        )
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_over_a_batch_of_batches():
    x = RANDOM.normal(size=(6, 4, 3)).astype(np.float32)
    weight = WEIGHT.astype(np.float32)
    found = jax.grad(lambda w: jnp.sum(jax.vmap(product, (0, None))(x, w) ** 2))(weight)
    np.testing.assert_allclose(found, jax.grad(lambda w: jnp.sum((x @ w) ** 2))(weight), rtol=1e-5)
