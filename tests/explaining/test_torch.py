"""Modules of PyTorch, where it is installed."""

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError
from pondera.explaining.adapters import of_torch
from pondera.explaining.reliability.sanity import shuffled

torch = pytest.importorskip("torch")


@pytest.fixture
def module():
    torch.manual_seed(0)
    layers = torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    return torch.nn.Sequential(*layers).eval()


def test_shuffled_weights_leave_the_module_as_it_is(module):
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    subject = of_torch(module)
    before = subject.outputs(x)
    other = subject.changed(shuffled(1))
    assert np.abs(other.outputs(x) - before).max() > 0.1
    np.testing.assert_array_equal(subject.outputs(x), before)
    np.testing.assert_array_equal(subject.changed(lambda value: value).outputs(x), before)
    step = np.eye(3, dtype=np.float32)[0] * 1e-2
    slope = (other.outputs(x + step) - other.outputs(x - step)) / 2e-2
    np.testing.assert_allclose(other.slopes(x, np.ones((50, 1)))[:, 0], slope[:, 0], atol=1e-2)


def test_methods_that_look_at_a_module_are_told_from_those_that_do_not(module):
    x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    found = pondera.explain(module, x, of_torch(module).outputs(x)[:, 0], methods=["permutation", "gradient_input"])
    assert all(each.sanity.sees_network for each in found.results.values())
    constant = torch.nn.Flatten().eval()  # without weights there is nothing to shuffle
    assert pondera.explain(constant, x, methods=["gradient_input"]).results["gradient_input"].sanity is None


def test_a_module_in_training_is_refused(module):
    with pytest.raises(ArgumentError, match="Call its eval"):
        pondera.explain(module.train(), np.zeros((4, 3), np.float32))
