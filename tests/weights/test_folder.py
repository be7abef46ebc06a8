import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights import folder as folders
from pondera.weights import safetensors
from pondera.weights.folder import looks_like_index, looks_like_tensorflow, open_folder, open_index, open_tensorflow
from pondera.weights.mapped import map_file
from pondera.weights.open import open as open_file

ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def save(place, **values):
    safetensors.write(place, {name: np.full(3, value, "f4") for name, value in values.items()}, {"format": "pt"})


def index(folder, owners, name="model.safetensors.index.json", **more):
    (folder / name).write_text(json.dumps({"metadata": {"total_size": 36}, "weight_map": owners, **more}))
    return folder / name


@pytest.fixture
def sharded(tmp_path):
    save(tmp_path / ONE, a=1, b=2)
    save(tmp_path / TWO, c=3)
    index(tmp_path, {"c": TWO, "a": ONE, "b": ONE})
    (tmp_path / "config.json").write_text('{"model_type": "tiny", "scale": Infinity}')
    return tmp_path


def numbers(weights):
    return {name: tensor.values()[0] for name, tensor in weights.items()}


def from_index(path):
    view = map_file(path)
    assert looks_like_index(bytes(view[:4096]))
    return open_index(path, view, open_file)


def test_an_index_and_its_files(sharded):
    for weights in (open_folder(sharded, open_file), from_index(sharded / "model.safetensors.index.json")):
        assert list(weights) == ["c", "a", "b"]
        assert numbers(weights) == {"a": 1, "b": 2, "c": 3}
        assert weights.format == "safetensors in 2 files"
        assert weights.files == (sharded / "model.safetensors.index.json", sharded / TWO, sharded / ONE)
        assert not weights["a"].values().flags.owndata
        assert json.loads(json.dumps(weights.metadata)) == {
            "index": {"total_size": 36},
            "shards": {TWO: {"format": "pt"}, ONE: {"format": "pt"}},
            "config": {"model_type": "tiny", "scale": "Infinity"},
        }


def test_tensors_that_no_index_names(sharded):
    index(sharded, {"a": ONE, "c": TWO})
    weights = open_folder(sharded, open_file)
    assert list(weights) == ["a", "c"]
    assert weights.metadata["not_in_index"] == ["b"]
    save(sharded / TWO, c=3, a=5)
    weights = open_folder(sharded, open_file)
    assert numbers(weights) == {"a": 1, "c": 3}
    assert sorted(weights.metadata["not_in_index"]) == ["a", "b"]
    assert weights.metadata["not_in_index_count"] == 2


@pytest.mark.parametrize("number", [1, 2])
def test_files_that_are_missing(sharded, number):
    (sharded / ONE).unlink()
    if number == 2:
        (sharded / TWO).unlink()
    with pytest.raises(ModelFileError) as error:
        open_folder(sharded, open_file)
    said = f"1 file of 2 that it names is missing beside it: {ONE}. Copy it there."
    if number == 2:
        said = f"2 files of 2 that it names are missing beside it: {TWO}, {ONE}. Copy them there."
    assert str(error.value) == f"{sharded / 'model.safetensors.index.json'}: {said}"
    (sharded / "model.safetensors.index.json").unlink()
    if number == 1:
        with pytest.raises(ModelFileError, match=f"of the 2 files of the model 1 file is missing: {ONE}. Copy"):
            open_folder(sharded, open_file)


def test_a_tensor_that_is_missing(sharded):
    index(sharded, {"a": ONE, "c": TWO, "d": TWO})
    with pytest.raises(ModelFileError, match=f"tensor 'd' should be in '{TWO}', which does not have it"):
        open_folder(sharded, open_file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ('{"weight_map"', "cannot be read as JSON: Expecting"),
        ('["weight_map"]', "expected a dictionary as JSON, found"),
        ("{}", "expected a weight_map of tensors and their files, found None"),
        ('{"weight_map": {}}', "expected a weight_map"),
        ('{"weight_map": ["a"]}', "expected a weight_map"),
        ('{"weight_map": {"a": 5}}', "expected a weight_map"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "cannot be read as JSON: the name 'a' occurs twice"),
        ('{"weight_map": ' + "[" * 200_000, "cannot be read as JSON: it is nested too deep"),
        ('{"metadata": ' + "9" * 5000 + "}", "expected a weight_map of tensors and their files"),
        ('{"weight_map": {"a": "../x"}}', "names the file '../x', which is not in its folder"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "which is not in its folder"),
        ('{"weight_map": {"a": "link"}}', "names the file 'link', which is not in its folder"),
        ('{"weight_map": {"a": ""}}', "expected the name of a file beside it, found ''"),
        ('{"weight_map": {"a": "a\\u0000"}}', "expected the name of a file beside it"),
        ('{"weight_map": {"a": "\\ud800"}}', "cannot be read as JSON: it has half of a letter"),
        ('{"weight_map": {"a": "."}}', "names ., which is no file but a folder, a pipe, a device"),
        ('{"weight_map": {"a": "' + "x" * 5000 + '"}}', "1 file of 1 that it names is missing"),
        ('{"weight_map": {"a": "model.safetensors.index.json"}}', "which is an index too"),
        ('{"weight_map": {"a": "notes.txt"}}', "notes.txt: expected a file of weights"),
    ],
    ids=lambda value: value[:60],
)
def test_an_index_that_cannot_be(tmp_path, content, words):
    (tmp_path / "in").mkdir()
    save(tmp_path / "x", a=1)
    (tmp_path / "in" / "link").symlink_to(tmp_path / "x")
    (tmp_path / "in" / "notes.txt").write_text("Nothing.")
    (tmp_path / "in" / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ModelFileError) as error:
        open_folder(tmp_path / "in", open_file)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_absurd_sizes(sharded, monkeypatch):
    for name, words in (
        ("MOST_JSON", "expected JSON of at most 2"),
        ("MOST_CONFIG", "config.json: has 41 bytes; expected JSON of at most 2"),
        ("MOST_SHARDS", "names 2 files; expected at most 1"),
        ("MOST_FILES", "holds more than 1 files"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(folders, name, 2 if words.endswith("2") else 1)
            with pytest.raises(ModelFileError, match=words):
                open_folder(sharded, open_file)


def test_a_pipe_that_an_index_names_is_not_missing(tmp_path):
    os.mkfifo(tmp_path / "a.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "a.safetensors"}}')
    with pytest.raises(ModelFileError, match="is no file but a folder, a pipe"):
        open_folder(tmp_path, open_file)


def test_a_number_that_is_too_long_in_a_config_comes_as_text(sharded):
    (sharded / "config.json").write_text('{"model_type": "tiny", "seed": ' + "9" * 5000 + "}")
    assert open_folder(sharded, open_file).metadata["config"] == {"model_type": "tiny", "seed": "9" * 40}


def test_a_config_that_is_none(sharded):
    (sharded / "config.json").write_text("[1]")
    with pytest.raises(ModelFileError, match=r"config\.json: expected a dictionary as JSON, found \[1\]"):
        open_folder(sharded, open_file)


def test_one_file(tmp_path):
    save(tmp_path / "model.safetensors", a=1)
    save(tmp_path / "model.fp16.safetensors", a=2)
    (tmp_path / "config.json").write_text('{"layers": 1}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"older")
    weights = open_folder(tmp_path, open_file)
    assert numbers(weights) == {"a": 1}
    assert weights.format == "safetensors"
    assert weights.metadata == {"format": "pt", "config": {"layers": 1}}
    assert weights.skipped == ("model.fp16.safetensors", "pytorch_model.bin")
    assert weights.files == (tmp_path / "model.safetensors",)


def test_one_file_of_another_kind(tmp_path):
    np.savez(tmp_path / "weights.npz", a=np.ones(3))
    (tmp_path / "training_args.bin").write_bytes(b"x")
    (tmp_path / "optimizer.pt").write_bytes(b"x")
    assert numbers(open_folder(tmp_path, open_file)) == {"a": 1}
    np.savez(tmp_path / "more.npz", a=np.ones(3))
    with pytest.raises(ModelFileError, match=r"holds several files of weights: more\.npz, weights\.npz\. Give one"):
        open_folder(tmp_path, open_file)


def test_several_files_without_an_index(tmp_path):
    save(tmp_path / "encoder.safetensors", a=1)
    save(tmp_path / "decoder.safetensors", b=2)
    weights = open_folder(tmp_path, open_file)
    assert numbers(weights) == {"a": 1, "b": 2}
    assert weights.metadata == {
        "shards": {name: {"format": "pt"} for name in ("decoder.safetensors", "encoder.safetensors")}
    }
    save(tmp_path / "old.safetensors", b=2)
    with pytest.raises(ModelFileError, match=r"tensor 'b' is both in 'decoder\.safetensors' and in 'old\.safetensors'"):
        open_folder(tmp_path, open_file)


@pytest.mark.parametrize("first", [0, 1])
def test_parts_without_an_index(tmp_path, first):
    for number in range(3):
        np.savez(tmp_path / f"w-{number + first:05}-of-00003.npz", **{f"t{number}": np.full(3, number)})
    weights = open_folder(tmp_path, open_file)
    assert numbers(weights) == {"t0": 0, "t1": 1, "t2": 2}
    assert weights.format == "NumPy .npz in 3 files"
    (tmp_path / f"w-{1 + first:05}-of-00003.npz").unlink()
    with pytest.raises(ModelFileError, match="of the 3 files of the model"):
        open_folder(tmp_path, open_file)


def test_the_cache_of_hugging_face(sharded, tmp_path):
    cache = tmp_path / "models--a--b"
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots" / "1f").mkdir(parents=True)
    for number, name in enumerate([ONE, TWO, "model.safetensors.index.json", "config.json"]):
        (sharded / name).rename(cache / "blobs" / str(number))
        (cache / "snapshots" / "1f" / name).symlink_to(f"../../blobs/{number}")
    weights = open_folder(cache / "snapshots" / "1f", open_file)
    assert numbers(weights) == {"a": 1, "b": 2, "c": 3}
    assert weights.metadata["config"]["model_type"] == "tiny"
    assert numbers(from_index(cache / "snapshots" / "1f" / "model.safetensors.index.json")) == numbers(weights)
    save(tmp_path / "elsewhere", a=1, b=2)
    (cache / "snapshots" / "1f" / ONE).unlink()
    (cache / "snapshots" / "1f" / ONE).symlink_to("../../../elsewhere")
    with pytest.raises(ModelFileError, match="which is not in its folder"):
        open_folder(cache / "snapshots" / "1f", open_file)


@pytest.mark.parametrize(
    ("files", "given", "words"),
    [
        (["_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt"], "", "Orbax"),
        (["_CHECKPOINT_METADATA", "default/_METADATA"], "/default", "Orbax"),
        (["12/default/_METADATA"], "/12/default", "Orbax"),
        (["params/manifest.ocdbt"], "/params", "Orbax"),
        (["checkpoint", "model.ckpt-10.index", "model.ckpt-10.data-00000-of-00001"], "/model.ckpt-10", "TensorFlow"),
        (["saved_model.pb", "variables/variables.index"], "/variables/variables", "TensorFlow"),
        (["ckpt.data-00000-of-00002"], "/ckpt", "TensorFlow"),
        ([".zgroup", "a/.zarray"], "", "Zarr"),
        (["zarr.json"], "", "Zarr"),
        ([".metadata", "__0_0.distcp"], "", "PyTorch"),
        (["pytorch_model_fsdp_0/__0_0.distcp"], "/pytorch_model_fsdp_0", "PyTorch"),
        (["zero_to_fp32.py", "latest"], "", "DeepSpeed"),
    ],
)
def test_folders_that_others_must_read(tmp_path, files, given, words):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelFileError) as error:
        open_folder(tmp_path, open_file)
    said = str(error.value)
    assert f"of {words}, which only {words} reads" in said or f"a Zarr store, which only {words} reads" in said
    assert f"({str(tmp_path) + given!r}" in said
    assert said.count("`") == 4
    assert "\n" not in said
    for line in said.split("`")[1::2]:
        compile(line, "<line>", "exec")


def test_folders_without_weights(tmp_path):
    with pytest.raises(ModelFileError, match=r"such as model\.safetensors; it has no files"):
        open_folder(tmp_path, open_file)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ModelFileError, match=r"such as model\.safetensors; found notes\.txt\."):
        open_folder(tmp_path, open_file)
    for name in ("vae", "unet"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "diffusion_pytorch_model.safetensors", a=1)
    with pytest.raises(
        ModelFileError, match=r"there are models in its folders unet, vae\. Give one of these; .* pondera timeline"
    ):
        open_folder(tmp_path, open_file)
    with pytest.raises(ModelFileError, match="cannot be read: No such file or directory"):
        open_folder(tmp_path / "gone", open_file)


HEADER = b"\x00\x00\x06\x08\x01\x1a\x02\x08\x01"  # the empty key, a value of 6 bytes: one shard, version 1


def test_the_index_of_tensorflow(tmp_path):
    path = tmp_path / "model.ckpt-7.index"
    path.write_bytes(HEADER + bytes(50))
    assert looks_like_tensorflow(HEADER)
    assert looks_like_tensorflow(b"\x00\x00\x08\x08\x01\x10\x01\x1a\x02\x08\x01")
    assert not looks_like_tensorflow(b"\x00\x00\x06\x08")
    assert not looks_like_tensorflow(bytes(60))
    with pytest.raises(ModelFileError, match=r"load_checkpoint\('.*/model\.ckpt-7'\)"):
        open_tensorflow(path, map_file(path))


def test_what_is_an_index():
    assert looks_like_index(b' \n{"metadata": {}, "weight_map": {')
    assert not looks_like_index(b'{"metadata": {}}')
    assert not looks_like_index(b'["weight_map"]')
    assert not looks_like_index(b"")


@given(st.binary(max_size=80))
def test_any_bytes(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "any.index.json"
    for data in (content, b'{"weight_map": ' + content):
        path.write_bytes(data or b" ")
        with pytest.raises(ModelFileError, match=r"\A[^\n]+\Z"):
            open_index(path, map_file(path), open_file)


def test_a_folder_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ModelFileError, match="cannot be read: Permission denied"):
        open_folder(tmp_path, open_file)
