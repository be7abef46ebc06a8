import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pondera import files
from pondera.errors import ModelFileError
from pondera.files import whole_file
from pondera.weights.open import open as open_weights
from pondera.weights.safetensors import read, write

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool"]


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8).filter(
            lambda n: n != "__metadata__"
        ),
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0))
        ),
        max_size=4,
    ),
    st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
)
def test_round_trip(tmp_path_factory, tensors, texts):
    path = tmp_path_factory.mktemp("round") / "a.safetensors"
    write(path, tensors, texts)
    again, metadata = read(path)
    assert metadata == texts
    assert set(again) == set(tensors)
    for name, array in tensors.items():
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        assert again[name].tobytes() == array.tobytes()


def test_other_readers_understand_it(tmp_path):
    tensors = {"a.b": np.arange(6.0).reshape(2, 3), "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3))[:, ::-1]}
    write(tmp_path / "a.safetensors", tensors, {"x": "y"})
    again = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    for name, array in tensors.items():
        np.testing.assert_array_equal(again[name], array)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "is a folder, not a file"),
        (lambda path: path.write_bytes(b""), "is empty: expected a file of weights"),
        (lambda path: path.write_bytes(b"\x80\x04\x95"), "found something else. Give"),
        (lambda path: path.write_bytes(b"\xff" * 100), "found something else. Give"),
        (lambda path: path.write_text("age,income\n1,2\n"), "found a text. Give"),
    ],
)
def test_what_cannot_be_read(tmp_path, make, words):
    make(tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match=words) as error:
        read(tmp_path / "a.safetensors")
    assert str(tmp_path / "a.safetensors") in str(error.value)


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"\A[^\n]+\Z"):
        read(path)


@pytest.mark.parametrize("place", ["nowhere/a.safetensors", "file/a.safetensors"])
def test_places_that_cannot_be_written_to(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match=r"cannot be written: (No such file or directory|Not a directory)"):
        write(tmp_path / place, {"a": np.ones(1)}, {})


def test_a_folder_of_that_name(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ModelFileError, match="cannot be written"):
        write(tmp_path / "a", {"a": np.ones(1)}, {})
    assert os.listdir(tmp_path) == ["a"]


def test_permissions_follow_the_umask(tmp_path):
    mask = os.umask(0o027)
    try:
        write(tmp_path / "a", {"a": np.ones(1)}, {})
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("broken", ["pathlib.Path.replace", "os.fsync", "pondera.weights.safetensors.save_file"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("broke"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch, broken, error):
    path = tmp_path / "a.safetensors"
    write(path, {"a": np.zeros(3)}, {"n": "old"})
    before = path.read_bytes()

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(broken, fail)
        with pytest.raises(ModelFileError if isinstance(error, OSError) else type(error)) as raised:
            write(path, {"a": np.ones(3)}, {"n": "new"})
        if isinstance(error, OSError):
            assert str(raised.value) == f"{path}: cannot be written: No space left on device."
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.safetensors"]
    write(path, {"a": np.ones(3)}, {"n": "new"})
    assert read(path)[1] == {"n": "new"}


def test_a_writer_that_raises_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a") as part:  # noqa: PT012
        part.write_text("half")
        assert part.parent == tmp_path
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    with whole_file(tmp_path / "a") as part:
        part.write_text("whole")
    assert (tmp_path / "a").read_text() == "whole"
    assert os.listdir(tmp_path) == ["a"]


SAVE_FOREVER = textwrap.dedent("""
    import itertools, sys
    import numpy as np
    from pondera.weights.safetensors import write
    for n in itertools.count(1):
        write(sys.argv[1], {"a": np.full(200_000, n)}, {"n": str(n)})
        print(n, flush=True)
""")


def test_killed_while_saving(tmp_path):
    path = tmp_path / "a.safetensors"
    for attempt in range(5):
        with subprocess.Popen([sys.executable, "-c", SAVE_FOREVER, path], stdout=subprocess.PIPE) as child:
            for _ in range(1 + attempt):
                saved = int(child.stdout.readline())
            time.sleep(0.001 * attempt)  # into the next one, wherever in it that is
            child.send_signal(signal.SIGKILL)
        tensors, texts = read(path)
        assert (tensors["a"] == int(texts["n"])).all()
        assert tensors["a"].shape == (200_000,)
        assert int(texts["n"]) >= saved


def test_reading_weights_needs_no_jax():
    code = "import sys, pondera.weights.safetensors; assert not {'jax', 'sklearn', 'polars'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", ["", ".", "/", "..", "a\0b"])
def test_paths_that_name_no_file(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFileError, match=r"cannot be written: .+\.$"):
        write(path, {"a": np.ones(1)}, {})
    assert os.listdir(tmp_path) == []


def test_folders_are_not_flushed_where_that_is_impossible(tmp_path, monkeypatch):
    really = os.open

    def no_folders(path, flags, *more, **others):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied")
        return really(path, flags, *more, **others)

    monkeypatch.setattr(os, "open", no_folders)
    with pytest.raises(ModelFileError, match="Permission denied"):
        write(tmp_path / "a", {"a": np.ones(1)}, {})
    monkeypatch.setattr(files, "FLUSHES_FOLDERS", False)
    write(tmp_path / "a", {"a": np.ones(1)}, {})
    assert read(tmp_path / "a")[0]["a"].tolist() == [1]


def test_a_length_that_lies_is_told_as_that(tmp_path):
    path = tmp_path / "lies.safetensors"
    path.write_bytes(
        (2**60).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' + bytes(4)
    )
    with pytest.raises(ModelFileError, match="expected a safetensors file, found"):
        open_weights(path)
