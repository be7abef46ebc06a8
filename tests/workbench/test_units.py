"""Units of a run's network: their connections at any recorded step, and what the command tells of them."""

import json
import subprocess
import sys

import numpy as np
import pytest

import pondera


@pytest.fixture
def run(folder):
    x = np.random.default_rng(0).normal(size=(60, 2))
    start = pondera.Network.create(2, [pondera.Dense(4, "tanh"), pondera.Dense(1)], seed=1)
    with pondera.runs.Recorder(folder / "line", level="full") as recorder:
        pondera.fit(start, x, x[:, 0], pondera.Plan(epochs=4), recorder=recorder)
    with pondera.runs.open(folder / "line") as opened:
        yield opened


def ask(client, **query):
    return client.get("/api/run/unit/strengths", params={"run": "line", **query})


def test_the_connections_of_a_unit_at_a_step(client, run):
    step = run.recorded("layers.0.weight")[2]
    first, second = (run.weights_at(f"layers.{k}.weight", step) for k in range(2))
    found = ask(client, column=1, unit=3, step=step).json()
    assert (found["name"], found["units"], found["step"]) == ("layers.0[3]", 4, step)
    assert {each["name"]: each["value"] for each in found["incoming"]} == {
        f"layers.0.weight[{k},3]": first[k, 3] for k in range(2)
    }
    assert [each["value"] for each in found["outgoing"]] == [second[3, 0]]
    assert found["bias"] == run.weights_at("layers.0.bias", step)[3]
    np.testing.assert_allclose(found["norms"], np.linalg.norm(first.astype(float), axis=0))


def test_inputs_have_nothing_that_comes_in_and_outputs_nothing_that_goes_out(client, run):
    inputs = ask(client, column=0, unit=1, step=0).json()
    assert (inputs["name"], inputs["incoming"], inputs["bias"], len(inputs["outgoing"])) == ("inputs[1]", [], None, 4)
    outputs = ask(client, column=2, unit=0, step=0).json()
    assert (outputs["name"], outputs["outgoing"], len(outputs["incoming"])) == ("layers.1[0]", [], 4)


def test_the_nearest_recorded_step_is_told(client, run):
    last = run.recorded("layers.0.weight")[-1]
    assert ask(client, column=0, unit=0, step=10**9).json()["step"] == last


@pytest.mark.parametrize(("column", "unit"), [(3, 0), (0, 2), (1, 4), (10_000, 0)])
def test_units_that_are_not_there(client, run, column, unit):
    answer = ask(client, column=column, unit=unit, step=0)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_the_command_tells_the_same(client, folder):
    wanted = ["--example", "iris", "--recipe", "plain", "--hidden", "4", "--epochs", "3", "--out", "iris"]
    subprocess.run([sys.executable, "-m", "pondera", "train", *wanted], cwd=folder, capture_output=True, check=True)
    answer = client.get("/api/run/unit", params={"run": "iris", "unit": "layers.0[1]"})
    told = subprocess.run(
        [sys.executable, "-m", "pondera", "unit", "iris", "layers.0[1]", "--json"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert answer.json()["answer"] == json.loads(told.stdout)
    assert answer.json()["command"] == "pondera unit iris 'layers.0[1]'"
    assert client.get("/api/run/unit", params={"run": "iris", "unit": "--help"}).status_code == 400
