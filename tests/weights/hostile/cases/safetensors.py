"""Hostile safetensors files."""

import json
import struct


def file(header, data=b"", length=None):
    """A file; ``length`` is what it says of its header where that is not the truth."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def million():
    names = (b'"%x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % n for n in range(10**6))
    return file(b"{" + b",".join(names) + b"}")


GOOD = file({"w": entry([2], 0, 8)}, bytes(8))

CASES = {
    "length-overflows.safetensors": (
        "The header is said to have 2⁶⁴ − 1 bytes; a reader that adds 8 to it wraps round to 7.",
        "whose header is said to have 18,446,744,073,709,551,615",
        b"\xff" * 8 + b'{"w":{}}',
    ),
    "length-beyond-the-file.safetensors": (
        "The header is said to be longer than the file.",
        "cut short or damaged",
        file({"w": entry([2], 0, 8)}, bytes(8), 99_000_000),
    ),
    "cut.safetensors": ("The last value is missing.", "cut short", GOOD[:-4]),
    "cut-in-the-header.safetensors": ("Cut in the middle of the header.", "cut short or damaged", GOOD[:20]),
    "more-than-there-is.safetensors": ("Bytes follow that belong to no tensor.", "bytes follow", GOOD + bytes(5)),
    "no-json.safetensors": ("The header begins as JSON and is none.", "cannot be read: Expecting", file(b'{"w": {]}')),
    "deep.safetensors": (
        "JSON nested 1,500 deep, where a parser that calls itself runs out of stack.",
        "nested too deep",
        file(b'{"w":' + b"[" * 1500 + b"]" * 1500 + b"}"),
    ),
    "names-twice.safetensors": (
        "One name twice, which readers resolve in different ways: what was checked is not what is loaded.",
        "the name 'w' occurs twice",
        file(
            b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
            bytes(8),
        ),
    ),
    "overlap.safetensors": (
        "Two tensors lie in the same bytes, so that a small file holds terabytes.",
        "overlaps the one before it",
        file({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    ),
    "gap.safetensors": (
        "Bytes between two tensors belong to none: room for something else.",
        "leaves 4 bytes unused",
        file({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
    ),
    "outside.safetensors": (
        "The values lie beyond the end of the file.",
        "would lie at bytes",
        file({"w": entry([1 << 30], 0, 1 << 32)}, bytes(8)),
    ),
    "backwards.safetensors": (
        "The values end before they begin.",
        "would lie at bytes",
        file({"w": entry([2], 8, 0)}, bytes(8)),
    ),
    "before-the-file.safetensors": (
        "The values begin before the file does.",
        "would lie at bytes",
        file({"w": entry([2], -100, -92)}, bytes(8)),
    ),
    "offsets-overflow.safetensors": (
        "Offsets of 2⁶⁴, which wrap round to 0 in 64 bits.",
        "would lie at bytes",
        file({"w": entry([2], 1 << 64, (1 << 64) + 8)}, bytes(8)),
    ),
    "shape-overflows.safetensors": (
        "2³² × 2³² values of 4 bytes are 2⁶⁶ bytes, which in 64 bits are 0.",
        "more values than can be addressed",
        file({"w": entry([1 << 32, 1 << 32], 0, 0)}),
    ),
    "shape-overflows-beside-0.safetensors": (
        "No values at all, but lengths whose product overflows before the 0 is reached.",
        "more values than can be addressed",
        file({"w": entry([1 << 40, 1 << 40, 0], 0, 0)}),
    ),
    "negative-shape.safetensors": (
        "Two negative lengths, whose product is right.",
        "expected whole numbers from 0 up",
        file({"w": entry([-1, -2], 0, 8)}, bytes(8)),
    ),
    "shape-of-true.safetensors": (
        "A length that is no number, though Python counts with it.",
        "expected whole numbers from 0 up",
        file({"w": entry([True, 2], 0, 8)}, bytes(8)),
    ),
    "many-axes.safetensors": (
        "More axes than NumPy has.",
        "has 65 axes; expected at most 64",
        file({"w": entry([1] * 65, 0, 4)}, bytes(4)),
    ),
    "a-long-number.safetensors": (
        "A number of 3,000 digits, which takes long to turn into another base.",
        "expected whole numbers from 0 up",
        file(b'{"w":{"dtype":"F32","shape":[' + b"9" * 3000 + b'],"data_offsets":[0,8]}}', bytes(8)),
    ),
    "unknown-dtype.safetensors": (
        "A dtype that there is not.",
        "has the dtype 'F33'; expected one of",
        file({"w": entry([2], 0, 8, "F33")}, bytes(8)),
    ),
    "metadata-of-numbers.safetensors": (
        "Metadata that are no texts.",
        "expected texts as metadata",
        file({"__metadata__": {"a": {"b": 1}}, "w": entry([2], 0, 8)}, bytes(8)),
    ),
    "half-a-letter.safetensors": (
        "A name with half of a surrogate pair, which no UTF-8 has: writing it out fails long after reading.",
        "it has half of a letter",
        file(b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)),
    ),
    "a-name-that-clears-the-screen.safetensors": (
        "A name that is an escape sequence of terminals. It is a name like another.",
        None,
        file({"\x1b[2J\x1b]0;title\x07w": entry([2], 0, 8)}, bytes(8)),
    ),
    "a-million-tensors.safetensors": (
        "A million empty tensors in 57 MB of header, which as Python's objects take a gigabyte.",
        "holds 1,000,000 tensors; expected at most 500,000",
        million,
    ),
    "lists.safetensors": (
        "A shape of eight million empty lists in 24 MB, which take thirty times that in memory.",
        "lists or",
        lambda: file(b'{"w":[' + b"[]," * (8 << 20) + b"0]}"),
    ),
}
