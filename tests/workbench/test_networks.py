"""Runs of several networks: each can be looked at, and what is new of any is told."""

import base64
import sqlite3

import numpy as np
import pytest

import pondera
from tests.recording.interrupted import cut_off

NETWORKS = 3


@pytest.fixture
def run(folder):
    x = np.random.default_rng(0).normal(size=(40, 2))
    architecture = pondera.Network.create(2, [pondera.Dense(3, "tanh"), pondera.Dense(1)]).architecture
    with pondera.runs.Recorder(folder / "three", level="full") as recorder:
        pondera.fit_population(architecture, x, x[:, 0], pondera.Plan(epochs=2), seeds=NETWORKS, recorder=recorder)
    with pondera.runs.open(folder / "three") as opened:
        yield opened


def ask(client, path, **query):
    return client.get(f"/api/run/{path}", params={"run": "three", **query})


def test_each_is_shown_as_it_is(run, client):
    assert client.get("/api/run?run=three").json()["networks"] == [0, 1, 2]
    name = "layers.0.weight"
    cells = {"top": 0, "bottom": 2, "left": 0, "right": 3, "down": 2, "across": 3}
    seen = set()
    for part in range(NETWORKS):
        weights = run.weights_at(name, 0, part)
        tile = ask(client, "tile", tensor=name, step=0, network=part, **cells).content
        np.testing.assert_array_equal(np.frombuffer(tile, "<f4").reshape(2, 3), weights)
        curves = ask(client, "curves", network=part).json()
        assert curves["epochs"] == run.epochs(part)
        assert curves["command"] == "pondera runs three --json"
        assert curves["python"] == f"pondera.runs.open('three').epochs({part or ''})"
        assert ask(client, "network", network=part).json()["steps"] == run.recorded(name, part)
        unit = ask(client, "unit/strengths", column=1, unit=2, step=0, network=part).json()
        prefix = f"networks.{part}." if part else ""
        assert unit["name"] == f"{prefix}layers.0[2]"
        assert {each["name"]: each["value"] for each in unit["incoming"]} == {
            f"{prefix}{name}[{k},2]": weights[k, 2] for k in range(2)
        }
        matrix = ask(client, "matrix", tensor=name, network=part).json()
        counts = ask(client, "histogram", tensor=name, step=0, network=part).json()
        frames = ask(client, "frames", steps="0", network=part).json()
        assert sum(each["count"] for each in counts["bins"]) == 6
        drawn = b"".join(run.weights_at(each["name"], 0, part).tobytes() for each in frames["matrices"])
        assert base64.b64decode(frames["values"]) == drawn  # all of a small network
        seen.add((matrix["most"], counts["norm"], frames["values"]))
    assert len(seen) == NETWORKS
    assert ask(client, "curves").json() == ask(client, "curves", network=0).json()


SHOWN = [
    ("curves", {}),
    ("network", {}),
    ("frames", {"steps": "0"}),
    ("histogram", {"tensor": "layers.0.weight", "step": 0}),
    ("unit/strengths", {"column": 0, "unit": 0, "step": 0}),
    ("matrix", {"tensor": "layers.0.weight"}),
]


@pytest.mark.parametrize(("path", "query"), SHOWN)
def test_one_that_is_not_there(run, client, path, query):
    answer = ask(client, path, network=7, **query)
    assert answer.status_code == 400
    assert answer.json()["error"] == "There is no network 7 in this run. Its networks are: 0, 1, 2."
    assert ask(client, path, network=-1, **query).status_code == 422


def test_what_is_told_moves_while_later_networks_are_trained(run, client):
    pulses = client.app.app.state.bench.pulses
    first, second = pulses.look("three", None), pulses.look("three", 1)
    assert (first["epochs"], first["epochs_of_all"], first["networks"]) == (2, 6, [0, 1, 2])
    assert (second["epochs"], second["recorded"]) == (2, len(run.looks(1)))
    assert first["recorded_of_all"] == sum(len(run.looks(part)) for part in range(NETWORKS))
    database = sqlite3.connect(run.folder / "run.sqlite")
    with database:
        database.execute("DELETE FROM epochs WHERE part = 2 AND epoch = (SELECT max(epoch) FROM epochs)")
    database.close()
    assert pulses.look("three", None)["epochs_of_all"] == 5
    assert pulses.look("three", None) != first
    assert "no network 7" in pulses.look("three", 7)["problem"]


def test_commands_are_quoted(client, folder, run):
    (folder / "three").rename(folder / "it's; touch x")
    name = {"run": "it's; touch x"}
    assert client.get("/api/run", params=name).json()["command"] == """pondera runs 'it'"'"'s; touch x'"""
    assert client.get("/api/run/health", params=name).json()["command"] == """pondera check 'it'"'"'s; touch x'"""
    found = client.get("/api/run/network", params=name).json()
    assert found["python"] == """pondera.widgets.replay("it's; touch x")  # needs: pip install 'pondera[notebook]'"""
    chosen = client.get("/api/runs", params=name).json()
    assert (len(chosen["runs"]), chosen["command"]) == (1, """pondera runs 'it'"'"'s; touch x'""")


def test_networks_that_were_left_out_are_not_counted_and_not_offered(client, folder, run):
    cut_off(folder / "three", seeds=9)
    told = client.get("/api/run?run=three").json()
    assert (told["networks"], told["averaged"]) == ([0, 2], 2)
    assert told["ended"] == "Training was interrupted: 2 networks were trained to the end."
    assert told["note"] == "7 of 9 networks finished no epoch and were left out."
    assert client.get("/api/runs").json()["runs"][0]["ended"] == told["ended"]
    cut_off(folder / "three", seeds=9, state="unfinished")  # it goes on
    told = client.get("/api/run?run=three").json()
    assert (told["averaged"], told["ended"], told["note"]) == (9, None, None)
