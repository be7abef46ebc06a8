"""Hostile GGUF files."""

import struct


def text(value):
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def fact(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def info(name, lengths, kind=0, offset=0):
    return text(name) + struct.pack(f"<I{len(lengths)}QIQ", len(lengths), *lengths, kind, offset)


def file(facts=(), infos=(), data=b"", tensors=None, count=None, version=3):
    head = b"GGUF" + struct.pack("<I", version)
    head += struct.pack("<QQ", len(infos) if tensors is None else tensors, len(facts) if count is None else count)
    head += b"".join([*facts, *infos])
    return head + bytes(-len(head) % 32) + data


def array(kind, count, items=b""):
    return struct.pack("<IQ", kind, count) + items


GOOD = file([fact("a", 4, bytes(4))], [info("w", [8])], bytes(32))

CASES = {
    "cut.gguf": ("The last value is missing.", "cut short or damaged", GOOD[:-4]),
    "cut-in-the-facts.gguf": ("Cut in the middle of the facts.", "ends within its list of facts", GOOD[:30]),
    "many-facts.gguf": (
        "2⁴⁰ facts are claimed; a reader that makes room for them first runs out of memory.",
        "holds 1,099,511,627,776 facts; expected at most",
        file(count=1 << 40),
    ),
    "many-tensors.gguf": (
        "2⁶³ tensors are claimed in a file of 32 bytes.",
        "tensors; expected at most 500,000",
        file(tensors=1 << 63),
    ),
    "a-million-tensors.gguf": (
        "A million empty tensors, all of them there.",
        "holds 1,000,000 tensors; expected at most 500,000",
        lambda: file([], [info(f"{n:x}", [0]) for n in range(10**6)]),
    ),
    "text-overflows.gguf": (
        "A key of 2⁶⁴ − 1 bytes: the place after it is before it in 64 bits.",
        "ends within its list",
        file([struct.pack("<Q", (1 << 64) - 1)]),
    ),
    "array-overflows.gguf": (
        "2⁶¹ numbers of 8 bytes, whose size is 0 in 64 bits.",
        "ends within its list",
        file([fact("a", 9, array(12, 1 << 61))]),
    ),
    "endless-vocabulary.gguf": (
        "A vocabulary of 2⁴⁰ texts that are not there.",
        "ends within its list",
        file([fact("tokens", 9, array(8, 1 << 40))]),
    ),
    "deep.gguf": (
        "Arrays of arrays of arrays, 100 deep.",
        "arrays nested over 4 deep",
        file([fact("a", 9, array(9, 1) * 100 + array(0, 0))]),
    ),
    "facts-twice.gguf": (
        "One key twice.",
        "holds the fact 'a' twice",
        file([fact("a", 4, bytes(4)), fact("a", 4, bytes(4))]),
    ),
    "names-twice.gguf": (
        "Two tensors of one name.",
        "two tensors are called 'w'",
        file([], [info("w", [8]), info("w", [8], 0, 32)], bytes(64)),
    ),
    "overlap.gguf": (
        "Two tensors lie in the same bytes.",
        "the tensors 'a' and 'b' overlap",
        file([], [info("a", [16]), info("b", [8], 0, 32)], bytes(64)),
    ),
    "outside.gguf": (
        "The values begin at byte 2⁶³, which is negative in 64 bits.",
        "would lie at bytes",
        file([], [info("w", [8], 0, 1 << 63)], bytes(32)),
    ),
    "misaligned.gguf": (
        "The values begin where none may.",
        "expected a multiple of 32",
        file([], [info("w", [1], 0, 4)], bytes(32)),
    ),
    "shape-overflows.gguf": (
        "2³² × 2³² values, which are none in 64 bits.",
        "more values than can be addressed",
        file([], [info("w", [1 << 32, 1 << 32])], bytes(32)),
    ),
    "length-overflows.gguf": (
        "A length of 2⁶⁴ − 1, which is −1 in 64 bits.",
        "expected whole numbers from 0 up",
        file([], [info("w", [(1 << 64) - 1])], bytes(32)),
    ),
    "many-axes.gguf": (
        "2³² − 1 axes are claimed.",
        "has 4,294,967,295 axes; expected at most 64",
        file([], [text("w") + struct.pack("<I", (1 << 32) - 1)]),
    ),
    "part-of-a-block.gguf": (
        "Rows of 33 values in blocks of 32.",
        "has rows of 33 values; expected a multiple of 32",
        file([], [info("w", [33], 8)], bytes(128)),
    ),
    "unknown-type.gguf": ("A type of values that there is not.", "type number 99,", file([], [info("w", [8], 99)])),
    "no-alignment.gguf": (
        "An alignment of 0, by which the place of the values is divided.",
        "has the alignment 0; expected a power of two",
        file([fact("general.alignment", 4, bytes(4))], [info("w", [8])], bytes(32)),
    ),
    "no-text.gguf": (
        "A name that is no UTF-8.",
        "expected the name of a tensor in UTF-8",
        file([], [info(b"\xff\xfe", [8])], bytes(32)),
    ),
    "another-byte-order.gguf": (
        "The version as a big-endian program writes it.",
        "big-endian order",
        file(version=3 << 24),
    ),
    "not-a-number.gguf": (
        "A fact that is not a number, which JSON has no word for. It comes as a text.",
        None,
        file([fact("a", 6, struct.pack("<f", float("nan")))], [info("w", [8])], bytes(32)),
    ),
    "broken-blocks.gguf": (
        "A block whose scale is not a number: so are its values, and that is what is said of them.",
        None,
        file([], [info("w", [32], 8)], b"\x00\x7e" + bytes(range(32)) + bytes(30)),
    ),
}
