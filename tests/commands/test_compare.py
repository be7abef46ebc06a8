import json

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save_file
from typer.testing import CliRunner

from pondera.commands.compare import compare
from pondera.commands.timeline import timeline
from pondera.reading.comparison import compare as compared
from pondera.report.comparison import show_comparison
from pondera.weights.open import open as open_weights


@pytest.fixture
def files(tmp_path):
    random = np.random.default_rng(0)
    arrays = {f"encoder.layers.{at}.weight": random.normal(size=(40, 30)).astype(np.float32) for at in range(6)}
    moved = dict(arrays)
    for at, far in ((2, 0.05), (4, 0.001)):
        name = f"encoder.layers.{at}.weight"
        moved[name] = (arrays[name] + far * random.normal(size=(40, 30))).astype(np.float32)
    save_file(arrays, tmp_path / "a.safetensors")
    save_file(moved, tmp_path / "b.safetensors")
    np.savez(tmp_path / "same.npz", **arrays)
    return tmp_path


@pytest.fixture
def called():
    """Run a command of one's own as the command line does."""
    import typer

    def called(command, *arguments):
        app = typer.Typer()
        app.command()(command)
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "80"})

    return called


def test_the_verdict_comes_first_and_what_moved_most_next(called, files):
    done = called(compare, files / "a.safetensors", files / "b.safetensors")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[2].startswith("Fine-tuned: 2 of 6 tensors changed")
    assert done.output.index("encoder.layers.2.weight") < done.output.index("encoder.layers.4.weight")
    assert "4 tensors are equal bit for bit." in done.output
    assert all(len(line) <= 80 for line in lines[1:])


def test_json_is_one_object(called, files):
    found = json.loads(called(compare, files / "a.safetensors", files / "b.safetensors", "--json").output)
    assert found["verdict"] == "fine-tuned"
    assert [each["status"] for each in found["tensors"]] == ["equal", "equal", "changed", "equal", "changed", "equal"]
    assert (found["first"], found["second"]) == (str(files / "a.safetensors"), str(files / "b.safetensors"))


def test_across_formats_and_exit_codes(called, files):
    done = called(compare, files / "a.safetensors", files / "same.npz", "--exit-code")
    assert done.exit_code == 0
    assert "The same weights in another file: 6 tensors are equal bit for bit." in done.output
    assert called(compare, files / "a.safetensors", files / "b.safetensors", "--exit-code").exit_code == 1


def test_frozen(called, files):
    done = called(compare, files / "a.safetensors", files / "b.safetensors", "--frozen", "*.2.*")
    assert "moved although frozen: encoder.layers.2.weight" in " ".join(done.output.split())
    done = called(compare, files / "a.safetensors", files / "b.safetensors", "--frozen", "head.*")
    assert "No tensor that should be frozen matches" in str(done.exception)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits(files, width):
    from io import StringIO

    found = compared(open_weights(files / "a.safetensors"), open_weights(files / "b.safetensors"))
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    show_comparison(console, found, "a", "b")
    assert all(len(line) <= width for line in console.file.getvalue().splitlines())


def test_a_timeline(called, files):
    (files / "same.npz").unlink()
    done = called(timeline, files)
    assert done.exit_code == 0
    assert "2 checkpoints" in done.output
    assert "4 of 6 tensors never moved" in done.output
    assert done.output.index("encoder.layers.2") < done.output.index("encoder.layers.4 ")
    assert all(len(line) <= 80 for line in done.output.splitlines()[1:])
    found = json.loads(called(timeline, files, "--json").output)
    assert [each["name"] for each in found["checkpoints"]] == ["a.safetensors", "b.safetensors"]


def test_a_timeline_of_nothing(called, tmp_path):
    done = called(timeline, tmp_path)
    assert "expected at least two checkpoints" in str(done.exception)


def test_a_page_of_a_timeline(called, files):
    page = files / "page.html"
    done = called(timeline, files, "--html", page)
    assert done.exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert "The whole network" in text
    done = called(timeline, files, "--html", next(iter(files.glob("*.safetensors"))))
    assert done.exit_code != 0
    assert "which the page is about" in str(done.exception)


def test_two_trainings_from_one_start_may_not_descend_from_each_other(run, tmp_path):
    random = np.random.default_rng(0)
    start = {f"layers.{k}.weight": random.standard_normal((40, 40)).astype(np.float32) for k in range(3)}

    def moved(by, still=()):
        return {
            name: w if name in still else w + np.float32(by) * random.standard_normal(w.shape).astype(np.float32)
            for name, w in start.items()
        }

    for name, arrays in (
        ("first", moved(0.2)),
        ("apart", moved(0.2)),
        ("tuned", moved(0.01)),
        ("part", moved(0.5, ["layers.0.weight"])),
        ("start", start),
    ):
        save_file(arrays, tmp_path / f"{name}.safetensors")

    def told(one, other):
        return " ".join(run("compare", tmp_path / f"{one}.safetensors", tmp_path / f"{other}.safetensors").out.split())

    sentence = "trained apart from the same random start look like this too."
    assert sentence in told("first", "apart")
    for one, other in (("start", "tuned"), ("start", "part")):
        assert "Fine-tuned" in told(one, other)
        assert sentence not in told(one, other)
