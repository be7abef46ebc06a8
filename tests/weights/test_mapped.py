import gc
import os

import numpy as np
import pytest

from pondera.errors import ModelFileError
from pondera.weights.mapped import (
    MOST_TENSORS,
    READ,
    beside,
    bytes_of,
    checked_count,
    checked_range,
    checked_shape,
    map_file,
)
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import Mapped


def test_files_are_mapped(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert bytes(map_file(tmp_path / "a")[1:]) == b"bc"


def test_what_cannot_be_mapped(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    for name, sentence in {
        "nowhere": "there is no such file",
        "empty": "is empty: expected a file of weights",
        "pipe": "is a pipe or device",
        "": "is a folder, not a file",
        "a" * 300: "cannot be read: File name too long",
    }.items():
        with pytest.raises(ModelFileError, match=rf"^[^:]*: {sentence}"):
            map_file(tmp_path / name)


def test_neighbours(tmp_path):
    (tmp_path / "sub").mkdir()
    assert beside(tmp_path / "index.json", "sub/a.bin") == (tmp_path / "sub" / "a.bin").resolve()
    (tmp_path / "link").symlink_to("/etc")
    for name in ("/etc/passwd", "../a", "sub/../../a", "link/passwd", "", "a\x00b", 3, None, "..\\a"):
        with pytest.raises(ModelFileError, match=r"which is not in its folder|expected the name of a file"):
            beside(tmp_path / "index.json", name)


def test_links_of_a_cache(tmp_path):
    snapshot = tmp_path / "models--a--b" / "snapshots" / "1f"
    (snapshot / "onnx").mkdir(parents=True)
    (tmp_path / "models--a--b" / "blobs").mkdir()
    (tmp_path / "models--a--b" / "blobs" / "77").write_bytes(b"values")
    (tmp_path / "models--a--b" / "refs").mkdir()
    (tmp_path / "models--a--b" / "refs" / "main").write_bytes(b"1f")
    (snapshot / "a.bin").symlink_to("../../blobs/77")
    (snapshot / "onnx" / "b.bin").symlink_to("../../../blobs/77")
    (snapshot / "c.bin").symlink_to("../../refs/main")
    assert beside(snapshot / "index.json", "a.bin").read_bytes() == b"values"
    assert beside(snapshot / "onnx" / "model.onnx", "b.bin") == snapshot / "onnx" / "b.bin"
    assert beside(snapshot / "index.json", "onnx/b.bin").read_bytes() == b"values"
    for name in ("c.bin", "../../blobs/77", str(tmp_path / "models--a--b" / "blobs" / "77")):
        with pytest.raises(ModelFileError, match="which is not in its folder"):
            beside(snapshot / "index.json", name)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "d.bin").symlink_to(snapshot / "a.bin")
    with pytest.raises(ModelFileError, match="which is not in its folder"):
        beside(tmp_path / "other" / "index.json", "d.bin")


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ModelFileError, match="names the file 'a', a link that leads in a circle"):
        beside(tmp_path / "index.json", "a")
    with pytest.raises(ModelFileError, match="cannot be read: Too many levels of symbolic links"):
        map_file(tmp_path / "a")


def test_claims(tmp_path):
    assert checked_shape(tmp_path, "w", [2, 0, 3]) == (2, 0, 3)
    assert checked_shape(tmp_path, "w", []) == ()
    for shape in ([-1], [1.5], [True], ["2"], [2**62], [2**40, 2**40], [1] * 65):
        with pytest.raises(ModelFileError, match=r"'w'"):
            checked_shape(tmp_path, "w", shape)
    checked_range(tmp_path, "w", 0, 0, 0)
    for start, stop in ((-1, 2), (3, 2), (0, 11)):
        with pytest.raises(ModelFileError, match=r"'w' would lie at bytes"):
            checked_range(tmp_path, "w", start, stop, 10)
    checked_count(tmp_path, MOST_TENSORS)
    with pytest.raises(ModelFileError, match=r"holds 500,001 tensors; expected at most 500,000"):
        checked_count(tmp_path, MOST_TENSORS + 1)


@pytest.mark.parametrize("encoded", [False, True])
def test_a_file_that_is_cut_while_it_is_read_is_an_error_and_no_crash(tmp_path, encoded):
    path = tmp_path / "w"
    path.write_bytes(bytes(1 << 20))
    view = map_file(path)
    source = Blocks(view, 8, ENCODINGS["Q8_0"], 32_000) if encoded else Mapped(view, 8, np.dtype("f4"), 200_000)
    before = source.flat(0, 16_000)
    os.truncate(path, 4096)
    assert not before.any()  # what was read stays
    for start in (0, 16_000):
        with pytest.raises(ModelFileError, match=f"{path}: became shorter while it was read"):
            source.flat(start, start + 16_000)


def test_many_bytes_are_a_view_and_few_are_read(tmp_path):
    path = tmp_path / "w"
    path.write_bytes(bytes(READ + 4096))
    view = map_file(path)[1:]
    few, many = bytes_of(view, 3, 10), bytes_of(view, 3, READ + 1)
    with path.open("r+b") as file:
        file.seek(4)
        file.write(b"\x07")
    assert (few[0], many[0], bytes_of(view, 3, 1)[0]) == (0, 7, 7)
    assert not few.flags.writeable
    assert not many.flags.writeable
    os.truncate(path, 4096)
    with pytest.raises(ModelFileError, match="became shorter"):
        bytes_of(view, 3, READ + 1)


def test_files_are_closed_with_their_mappings(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    views = [map_file(tmp_path / "a") for _ in range(20)]
    assert [bytes(bytes_of(view, 0, 3)) for view in views] == [b"abc"] * 20
    del views
    gc.collect()
    assert before is None or len(os.listdir("/proc/self/fd")) <= before
