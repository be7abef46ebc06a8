"""What the routes answer: the list and the description are one, and errors are sentences."""

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from pondera.recording.process import writer_of
from pondera.recording.run import Run
from pondera.workbench.application import application
from pondera.workbench.guard import Guard
from tests.workbench.asked import ask, record_line
from tests.workbench.conftest import MOST, PORT


def until(true):
    """Wait until something is true, however busy the machine is."""
    for _ in range(3000):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("it did not become so")


def steps(client):
    return client.get("/api/run", params={"run": "signs"}).json()["steps"]


def stands_still(client):
    before = steps(client)
    time.sleep(0.5)
    return steps(client) == before


def wait_for(client, run, *activities):
    for _ in range(3000):
        found = client.get("/api/training", params={"run": run}).json()
        if found["activity"] in activities:
            return found
        time.sleep(0.1)
    pytest.fail(f"{run} is {found}")


def test_the_description_holds_every_route(client):
    described = client.get("/api/openapi.json").json()["paths"]
    assert {"/api/files", "/api/upload", "/api/run/events", "/api/explanation", "/api/tile"} <= set(described)
    for path, operations in described.items():
        for method, operation in operations.items():
            assert operation["description"], f"{method} {path} says nothing of itself"
            assert {"400", "403", "422"} <= set(operation["responses"])


def test_a_table_is_taken_and_looked_at(client, folder):
    frame = pl.DataFrame({"age": [31, None, 45], "job": ["cook", "cook", "baker"], "seen": ["2024-01-02"] * 3})
    parquet = io.BytesIO()
    frame.write_parquet(parquet)
    answer = client.put("/api/upload?name=people.parquet", content=parquet.getvalue())
    assert (answer.status_code, answer.json()["name"]) == (201, "people.parquet")
    found = client.get("/api/table", params={"file": "people.parquet"}).json()
    assert [(each["name"], each["kind"], each["missing"]) for each in found["columns"]] == [
        ("age", "numbers", 1),
        ("job", "texts", 0),
        ("seen", "texts", 0),
    ]
    assert (found["rows"], found["columns"][0]["low"], found["columns"][0]["high"]) == (3, 31, 45)


def test_the_same_file_is_kept_once_and_another_beside_it(client, folder):
    content = (folder / "signs.csv").read_bytes()
    assert client.put("/api/upload?name=signs.csv", content=content).json()["name"] == "signs.csv"
    assert client.put("/api/upload?name=signs.csv", content=content + b"1,2,same\n").json()["name"] == "signs-2.csv"
    assert (folder / "signs.csv").read_bytes() == content


class Evil:
    def __reduce__(self):
        return (print, ("this must not be printed",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("binary.csv", b"\x00\xff" * 500),
        ("false.parquet", b"PAR1 and nothing else"),
        ("zip.csv", b"PK\x03\x04 not a table"),
        ("evil.pt", pickle.dumps(Evil())),
        ("false.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
        ("short.safetensors", b"\x02\x00"),
        ("program.exe", b"MZ"),
        ("page.html", b"<script>"),
    ],
)
def test_what_is_no_table_and_no_weights_is_not_kept(client, folder, name, content, capfd):
    before = sorted(folder.iterdir())
    answer = client.put("/api/upload", params={"name": name}, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"].count("\n") == 0
    assert sorted(folder.iterdir()) == before
    assert "must not be printed" not in capfd.readouterr().out


@pytest.mark.parametrize("route", ["checkpoint", "contents"])
def test_hostile_files_in_the_folder_are_a_sentence(client, folder, route):
    (folder / "evil.pt").write_bytes(pickle.dumps(Evil()))
    answer = client.get(f"/api/{route}", params={"file": "evil.pt"})
    assert answer.status_code == 400
    assert "evil.pt" in answer.json()["error"]


def test_the_extreme_of_a_tile_is_seen_from_afar(client):
    asked = {"file": "weights.safetensors", "tensor": "fc.weight", "top": 0, "bottom": 600, "left": 0, "right": 400}
    answer = client.get("/api/tile", params={**asked, "down": 6, "across": 4})
    found = np.frombuffer(answer.content, "<f4").reshape(6, 4)
    assert found[4, 0] == -7
    assert np.isnan(found[0, 3])
    assert np.count_nonzero(found) == 2
    whole = np.frombuffer(client.get("/api/tile", params={**asked, "down": 600, "across": 400}).content, "<f4")
    assert whole.reshape(600, 400)[417, 33] == -7
    assert client.get("/api/tile", params={**asked, "bottom": 601, "down": 1, "across": 1}).status_code == 400
    assert client.get("/api/tile", params={**asked, "tensor": "no", "down": 1, "across": 1}).status_code == 400


def test_a_checkpoint_is_read_as_the_command_reads_it(client, folder):
    found = ask(client, "checkpoint", file="weights.safetensors")
    assert found["command"] == "pondera read weights.safetensors"
    told = subprocess.run(
        [sys.executable, "-m", "pondera", "read", "weights.safetensors", "--json"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert found["answer"]["tensors"] == json.loads(told.stdout)["tensors"]
    assert any("NaN" in each["statement"] for each in found["answer"]["findings"])


def test_contents_are_what_the_reading_says_of_names_and_shapes(client):
    first = client.get("/api/contents", params={"file": "weights.safetensors"}).json()
    whole = ask(client, "checkpoint", file="weights.safetensors")["answer"]
    assert (first["format"], first["bytes"]) == (whole["format"], whole["bytes"])
    for kind in ("tensors", "layers"):
        assert first[kind] == [
            {name: found[name] for name in each} for each, found in zip(first[kind], whole[kind], strict=True)
        ]


def test_a_run_that_is_the_folder_itself(folder):
    """What its model is called can be asked for."""
    record_line(folder)
    shutil.copy(folder / "weights.safetensors", folder / "model.safetensors")
    guard = Guard(application(folder), PORT, MOST)
    with TestClient(guard, f"http://127.0.0.1:{PORT}") as client:
        client.get(f"/?token={guard.token}", follow_redirects=False)
        told = client.get("/api/run", params={"run": "."}).json()
        assert (told["run"], told["model"]) == (".", "model.safetensors")
        assert told["command"] == "pondera show model.safetensors"
        for path in ("contents", "download"):
            assert client.get(f"/api/{path}", params={"file": told["model"]}).status_code == 200


def test_names_that_look_like_options_are_names(client, folder):
    (folder / "--help.safetensors").write_bytes((folder / "weights.safetensors").read_bytes())
    assert ask(client, "checkpoint", file="--help.safetensors")["answer"]["format"] == "safetensors"


@pytest.mark.parametrize(
    "wanted",
    [
        {"run": "a"},
        {"run": "a", "example": "iris", "table": "signs.csv"},
        {"run": "", "example": "iris"},
        {"run": "-a", "example": "iris"},
        {"run": ".pondera", "example": "iris"},
        {"run": "signs.csv", "example": "iris"},
        {"run": "a", "example": "iris", "epochs": 0},
        {"run": "a", "example": "iris", "evil": 1},
        {"run": "a", "table": "nothing.csv", "target": "x"},
        {"run": "a", "example": "iris", "test": "nothing.csv"},
        {"run": "a", "example": "iris", "test": "../secret.csv"},
        {"run": "a", "example": "iris", "seeds": 0},
        {"run": "a", "example": "iris", "drop": ["a\0b"]},
        [],
        None,
    ],
)
def test_trainings_that_cannot_begin(client, folder, wanted):
    answer = client.post("/api/training", json=wanted)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"].endswith(".")
    assert not (folder / ".pondera").exists()


def test_a_training_that_fails_says_why(client):
    client.post("/api/training", json={"run": "wrong", "table": "signs.csv", "target": "kindd"})
    assert "kindd" in wait_for(client, "wrong", "failed")["error"]


def test_a_population_is_tested_on_a_table_of_its_own(client, folder):
    frame = pl.read_csv(folder / "signs.csv").with_columns(zip=pl.Series([k % 3 for k in range(80)]))
    frame[:60].write_csv(folder / "first.csv")
    frame[60:].write_csv(folder / "rest.csv")
    wanted = {"run": "two", "table": "first.csv", "target": "kind", "test": "rest.csv", "seeds": 2, "epochs": 2}
    started = client.post("/api/training", json={**wanted, "recipe": "plain", "categorical": ["zip"], "drop": ["y"]})
    for option in ("--test=rest.csv", "--seeds=2", "--categorical=zip", "--drop=y"):
        assert option in started.json()["command"]
    assert wait_for(client, "two", "ended", "failed")["error"] is None
    assert client.get("/api/run", params={"run": "two"}).json()["networks"] == [0, 1]
    model = client.get("/api/model", params={"model": "two/model.safetensors"}).json()
    assert model["columns"] == [
        {"name": "x", "kind": "numeric", "values": [], "missing": False},
        {"name": "zip", "kind": "category", "values": ["0", "1", "2"], "missing": False},
    ]
    both = client.post("/api/training", json={**wanted, "run": "both", "test_fraction": 0.3})
    assert both.status_code == 201  # the command says what is wrong, as on the command line
    assert "--test" in wait_for(client, "both", "failed")["error"]


def test_columns_that_nothing_can_be_predicted_from_say_why(client, folder):
    pl.DataFrame({"id": [f"row {k}" for k in range(400)], "x": range(400)}).write_csv(folder / "ids.csv")
    found = client.get("/api/table", params={"file": "ids.csv"}).json()["columns"]
    assert "id" in found[0]["problem"]
    assert found[1]["problem"] is None


def test_the_life_of_a_training(client, folder):
    wanted = {
        "table": "signs.csv",
        "target": "kind",
        "recipe": "plain",
        "hidden": [6],
        "epochs": 1_000_000,
        "run": "signs",
    }
    started = client.post("/api/training", json={**wanted, "learning_rate": 1e-6, "record": "full"})
    assert started.status_code == 201
    assert started.json()["command"].startswith("pondera train signs.csv --target=kind --recipe=plain")
    assert client.post("/api/training", json=wanted).status_code == 400  # it is going on
    wait_for(client, "signs", "running")
    if hasattr(os, "getpriority"):  # the page comes first
        assert os.getpriority(os.PRIO_PROCESS, writer_of(folder / "signs")) > os.getpriority(os.PRIO_PROCESS, 0)
    until(lambda: client.get("/api/run/curves", params={"run": "signs"}).json().get("epochs"))
    assert client.post("/api/training/pause", params={"run": "signs"}).json()["activity"] in ("pausing", "paused")
    wait_for(client, "signs", "paused")
    until(lambda: stands_still(client))  # it waits once the steps are taken that it is at
    before = steps(client)
    assert client.delete("/api/run", params={"run": "signs"}).status_code == 400
    client.post("/api/training/continue", params={"run": "signs"})
    until(lambda: steps(client) > before)
    client.post("/api/training/stop", params={"run": "signs"})
    wait_for(client, "signs", "ended")
    assert (folder / "signs" / "model.safetensors").exists()

    network = client.get("/api/run/network", params={"run": "signs"}).json()
    assert [each["shape"] for each in network["matrices"]] == [[2, 6], [6, 1]]
    assert network["inputs"] == ["x", "y"]
    name = "layers.0.weight[1,3]"
    found = ask(client, "run/weight", run="signs", weight=name)
    told = subprocess.run(
        [sys.executable, "-m", "pondera", "weight", "signs", name, "--json"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert found["answer"] == json.loads(told.stdout)
    asked = {"run": "signs", "tensor": "layers.0.weight"}
    matrix = client.get("/api/run/matrix", params=asked).json()
    assert (matrix["shape"], matrix["steps"][0]) == ([2, 6], 0)
    piece = {"step": matrix["steps"][-1], "top": 0, "bottom": 2, "left": 0, "right": 6, "down": 2, "across": 6}
    tile = np.frombuffer(client.get("/api/run/tile", params=asked | piece).content, "<f4").reshape(2, 6)
    assert np.abs(tile).max() <= matrix["most"]
    with Run(folder / "signs") as run:
        assert tile.tolist() == run.weights_at("layers.0.weight", matrix["steps"][-1]).tolist()
    assert client.get("/api/run/tile", params=asked | piece | {"step": 10**9}).status_code == 400
    epochs = client.get("/api/run/curves", params={"run": "signs"}).json()["epochs"]
    later = client.get("/api/run/curves", params={"run": "signs", "epoch": epochs[2]["epoch"]}).json()["epochs"]
    assert later == epochs[2:]
    first = client.get("/api/run/histogram", params={"run": "signs", "tensor": "layers.0.weight", "step": 0}).json()
    assert sum(each["count"] for each in first["bins"]) == 12
    surface = ask(client, "run/surface", run="signs", steps=3, grid=8)["answer"]
    assert surface["columns"] == ["x", "y"]
    assert len(surface["surfaces"]) == 3

    moved = client.delete("/api/run", params={"run": "signs"}).json()["moved_to"]
    assert (folder / moved / "model.safetensors").exists()
    assert not (folder / "signs").exists()
    assert client.get("/api/runs").json()["runs"] == []


def test_a_prediction_of_values_that_are_given(client, folder):
    wanted = {"run": "m", "table": "signs.csv", "target": "kind", "recipe": "plain", "hidden": [4], "epochs": 3}
    client.post("/api/training", json=wanted)
    wait_for(client, "m", "ended")
    asked = {"model": "m/model.safetensors", "values": {"x": 1.0, "y": -2.0}}
    found = client.post("/api/prediction", json=asked).json()
    assert set(found["probabilities"]) == {"same", "other"}
    assert client.post("/api/prediction", json={**asked, "values": {"x": 1.0}}).status_code == 400
    assert client.post("/api/prediction", json={**asked, "values": {"x": 1e308, "y": 0}}).status_code == 400
    row = ask(client, "explanation", model="m/model.safetensors", table="signs.csv", row=0)["answer"]
    total = row["baseline"] + sum(each["contribution"] for each in row["contributions"])
    assert total == pytest.approx(row["score"], abs=1e-4)


def test_what_is_not_of_the_form_is_told_in_parts_too(client):
    answer = client.post("/api/training", json={"run": "a", "example": "iris", "learning_rate": 0})
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "learning_rate: expected more than 0. Got 0. See /api/openapi.json.",
        "field": "learning_rate",
        "expected": "expected more than 0",
        "got": "0",
    }
