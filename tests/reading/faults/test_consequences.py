"""What follows from damage is named by it, and what does not is found beside it."""

import numpy as np
import pytest

from pondera.reading.read import read
from pondera.weights.collection import Weights
from pondera.weights.tensor import Mapped, Tensor

SHAPE = (64, 512)


def trained(seed):
    """Give weights as training leaves them."""
    random = np.random.default_rng(seed)
    return (0.05 * random.standard_t(5, SHAPE) * random.lognormal(0, 0.4, (SHAPE[0], 1))).astype(np.float32)


def tensor_of(name, array):
    return Tensor(
        name, array.shape, "float32", Mapped(array.reshape(-1).view(np.uint8).data, 0, array.dtype, array.size)
    )


def found_in(**arrays):
    tensors = [tensor_of(f"{name}.fc.weight", array) for name, array in arrays.items()]
    return {each.rule: each for each in read(Weights.of(tensors, "PyTorch")).findings}


@pytest.fixture
def healthy():
    return trained(4)


def overwritten(values, at, content):
    flat = values.reshape(-1).copy()
    flat.view(np.uint8)[4 * at : 4 * at + len(content)] = np.frombuffer(content, np.uint8)
    return flat.reshape(values.shape)


def test_random_bytes_are_one_finding(healthy):
    noise = np.random.default_rng(0).bytes(32_768)
    (finding,) = found_in(a=overwritten(healthy, 5_000, noise), b=trained(5)).values()
    assert (finding.rule, finding.where) == ("random bytes", "a.fc.weight")
    assert {"not finite", "beyond float16", "dead units"} <= set(finding.figures["consequences"])
    assert "What follows from it is not listed: not finite, " in finding.advice
    assert finding.figures["nan"] > 0


def test_absurd_values_beside_them_are_of_the_same_damage(healthy):
    noise = np.random.default_rng(0).bytes(32_768)
    other, large = trained(5), trained(6)
    other[3, 4], large[5, 6] = 1e30, 1e5
    found = found_in(a=overwritten(healthy, 5_000, noise), b=other, c=large)
    assert found.keys() == {"random bytes", "beyond float16"}
    assert found["beyond float16"].where == "c.fc.weight"


def test_units_that_a_run_of_zeros_covers_are_not_called_dead(healthy):
    (finding,) = found_in(a=overwritten(healthy, 5_000, bytes(32_768))).values()
    assert (finding.rule, finding.figures["consequences"]) == ("zero run", ["dead units"])


def test_units_outside_of_it_are(healthy):
    damaged = overwritten(healthy, 5_000, bytes(16_384))
    damaged[50] = 0
    assert found_in(a=damaged).keys() == {"zero run", "dead units"}


def test_whole_units_of_zeros_may_be_either(healthy):
    healthy[10:20] = 0
    found = found_in(a=healthy)
    assert found["dead units"].figures["dead"] == 10
    assert "consequences" not in found["dead units"].figures


def test_units_of_nan_are_not_dead_but_dead_units_beside_nan_are(healthy):
    healthy[7] = np.nan
    assert found_in(a=healthy).keys() == {"not finite"}
    healthy[20] = 0
    found = found_in(a=healthy)
    assert found.keys() == {"not finite", "dead units"}
    assert found["dead units"].figures["first"] == [20]


def test_places_that_are_told_together_name_what_any_of_them_caused(healthy):
    noise = np.random.default_rng(0).bytes(32_768)
    arrays = {name: overwritten(trained(at), 5_000, noise) for at, name in enumerate("ab")}
    (finding,) = found_in(**arrays).values()
    assert finding.figures["places"] == ["a.fc.weight", "b.fc.weight"]
    assert "not finite" in finding.figures["consequences"]
