"""``pondera check``: its words, its JSON and its errors."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import pondera
from pondera.findings import Finding
from pondera.recording.health.check import Health
from pondera.recording.overview import Overview
from pondera.report.fixing import Fixed, show_fixed
from pondera.report.health import show_health

X = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A training whose weights never move."""
    where = tmp_path_factory.mktemp("run")
    with pondera.runs.Recorder(where, "full") as recorder:
        plan = pondera.Plan(epochs=30, optimizer="sgd", learning_rate=0.0)
        network = pondera.Network.create(3, [pondera.Dense(4, "tanh"), pondera.Dense(1)])
        pondera.fit(network, X, X[:, 0] * X[:, 1], plan, recorder=recorder)
    return where


def test_json(run, folder):
    done = run("check", folder, "--json")
    assert done.code == 0
    assert done.err == ""
    found = done.json
    assert {**found, "findings": ..., "changes": ..., "unasked": ...} == {
        "run": str(folder),
        "state": "finished",
        "steps": 30,
        "findings": ...,
        "changes": ...,
        "looked": 30,
        "unasked": ...,
        "hint": None,
        "framework": None,
    }
    for finding in found["findings"]:
        assert set(finding) == {
            "rule", "where", "statement", "figures", "method", "source", "certainty", "advice", "since",
        }  # fmt: skip
        assert 0 <= finding["since"] < 30
        assert finding["source"]
        assert finding["advice"]
        assert finding["figures"]["measure"] is None or finding["figures"]["measure"] >= finding["figures"]["threshold"]
    assert any(finding["rule"].endswith("weights never moved") for finding in found["findings"])


def test_words(run, folder):
    done = run("check", folder)
    assert done.code == 0
    assert "finished, 30 steps" in done.out
    assert "no matrix of weights is further from its start than 0 of its size" in " ".join(done.out.split())
    assert "--learning-rate 0.001" in " ".join(done.out.split())


@pytest.fixture(scope="module")
def steep(tmp_path_factory):
    """A training of pondera train whose learning rate is far too high, and what it printed."""
    where = tmp_path_factory.mktemp("steep") / "run"
    command = ["train", "--example", "wine", "--recipe", "plain", "--learning-rate", "3", "--epochs", "12"]
    done = subprocess.run(
        [sys.executable, "-m", "pondera", *command, "--out", where], capture_output=True, text=True, check=True
    )
    return where, done


def test_findings_are_told_while_it_trains(steep):
    where, done = steep
    told = done.stderr.splitlines()
    assert all(re.match(r"Step [\d,]+: .*\.$", line) for line in told)
    assert any("Learn slower: --learning-rate 0.3." in line for line in told)
    assert len(told) == len(set(told))
    assert f"pondera check {where}" in done.stdout


def test_nothing_is_told_where_nothing_is_recorded(run, tmp_path):
    done = run("train", "--example", "wine", "--epochs", "2", "--out", tmp_path / "a", "--record", "off")
    assert "Step" not in done.err
    assert "pondera check" not in done.out


def test_trained_again_with_what_is_advised(run, steep, tmp_path):
    where, _ = steep
    done = run("check", where, "--fix", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert set(found) == {"changes", "not_options", "worse", "before", "after"}
    assert found["worse"] in (True, False)
    assert found["changes"]["learning_rate"] == pytest.approx(0.3)
    assert found["before"]["health"]["run"] == str(where)
    assert found["after"]["health"]["run"] == f"{where}-fixed"
    with pondera.runs.open(where) as before, pondera.runs.open(f"{where}-fixed") as after:
        asked, now = before.about["arguments"], after.about["arguments"]
        assert {name: value for name, value in now.items() if asked[name] != value} == found["changes"]
        assert after.about["identity"]["data"] == before.about["identity"]["data"]
    for each in (found["before"], found["after"]):
        assert each["losses"]
        assert 0 <= each["metrics"]["accuracy"] <= 1
    again = run("check", where, "--fix")
    assert again.code == 2
    assert "in use. Name another folder with --out." in again.err
    shown = run("check", where, "--fix", "--out", tmp_path / "other").out
    assert "Trained again with --learning-rate 0.3" in shown
    assert "before" in shown
    assert str(tmp_path / "other") in shown


@pytest.mark.parametrize(
    ("name", "before", "after", "worse"),
    [("accuracy", 0.9, 0.8, True), ("accuracy", 0.8, 0.9, False), ("rmse", 2.0, 3.0, True), ("rmse", 2.0, None, None)],
)
def test_what_made_it_worse_is_said(name, before, after, worse):
    scores = ({name: before}, {name: after})
    health = Health("run", "finished", 30, ())
    curve = Overview(Path("run"), "finished", "", 30, 1, {}, (1.0, 0.5), None, "", "")
    fixed = Fixed(health, health, {"epochs": 9}, {}, (curve, curve), scores)
    console = Console(file=io.StringIO(), width=120)
    show_fixed(console, fixed)
    assert fixed.to_json()["worse"] is worse
    assert ("less well than before" in console.file.getvalue()) == bool(worse)


def test_what_cannot_be_trained_again_is_said(run, folder, tmp_path):
    assert "expected a run of pondera train" in run("check", folder, "--fix").err
    assert "Give --fix too" in run("check", folder, "--out", tmp_path).err


def test_nothing_is_trained_where_nothing_is_to_be_changed(run, steep, tmp_path, monkeypatch):
    where, _ = steep
    advice = Finding(
        "Rare classes are ignored.", {"change": {"class_weight": "balanced"}}, rule="class imbalance ignored"
    )
    healthy = Health(str(where), "finished", 12, (advice,))
    monkeypatch.setattr("pondera.recording.health.check.check", lambda _: healthy)
    found = run("check", where, "--fix", "--out", tmp_path / "new", "--json").json
    assert (found["changes"], found["not_options"], found["after"]) == ({}, {"class_weight": "balanced"}, None)
    assert found["before"]["metrics"]["accuracy"] <= 1
    shown = run("check", where, "--fix", "--out", tmp_path / "new").out
    assert "left as they are: class_weight='balanced'" in shown
    assert "It was not trained again" in shown
    assert "for you to decide" in shown
    assert not (tmp_path / "new").exists()


def test_nothing_there(run, tmp_path):
    done = run("check", tmp_path, "--json")
    assert done.code == 2
    assert done.out == ""
    assert "expected the folder of a run" in done.err


def test_json_is_what_python_gives(run, folder):
    assert run("check", folder, "--json").json == json.loads(json.dumps(pondera.runs.check(folder).to_json()))


def test_since_when_is_said_where_it_says_more_than_until_when():
    passed = [Finding(f"Until step {until}.", {"since": 40, "until": until}) for until in (40, 68)]
    console = Console(file=io.StringIO(), width=120)
    show_health(console, Health("run", "finished", 100, tuple(passed)))
    assert console.file.getvalue().count("since step 40") == 1


@pytest.mark.parametrize(
    ("unasked", "said"),
    [((), "No rule found anything"), (("dead units", "noisy"), "None of the 20 rules of 22 that could be asked found")],
)
def test_what_could_not_be_asked_is_no_praise(unasked, said):
    console = Console(file=io.StringIO(), width=120)
    health = Health("run", "finished", 30, (), unasked, looked=5)
    show_health(console, health)
    assert said in console.file.getvalue()
    few = "Only 5 steps of 30 were looked at: with --record full more can be asked."
    assert (few in console.file.getvalue()) == bool(unasked)
    assert health.to_json()["hint"] == (few if unasked else None)
    assert not replace(health, framework="TensorBoard").hint  # nobody records it anew
