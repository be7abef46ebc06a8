import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.weights.layout import Converted, Turned, in_order, rows_of
from pondera.weights.tensor import Mapped

SHAPES = st.lists(st.integers(1, 5), max_size=4).map(tuple)


@given(SHAPES, st.data())
def test_any_stretch_of_any_view(shape, data):
    whole = np.arange(np.prod(shape, dtype=int) * 2).reshape(*shape, 2)[..., 0]
    view = whole.transpose(data.draw(st.permutations(range(whole.ndim))))
    flat = view.reshape(-1)
    start = data.draw(st.integers(0, flat.size))
    stop = data.draw(st.integers(start, flat.size))
    if stop > start:
        np.testing.assert_array_equal(rows_of(view, start, stop), flat[start:stop])


def test_a_long_row_is_not_copied_for_a_part_of_it():
    view = np.broadcast_to(np.arange(3.0)[:, None], (3, 1 << 40))  # 24 terabytes, were they copied
    found = rows_of(view, (1 << 40) - 2, (1 << 40) + 3)
    assert found.tolist() == [0, 0, 1, 1, 1]
    assert rows_of(view[None], 5, 7).tolist() == [0, 0]


class Counting:
    """A source that counts how often it is read."""

    def __init__(self, values):
        self.values, self.reads = values, 0
        self.nbytes = values.nbytes

    def flat(self, start, stop):
        self.reads += stop > start
        return self.values[start:stop]


def test_what_is_turned_round_is_unpacked_once_a_pass():
    values = np.arange(6.0)
    source = Counting(values)
    turned = Turned(source, (2, 3))
    for reads in (1, 2):
        parts = [turned.flat(at, min(at + 4, 6)) for at in range(0, 6, 4)]
        assert np.concatenate(parts).tolist() == [0, 2, 4, 1, 3, 5]
        assert source.reads == reads
    assert turned.flat(3, 3).size == 0
    assert turned.nbytes == 48


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_only_what_is_packed_is_read_in_order(tmp_path, save):
    from pondera.weights.open import open as open_weights

    save(tmp_path / "a.npz", a=np.ones((2, 3), ">f4"), b=np.ones((2, 3), order="F"))
    packed = save is np.savez_compressed
    assert [in_order(tensor.source) for tensor in open_weights(tmp_path / "a.npz").values()] == [packed, packed]
    mapped = Mapped(memoryview(bytes(8)), 0, np.dtype("f4"), 2)
    assert not in_order(mapped)
    assert not in_order(Converted(mapped, np.dtype("f8")))
