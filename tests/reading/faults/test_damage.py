import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.reading.faults.damage import longest_zeros
from pondera.weights.tensor import Mapped, Tensor


def tensor(values):
    return Tensor(
        "w", values.shape, values.dtype.name, Mapped(values.view(np.uint8).data, 0, values.dtype, len(values))
    )


@pytest.mark.parametrize("start", [0, 100, (1 << 22) - 40, (1 << 22) - 200, (1 << 24) + 5, (3 << 23) - 100])
def test_a_run_of_zeros_is_found_wherever_it_lies(start):
    values = np.ones(3 << 23, np.float32)
    values[start : start + 100] = 0
    values[50:120] = 0  # a shorter one
    found = longest_zeros(tensor(values))
    if start <= 120:
        assert found == (min(start, 50), max(120, start + 100) - min(start, 50))
    else:
        assert found == (start, 100)


def test_a_run_over_many_pieces():
    values = np.ones(5 << 21, np.float32)
    values[1000:-1000] = 0
    assert longest_zeros(tensor(values)) == (1000, len(values) - 2000)


@given(st.lists(st.integers(1, 150), min_size=2, max_size=30), st.sampled_from([np.float32, np.float16, np.int8]))
def test_the_longest_of_many_runs(lengths, kind):
    values = np.concatenate([np.full(n, at % 2) for at, n in enumerate(lengths)]).astype(kind)
    longest = max(lengths[::2])
    found = longest_zeros(tensor(values))
    assert (found.length if found else 0) == (longest if longest >= 64 else 0)
