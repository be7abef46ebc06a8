import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import ModelFileError
from pondera.weights.archive import entries_of
from pondera.weights.keras import reader
from pondera.weights.keras.config import layers_of, read_json, summary_of
from pondera.weights.keras.reader import looks_like_keras, open_keras, open_keras_hdf5
from pondera.weights.mapped import map_file
from pondera.weights.tensor import Mapped

FILES = Path(__file__).parent / "files"  # written by make.py there, which needs Keras
EXPECTED = dict(np.load(FILES / "expected.npz"))
SMALL = {name: values for name, values in EXPECTED.items() if not name.startswith(("optimizer:", "half:"))}
ADAM = [values for name, values in EXPECTED.items() if name.startswith("optimizer:")]


def opened(path):
    return (open_keras if path.suffix == ".keras" else open_keras_hdf5)(path, map_file(path))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("small.keras", "Keras .keras"),
        ("small.weights.h5", "Keras 3 .weights.h5"),
        ("small.h5", "Keras HDF5"),
    ],
)
def test_a_trained_model(name, kind):
    weights = opened(FILES / name)
    assert weights.format == kind
    assert set(weights) == set(SMALL)  # named as Keras itself names them
    for path, expected in SMALL.items():
        np.testing.assert_array_equal(weights[path].values(), expected)
        assert weights[path].values().dtype == expected.dtype
    for found, expected in zip(weights.optimizer.values(), ADAM, strict=True):
        np.testing.assert_array_equal(found.values(), expected)
    if kind != "Keras 3 .weights.h5":  # which does not say in which order the layers are
        assert list(weights) == list(SMALL)
        assert weights.metadata["keras_version"].startswith("3.")
        assert weights.metadata["class_name"] == "Functional"
        assert weights.metadata["layers"]["head/first"] == "Dense"
        assert weights.metadata["config"]["config"]["name"] == "small"
    assert json.loads(json.dumps(weights.metadata)) == weights.metadata


def test_the_paths_are_kept():
    paths = opened(FILES / "small.keras").metadata["paths"]
    assert paths["edges/kernel"] == "layers/conv2d/vars/0"
    assert paths["memory/lstm_cell/recurrent_kernel"] == "layers/lstm/cell/vars/1"
    assert paths["head/dense/kernel"] == "layers/sequential/layers/dense_1/vars/0"
    assert paths["adam/27"] == "optimizer/vars/27"


@pytest.mark.parametrize("name", ["half.keras", "older.keras"])
def test_bfloat16_and_names_out_of_the_config(name):
    weights = opened(FILES / name)
    assert list(weights) == ["half/kernel", "half/bias"]
    for path, tensor in weights.items():
        assert tensor.dtype == "bfloat16"
        np.testing.assert_array_equal(tensor.values().astype("f4"), EXPECTED[f"half:sequential/{path}"])


def test_keras_2():
    weights = opened(FILES / "keras_2.h5")
    assert list(weights) == ["dense/kernel:0", "dense/bias:0", "dense_1/kernel:0", "dense_1/bias:0"]
    assert weights["dense_1/kernel:0"].values().tolist() == [[1, 0], [0, 1]]
    assert weights.metadata["keras_version"] == "2.11.0"


def test_a_weight_that_is_not_there(tmp_path):
    path = tmp_path / "a.h5"
    content = (FILES / "keras_2.h5").read_bytes()
    assert content.count(b"dense_1/kernel:0") == 1  # in the list; the dataset itself lies in a group dense_1
    path.write_bytes(content.replace(b"dense_1/kernel:0", b"dense_1/kernel:9"))
    with pytest.raises(
        ModelFileError, match="'dense_1' should have the weight 'dense_1/kernel:9', which the file does not"
    ):
        opened(path)


def zipped(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def unzipped(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_stored_values_are_mapped_and_deflated_ones_unpacked(tmp_path, monkeypatch):
    view = map_file(FILES / "small.keras")
    tensor = open_keras(FILES / "small.keras", view)["edges/kernel"]
    assert isinstance(tensor.source, Mapped)
    assert tensor.source.buffer.obj is view.obj
    path = zipped(tmp_path / "a.keras", unzipped(FILES / "small.keras"), zipfile.ZIP_DEFLATED)
    np.testing.assert_array_equal(opened(path)["edges/kernel"].values(), tensor.values())
    monkeypatch.setattr(reader, "MOST_UNPACKED", 1000)
    with pytest.raises(ModelFileError, match=r"up to 1,000 are unpacked into memory\. Unzip the archive"):
        opened(path)


@pytest.mark.parametrize(
    "config", [b"", b"[", b"[]", b'{"config": 5}', b'{"config": {"layers": [5, {}]}}', b"\xff" * 9]
)
def test_a_config_that_says_nothing(tmp_path, config):
    path = zipped(tmp_path / "a.keras", unzipped(FILES / "half.keras") | {"config.json": config})
    assert list(opened(path)) == ["half/kernel", "half/bias"]  # from the attributes beside the weights


def test_names_that_do_not_differ(tmp_path):
    entries = unzipped(FILES / "small.keras")
    changed = entries["model.weights.h5"].replace(b"first\0", b"dense\0").replace(b"norm\0", b"last\0")
    weights = opened(zipped(tmp_path / "a.keras", entries | {"model.weights.h5": changed}))
    assert {"layers/sequential/layers/dense/vars/0", "layers/sequential/layers/dense_1/vars/0"} <= set(weights)
    assert len(weights) == len(SMALL)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"config.json": b"{}"}, "expected 'model.weights.h5' in the Keras archive, found 'no weights'"),
        ({"metadata.json": b"{}", "model.weights.npz": b""}, "found 'model.weights.npz'. Load the model with Keras"),
        ({"metadata.json": b"{}", "model.weights.h5": b"text"}, "expected an HDF5 file, found something else"),
    ],
)
def test_archives_without_weights(tmp_path, entries, words):
    path = zipped(tmp_path / "a.keras", entries)
    assert looks_like_keras(path.read_bytes()[:4096])
    with pytest.raises(ModelFileError, match=words):
        opened(path)


def test_other_archives_are_not_taken():
    assert not looks_like_keras(b"PK\x03\x04" + bytes(22) + b"\x05\x00\x00\x00a.npy")
    assert not looks_like_keras(b"")


def test_other_hdf5_files_keep_their_paths():
    path = FILES.parent.parent / "hdf5" / "files" / "user_block.h5"
    assert list(opened(path)) == ["a/b"]
    assert opened(path).format == "HDF5"


def test_configs_are_walked_only_so_far():
    config = {"class_name": "Dense", "config": {"name": "x"}}
    for _ in range(100):
        config = {"class_name": "Model", "config": {"name": "\ud800", "layers": [config]}}
    assert len(layers_of(config)) == 33
    assert summary_of(config)["layers"]["?"] == "Model"
    assert read_json("[" * 100_000) == {}
    assert read_json('{"a": ' + "[" * 300 + "]" * 300 + "}") == {}
    assert read_json('{"a": "' + "a" * (1 << 22) + '"}') == {}


ENTRY = {name: entries_of(FILES / name, map_file(FILES / name))["model.weights.h5"] for name in ["half.keras"]}


@pytest.mark.parametrize("name", ["half.keras", "small.weights.h5", "small.h5", "keras_2.h5"])
@given(st.data())
def test_changed_bytes(tmp_path_factory, name, data):
    content = bytearray((FILES / name).read_bytes())
    first, last = (ENTRY[name].start, ENTRY[name].start + ENTRY[name].packed) if name in ENTRY else (0, len(content))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(first, last - 8))
        new = data.draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 8, bytes(8), b"\xff"])))
        content[place : place + len(new)] = new
    path = tmp_path_factory.mktemp("changed") / f"a{Path(name).suffix}"
    path.write_bytes(content)
    try:
        weights = opened(path)
    except ModelFileError:
        return
    json.dumps(dict(weights.metadata))
    for tensor in [*weights.values(), *weights.optimizer.values()]:
        try:
            assert tensor.values().shape == tensor.shape
        except ModelFileError:
            continue
