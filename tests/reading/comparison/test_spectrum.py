import ml_dtypes
import numpy as np
import pytest

from pondera.reading.comparison import spectrum
from pondera.reading.comparison.spectrum import rank_of
from pondera.reading.comparison.views import View

RANDOM = np.random.default_rng(0)


def adapted(base, rank, size=0.01):
    down, up = (RANDOM.normal(size=each) for each in ((rank, base.shape[1]), (base.shape[0], rank)))
    return (base + size * up @ down / np.sqrt(rank)).astype(base.dtype)


@pytest.fixture
def rank(one):
    return lambda a, b: rank_of(View.of(one(a)), View.of(one(b)))


@pytest.mark.parametrize("true", [1, 4, 8, 16])
@pytest.mark.parametrize("shape", [(96, 200), (200, 96)])
def test_the_rank_of_an_adapter(rank, true, shape):
    base = (0.05 * RANDOM.normal(size=shape)).astype(np.float32)
    merged = adapted(base, true)
    found = rank(base, merged)
    assert (found.rank, found.low, found.side) == (true, True, 96)
    values = np.linalg.svd(merged.astype(np.float64) - base, compute_uv=False)
    shares = values / values.sum()
    assert found.effective == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)


def test_the_rank_shows_through_rounding_to_fewer_bits(rank):
    base = (0.05 * RANDOM.normal(size=(256, 512))).astype(ml_dtypes.bfloat16)
    merged = adapted(base.astype(np.float32), 8, 0.02).astype(ml_dtypes.bfloat16)
    assert rank(base, merged).rank == 8


def test_training_moves_in_all_directions(rank):
    base = (0.05 * RANDOM.normal(size=(96, 200))).astype(np.float32)
    found = rank(base, (base + 1e-3 * RANDOM.normal(size=base.shape)).astype(np.float32))
    assert (found.rank, found.low) == (96, False)
    assert found.effective > 80


def test_rounding_alone_has_no_rank(rank):
    base = (0.05 * RANDOM.normal(size=(96, 200))).astype(np.float32)
    assert rank(base, base.astype(ml_dtypes.bfloat16)).rank == 0


def test_larger_matrices_are_projected(rank, monkeypatch):
    monkeypatch.setattr(spectrum, "EXACT", 64)
    monkeypatch.setattr(spectrum, "SAMPLE", 80)
    base = (0.05 * RANDOM.normal(size=(300, 400))).astype(np.float32)
    assert rank(base, adapted(base, 8)).rank == 8
    assert rank(adapted(base, 8).T.copy(), base.T.copy()).rank == 8
    found = rank(base, (base + 1e-3 * RANDOM.normal(size=base.shape)).astype(np.float32))
    assert (found.rank, found.low) == (None, False)


def test_transposed_and_convolutions(one):
    base = (0.05 * RANDOM.normal(size=(64, 80))).astype(np.float32)
    merged = np.ascontiguousarray(adapted(base, 2).T)
    assert rank_of(View.of(one(base)).transposed((1, 0)), View.of(one(merged))).rank == 2
    kernel = RANDOM.normal(size=(16, 8, 3, 3)).astype(np.float32)
    assert rank_of(View.of(one(kernel)), View.of(one(kernel + 1))).rank == 1


def test_vectors_have_none(rank):
    assert rank(np.zeros(9), np.ones(9)) is None
    assert rank(np.zeros((9, 1)), np.ones((9, 1))) is None


def test_what_is_not_finite_does_not_spoil_it(rank):
    base = (0.05 * RANDOM.normal(size=(64, 80))).astype(np.float32)
    merged = adapted(base, 2)
    merged[3, 4] = np.nan
    assert rank(base, merged).rank <= 4
