import gzip
import pickletools
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pondera.weights.open import open as open_weights
from pondera.weights.tensor import DTYPES, Mapped, Tensor
from pondera.weights.writing.convert import convert
from pondera.weights.writing.outgoing import Outgoing
from pondera.weights.writing.pickles import pickle_of, steps_of

FILES = Path(__file__).parent / "files"


def outgoing(name, shape, dtype):
    values = np.zeros(shape, DTYPES[dtype])
    source = Mapped(memoryview(values.tobytes()), 0, values.dtype, values.size)
    return Outgoing(Tensor(name, shape, dtype, source), dtype)


@pytest.mark.parametrize(
    ("name", "tensors"),
    [
        ("none", []),
        ("one", [outgoing("only", (300,), "float8_e5m2")]),
        (
            "many",
            [
                *(outgoing(f"t{index}", (1,), "uint8") for index in range(1001)),
                outgoing("long", (70_000,), "bool"),
            ],
        ),
    ],
)
def test_pickles_are_those_of_torch(name, tensors):
    assert pickle_of(tensors) == gzip.decompress((FILES / f"{name}.pkl.gz").read_bytes())


def test_archives_are_those_of_torch(tmp_path):
    weights = open_weights(FILES / "kinds.pt")
    assert {tensor.dtype for tensor in weights.values()} == set(DTYPES)
    done = convert(weights, tmp_path / "kinds.pt")
    assert done.notes == ()
    assert (done.tensors, done.bytes) == (len(weights), (tmp_path / "kinds.pt").stat().st_size)
    with zipfile.ZipFile(FILES / "kinds.pt") as theirs, zipfile.ZipFile(tmp_path / "kinds.pt") as ours:
        assert ours.testzip() is None
        names = [name.replace("kinds/", "archive/", 1) for name in theirs.namelist()]
        assert ours.namelist() == names
        for name, other in zip(names, theirs.namelist(), strict=True):
            expected = theirs.read(other)
            if name == "archive/.data/serialization_id":
                assert len(ours.read(name)) == len(expected) == 40
                assert ours.read(name).isdigit()
            else:
                assert ours.read(name) == expected


def test_values_are_aligned(tmp_path):
    convert(open_weights(FILES / "kinds.pt"), tmp_path / "kinds.pt")
    content = (tmp_path / "kinds.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "kinds.pt") as archive:
        for info in archive.infolist():
            header = content[info.header_offset : info.header_offset + 30]
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            assert (info.header_offset + 30 + lengths) % 64 == 0
            assert info.compress_type == zipfile.ZIP_STORED


@pytest.mark.parametrize(
    ("shape", "steps"), [((), ()), ((7,), (1,)), ((2, 3), (3, 1)), ((0, 3), (3, 1)), ((2, 0, 3), (3, 3, 1))]
)
def test_steps(shape, steps):  # as torch.empty(shape).stride() has them
    assert steps_of(shape) == steps


def test_long_numbers():
    source = Mapped(memoryview(b""), 0, DTYPES["uint8"], 1 << 40)
    written = pickle_of([Outgoing(Tensor("w", (1 << 8, 1 << 32), "uint8", source), "uint8")])
    numbers = [argument for _, argument, _ in pickletools.genops(written) if type(argument) is int]
    assert 1 << 40 in numbers
    assert numbers.count(1 << 32) == 2  # the length of the last axis, the step of the first
