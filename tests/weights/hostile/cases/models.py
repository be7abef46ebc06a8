"""Hostile files of Pondera's own models: safetensors with a description. As weights they are read, as models not."""

import hashlib
import json
import struct

LOAD = True  # opened by pondera.load too, which must refuse them


def file(description, version="1", digest=None):
    whole = hashlib.sha256(description.encode())
    whole.update(b"\nw <f4 (2,)\n" + bytes(8))
    metadata = {"pondera": description, "pondera.format": version, "pondera.sha256": digest or whole.hexdigest()}
    weight = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    text = json.dumps({"__metadata__": metadata, "w": weight}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


def architecture(outputs):
    layer = {"name": "dense", "outputs": outputs, "kind": "dense"}
    return json.dumps({"architecture": {"inputs": 2, "layers": [layer]}, "estimator": {}})


CASES = {
    "model-changed.safetensors": (
        "A description that was edited after it was saved.",
        "the digest differs",
        file("{}", digest="0" * 64),
    ),
    "model-newer.safetensors": ("A version that there is not yet.", "found version '2'", file("{}", version="2")),
    "model-of-nothing.safetensors": (
        "A description that is empty, with the right digest.",
        "cannot be used",
        file("{}"),
    ),
    "model-no-json.safetensors": (
        "A description that is no JSON, with the right digest.",
        "cannot be used",
        file("import os"),
    ),
    "model-deep.safetensors": ("A description nested 1,500 deep.", "cannot be used", file("[" * 1500)),
    "model-of-2-to-60-units.safetensors": ("A layer of 2⁶⁰ units.", "cannot be used", file(architecture(1 << 60))),
    "model-without-description.safetensors": (
        "Metadata that say it is a model, and no more.",
        "cannot be used",
        file("null"),
    ),
}
