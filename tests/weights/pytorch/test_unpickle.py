import os
import pickle
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights.pytorch import machine
from pondera.weights.pytorch.machine import Budget, Dictionary, Machine, Name, Record
from pondera.weights.pytorch.objects import find
from pondera.weights.pytorch.unpickle import unpickle

PATH = Path("a.pt")


def read(content, **more):
    return unpickle(Machine(PATH, memoryview(content), find, **more))


def refusal(content):
    """Give the sentence that refuses a pickle, nothing if it is read."""
    try:
        read(content)
    except ModelFileError as error:
        return str(error)
    return ""


def plain(value):
    """Give back what a pickle was made of."""
    if isinstance(value, Dictionary):
        return {plain(key): plain(part) for key, part in value.pairs}
    if isinstance(value, list | tuple):
        return type(value)(plain(part) for part in value)
    return bytes(value) if isinstance(value, memoryview) else value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 2000), 1 << 2000)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda part: st.lists(part) | st.lists(part).map(tuple) | st.dictionaries(st.text(), part),
    max_leaves=20,
)


@given(VALUES, st.integers(0, 5))
def test_what_python_writes(value, protocol):
    assert plain(read(pickle.dumps(value, protocol))) == value


def test_sets_are_lists_and_shared_things_stay_shared():
    assert read(pickle.dumps({1}, 4)) == [1]
    assert read(pickle.dumps({1}, 2)) == [1]
    assert read(pickle.dumps(frozenset({1}), 4)) == (1,)
    part = [1]
    first, second = read(pickle.dumps([part, part]))
    assert first is second


def test_a_list_that_contains_itself():
    value = []
    value.append(value)
    found = read(pickle.dumps(value))
    assert found[0] is found


def test_texts_of_python_2():
    assert read(b"U\x01a.") == "a"
    assert bytes(read(b"T\x02\x00\x00\x00\xff\xfe.")) == b"\xff\xfe"
    assert read(b"S'a\\tb\\x41'\n.") == "a\tbA"
    assert read(b"Va\\u00e9\n.") == "aé"


def test_harmless_objects_are_kept_as_what_they_hold():
    found = read(b"cargparse\nNamespace\n)\x81}X\x02\x00\x00\x00lrK\x01sb.")
    assert isinstance(found, Record)
    assert (found.name, plain(found.state)) == ("argparse.Namespace", {"lr": 1})
    appended = read(b"ccollections\ndeque\n)R]a.")
    assert appended.contents == [[]]
    assert isinstance(read(b"ctorch\nfloat32\n."), Name)


MARKER = "pondera_was_here"
COMMAND = b"X" + struct.pack("<I", len("touch " + MARKER)) + b"touch " + MARKER.encode()

HOSTILE = {
    "REDUCE": b"\x80\x02cos\nsystem\n" + COMMAND + b"\x85R.",
    "INST": b"(" + COMMAND + b"ios\nsystem\n.",
    "OBJ": b"(cos\nsystem\n" + COMMAND + b"o.",
    "NEWOBJ": b"\x80\x02cos\nsystem\n" + COMMAND + b"\x85\x81.",
    "NEWOBJ_EX": b"\x80\x04cos\nsystem\n" + COMMAND + b"\x85}\x92.",
    "BUILD": b"\x80\x02cargparse\nNamespace\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb" + COMMAND + b"b.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93" + COMMAND + b"\x85R.",
    "from type": b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN" + COMMAND + b"\x85NtR.",
    "a default's class": b"ccollections\ndefaultdict\ncos\nsystem\n\x85R.",
    "reconstructor": b"ccopyreg\n_reconstructor\n(cos\nsystem\ncbuiltins\nobject\nNtR.",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_nothing_runs(how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("it ran"))
    with pytest.raises(ModelFileError, match=r"asks for 'os\.system', .* Nothing was imported or run\."):
        read(HOSTILE[how])
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "name", ["builtins\neval", "builtins\ngetattr", "posix\nsystem", "torch\nload", "torch.hub\nload", "os\nsystem\\n"]
)
def test_other_names(name):
    with pytest.raises(ModelFileError, match="Nothing was imported or run") as raised:
        read(b"c" + name.encode() + b"\n)R.")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "runs"), [("posix\nsystem", True), ("builtins\neval", True), ("os\nsystem", True), ("torch\nload", False)]
)
def test_what_would_run_a_program_is_not_to_be_trusted(name, runs):
    said = "do not load it" if runs else "If you trust the file"
    with pytest.raises(ModelFileError, match=said):
        read(b"c" + name.encode() + b"\n)R.")


def test_nothing_is_imported():
    with pytest.raises(ModelFileError, match=r"'antigravity\.fly'"):
        read(b"cantigravity\nfly\n)R.")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x82\x01.", "instruction 0x82"),  # EXT1
        (b"\x83\x01\x00.", "instruction 0x83"),
        (b"\x84\x01\x00\x00\x00.", "instruction 0x84"),
        (b"\x97.", "instruction 0x97"),  # a buffer outside
        (b"\x80\x06.", "later protocol"),
        (b"\x8b\xff\xff\xff\x7f.", "2,147,483,647 bytes should follow"),
        (b"\x8b\xff\xff\xff\xff.", "cut short"),
        (b"\x8b\x00\x10\x00\x00" + bytes(4096) + b".", "a whole number has 4,096 bytes"),
        (b"\x8d" + b"\xff" * 8 + b".", "cut short"),
        (b"X\xff\xff\xff\xffa.", "cut short"),
        (b"I" + b"9" * 5000 + b"\n.", "a whole number has 5,000 digits"),
        (b"p" + b"9" * 5000 + b"\n.", "value"),
        (b"Np-1\n.", "no place"),
        (b"h\x07.", "place 7 of its memory, which is empty"),
        (b"F1.x\n.", "a value is none"),
        (b"Sabc\n.", "not between quotes"),
        (b"c" + b"a" * 2_000_000, "a line does not end"),
        (b"cos", "a line does not end"),
        (b".", "a value that is not there"),
        (b"K\x01(0.", None),
        (b"K\x01(a.", "a value that is not there"),
        (b"t.", "a mark that is not there"),
        (b"K\x01K\x02a.", "appends to what is no list"),
        (b"]K\x02K\x03s.", "what is no dictionary"),
        (b"}(K\x02u.", "a key has no value"),
        (b"(K\x02d.", "a key has no value"),
        (b"]Nb.", "sets the state of what has none"),
        (b"K\x01)R.", "calls what is no function"),
        (b"ctorch\nfloat32\n)R.", "calls 'torch.float32'"),
        (b"ctorch\nfloat32\nK\x01R.", "what are no arguments"),
        (b"(o.", "cut short"),
        (b"K\x01K\x02\x93.", "no text"),
        (b"N)N\x92.", "no arguments"),
        (b"K\x01Q.", "something outside"),
        (b"P1\n.", "something outside"),
        (b"ctorch.storage\nFloatStorage\n)R.", "calls 'torch.storage.FloatStorage'"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "described by 0 values"),
        (b"ctorch._utils\n_rebuild_parameter\nK\x01\x85R.", "something else"),
        (b"ccollections\nOrderedDict\n]K\x01a\x85R.", "no keys and values"),
        (b"c_codecs\nencode\nK\x01\x85R.", "bytes are no text"),
    ],
)
def test_what_makes_no_sense(content, words):
    if words is None:
        assert read(content) == 1
        return
    with pytest.raises(ModelFileError, match=words) as raised:
        read(content)
    assert "\n" not in str(raised.value)


def test_bombs(monkeypatch):
    laughs = b"](K\x01K\x02e\x94" + b"".join(
        b"](" + b"h" + bytes([n]) + b"h" + bytes([n]) + b"e\x94" for n in range(200)
    )
    assert len(read(laughs + b".")) == 2  # 2 ** 200 numbers, of which none was written out
    deep = read(b"]" * 500_000 + b"a" * 499_999 + b".")
    del deep
    monkeypatch.setattr(machine, "MOST_BYTES", 100)
    with pytest.raises(ModelFileError, match="more than 100 bytes of text"):
        read(b"(" + (b"X\x1e\x00\x00\x00" + b"a" * 30) * 4 + b"t.", budget=Budget(bytes=100))
    with pytest.raises(ModelFileError, match="more than 100 steps"):
        read(b"N0" * 100 + b"N.", budget=Budget(steps=100))
    text = (
        b"X\x40\x42\x0f\x00"
        + b"a" * 1_000_000
        + b"\x940("
        + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 400
    )
    with pytest.raises(ModelFileError, match="bytes of text"):
        read(text + b"t.", budget=Budget(bytes=50_000_000))


@given(st.binary(max_size=60))
def test_any_bytes(content):
    assert "\n" not in refusal(content)


SAMPLE = pickle.dumps({"a": [1, 2.5, "x", b"y", (None, True)], "b": {1, 2}, "c": -(1 << 70)}, 4)


@pytest.mark.parametrize("length", range(len(SAMPLE)))
def test_cut_short(length):
    with pytest.raises(ModelFileError):
        read(SAMPLE[:length])


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
def test_one_byte_changed(place, byte):
    changed = bytearray(SAMPLE)
    changed[place] = byte
    assert "\n" not in refusal(bytes(changed))
