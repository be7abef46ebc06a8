import json
import subprocess
import sys
from html.parser import HTMLParser

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


def test_layers_are_those_of_the_whole_file(run, tmp_path):
    random = np.random.default_rng(0)
    shapes = {"features.0.weight": (8, 3, 3, 3), "features.0.bias": (8,), "fc.weight": (4, 8), "fc.bias": (4,)}
    save_file({name: random.normal(size=shape) for name, shape in shapes.items()}, tmp_path / "m.safetensors")

    def layers(*options):
        found = run("read", tmp_path / "m.safetensors", "--json", *options).json["layers"]
        return {each["name"]: (each["kind"], each["inputs"], each["outputs"], each["strength"]) for each in found}

    whole = layers()
    assert whole["features.0"][0] == "convolution"
    assert layers("--tensor", "*.weight") == whole
    assert layers("--tensor", "features.*.weight") == {"features.0": whole["features.0"]}
    assert layers("--tensor", "fc.bias") == {"fc": (*whole["fc"][:3], None)}


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


@pytest.fixture
def network(tmp_path):
    """Two layers, the first of which has a unit that nothing enters."""
    random = np.random.default_rng(1)
    first, second = random.normal(size=(32, 20)), random.standard_t(3, size=(16, 32))
    first[5] = 0
    arrays = {"fc1.weight": first, "fc1.bias": random.normal(size=32), "fc2.weight": second, "fc2.bias": np.ones(16)}
    path = tmp_path / "n.safetensors"
    save_file({name: each.astype(np.float32) for name, each in arrays.items()}, path)
    return path, arrays


def test_layers(run, network):
    path, arrays = network
    found = run("read", path, "--json").json
    layers = {each["name"]: each for each in found["layers"]}
    assert [(each["kind"], each["inputs"], each["outputs"]) for each in layers.values()] == [
        ("dense", 20, 32),
        ("dense", 32, 16),
    ]
    for name, layer in layers.items():
        weight = arrays[f"{name}.weight"].astype(np.float32).astype(float)
        assert layer["strength"] == pytest.approx(np.sqrt((weight**2).sum(1).mean()), rel=1e-6)
        assert "spectral_norm" not in layer
    assert layers["fc1"]["units"]["weight"]["dead_outputs"] == [5]


def test_findings(run, network):
    found = run("read", network[0], "--json").json["findings"]
    (dead,) = [each for each in found if each["rule"] == "dead units"]
    assert dead["where"] == "fc1.weight"
    assert "1 of 32 outputs" in dead["statement"]
    assert {"figures", "certainty", "advice"} <= set(dead)
    done = run("read", network[0])
    assert done.out.index("1 of 32 outputs") < done.out.index("strength") < done.out.index("tensor  ")


def test_spectra(run, network):
    path, arrays = network
    found = run("read", path, "--spectrum", "--json").json
    for layer in found["layers"]:
        weight = arrays[f"{layer['name']}.weight"].astype(np.float32).astype(float)
        values = np.linalg.svd(weight, compute_uv=False)
        shares = values[values > 1e-9] / values.sum()
        assert layer["spectral_norm"] == pytest.approx(values[0], rel=1e-6)
        assert layer["stable_rank"] == pytest.approx((values**2).sum() / values[0] ** 2, rel=1e-6)
        assert layer["effective_rank"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-6)
        assert layer["alpha"] > 1
    assert "σ₁: largest singular value; stable, eff.: ranks" in run("read", path, "--spectrum").out


class Page(HTMLParser):
    """What is in a page: its tags, whatever would fetch or run something, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.foreign = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.foreign += [
            (name, value)
            for name, value in attributes
            if name.startswith("on") or name in ("src", "href", "xlink:href", "data", "action")
        ]

    def handle_data(self, data):
        self.texts.append(data)


def test_a_page_stands_by_itself(run, tmp_path):
    random = np.random.default_rng(0)
    hostile = "<script>alert(1)</script>.weight"
    path = tmp_path / "m<b>.safetensors"
    save_file(
        {hostile: random.normal(size=(8, 4)), "fc.weight": random.normal(size=(3, 8)), "fc.bias": np.ones(3)}, path
    )
    done = run("read", path, "--spectrum", "--html", tmp_path / "page.html", "--json")
    assert done.json["layers"]
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert {"svg", "table", "section"} <= page.tags
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "img"}
    assert page.foreign == []
    assert hostile in "".join(page.texts)
    assert "m<b>.safetensors" in page.texts


def test_a_page_does_not_replace_the_weights(run, network):
    path, _ = network
    before = path.read_bytes()
    done = run("read", path, "--html", path)
    assert done.code == 2
    assert "Give the page another name" in done.err
    assert path.read_bytes() == before


def test_a_page_of_nothing_but_odd_tensors(run, tmp_path):
    arrays = {"empty": np.zeros((0, 3)), "one": np.array(2.5), "nan": np.full((3, 3), np.nan), "same": np.zeros((4, 4))}
    np.savez(tmp_path / "odd.npz", **arrays, complex=np.ones((2, 2), complex), big=np.full(9, 1e300))
    done = run("read", tmp_path / "odd.npz", "--spectrum", "--html", tmp_path / "page.html")
    assert done.code == 0
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_what_is_not_imported(network):
    path, _ = network
    code = f"""
import sys
from pondera.commands import main
try:
    main(["read", {str(path)!r}, "--spectrum"])
except SystemExit as left:
    assert not left.code
found = {{"jax", "sklearn", "altair", "polars", "optax", "torch", "vl_convert"}} & set(sys.modules)
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_norms_of_rows_and_columns(run, tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([[3.0, 4.0], [0.0, -1.0]]), b=np.ones(3))
    tensors = {each["name"]: each for each in run("read", tmp_path / "w.npz", "--norms", "--json").json["tensors"]}
    assert tensors["w"]["row_norms"] == [5.0, 1.0]
    assert tensors["w"]["column_norms"] == pytest.approx([3.0, 17**0.5])
    assert tensors["w"]["linf"] == 4.0
    assert "row_norms" not in tensors["b"]
    shown = run("read", tmp_path / "w.npz", "--norms").out
    assert "1 … 3 … 5" in shown
    assert "√Σ w² of rows and of columns" in shown


def test_a_page_never_lands_on_what_is_in_the_folder(run, network, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "model.safetensors"
    path.write_bytes(network[0].read_bytes())
    before = path.read_bytes()
    done = run("read", folder, "--html", path)
    assert done.code == 2
    assert "another name" in done.err
    assert path.read_bytes() == before


STARTED = """
import sys
from pondera.commands.read import BLAS, start_numba
start_numba()
assert BLAS not in sys.modules
import numpy as np
from pondera import statistics_of_all, Statistics
assert Statistics.of(np.arange(4.0)).mean == 1.5
import scipy.linalg.cython_blas  # is as it was
assert sys.modules[BLAS] is scipy.linalg.cython_blas
start_numba()  # a second time it changes nothing
print("done")
"""


def test_numba_begins_without_blas_and_scipy_is_left_as_it_was():
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr


def test_spectra_of_a_matrix_that_holds_nan(run, checkpoint):
    done = run("read", checkpoint, "--spectrum", "--json")
    assert done.code == 0, done.err
    layer = next(each for each in json.loads(done.out)["layers"] if each["name"] == "layer")
    assert layer["spectral_norm"] is None


def test_pages_replace_pages_only(run, network, tmp_path):
    path, _ = network
    page = tmp_path / "page.html"
    assert run("read", path, "--html", page).code == 0
    assert run("read", path, "--html", page).code == 0
    page.write_text("<html>my own page</html>")
    done = run("read", path, "--html", page)
    assert done.code == 2
    assert "was not made by Pondera; give another name." in done.err.replace("\n", " ")
    assert page.read_text() == "<html>my own page</html>"
    assert "there is no folder" in run("read", path, "--html", tmp_path / "missing" / "page.html").err.replace(
        "\n", " "
    )


def test_files_of_weights_that_were_not_read_are_named(run, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"w": np.ones((2, 3), np.float32)}, folder / "model.safetensors")
    for name in ("README.md", *(f"{k}.npz" for k in range(5)), "pytorch_model.bin", "training_args.bin", ".hidden"):
        (folder / name).write_bytes(b"x")
    (folder / "config.json").write_text("{}")
    expected = [*(f"{k}.npz" for k in range(5)), "pytorch_model.bin"]
    assert run("read", folder, "--json").json["skipped"] == expected
    sentence = "6 other files or arrays were not read: 0.npz, 1.npz, 2.npz, 3.npz and 2 more"
    assert sentence in run("read", folder, "--html", tmp_path / "page.html").out.replace("\n", " ")
    assert sentence in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert run("read", folder / "model.safetensors", "--json").json["skipped"] == []
