"""What is in the folder: all of it where that is little, and said so where it is too much."""

import os

from pondera.workbench import listing as module
from pondera.workbench.listing import Listing
from pondera.workbench.served import Served


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def names(client):
    return [each["name"] for each in client.get("/api/files").json()["files"]]


def test_many_files_of_a_kind_hide_none_of_another(client, folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_LISTED", 5)
    put(folder, *(f"a/{k}.npy" for k in range(9)), "b/run.sqlite")
    found = client.get("/api/files").json()
    assert [each["name"] for each in found["files"] if each["kind"] == "run"] == ["b"]
    assert len([each for each in found["files"] if each["kind"] == "checkpoint"]) == 5
    assert found["left_out"] == (
        "Not all is listed: there are more than 5 files of weights. Serve a folder further down."
    )
    told = client.get("/api/runs").json()
    assert [each["run"] for each in told["runs"]] == ["b"]
    assert told["left_out"] == found["left_out"]


def test_of_many_folders_the_nearest_are_looked_through(client, folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_FOLDERS", 4)
    put(folder, "a/b/c/d/e/deep.csv", "z/near.csv")
    assert names(client) == ["signs.csv", "weights.safetensors", "z/near.csv"]
    assert "more than 4 folders" in client.get("/api/files").json()["left_out"]


def test_where_all_is_listed_nothing_is_said(client, folder):
    put(folder, "a/.hidden.csv", "__pycache__/x.csv", ".git/x.csv", "node_modules/x.csv", "a/x.csv")
    assert names(client) == ["a/x.csv", "signs.csv", "weights.safetensors"]
    assert client.get("/api/files").json()["left_out"] is None


def test_little_of_the_time_is_spent_on_it(folder, monkeypatch):
    listing, times = Listing(Served(folder)), iter([0.0, 1.0, 10.9, 11.1, 11.2, 11.2, 11.3])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(times))
    first = listing.now()
    put(folder, "new.csv")
    assert listing.now() is first  # a look took a second
    assert len(listing.now().files) == len(first.files) + 1
    put(folder, "newer.csv")
    listing.forget()
    assert len(listing.now().files) == len(first.files) + 2


def test_what_pages_put_there_is_listed_at_once(client, monkeypatch):
    monkeypatch.setattr(module, "REST", 10**9)
    assert names(client) == ["signs.csv", "weights.safetensors"]
    client.put("/api/upload?name=a.csv", content=b"a,b\n1,2\n")
    assert names(client) == ["a.csv", "signs.csv", "weights.safetensors"]


def test_a_file_that_goes_while_files_are_listed(client, folder, monkeypatch):
    kind_of = module.kind_of

    def gone(place):
        found = kind_of(place)
        if place.name == "signs.csv":
            place.unlink()
        return found

    monkeypatch.setattr(module, "kind_of", gone)
    assert names(client) == ["weights.safetensors"]


def test_a_folder_that_is_not_for_us(client, folder, monkeypatch):
    put(folder, "closed/x.csv")
    scandir = os.scandir

    def refused(place):
        if place == folder / "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    monkeypatch.setattr(module.os, "scandir", refused)  # root is refused nothing
    assert names(client) == ["signs.csv", "weights.safetensors"]
