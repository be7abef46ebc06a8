import numpy as np
import pytest

from pondera.reading import bandwidth
from pondera.reading.bandwidth import bandwidth_of
from pondera.reading.kernels import total
from pondera.weights.collection import Weights
from pondera.weights.open import open as open_weights
from pondera.weights.tensor import Mapped, Tensor


def weights_of(*sizes, start=0):
    data = memoryview(bytes(start + sum(sizes)))
    tensors = []
    for number, size in enumerate(sizes):
        tensors.append(Tensor(f"w{number}", (size,), "uint8", Mapped(data, start, np.dtype("u1"), size)))
        start += size
    return Weights.of(tensors, "none")


@pytest.mark.parametrize(("sizes", "start"), [((8,), 0), ((3, 100_003), 3), ((1 << 23, 0, 5), 1)])
def test_some_number_comes_of_any_size(sizes, start):
    assert 0 < bandwidth_of(weights_of(*sizes, start=start)) < 1e5


def test_nothing_mapped_has_no_bandwidth(tmp_path):
    assert bandwidth_of(weights_of()) is None
    assert bandwidth_of(weights_of(0, 3)) is None
    np.savez_compressed(tmp_path / "w.npz", a=np.ones(1000, np.float32))
    assert bandwidth_of(open_weights(tmp_path / "w.npz")) is None


def test_the_last_bytes_are_taken(monkeypatch):
    monkeypatch.setattr(bandwidth, "MOST", 4096)
    monkeypatch.setattr(bandwidth, "PART", 1024)
    parts = list(bandwidth._parts(weights_of(1 << 16, 1024, 512)))
    assert sum(part.nbytes for part in parts) == 4096
    assert all(part.ctypes.data % 8 == 0 for part in parts)


def test_every_word_is_added_up():
    words = np.random.default_rng(0).integers(1 << 60, size=1001, dtype=np.uint64)
    assert total(words, 1) == int(words.sum())
