import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights.mapped import map_file
from pondera.weights.pytorch import machine, tree
from pondera.weights.pytorch.reader import looks_like_pytorch, open_pytorch
from pondera.weights.tensor import DTYPES

FILES = Path(__file__).parent / "files"


class Named:
    """A name as a pickle gives it."""

    def __init__(self, text):
        self.module, _, self.name = text.rpartition(".")


class Call:
    """A name that is called, and then told a state."""

    def __init__(self, name, *arguments, state=None):
        self.name, self.arguments, self.state = Named(name), arguments, state


class Outside(tuple):
    """What a pickle refers to."""


class Writer(pickle._Pickler):
    """Writes pickles that name what is not installed here."""

    def persistent_id(self, value):
        return tuple(value) if type(value) is Outside else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Named):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.name)
            self.save(value.arguments)
            self.write(b"R")
            if value.state is not None:
                self.save(value.state)
                self.write(b"b")
        else:
            super().save(value, save_persistent_id)


def pickled(value):
    file = io.BytesIO()
    Writer(file, 2).dump(value)
    return file.getvalue()


def storage(key="0", count=6, kind="torch.FloatStorage"):
    return Outside(("storage", Named(kind), key, "cpu", count))


def tensor(shape=(2, 3), strides=(3, 1), offset=0, store=None, function="_rebuild_tensor_v2", more=(False, {})):
    return Call(f"torch._utils.{function}", storage() if store is None else store, offset, shape, strides, *more)


def archive(path, value, storages=None, top="archive/", byteorder="little", compressed=False, more=()):
    storages = {"0": np.arange(6, dtype="f4").tobytes()} if storages is None else storages
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as file:
        file.writestr(f"{top}data.pkl", value if isinstance(value, bytes) else pickled(value))
        if byteorder:
            file.writestr(f"{top}byteorder", byteorder)
        for key, content in storages.items():
            file.writestr(f"{top}data/{key}", content)
        for name, content in more:
            file.writestr(name, content)
    return path


def old(path, value, storages=None, keys=None, magic=0x1950A86A20F9469CFC6C, version=1001):
    storages = {"0": (6, np.arange(6, dtype="f4").tobytes())} if storages is None else storages
    parts = [magic, version, {"little_endian": True}, value, list(storages) if keys is None else keys]
    content = b"".join(pickled(part) for part in parts)
    path.write_bytes(content + b"".join(struct.pack("<q", count) + data for count, data in storages.values()))
    return path


def read(path):
    view = map_file(path)
    assert looks_like_pytorch(bytes(view[:4096]))
    return open_pytorch(path, view)


def whole(weights):
    for each in [*weights.values(), *weights.optimizer.values()]:
        values = each.values()
        assert values.shape == each.shape
        if each.count:
            parts = np.concatenate(list(each.chunks(3)))
            assert parts.tobytes() == np.ascontiguousarray(values).tobytes()
            if each.shape:
                assert each[0].tobytes() == np.ascontiguousarray(values[0]).tobytes()
    assert json.loads(json.dumps(weights.metadata, allow_nan=False)) == weights.metadata
    return weights


LAYOUTS = pytest.mark.parametrize("layout", ["zip", "old"])


@LAYOUTS
def test_every_dtype_that_torch_writes(layout):
    weights = whole(read(FILES / f"dtypes_{layout}.pt"))
    assert set(weights) == set(DTYPES)
    for name, each in weights.items():
        assert each.dtype == name
        expected = [False, True, True] if name == "bool" else np.array([0, 1, 2]).astype(DTYPES[name])
        has_zero = name != "float8_e8m0fnu"
        np.testing.assert_array_equal(each.values()[not has_zero :], expected[not has_zero :])


@LAYOUTS
def test_views_that_torch_writes(layout):
    weights = whole(read(FILES / f"views_{layout}.pt"))
    base = np.arange(24, dtype="f4").reshape(4, 6)
    for name, expected in {
        "base": base,
        "tied": base,
        "row": base[1],
        "turned": base.T,
        "sliced": base[1:3, ::2],
        "repeated": np.repeat([[0], [1], [2]], 4, 1),
        "number": 7,
        "empty": np.zeros((0, 3)),
        "last": np.ones((2, 3, 4, 5)),
    }.items():
        np.testing.assert_array_equal(weights[name].values(), expected)
    assert weights.metadata["pytorch"]["tied"] == [["base", "tied"]]


@LAYOUTS
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_checkpoints_that_torch_writes(layout, optimizer):
    weights = whole(read(FILES / f"{optimizer}_{layout}.pt"))
    assert set(weights) == {
        *(f"first.{name}" for name in ("weight", "bias")),
        *(f"norm.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
    }
    kept = ["step", "exp_avg", "exp_avg_sq"] if optimizer == "adam" else ["momentum_buffer"]
    assert list(weights.optimizer) == [f"optimizer.state.{n}.{name}" for n in range(4) for name in kept]
    assert weights.metadata["epoch"] == 3
    assert weights.metadata["best"] == "nan"
    assert weights.metadata["args"] == {"class": "argparse.Namespace", "lr": 0.01, "name": "a"}
    assert weights.metadata["optimizer"]["param_groups"][0]["lr"] == 0.01
    assert weights.metadata["size"] == [2, 3]
    assert weights.metadata["dtype"] == "torch.float32"
    assert weights.metadata["pytorch"]["prefix"] == "model"


@LAYOUTS
def test_parameters(layout):
    weights = whole(read(FILES / f"parameters_{layout}.pt"))
    assert {name: each.values().tolist() for name, each in weights.items()} == {"a": [0, 1], "b": [0, 1, 2]}


def test_a_program():
    weights = whole(read(FILES / "script.pt"))
    np.testing.assert_array_equal(weights["first.weight"].values(), np.arange(6).reshape(2, 3))
    assert weights["norm.running_var"].values().tolist() == [1, 1]
    assert weights.metadata["first"]["class"] == "__torch__.torch.nn.modules.linear.Linear"
    assert weights.metadata["pytorch"]["layout"] == "TorchScript"


def test_constants_of_a_program(tmp_path):
    more = [("a/constants.pkl", pickled((tensor(),))), ("a/constants/0", np.ones(6, "f4").tobytes())]
    module = Call("__torch__.Net", state={"model": {"w": tensor(), "_flat_weights": [tensor()]}})
    weights = whole(read(archive(tmp_path / "a.pt", module, top="a/", more=more)))
    assert list(weights) == ["model.w", "CONSTANTS.c0"]
    assert weights["CONSTANTS.c0"].values().tolist() == [[1, 1, 1], [1, 1, 1]]


def test_quantized():
    weights = whole(read(FILES / "quantized.pt"))
    assert {name: each.dtype for name, each in weights.items()} == {"whole": "quint8", "rows": "qint8"}
    for name in weights:
        np.testing.assert_array_equal(weights[name].values(), np.arange(6).reshape(2, 3))
        assert weights[name].values().dtype == np.float32
    assert weights.metadata["pytorch"]["quantized"] == ["whole", "rows"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("module.pt", r"asks for '__main__\.Net'.*Nothing was imported or run.*state_dict\(\)"),
        ("sparse.pt", r"a sparse tensor\. Save it after to_dense\(\)"),
        ("meta.pt", "'meta', which has no values"),
    ],
)
def test_what_torch_writes_and_is_refused(name, words):
    with pytest.raises(ModelFileError, match=words):
        read(FILES / name)


@pytest.mark.parametrize("top", ["archive/", "", "any name/"])
@pytest.mark.parametrize("compressed", [False, True])
def test_any_folder_and_compression(tmp_path, top, compressed):
    value = {"w": tensor(), "b": tensor((2,), (1,), 4), "none": tensor((0, 2), (2, 1))}
    weights = whole(read(archive(tmp_path / "a.bin", value, top=top, compressed=compressed)))
    assert weights["w"].values().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert weights["b"].values().tolist() == [4, 5]
    assert weights["none"].shape == (0, 2)


@pytest.mark.parametrize("kind", [np.dtype("f4"), np.dtype(ml_dtypes.bfloat16), np.dtype("i8"), np.dtype("u1")])
@pytest.mark.parametrize("strides", [(3, 1), (1, 2)])
def test_the_highest_byte_first(tmp_path, kind, strides):
    names = {"float32": "FloatStorage", "bfloat16": "BFloat16Storage", "int64": "LongStorage", "uint8": "ByteStorage"}
    values = np.arange(6).astype(kind)
    content = values.view(f"u{kind.itemsize}").byteswap().tobytes()
    value = {"w": tensor(strides=strides, store=storage(kind=f"torch.{names[kind.name]}"))}
    weights = whole(read(archive(tmp_path / "a.pt", value, {"0": content}, byteorder="big")))
    expected = values.reshape(2, 3) if strides == (3, 1) else values.reshape(3, 2).T
    np.testing.assert_array_equal(weights["w"].values(), expected)


def test_a_stretch_is_mapped_not_copied(tmp_path):
    weights = read(archive(tmp_path / "a.pt", {"w": tensor()}))
    assert not weights["w"].values().flags.owndata
    assert weights["w"][1:].tolist() == [[3, 4, 5]]


def test_parts_of_a_storage_in_the_old_layout(tmp_path):
    part = Outside((*storage(), ("v", 2, 4)))
    weights = whole(read(old(tmp_path / "a.pt", {"a": tensor((2, 2), (2, 1), 0, part), "b": tensor()})))
    assert weights["a"].values().tolist() == [[2, 3], [4, 5]]


def test_names_and_prefixes(tmp_path):
    def names(value):
        weights = read(archive(tmp_path / "a.pt", value))
        return list(weights), weights.metadata["pytorch"].get("prefix")

    w = tensor()
    assert names({"model": {"w": w}, "epoch": 1}) == (["w"], "model")
    assert names({"model": {"state_dict": {"w": w}}}) == (["w"], "model.state_dict")
    assert names({"model": {"w": w}, "ema": {"w": w}}) == (["model.w", "ema.w"], None)
    assert names({"model": w}) == (["model"], None)
    assert names({"layer": {"w": w}}) == (["layer.w"], None)
    assert names({"a": [w, (w,)], 3: w}) == (["a.0", "a.1.0", "3"], None)
    assert names([w]) == (["0"], None)
    assert names({"state_dict": {"w": w}, "optimizer_states": [{"state": {0: {"m": w}}, "param_groups": []}]})[0] == [
        "w"
    ]


def test_an_optimizer_alone(tmp_path):
    value = {"state": {0: {"exp_avg": tensor()}}, "param_groups": [{"lr": 0.1}]}
    weights = whole(read(archive(tmp_path / "a.pt", value)))
    assert list(weights.optimizer) == ["state.0.exp_avg"]
    assert not weights


def test_plain_values_are_kept_within_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "MOST_KEPT", 30)
    value = {"w": tensor(), "text": "x" * 10_000, "list": list(range(2000)), "more": {"a": float("inf"), "b": 1 << 80}}
    value |= {"bytes": Call("_codecs.encode", "abc", "latin1"), "device": Call("torch.device", "cuda", 1)}
    value |= {"path": Call("pathlib.PosixPath", "a", "b"), **{f"k{n}": n for n in range(40)}}
    weights = whole(read(archive(tmp_path / "a.pt", value)))
    assert len(weights.metadata["text"]) == tree.MOST_LETTERS
    assert weights.metadata["list"] == "(2,000 values)"
    assert weights.metadata["k0"] == 0
    assert "k39" not in weights.metadata
    assert weights.metadata["pytorch"]["dropped"] == "22 further values that are no tensors"
    assert weights.metadata["more"] == {"a": "inf", "b": 1 << 80}
    assert weights.metadata["bytes"] == "(3 bytes)"
    assert weights.metadata["device"] == "cuda:1"
    assert weights.metadata["path"] == {"class": "pathlib.PosixPath", "arguments": ["a", "b"]}


def test_a_list_that_contains_itself(tmp_path):
    loop = [1]
    loop.append(loop)
    weights = whole(read(archive(tmp_path / "a.pt", {"w": tensor(), "loop": loop})))
    assert weights.metadata["loop"] == [1, "(contains itself)"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_in_a_pickle(tmp_path, protocol):
    arrays = {
        "a": np.arange(6, dtype="f4").reshape(2, 3),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(6, dtype=">i4"),
        "brain": np.arange(3).astype(ml_dtypes.bfloat16),
        "number": np.array(7),
        "empty": np.zeros((2, 0)),
    }
    more = {"best": np.float64(0.5), "steps": np.int64(3), "names": np.array(["x", "y"]), "any": np.array([{}], object)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(arrays | more, protocol))
    weights = whole(read(tmp_path / "a.pkl"))
    assert set(weights) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights[name].values(), array)
    assert weights.metadata["best"] == 0.5
    assert weights.metadata["steps"] == 3


def test_tensors_in_a_plain_pickle(tmp_path):
    old(tmp_path / "part", storage())
    content = (tmp_path / "part").read_bytes().decode("latin1")
    store = Call("torch.storage._load_from_bytes", Call("_codecs.encode", content, "latin1"))
    (tmp_path / "a.pkl").write_bytes(pickled({"w": tensor(store=store)}))
    assert whole(read(tmp_path / "a.pkl"))["w"].values().tolist() == [[0, 1, 2], [3, 4, 5]]


BAD_TENSORS = {
    "offset": (tensor(offset=1), "would end at byte 28 of its storage '0', which says it has 24 bytes and has 24"),
    "steps": (tensor(strides=(4, 1)), "would end at byte 28"),
    "backwards": (tensor(strides=(3, -1), offset=5), r"has the steps \[3, -1\]"),
    "negative": (tensor(offset=-1), "would begin at value -1"),
    "length": (tensor((2, -3)), r"has the shape \[2, -3\]"),
    "overflow": (tensor((1 << 40, 1 << 40), (0, 0)), "more values than can be addressed"),
    "repeats": (tensor((1 << 40,), (0,)), "made to look larger"),
    "unequal": (tensor((2, 3), (1,)), "2 lengths and 1 steps"),
    "axes": (tensor((1,) * 65, (1,) * 65), "65 lengths"),
    "float": (tensor((2.0, 3)), "has the shape"),
    "bool": (tensor((True, 3)), "has the shape"),
    "no storage": (tensor(store=3), "lacks its storage"),
    "larger": (tensor(store=storage(count=7)), "says it has 28 bytes and has 24"),
    "missing": (tensor(store=storage("9")), "storage '9'.* missing"),
    "elsewhere": (tensor(store=storage("../../x")), "missing"),
    "kind": (tensor(store=storage(kind="torch.nn.Module")), "asks for 'torch.nn.Module'"),
    "no type": (tensor(store=storage(kind="torch.float32")), "type 'torch.float32', which is none"),
    "count": (tensor(store=storage(count=-1)), "no key or size"),
    "outside": (tensor(store=Outside(("module", 1))), "refers to what is no storage"),
    "four bits": (tensor(store=storage(kind="torch.QUInt4x2Storage")), r"dtype torch\.quint4x2, which is not read"),
    "conjugated": (tensor(more=(False, {}, {"conj": True})), "resolve_conj"),
    "nested": (Call("torch._utils._rebuild_nested_tensor", 1), "a nested tensor"),
    "quantizer": (tensor(function="_rebuild_qtensor", more=((Named("torch.per_tensor_affine"), 1),)), "quantized by"),
    "scale": (
        tensor(function="_rebuild_qtensor", more=((Named("torch.per_tensor_affine"), 1 << 2000, 0),)),
        "quantized by",
    ),
    "axis": (
        tensor(function="_rebuild_qtensor", more=((Named("torch.per_channel_affine"), tensor(), tensor(), 5),)),
        "quantized by",
    ),
    "name": ({"x" * 2000: tensor()}, "more than 1,000 letters"),
}


@pytest.mark.parametrize("what", BAD_TENSORS)
def test_bad_tensors(tmp_path, what):
    value, words = BAD_TENSORS[what]
    with pytest.raises(ModelFileError, match=words) as raised:
        read(archive(tmp_path / "a.pt", {"w": value}))
    assert "\n" not in str(raised.value)


def deep(depth):
    value = tensor()
    for _ in range(depth):
        value = [value]
    return value


def laughing(rounds):
    value = [tensor()]
    for _ in range(rounds):
        value = [value, value]
    return value


def test_bombs(tmp_path, monkeypatch):
    with pytest.raises(ModelFileError, match="nested more than 100 deep"):
        read(archive(tmp_path / "a.pt", deep(150)))
    monkeypatch.setattr(machine, "FREE_STEPS", 10_000)
    with pytest.raises(ModelFileError, match=r"of more than 10,\d\d\d values"):
        read(archive(tmp_path / "a.pt", laughing(60)))


def test_two_of_a_name(tmp_path):
    with pytest.raises(ModelFileError, match=r"two tensors are called 'a\.b'"):
        read(archive(tmp_path / "a.pt", {"a.b": tensor(), "a": {"b": tensor()}}))
    with pytest.raises(ModelFileError, match="two tensors are called '1'"):
        read(archive(tmp_path / "a.pt", {"1": tensor(), 1: tensor()}))


def test_archives_that_are_none(tmp_path):
    def refused(words, *arguments, **more):
        with pytest.raises(ModelFileError, match=words):
            read(archive(tmp_path / "a.pt", *arguments, **more))

    refused("found 2 pickles", {}, more=[("b/data.pkl", b"")])
    refused("expected 'little' or 'big'", {"w": tensor()}, byteorder="middle")
    refused("transposed or sliced, and lies in a compressed", {"w": tensor((3, 2), (1, 3))}, compressed=True)
    refused("holds no tensor, but an empty dictionary", {})
    refused("holds no tensor, but a dictionary with the keys", {"a": 1})
    refused("cut short", b"")
    nameless = zipfile.ZipInfo("x")
    nameless.filename = "\0x"
    refused("damaged", {"w": tensor()}, more=[(nameless, b"")])
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as file:
        file.writestr("a/data/0", b"")
    with pytest.raises(ModelFileError, match=r"with one data\.pkl, found no data\.pkl, but a/data/0"):
        read(tmp_path / "b.pt")


def test_old_layouts_that_are_none(tmp_path):
    def refused(words, value, *arguments, **more):
        with pytest.raises(ModelFileError, match=words):
            read(old(tmp_path / "a.pt", value, *arguments, **more))

    content = np.arange(6, dtype="f4").tobytes()
    refused("expected version 1001", {"w": tensor()}, version=7)
    refused("holds no tensor, but a plain value", {"w": tensor()}, magic=7)
    refused("no tensor uses, or one twice", {"w": tensor()}, keys=["0", "0"])
    refused("no tensor uses", {"w": tensor()}, keys=["1"])
    refused("missing", {"w": tensor()}, {})
    refused("6 values; 7 are there", {"w": tensor()}, {"0": (7, content)})
    refused("would lie at bytes", {"w": tensor()}, {"0": (6, content[:-1])})
    refused("described in two ways", {"w": tensor(), "v": tensor(store=storage(count=5))})
    refused("has no place", {"w": tensor(store=Outside((*storage(), ("v", -1, 4))))})
    refused("would end at", {"w": tensor((2,), (1,), 0, Outside((*storage(), ("v", 5, 2))))})


def test_the_oldest_layout(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"sys_info".ljust(257, b"\0") + b"ustar\x0000" + bytes(248))
    with pytest.raises(ModelFileError, match=r"a tar archive.*before 2017.*torch\.save"):
        read(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "head", [b"", b"\x80", b"\x80\x01", b"PK\x03\x04", b"PK\x03\x04" + bytes(26) + b"a.npy", b"GGUF"]
)
def test_files_of_other_kinds(head):
    assert not looks_like_pytorch(head)


REAL = sorted(FILES.glob("*.pt"))


@settings(max_examples=300)
@given(st.data())
def test_bytes_changed(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(REAL)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("changed") / "a.pt"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content)
    try:
        weights = open_pytorch(path, map_file(path))
        for each in [*weights.values(), *weights.optimizer.values()]:
            each.source.flat(0, min(each.count, 1000))
    except ModelFileError as error:
        refusal = str(error)
    else:
        refusal = ""
    assert "\n" not in refusal


def test_an_exported_program():
    weights = whole(read(FILES / "exported.pt2"))
    np.testing.assert_array_equal(weights["first.weight"].values(), np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(weights["tied"].values(), np.arange(6).reshape(2, 3))
    assert weights["norm.running_var"].values().tolist() == [1, 1]
    assert weights["norm.num_batches_tracked"].dtype == "int64"
    assert weights["lifted_tensor_0"].values().tolist() == [10, 20]
    assert weights.metadata["pytorch"]["layout"] == "exported program"


def program(tmp_path, *, config=None, name="weight_0", values=b"\0\0\x80?" * 6, **more):
    meta = {"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 3}], "strides": [{"as_int": 3}, {"as_int": 1}]}
    meta |= {"storage_offset": {"as_int": 0}, **more}
    about = {"w": {"path_name": "weight_0", "use_pickle": False, "tensor_meta": meta}}
    with zipfile.ZipFile(tmp_path / "a.pt2", "w") as file:
        file.writestr(f"a/data/weights/{name}", values)
        text = json.dumps({"config": about}) if config is None else config
        file.writestr("a/data/weights/model_weights_config.json", text)
    return tmp_path / "a.pt2"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"config": "{"}, "cannot be read as JSON"),
        ({"config": "[]"}, "does not say which tensors there are"),
        ({"config": '{"config": {"w": 3}}'}, "'w' lacks its place, dtype or shape"),
        ({"dtype": 9}, "'w' is not stored as plain values"),
        ({"dtype": [7]}, "'w' is not stored as plain values"),
        ({"name": "weight_1"}, "the values of tensor 'w' are missing"),
        ({"sizes": [{"as_expr": "s0"}]}, "'w' has no fixed shape"),
        ({"sizes": None}, "'w' has no fixed shape"),
        ({"sizes": [{"as_int": 3}, {"as_int": 3}]}, "'w' would end at byte 36 of its storage"),
        ({"values": b"1234"}, "'w' would end at byte 24 of its storage"),
        ({"sizes": [{"as_int": -1}, {"as_int": 3}]}, "expected whole numbers from 0 up"),
        ({"storage_offset": {"as_int": -1}}, "'w' would begin at value -1"),
        ({"strides": [{"as_int": 1}]}, "'w' has the steps"),
    ],
)
def test_exported_programs_that_cannot_be(tmp_path, more, words):
    assert read(program(tmp_path))["w"].values().tolist() == [[1, 1, 1], [1, 1, 1]]
    with pytest.raises(ModelFileError, match=words):
        read(program(tmp_path, **more))


def test_programs_that_older_versions_export(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt2", "w") as file:
        file.writestr("version", "7.2")
        file.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(ModelFileError, match=r"is a program that an older PyTorch exported, which is not read\. Save"):
        read(tmp_path / "a.pt2")


def test_weights_that_bitsandbytes_packs(tmp_path):
    names = ["a.weight", "a.weight.absmax", "a.weight.quant_map", "a.weight.quant_state.bitsandbytes__nf4"]
    weights = whole(read(archive(tmp_path / "a.pt", {name: tensor() for name in names})))
    assert list(weights) == names
    assert weights.metadata["pytorch"]["four_bits"] == (
        "1 weight in bytes of two values each, as bitsandbytes packs them, such as 'a'; they are not decoded."
    )
