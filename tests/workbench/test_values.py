"""Values of tensors: all of them counted, exported as they are, and their extremes kept."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pondera.errors import ArgumentError
from pondera.weights.tensor import Mapped, Tensor
from pondera.workbench import exact, histogram, tiles

KINDS = ["f2", "f4", "f8", "i1", "i8", "u8", "?", "c8", "c16"]
OTHERS = [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]


def tensor_of(values):
    source = Mapped(memoryview(values.tobytes()), 0, values.dtype, values.size)
    return Tensor("w", values.shape, values.dtype.name, source)


@given(st.sampled_from(KINDS).flatmap(lambda kind: arrays(kind, array_shapes(max_dims=3, max_side=6))))
def test_exported_values_are_the_very_same(values):
    text = "".join(exact.lines(tensor_of(values)))
    rows = [line.split(",") for line in text.splitlines()]
    assert [len(row) for row in rows] == [tiles.plane(values.shape)[1]] * tiles.plane(values.shape)[0]
    words = [word for row in rows for word in row]
    read = {"c": complex, "f": values.dtype.type, "i": int, "u": int, "b": int}[values.dtype.kind]
    found = np.array([read(word) for word in words], values.dtype)
    np.testing.assert_array_equal(found, values.reshape(-1))
    if values.dtype.kind == "f":
        signs = (np.signbit(each[~np.isnan(found)]) for each in (found, values.reshape(-1)))
        np.testing.assert_array_equal(*signs)


@pytest.mark.parametrize("kind", OTHERS)
def test_exported_values_of_dtypes_that_numpy_does_not_have(kind):
    values = np.arange(256, dtype=np.uint8).view(np.uint8 if np.dtype(kind).itemsize == 1 else np.uint16).view(kind)
    words = "".join(exact.lines(tensor_of(values))).strip().split(",")
    found = np.array([float(word) for word in words]).astype(kind)
    np.testing.assert_array_equal(found.astype(np.float32), values.astype(np.float32))


def test_stretches_of_an_export_join_at_any_place(monkeypatch):
    values = np.arange(35).reshape(5, 7)
    whole = "".join(exact.lines(tensor_of(values)))
    for size in (1, 2, 6, 7, 8, 13, 35):
        monkeypatch.setattr(exact, "AT_ONCE", size)
        assert "".join(exact.lines(tensor_of(values))) == whole
    assert whole == "\n".join(",".join(map(str, row)) for row in values.tolist()) + "\n"


@given(
    st.sampled_from([*KINDS]).flatmap(lambda kind: arrays(kind, array_shapes(max_dims=3, max_side=9))),
    st.integers(1, 40),
)
def test_all_values_are_counted_as_numpy_counts_them(values, bins):
    found = histogram.counted(tensor_of(values), bins)
    sizes = (np.abs(values) if np.iscomplexobj(values) else values).astype(np.float64).reshape(-1)
    finite = sizes[np.isfinite(sizes)]
    assert (found["count"], found["not_finite"]) == (values.size, values.size - len(finite))
    assert (found["below"], found["above"]) == (0, 0)
    assert sum(each["count"] for each in found["bins"]) == len(finite)
    if len(finite) == 0:
        assert (found["low"], found["high"], found["bins"]) == (None, None, [])
        return
    assert (found["low"], found["high"]) == (finite.min(), finite.max())
    edges = [found["bins"][0]["from"], *(each["to"] for each in found["bins"])]
    assert (edges[0], edges[-1]) == (found["low"], found["high"])
    if found["low"] < found["high"]:
        expected, _ = np.histogram(finite, edges)
        assert [each["count"] for each in found["bins"]] == expected.tolist()


def test_counts_are_those_of_numpy_over_stretches(monkeypatch):
    monkeypatch.setattr(histogram, "AT_ONCE", 1000)
    values = np.random.default_rng(0).normal(size=(70, 90)).astype(np.float32)
    values[3, 4], values[5, 6] = np.nan, np.inf
    finite = values[np.isfinite(values)].astype(float)
    found = histogram.counted(tensor_of(values), 64)
    expected, edges = np.histogram(finite, 64)
    assert [each["count"] for each in found["bins"]] == expected.tolist()
    np.testing.assert_allclose([each["from"] for each in found["bins"]], edges[:-1])
    part = histogram.counted(tensor_of(values), 8, -1.0, 0.5)
    assert (part["below"], part["above"]) == ((finite < -1).sum(), (finite > 0.5).sum())
    assert [each["count"] for each in part["bins"]] == np.histogram(finite, 8, (-1, 0.5))[0].tolist()
    assert (part["low"], part["high"], part["not_finite"]) == (finite.min(), finite.max(), 2)
    for low, high in ((1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(ArgumentError):
            histogram.counted(tensor_of(values), 8, low, high)


@pytest.mark.parametrize(("atonce", "narrow"), [(1, 0), (7, 0), (7, 5), (64, 1024), (1 << 22, 1024)])
@pytest.mark.parametrize("shape", [(1,), (200,), (13, 17), (40, 3), (3, 40), (5, 4, 3), ()])
def test_a_tile_is_the_same_however_it_is_read(monkeypatch, shape, atonce, narrow):
    random = np.random.default_rng(0)
    values = random.normal(size=shape).astype(np.float32)
    height, width = tiles.plane(shape)
    monkeypatch.setattr(tiles, "AT_ONCE", atonce)
    monkeypatch.setattr(tiles, "NARROW", narrow)
    plane = values.reshape(height, width)
    for _ in range(10):
        top, left = random.integers(height), random.integers(width)
        bottom, right = random.integers(top, height) + 1, random.integers(left, width) + 1
        down, across = random.integers(1, bottom - top + 1), random.integers(1, right - left + 1)
        found = tiles.extremes(tensor_of(values), (top, bottom), (left, right), (down, across))
        rows = top + np.arange(down + 1) * (bottom - top) // down
        columns = left + np.arange(across + 1) * (right - left) // across
        for i in range(down):
            for j in range(across):
                cell = plane[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
                assert found[i, j] == cell.flat[np.abs(cell).argmax()]


def test_a_tile_holds_at_most_so_many_values_at_a_time(monkeypatch):
    monkeypatch.setattr(tiles, "AT_ONCE", 100)
    looked = []

    class Source:
        nbytes = 0

        def flat(self, start, stop):
            looked.append(stop - start)
            return np.zeros(stop - start, np.float16)

    for shape in ((1_000_000,), (1000, 1000), (3, 100_000)):
        height, width = tiles.plane(shape)
        tiles.extremes(Tensor("w", shape, "float16", Source()), (0, height), (0, width), (1, 2))
    assert max(looked) <= 100


def test_finite_values_stay_finite_and_infinite_ones_infinite():
    values = np.array([[1e300, -1e300, np.inf, -np.inf, np.nan, 1]])
    found = tiles.extremes(tensor_of(values), (0, 1), (0, 6), (1, 6))[0]
    most = np.finfo(np.float32).max
    np.testing.assert_array_equal(found, np.array([most, -most, np.inf, -np.inf, np.nan, 1], np.float32))
    huge = np.array([1e300 + 1e300j, 3 - 4j])
    np.testing.assert_array_equal(tiles.extremes(tensor_of(huge), (0, 1), (0, 2), (1, 2))[0], [most, 5])


def test_what_the_routes_say_of_values(client, folder):
    np.save(folder / "c.npy", np.array([[1 + 2j, 3 - 4j], [5j, 1]]))
    np.save(folder / "i.npy", np.array([[2**62 + 1, 3]]))
    np.save(folder / "third.npy", np.array([1 / 3]))
    singular = client.get("/api/singular-values?file=c.npy&tensor=c").json()
    np.testing.assert_allclose(singular["values"], np.linalg.svd(np.load(folder / "c.npy"), compute_uv=False))
    assert singular["python"] == "pondera.open('c.npy')['c'].values()"
    assert client.get("/api/tensor?file=i.npy&tensor=i").text == f"{2**62 + 1},3\n"
    assert client.get("/api/tensor?file=third.npy&tensor=third").text == f"{1 / 3!r}\n"
    found = client.get("/api/histogram?file=weights.safetensors&tensor=fc.weight&bins=7").json()
    assert (found["count"], found["not_finite"], found["low"], found["high"]) == (240_000, 1, -7, 0)
    assert [each["count"] for each in found["bins"]] == [1, 0, 0, 0, 0, 0, 239_998]
    assert set(found["bins"][0]) == {"from", "to", "count"}
