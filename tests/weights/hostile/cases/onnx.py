"""Hostile ONNX files, some with the values of their tensors in a file beside them."""

import functools
import struct


@functools.cache
def varint(number):
    number %= 1 << 64
    found = []
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def put(field, value):
    if isinstance(value, int):
        return varint(field << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name="w", shape=(2,), values=None, kind=1, more=b""):
    raw = put(9, struct.pack("<2f", 1, 2)) if values is None else values
    return b"".join(put(1, length) for length in shape) + put(2, kind) + put(8, name) + raw + more


def outside(location, **place):
    entries = {"location": location, **place}
    return tensor(
        values=b"", more=b"".join(put(13, put(1, key) + put(2, text)) for key, text in entries.items()) + put(14, 1)
    )


def model(*initializers, graph=b"", more=b""):
    inner = put(2, "g") + graph + b"".join(put(5, each) for each in initializers)
    return put(1, 8) + put(2, "writer") + put(7, inner) + put(8, put(2, 17)) + more


def folder(location, files=(), **place):
    return {"a.onnx": model(outside(location, **place)), **dict(files)}


def bodies(depth):
    inner = put(2, "innermost")
    for _ in range(depth):
        inner = put(1, put(4, "If") + put(5, put(1, "then_branch") + put(6, inner)))
    return inner


GOOD = model(tensor())
VALUES = {"a.data": bytes(8)}

CASES = {
    "cut.onnx": ("The last bytes are missing.", "cannot be read", GOOD[:-3]),
    "field-outside.onnx": (
        "A field that is said to have 2⁶³ bytes.",
        "would end",
        model()[:-4] + varint(7 << 3 | 2) + varint(1 << 63) + b"x",
    ),
    "endless-number.onnx": (
        "A number whose bytes all say that another follows.",
        "a number has more than 10 bytes",
        model(more=varint(5 << 3) + b"\xff" * 20),
    ),
    "groups.onnx": (
        "A group that begins, in a way of writing that nests without lengths.",
        "written as type 3, which is none",
        model(more=varint(7 << 3 | 3) * 1000),
    ),
    "field-0.onnx": ("A field with the number 0.", "a field with the number 0", model(more=b"\x00\x00")),
    "deep.onnx": ("Bodies within bodies, 100 deep.", "more than 32 deep", model(tensor(), graph=bodies(100))),
    "two-graphs.onnx": (
        "Two graphs, of which a reader may check one and load the other.",
        "holds 2 graphs",
        model(tensor(), more=put(7, put(2, "h"))),
    ),
    "names-twice.onnx": ("Two tensors of one name.", "two tensors called 'w'", model(tensor(), tensor())),
    "shape-overflows.onnx": (
        "2³² × 2³² values, which are none in 64 bits.",
        "more values than can be addressed",
        model(tensor(shape=(1 << 32, 1 << 32))),
    ),
    "negative-shape.onnx": ("A length of −1.", "expected whole numbers from 0 up", model(tensor(shape=(-1,)))),
    "many-axes.onnx": ("100 axes.", "axes; expected at most 64", model(tensor(shape=(1,) * 100))),
    "too-few-values.onnx": (
        "More values than bytes for them.",
        "which take 4,000 bytes; it has 8",
        model(tensor(shape=(1000,))),
    ),
    "too-few-numbers.onnx": (
        "Numbers of variable length that could be as many as they should, and are fewer.",
        "its numbers are 2",
        model(tensor(shape=(4,), kind=7, values=put(7, b"\xff\xff\x01\xff\x01"))),
    ),
    "unknown-type.onnx": ("A type of values that there is not.", "values of the type 99", model(tensor(kind=99))),
    "sparse.onnx": (
        "A sparse tensor, which would be 2⁶⁰ values if it were filled.",
        "is sparse",
        model(graph=put(15, put(1, tensor()) + put(3, 1 << 60))),
    ),
    "a-million-tensors.onnx": (
        "A million empty tensors.",
        "tensors; expected at most 500,000",
        lambda: model(*(tensor(f"{n:x}", (0,), b"") for n in range(10**6))),
    ),
    "up.onnx": ("Values in a file above the folder.", "'../a.data', which is not in its folder", folder("../a.data")),
    "absolute.onnx": (
        "Values in a file of the system.",
        "'/etc/passwd', which is not in its folder",
        folder("/etc/passwd"),
    ),
    "up-and-down.onnx": (
        "A way that goes up and comes back.",
        "which is not in its folder",
        folder("b/../../x/a.data"),
    ),
    "another-systems-path.onnx": (
        "A way as another system writes it.",
        "which is not in its folder",
        folder("..\\a.data"),
    ),
    "no-name.onnx": (
        "A name that ends in the middle, where other languages end it.",
        "expected the name of a file beside it",
        folder("a.data\0.txt", VALUES),
    ),
    "link.onnx": (
        "A link to a file of the system.",
        "'link', which is not in its folder",
        lambda: folder("link", {"link": "/etc/hostname"}),
    ),
    "link-to-a-folder.onnx": (
        "A link to a folder of the system.",
        "which is not in its folder",
        lambda: folder("etc/passwd", {"etc": "/etc"}),
    ),
    "itself.onnx": (
        "Values in the file itself, where they are what a stranger wants them to be. They are numbers all the same.",
        None,
        folder("a.onnx"),
    ),
    "missing.onnx": ("Values in a file that is not there.", "beside it, which is missing", folder("b.data", VALUES)),
    "beyond-the-end.onnx": (
        "Values beyond the end of their file.",
        "would lie at bytes 4 to 12 of 8",
        folder("a.data", VALUES, offset="4"),
    ),
    "offset-overflows.onnx": (
        "An offset of 2⁶⁴ − 8.",
        "would lie at bytes",
        folder("a.data", VALUES, offset=str((1 << 64) - 8)),
    ),
    "negative-offset.onnx": (
        "A negative offset.",
        "lies at '-8' of another file",
        folder("a.data", VALUES, offset="-8"),
    ),
    "a-long-offset.onnx": (
        "An offset of 3,000 digits.",
        "expected a whole number of bytes",
        folder("a.data", VALUES, offset="9" * 3000),
    ),
    "another-length.onnx": (
        "A length that is not that of the values.",
        "which take 8 bytes; it has 4",
        folder("a.data", VALUES, length="4"),
    ),
}
