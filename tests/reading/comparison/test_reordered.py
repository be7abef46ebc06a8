"""The same values in another order are another network."""

import numpy as np
import pytest


def test_permuted_units_are_not_the_same(between):
    random = np.random.default_rng(1)
    shapes = {"layers.0.w": (64, 48), "layers.0.b": (48,), "layers.1.w": (48, 32), "layers.2.w": (32, 10)}
    network = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    order = np.random.default_rng(0).permutation(48)
    turned = dict(network)
    turned["layers.0.w"], turned["layers.0.b"] = network["layers.0.w"][:, order], network["layers.0.b"][order]
    turned["layers.1.w"] = network["layers.1.w"][order]
    found = between(network, turned)
    assert found.verdict == "same network, units reordered"
    assert not found.same
    statuses = {pair.name: pair.status for pair in found.tensors}
    assert statuses["layers.0.w"] == "reordered"
    assert statuses["layers.2.w"] == "equal"


@pytest.mark.parametrize(
    ("a", "b", "reordered"),
    [([0, 1, 2, 3], [1, 0, 3, 2], True), ([0, 3, 3, 6], [1, 1, 4, 6], False), ([5, 5, 1], [5, 1, 5], True)],
)
def test_the_same_sums_are_not_the_same_values(between, a, b, reordered):
    """0, 3, 3, 6 and 1, 1, 4, 6 have the same sum and the same sum of squares."""
    found = between({"w": np.array(a, np.float32)}, {"w": np.array(b, np.float32)})
    assert (found.tensors[0].status == "reordered") is reordered
