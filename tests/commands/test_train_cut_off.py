"""Trainings by command that are interrupted or killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import pondera
from pondera.recording.recorder import Recorder


def start(*arguments, program=("-m", "pondera"), **options):
    line = [sys.executable, *program, *(str(argument) for argument in arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


WITH_A_SIGN = """
import contextlib, pathlib, sys
import pondera.report.training_progress as progress
from pondera.commands import main

@contextlib.contextmanager
def training_progress(*_):
    yield lambda network, where: where.epoch > 0 and pathlib.Path(sys.argv[1]).touch()

progress.training_progress = training_progress
main(sys.argv[2:])
"""
"""The command line, which makes a file of the given name once the first epoch is over."""


THAT_DIES = """
import os, signal, sys
from pondera.commands import main

def heard(event, arguments):
    if event in ("open", "os.rename") and ".model.safetensors." in str(arguments[0]):
        left.pop()
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

left = [None] * int(sys.argv[1])
sys.addaudithook(heard)
main(sys.argv[2:])
"""
"""The command line, which is killed when it is about to do the nth thing to the part that becomes the model's file."""


def test_kill_leaves_no_damaged_model(run, flowers, tmp_path):
    """Killed before the part has the model's name, and before the model is saved again: it is whole or not there."""
    train = ("train", flowers, "--target", "kind", "--hidden", 4, "--epochs", 2, "--out", tmp_path)
    model = tmp_path / "model.safetensors"
    for nth, there in ((2, False), (4, True)):
        process = start(nth, *train, program=("-c", THAT_DIES))
        _, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, err
        assert model.exists() == there
        parts = [*tmp_path.glob(".model.safetensors.*.part")]
        assert len(parts) == (not there)
        for part in parts:
            part.unlink()
    pondera.load(model)
    assert run(*train).code == 0  # the next training is like any other
    pondera.load(model)


def test_ctrl_c_keeps_the_best_weights(tmp_path):
    """The first Ctrl-C ends training, and what was learned so far is reported and saved."""
    sign = tmp_path / "training"
    process = start(
        sign, "train", "--example", "digits", "--epochs", 100_000, "--out", tmp_path, "--json",
        program=("-c", WITH_A_SIGN), start_new_session=True,
    )  # fmt: skip
    try:
        while not sign.exists() and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()  # it would train on for hours
    assert process.returncode == 0
    assert json.loads(out)["fits"][0]["reason"] == "interrupted"
    assert "interrupted" in err
    assert pondera.load(tmp_path / "model.safetensors").model_.record["fits"][0]["reason"] == "interrupted"


@pytest.mark.parametrize(("owner", "name"), [(pondera.PonderaClassifier, "save"), (Recorder, "close")])
def test_ctrl_c_after_training_loses_nothing_of_it(run, flowers, tmp_path, monkeypatch, owner, name):
    method = getattr(owner, name)

    def interrupted(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)
    done = run("train", flowers, "--target", "kind", "--epochs", 2, "--out", tmp_path)
    assert done.code == 130
    assert "The model was saved to" in done.err
    assert "it was not tested" in done.err
    pondera.load(tmp_path / "model.safetensors")
    with pondera.runs.open(tmp_path) as opened:
        assert opened.state == "finished"
        assert opened.about["ended.0"]["reason"] == "completed"


def test_a_second_ctrl_c_after_training_leaves_it_to_be_gone_on_with(run, flowers, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(pondera.PonderaClassifier, "save", interrupted)
        assert run("train", flowers, "--target", "kind", "--epochs", 2, "--out", tmp_path).code == 130
    told = " ".join(run("weight", tmp_path, "layers.1.weight[0,0]").err.split())
    assert "this training was cut off. Go on with it: pondera train --resume" in told
    assert run("train", "--resume", tmp_path).code == 0
    assert "was cut off" not in run("weight", tmp_path, "layers.1.weight[0,0]").err
    pondera.load(tmp_path / "model.safetensors")
