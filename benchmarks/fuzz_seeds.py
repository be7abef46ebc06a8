"""Small valid files of every format: what a fuzz begins with."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parent.parent / "tests" / "weights"


@dataclass(frozen=True)
class Seed:
    """A valid file, or several that belong together.

    Attributes
    ----------
    files
        Name -> content.
    opened
        The file that is opened; an empty text for the folder.
    changed
        The files of which a mutant changes one, the most interesting first.
    """

    files: Mapping[str, bytes]
    opened: str
    changed: tuple[str, ...]

    @classmethod
    def of(cls, content: bytes, name: str) -> Seed:
        """Return a file that stands alone."""
        return cls({name: content}, name, (name,))


def safetensors() -> list[Seed]:
    """Two dtypes of whole bytes, one of four bits, a number, an empty tensor, texts as metadata."""
    values = {
        "layer.0.weight": ("F32", [2, 3], np.arange(6, dtype="<f4").tobytes()),
        "layer.0.bias": ("BF16", [3], bytes(range(6))),
        "packed": ("F4", [2, 2], b"\x21\x43"),
        "step": ("I64", [], bytes(8)),
        "none": ("F16", [0, 4], b""),
    }
    some = dict(list(values.items())[:2])
    return [
        Seed.of(_safetensors(values, {"format": "pt", "note": "größer"}), "a.safetensors"),
        Seed.of(_safetensors(some, {}), "a.safetensors"),
    ]


def _safetensors(values: Mapping[str, tuple[str, list[int], bytes]], metadata: Mapping[str, str]) -> bytes:
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    content = b""
    for name, (dtype, shape, data) in values.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(content), len(content) + len(data)]}
        content += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def gguf() -> list[Seed]:
    """Facts of every type, arrays within arrays, a long vocabulary; plain tensors and blocks of several kinds."""
    facts = [
        ("general.architecture", 8, "llama"),
        ("general.alignment", 4, 32),
        *((f"n.{kind}", kind, 1) for kind in (0, 1, 2, 3, 5, 6, 7, 10, 11, 12)),
        ("tokenizer.tokens", 9, (8, ["a", "bc"] * 40)),
        ("scores", 9, (6, [0.5, 1.0])),
        ("nested", 9, (9, [(8, ["x"]), (0, [1, 2])])),
    ]
    plain = [("a.weight", (4, 2), 0, 32), ("b", (16,), 30, 32), ("c", (), 28, 8), ("none", (0,), 0, 0)]
    blocks = [("q8", (32, 2), 8, 68), ("q4_k", (256,), 12, 144), ("iq2", (256,), 16, 66), ("q6_k", (256, 1), 14, 210)]
    return [
        Seed.of(_gguf(facts, plain), "a.gguf"),
        Seed.of(_gguf(facts[:2], blocks), "a.gguf"),
        Seed.of(_gguf(facts[:1], plain[:2]), "a.gguf"),
    ]


def _gguf(facts: Sequence[tuple[str, int, Any]], tensors: Sequence[tuple[str, tuple[int, ...], int, int]]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts))
    head += b"".join(_counted(key) + struct.pack("<I", kind) + _fact(kind, value) for key, kind, value in facts)
    values = b""
    for name, lengths, kind, size in tensors:
        head += _counted(name) + struct.pack(f"<I{len(lengths)}QIQ", len(lengths), *lengths, kind, len(values))
        values += bytes(range(1, 64)) * 9 if size > 567 else (bytes(range(1, 64)) * 9)[:size]
        values += bytes(-len(values) % 32)
    return head + bytes(-len(head) % 32) + values


def _fact(kind: int, value: Any) -> bytes:
    if kind == 8:
        return _counted(value)
    if kind == 9:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(_fact(inner, item) for item in items)
    form = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}[kind]
    return struct.pack(f"<{form}", value)


def _counted(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _varint(number: int) -> bytes:
    found = []
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def put(number: int, value: int | str | bytes) -> bytes:
    """Return one field of a protocol buffer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def onnx() -> list[Seed]:
    """Initializers raw, listed and in another file; a constant, a body within a node, a function, a typed input."""
    whole = put(1, 3) + put(1, 2) + put(2, 1) + put(8, "w") + put(9, np.arange(6, dtype="<f4").tobytes())
    listed = put(1, 4) + put(2, 6) + put(8, "n") + put(5, bytes([1, 2, 0x96, 1, 7]))
    narrow = put(1, 3) + put(2, 22) + put(8, "i4") + put(9, b"\x21\x03")
    place = [put(13, put(1, key) + put(2, text)) for key, text in (("location", "a.bin"), ("offset", "4"))]
    outside = put(1, 2) + put(2, 1) + put(8, "far") + b"".join(place) + put(14, 1)
    constant = put(1, "value") + put(5, put(1, 2) + put(2, 7) + put(7, b"\x05\x06"))
    inner = put(1, put(1, "x") + put(2, "y") + put(4, "Relu")) + put(2, "inner") + put(5, listed)
    turned = put(1, "transB") + put(3, 1)
    nodes = [
        put(1, "x") + put(1, "w") + put(2, "y") + put(3, "first") + put(4, "Gemm") + put(5, turned),
        put(2, "c") + put(4, "Constant") + put(5, constant),
        put(1, "c") + put(2, "z") + put(3, "if") + put(4, "If") + put(5, put(1, "then_branch") + put(6, inner)),
    ]
    shape = put(1, put(1, 1)) + put(1, put(2, "batch"))
    value = put(1, "x") + put(2, put(1, put(1, 1) + put(2, shape)))
    function = put(1, "twice") + put(7, put(1, "a") + put(2, "b") + put(4, "Add")) + put(10, "own")

    def model(*initializers: bytes) -> bytes:
        graph = b"".join(put(1, node) for node in nodes) + put(2, "g")
        graph += b"".join(put(5, each) for each in initializers) + put(11, value)
        return (
            put(1, 8) + put(2, "writer") + put(7, graph) + put(8, put(2, 17)) + put(25, function) + put(14, put(1, "k"))
        )

    return [
        Seed.of(model(whole, listed, narrow), "a.onnx"),
        Seed.of(model(whole), "a.onnx"),
        Seed({"a.onnx": model(outside, whole), "a.bin": bytes(32)}, "a.onnx", ("a.onnx",)),
    ]


def _committed(folder: str, *names: str) -> list[Seed]:
    return [Seed.of((TESTS / folder / "files" / name).read_bytes(), name) for name in names]


def pytorch_zip() -> list[Seed]:
    """Archives that PyTorch wrote: checkpoints with an optimizer, views, quantized tensors, a TorchScript program."""
    names = ("parameters_zip.pt", "views_zip.pt", "sgd_zip.pt", "quantized.pt", "adam_zip.pt", "script.pt")
    return [*_committed("pytorch", *names), *map(_deflated, _committed("pytorch", *names[:1]))]


def pytorch_legacy() -> list[Seed]:
    """The older layout, and pickles of NumPy's arrays under every protocol."""
    arrays = {"w": np.arange(6, dtype="f4").reshape(2, 3), "t": np.ones((2, 3), order="F"), "lr": np.float64(0.5)}
    plain = [Seed.of(pickle.dumps(arrays | {"n": [1, None, "x"]}, protocol), "a.pkl") for protocol in (2, 3, 4, 5)]
    return [*_committed("pytorch", "parameters_old.pt", "views_old.pt", "sgd_old.pt", "adam_old.pt"), *plain]


def _deflated(seed: Seed) -> Seed:
    found = io.BytesIO()
    content = seed.files[seed.opened]
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return Seed.of(found.getvalue(), seed.opened)


def hdf5() -> list[Seed]:
    """Files that h5py and Keras wrote, from the earliest superblock to the latest, with every way to lie chunks."""
    plain = _committed("hdf5", "user_block.h5", "paged.h5", "deep.h5", "latest.h5", "earliest.h5")
    return [*plain, *_committed("keras", "keras_2.h5")]


def keras() -> list[Seed]:
    """Archives that Keras wrote, stored and deflated."""
    small = _committed("keras", "half.keras", "older.keras")
    return [*small, _deflated(small[0])]


def npy() -> list[Seed]:
    """One array: both orders, both byte orders, the header's three versions."""
    arrays = [np.arange(6, dtype="<f4").reshape(2, 3), np.ones((2, 3), ">f8", order="F"), np.array(True)]
    return [Seed.of(_npy(array, version), "a.npy") for array in arrays for version in ((1, 0), (2, 0), (3, 0))]


def _npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    found = io.BytesIO()
    np.lib.format.write_array(found, array, version)
    return found.getvalue()


def npz() -> list[Seed]:
    """Archives of arrays, stored and deflated."""
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr(zipfile.ZipInfo("kernel.npy"), _npy(np.arange(6, dtype="f4").reshape(2, 3)), method)
            archive.writestr(zipfile.ZipInfo("turned.npy"), _npy(np.ones((3, 4), order="F")), method)
            archive.writestr(zipfile.ZipInfo("big.npy"), _npy(np.arange(3, dtype=">i2")), method)
        found.append(Seed.of(file.getvalue(), "a.npz"))
    return found


def index() -> list[Seed]:
    """A folder of two parts, an index of them, and a config."""
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    shards = {
        one: _safetensors({"a": ("F32", [2], bytes(8)), "b": ("F16", [1], bytes(2))}, {}),
        two: _safetensors({"c": ("I8", [3], bytes(3))}, {}),
    }
    listing = json.dumps({"metadata": {"total_size": 13}, "weight_map": {"a": one, "b": one, "c": two}}).encode()
    config = b'{"model_type": "tiny", "layers": 1, "scale": Infinity, "deep": {"a": [1, 2]}}'
    name = "model.safetensors.index.json"
    files = {name: listing, "config.json": config, **shards}
    return [Seed(files, "", (name, "config.json", one)), Seed({name: listing, **shards}, name, (name,))]


FORMATS: dict[str, Callable[[], list[Seed]]] = {
    "safetensors": safetensors,
    "gguf": gguf,
    "onnx": onnx,
    "pytorch-zip": pytorch_zip,
    "pytorch-legacy": pytorch_legacy,
    "keras": keras,
    "hdf5": hdf5,
    "npy": npy,
    "npz": npz,
    "index": index,
}
"""Format -> what makes its seeds."""
