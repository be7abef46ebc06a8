import ml_dtypes
import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.reading import norms, stretches
from pondera.reading.norms import norms_of
from pondera.weights.tensor import Mapped, Tensor

RANDOM = np.random.default_rng(0)


def tensor_of(values):
    flat = np.ascontiguousarray(values)
    return Tensor("w", values.shape, flat.dtype.name, Mapped(memoryview(flat.tobytes()), 0, flat.dtype, flat.size))


def expected(values):
    exact = values.astype(np.float64).reshape(len(values), -1)
    exact = np.where(np.isfinite(exact), exact, 0)
    return np.sqrt((exact**2).sum(axis=1)), np.sqrt((exact**2).sum(axis=0))


@pytest.mark.parametrize(
    "kind", ["f4", "f8", "f2", "i1", "u2", "i8", "?", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn], ids=str
)
@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5), (1, 300), (300, 1)])
def test_norms_are_those_of_numpy_in_float64(kind, shape):
    values = (RANDOM.normal(size=shape) * 20).astype(np.dtype(kind))
    for found, right in zip(norms_of(tensor_of(values)), expected(values), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-14)


@pytest.mark.parametrize("stretch", [1, 7, 100, 1 << 22])
@pytest.mark.parametrize("threads", [1, 3])
def test_stretches_and_threads_change_nothing(monkeypatch, stretch, threads):
    values = RANDOM.normal(size=(40, 30)).astype(np.float32)
    whole = norms_of(tensor_of(values), threads=1)
    monkeypatch.setattr(norms, "STRETCH", stretch)
    monkeypatch.setattr(stretches, "TOGETHER", 64)
    for found, right in zip(norms_of(tensor_of(values), threads), whole, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-14)


def test_decoded_pieces_need_not_end_with_a_row(monkeypatch):
    values = RANDOM.normal(size=(9, 11)).astype(np.float32)

    class Decoded:
        nbytes = values.nbytes

        def flat(self, start, stop):
            return values.reshape(-1)[start:stop].copy()

    monkeypatch.setattr(stretches, "PIECE", 4)
    for found, right in zip(norms_of(Tensor("w", (9, 11), "Q8_0", Decoded())), expected(values), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-14)


def test_what_is_not_finite_counts_as_nothing():
    values = RANDOM.normal(size=(4, 6)).astype(np.float32)
    values[1, 2], values[3] = np.nan, np.inf
    rows, columns = norms_of(tensor_of(values))
    np.testing.assert_allclose(rows, expected(values)[0])
    np.testing.assert_allclose(columns, expected(values)[1])
    assert rows[3] == 0


def test_empty_axes():
    for shape in ((0, 3), (3, 0)):
        rows, columns = norms_of(tensor_of(np.zeros(shape, np.float32)))
        assert (rows.tolist(), columns.tolist()) == ([0.0] * shape[0], [0.0] * shape[1])


def test_what_has_no_rows_is_refused():
    with pytest.raises(ArgumentError, match="two axes"):
        norms_of(tensor_of(np.zeros(3, np.float32)))
    with pytest.raises(ArgumentError, match="complex"):
        norms_of(tensor_of(np.zeros((2, 2), np.complex64)))
