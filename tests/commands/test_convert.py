import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pondera.weights.open import open as open_weights


@pytest.fixture
def checkpoint(tmp_path):
    random = np.random.default_rng(0)
    arrays = {
        "layer.weight": random.normal(size=(6, 4)).astype(np.float32),
        "layer.bias": random.normal(size=6).astype(ml_dtypes.bfloat16),
        "steps": np.array(3),
    }
    save_file(arrays, tmp_path / "m.safetensors", metadata={"made by": "nobody"})
    return tmp_path / "m.safetensors"


def test_json(run, checkpoint, tmp_path):
    done = run("convert", checkpoint, tmp_path / "m.pt", "--json")
    found = done.json
    assert done.err == ""
    assert set(found) == {"in", "out", "format", "tensors", "bytes", "seconds", "notes"}
    assert (found["in"], found["out"]) == (str(checkpoint), str(tmp_path / "m.pt"))
    assert (found["format"], found["tensors"]) == ("PyTorch", 3)
    assert found["bytes"] == (tmp_path / "m.pt").stat().st_size
    assert found["notes"] == ["Left out: metadata, for which PyTorch has no place: made by."]
    assert found["seconds"] > 0
    before = load_file(checkpoint)
    after = open_weights(tmp_path / "m.pt")
    assert {name: np.asarray(each).tobytes() for name, each in after.items()} == {
        name: array.tobytes() for name, array in before.items()
    }


def test_text(run, checkpoint, tmp_path):
    done = run("convert", checkpoint, tmp_path / "m.npz", "--dtype", "float16")
    assert (done.code, done.err) == (0, "")
    assert "m.npz  NumPy .npz" in done.out.replace("\n", "")
    assert "3 tensors, " in done.out
    assert "1 tensor of float32 as float16: 24 of 24 values were rounded, by at most 0.000" in done.out
    with np.load(tmp_path / "m.npz") as found:
        np.testing.assert_array_equal(found["layer.weight"], load_file(checkpoint)["layer.weight"].astype("f2"))


def test_some_tensors_only(run, checkpoint, tmp_path):
    done = run("convert", checkpoint, tmp_path / "w.npy", "--tensor", "*.weight", "--json")
    assert done.json["tensors"] == 1
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), load_file(checkpoint)["layer.weight"])


def test_another_format_than_the_ending_says(run, checkpoint, tmp_path):
    assert run("convert", checkpoint, tmp_path / "weights", "--to", "safetensors").code == 0
    assert (tmp_path / "weights").read_bytes() == checkpoint.read_bytes()


def test_block_encodings_become_floats(run, tmp_path):
    def text(content):
        return len(content).to_bytes(8, "little") + content.encode()

    block = np.float16(0.5).tobytes() + bytes(range(32))
    header = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") + (1).to_bytes(8, "little")
    header += text("general.architecture") + (8).to_bytes(4, "little") + text("none")
    header += text("w") + (1).to_bytes(4, "little") + (32).to_bytes(8, "little") + (8).to_bytes(4, "little") + bytes(8)
    (tmp_path / "m.gguf").write_bytes(header + bytes(-len(header) % 32) + block)
    found = run("convert", tmp_path / "m.gguf", tmp_path / "m.safetensors", "--json").json
    assert found["notes"][0] == "1 tensor of Q8_0 as the float32 that it decodes to."
    np.testing.assert_array_equal(load_file(tmp_path / "m.safetensors")["w"], np.arange(32) / 2)
    content = (tmp_path / "m.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["__metadata__"]["general.architecture"] == "none"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["m.npz"], "NumPy .npz has no bfloat16, which 1 tensor has, such as 'layer.bias'. Give --dtype float32"),
        (["m.onnx"], "expected a file that ends in .safetensors, .npz, .npy, .pt, .pth, .bin"),
        (["m.npy", "--dtype", "float32"], "holds one tensor; there are 3"),
        (["m.safetensors"], "is the file that the weights are read from"),
        (["m.pt", "--dtype", "float"], "Unknown dtype 'float'"),
        (["m.pt", "--to", "onnx"], "Unknown format 'onnx'"),
        (["m.pt", "--tensor", "lair"], "No tensor matches"),
    ],
)
def test_errors(run, checkpoint, tmp_path, arguments, sentence):
    before = checkpoint.read_bytes()
    done = run("convert", checkpoint, tmp_path / arguments[0], *arguments[1:])
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
    assert checkpoint.read_bytes() == before


def test_a_file_is_replaced_when_asked_to(run, checkpoint, tmp_path):
    place = tmp_path / "m.pt"
    place.write_bytes(b"something else")
    done = run("convert", checkpoint, place)
    assert done.code == 2
    assert "is there already; give another name, or replace it with --force." in done.err.replace("\n", " ")
    assert place.read_bytes() == b"something else"
    assert run("convert", checkpoint, place, "--force").code == 0
    assert open_weights(place)
