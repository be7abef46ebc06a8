import json
import math
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from pondera.errors import ArgumentError
from pondera.reading import stretches
from pondera.reading.histogram import Histogram
from pondera.reading.statistics import Statistics, statistics_of, statistics_of_all
from pondera.reading.tally import Moments, Tally, joined
from pondera.weights.collection import Weights
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import DTYPES, Mapped, Tensor

RANDOM = np.random.default_rng(0)
REAL = [name for name in DTYPES if not name.startswith("complex")]


def sample(name, size=20_000):
    kind = DTYPES[name]
    if kind.kind == "b":
        return RANDOM.random(size) < 0.3
    low = 0 if kind.kind == "u" or name == "float8_e8m0fnu" else -100
    values = RANDOM.integers(low, 100, size) if kind.kind in "iu" else RANDOM.normal(size=size) * 3
    return (np.abs(values) if name == "float8_e8m0fnu" else values).astype(kind)


@pytest.mark.parametrize("name", REAL)
def test_figures_are_those_of_numpy_in_float64(name):
    values = sample(name)
    exact = values.astype(np.float64)
    found = Statistics.of(values)
    assert found.count == values.size
    assert (found.minimum, found.maximum) == (exact.min(), exact.max())
    assert found.zeros == (exact == 0).sum()
    assert (found.nan, found.infinite, found.places) == (0, 0, ())
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12, abs=1e-14)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-12)
    assert found.l1 == pytest.approx(math.fsum(np.abs(exact)), rel=1e-13)
    assert found.l2 == pytest.approx(math.sqrt(math.fsum(exact**2)), rel=1e-13)
    assert found.skewness == pytest.approx(stats.skew(exact), abs=1e-9)
    assert found.kurtosis == pytest.approx(stats.kurtosis(exact), abs=1e-9)


@pytest.mark.parametrize("center", [0.0, 1e4, -1e6])
def test_a_large_mean_costs_no_digits(center):
    values = RANDOM.normal(center, 1.0, 3_000_000)
    found = Statistics.of(values)
    mean = math.fsum(values) / values.size
    assert found.mean == pytest.approx(mean, rel=1e-14, abs=1e-15)
    assert found.deviation == pytest.approx(math.sqrt(math.fsum((values - mean) ** 2) / values.size), rel=1e-11)


def test_the_stated_bound_of_sums_holds():
    values = (RANDOM.normal(size=5_000_000) * np.exp(RANDOM.normal(size=5_000_000) * 5)).astype(np.float32)
    found = Statistics.of(values)
    exact = math.fsum(values.astype(np.float64))
    assert abs(found.mean * found.count - exact) <= 2**-40 * found.l1


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "float8_e5m2"])
def test_what_is_not_finite_is_counted_and_found(name):
    values = RANDOM.normal(size=(40, 50)).astype(DTYPES[name])
    values[3, 7] = np.nan
    values[3, 9] = -np.inf
    values[20] = np.inf
    values[0, 0] = -0.0
    found = Statistics.of(values)
    exact = values.astype(np.float64)
    finite = exact[np.isfinite(exact)]
    assert (found.nan, found.infinite) == (1, 51)
    assert found.places == ((3, 7), (3, 9), (20, 0), (20, 1), (20, 2))
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    assert found.mean == pytest.approx(finite.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(finite.std(), rel=1e-12)
    assert found.zeros == (finite == 0).sum()


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_denormals(name):
    kind = DTYPES[name]
    smallest = ml_dtypes.finfo(kind).smallest_normal
    values = np.array([smallest, -smallest, smallest / kind.type(2), 0, -(smallest / kind.type(2)), 1], kind)
    found = Statistics.of(values)
    assert (found.denormals, found.zeros) == (2, 1)


def test_constants_empties_and_nothing_but_nan():
    constant = Statistics.of(np.full((3, 4), 2.5, np.float32))
    assert (constant.mean, constant.deviation, constant.minimum, constant.maximum) == (2.5, 0.0, 2.5, 2.5)
    assert math.isnan(constant.skewness)
    empty = Statistics.of(np.empty((0, 4), np.float32))
    assert (empty.count, empty.l2, empty.nan) == (0, 0.0, 0)
    assert math.isnan(empty.mean)
    assert math.isnan(empty.quantile(0.5))
    broken = Statistics.of(np.full(5, np.nan, np.float32))
    assert (broken.count, broken.nan) == (5, 5)
    assert math.isnan(broken.minimum)
    number = Statistics.of(np.array(np.nan, np.float32))
    assert number.places == ((),)


@pytest.mark.parametrize("q", [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
@pytest.mark.parametrize("size", [1001, 5_000_000])
def test_quantiles_to_one_percent(q, size):
    values = np.exp(RANDOM.normal(size=size)).astype(np.float32)
    found = Statistics.of(values)
    low, high = np.quantile(values, [max(q - 0.003, 0), min(q + 0.003, 1)])
    assert low * 0.99 <= found.quantile(q) <= high * 1.01
    assert (found.quantile(0), found.quantile(1)) == (found.minimum, found.maximum)


def test_stretches_and_threads_change_nothing(monkeypatch):
    values = RANDOM.normal(size=(300, 1000)).astype(np.float32)
    whole = Statistics.of(values, threads=1)
    monkeypatch.setattr(stretches, "PIECE", 7001)
    monkeypatch.setattr(stretches, "STRETCH", 7001)
    for threads in (1, 3):
        parts = Statistics.of(values, threads=threads)
        assert (parts.count, parts.minimum, parts.maximum, parts.zeros) == (
            whole.count, whole.minimum, whole.maximum, whole.zeros,
        )  # fmt: skip
        assert parts.mean == pytest.approx(whole.mean, rel=1e-12)
        assert parts.kurtosis == pytest.approx(whole.kurtosis, rel=1e-9)
        np.testing.assert_array_equal(parts.histogram.dense, whole.histogram.dense)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_pattern_of_sixteen_bits_is_the_number_it_stands_for(name):
    kind = DTYPES[name]
    values = RANDOM.permutation(np.arange(1 << 16, dtype=np.uint16)).view(kind)
    with np.errstate(invalid="ignore"):
        exact = values.astype(np.float64)
    finite = exact[np.isfinite(exact)]
    found = Statistics.of(values)
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    assert (found.nan, found.infinite, found.zeros) == (np.isnan(exact).sum(), 2, 2)
    assert found.denormals == (np.abs(finite) < float(ml_dtypes.finfo(kind).smallest_normal)).sum() - 2
    assert found.l1 == pytest.approx(math.fsum(np.abs(finite)), rel=1e-13)
    assert found.l2 == pytest.approx(math.sqrt(math.fsum(finite**2)), rel=1e-13)
    np.testing.assert_array_equal(found.histogram.dense, Histogram.of(finite.astype(np.float32)).dense)


@pytest.mark.parametrize("name", [name for name in REAL if DTYPES[name].itemsize == 1])
def test_every_pattern_of_eight_bits_is_the_number_it_stands_for(name):
    values = RANDOM.permutation(np.repeat(np.arange(256, dtype=np.uint8), 5)).view(DTYPES[name])
    exact = values.astype(np.float64)
    finite = exact[np.isfinite(exact)]
    found = Statistics.of(values)
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    assert (found.nan, found.infinite) == (np.isnan(exact).sum(), np.isinf(exact).sum())
    assert found.zeros == (finite == 0).sum()
    assert found.mean == pytest.approx(finite.mean(), rel=1e-12, abs=1e-12)
    assert found.deviation == pytest.approx(finite.std(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("int64", -(2**63), 2**63 - 1),
        ("int64", 2**53 + 1, 2**53 + 3),
        ("uint64", 2**63 + 1, 2**64 - 1),
        ("int32", -5, 2**31 - 1),
        ("int8", -128, 127),
    ],
)
def test_extremes_of_whole_numbers_are_exact(name, low, high):
    found = Statistics.of(np.array([high, low, high, low] * 700, DTYPES[name]))
    assert (found.minimum, found.maximum) == (low, high)
    assert isinstance(found.minimum, int)


@pytest.mark.parametrize("sign", [1, -1])
def test_extremes_where_all_are_of_one_sign(sign):
    for kind in (np.float32, np.float64):
        values = (sign * (1 + RANDOM.random(5000))).astype(kind)
        found = Statistics.of(values)
        assert (found.minimum, found.maximum) == (values.min(), values.max())


def test_an_array_that_is_not_aligned(tmp_path):
    values = RANDOM.normal(size=1000).astype(np.float32)
    buffer = memoryview(b"x" + values.tobytes())
    found = statistics_of(Tensor("w", (1000,), "float32", Mapped(buffer, 1, values.dtype, 1000)))
    assert (found.minimum, found.maximum) == (values.min(), values.max())


def test_the_histogram_of_a_large_tensor_sees_every_column():
    row = np.repeat(np.float32([1, 2, 4, 8]), 1024)  # (4096,): the same columns always lie at the same place of a block
    found = Statistics.of(np.tile(row, (2000, 1)))
    shares = found.histogram.counts / found.histogram.counts.sum()
    np.testing.assert_allclose(shares, 0.25, atol=0.02)


def test_all_tensors_come_in_order_with_the_figures_they_have_alone():
    arrays_ = {f"w{i}": RANDOM.normal(size=RANDOM.integers(0, 400_000)).astype("f4") for i in range(30)}
    arrays_["z"] = np.zeros(3, np.complex64)
    tensors = [Tensor(n, a.shape, a.dtype.name, Mapped(memoryview(a.tobytes()), 0, a.dtype, a.size))
               for n, a in arrays_.items()]  # fmt: skip
    found = list(statistics_of_all(Weights.of(tensors, "none")))
    assert [name for name, _ in found] == list(arrays_)[:-1]
    for (_, figures), tensor in zip(found, tensors, strict=False):
        assert repr(figures) == repr(statistics_of(tensor, threads=1))


@pytest.mark.parametrize("name", ["Q8_0", "Q4_0", "Q4_K", "Q6_K", "Q5_K"])  # the last one has no compiled loop
def test_blocks_have_the_figures_of_what_they_decode_to(name, monkeypatch):
    encoding = ENCODINGS[name]
    count = 3 * 8192 + 512
    raw = RANDOM.integers(0, 256, (count // encoding.values, encoding.size), dtype=np.uint8)
    blocks = raw.view(encoding.layout)[:, 0]
    for field in {"d", "m"} & set(encoding.layout.names):
        blocks[field] = RANDOM.uniform(0.001, 0.002, len(blocks))
    blocks["d"][7] = np.inf
    values = encoding.decode(raw).reshape(-1)
    tensor = Tensor("w", (count,), name, Blocks(memoryview(raw.tobytes()), 0, encoding, count))
    right = Statistics.of(values)
    assert right.infinite or right.nan
    for stretch in (1 << 24, 512):
        monkeypatch.setattr(stretches, "PIECE", 512)
        monkeypatch.setattr(stretches, "STRETCH", stretch)
        found = statistics_of(tensor)
        assert found.places == right.places
        for figure in ("count", "minimum", "maximum", "zeros", "denormals", "nan", "infinite"):
            assert getattr(found, figure) == getattr(right, figure)
        for figure in ("mean", "deviation", "l1", "l2", "skewness", "kurtosis"):
            assert getattr(found, figure) == pytest.approx(getattr(right, figure), rel=1e-11, abs=1e-13)
        np.testing.assert_array_equal(found.histogram.dense, right.histogram.dense)


def test_whoever_wants_no_more_gets_no_more():
    values = np.zeros(1 << 20, np.float32)
    tensors = [Tensor(f"w{i}", values.shape, "float32", Mapped(values.data.cast("B"), 0, values.dtype, values.size))
               for i in range(50)]  # fmt: skip
    stream = statistics_of_all(Weights.of(tensors, "none"))
    assert next(stream)[0] == "w0"
    stream.close()


READ_SPARSE = """
import json, pathlib, resource, sys
from pondera.weights.open import open
from pondera.reading.statistics import statistics_of_all
found = dict(statistics_of_all(open(sys.argv[1])))["w"]
status = pathlib.Path("/proc/self/status")  # what getrusage says there begins with the memory of whoever started this
if status.is_file():
    peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([found.count, found.zeros, found.mean, found.maximum, peak]))
"""


def test_memory_stays_small_however_large_the_file_is(tmp_path):
    count = 1 << 28  # 1 GiB
    header = json.dumps({"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 4 * count - 4)
        file.seek(0, 2)
        file.write(np.float32(3).tobytes())
    done = subprocess.run([sys.executable, "-c", READ_SPARSE, str(path)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found[:4] == [count, count - 1, 3 / count, 3.0]
    assert found[4] < 600e6  # with what compiling takes


FLOATS = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float64, st.integers(1, 50), elements=FLOATS), arrays(np.float64, st.integers(1, 50), elements=FLOATS))
def test_moments_can_be_joined(one, other):
    def moments(values):
        return Moments.about(
            float(values[0]), len(values), *(float(((values - values[0]) ** k).sum()) for k in (1, 2, 3, 4))
        )

    both = moments(one).merge(moments(other))
    exact = np.concatenate([one, other])
    scale = max(np.abs(exact).max(), 1e-300)
    assert both.count == exact.size
    assert both.mean == pytest.approx(exact.mean(), rel=1e-9, abs=1e-9 * scale)
    assert both.second == pytest.approx(((exact - exact.mean()) ** 2).sum(), rel=1e-6, abs=1e-9 * scale**2)
    assert both.fourth == pytest.approx(((exact - exact.mean()) ** 4).sum(), rel=1e-6, abs=1e-9 * scale**4)


def test_nothing_joined_is_nothing():
    assert joined([]).values == 0
    assert Tally().merge(Tally()).moments == Moments()


def test_complex_numbers_are_refused():
    values = np.zeros(3, np.complex64)
    tensor = Tensor("z", (3,), "complex64", Mapped(memoryview(values.tobytes()), 0, values.dtype, 3))
    with pytest.raises(ArgumentError, match=r"z holds complex numbers"):
        statistics_of(tensor)


def test_whole_numbers_that_come_in_pieces_are_sampled_everywhere(tmp_path):
    from pondera.weights.open import open as open_weights

    row = np.repeat(np.int32([0, 1]), [7680, 512])  # the same columns lie at the same place of each block
    np.savez_compressed(tmp_path / "w.npz", w=np.tile(row, (1200, 1)))
    found = statistics_of(open_weights(tmp_path / "w.npz")["w"])
    assert found.quantile(0.5) == pytest.approx(0, abs=1e-40)  # within the bin of 0
    assert found.histogram.counts[-1] / found.histogram.counts.sum() == pytest.approx(1 / 16, abs=0.02)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e305])
def test_values_whose_squares_float64_does_not_hold(scale):
    plain = RANDOM.uniform(-0.5, 0.5, 5000)
    plain[7] = np.nan
    found, expected = Statistics.of(plain * scale), Statistics.of(plain)
    assert found.nan == 1
    for name in ("mean", "deviation", "l1", "l2"):
        assert getattr(found, name) / scale == pytest.approx(getattr(expected, name), rel=1e-9)
    assert (found.skewness, found.kurtosis) == pytest.approx((expected.skewness, expected.kurtosis), rel=1e-6)
    assert (found.quantile(0), found.quantile(1)) == (found.minimum, found.maximum)
    assert np.isnan(found.quantile(0.5))  # the bins are those of float32


def test_how_many_values_the_quantiles_are_of():
    assert Statistics.of(np.ones(1000, np.float32)).sampled == 1000
    assert Statistics.of(np.ones(1 << 22, np.float32)).sampled == 1 << 20
