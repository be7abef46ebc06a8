import numpy as np
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


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("float64", 8)])
@pytest.mark.parametrize("networks", [1, 3])
def test_weights_their_gradients_and_a_batch_must_fit(monkeypatch, dtype, width, networks):
    needed = width * (3 * SIZE * networks + 20 * ROW)
    monkeypatch.setattr(room, "memory", lambda: needed)
    require_room(ARCHITECTURE, dtype, 20, networks)
    monkeypatch.setattr(room, "memory", lambda: needed - 1)
    with pytest.raises(ArgumentError, match=r"Training 1,201 weights in batches of 20 rows needs at least 0 GB"):
        require_room(ARCHITECTURE, dtype, 20, networks)


def test_trainings_ask_first(monkeypatch):
    network = Network(ARCHITECTURE, ARCHITECTURE.initial(0))
    monkeypatch.setattr(room, "memory", lambda: 1000)
    with pytest.raises(ArgumentError, match=r"in batches of 8 rows .* this machine has 0 GB"):
        fit(network, X, Y, Plan(epochs=1, batch_size=8))
    with pytest.raises(ArgumentError, match=r"in batches of 20 rows .* Give fewer or smaller hidden layers"):
        fit_population(ARCHITECTURE, X, Y, Plan(epochs=1), seeds=2)
    fit(lambda w, x: x @ w, X, Y, Plan(epochs=1), weights=np.zeros((10, 1), np.float32))  # nobody knows its layers


def test_the_memory_of_this_machine_is_known():
    assert room.memory() > 1e8
