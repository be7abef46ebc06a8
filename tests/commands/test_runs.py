"""Runs on the command line: recorded, resumed, listed and replaced."""

import contextlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import pondera
from tests.commands.wine import TRAIN

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.mark.parametrize("level", ["default", "off"])
def test_the_database_of_another_program_is_not_replaced(run, tmp_path, level):
    with contextlib.closing(sqlite3.connect(tmp_path / "run.sqlite")) as database:
        database.execute("CREATE TABLE mine (value)")
    before = (tmp_path / "run.sqlite").read_bytes()
    done = run(*TRAIN, "--record", level, "--replace", "--out", tmp_path)
    assert (done.code, "found that of another program" in done.err.replace("\n", " ")) == (2, True)
    assert (tmp_path / "run.sqlite").read_bytes() == before


def test_who_reads_a_run_is_offered_no_option_of_another_command(run, trained, tmp_path):
    data = (trained / "run.sqlite").read_bytes()
    (tmp_path / "run.sqlite").write_bytes(data[: len(data) // 2 + 100])
    for command in (("check", tmp_path), ("weight", tmp_path, "layers.1.weight[0,0]")):
        assert "Record the training again." in " ".join(run(*command).err.split())
    assert "Record the training again." in " ".join(run("runs", tmp_path).out.split())


def test_a_run_without_anything_in_it_is_begun_anew(run, tmp_path):
    (tmp_path / "run.sqlite").touch()
    told = " ".join(run("check", tmp_path).err.split())
    assert "found an empty one: it was cut off before anything was written" in told
    assert run(*TRAIN, "--epochs", 2, "--out", tmp_path).code == 0


def test_a_training_that_died_before_its_first_step_is_to_be_gone_on_with(run, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(
            "pondera.recording.recorder.PartRecorder.took", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        assert run(*TRAIN, "--out", tmp_path).code == 130
    for command in (("check", tmp_path), ("check", tmp_path, "--fix"), ("weight", tmp_path, "layers.1.weight[2,3]")):
        done = run(*command)
        assert (done.code, done.out) == (2, "")
        told = "".join(done.err.split())
        assert "thistrainingwascutoffbeforeitsfirststepwasrecorded." in told
        assert f"Goonwithit:ponderatrain--resume{tmp_path}." in told
    assert run("train", "--resume", tmp_path).code == 0


def test_what_is_no_database_is_replaced_where_that_is_asked(run, tmp_path):
    (tmp_path / "run.sqlite").write_bytes(b"nothing of the kind")
    assert "replace it: --replace" in run(*TRAIN, "--out", tmp_path).err.replace("\n", " ")
    assert run(*TRAIN, "--replace", "--out", tmp_path).code == 0


def test_runs_are_listed_and_compared(run, trained, tmp_path):
    other = tmp_path / "other"
    assert run(*TRAIN, "--seed", 5, "--out", other).code == 0
    told = run("runs", trained, other, "--json").json
    assert [each["state"] for each in told["runs"]] == ["finished", "finished"]
    assert told["differences"] == {"seed": [0, 5]}
    assert all(each["best"] > 0.5 for each in told["runs"])
    assert {each["metric"] for each in told["runs"]} == {"accuracy"}
    assert all(each["ended"] for each in told["runs"])
    assert "they differ in" in run("runs", tmp_path, trained).out


def test_what_is_not_known_of_a_run_is_no_difference(run, trained, tmp_path):
    for name in ("a", "b", "damaged"):
        shutil.copytree(trained, tmp_path / name)
    (tmp_path / "damaged" / "run.sqlite").write_bytes(b"SQLite format 3\0" * 99)
    run("tensorboard", trained, tmp_path / "logs")
    run("tensorboard", tmp_path / "logs", tmp_path / "imported")
    told = run("runs", tmp_path, "--json").json
    assert (len(told["runs"]), told["differences"]) == (4, {})
    assert "they differ in" not in run("runs", tmp_path).out
    assert run(*TRAIN, "--drop", "ash", "--out", tmp_path / "other").code == 0
    told = run("runs", tmp_path, "--json").json
    at = [each["run"].rpartition("/")[2] for each in told["runs"]].index("other")
    assert told["differences"] == {"drop": ["ash" if k == at else None for k in range(5)]}
    shown = run("runs", tmp_path).out.partition("they differ in")[2].splitlines()[0].split()
    assert len(shown) == 3  # of the two that cannot tell there is no column


def test_a_run_whose_rows_are_others_now_is_not_resumed(run, tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "".join(f"{k},{k % 7}\n" for k in range(60)))
    train = ("train", table, "--target", "b", "--epochs", 5, "--out", tmp_path / "run")
    ended = "pondera.training.loop.Training._note"
    with monkeypatch.context() as patched:
        patched.setattr(ended, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(*train).code == 130
    table.write_text("a,b\n" + "".join(f"{k},{k % 5}\n" for k in range(60)))
    done = run("train", "--resume", tmp_path / "run")
    assert done.code == 2
    assert "the rows" in done.err
    with pondera.runs.open(tmp_path / "run") as opened:
        assert opened.state == "unfinished"
    assert run(*train).code == 2
    done = run(*train, "--replace")
    assert done.code == 0
    assert "was of another training and is replaced" in done.err
    done = run(*train)
    assert done.code == 0
    assert "Note: the finished run in" in done.err


THAT_DIES = """
import contextlib, os, pathlib, signal, sys, time
import pondera.recording.recorder as recorder
import pondera.report.training_progress as progress
from pondera.commands import main
from pondera.recording.replay import _Looking

recorder.APART = recorder.RARELY = 0  # every epoch can be gone on from

@contextlib.contextmanager
def training_progress(*_):
    def told(network, where):
        if where.epoch == 20:
            while not any(pathlib.Path(sys.argv[1], "states").glob("*.safetensors")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
    yield told

progress.training_progress = training_progress
main(sys.argv[2:])
"""
"""The command line, which is killed in the middle of the training, once there is something to go on from."""


def test_a_training_that_is_killed_goes_on(run, tmp_path):
    killed = [sys.executable, "-c", THAT_DIES, tmp_path / "run", *map(str, TRAIN), "--out", tmp_path / "run"]
    assert subprocess.run(killed, capture_output=True).returncode == -signal.SIGKILL
    assert not (tmp_path / "run" / "model.safetensors").exists()
    for more in (["--learning-rate", "0.5"], ["--record", "off"]):  # nothing else takes its place unasked
        other = run(*TRAIN, "--out", tmp_path / "run", *more)
        assert other.code == 2
        assert "--replace" in other.err
        assert list((tmp_path / "run" / "states").iterdir())
    again = [sys.executable, "-m", "pondera", "train", "--resume", tmp_path / "run"]
    done = subprocess.run(again, capture_output=True, text=True, check=True)
    assert "goes on: training after step" in done.stderr
    assert run(*TRAIN, "--out", tmp_path / "whole", "--record", "off").code == 0
    found, expected = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "whole"))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, strict=True)


def test_a_run_that_is_written_is_not_taken_out(run, tmp_path):
    with pondera.runs.Recorder(tmp_path) as recorder:
        x = np.arange(8.0)[:, None]
        pondera.fit(pondera.Network.create(1, pondera.Dense(1)), x, x, pondera.Plan(epochs=2), recorder=recorder)
        done = run(*TRAIN, "--out", tmp_path, "--record", "off", "--replace")
        assert done.code == 2
        assert "another process is writing to this run" in done.err
    with pondera.runs.open(tmp_path) as opened:
        assert (opened.state, opened.taken) == ("finished", 2)
    assert run(*TRAIN, "--out", tmp_path, "--record", "off").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("weight", "{run}", "layers.9.weight[0,0]"), "Unknown tensor 'layers.9.weight'"),
        (("weight", "{run}", "layers.1.weight[99,0]"), "layers.1.weight has the shape"),
        (("weight", "{run}", "layers.1.weight"), "pondera weight takes a name and an index"),
        (("weight", "{run}", "networks.4.layers.1.weight[0,0]"), "Got network 4"),
        (("weight", "{empty}", "layers.1.weight[0,0]"), "expected the folder of a run"),
        (("backprop", "{run}"), "Give one of both: --row N of a table, or --step T of a run"),
        (("backprop", "{run}", "--row", 999), "the table has 178 rows"),
        (("backprop", "{run}", "--step", 1, "--example", "wine"), "Leave out --example"),
        (("backprop", "{run}", "--step", 10**9), "--step: the training took"),
        (("backprop", "{run}", "--example", "wine", "--row", 999), "the table has 178 rows"),
        (("backprop", "{run}", "--example", "iris", "--row", 1), "Column 'alcohol'"),
        (("runs", "{empty}"), "expected a run or a folder of runs, found none"),
        (("train", "--resume", "{run}"), "this run is finished"),
        (("train", "--resume", "{run}", "--epochs", 3), "Leave out --epochs"),
        (("train", "--resume", "{run}", "--replace"), "Leave out --replace"),
        (("train", "--resume", "{run}", "--record", "off"), "Leave out --record"),
        (("train", "--resume", "{empty}"), "expected the folder of a run"),
        (("train", "--example", "wine", "--record", "all", "--out", "{empty}"), "'all'. Known: default, full, off."),
        (("train", "--example", "wine", "--record", "", "--out", "{empty}"), "Unknown level of recording ''"),
    ],
)
def test_what_cannot_be_done_is_said(run, trained, tmp_path, arguments, sentence):
    places = {"run": trained, "empty": tmp_path}
    done = run(*(each.format(**places) if isinstance(each, str) else each for each in arguments))
    assert done.code == 2
    assert sentence in done.err.replace("\n", " ")
    assert done.out == ""


def test_keys_of_json_are_documented(run, trained, tmp_path):
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", COMMANDS.read_text(encoding="utf-8"), re.M | re.S))
    model = trained / "model.safetensors"
    for name in ("step-1", "step-2"):
        (tmp_path / f"{name}.safetensors").write_bytes(model.read_bytes())
    for command, *arguments in (
        ("weight", trained, "layers.1.weight[0,0]"),
        ("backprop", trained, "--step", 3),
        ("runs", trained),
        ("compare", model, model),
        ("timeline", tmp_path),
        ("convert", model, tmp_path / "w.npz"),
        ("neuron", "--inputs", "5,2", "--weights", "0.7,0.3", "--bias", 1),
        ("read", model),
    ):
        told = run(command, *arguments, "--json").json
        words = set(re.findall(r"`(\w+)`", sections[command]))
        assert set(told) <= words, f"{command}: {sorted(set(told) - words)} are not documented"


@pytest.mark.filterwarnings("always")
def test_a_run_that_was_taken_away_meanwhile_is_not_called_recorded(run, tmp_path, monkeypatch):
    note = pondera.training.loop.Training._note

    def takes_away(training, state, epoch, *more):
        if epoch == 4:
            (tmp_path / "run" / "run.sqlite").unlink()
        note(training, state, epoch, *more)

    monkeypatch.setattr(pondera.training.loop.Training, "_note", takes_away)
    done = run(*TRAIN, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "run.sqlite was taken away. Training went on without it." in " ".join(done.err.split())
    assert "Saved" in done.out
    assert "Recorded" not in done.out
