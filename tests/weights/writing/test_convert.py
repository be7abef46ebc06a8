import errno
import json
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import ArgumentError, ModelFileError
from pondera.weights.collection import Weights
from pondera.weights.layout import Strided
from pondera.weights.open import open as open_weights
from pondera.weights.packed import PACKED, Packed, packed_size
from pondera.weights.tensor import DTYPES, Mapped, Tensor
from pondera.weights.writing.convert import ROUNDED_TO, WRITERS, convert, plan
from pondera.weights.writing.safetensors import CODES

ENDS = {key: writer.suffixes[0] for key, writer in WRITERS.items()}
MANY = [key for key in WRITERS if key != "npy"]
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12).filter(
    lambda name: not name.endswith(".npy") and "PK" not in name and name != "__metadata__"
)
SHAPES = st.one_of(
    st.lists(st.integers(0, 4), max_size=5).map(tuple),
    st.just((1,) * 64),
    st.just((2, *[1] * 62, 3)),
)


def tensor(name, values, dtype=None):
    """Give an array as a tensor; one whose first axis is the fastest keeps that layout."""
    dtype = values.dtype.name if dtype is None else dtype
    content = memoryview(values.tobytes(order="A"))
    if values.ndim > 1 and values.flags.f_contiguous and not values.flags.c_contiguous:
        strides = tuple(step // values.itemsize for step in values.strides)
        return Tensor(name, values.shape, dtype, Strided(content, 0, values.dtype, values.shape, strides))
    return Tensor(name, values.shape, dtype, Mapped(content, 0, values.dtype, values.size))


def packed(content, dtype, count):
    size = packed_size(dtype, count)
    return Packed(Mapped(memoryview(content), 0, DTYPES["uint8"], size), dtype, count)


def weights(*tensors, **more):
    return Weights.of([tensor(*each) if isinstance(each, tuple) else each for each in tensors], "made", **more)


def random(shape, dtype, seed=0):
    """Give any bits."""
    kind = DTYPES[dtype]
    count = int(np.prod(shape, dtype=int)) * kind.itemsize
    drawn = np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 256, count, dtype=np.uint8)
    return drawn.view(kind).reshape(shape)


@st.composite
def collections(draw, dtypes):
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    arrays = {}
    for index, name in enumerate(names):
        array = random(draw(SHAPES), draw(st.sampled_from(sorted(dtypes))), index)
        arrays[name] = np.asfortranarray(array) if draw(st.booleans()) else array
    return arrays


def same(found, arrays):
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype.name)
        assert np.asarray(found[name]).tobytes() == array.tobytes()


@pytest.mark.parametrize("to", MANY)
@pytest.mark.parametrize("name", ["optimizer", "optim", "state_dict", "model", "weights"])
def test_a_name_of_a_part_of_checkpoints_may_be_a_tensors(tmp_path, to, name):
    arrays = {name: np.ones(3, np.float32)}
    convert(weights(*arrays.items()), tmp_path / f"w{ENDS[to]}")
    same(open_weights(tmp_path / f"w{ENDS[to]}"), arrays)


@pytest.mark.parametrize("to", MANY)
@given(data=st.data())
def test_round_trips(tmp_path_factory, to, data):
    arrays = data.draw(collections(WRITERS[to].dtypes & set(DTYPES)))
    path = tmp_path_factory.mktemp("round") / f"w{ENDS[to]}"
    made = weights(*arrays.items())
    heard = []
    done = convert(made, path, progress=heard.append)
    assert sum(heard) == made.nbytes == plan(made, path).nbytes
    assert (done.format, done.tensors, done.notes) == (WRITERS[to].format, len(arrays), ())
    assert done.bytes == path.stat().st_size
    assert os.listdir(path.parent) == [path.name]
    same(open_weights(path), arrays)
    if to == "npz":
        with np.load(path, allow_pickle=False) as archive:
            assert archive.files == list(arrays)
            for name, array in arrays.items():
                assert archive[name].dtype == array.dtype
                assert archive[name].shape == array.shape
                assert archive[name].tobytes() == array.tobytes()
    if to == "safetensors":
        theirs = dict(safetensors.deserialize(path.read_bytes()))
        assert theirs.keys() == arrays.keys()
        for name, array in arrays.items():
            assert theirs[name]["dtype"] == CODES[array.dtype.name]
            assert tuple(theirs[name]["shape"]) == array.shape
            assert bytes(theirs[name]["data"]) == array.tobytes()


def test_every_format_through_every_other(tmp_path):
    dtypes = sorted(set.intersection(*(set(writer.dtypes) for writer in WRITERS.values())))
    arrays = {f"a/{dtype}.σ": random((3, 5), dtype) for dtype in dtypes}
    found = weights(*arrays.items())
    for step, to in enumerate([*MANY, *reversed(MANY), *MANY]):
        convert(found, tmp_path / f"{step}", to=to)
        found = open_weights(tmp_path / f"{step}")
        same(found, arrays)


@pytest.mark.parametrize("dtype", sorted(WRITERS["npy"].dtypes))
@pytest.mark.parametrize("shape", [(), (0, 2), (3, 4)])
def test_one_array(tmp_path, dtype, shape):
    array = random(shape, dtype)
    convert(weights(("w", array)), tmp_path / "w.npy")
    found = np.load(tmp_path / "w.npy", allow_pickle=False)
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("dtype", PACKED)
def test_values_of_fewer_than_eight_bits(tmp_path, dtype):
    bits = PACKED[dtype][0]
    content = random((8, 8 * bits // 8), "uint8").tobytes()
    made = Tensor("w", (8, 8), dtype, packed(content, dtype, 64))
    odd = Tensor("odd", (1,), dtype, packed(content, dtype, 1))
    done = convert(weights(made), tmp_path / "a.safetensors")
    assert done.notes == ()
    ((_, theirs),) = safetensors.deserialize((tmp_path / "a.safetensors").read_bytes())
    assert (theirs["dtype"], theirs["shape"], bytes(theirs["data"])) == (CODES[dtype], [8, 8], content)
    for path in ("a.npz", "a.pt"):
        done = convert(weights(made), tmp_path / path)
        assert done.notes == (f"1 tensor of {dtype} as the float32 that it decodes to.",)
        np.testing.assert_array_equal(open_weights(tmp_path / path)["w"].values(), made.values())
    done = convert(weights(made, odd), tmp_path / "b.safetensors")
    assert [each.dtype for each in open_weights(tmp_path / "b.safetensors").values()] == [dtype, "float32"]
    done = convert(weights(made), tmp_path / "b.safetensors", "float16")
    assert done.notes == (f"1 tensor of {dtype} as float16: no value changed.",)


def test_wide_values_come_first_and_are_aligned(tmp_path):
    made = weights(
        ("b", np.ones(3, "u1")), ("h", np.ones(3, "f2")), ("d", np.ones(3)), ("s", np.ones(3, "f4")), ("e", np.ones(1))
    )
    convert(made, tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0
    assert list(header) == ["b", "h", "d", "s", "e"]
    assert sorted(header, key=lambda name: header[name]["data_offsets"]) == ["d", "e", "s", "h", "b"]
    assert not any(header[each.name]["data_offsets"][0] % (each.nbytes // each.count) for each in made.values())


def test_texts_go_along(tmp_path):
    shards = {"a": {"format": "pt", "n": "1"}, "b": {"format": "pt", "n": "2"}}
    metadata = {"name": "σ\n", "layers": 3, "odd": "\ud800", "shards": shards}
    made = weights(("w", np.ones(2)), metadata=metadata)
    done = convert(made, tmp_path / "w.safetensors")
    with safetensors.safe_open(tmp_path / "w.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt", "name": "σ\n"}
    assert done.notes == ("Left out: metadata, of which safetensors holds texts only: layers, odd.",)
    done = convert(made, tmp_path / "w.npz")
    assert done.notes == ("Left out: metadata, for which NumPy .npz has no place: name, layers, odd.",)
    again = convert(open_weights(tmp_path / "w.safetensors"), tmp_path / "again.safetensors")
    assert again.notes == ()
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "w.safetensors").read_bytes()


def test_optimizers(tmp_path):
    made = weights(("w", np.ones(2)), optimizer={"o.w": tensor("o.w", np.zeros(2))})
    done = convert(made, tmp_path / "w.npz")
    assert done.notes == ("Left out: the optimizer's state, 1 tensor (--optimizer).",)
    noted = replace(made, metadata={"optimizer": {"lr": 0.1}, "epoch": 3})
    assert convert(noted, tmp_path / "noted.npz").notes[1].endswith(": epoch.")
    assert list(open_weights(tmp_path / "w.npz")) == ["w"]
    done = convert(made, tmp_path / "w.npz", optimizer=True)
    assert done.notes == ()
    assert list(open_weights(tmp_path / "w.npz")) == ["w", "o.w"]
    clash = weights(("w", np.ones(2)), optimizer={"w": tensor("w", np.zeros(2))})
    with pytest.raises(ArgumentError, match="Both the model and the optimizer have a tensor 'w'"):
        convert(clash, tmp_path / "w.npz", optimizer=True)


def test_tensors_that_are_one_and_the_same(tmp_path):
    made = weights(("a", np.ones(2)), ("b", np.ones(2)), metadata={"pytorch": {"layout": "zip", "tied": [["a", "b"]]}})
    assert convert(made, tmp_path / "w.pt").notes == ("1 tensor is the same as another and is written out again.",)


@pytest.mark.parametrize("target", ROUNDED_TO)
@pytest.mark.parametrize("source", ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e8m0fnu"])
def test_rounding(tmp_path, source, target):
    values = np.linspace(0.01, 400, 999).astype(DTYPES[source])
    made = weights(("w", values), ("n", np.arange(3)), ("c", np.ones(2, "c8")))
    done = convert(made, tmp_path / "w.pt", target)
    found = open_weights(tmp_path / "w.pt")
    assert [each.dtype for each in found.values()] == [target, "int64", "complex64"]
    expected = values.astype(np.float64)
    ours = found["w"].values().astype(np.float64)
    bits = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}[target]
    np.testing.assert_allclose(ours, expected, rtol=2.0**-bits)
    changed = int((ours != expected).sum())
    if source == target:
        assert done.notes == ()
    elif changed:
        most = np.abs(ours / expected - 1).max()
        sentence = f"{changed} of 999 values were rounded, by at most {most:.2g} of their size."
        assert done.notes == (f"1 tensor of {source} as {target}: {sentence}",)
    else:
        assert len(done.notes) == 1
        assert done.notes[0].startswith(f"1 tensor of {source} as {target}")
        assert done.notes[0].endswith(("which holds every value exactly.", "no value changed."))


def test_values_that_vanish_are_counted(tmp_path):
    done = convert(weights(("w", np.array([1e-9, 1.0]))), tmp_path / "w.npz", "float16")
    assert done.notes == ("1 tensor of float64 as float16: 1 of 2 values were rounded; 1 became 0.",)


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("float16", "Give --dtype bfloat16 or float32."),
        ("bfloat16", "Give --dtype float32."),
        ("float32", "Leave out --dtype."),
    ],
)
def test_values_that_would_become_infinite(tmp_path, target, advice):
    (tmp_path / "w.npz").write_bytes(b"old")
    values = np.array([1.0, -1e300, np.inf, 1e300])
    sentence = f"'w': 2 values of 4 lie beyond the largest {target} and would become infinite. {advice}"
    with pytest.raises(ArgumentError) as raised:
        convert(weights(("w", values)), tmp_path / "w.npz", target, to="pytorch")
    assert str(raised.value) == sentence
    assert (tmp_path / "w.npz").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["w.npz"]


REFUSED = {
    "brain floats": (
        {"w": random((2,), "bfloat16")},
        "npz",
        "NumPy .npz has no bfloat16, which 1 tensor has, such as 'w'. Give --dtype float32, which holds every value "
        "exactly, or write safetensors or PyTorch.",
    ),
    "wide complex numbers": (
        {"v": random((2,), "complex128"), "w": random((2,), "complex128")},
        "safetensors",
        "safetensors has no complex128, which 2 tensors have, such as 'v'. Write NumPy .npz or NumPy .npy or PyTorch.",
    ),
    "two arrays": ({"v": np.ones(2), "w": np.ones(2)}, "npy", "A .npy file holds one tensor; there are 2. Write .npz."),
    "nothing": ({}, "npz", "There is no tensor to write."),
    "a name of safetensors": ({"__metadata__": np.ones(1)}, "safetensors", "where safetensors keeps texts"),
    "a zero byte": ({"a\x00b": np.ones(1)}, "npz", "No file in a zip archive can be called 'a\\x00b.npy'"),
    "a long name": ({"é" * 40_000: np.ones(1)}, "npz", "its name may have 65,535 bytes"),
    "no text": ({"\ud800": np.ones(1)}, "pytorch", "The tensor '\\ud800' has a name that is no text."),
    "two names in one": (
        {"a": np.ones(1), "a.npy": np.ones(1)},
        "npz",
        "NumPy cannot tell the tensors 'a' and 'a.npy'",
    ),
    "another format": ({"a": np.ones(1)}, "gguf", "Unknown format 'gguf'."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written(tmp_path, name):
    arrays, to, sentence = REFUSED[name]
    with pytest.raises(ArgumentError) as raised:
        convert(weights(*arrays.items()), tmp_path / "w", to=to)
    assert sentence in str(raised.value)
    assert os.listdir(tmp_path) == []


def test_what_is_asked_for_must_be_known(tmp_path):
    made = weights(("w", np.ones(1)))
    with pytest.raises(ArgumentError, match=r"Unknown dtype 'float8'\. Did you mean"):
        convert(made, tmp_path / "w.npz", "float8")
    with pytest.raises(ArgumentError, match=r"w\.onnx: expected a file that ends in \.safetensors, \.npz,"):
        convert(made, tmp_path / "w.onnx")
    for ending in (".SafeTensors", ".NPZ", ".pth", ".bin"):
        assert convert(made, tmp_path / f"w{ending}").tensors == 1


def test_an_input_is_never_written_over(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    safetensors.numpy.save_file({"w": np.ones(2)}, folder / "w.safetensors")
    before = (folder / "w.safetensors").read_bytes()
    (tmp_path / "soft.safetensors").symlink_to(folder / "w.safetensors")
    os.link(folder / "w.safetensors", tmp_path / "hard.safetensors")
    (tmp_path / "turn").symlink_to(folder)
    for source in (folder, folder / "w.safetensors", tmp_path / "soft.safetensors"):
        for out in ("in/w.safetensors", "soft.safetensors", "hard.safetensors", "turn/w.safetensors"):
            with pytest.raises(ModelFileError, match="is the file that the weights are read from"):
                convert(open_weights(source), tmp_path / out)
    assert (folder / "w.safetensors").read_bytes() == before
    assert (tmp_path / "soft.safetensors").is_symlink()


def test_places_that_are_no_files(tmp_path):
    made = weights(("w", np.ones(1)))
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    for out, sentence in {
        "folder.npz": "is a folder; expected the name of a file",
        "pipe.npz": "is a pipe or device",
        "nowhere/w.npz": "cannot be written: No such file or directory",
        "a\x00.npz": "cannot be written",
        "a" * 300 + ".npz": "cannot be written: File name too long",
    }.items():
        with pytest.raises(ModelFileError, match=sentence):
            convert(made, tmp_path / out)
    assert sorted(os.listdir(tmp_path)) == ["folder.npz", "pipe.npz"]


class Failing:
    """Values that end in an error."""

    def __init__(self, error):
        self.error, self.nbytes = error, 80_000_000

    def flat(self, start, stop):
        if start:
            raise self.error
        return np.zeros(stop - start)


@pytest.mark.parametrize("to", WRITERS)
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ModelFileError),
        (ModelFileError("damaged"), ModelFileError),
    ],
)
def test_an_end_in_the_middle_leaves_the_old_file(tmp_path, to, error, raised):
    path = tmp_path / f"w{ENDS[to]}"
    path.write_bytes(b"old")
    made = weights(Tensor("w", (10_000_000,), "float64", Failing(error)))
    with pytest.raises(raised):
        convert(made, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


class Counting:
    """Far more values than memory holds, of which little may be asked for at once."""

    def __init__(self, count):
        self.count, self.nbytes, self.most = count, count, 0

    def flat(self, start, stop):
        self.most = max(self.most, stop - start)
        return np.arange(start, stop).astype(np.uint8)


@pytest.mark.parametrize("to", WRITERS)
def test_values_are_taken_a_stretch_at_a_time(tmp_path, to):
    source = Counting(30_000_000)
    convert(weights(Tensor("w", (3, 10_000_000), "uint8", source)), tmp_path / "w", to=to)
    assert source.most <= 1 << 22
    (found,) = open_weights(tmp_path / "w").values()
    assert found.shape == (3, 10_000_000)
    np.testing.assert_array_equal(found[2][-300:], np.arange(30_000_000 - 300, 30_000_000).astype(np.uint8))


def test_the_same_weights_give_the_same_bytes(tmp_path):
    for to in MANY:
        for name in ("a", "b"):
            convert(weights(("w", random((4, 4), "float32"))), tmp_path / name, to=to)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
