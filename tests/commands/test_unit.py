"""``pondera unit``: one unit of a run."""

import contextlib
import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest

import pondera
from pondera.commands import main
from pondera.model.file import load, save
from tests.recording.interrupted import cut_off

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"
TRAIN = ("train", "--example", "wine", "--recipe", "plain", "--hidden", "5,4", "--epochs", 9, "--record", "full")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a small run."""
    folder = tmp_path_factory.mktemp("unit") / "wine"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([*map(str, TRAIN), "--out", str(folder)])
    return folder


def test_a_units_connections_are_those_of_the_model(run, trained):
    told = run("unit", trained, "layers.1[2]", "--json").json
    weights = pondera.load(trained / "model.safetensors").weights_
    incoming = {each["name"]: each["value"] for each in told["incoming"]}
    assert incoming == {f"layers.1.weight[{k},2]": weights["layers.1.weight"][k, 2] for k in range(5)}
    sizes = [abs(each["value"]) for each in told["outgoing"]]
    assert sizes == sorted(sizes, reverse=True)
    assert told["bias"] == weights["layers.1.bias"][2]


def test_its_bias_ends_where_the_weight_of_that_name_does(run, trained):
    told = run("unit", trained, "layers.0[3]", "--json").json
    life = run("weight", trained, "layers.0.bias[3]", "--json").json
    assert told["bias_life"]["initial"] == life["initial"]
    assert told["bias_life"]["final"] == life["final"] == told["bias"]
    assert [each["value"] for each in told["bias_life"]["history"]] == [each["value"] for each in life["history"]]


def test_the_loss_without_it_is_exact(run, trained):
    from pondera.commands.recorded import recorded
    from pondera.training.losses import loss_of

    told = run("unit", trained, "layers.0[1]", "--json").json
    with pondera.runs.open(trained) as opened:
        found = recorded(opened, None)
    network = found.model.networks[0]
    without = dict(network.weights)
    without["layers.1.weight"] = without["layers.1.weight"].copy()
    without["layers.1.weight"][1] = 0

    def loss(weights):
        outputs = network.architecture(weights, found.ready.x)
        return float(np.mean(loss_of(found.model.loss).error(outputs, found.ready.answers)))

    assert told["ablation_loss_change"] == pytest.approx(loss(without) - loss(dict(network.weights)), abs=1e-6)


def test_inputs_have_the_names_of_columns(run, trained):
    told = run("unit", trained, "inputs[0]", "--json").json
    assert told["called"] == "alcohol"
    assert told["bias_life"] is None
    assert run("unit", trained, "layers.0[0]", "--json").json["incoming"][0]["from"]
    shown = run("unit", trained, "inputs[0]")
    assert "alcohol" in shown.out
    assert "goes out over" in shown.out
    assert "it is an output" in run("unit", trained, "layers.2[0]").out


def test_of_a_population_each_network_has_its_own(run, tmp_path):
    assert run(*TRAIN, "--seeds", 2, "--out", tmp_path / "two").code == 0
    first, second = (run("unit", tmp_path / "two", f"networks.{k}.layers.0[1]", "--json").json for k in range(2))
    assert first["bias"] != second["bias"]
    assert run("unit", tmp_path / "two", "networks.2.layers.0[1]").code == 2


def test_of_networks_that_were_left_out_the_others_are_told_whole(run, tmp_path):
    folder = tmp_path / "two"
    assert run(*TRAIN, "--seeds", 2, "--out", folder).code == 0
    cut_off(folder, seeds=2)
    model, estimator = load(folder / "model.safetensors")
    save(dataclasses.replace(model, networks=model.networks[:1]), folder / "model.safetensors", estimator)
    told = run("weight", folder, "networks.0.layers.1.weight[0,0]", "--json").json
    assert told["ablation_loss_change"] is not None
    assert told["final"] == pytest.approx(float(model.networks[0].weights["layers.1.weight"][0, 0]), rel=1e-6)
    done = run("weight", folder, "networks.1.layers.1.weight[0,0]", "--json")
    assert "network 1 finished no epoch and was left out. Choose another one: 0." in " ".join(done.err.split())


@pytest.mark.parametrize("name", ["layers.0", "layers.0[1,2]", "layers.9[0]", "layers.0[99]", "[]", "inputs[-1]"])
def test_units_that_are_not_there(run, trained, name):
    done = run("unit", trained, name)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")


def test_every_key_is_documented(run, trained):
    section = re.search(r"^## unit\n(.*?)(?=^## )", COMMANDS.read_text(encoding="utf-8"), re.M | re.S)[1]
    told = run("unit", trained, "layers.0[1]", "--json").json
    assert {*told, *told["incoming"][0]} <= set(re.findall(r"`(\w+)`", section))
