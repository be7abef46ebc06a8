import gc
import importlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import pondera
from pondera.errors import ModelFileError
from pondera.weights.collection import Weights
from pondera.weights.cut import SUPPORTED
from pondera.weights.mapped import (
    MOST_TENSORS,
    beside,
    check_whole,
    checked_count,
    checked_range,
    checked_shape,
    map_file,
    mapped_so_far,
)
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import Mapped, Tensor


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


linux = pytest.mark.skipif(not SUPPORTED, reason="elsewhere it ends the process")


@linux
@pytest.mark.parametrize("encoded", [False, True])
def test_a_file_that_is_cut_while_it_is_looked_at_is_an_error_and_no_crash(tmp_path, encoded):
    path = tmp_path / "w"
    path.write_bytes(b"\x01" * (1 << 20))
    view = map_file(path)
    source = Blocks(view, 8, ENCODINGS["Q8_0"], 32_000) if encoded else Mapped(view, 8, np.dtype("f4"), 200_000)
    weights = Weights.of([Tensor("w", (source.count,), "float32", source)], "none", files=(path,))
    before = source.flat(0, source.count)
    os.truncate(path, 4096)
    if not encoded:
        assert before[100] == np.frombuffer(b"\x01" * 4, "f4")[0]
        assert not before[2000:].any()  # what is gone
    for start in (0, 16_000):
        with pytest.raises(ModelFileError, match=f"{path}: became shorter while it was read"):
            source.flat(start, start + 16_000)
    path.write_bytes(b"\x01" * (1 << 20))  # longer again: what was seen in between is no less wrong
    os.utime(path, (0, 0))  # the clock of a file system may tick slower than this test
    with pytest.raises(ModelFileError, match="became shorter" if not encoded else "was written to"):
        weights.require_whole()


@linux
def test_what_was_cut_is_known_when_its_mapping_is_gone(tmp_path):
    path, before = tmp_path / "w", mapped_so_far()
    path.write_bytes(b"\x01" * (1 << 20))
    seen = np.frombuffer(map_file(path), np.uint8)
    os.truncate(path, 4096)
    assert not seen[5000]
    del seen
    with pytest.raises(ModelFileError, match="became shorter"):
        check_whole([path], before)
    check_whole([path], mapped_so_far())  # what is opened from now on has seen nothing of it


def test_a_file_that_is_written_anew_can_be_read_beside_an_old_reading(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, np.ones((600, 600)))
    old = pondera.read(path)
    np.save(path, np.ones((300, 600)))  # in its place
    assert pondera.read(path).statistics["w"].count == 180_000
    with pytest.raises(ModelFileError, match="became shorter"):
        old.weights["w"].values()
    np.save(tmp_path / "new.npy", np.ones((700, 600)))
    os.replace(tmp_path / "new.npy", path)
    assert pondera.read(path).statistics["w"].count == 420_000


def test_a_file_that_is_written_to_is_no_more_to_be_believed(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, np.ones(1000))
    opened = pondera.open(path)
    np.save(path, np.zeros(1000))
    os.utime(path, (0, 0))  # the clock of a file system may tick slower than this test
    with pytest.raises(ModelFileError, match="was written to while it was read"):
        opened.require_whole()
    with pytest.raises(ModelFileError, match="was written to while it was read"):
        opened["w"].values()


LAST = {
    "pondera.reading.read.bandwidth_of": pondera.read,
    "pondera.reading.comparison.whole.findings_of": lambda path: pondera.compare(path, path),
    "pondera.reading.timeline.timeline.findings_of": lambda path: pondera.timeline(path.parent),
}
"""What is done last, when all values were looked at."""


@pytest.mark.parametrize("last", LAST)
def test_whatever_looked_at_a_file_asks_in_the_end_whether_it_was_cut(tmp_path, monkeypatch, last):
    for name in ("step-1.npz", "step-2.npz"):
        np.savez(tmp_path / name, w=np.random.default_rng(0).normal(size=(600, 600)))
    module, _, name = last.rpartition(".")
    cut = lambda *_, **__: os.truncate(tmp_path / "step-1.npz", 4096)  # noqa: E731
    monkeypatch.setattr(importlib.import_module(module), name, cut)
    with pytest.raises(ModelFileError, match="became shorter while it was read"):
        LAST[last](tmp_path / "step-1.npz")


def test_a_file_that_is_cut_is_not_converted(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, np.ones((2000, 600)))
    with pytest.raises(ModelFileError, match="became shorter while it was read"):
        pondera.convert(path, tmp_path / "out.npz", progress=lambda _: os.truncate(path, 4096))
    assert sorted(tmp_path.iterdir()) == [path]


OTHERS = """
import mmap, os, signal, sys
from pathlib import Path
import pondera
from pondera.weights.mapped import map_file
if sys.argv[2] == "handled":
    signal.signal(signal.SIGBUS, lambda *_: os._exit(7))
ours = map_file(Path(sys.argv[1]))
if sys.argv[2] == "fault":
    with open(sys.argv[1], "r+b") as file:
        theirs = mmap.mmap(file.fileno(), 0)
        file.truncate(0)
    theirs[0]
os.kill(os.getpid(), signal.SIGBUS)
signal.pause()
"""


AFTER = """
import faulthandler, os, signal, sys
from pathlib import Path
import pondera
from pondera.weights.mapped import map_file
first = map_file(Path(sys.argv[1]))
heard = []
if sys.argv[2] == "faulthandler":
    faulthandler.enable()
elif sys.argv[2] == "python":
    signal.signal(signal.SIGBUS, lambda *_: heard.append(1))
second = map_file(Path(sys.argv[1]))
if sys.argv[2] == "python":
    os.kill(os.getpid(), signal.SIGBUS)
    assert heard
os.truncate(sys.argv[1], 0)
assert first[5000] == second[5000] == 0 and first.obj.cut and second.obj.cut
print("whole")
"""


@linux
@pytest.mark.parametrize("how", ["alone", "faulthandler", "python"])
def test_who_handles_bus_errors_since_does_not_end_the_protection(tmp_path, how):
    (tmp_path / "w").write_bytes(bytes(8192))
    command = [sys.executable, "-c", AFTER, str(tmp_path / "w"), how]
    found = subprocess.run(command, check=False, timeout=100, capture_output=True, text=True)
    assert (found.stdout, found.stderr) == ("whole\n", "")


@linux
@pytest.mark.parametrize(("how", "expected"), [("kill", -signal.SIGBUS), ("fault", -signal.SIGBUS), ("handled", 7)])
def test_other_bus_errors_are_as_they_were(tmp_path, how, expected):
    (tmp_path / "w").write_bytes(bytes(8192))
    found = subprocess.run([sys.executable, "-c", OTHERS, str(tmp_path / "w"), how], check=False, timeout=100)
    assert found.returncode == expected


def test_files_are_closed_with_their_mappings(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    views = [map_file(tmp_path / "a") for _ in range(20)]
    assert [bytes(view) for view in views] == [b"abc"] * 20
    del views
    gc.collect()
    assert before is None or len(os.listdir("/proc/self/fd")) <= before
