import json
import struct
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights.gguf import facts, reader
from pondera.weights.gguf.reader import BLOCKS, PLAIN, looks_like_gguf, open_gguf
from pondera.weights.mapped import map_file
from pondera.weights.quantized.encodings import ENCODINGS
from pondera.weights.tensor import DTYPES

FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def fact(kind, value):
    """A value's bytes; an array is (type of its items, items)."""
    if kind == 8:
        return text(value)
    if kind == 9:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(fact(inner, item) for item in items)
    return struct.pack(FORMATS[kind], value)


def info(name, dims, kind, offset):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def write(facts=(), infos=(), values=b"", version=3, alignment=32, counts=None):
    """A file: facts (key, type, value), infos (name, lengths with the fastest first, type, offset), and the values."""
    tensors, keys = counts or (len(infos), len(facts))
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, keys)
    head += b"".join(text(key) + struct.pack("<I", kind) + fact(kind, value) for key, kind, value in facts)
    head += b"".join(info(*each) for each in infos)
    return head + bytes(-len(head) % alignment) + values


def opened(content, folder=None):
    if folder is None:
        return open_gguf(Path("a.gguf"), memoryview(content))
    path = folder / "a.gguf"
    path.write_bytes(content)
    return open_gguf(path, map_file(path))


def stored_in_blocks(name, blocks, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (blocks, ENCODINGS[name].size), dtype=np.uint8)


def test_recognized():
    assert looks_like_gguf(write()[:4096])
    assert not looks_like_gguf(b"GGU")
    assert not looks_like_gguf(b"ggml")


@pytest.mark.parametrize("version", [2, 3])
def test_one_of_each(tmp_path, version):
    infos, parts, expected = [], [], {}
    at = 0
    for kind, dtype in PLAIN.items():
        array = np.arange(-3, 3).reshape(2, 3).astype(DTYPES[dtype])
        infos.append((dtype, (3, 2), kind, at))
        parts.append(array.tobytes() + bytes(-array.nbytes % 32))
        expected[dtype] = array
        at += len(parts[-1])
    for kind, name in BLOCKS.items():
        values = ENCODINGS[name].values
        raw = stored_in_blocks(name, 6)
        infos.append((f"blk.{name}", (2 * values, 3), kind, at))
        parts.append(raw.tobytes() + bytes(-raw.nbytes % 32))
        expected[f"blk.{name}"] = ENCODINGS[name].decode(raw).reshape(3, 2 * values)
        at += len(parts[-1])
    weights = opened(write([], infos, b"".join(parts), version), tmp_path)
    assert list(weights) == list(expected)
    assert weights.format == "GGUF"
    assert weights.files == (tmp_path / "a.gguf",)
    for name, array in expected.items():
        tensor = weights[name]
        assert tensor.dtype == name.removeprefix("blk.")
        assert tensor.shape == array.shape
        np.testing.assert_array_equal(tensor.values(), array)
        np.testing.assert_array_equal(tensor[1], array[1])
    assert weights["blk.Q8_0"].nbytes == 6 * 34


def test_plain_values_are_views(tmp_path):
    content = write([], [("a", (4,), 0, 0)], np.arange(4, dtype="<f4").tobytes())
    values = opened(content, tmp_path)["a"].values()
    assert not values.flags.owndata
    assert not values.flags.writeable


def test_a_number_and_an_empty_tensor():
    infos = [("one", (), 0, 0), ("none", (0, 3), 0, 0), ("no blocks", (0,), 8, 32)]
    weights = opened(write([], infos, struct.pack("<f", 2.5) + bytes(28)))
    assert weights["one"].values().tolist() == 2.5
    assert weights["none"].values().shape == (3, 0)
    assert weights["no blocks"].values().shape == (0,)


def test_nothing():
    assert len(opened(write())) == 0


def test_facts():
    facts = [
        ("u8", 0, 255),
        ("i8", 1, -128),
        ("u16", 2, 65535),
        ("i16", 3, -32768),
        ("u32", 4, 2**32 - 1),
        ("i32", 5, -(2**31)),
        ("f32", 6, 0.5),
        ("bool", 7, True),
        ("text", 8, "größer"),
        ("broken", 8, b"a\xffb"),
        ("u64", 10, 2**64 - 1),
        ("i64", 11, -(2**63)),
        ("f64", 12, 0.1),
        ("inf", 6, float("inf")),
        ("nan", 12, float("nan")),
        ("list", 9, (5, [1, 2, 3])),
        ("empty", 9, (8, [])),
        ("nested", 9, (9, [(8, ["a"]), (0, [1, 2])])),
        ("vocabulary", 9, (8, [f"t{i}" for i in range(1000)])),
        ("scores", 9, (6, [float(i) for i in range(65)])),
        ("lists", 9, (9, [(8, ["x", "y"])] * 65)),
        ("last", 7, False),
    ]
    found = opened(write(facts)).metadata
    assert list(found) == [key for key, *_ in facts]
    assert found["broken"] == "a\ufffdb"
    assert (found["inf"], found["nan"]) == ("inf", "nan")
    assert found["list"] == [1, 2, 3]
    assert found["empty"] == []
    assert found["nested"] == [["a"], [1, 2]]
    assert found["vocabulary"] == {"type": "text", "length": 1000, "first": [f"t{i}" for i in range(8)]}
    assert found["scores"] == {"type": "float32", "length": 65, "first": [float(i) for i in range(8)]}
    assert found["lists"] == {"type": "array", "length": 65, "first": [["x", "y"]] * 8}
    for key, kind, value in facts:
        if kind not in (9,) and key not in ("inf", "nan", "broken"):
            assert found[key] == value
    json.dumps(found, allow_nan=False)


def test_alignment():
    values = np.arange(4, dtype="<f4").tobytes()
    infos = [("a", (2,), 0, 0), ("b", (2,), 0, 8)]
    weights = opened(write([("general.alignment", 4, 8)], infos, values, alignment=8))
    assert weights["b"].values().tolist() == [2, 3]


A = ("a", (2,), 0, 0)
EIGHT = bytes(8)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"GGUF", "ends within its list of facts and tensors, at byte 4"),
        (write()[:-9], "ends within its list"),
        (write(version=1), "found version 1, which was in use for some weeks of 2023. Convert"),
        (write(version=4), "found version 4. The file is damaged or newer"),
        (write(version=0), "found version 0."),
        (write(version=3 << 24), "found one in big-endian order. Convert it"),
        (write(counts=(500_001, 0)), "holds 500,001 tensors; expected at most 500,000"),
        (write(counts=(0, 100_001)), "holds 100,001 facts; expected at most 100,000"),
        (write(counts=(1, 0)), "ends within its list"),
        (write([("a", 4, 1), ("a", 4, 1)]), "holds the fact 'a' twice"),
        (write([(b"\xff", 4, 1)]), "expected the name of a fact in UTF-8"),
        (write(infos=[(b"\xff", (2,), 0, 0)], values=EIGHT), "expected the name of a tensor in UTF-8"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<I", 13), "'a' is of the type 13; expected"),
        (write([("a", 9, (9, [(9, [(9, [(9, [(9, [])])])])]))]), "arrays nested over 4 deep"),
        (write([("a", 9, (9, [(9, [(9, [(9, [(9, [])])])])] * 99))]), "arrays nested over 4 deep"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 12, 2**61),
            "ends within its list",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 8, 2**24 - 1), "ends within"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**64 - 1), "ends within its list"),
        (write([("general.alignment", 4, 0)]), "has the alignment 0; expected a power of two"),
        (write([("general.alignment", 4, 24)]), "has the alignment 24; expected a power of two"),
        (write([("general.alignment", 8, "32")]), "has the alignment '32'; expected a power of two"),
        (write(infos=[A, A], values=EIGHT), "two tensors are called 'a'"),
        (write(infos=[("a", (2,), 0, 4)], values=EIGHT), "begins at byte 4 of the values; expected a multiple of 32"),
        (write(infos=[A], values=bytes(7)), "would lie at bytes"),
        (write(infos=[("a", (2,), 0, 2**63)], values=EIGHT), "would lie at bytes"),
        (write(infos=[("a", (2**40, 2**40), 0, 0)], values=EIGHT), "more values than can be addressed"),
        (write(infos=[("a", (2**64 - 1,), 0, 0)], values=EIGHT), "expected whole numbers"),
        (write(infos=[("a", (1,) * 65, 0, 0)], values=EIGHT), "has 65 axes; expected at most 64"),
        (
            write(infos=[("a", (33,), 8, 0)], values=bytes(99)),
            "rows of 33 values; expected a multiple of 32, the values",
        ),
        (write(infos=[("a", (), 8, 0)], values=bytes(99)), "rows of 1 values; expected a multiple of 32"),
        (write(infos=[("a", (32,), 9, 0)], values=bytes(99)), "has the type Q8_1, which is for use while computing"),
        (write(infos=[("a", (32,), 31, 0)], values=bytes(99)), "has the type Q4_0_4_4, which ggml no longer has"),
        (write(infos=[("a", (32,), 99, 0)], values=bytes(99)), "has the type number 99, which is not known"),
        (write(infos=[("a", (9,), 0, 0), ("b", (1,), 0, 32)], values=bytes(99)), "tensors 'a' and 'b' overlap"),
    ],
)
def test_what_is_refused(content, words):
    with pytest.raises(ModelFileError) as error:
        opened(content)
    assert words in str(error.value)
    assert str(error.value).startswith("a.gguf: ")
    assert "\n" not in str(error.value)


def test_too_much_to_keep(monkeypatch):
    monkeypatch.setattr(facts, "MOST_KEPT", 10_000)
    opened(write([("a", 8, "x" * 9_000)]))
    for many in [
        [("a", 8, "x" * 11_000)],
        [("x" * 5_000, 8, "x" * 5_000)],
        [(f"{i}", 9, (6, [0.0] * 64)) for i in range(9)],
    ]:
        with pytest.raises(ModelFileError, match="names and facts of more than 10,000 bytes"):
            opened(write(many))


def test_too_many_texts_to_pass(monkeypatch):
    monkeypatch.setattr(facts, "MOST_ITEMS", 1000)
    opened(write([("a", 9, (8, [""] * 1000))]))
    for value in [(8, [""] * 1001), (9, [(8, [""] * 10)] * 100), (9, [(0, [])] * 1001)]:
        with pytest.raises(ModelFileError, match="arrays of more than 1,000 texts"):
            opened(write([("a", 9, value)]))


def test_gaps_between_tensors_are_allowed():
    weights = opened(write(infos=[("b", (1,), 0, 64), ("a", (1,), 0, 0)], values=bytes(64) + struct.pack("<f", 3)))
    assert [tensor.values().tolist() for tensor in weights.values()] == [[3], [0]]


def small_file():
    q8 = np.float16(0.5).tobytes() + bytes(range(32))
    values = np.arange(8, dtype="<f4").tobytes() + np.ones(16, ml_dtypes.bfloat16).tobytes() + q8 + bytes(30)
    return write(
        [("general.architecture", 8, "llama"), ("n", 4, 7), ("tokens", 9, (8, ["a", "bc"] * 40)), ("s", 9, (6, [1.0]))],
        [("a", (4, 2), 0, 0), ("b", (16,), 30, 32), ("c.weight", (32, 1), 8, 64)],
        values,
    )


def read_all(content):
    try:
        weights = opened(content)
    except ModelFileError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    json.dumps(dict(weights.metadata), allow_nan=False)
    for tensor in weights.values():
        assert tensor.values().shape == tensor.shape


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(small_file()) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes(changes):
    content = bytearray(small_file())
    for at, value in changes:
        content[at] = value
    read_all(bytes(content))


@given(st.integers(0, len(small_file()) - 1))
def test_cut_short(length):
    with pytest.raises(ModelFileError):
        opened(small_file()[:length] if length < len(small_file()) - 30 else small_file()[:-31])


@given(st.binary(max_size=300))
def test_any_bytes(content):
    read_all(b"GGUF" + content)
    read_all(b"GGUF\x03\x00\x00\x00" + content)


def test_opening_imports_no_compiler(tmp_path):
    (tmp_path / "a.gguf").write_bytes(small_file())
    code = (
        "import sys; from pathlib import Path\n"
        "from pondera.weights.gguf.reader import open_gguf; from pondera.weights.mapped import map_file\n"
        "path = Path(sys.argv[1]); weights = open_gguf(path, map_file(path)); weights['a'].values()\n"
        "assert not {'numba', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.gguf"], check=True)


def test_types_are_listed_once():
    assert not set(PLAIN) & set(BLOCKS)
    assert not (set(PLAIN) | set(BLOCKS)) & set(reader.GONE)
    assert set(BLOCKS.values()) == set(ENCODINGS)
