import os

import numpy as np
import optax
import pytest

from pondera import Dense, Network, Plan, fit, fit_population
from pondera.errors import ArgumentError
from pondera.network.architecture import Architecture
from pondera.training import room
from pondera.training.room import require_room

ARCHITECTURE = Architecture(10, (Dense(100, "relu"), Dense(1)))
SIZE = 10 * 100 + 100 + 100 + 1
ROW = 10 + 100 + 1
X, Y = np.ones((20, 10)), np.arange(20.0)


@pytest.mark.parametrize(("optimizer", "kept"), [("sgd", 0), ("momentum", 1), ("adam", 2), (optax.adam(1e-3), 0)])
@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("float64", 8)])
@pytest.mark.parametrize("networks", [1, 2])
def test_what_is_known_to_be_needed_must_fit(monkeypatch, optimizer, kept, dtype, width, networks):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    plan = Plan(optimizer=optimizer)
    each = 2 + kept + 3 * (1 + kept) + 2
    needed = width * networks * (each * SIZE + 20 * ROW)
    monkeypatch.setattr(room, "memory", lambda: needed * 1.001)
    require_room(ARCHITECTURE, plan, dtype, X, networks)
    monkeypatch.setattr(room, "memory", lambda: needed * 0.999)
    what = r"2 networks of 1,201 weights" if networks == 2 else r"1,201 weights"
    with pytest.raises(ArgumentError, match=rf"Training {what} in batches of 20 rows needs at least \S+ GB"):
        require_room(ARCHITECTURE, plan, dtype, X, networks)


def test_trainings_ask_first(monkeypatch):
    network = Network(ARCHITECTURE, ARCHITECTURE.initial(0))
    monkeypatch.setattr(room, "memory", lambda: 1e4)
    with pytest.raises(ArgumentError, match=r"in batches of 8 rows .* there are 1e-05 GB"):
        fit(network, X, Y, Plan(epochs=1, batch_size=8))
    with pytest.raises(ArgumentError, match=r"in batches of 20 rows .* Give fewer or smaller hidden layers"):
        fit_population(ARCHITECTURE, X, Y, Plan(epochs=1), seeds=2)
    fit(lambda w, x: x @ w, X, Y, Plan(epochs=1), weights=np.zeros((10, 1), np.float32))  # nobody knows its layers


def test_the_memory_there_is(monkeypatch, tmp_path):
    machine = room.memory()
    assert machine > 1e8
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(room, "LIMIT", limit)
    whole = room.memory()
    assert whole >= machine
    limit.write_text("max\n")
    assert room.memory() == whole
    limit.write_text("123456\n")
    assert room.memory() == 123456
