"""Nothing outside of the folder is served, however it is asked for."""

import pytest

from pondera.errors import ArgumentError
from pondera.workbench.served import Served

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
