from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights import protobuf
from pondera.weights.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Allowance,
    Message,
    Varints,
    raw_fields,
    signed,
    varint,
)

KNOWN = {
    1: ("number", (VARINT,)),
    2: ("text", (BYTES,)),
    3: ("four", (FIXED32,)),
    4: ("eight", (FIXED64,)),
    5: ("many", (VARINT, BYTES)),
}


def encoded(number):
    """Return a number as a varint, written by the book."""
    number %= 1 << 64
    parts = []
    while number > 127:
        parts.append(number % 128 + 128)
        number //= 128
    return bytes([*parts, number])


def message(data, **allowance):
    return Message(Path("a.pb"), "thing", memoryview(data), Allowance(**allowance))


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_a_number(number, before, after):
    data = before + encoded(number) + after
    assert varint(data, len(before)) == (number, len(data) - len(after))


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_below_zero(number):
    assert signed(varint(encoded(number), 0)[0]) == number


def test_bits_beyond_the_64th_are_dropped():
    assert varint(b"\xff" * 9 + b"\x7f", 0) == (2**64 - 1, 10)


def test_fields():
    data = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\x00\x00\x80\x3f" + b"\x21" + bytes(8) + b"\x32\x01x" + b"\x28\x07"
    found = list(message(data).fields(KNOWN))
    assert [(each.name, each.integer) for each in found] == [
        ("number", 150),
        ("text", 0),
        ("four", 0),
        ("eight", 0),
        ("many", 7),
    ]
    assert [bytes(each.data) for each in found] == [b"\x96\x01", b"hi", b"\x00\x00\x80\x3f", bytes(8), b"\x07"]
    assert message(data).text(found[1]) == "hi"
    assert found[1].data.obj is data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08", "ends in the middle of a number"),
        (b"\x08\x80", "ends in the middle of a number"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "a number has more than 10 bytes"),
        (b"\x12\x05hi", "its field 2 would end 3 bytes after it"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "would end 18,446,744,073,709,551,615 bytes after it"),
        (b"\x1d\x00", "its field 3 would end 3 bytes after it"),
        (b"\x21\x00", "its field 4 would end 7 bytes after it"),
        (b"\x0a\x00", "its field 'number' is written as type 2"),
        (b"\x00\x00", "a field with the number 0"),
        (b"\x80\x80\x80\x80\x80\x01\x00", "a field with the number 4294967296"),
        (b"\x0b\x0c", "its field 1 is written as type 3, which is none"),
        (b"\x0f", "its field 1 is written as type 7, which is none"),
    ],
)
def test_what_is_no_message(data, words):
    with pytest.raises(ModelFileError, match=words) as error:
        list(message(data).fields(KNOWN))
    assert str(error.value).startswith("a.pb: the thing cannot be read: ")


def test_more_fields_than_any_network_has():
    with pytest.raises(ModelFileError, match="more than 5,000,000 fields"):
        list(message(b"\x08\x01" * 6, fields=5).fields(KNOWN))
    shared = message(b"\x08\x01" * 4, fields=7)
    list(shared.fields(KNOWN))
    with pytest.raises(ModelFileError, match="more than 5,000,000 fields"):
        list(shared.fields({}))


def test_texts():
    (found,) = message(b"\x12\x04a\xc3\xa4b").fields(KNOWN)
    assert message(b"").text(found) == "aäb"
    assert message(b"").text(found, most=2) == "a"
    assert message(b"").text(found, most=4) == "aäb"
    (found,) = message(b"\x12\x01\xff").fields(KNOWN)
    with pytest.raises(ModelFileError, match="its field 'text' is no text"):
        message(b"").text(found)


def test_pieces_are_joined_and_one_piece_is_not_copied():
    whole = message(b"\x2a\x02\x01\x02" + b"\x28\x83\x01" + b"\x2a\x00" + b"\x2a\x01\x04", copied=100)
    found = list(whole.fields(KNOWN))
    joined = None
    for each in found:
        joined = whole.joined(joined, each)
        if each is found[0]:
            assert joined is each.data
    assert bytes(joined) == b"\x01\x02\x83\x01\x04"
    assert whole.allowance.copied == 95
    with pytest.raises(ModelFileError, match=r"more than 268,435,456 bytes of values lie in pieces, some in the thing"):
        message(b"", copied=3).joined(found[0].data, found[1])


@given(st.binary(max_size=60))
def test_any_bytes(data):
    try:
        for number, wire, integer, start, stop in raw_fields(data):
            assert number > 0
            assert wire in (0, 1, 2, 5)
            assert 0 <= integer < 1 << 64
            assert 0 < start <= stop
        found = sum(len(each.data) for each in message(data).fields(KNOWN))
        assert found < max(1, len(data))
    except (IndexError, protobuf.WireError, ModelFileError):
        pass


SIZES = st.one_of(st.integers(0, 127), st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31 - 1))


@given(st.lists(SIZES, max_size=60), st.sampled_from([1, 2, 3, 7, 64]), st.sampled_from([1, 5, 100]), st.data())
def test_packed_numbers(numbers, block, at_once, data):
    packed = b"".join(encoded(number) for number in numbers)
    start = data.draw(st.integers(0, len(numbers)))
    stop = data.draw(st.integers(start, len(numbers)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protobuf, "BLOCK", block)
        patch.setattr(protobuf, "AT_ONCE", at_once)
        for dtype in ("uint64", "int64", "int32", "uint8"):
            kind = np.dtype(dtype)
            bits = 8 * kind.itemsize
            expected = np.array([number % (1 << bits) for number in numbers], f"u{kind.itemsize}").view(kind)
            source = Varints("a", memoryview(packed), kind, len(numbers))
            assert source.nbytes == len(packed)
            found = source.flat(start, stop)
            assert found.dtype == kind
            assert found.tolist() == expected[start:stop].tolist()


@pytest.mark.parametrize(
    ("packed", "count", "words"),
    [
        (b"\x01\x02\x03", 2, "a has 2 values; its numbers are 3. The"),
        (b"\x01\x02", 3, "a has 3 values; its numbers are 2. The"),
        (b"\x01\x02\x83", 2, "a has 2 values; its numbers are 2 and the beginning of another. The"),
        (b"\x80" * 11 + b"\x01\x01\x01", 3, "a number of more than 10 bytes"),
        (b"\x80" * 50 + b"\x01\x01\x01", 3, "a number of more than 10 bytes"),
    ],
)
def test_packed_numbers_that_are_not_as_many_or_none(packed, count, words):
    with pytest.raises(ModelFileError, match=words):
        Varints("a", memoryview(packed), np.dtype("int64"), count).flat(0, count)


@given(st.binary(max_size=60), st.integers(0, 20))
def test_any_packed_bytes(packed, count):
    try:
        found = Varints("a", memoryview(packed), np.dtype("int32"), count).flat(0, count)
    except ModelFileError:
        return
    assert len(found) == count
