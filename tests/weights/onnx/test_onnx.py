import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights.mapped import map_file
from pondera.weights.onnx import reader
from pondera.weights.onnx.reader import looks_like_onnx, open_onnx
from pondera.weights.onnx.tensors import KINDS, NARROW
from pondera.weights.tensor import DTYPES

# The writer below has the numbers of onnx.proto a second time, written down from its description.


def encoded(number):
    number %= 1 << 64
    parts = []
    while number > 127:
        parts.append(number % 128 + 128)
        number //= 128
    return bytes([*parts, number])


def put(number, value):
    """Return one field: a number as a varint, a float as four bytes, anything else as a length and its bytes."""
    if isinstance(value, int):
        return encoded(number << 3) + encoded(value)
    if isinstance(value, float):
        return encoded(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else bytes(value)
    return encoded(number << 3 | 2) + encoded(len(content)) + content


def tensor(name, kind, dims, *values):
    return b"".join([*(put(1, dim) for dim in dims), put(2, kind), put(8, name), *values])


def floats(name, array):
    array = np.asarray(array, "<f4")
    return tensor(name, 1, array.shape, put(9, array.tobytes()))


def external(name, dims, **place):
    entries = [put(13, put(1, key) + put(2, value)) for key, value in place.items()]
    return tensor(name, 1, dims, *entries, put(14, 1))


def node(kind, inputs, outputs, *attributes, name="", domain=""):
    return b"".join(
        [
            *(put(1, each) for each in inputs),
            *(put(2, each) for each in outputs),
            put(3, name) if name else b"",
            put(4, kind),
            *(put(5, each) for each in attributes),
            put(7, domain) if domain else b"",
        ]
    )


def attribute(name, number, value):
    return put(1, name) + put(number, value)


def graph(*nodes, initializers=(), more=b""):
    return b"".join([*(put(1, each) for each in nodes), put(2, "g"), *(put(5, each) for each in initializers), more])


def model(content, *more):
    return b"".join([put(1, 8), put(2, "writer"), put(3, "1.0"), put(7, content), put(8, put(2, 17)), *more])


def read(folder, content, name="a.onnx"):
    path = folder / name
    path.write_bytes(content)
    view = map_file(path)
    assert looks_like_onnx(bytes(view[:4096]))
    return open_onnx(path, view)


def of(content):
    return open_onnx(Path("a.onnx"), memoryview(content))


def sample(dtype, count):
    """Return values of a dtype as they should come out, and the pattern of bits of each as a whole number."""
    random = np.random.default_rng(count)
    if dtype in NARROW:
        bits = NARROW[dtype][0]
        codes = random.integers(0, 1 << bits, count).tolist()
        if dtype.startswith("float"):
            values = np.array(codes, np.uint8).view(getattr(ml_dtypes, dtype)).astype(np.float32)
        elif dtype.startswith("u"):
            values = np.array(codes, np.uint8)
        else:
            values = np.array([code - (1 << bits) if code >> (bits - 1) else code for code in codes], np.int8)
        return values, codes, bits
    kind = DTYPES[dtype]
    if kind == np.bool_:
        values = random.integers(0, 2, count).astype(bool)
    else:
        values = np.frombuffer(random.bytes(count * kind.itemsize), kind)
    if kind.itemsize == 16:
        return values, None, 128
    return values, values.view(f"u{kind.itemsize}").tolist(), 8 * kind.itemsize


def bits_of(codes, bits):
    return sum(code << (bits * place) for place, code in enumerate(codes)).to_bytes(
        -(-len(codes) * bits // 8), "little"
    )


def lists(dtype, values, codes, bits):
    """Return a tensor's field of numbers, packed and unpacked."""
    place = {"float_data": 4, "int32_data": 5, "int64_data": 7, "double_data": 10, "uint64_data": 11}[
        dict(KINDS.values())[dtype]
    ]
    if place in (4, 10):
        raw, width = values.tobytes(), 4 if place == 4 else 8
        single = b"".join(
            encoded(place << 3 | (5 if place == 4 else 1)) + raw[at : at + width] for at in range(0, len(raw), width)
        )
        return put(place, raw), single
    if bits in (2, 4):
        codes = list(bits_of(codes, bits))
    elif dtype.startswith("int"):
        codes = values.tolist()  # negative numbers take ten bytes
    return put(place, b"".join(encoded(code) for code in codes)), b"".join(put(place, code) for code in codes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (0, 3), (3, 7), (2, 3, 4)])
def test_every_dtype_in_every_way(tmp_path, kind, shape):
    dtype = KINDS[kind][0]
    count = int(np.prod(shape))
    values, codes, bits = sample(dtype, count)
    raw = bits_of(codes, bits) if bits < 8 else values.tobytes()
    packed, single = lists(dtype, values, codes, bits)
    half = len(raw) // 2 if bits >= 8 and KINDS[kind][1] in ("float_data", "double_data") else None
    ways = {
        "raw": put(9, raw),
        "packed": packed,
        "single": single,
        "pieces": packed
        if half is None
        else put(4 if KINDS[kind][1] == "float_data" else 10, raw[:half])
        + put(4 if KINDS[kind][1] == "float_data" else 10, raw[half:]),
    }
    weights = read(tmp_path, model(graph(initializers=[tensor(way, kind, shape, ways[way]) for way in ways])))
    assert list(weights) == list(ways)
    for found in weights.values():
        assert (found.dtype, found.shape) == (dtype, shape)
        assert found.values().shape == shape
        assert found.values().dtype == values.dtype
        assert found.values().tobytes() == values.tobytes()
        for size in (1, 3, 5):
            assert b"".join(part.tobytes() for part in found.chunks(size)) == values.tobytes()
        assert found.nbytes >= 0
    assert weights["raw"].nbytes == len(raw)


def test_raw_values_are_not_copied(tmp_path):
    weights = read(tmp_path, model(graph(initializers=[floats("w", np.ones((4, 4))), floats("odd", [1, 2])])))
    assert not weights["w"].values().flags.owndata
    assert not weights["w"].values().flags.writeable
    assert weights["odd"][1] == 2


def test_the_shape_may_be_packed(tmp_path):
    content = put(1, b"\x02\x03") + put(2, 1) + put(8, "w") + put(9, bytes(24))
    assert read(tmp_path, model(graph(initializers=[content])))["w"].shape == (2, 3)


def body(name):
    return graph(
        node("Constant", [], ["c"], attribute("value", 5, floats("", [1]))), initializers=[floats(name, [2, 3])]
    )


def test_constants_and_bodies_say_where_they_are(tmp_path):
    both = [attribute("then_branch", 6, body("w")), attribute("else_branch", 6, body("w"))]
    deep = graph(node("If", ["x"], ["y"], *both, name="inner"))
    content = graph(
        node("Constant", [], ["k"], attribute("value", 5, floats("ignored", [[5]]))),
        node("If", ["x"], ["y"], *both),
        node("If", ["x"], [], *both),
        node("Loop", ["x"], ["z"], attribute("body", 6, deep), name="loop"),
        node("If", ["x"], ["u"], *both, name="twice"),
        node("If", ["x"], ["v"], *both, name="twice"),
        node("Own", ["x"], ["t"], put(1, "bodies") + put(11, body("w")) + put(11, body("w"))),
        initializers=[floats("w", [1, 2, 3])],
    )
    function = (
        put(1, "gelu") + put(10, "my") + put(7, node("Constant", [], ["c"], attribute("value", 5, floats("", 3))))
    )
    weights = read(tmp_path, model(content, put(25, function)))
    expected = ["w", "k"]
    for place in ("y", "If_2", "loop.body.inner", "twice", "twice#5"):
        expected += [f"{place}.{branch}_branch.{name}" for branch in ("then", "else") for name in ("w", "c")]
    expected += [f"t.bodies_{index}.{name}" for index in (0, 1) for name in ("w", "c")]
    assert list(weights) == [*expected, "my.gelu.c"]
    assert weights["my.gelu.c"].values() == 3
    assert weights["k"].values().tolist() == [[5]]
    assert weights.metadata["nodes"] == {"Constant": 14, "If": 5, "Loop": 1, "Own": 1}
    assert weights.metadata["functions"] == ["my.gelu"]


def test_what_takes_each_tensor(tmp_path):
    inner = graph(node("Add", ["b", "own"], ["r"]), initializers=[floats("own", [1])])
    content = graph(
        node("Gemm", ["x", "w", "b"], ["h"], attribute("transB", 3, 1), attribute("alpha", 2, 1.0)),
        node("Conv", ["h", "w"], ["y"], attribute("group", 3, 4), domain="ai.onnx"),
        node("Fused", ["", "w"], ["z"], attribute("axis", 3, -1), domain="com.microsoft"),
        node("If", ["y"], ["q"], attribute("then_branch", 6, inner)),
        initializers=[floats("w", [1]), floats("b", [1]), floats("unused", [1])],
    )
    uses = read(tmp_path, model(content)).metadata["uses"]
    assert uses == {
        "w": [["Gemm", 1, {"transB": 1}], ["Conv", 1, {"group": 4}], ["com.microsoft.Fused", 1, {"axis": -1}]],
        "b": [["Gemm", 2, {"transB": 1}], ["Add", 0, {}]],
        "q.then_branch.own": [["Add", 1, {}]],
    }
    many = graph(*[node("Add", ["w", "w"], ["y"])] * 20, initializers=[floats("w", [1])])
    assert len(read(tmp_path, model(many)).metadata["uses"]["w"]) == reader.MOST_USES


def test_what_the_file_says_of_itself(tmp_path):
    shape = put(1, put(2, "batch")) + put(1, put(1, 3)) + put(1, b"")
    taken = put(1, "x") + put(2, put(1, put(1, 1) + put(2, shape)))
    given = put(1, "y") + put(2, put(4, put(1, b"")))
    more = put(11, taken) + put(11, put(1, "w")) + put(12, given)
    words = tensor("words", 8, [2], put(6, "a"), put(6, "b"))
    content = model(
        graph(initializers=[floats("w", [1]), words], more=more),
        put(4, "org.example"),
        put(5, -1),
        put(6, "What it is for."),
        put(8, put(1, "com.microsoft") + put(2, 1)),
        put(14, put(1, "author") + put(2, "me")),
        put(20, b""),
        put(26, b""),
    )
    weights = read(tmp_path, content)
    assert list(weights) == ["w"]
    assert weights.format == "ONNX"
    assert weights.files == (tmp_path / "a.onnx",)
    assert json.loads(json.dumps(weights.metadata)) == {
        "ir_version": 8,
        "producer_name": "writer",
        "producer_version": "1.0",
        "domain": "org.example",
        "model_version": -1,
        "doc_string": "What it is for.",
        "graph": "g",
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 3, None]}],
        "outputs": [{"name": "y", "dtype": None, "shape": None}],
        "opset_imports": {"ai.onnx": 17, "com.microsoft": 1},
        "properties": {"author": "me"},
        "nodes": {},
        "uses": {},
        "texts": ["words"],
        "training_graphs": 1,
    }


def test_metadata_stay_small(tmp_path):
    nodes = [node(f"Kind{index}", [], [f"{index}"]) for index in range(1500)]
    inputs = b"".join(put(11, put(1, f"x{index}")) for index in range(1500))
    properties = [put(14, put(1, f"p{index}") + put(2, "v" * 70_000)) for index in range(3)]
    about = read(tmp_path, model(graph(*nodes, more=inputs), *properties)).metadata
    assert len(about["nodes"]) == len(about["inputs"]) == 1000
    assert {len(text) for text in about["properties"].values()} == {1 << 16}


def test_values_in_files_beside_it(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "all.bin").write_bytes(np.arange(10, dtype="f4").tobytes())
    (tmp_path / "empty.bin").write_bytes(b"")
    four = tensor("four", 22, [3], put(13, put(1, "location") + put(2, "w/all.bin")), put(14, 1))
    weights = read(
        tmp_path,
        model(
            graph(
                initializers=[
                    external("a", [2, 2], location="w/all.bin", offset="8", length="16"),
                    external("b", [10], location="w/all.bin", checksum="?"),
                    external("none", [0, 3], location="empty.bin"),
                    four,
                ]
            )
        ),
    )
    assert weights["a"].values().tolist() == [[2, 3], [4, 5]]
    assert not weights["a"].values().flags.owndata
    assert weights["a"].nbytes == 16
    assert [part.tolist() for part in weights["b"].chunks(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert weights["none"].values().shape == (0, 3)
    assert weights["four"].values().tolist() == [0, 0, 0]
    assert weights.files == (tmp_path / "a.onnx", tmp_path / "w" / "all.bin")
    (tmp_path / "w" / "all.bin").write_bytes(bytes(20))
    with pytest.raises(ModelFileError, match=r"all.bin: has become shorter since it was opened"):
        weights["a"].values()
    (tmp_path / "w" / "all.bin").unlink()
    with pytest.raises(ModelFileError, match="there is no such file"):
        weights["a"].values()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"location": "gone.bin"}, "tensor 'w' are in the file 'gone.bin' beside it, which is missing. Copy it there"),
        ({"location": "a" * 5000}, "which is missing"),
        ({"location": "../out.bin"}, "names the file '../out.bin', which is not in its folder"),
        ({"location": "/etc/passwd"}, "names the file '/etc/passwd', which is not in its folder"),
        ({"location": "link.bin"}, "names the file 'link.bin', which is not in its folder"),
        ({"location": "folder"}, "is a folder, not a file"),
        ({}, "expected the name of a file beside it, found None"),
        ({"location": "w.bin", "offset": "9"}, "tensor 'w' would lie at bytes 9 to 17 of 16"),
        ({"location": "w.bin", "offset": "-1"}, "lies at '-1' of another file"),
        ({"location": "w.bin", "offset": "1e3"}, "lies at '1e3' of another file"),
        ({"location": "w.bin", "offset": "9" * 5000}, "lies at '9999"),
        ({"location": "w.bin", "length": "9"}, "which take 8 bytes; it has 9"),
        ({f"key{index}": "x" for index in range(30)}, "says more about the place"),
    ],
)
def test_values_that_are_not_beside_it(tmp_path, place, words):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "folder").mkdir()
    (tmp_path / "in" / "w.bin").write_bytes(bytes(16))
    (tmp_path / "out.bin").write_bytes(bytes(16))
    (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "out.bin")
    with pytest.raises(ModelFileError, match=words):
        read(tmp_path / "in", model(graph(initializers=[external("w", [2], **place)])))


def nested(depth):
    content = graph()
    for _ in range(depth):
        content = graph(node("If", [], ["y"], attribute("then_branch", 6, content)))
    return content


SPARSE = put(1, floats("thin", [1.0])) + put(2, tensor("", 7, [1], put(7, b"\x00"))) + put(3, 5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (put(1, 8) + put(8, put(2, 17)), "holds 0 graphs"),
        (model(graph()) + put(7, graph()), "holds 2 graphs"),
        (put(1, 8) + put(7, graph()) + b"\x3a\xff\x01", "the model cannot be read: its field 7 would end 255 bytes"),
        (put(1, 8) + put(7, b"\x0a\x05abc"), "the graph cannot be read: its field 1 would end 2 bytes after it"),
        (model(graph(initializers=[b"\x0f"])), "the initializer cannot be read: its field 1 is written as type 7"),
        (model(graph(b"\x08\x01")), "the node cannot be read: its field 'input' is written as type 0"),
        (model(graph(node("\N{BULLET}", ["a"], []).replace(b"\xe2", b"\xff"))), "its field 'op_type' is no text"),
        (model(graph(more=put(15, SPARSE))), "the tensor 'thin' is sparse, which is not read. Write it"),
        (model(graph(more=put(15, b""))), "the sparse initializer cannot be read: it has no values"),
        (
            model(graph(node("Constant", [], ["c"], attribute("sparse_value", 22, SPARSE)))),
            "the tensor 'thin' is sparse",
        ),
        (model(graph(initializers=[floats("w", [1])] * 2)), "holds two tensors called 'w'"),
        (model(graph(initializers=[tensor("w", 0, [1])])), "tensor 'w' has values of the type 0, which is not read"),
        (model(graph(initializers=[tensor("w", 99, [1])])), "has values of the type 99"),
        (model(graph(initializers=[tensor("w", 1, [1], put(3, b""))])), "tensor 'w' is one of several segments"),
        (model(graph(initializers=[tensor("w", 1, [2], put(9, bytes(9)))])), "which take 8 bytes; it has 9"),
        (model(graph(initializers=[tensor("w", 1, [2])])), "which take 8 bytes; it has 0"),
        (model(graph(initializers=[tensor("w", 22, [3], put(9, b"\x00"))])), "which take 2 bytes; it has 1"),
        (model(graph(initializers=[tensor("w", 7, [3], put(7, b"\x01\x02"))])), "the 2 bytes of its int64_data cannot"),
        (model(graph(initializers=[tensor("w", 7, [1], put(7, b"\x80" * 11))])), "the 11 bytes of its int64_data"),
        (model(graph(initializers=[tensor("w", 7, [1], put(5, b"\x01"))])), "the 0 bytes of its int64_data cannot"),
        (model(graph(initializers=[tensor("w", 1, [-1])])), "has the shape [-1]; expected whole numbers"),
        (model(graph(initializers=[tensor("w", 1, [1 << 40] * 4)])), "more values than can be addressed"),
        (model(graph(initializers=[tensor("w", 1, [0, 1 << 63])])), "expected whole numbers"),
        (model(graph(initializers=[tensor("w", 1, [0, 1 << 61])])), "expected whole numbers from 0 up"),
        (model(graph(initializers=[tensor("w", 1, [0, 1 << 40, 1 << 40])])), "more values than can be addressed"),
        (model(graph(initializers=[tensor("w", 1, [1] * 65)])), "has 65 axes; expected at most 64"),
        (model(graph(initializers=[tensor("w", 1, [1] * 700)])), "its shape takes 700 bytes"),
        (model(graph(initializers=[put(1, b"\x80") + put(2, 1)])), "its shape ends in the middle of a number"),
        (model(nested(33)), "has bodies within bodies more than 32 deep"),
        (model(nested(2000)), "has bodies within bodies more than 32 deep"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be(content, words):
    with pytest.raises(ModelFileError) as error:
        of(content)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_absurd_numbers(monkeypatch):
    monkeypatch.setattr(reader, "MOST_ARGUMENTS", 5)
    with pytest.raises(ModelFileError, match="it has more than 5 inputs"):
        of(model(graph(node("Add", ["x"] * 6, ["y"]))))
    monkeypatch.setattr("pondera.weights.mapped.MOST_TENSORS", 5)
    with pytest.raises(ModelFileError, match="holds 7 tensors; expected at most 5"):
        of(model(graph(initializers=[floats(str(index), [1]) for index in range(7)])))


def test_numbers_that_are_too_many_show_when_they_are_read():
    damaged = of(model(graph(initializers=[tensor("w", 7, [2], put(7, b"\x01\x02\x03"))])))
    with pytest.raises(ModelFileError, match=r"tensor 'w' has 2 values; its numbers are 3\. The file is damaged"):
        damaged["w"].values()


def test_shapes_that_hold_nothing():
    found = of(model(graph(initializers=[tensor("w", 15, [0, 1 << 57])])))["w"]
    assert found.values().shape == (0, 1 << 57)
    assert found[0:5].shape == (0, 1 << 57)


def test_empty_models(tmp_path):
    assert len(read(tmp_path, put(1, 8) + put(7, b""))) == 0
    assert len(read(tmp_path, model(nested(31)))) == 0


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x08\x08",
        b"\x08\x08\x12\x02ok",  # neither a graph nor operations
        b"\x08\x00" + put(7, graph()),
        b"\x08\x88\x01" + put(7, graph()),
        put(1, 1) + put(2, put(1, "\n\x08")) + put(7, graph()),  # as SavedModel and Core ML files begin
        put(1, 4) + put(2, b"") + put(500, b""),  # Core ML
        put(1, 8) + put(2, "x" * 5000),
        put(1, 8) + put(3, "x") + put(9, "x") + put(7, graph()),
        put(1, 8) + put(7, b"\x00\x00"),
        put(1, 8) + put(7, b"\x08\x01"),
        put(1, 8) + put(8, b"\x7f\x01"),
        put(1, 8) + put(7, 5),
        put(7, graph()),
        b"\x08\x12\x00\x00\x00\x00\x00\x00{}",
        b"\x0a\x02\x08\x01",
        b"PK\x03\x04",
        b"\x08 some text",
    ],
)
def test_what_is_no_onnx(head):
    assert not looks_like_onnx(head[:4096])


def test_what_is_onnx_although_only_its_beginning_is_seen():
    assert looks_like_onnx(model(graph(initializers=[floats("w", np.zeros(5000))]))[:4096])
    assert looks_like_onnx((put(1, 8) + put(6, "A long text. " * 500) + put(7, graph()))[:4096])
    assert not looks_like_onnx((put(1, 8) + put(6, bytes(5000)))[:4096])
    assert looks_like_onnx(model(graph()) + put(14, b"\x00" * 5000)[:3000])


@given(st.binary(max_size=300))
def test_any_bytes(content):
    assert not looks_like_onnx(content)
    with pytest.raises(ModelFileError, match=r"\A[^\n]+\Z"):
        of(b"\x08\x08" + content)


WHOLE = model(
    graph(
        node("Constant", [], ["k"], attribute("value", 5, floats("", [5]))),
        node("If", ["x"], ["y"], attribute("then_branch", 6, body("w")), name="if"),
        node("Gemm", ["x", "w"], ["y"], attribute("transB", 3, 1)),
        initializers=[
            floats("w", [1, 2, 3]),
            tensor("i", 7, [2], put(7, b"\x96\x01\x02")),
            tensor("four", 22, [3], put(9, b"\x21\x03")),
            external("out", [2], location="w.bin", offset="0", length="8"),
        ],
        more=put(11, put(1, "x") + put(2, put(1, put(1, 1) + put(2, put(1, put(1, 3)))))) + put(15, b"")[:0],
    ),
    put(14, put(1, "author") + put(2, "me")),
)


@settings(max_examples=400)
@given(st.data())
def test_changed_bytes(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    (folder / "w.bin").write_bytes(bytes(8))
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "flip", "cut", "drop", "copy"]))
        if kind == "set":
            content[at] = data.draw(st.sampled_from([0, 1, 8, 127, 128, 255]))
        elif kind == "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "cut":
            del content[at + 1 :]
        elif kind == "drop":
            del content[at : at + 3]
            content += b"\x00" * (not content)
        else:
            content[at:at] = content[at : at + 40]
    try:
        weights = open_onnx(folder / "a.onnx", memoryview(bytes(content)))
        json.dumps(dict(weights.metadata))
        for each in weights.values():
            assert each.values().shape == each.shape
    except ModelFileError:
        pass
