import json

import numpy as np
import pytest
from safetensors.numpy import save_file


@pytest.fixture
def checkpoint(tmp_path):
    random = np.random.default_rng(0)
    weight = random.normal(size=(60, 40)).astype(np.float32)
    weight[7, 3] = np.nan
    arrays = {"layer.weight": weight, "layer.bias": np.zeros(40, np.float16), "steps": np.array(3)}
    save_file(arrays, tmp_path / "m.safetensors", metadata={"made by": "nobody"})
    return tmp_path / "m.safetensors"


def test_json(run, checkpoint):
    found = run("read", checkpoint, "--json").json
    assert found["format"] == "safetensors"
    assert found["bytes"] == 60 * 40 * 4 + 40 * 2 + 8
    assert found["metadata"] == {"made by": "nobody"}
    tensors = {each["name"]: each for each in found["tensors"]}
    weight = tensors["layer.weight"]
    assert (weight["shape"], weight["dtype"], weight["count"]) == ([60, 40], "float32", 2400)
    assert (weight["nan"], weight["inf"], weight["places"]) == (1, 0, [[7, 3]])
    values = np.random.default_rng(0).normal(size=(60, 40)).astype(np.float32).astype(float)
    values = np.delete(values.reshape(-1), 7 * 40 + 3)
    assert weight["min"] == values.min()
    assert weight["mean"] == pytest.approx(values.mean(), rel=1e-9)
    assert weight["std"] == pytest.approx(values.std(), rel=1e-9)
    assert weight["norm"] == pytest.approx(np.linalg.norm(values), rel=1e-9)
    assert weight["quantiles"]["0.5"] == pytest.approx(np.median(values), abs=0.02)
    assert tensors["layer.bias"]["zeros"] == 40
    assert tensors["layer.bias"]["skewness"] is None
    assert tensors["steps"]["max"] == 3


def test_the_table_has_the_largest_first_and_names_what_is_odd(run, checkpoint):
    done = run("read", checkpoint)
    assert done.code == 0
    assert done.out.index("layer.weight") < done.out.index("layer.bias") < done.out.index("steps")
    assert "3 tensors, 2,441 values, 9.69 kB" in done.out
    assert "1 NaN" in done.out
    assert "100% zeros" in done.out


def test_some_tensors_only(run, checkpoint):
    found = run("read", checkpoint, "--tensor", "layer.*", "--json").json
    assert [each["name"] for each in found["tensors"]] == ["layer.weight", "layer.bias"]
    done = run("read", checkpoint, "--tensor", "lair.*")
    assert done.code == 2
    assert "No tensor matches" in done.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b"age,income\n1,2\n", "found a file of some other kind"), (b"\x80\x04N.", "holds no tensor")],
)
def test_what_is_no_checkpoint(run, tmp_path, content, sentence):
    (tmp_path / "w").write_bytes(content)
    done = run("read", tmp_path / "w")
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_a_folder_of_shards(run, tmp_path):
    for k in (1, 2):
        save_file({f"w{k}": np.ones((2, k), np.float32)}, tmp_path / f"model-{k}.safetensors")
    index = {"metadata": {}, "weight_map": {"w1": "model-1.safetensors", "w2": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        found = run("read", path, "--json").json
        assert {each["name"]: each["shape"] for each in found["tensors"]} == {"w1": [2, 1], "w2": [2, 2]}
