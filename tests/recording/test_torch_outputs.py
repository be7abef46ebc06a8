"""What is kept of the outputs of a PyTorch module's layers, on a fake of PyTorch."""

import numpy as np
import pytest

import pondera
from pondera.recording.torch_outputs import array_of, outputs_of
from tests.recording import fake_torch as fake

pytestmark = pytest.mark.usefixtures("fake_torch")


def test_half_precision_is_widened():
    assert array_of(fake.Tensor([1.0], "torch.bfloat16")).dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "shape", "axis", "rows", "units"),
    [
        ("convolution", (2, 3, 5, 5), -3, 50, 3),
        ("convolution", (3, 5, 5), -3, 25, 3),
        ("relu", (2, 5, 10), -2, 20, 5),
        ("relu", (2, 75), -3, 2, 75),
        ("dense", (2, 7, 9, 5), -1, 126, 5),
        ("dense", (1000, 7, 3), -1, 512, 3),
    ],
)
def test_places_are_rows(kind, shape, axis, rows, units):
    assert outputs_of(kind, fake.Tensor(np.zeros(shape)), axis).values.shape == (rows, units)


def test_some_rows_are_evenly_apart():
    rows = outputs_of("dense", fake.Tensor(np.arange(1023.0)[:, None]), -1).values[:, 0]
    assert set(np.diff(rows)) == {1, 2}
    assert (rows[0], rows[-1]) == (0, 1021)


def test_units_of_an_activation_lie_where_those_before_it_did(tmp_path):
    weight = fake.Tensor([[1.0]])
    layers = {"0": fake.Conv2d(), "1": fake.Tanh(), "2": fake.Linear({"weight": weight}), "3": fake.Tanh()}
    model, optimizer = fake.Module(modules=layers), fake.SGD([weight], 0.1)
    with pondera.watch(model, optimizer, tmp_path):
        for module in layers.values():
            module.forward(fake.Tensor(np.zeros((2, 3, 5, 4))))
        optimizer.step()
    with pondera.runs.open(tmp_path) as run:
        assert {layer: run.units(layer)[0][1].units for layer in run.layers()} == {"0": 3, "1": 3, "2": 4, "3": 4}
