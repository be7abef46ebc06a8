"""What is kept: as much as there is room for, and made once."""

import threading

import numpy as np
import pytest

from pondera.workbench.kept import Kept, size_of


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
