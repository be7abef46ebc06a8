"""Nothing outside of the folder is served, however it is asked for."""

import json
import os
import shutil
import sqlite3

import numpy as np
import pytest
from safetensors.numpy import save_file

import pondera
from pondera.errors import ArgumentError
from pondera.workbench import served as module
from pondera.workbench.served import OWN, Served, slug
from tests.workbench.asked import OF_A_RUN

OUTSIDE = [
    "../secret.csv",
    "/etc/passwd",
    "a/../../secret.csv",
    "..",
    "./signs.csv",
    "signs.csv/",
    "//signs.csv",
    "..\\secret.csv",
    "signs.csv\0",
    "a" * 300,
    "a/" * 3000 + "a",
    "link.csv",
    "folder/secret.csv",
    "nothing.csv",
]

ASKED = [
    ("table", "file", {}),
    ("contents", "file", {}),
    ("checkpoint", "file", {}),
    ("download", "file", {}),
    ("tensor", "file", {"tensor": "fc.bias"}),
    ("singular-values", "file", {"tensor": "fc.bias"}),
    ("tile", "file", {"tensor": "w", "top": 0, "bottom": 1, "left": 0, "right": 1, "down": 1, "across": 1}),
    ("compare", "first", {"second": "weights.safetensors"}),
    ("timeline", "folder", {}),
    ("model", "model", {}),
    ("explanation", "model", {"example": "iris"}),
    ("run", "run", {}),
    ("run/curves", "run", {}),
    ("run/weight", "run", {"weight": "a[0]"}),
    ("run/matrix", "run", {"tensor": "a"}),
    (
        "run/tile",
        "run",
        {"tensor": "a", "step": 0, "top": 0, "bottom": 1, "left": 0, "right": 1, "down": 1, "across": 1},
    ),
]


@pytest.fixture
def linked(folder):
    (folder / "link.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "folder").symlink_to(folder.parent)
    return folder


@pytest.mark.parametrize("name", OUTSIDE)
def test_paths(linked, name):
    with pytest.raises(ArgumentError):
        Served(linked).existing(name)


@pytest.mark.parametrize(("path", "field", "more"), ASKED)
def test_routes(linked, client, path, field, more):
    for name in OUTSIDE:
        answer = client.get(f"/api/{path}", params={field: name, **more})
        assert answer.status_code == 400, (name, answer.text)
        assert answer.json()["error"].endswith(".")


def test_what_is_deleted_or_trained_is_inside(linked, client):
    for name in OUTSIDE:
        assert client.delete("/api/run", params={"run": name}).status_code == 400
        asked = {"run": "new", "table": name, "target": "a"}
        assert client.post("/api/training", json=asked).status_code in (400, 422)
    assert client.post("/api/training", json={"run": "../out", "example": "iris"}).status_code == 400
    assert not (linked / "new").exists()


def test_links_are_not_listed(linked, client):
    names = [each["name"] for each in client.get("/api/files").json()["files"]]
    assert names == ["signs.csv", "weights.safetensors"]


def test_uploads_stay_in_the_folder(linked, client):
    answer = client.put("/api/upload", params={"name": "../../evil.csv"}, content=b"a,b\n1,2\n3,4\n")
    assert answer.json()["name"] == "evil.csv"
    assert (linked / "evil.csv").exists()


@pytest.fixture
def run(folder):
    """A run in the folder, and one beside it."""
    x = np.random.default_rng(0).normal(size=(20, 2))
    network = pondera.Network.create(2, pondera.Dense(1))
    with pondera.runs.Recorder(folder / "line", level="full") as recorder:
        pondera.fit(network, x, x[:, 0], pondera.Plan(epochs=2), recorder=recorder)
    shutil.copytree(folder / "line", folder.parent / "outside")
    return folder / "line"


def tile(client):
    asked = {"run": "line", "tensor": "layers.0.weight", "step": 0, "top": 0, "bottom": 2, "left": 0, "right": 1}
    return client.get("/api/run/tile", params={**asked, "down": 2, "across": 1})


ABOUT_A_RUN = [
    *OF_A_RUN,
    "run/weight?weight=layers.0.weight[0,0]",
    "run/surface",
]


@pytest.mark.parametrize(
    "name", ["run.sqlite", "run.sqlite-wal", "run.lock", "run.pause", "snapshots/x", "states/x", "y"]
)
def test_a_run_that_holds_a_link(run, client, name):
    place = run / name
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(run.parent.parent / "outside" / "run.sqlite")
    for path in ABOUT_A_RUN:
        answer = client.get(f"/api/{path}{'&' if '?' in path else '?'}run=line")
        assert answer.status_code == 400, path
        assert "link" in answer.json()["error"]
    assert tile(client).status_code == 400
    for what in ("pause", "stop", "continue"):
        assert client.post(f"/api/training/{what}?run=line").status_code == 400
    assert [(each["state"], each["steps"]) for each in client.get("/api/runs").json()["runs"]] in ([], [("damaged", 0)])
    told = client.app.app.state.bench.pulses.look("line", None)
    assert (told["there"], "link" in told["problem"]) == (False, True)


@pytest.mark.parametrize(
    "file", ["../../outside.safetensors", "snapshots/../../../outside.safetensors", None, "snapshots/a/b"]
)
def test_a_database_that_names_files_elsewhere(run, client, file):
    save_file({"layers.0.weight": np.full((2, 1), 42, np.float32)}, run.parent.parent / "outside.safetensors")
    database = sqlite3.connect(run / "run.sqlite")
    with database:
        database.execute("UPDATE tensors SET places = ?", (np.arange(1, dtype="<i8").tobytes(),))
        database.execute("DELETE FROM snapshots")
        place = str(run.parent.parent / "outside.safetensors")
        database.execute("INSERT INTO snapshots VALUES (0, 0, ?)", (file or place,))
    database.close()
    answer = tile(client)
    assert answer.status_code == 400
    assert "no file" in answer.json()["error"]


OPENED = [
    ("download", {}, "signs.csv"),
    ("table", {}, "signs.csv"),
    ("contents", {}, "weights.safetensors"),
    ("tensor", {"tensor": "fc.bias"}, "weights.safetensors"),
    ("histogram", {"tensor": "fc.bias"}, "weights.safetensors"),
]


@pytest.mark.parametrize(("path", "more", "name"), OPENED)
def test_a_file_that_becomes_a_link_after_its_name_was_checked(client, folder, monkeypatch, path, more, name):
    shutil.copy(folder / name, folder.parent / "outside")
    existing = Served.existing

    def swapped(served, asked):
        place = existing(served, asked)
        place.unlink()
        place.symlink_to(folder.parent / "outside")
        return place

    monkeypatch.setattr(Served, "existing", swapped)
    answer = client.get(f"/api/{path}", params={"file": name, **more})
    assert answer.status_code == 400
    assert "is a link" in answer.json()["error"]


@pytest.mark.parametrize("linked", [OWN, f"{OWN}/logs", f"{OWN}/bin", f"{OWN}/uploads"])
def test_folders_of_the_workbenchs_own_are_no_links(run, client, folder, linked):
    other = folder.parent / "other"
    for name in ("logs", "bin/20250101-000000-x"):
        (other / name).mkdir(parents=True)
    (other / "bin" / "20250101-000000-x" / "run.sqlite").write_text("")
    (folder / linked).parent.mkdir(exist_ok=True)
    (folder / linked).symlink_to(other if linked == OWN else other / linked.split("/")[1])
    before = sorted(other.rglob("*"))
    if not linked.endswith(("bin", "uploads")):
        assert client.post("/api/training", json={"run": "new", "example": "iris"}).status_code == 400
    if not linked.endswith(("logs", "uploads")):
        assert client.delete("/api/run?run=line").status_code == 400
        assert client.get("/api/bin").status_code == 400
    if not linked.endswith(("logs", "bin")):
        assert client.put("/api/upload?name=a.csv", content=b"a,b\n1,2\n").status_code == 400
    assert sorted(other.rglob("*")) == before
    assert run.is_dir()


def test_logs_that_are_links_are_neither_read_nor_written(client, folder):
    (folder / OWN / "logs").mkdir(parents=True)
    victim = folder.parent / "victim"
    victim.write_text("precious")
    (folder / OWN / "logs" / "over.log").symlink_to(victim)
    assert client.get("/api/training?run=over").status_code == 400
    assert client.post("/api/training", json={"run": "over", "example": "iris"}).status_code == 400
    assert victim.read_text() == "precious"


def test_the_label_of_a_run_in_the_bin_is_no_link(run, client, folder):
    victim = folder.parent / "victim"
    victim.write_text("precious")
    (run / "deleted.json").symlink_to(victim)
    client.delete("/api/run?run=line")
    client.get("/api/bin")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["C:x.csv", "a/C:", "a.csv:stream", "NUL", "nul.csv", "a/com1.txt", "Aux .csv", "x.", "x "]
)
def test_names_that_windows_takes_for_something_else(folder, monkeypatch, name):
    monkeypatch.setattr(module, "WINDOWS", True)
    with pytest.raises(ArgumentError, match="Windows"):
        Served(folder).path(name)
    assert Served(folder).path("console.csv") == folder / "console.csv"


@pytest.mark.skipif(os.name == "nt", reason="names are text")
def test_names_that_are_no_text_are_left_out(client, folder):
    raw = os.fsencode(folder)
    for name in (b"/\xff.csv", b"/r\xff/run.sqlite", b"/.pondera/bin/20250101-000000-\xff/run.sqlite"):
        os.makedirs(os.path.dirname(raw + name), exist_ok=True)
        with open(raw + name, "wb"):
            pass
    assert [each["name"] for each in client.get("/api/files").json()["files"]] == ["signs.csv", "weights.safetensors"]
    assert client.get("/api/runs").json()["runs"] == []
    assert client.get("/api/bin").json()["runs"] == []


def test_a_checkpoint_in_parts_is_one(client, folder):
    shape = {"a.weight": np.ones((3, 4), np.float32), "b.weight": np.ones((4, 5), np.float32)}
    held = {name: f"model-0000{k}-of-00002.safetensors" for k, name in enumerate(shape, 1)}
    for name, file in held.items():
        save_file({name: shape[name]}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": held}))
    listed = {each["name"]: each for each in client.get("/api/files").json()["files"]}
    assert list(listed) == [index.name, "signs.csv", "weights.safetensors"]
    found = listed[index.name]
    sizes = [each.stat().st_size for each in (index, *(folder / file for file in held.values()))]
    assert (found["kind"], found["bytes"]) == ("checkpoint", sum(sizes))

    def tensors():
        told = client.get("/api/contents", params={"file": index.name}).json()["tensors"]
        return {each["name"]: each["shape"] for each in told}

    assert tensors() == {"a.weight": [3, 4], "b.weight": [4, 5]}
    save_file({"b.weight": np.ones((4, 7), np.float32)}, folder / held["b.weight"])  # one part is another one now
    assert tensors() == {"a.weight": [3, 4], "b.weight": [4, 7]}


def test_sentences_say_nothing_of_where_the_folder_is(client, folder):
    (folder / "not a run").mkdir()
    (folder / "empty.npz").write_bytes(b"")
    for answer in (
        client.get("/api/run?run=not a run"),
        client.get("/api/contents?file=empty.npz"),
        client.get("/api/run/health?run=not a run"),
    ):
        assert answer.status_code == 400
        assert str(folder) not in answer.text


def test_every_run_has_a_log_of_its_own():
    names = ["a/b", "a--b", "a%2Fb", "a b", "x" * 300, "x" * 301, "é" * 120 + "/" + "é" * 120]
    found = [slug(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(len(each) < 200 and "/" not in each for each in found)


def test_where_a_name_was_claimed_in_vain_nothing_is_left(folder, monkeypatch):
    served = Served(folder)
    (folder / "kept").write_bytes(b"all of it")

    def refused(*_, **__):
        raise PermissionError

    monkeypatch.setattr("os.link", refused)  # as where a file system has no hard links
    with monkeypatch.context() as patched:
        patched.setattr("os.rename", refused)
        with pytest.raises(PermissionError):
            served.link(folder / "kept", folder / "new")
    assert (folder / "kept").read_bytes() == b"all of it"
    assert not (folder / "new").exists()
    served.link(folder / "kept", folder / "new")
    assert (folder / "new").read_bytes() == b"all of it"
