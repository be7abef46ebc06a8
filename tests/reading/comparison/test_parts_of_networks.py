"""What two networks share may be nearly all of one, or a table that both were given."""

import numpy as np
import pytest


@pytest.mark.parametrize(("rows", "verdict"), [(200, "part of the same network"), (40, "different architectures")])
def test_equal_tensors_are_a_part_if_they_are_most_of_it(between, rows, verdict):
    random = np.random.default_rng(0)

    def network(layers):
        return {name: random.normal(size=shape).astype(np.float32) for name, shape in layers.items()}

    table = {"table": random.normal(size=(rows, 20)).astype(np.float32)}
    one = {**table, **network({"a.weight": (40, 60), "a.bias": (40,)})}
    other = {**table, **network({"b.weight": (33, 77), "c.weight": (19, 41)})}
    found = between(one, other)
    assert found.verdict == verdict
    assert "1 tensor" in found.statement
