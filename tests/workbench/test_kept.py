"""What is kept: as much as there is room for, and made once."""

import os
import threading

import numpy as np
import pytest
from safetensors.numpy import save

from pondera.workbench.kept import Kept, size_of, version
from tests.workbench.asked import ask


def test_bytes_are_bounded():
    kept = Kept(most_bytes=1000)
    made = []
    for name in "abcab":
        kept.of([], name, lambda name=name: made.append(name) or bytes(400))
    assert made == ["a", "b", "c", "a", "b"]  # of three there is room for two
    assert kept.bytes <= 1000
    assert kept.of([], "b", lambda: None) == bytes(400)
    kept.of([], "large", lambda: bytes(2000))
    assert kept.of([], "b", lambda: None) == bytes(400)  # what takes more than all the room takes nobody's place


def test_what_many_ask_for_is_made_once():
    kept, begun, go_on, made = Kept(), threading.Event(), threading.Event(), []

    def make():
        begun.set()
        go_on.wait(30)
        made.append(1)
        return 7

    found = []
    threads = [threading.Thread(target=lambda: found.append(kept.of([], "x", make))) for _ in range(5)]
    threads[0].start()
    begun.wait(30)
    for each in threads[1:]:
        each.start()
    assert kept.of([], "other", lambda: 3) == 3  # nobody waits for what others make
    go_on.set()
    for each in threads:
        each.join()
    assert (found, made) == ([7] * 5, [1])


def test_what_cannot_be_made_is_tried_again():
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.of([], "x", lambda: 1 / 0)
    assert kept.of([], "x", lambda: 1) == 1


def test_sizes_of_arrays_and_of_what_holds_them():
    array = np.zeros(1000)
    assert size_of(array) >= 8000
    assert size_of({"a": [array, array]}) >= 16_000


def store(place, value):
    """Write a file of weights, or write over it in place, so that only its time tells that it is another."""
    matrix = np.full((4, 4), value, np.float32)
    with open(place, "r+b" if place.exists() else "wb") as file:
        file.write(save({"w": matrix}))
    os.utime(place, ns=(value * 10**9, value * 10**9))


def test_a_timeline_is_of_the_files_as_they_are(client, folder):
    (folder / "steps").mkdir()
    for step in (1, 2):
        store(folder / "steps" / f"step-{step}.safetensors", step)
    first = ask(client, "timeline", folder="steps")["answer"]
    store(folder / "steps" / "step-2.safetensors", 7)
    assert ask(client, "timeline", folder="steps")["answer"] != first


def test_a_tile_is_of_the_file_as_it_is(client, folder):
    asked = {
        "tensor": "w",
        "top": 0,
        "bottom": 4,
        "left": 0,
        "right": 4,
        "down": 1,
        "across": 1,
        "file": "w.safetensors",
    }
    store(folder / "w.safetensors", 1)
    first = client.get("/api/tile", params=asked)
    assert first.headers["cache-control"] == "private, no-cache"
    same = {"if-none-match": first.headers["etag"]}
    assert client.get("/api/tile", params=asked, headers=same).status_code == 304
    store(folder / "w.safetensors", 2)
    again = client.get("/api/tile", params=asked, headers=same)
    assert (again.status_code, np.frombuffer(again.content, "<f4").tolist()) == (200, [2.0])


def test_the_surfaces_of_a_life_that_goes_on_after_all_are_asked_for_again(client, folder, monkeypatch):
    """A run that was killed, resumed and killed again has no model that would tell."""
    asked = []

    async def ask(self, arguments, about, *_):
        asked.append([version(each) for each in about])
        return {}

    monkeypatch.setattr("pondera.workbench.questions.Questions.ask", ask)
    (folder / "run").mkdir()
    for content in (b"", b"more"):
        (folder / "run" / "run.sqlite").write_bytes(content)
        assert client.get("/api/run/surface?run=run&steps=40").status_code == 200
    assert asked[0] != asked[1]
