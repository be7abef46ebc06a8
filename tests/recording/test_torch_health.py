"""What rules find in the training of a PyTorch module, on a fake of PyTorch."""

import io

import numpy as np
import pytest
from rich.console import Console

import pondera
from pondera.errors import PonderaWarning
from pondera.report.health import show_health
from tests.recording import fake_torch as fake

pytestmark = pytest.mark.usefixtures("fake_torch")


def hidden_layers(folder, out, tell=None, told=True):
    """Watch a network of a hidden layer with ReLU that gives what is given, and sigmoids at the end that are flat."""
    weight = fake.Tensor(np.ones((4, 3)))
    layers = {"0": fake.Linear(), "1": fake.ReLU(), "2": fake.Linear({"weight": weight}), "3": fake.Sigmoid()}
    model, optimizer = fake.Module(modules=layers), fake.SGD([weight], 1e-9)
    with pondera.watch(model, optimizer, folder, "full", on_finding=tell) as watching:
        for step in range(60):
            layers["0"].forward(fake.Tensor(out))
            layers["1"].forward(fake.Tensor(np.maximum(out, 0)))
            layers["2"].forward(fake.Tensor(np.full((16, 3), 9.0)))
            layers["3"].forward(fake.Tensor(np.ones((16, 3))))
            weight.grad = fake.Tensor(np.ones((4, 3)))
            if told:
                watching.loss(1 / (1 + step))
            optimizer.step()
    return pondera.runs.check(folder)


def test_units_that_are_silent_are_found_and_those_of_the_outputs_are_not_asked(tmp_path):
    told = []
    health = hidden_layers(tmp_path, np.full((16, 4), -100.0), lambda network, finding: told.append((network, finding)))
    found = {finding.rule: finding for finding in health.findings}
    assert found["never-used units"].where == "1"
    assert "saturated units" not in found
    assert {"saturated units", "vanishing gradients", "leakage"} <= set(health.unasked)
    assert not {"never-used units", "loss diverging"} & set(health.unasked)
    assert {(network, finding.rule) for network, finding in told} >= {
        (0, "never-used units"),
        (0, "weights never moved"),
    }


def test_a_hidden_layer_that_is_alive_is_left_alone(tmp_path):
    health = hidden_layers(tmp_path, np.random.default_rng(0).standard_normal((16, 4)))
    assert {finding.where for finding in health.findings}.isdisjoint("0123")


def test_a_half_of_the_units_may_be_silent_by_how_they_start(tmp_path):
    out = np.random.default_rng(0).standard_normal((16, 4))
    out[:, :2] = -1
    assert "1" not in {finding.where for finding in hidden_layers(tmp_path, out).findings}


def test_advice_is_no_option_of_a_command_that_did_not_train(tmp_path):
    health = hidden_layers(tmp_path, np.ones((16, 4)))
    assert health.to_json()["framework"] == "PyTorch"
    assert health.changes
    assert not any("--" in finding.advice for finding in health.findings)
    console = Console(file=io.StringIO(), width=500)
    show_health(console, health)
    assert "pondera train" not in console.file.getvalue()
    assert "learning rate too high" in console.file.getvalue().partition("not asked: ")[2]


def test_without_losses_the_rules_of_losses_are_not_asked(tmp_path):
    health = hidden_layers(tmp_path, np.ones((16, 4)), told=False)
    assert {"loss diverging", "noisy"} <= set(health.unasked)


def test_a_learning_rate_is_not_too_low_before_it_is_known_how_long_training_takes(tmp_path):
    weight = fake.Tensor([[1.0, 2.0]])
    model, optimizer = fake.Module({"weight": weight}), fake.SGD([weight], 0.5)
    told = []
    with pondera.watch(
        model, optimizer, tmp_path, "full", on_finding=lambda _, each: told.append(each.rule)
    ) as watching:
        for step in range(2000):
            weight.grad = fake.Tensor([[2e-3, 0.0]])
            watching.loss(1 / (1 + step))
            optimizer.step()
        watching.recording.writer.flush()
        known = [*told]
    assert not any("learning rate too low" in each for each in [*known, *told])
    assert not any("learning rate too low" in each.rule for each in pondera.runs.check(tmp_path).findings)


def test_a_callback_that_fails_ends_neither_loop_nor_recording(tmp_path):
    with pytest.warns(PonderaWarning, match="on_finding failed: ZeroDivisionError"):
        hidden_layers(tmp_path, np.ones((16, 4)), lambda network, finding: 1 / 0)
    with pondera.runs.open(tmp_path) as run:
        assert (run.state, run.taken) == ("finished", 60)
