"""Hostile folders: indexes of sharded checkpoints, and files that are none."""

import json
import struct

INDEX = "model.safetensors.index.json"
PART = "model-00001-of-00001.safetensors"


def safetensors(name="w", count=2):
    text = json.dumps({name: {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * count)


def folder(owners, **more):
    """A folder with an index, raw where it is bytes, and one part that holds the tensor w."""
    text = owners if isinstance(owners, bytes) else json.dumps({"weight_map": owners}).encode()
    return {INDEX: text, PART: safetensors(), **more}


CASES = {
    "index-up": (
        "A part above the folder.",
        "'../x.safetensors', which is not in its folder",
        folder({"w": "../x.safetensors"}),
    ),
    "index-absolute": (
        "A part that is a file of the system.",
        "'/etc/passwd', which is not in its folder",
        folder({"w": "/etc/passwd"}),
    ),
    "index-link": (
        "A part that is a link to a file of the system.",
        "'link.safetensors', which is not in its folder",
        lambda: folder({"w": "link.safetensors"}, **{"link.safetensors": "/etc/hostname"}),
    ),
    "index-of-itself": ("An index that names itself as a part.", "which is an index too", folder({"w": INDEX})),
    "index-of-the-folder": (
        "An index that names its folder as a part.",
        "which is no file but a folder",
        folder({"w": "."}),
    ),
    "index-twice": (
        "One tensor in two parts, by a name that occurs twice.",
        "the name 'w' occurs twice",
        folder(b'{"weight_map": {"w": "' + PART.encode() + b'", "w": "other.safetensors"}}'),
    ),
    "index-of-what-is-not-there": (
        "A tensor that its part does not have.",
        "which does not have it",
        folder({"v": PART}),
    ),
    "index-without-parts": ("A part that is missing.", "is missing beside it", folder({"w": "b.safetensors"})),
    "index-of-several-lines": (
        "A name of a part that would write a second line, and in red, into whatever shows the sentence.",
        "missing beside it: \\nOK \\x1b[31m",
        folder({"w": "\nOK \x1b[31m"}),
    ),
    "index-deep": ("JSON nested 3,000 deep.", "nested too deep", folder(b'{"weight_map": ' + b"[" * 3000)),
    "index-of-numbers": (
        "Parts that are numbers.",
        "expected a weight_map of tensors and their files",
        folder({"w": 5}),
    ),
    "index-of-nothing": ("An index without tensors.", "expected a weight_map", folder({})),
    "index-half-a-letter": (
        "A name with half of a surrogate pair.",
        "it has half of a letter",
        folder(b'{"weight_map": {"w": "\\ud800"}}'),
    ),
    "index-large-number": (
        "A number that JSON can say and cannot write again. The weights are read, and it comes as a text.",
        None,
        folder(b'{"metadata": {"total_size": 1e999}, "weight_map": {"w": "' + PART.encode() + b'"}}'),
    ),
    "index-of-a-million": (
        "An index of a million tensors.",
        "holds 1,000,000 tensors; expected at most 500,000",
        lambda: folder({f"{n:x}": PART for n in range(10**6)}),
    ),
    "index-of-lists": (
        "An index of eight million empty lists.",
        "lists or",
        lambda: folder(b'{"weight_map": [' + b"[]," * (8 << 20) + b"0]}"),
    ),
    "parts-overlap": (
        "Two files without an index that hold a tensor of the same name.",
        "tensor 'w' is both in",
        {"a.safetensors": safetensors(), "b.safetensors": safetensors()},
    ),
    "parts-without-end": (
        "One part of 99,999 that there should be.",
        "of the 99,999 files of the model",
        {"model-00001-of-99999.safetensors": safetensors()},
    ),
    "config-deep": (
        "A config.json nested 3,000 deep beside good weights.",
        "nested too deep",
        {"model.safetensors": safetensors(), "config.json": b'{"a":' + b"[" * 3000},
    ),
    "config-link": (
        "A config.json that is a link to a file of the system.",
        "which is not in its folder",
        lambda: {"model.safetensors": safetensors(), "config.json": "/etc/hostname"},
    ),
    "nothing": ("A folder without files.", "it has no files", dict),
    "empty.safetensors": ("A file of no bytes, which cannot be mapped.", "is empty", b""),
    "a-link-in-a-circle.safetensors": ("A link to itself.", "cannot be read", lambda: "a-link-in-a-circle.safetensors"),
    "a-device.safetensors": ("A link to a device that never ends.", "is a pipe or device", lambda: "/dev/zero"),
    "text.safetensors": ("A text.", "found a file of some other kind", b"#!/bin/sh\ntouch pondera_was_here\n"),
}
