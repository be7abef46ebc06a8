import json
import os
import pickle
import struct
import subprocess
import sys
import textwrap

import numpy as np
import polars as pl
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import pondera
from pondera.errors import ModelFileError
from pondera.model import file as file_module
from pondera.model.file import DIGEST_KEY, FORMAT_KEY, KEY, load, save
from pondera.model.model import Model
from pondera.model.settings import Settings
from pondera.model.train import train
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.weights.safetensors import read

ROWS = 24
RANDOM = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "size": RANDOM.normal(size=ROWS),
        "colour": (["red", "green", None, "blue"] * ROWS)[:ROWS],
        "new": ([True, False, False] * ROWS)[:ROWS],
        "sold": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, ROWS), eager=True),
    }
)
LABELS = {
    "text": ["no", "yes", "può darsi"],
    "whole": [-7, 0, 12],
    "truth": [False, True],
    "float": [0.5, 1.0, 2.25],
}
SMALL = {"recipe": "plain", "hidden": (4,), "epochs": 2}


def model_of(kind, **settings):
    if kind == "regression":
        target, task = pl.Series("price", np.sin(FRAME["size"].to_numpy()) * 100), "regression"
    else:
        target, task = pl.Series("class", (LABELS[kind] * ROWS)[:ROWS]), "classification"
    return train(FRAME, target, task, Settings(**{**SMALL, **settings})).model


@pytest.fixture(scope="module")
def models():
    """One of each: every type of label, numbers, float64, several networks, the other recipe."""
    return {
        **{kind: model_of(kind) for kind in LABELS},
        "regression": model_of("regression"),
        "wide": model_of("regression", dtype="float64", recipe="strong"),
        "several": model_of("text", seeds=3),
    }


def predictions(model):
    return model.predictions(model.inputs(FRAME)[0])


def labels(model):
    return model.labels(predictions(model))


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        save(model, place / f"{name}.pondera", {"parameters": {"epochs": 2}})
        np.save(place / f"{name}.npy", predictions(model))
    return place


KINDS = [*LABELS, "regression", "wide", "several"]


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind, models, folder):
    again, estimator = load(folder / f"{kind}.pondera")
    model = models[kind]
    assert estimator == {"parameters": {"epochs": 2}}
    np.testing.assert_array_equal(predictions(again), predictions(model))
    np.testing.assert_array_equal(labels(again), labels(model))
    assert labels(again).dtype == labels(model).dtype
    assert again.architecture == model.architecture
    assert again.encoding == model.encoding
    assert again.target == model.target
    assert again.loss == model.loss
    assert again.record == json.loads(json.dumps(dict(model.record)))
    assert list(again.weights) == list(model.weights)
    for name, value in model.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)
        assert again.weights[name].dtype == value.dtype


@pytest.mark.parametrize("kind", LABELS)
def test_labels_keep_their_type(kind, folder):
    again, _ = load(folder / f"{kind}.pondera")
    assert set(labels(again).tolist()) <= set(LABELS[kind])
    assert {type(label) for label in labels(again).tolist()} == {type(LABELS[kind][0])}


def test_a_new_process_predicts_bit_for_bit(folder):
    code = textwrap.dedent("""
        import sys
        import numpy as np, polars as pl
        from pathlib import Path
        from pondera.model.file import load
        frame = pl.read_parquet(sys.argv[1])
        for path in sorted(Path(sys.argv[2]).glob("*.pondera")):
            model, _ = load(path)
            expected = np.load(path.with_suffix(".npy"))
            found = model.predictions(model.inputs(frame)[0])
            assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes(), path
            print(path.stem)
    """)
    FRAME.write_parquet(folder / "frame.parquet")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, folder / "frame.parquet", folder],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_readers_read_the_weights(kind, models, folder):
    plain = safetensors.numpy.load_file(folder / f"{kind}.pondera")
    assert set(plain) == set(models[kind].weights)
    for name, value in models[kind].weights.items():
        np.testing.assert_array_equal(plain[name], value)


def test_saving_twice_gives_the_same_content(models, folder, tmp_path):
    save(models["text"], tmp_path / "again", {"parameters": {"epochs": 2}})
    (one, texts), (other, same_texts) = read(tmp_path / "again"), read(folder / "text.pondera")
    assert texts == same_texts
    assert {name: array.tobytes() for name, array in one.items()} == {
        name: array.tobytes() for name, array in other.items()
    }


# ------------------------------------------------------------------------------------------------ hostile files


def refused(path):
    """The file is refused by one sentence that names it, and by no other error."""
    with pytest.raises(ModelFileError) as error:
        pondera.load(path)
    sentence = str(error.value)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_truncated(folder, tmp_path):
    whole = (folder / "text.pondera").read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    cuts = {*range(12), header - 1, header, header + 1, len(whole) - 1, *np.linspace(0, len(whole) - 1, 40, dtype=int)}
    for cut in cuts:
        (tmp_path / "cut").write_bytes(whole[:cut])
        refused(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(whole + b"\0")
    refused(tmp_path / "cut")


@given(st.data())
def test_flipped_bits(folder, models, tmp_path_factory, data):
    content = bytearray((folder / "several.pondera").read_bytes())
    header = 8 + struct.unpack("<Q", content[:8])[0]
    low, high = data.draw(st.sampled_from([(0, 8), (8, header), (8, header), (header, len(content))]))
    for _ in range(data.draw(st.integers(1, 2))):
        content[data.draw(st.integers(low, high - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flipped") / "model"
    path.write_bytes(content)
    try:
        model, _ = load(path)
    except ModelFileError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
    else:  # flipped there and back, or in the spaces that fill up the header
        np.testing.assert_array_equal(predictions(model), predictions(models["several"]))


class Bomb:
    """What a pickle would run."""

    def __reduce__(self):
        return os.mkdir, (os.environ["BOMB"],)


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.setenv("BOMB", str(tmp_path / "went off"))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "model").write_bytes(pickle.dumps(Bomb(), protocol))
        refused(tmp_path / "model")
    np.savez(tmp_path / "model.npz", a=np.array([Bomb()], dtype=object))
    refused(tmp_path / "model.npz")
    assert not (tmp_path / "went off").exists()


def test_missing_empty_folder(tmp_path):
    assert "there is no such file" in refused(tmp_path / "nowhere")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty")


def test_weights_of_another_program(tmp_path):
    safetensors.numpy.save_file({"w": np.ones(3)}, tmp_path / "foreign", metadata={"format": "pt"})
    assert "expected a model that Pondera trained, found a safetensors file of 1 tensor without" in refused(
        tmp_path / "foreign"
    )


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "F16", "U64"])
def test_weights_of_types_that_numpy_may_not_have(tmp_path, dtype):
    size = {"BF16": 2, "F16": 2, "U64": 8}.get(dtype, 1)
    header = json.dumps({"a": {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * size]}}).encode()
    (tmp_path / "foreign").write_bytes(struct.pack("<Q", len(header)) + header + bytes(2 * size))
    refused(tmp_path / "foreign")


def rewritten(source, path, change, **texts):
    """Copy a model file with its description changed and the digest made to agree."""
    with safetensors.safe_open(source, framework="numpy") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata())
    description = change(json.loads(metadata[KEY]))
    metadata[KEY] = description if isinstance(description, str) else json.dumps(description)
    metadata[DIGEST_KEY] = file_module._digest(metadata[KEY], weights)
    safetensors.numpy.save_file(weights, path, metadata=metadata | texts)


def test_a_later_version(folder, tmp_path):
    rewritten(folder / "text.pondera", tmp_path / "later", lambda d: d, **{FORMAT_KEY: "2"})
    sentence = refused(tmp_path / "later")
    assert "expected a model file of version 1, found version '2'" in sentence
    assert "upgrade Pondera" in sentence


def test_an_edited_description(folder, tmp_path):
    rewritten(folder / "text.pondera", tmp_path / "edited", lambda d: d, **{DIGEST_KEY: "0" * 64})
    assert "the digest differs" in refused(tmp_path / "edited")


def test_rewriting_alone_changes_nothing(folder, models, tmp_path):
    rewritten(folder / "text.pondera", tmp_path / "same", lambda d: d)
    np.testing.assert_array_equal(predictions(load(tmp_path / "same")[0]), predictions(models["text"]))


@pytest.mark.parametrize(
    "description",
    ["", "null", "[]", "5", '"text"', "{}", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, "NaN", "{" * 10],
    ids=lambda text: f"{text[:6]} {len(text)}",
)
def test_descriptions_that_are_none(description, folder, tmp_path):
    rewritten(folder / "text.pondera", tmp_path / "bad", lambda _: description)
    refused(tmp_path / "bad")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("text", "networks", 0),
        ("text", "networks", 10**12),
        ("text", "networks", True),
        ("several", "networks", 4),
        ("text", "architecture", {"inputs": 3, "layers": []}),
        ("text", "architecture", {"inputs": 10**18, "layers": [{"kind": "dense", "units": 10**18}]}),
        ("text", "loss", "hubber"),
        ("text", "loss", {"name": "huber", "delta": "x"}),
        ("text", "estimator", None),
        ("text", "record", 5),
        ("text", "encoding", {"columns": [], "constant_columns": []}),
        ("text", "scaling", {}),
        ("text", "target", {"values": 5}),
        ("text", "task", "regression"),
        ("regression", "task", "classification"),
        ("text", "target", {"values": []}),
        ("text", "target", {"values": ["a"]}),
        ("text", "target", {"values": ["a", "b"]}),
        ("text", "target", {"values": ["a", "b", "b"]}),
        ("text", "target", {"values": ["a", "b", 3]}),
        ("text", "target", {"values": ["a", "b", None]}),
        ("text", "target", {"values": ["a", "b", "c", "d"]}),
        ("text", "loss", "squared_error"),
        ("text", "loss", "binary_cross_entropy"),
        ("regression", "loss", "binary_cross_entropy"),
        ("regression", "target", {"mean": float("nan"), "std": 1, "low": 0, "high": 1}),
        ("regression", "target", {"mean": 0, "std": 0, "low": 0, "high": 1}),
        ("regression", "target", {"mean": 0, "std": 1, "low": 2, "high": 1}),
        ("text", "scaling", {"center": [], "factor": [], "smooth_clip": False}),
        ("text", "scaling", {"center": [float("inf")] * 6, "factor": [1] * 6, "smooth_clip": False}),
    ],
)
def test_descriptions_that_do_not_fit(kind, name, value, folder, tmp_path):
    rewritten(folder / f"{kind}.pondera", tmp_path / "bad", lambda d: {**d, name: value})
    refused(tmp_path / "bad")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(st.data())
def test_one_value_of_the_description_changed(folder, tmp_path_factory, data):
    kind = data.draw(st.sampled_from(["text", "wide", "several"]))

    def change(value):
        if isinstance(value, dict | list) and value and data.draw(st.sampled_from([True, True, True, False])):
            keys = list(value) if isinstance(value, dict) else range(len(value))
            key = data.draw(st.sampled_from(keys))
            value[key] = change(value[key])
            return value
        return data.draw(ANYTHING)

    path = tmp_path_factory.mktemp("changed") / "model"
    rewritten(folder / f"{kind}.pondera", path, change)
    try:
        pondera.load(path)
    except ModelFileError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


# ------------------------------------------------------------------------------------------------------- saving


def test_a_save_that_fails_leaves_the_old_model(models, tmp_path, monkeypatch):
    save(models["text"], tmp_path / "model")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ModelFileError, match="No space left on device"):
            save(models["whole"], tmp_path / "model")
    assert load(tmp_path / "model")[0].target == models["text"].target
    assert os.listdir(tmp_path) == ["model"]
    save(models["whole"], tmp_path / "model")
    assert load(tmp_path / "model")[0].target == models["whole"].target


def test_a_hundred_layers(models, tmp_path):
    model = models["regression"]
    deep = Network.create(model.architecture.inputs, [*(Dense(4, "tanh") for _ in range(99)), Dense(1)])
    fields = {name: getattr(model, name) for name in ("target_name", "encoding", "scaling", "target", "loss", "clamp")}
    save(Model(**fields, networks=(deep,), record={}), tmp_path / "deep")
    again = load(tmp_path / "deep")[0]
    assert len(again.weights) == 200
    for name, value in deep.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)
