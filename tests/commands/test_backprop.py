"""Backpropagation on the command line: rows of a table, and steps that a training took."""

import os
import signal

import numpy as np
import pytest

from pondera.recording.replay import _Looking
from tests.commands.wine import TRAIN


def test_the_update_written_out_is_what_training_made(run, trained):
    told = run("backprop", trained, "--step", 17, "--weight", "layers.1.weight[2,3]", "--json").json["weight"]
    life = run("weight", trained, "layers.1.weight[2,3]", "--json").json["history"]
    assert told["update"]["before"] == life[17]["value"]
    assert told["trained"] == life[18]["value"]
    assert told["update"]["after"] == pytest.approx(told["trained"], rel=1e-6)
    assert told["gradient"] == pytest.approx(life[17]["gradient"], rel=1e-4)
    terms = np.multiply(told["product"]["activations"], told["product"]["signals"])
    assert terms.sum() * told["product"]["factor"] == pytest.approx(told["gradient"], rel=1e-4)


def test_a_row_forward_and_back(run, trained):
    told = run("backprop", trained, "--example", "wine", "--row", 3, "--json").json
    assert [layer["kind"] for layer in told["layers"]] == ["scale", "dense", "dense", "dense"]
    assert told["rows"] == 1
    assert told["loss"] == pytest.approx(told["errors"][0])
    gradient = told["weight"]["gradient"]
    assert told["weight"]["update"]["lines"][0]["value"] == gradient
    assert run("backprop", trained, "--row", 3, "--json").json == told  # the run knows its table
    shown = run("backprop", trained, "--example", "wine", "--row", 3)
    assert "as a first step at the plan's largest learning rate would move it" in shown.out


@pytest.mark.parametrize("arguments", [("backprop", "--step", 20), ("weight", "layers.1.weight[2,3]")])
def test_training_again_can_be_interrupted(run, trained, tmp_path, monkeypatch, arguments):
    assert run(*TRAIN, "--out", tmp_path).code == 0
    begin = _Looking.begin

    def interrupted(looking, beginning):
        os.kill(os.getpid(), signal.SIGINT)
        return begin(looking, beginning)

    monkeypatch.setattr(_Looking, "begin", interrupted)
    command, *rest = arguments
    done = run(command, tmp_path, *rest)
    assert (done.code, done.out) == (130, "")
    assert "Interrupted." in done.err


def test_of_several_networks_it_is_said_which_one_is_shown(run, tmp_path):
    assert run(*TRAIN, "--seeds", 2, "--out", tmp_path).code == 0
    for command, name in (("weight", "layers.1.weight[2,3]"), ("unit", "layers.1[2]")):
        assert f"network 1 of {tmp_path}" in run(command, tmp_path, f"networks.1.{name}").out.replace("\n", "")
    shown = run("backprop", tmp_path, "--row", 3, "--weight", "networks.1.layers.1.weight[2,3]").out
    assert f"network 1 of {tmp_path}" in shown.replace("\n", "")


@pytest.mark.parametrize("name", ["networks.7.layers.1.weight[0,0]", f"networks.{10**17}.layers.1.weight[0,0]"])
def test_a_network_that_is_not_there_is_said(run, trained, name):
    done = run("backprop", trained, "--step", 3, "--weight", name)
    assert (done.code, "has 1 network, numbered from 0 to 0" in done.err.replace("\n", " ")) == (2, True)
    done = run("weight", trained, "lay\udc80.weight[0,0]")
    assert (done.code, "takes a name and an index" in done.err.replace("\n", " ")) == (2, True)
