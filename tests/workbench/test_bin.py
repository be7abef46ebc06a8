"""Runs in the bin: put in, listed, taken out again."""

import json

import pytest

from pondera.workbench.served import OWN


@pytest.fixture
def runs(folder):
    """Folders that look like runs from outside: what the bin looks at."""

    def make(name):
        place = folder / name
        place.mkdir(parents=True)
        (place / "run.sqlite").write_bytes(name.encode())
        return place

    return make


def test_a_run_comes_back_as_it_was(client, folder, runs):
    runs("a/b--c")
    moved = client.delete("/api/run", params={"run": "a/b--c"}).json()["moved_to"]
    assert not (folder / "a" / "b--c").exists()
    (found,) = client.get("/api/bin").json()["runs"]
    assert (found["run"], moved) == ("a/b--c", f"{OWN}/bin/{found['name']}")
    assert client.post("/api/bin/restore", json={"name": found["name"]}).json() == {"run": "a/b--c"}
    assert [each.name for each in (folder / "a" / "b--c").iterdir()] == ["run.sqlite"]
    assert (folder / "a" / "b--c" / "run.sqlite").read_bytes() == b"a/b--c"
    assert client.get("/api/bin").json()["runs"] == []


def test_nothing_is_replaced(client, folder, runs):
    runs("first")
    client.delete("/api/run", params={"run": "first"})
    (runs("first") / "model.safetensors").write_bytes(b"another")
    (found,) = client.get("/api/bin").json()["runs"]
    assert client.post("/api/bin/restore", json={"name": found["name"]}).json() == {"run": "first-2"}
    assert (folder / "first" / "model.safetensors").read_bytes() == b"another"
    assert not (folder / "first-2" / "model.safetensors").exists()


def test_two_of_a_name_in_one_second_are_both_kept(client, runs):
    for _ in range(3):
        runs("same")
        assert client.delete("/api/run", params={"run": "same"}).status_code == 200
    found = client.get("/api/bin").json()["runs"]
    assert len({each["name"] for each in found}) == 3
    assert {each["run"] for each in found} == {"same"}


LABELS = (
    *("", "no json", "[]", "[" * 5000 + "]" * 5000, '{"run": 1}', '{"deleted": "x", "run": "a"}'),
    *(f'{{"deleted": {"9" * 400}, "run": "a"}}', '{"deleted": NaN, "run": "a"}', r'{"deleted": 1, "run": "\ud800"}'),
)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_that_is_missing_or_damaged(client, folder, runs, label):
    place = runs(f"{OWN}/bin/20250102-030405-old--name")
    if label:
        (place / "deleted.json").write_text(label)
    (found,) = client.get("/api/bin").json()["runs"]
    assert found["run"] == "old/name"
    assert client.post("/api/bin/restore", json={"name": found["name"]}).json() == {"run": "old/name"}
    assert (folder / "old" / "name" / "run.sqlite").exists()


@pytest.mark.parametrize("run", ["../out", "/etc/x", "a/../../b", "", "link/x", ".", "a\0"])
def test_a_label_leads_nowhere_else(client, folder, runs, run):
    (folder / "link").symlink_to(folder.parent)
    place = runs(f"{OWN}/bin/20250102-030405-x")
    (place / "deleted.json").write_text(json.dumps({"run": run, "deleted": 1.0}))
    answer = client.post("/api/bin/restore", json={"name": place.name})
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
    assert place.exists()
    assert sorted(each.name for each in folder.parent.iterdir()) == ["secret.csv", "served"]


@pytest.mark.parametrize("name", ["nothing", "../..", "..", "a/b", "x" * 300])
def test_what_is_not_in_the_bin(client, name):
    assert client.post("/api/bin/restore", json={"name": name}).status_code == 400
