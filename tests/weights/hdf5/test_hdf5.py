import struct
import zlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights.hdf5.reader import looks_like_hdf5, open_hdf5
from pondera.weights.mapped import map_file
from pondera.weights.tensor import Mapped

FILES = Path(__file__).parent / "files"  # written by make.py there, which needs h5py
EXPECTED = dict(np.load(FILES / "expected.npz"))
ALL = ["earliest", "v108", "latest"]
NOWHERE = (1 << 64) - 1


def opened(name):
    path = FILES / f"{name}.h5"
    return open_hdf5(path, map_file(path))


@pytest.mark.parametrize("name", [*ALL, "user_block", "paged", "deep"])
def test_h5py_values(name):
    weights = opened(name)
    assert len(weights) == {"user_block": 1, "paged": 1, "deep": 1}.get(name, len(EXPECTED) - 3)
    for path, tensor in weights.items():
        expected = EXPECTED["number" if path == "alias" else path]
        assert tensor.shape == expected.shape
        values = tensor.values()
        np.testing.assert_array_equal(values.astype(expected.dtype), expected)
        if path != "kinds/bfloat16":
            assert values.dtype == expected.dtype
        assert tensor.dtype == values.dtype.name
        flat = expected.reshape(-1)
        for start in range(0, len(flat), max(1, len(flat) // 4)):
            for stop in {start, start + 1, len(flat)}:
                part = tensor.source.flat(start, stop).astype(expected.dtype)
                np.testing.assert_array_equal(part, flat[start:stop])


@pytest.mark.parametrize("name", ALL)
def test_what_is_no_number_is_left_out_and_named(name):
    weights = opened(name)
    left_out = dict(weights.metadata["left_out"])
    assert {left_out.pop("alias", ""), left_out.pop("number", "")} & {"the same as 'alias'", "the same as 'number'"}
    assert left_out == {
        "texts": "texts",
        "soft": "a link to a path",
        "far": "a link to another file",
        "record": "records of several fields",
        "nothing": "nothing",
        "named": "no dataset",
    }
    assert weights.metadata["attributes"] == {
        "title": "größer",
        "names": ["one", "two"],
        "fixed": ["kernel", "bias"],
        "rate": 0.5,
        "sizes": [1, 2, 3],
        "none": [],
    }


def test_groups_with_many_names():
    left_out = opened("deep").metadata["left_out"]
    assert left_out == {f"name_{at:03}": "the same as 'first'" for at in range(200)}


def test_values_in_one_piece_are_not_copied():
    path = FILES / "earliest.h5"
    view = map_file(path)
    source = open_hdf5(path, view)["kinds/2_float32"].source
    assert isinstance(source, Mapped)
    assert source.buffer.obj is view.obj


def test_it_is_known_by_its_first_bytes():
    assert all(looks_like_hdf5(path.read_bytes()[:4096]) for path in FILES.glob("*.h5"))
    assert not looks_like_hdf5(b"\x89HDF\r\n\x1a")


# A writer of the newest form of the format, as little as is needed to lie with it. Object n lies at byte 48 + 2048 n.


def at(number):
    return 48 + 2048 * number


def message(kind, body, flags=0):
    return struct.pack("<BHB", kind, len(body), flags) + body


def link(name, address, kind=b""):
    return message(
        6, bytes([1, 8 if kind else 0]) + kind + bytes([len(name)]) + name.encode() + struct.pack("<Q", address)
    )


def group(*links):
    return message(2, bytes(2) + struct.pack("<QQ", NOWHERE, NOWHERE)) + b"".join(links)


def shape(*lengths):
    return message(1, struct.pack(f"<BBBB{len(lengths)}Q", 2, len(lengths), 0, 1, *lengths))


def real(size=4, fields=(0, 32, 23, 8, 0, 23, 127), sign=31, order=0):
    return message(3, struct.pack("<BBBBI", 0x11, 0x20 | order, sign, 0, size) + struct.pack("<HHBBBBI", *fields))


def piece(address, size):
    return message(8, struct.pack("<BBQQ", 4, 1, address, size))


def chunks(address, lengths, index=b"\x01", flags=0, extra=b""):
    head = struct.pack(f"<BBBBB{len(lengths)}Q", 4, 2, flags, len(lengths), 8, *lengths)
    return message(8, head + index + extra + struct.pack("<Q", address))


def filters(*kinds):
    return message(
        0xB,
        bytes([2, len(kinds)]) + b"".join(struct.pack("<HHH", *kind) if kind[0] < 256 else kind[1] for kind in kinds),
    )


def file(*objects, data=bytes(4096)):
    body = b""
    for found in objects:
        head = b"OHDR" + bytes([2, 2]) + struct.pack("<I", len(found)) + found
        body += head.ljust(2048, b"\x00")
    body += data
    start = struct.pack("<8sBBBBQQQQI", b"\x89HDF\r\n\x1a\n", 3, 8, 8, 0, 0, NOWHERE, 48 + len(body), 48, 0)
    return start + body


def read(content):
    weights = open_hdf5(Path("a.h5"), memoryview(content))
    return weights, {name: tensor.values() for name, tensor in weights.items()}


ONE = group(link("w", at(1)))


def test_the_writer_of_these_tests():
    content = file(ONE, shape(2, 3) + real() + piece(at(2), 24), data=np.arange(6, dtype="f4").tobytes())
    assert read(content)[1]["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_group_within_itself():
    weights, _ = read(file(group(link("a", at(0)), link("b", at(1))), group(link("c", at(0)))))
    assert weights.metadata["left_out"] == {"a": "the same as ''", "b/c": "the same as ''"}


@pytest.mark.parametrize(
    ("size", "fields", "sign", "dtype"),
    [
        (2, (0, 16, 7, 8, 0, 7, 127), 15, ml_dtypes.bfloat16),
        (1, (0, 8, 3, 4, 0, 3, 7), 7, ml_dtypes.float8_e4m3fn),
        (1, (0, 8, 2, 5, 0, 2, 15), 7, ml_dtypes.float8_e5m2),
    ],
)
def test_small_floats_are_told_by_their_bits(size, fields, sign, dtype):
    values = np.array([0.5, -2, 1], dtype)
    content = file(ONE, shape(3) + real(size, fields, sign) + piece(at(2), 3 * size), data=values.tobytes())
    found = read(content)[1]["w"]
    assert found.dtype == dtype
    assert found.tolist() == [0.5, -2, 1]


def test_floats_of_other_layouts_are_left_out():
    weights, _ = read(file(ONE, shape(3) + real(2, (0, 16, 9, 6, 0, 9, 31), 15) + piece(at(2), 6)))
    assert weights.metadata["left_out"] == {"w": "floats of 16 bits in a layout that is not IEEE's"}
    weights, _ = read(file(ONE, shape(3) + real(2, (0, 16, 7, 8, 0, 7, 127), 15, 1) + piece(at(2), 6)))
    assert weights.metadata["left_out"] == {"w": "bfloat16 with its high byte first"}


PACKED = zlib.compress(np.ones(8, "f4").tobytes())
BOMB = zlib.compress(bytes(1 << 24))
SINGLE = struct.pack("<QI", len(PACKED), 0)
DEFLATED = filters((1, 0, 0))
F4 = shape(8) + real()


def test_a_single_packed_chunk():
    content = file(ONE, F4 + DEFLATED + chunks(at(2), (8, 4), flags=2, extra=SINGLE), data=PACKED)
    assert read(content)[1]["w"].tolist() == [1] * 8


def tree(level, *children, kind=0):
    body = b"TREE" + struct.pack("<BBHQQ", kind, level, len(children), NOWHERE, NOWHERE)
    return body + b"".join(struct.pack("<QQ", 0, child) for child in children)


HEAP = b"HEAP" + bytes(4) + struct.pack("<QQQ", 16, NOWHERE, 48)
TABLES = message(0x11, struct.pack("<QQ", at(1), at(1) + 512))
TEXTS = (
    b"GCOL\x01\x00\x00\x00" + struct.pack("<QHHIQ", 16 + 16 + 4000, 1, 0, 0, 4000) + b"x" * 4000
)  # one text of 4,000 bytes
LIST = (
    bytes([3, 0]) + struct.pack("<HHHB", 2, 16, 12, 0) + b"n\x00"
    + bytes([0x19, 1, 0, 0]) + struct.pack("<I", 16) + bytes([0x13, 0, 0, 0, 1, 0, 0, 0])
    + struct.pack("<BBBBQ", 2, 1, 0, 1, 120) + struct.pack("<IQI", 4000, at(1), 1) * 120
)  # fmt: skip

GOES_ON = message(0x10, struct.pack("<QQ", at(1), 28))
NODES = tree(1, at(1) + 100, at(1) + 100).ljust(100, b"\x00") + tree(0).ljust(412, b"\x00")
SUMMED = chunks(at(2), (8, 4), flags=2, extra=struct.pack("<QI", 36, 0))
LONG_NAME = message(6, bytes([1, 1]) + b"\xd0\x07" + b"n" * 2000)
VIRTUAL = message(8, bytes([4, 3]) + bytes(20))
SHARED = message(3, bytes([3, 1]) + bytes(8), 2)
NAMED = message(3, bytes([2, 2]) + struct.pack("<Q", at(0)), 2)  # a group, which is no type
GROWS = chunks(at(2), (8, 4), b"\x04")
HUGE = chunks(at(2), (1 << 24, 4))

HOSTILE = {
    "no HDF5 file": (b"\x89HDF" * 30, "expected an HDF5 file, found something else"),
    "a cut": (file(ONE)[:-1], "it is cut short"),
    "a late version": (b"\x89HDF\r\n\x1a\n\x09" + bytes(90), "superblock of version 9, which is not read"),
    "short addresses": (b"\x89HDF\r\n\x1a\n\x03\x04\x04" + bytes(90), "addresses take 4 bytes and lengths 4"),
    "only a beginning": (b"\x89HDF\r\n\x1a\n\x03", "the superblock ends after 9 bytes"),
    "an object outside": (file(group(link("w", 1 << 40))), "an object's header would lie at byte 1,099,511,627,776"),
    "an object nowhere": (file(group(link("w", NOWHERE))), "an object's header would lie at byte 0"),
    "no object": (file(group(link("w", at(1)))), "does not begin as one does"),
    "values outside": (file(ONE, F4 + piece(1 << 30, 32)), "would lie at bytes 1,073,741,824 to 1,073,741,856 of"),
    "another size": (file(ONE, F4 + piece(at(2), 24)), "'w' takes 32 bytes; the file gives it 24"),
    "an endless shape": (file(ONE, shape(1 << 40, 1 << 40) + real() + piece(at(2), 32)), "more values than can be"),
    "one name twice": (file(group(link("w", at(1)), link("w", at(1)))), "a group holds one name twice"),
    "a name with a slash": (file(group(link("a/b", at(1)))), "the name 'a/b', which leads elsewhere"),
    "values twice": (
        file(group(link("v", at(1)), link("w", at(2))), F4 + piece(at(3), 32), F4 + piece(at(3) + 28, 32)),
        "'v' and 'w' lie in the same bytes",
    ),
    "a header that goes on in circles": (
        file(group() + GOES_ON, data=b"OCHK" + GOES_ON + bytes(9)),
        "the continuation of an object's header at byte 2,096 is pointed at twice",
    ),
    "never written": (
        file(ONE, shape(1 << 40) + real() + piece(NOWHERE, 0)),
        "would unpack to 4,398,046,511,104 bytes, more than such a file can hold",
    ),
    "an old layout": (file(ONE, F4 + message(8, bytes([2, 1]) + bytes(20))), "'w' has a layout of version 2"),
    "other datasets": (file(ONE, F4 + VIRTUAL), "'w' is put together from other datasets"),
    "other files": (file(ONE, F4 + message(7, b"") + piece(at(2), 32)), "'w' keeps its values in other files"),
    "a shared type": (
        file(ONE, shape(8) + SHARED + piece(at(2), 32)),
        "shares its type with other datasets through a heap",
    ),
    "no type": (file(ONE, shape(8) + NAMED + piece(at(2), 32)), "the type of 'w' is not where it should be"),
    "a shared shape": (
        file(ONE, message(1, bytes(10), 2) + real() + piece(at(2), 32)),
        "shares its shape or its filters",
    ),
    "szip": (file(ONE, F4 + filters((4, 0, 0)) + GROWS), "'w' is compressed by szip, which is not read"),
    "an axis that grows": (file(ONE, F4 + GROWS), "an extensible array, for one axis that may grow"),
    "a large chunk": (file(ONE, F4 + chunks(at(2), (1 << 40, 4))), "1 chunks of 4,398,046,511,104 bytes"),
    "many chunks": (file(ONE, shape(1 << 30) + real() + chunks(at(2), (1, 4))), "1,073,741,824 chunks of 4 bytes"),
    "more than there is": (
        file(ONE, shape(1 << 25) + real() + HUGE),
        "would unpack to 134,217,728 bytes, more than such a file can hold",
    ),
    "no chunk": (file(ONE, F4 + chunks(at(2), (0, 4))), "lengths that cannot be"),
    "a chunk of few axes": (file(ONE, shape(8, 8) + real() + chunks(at(2), (8, 4))), "have 1 axes; expected 2"),
    "a chunk outside": (file(ONE, F4 + chunks(1 << 40, (8, 4))), "a chunk of 'w' does not lie within the file"),
    "a bomb": (
        file(ONE, F4 + DEFLATED + chunks(at(2), (8, 4), flags=2, extra=struct.pack("<QI", len(BOMB), 0)), data=BOMB),
        "a chunk of 'w' has 33 bytes instead of 32",
    ),
    "no deflate": (
        file(ONE, F4 + DEFLATED + chunks(at(2), (8, 4), flags=2, extra=SINGLE)),
        "a chunk of 'w' cannot be unpacked",
    ),
    "a wrong checksum": (
        file(ONE, F4 + filters((3, 0, 0)) + SUMMED, data=b"\x01" * 64),
        "does not have the checksum",
    ),
    "a tree in circles": (
        file(TABLES, data=tree(1, at(1)).ljust(512, b"\x00") + HEAP + bytes(64)),
        "a node of a tree at byte 2,096 is pointed at twice",
    ),
    "a tree that meets itself": (
        file(TABLES, data=NODES + HEAP + bytes(64)),
        "a node of a tree at byte 2,196 is pointed at twice",
    ),
    "a text many times over": (file(group() + message(0xC, LIST), data=TEXTS), "the attribute 'n' brings more text"),
    "groups without end": (
        file(*(group(link("g", at(level + 1))) for level in range(70)), group()),
        "is too long or too deep",
    ),
    "many empty chunks": (
        file(
            group(*(link(str(n), at(n + 1)) for n in range(9))),
            *(shape(1000) + real() + chunks(NOWHERE, (1, 4), b"\x03", extra=b"\x00") for _ in range(9)),
        ),
        "it claims more structures than it has room for",
    ),
    "addresses from elsewhere": (file()[:12] + b"\xff" * 8 + file()[20:], "count from byte None"),
    "a long name": (file(group() + LONG_NAME), "has a name of 2,000"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(case):
    content, words = HOSTILE[case]
    with pytest.raises(ModelFileError, match=r"\Aa\.h5: [^\n]+\.\Z") as error:
        read(content)
    assert words in str(error.value)


@pytest.mark.parametrize("name", [*ALL, "user_block", "paged", "deep"])
@given(st.data())
def test_changed_bytes(name, data):
    content = bytearray((FILES / f"{name}.h5").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 8))
        new = data.draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 8, bytes(8), b"\xff"])))
        content[place : place + len(new)] = new
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    try:
        weights = open_hdf5(Path("a.h5"), memoryview(bytes(content)))
    except ModelFileError:
        return
    for tensor in weights.values():
        try:
            assert tensor.values().shape == tensor.shape
        except ModelFileError:
            continue


@given(st.binary(max_size=300))
def test_any_bytes(content):
    for start in (b"", b"\x89HDF\r\n\x1a\n", file()[:48]):
        with pytest.raises(ModelFileError, match=r"\A[^\n]+\Z"):
            open_hdf5(Path("a.h5"), memoryview(start + content))
