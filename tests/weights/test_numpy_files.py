import io
import zipfile

import ml_dtypes  # noqa: F401 (NumPy learns its dtypes)
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights.open import open as open_weights
from pondera.weights.tensor import DTYPES

RANDOM = np.random.default_rng(0)
NUMPYS_OWN = [name for name in DTYPES if not name.startswith(("bfloat", "float8"))]


@pytest.mark.parametrize("name", NUMPYS_OWN)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path, name, save):
    values = (RANDOM.normal(size=(3, 4, 5)) * 50).astype(DTYPES[name])
    arrays = {
        "c": values,
        "fortran": np.asfortranarray(values),
        "swapped": values.astype(values.dtype.newbyteorder(">")),
        "number": values[0, 0, 0],
        "empty": values[:0],
        "a/b.c": values[0],
    }
    save(tmp_path / "w.npz", **arrays)
    weights = open_weights(tmp_path / "w.npz")
    assert weights.format == "NumPy .npz"
    assert list(weights) == list(arrays)
    for key, expected in arrays.items():
        tensor = weights[key]
        assert (tensor.shape, tensor.dtype, tensor.count) == (expected.shape, name, expected.size)
        np.testing.assert_array_equal(tensor.values(), expected)
        np.testing.assert_array_equal(np.asarray(tensor), expected)
        np.testing.assert_array_equal(np.concatenate([*tensor.chunks(7), []]), expected.reshape(-1))
        if expected.ndim:
            np.testing.assert_array_equal(tensor[1:], expected[1:])


def test_one_array(tmp_path):
    np.save(tmp_path / "kernel.npy", np.arange(6.0).reshape(2, 3))
    weights = open_weights(tmp_path / "kernel.npy")
    assert list(weights) == ["kernel"]
    assert weights["kernel"][1].tolist() == [3.0, 4.0, 5.0]
    assert not weights["kernel"].values().flags.writeable


def npy(header, data=b""):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


HOSTILE = {
    "objects": (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "holds Python objects, a pickle"),
    "a call": (
        npy("{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': ()}"),
        "cannot be read",
    ),
    "several types": (
        npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"),
        "a table of several types",
    ),
    "texts": (npy("{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}"), "of the type '<U4'; expected numbers"),
    "no shape": (npy("{'descr': '<f4', 'fortran_order': False}"), "cannot be read"),
    "a negative length": (
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
        "expected whole numbers from 0 up",
    ),
    "an overflowing shape": (
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
        "more values than can be addressed",
    ),
    "cut short": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9,)}", b"1234"), "cut short or damaged"),
    "a long header": (b"\x93NUMPY\x01\x00\xff\xff{", "more than there are"),
    "deep nesting": (npy("(" * 5000), "cannot be read"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("packed", [False, True])
def test_hostile_arrays(tmp_path, name, packed):
    data, sentence = HOSTILE[name]
    path = tmp_path / ("w.npz" if packed else "w.npy")
    if packed:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w.npy", data)
    else:
        path.write_bytes(data)
    with pytest.raises(ModelFileError, match=sentence):
        open_weights(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_letters_are_left_out_and_named(tmp_path, save):
    dates = np.array(["2026-01-01"], "M8[D]")
    save(tmp_path / "w.npz", w=np.ones(3), classes=np.array(["a", "b"]), raw=np.array([b"c"]), dates=dates)
    weights = open_weights(tmp_path / "w.npz")
    assert (list(weights), weights.skipped) == (["w"], ("classes.npy", "raw.npy", "dates.npy"))
    save(tmp_path / "w.npz", w=np.ones(3), objects=np.array([{}], object))
    with pytest.raises(ModelFileError, match="holds Python objects"):
        open_weights(tmp_path / "w.npz")


def archive_of(*entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return bytearray(buffer.getvalue())


GOOD = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", b"12345678")


def test_hostile_archives(tmp_path):
    path = tmp_path / "w.npz"

    def refused(data, sentence):
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match=sentence):
            [tensor.values() for tensor in open_weights(path).values()]

    whole = archive_of(("a.npy", GOOD), ("b.npy", GOOD))
    refused(whole[:-30], "zip archive cannot be read")
    overlap = bytearray(whole)
    at = overlap.index(b"PK\x01\x02", overlap.index(b"PK\x01\x02") + 1)
    overlap[at + 42 : at + 46] = b"\0\0\0\0"  # the second entry begins where the first does
    refused(overlap, "overlap")
    secret = bytearray(whole)
    secret[secret.index(b"PK\x01\x02") + 8] |= 1
    refused(secret, "is encrypted")
    far = bytearray(whole)
    at = far.index(b"PK\x01\x02")
    far[at + 42 : at + 46] = b"\xff\xff\0\0"
    refused(far, "not where it should be|cannot be read")
    bomb = archive_of(
        ("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (250000000000,)}") + bytes(1000)),
        compression=zipfile.ZIP_DEFLATED,
    )
    refused(bomb, "cut short or damaged")
    broken = archive_of(("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (250,)}", bytes(1000))),
                        compression=zipfile.ZIP_DEFLATED)  # fmt: skip
    broken[60:64] = b"\xff\xff\xff\xff"
    refused(broken, "cannot be unpacked|cannot be read|is no NumPy array")


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8), st.booleans())
def test_any_change_gives_weights_or_a_sentence(tmp_path_factory, place, change, packed):
    data = archive_of(("a.npy", GOOD), ("b.npy", GOOD)) if packed else bytearray(GOOD)
    at = place % len(data)
    data[at : at + len(change)] = change
    path = tmp_path_factory.mktemp("any") / "w"
    path.write_bytes(data)
    try:
        for tensor in open_weights(path).values():
            tensor.values()
    except ModelFileError:
        pass


def test_fortran_order_and_another_byte_order_together(tmp_path):
    """Only the values that are asked for are turned and converted."""
    values = np.asfortranarray(RANDOM.normal(size=(300, 70)).astype(">f4"))
    np.save(tmp_path / "w.npy", values)
    (tensor,) = open_weights(tmp_path / "w.npy").values()
    np.testing.assert_array_equal(tensor.values(), values)
    np.testing.assert_array_equal(np.concatenate(list(tensor.chunks(97))), values.reshape(-1))
    assert tensor.source.flat(5, 8).nbytes == 12
