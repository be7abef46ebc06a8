"""What a network of two columns predicts everywhere, at steps of its training."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import pondera

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture(scope="module", params=["classes", "numbers"])
def trained(request, tmp_path_factory):
    """The folder of a run of two columns, and its task."""
    from pondera.commands import main

    folder = tmp_path_factory.mktemp("surface")
    x, y = np.random.default_rng(0).normal(size=(2, 120))
    target = np.where(x > y, "right", "left") if request.param == "classes" else 3 * x - y
    pl.DataFrame({"x": x, "y": y, "target": target}).write_csv(folder / "table.csv")
    asked = ["--target", "target", "--recipe", "plain", "--hidden", "6", "--epochs", "9", "--record", "full"]
    with pytest.raises(SystemExit):
        main(["train", str(folder / "table.csv"), *asked, "--out", str(folder / "run")])
    return folder / "run"


def test_the_last_surface_is_what_the_model_predicts(run, trained):
    told = run("surface", trained, "--grid", 7, "--steps", 4, "--json").json
    steps = [each["step"] for each in told["surfaces"]]
    assert steps[0] == 0
    assert len(steps) == 4
    with pondera.runs.open(trained) as opened:
        kept = opened.kept()
        assert steps[-1] == opened.recorded("layers.0.weight")[-1]
    places = pl.DataFrame([{"x": x, "y": y} for y in told["y"] for x in told["x"]])
    expected = pondera.load(trained / "model.safetensors").predict(places)
    if kept == steps[-1]:  # the weights that were kept are the last ones
        found = told["surfaces"][-1]["predicted"]
        if told["classes"]:
            assert [told["classes"][k] for k in found] == expected.tolist()
            assert all(0.5 <= share <= 1 for share in told["surfaces"][-1]["certainty"])
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert len(told["points"]) == 96
    section = re.search(r"^## surface\n(.*?)(?=^## )", COMMANDS.read_text(encoding="utf-8"), re.M | re.S)[1]
    assert {*told, *told["surfaces"][0]} <= set(re.findall(r"`(\w+)`", section))


def test_it_is_drawn_in_the_terminal(run, trained):
    done = run("surface", trained)
    assert done.code == 0
    assert "right: x" in done.out


def test_of_several_networks_each_has_a_surface_of_its_own(run, trained, tmp_path):
    asked = ["--target", "target", "--recipe", "plain", "--hidden", "6", "--epochs", 2, "--record", "full"]
    done = run("train", trained.parent / "table.csv", *asked, "--seeds", 2, "--out", tmp_path / "two")
    assert done.code == 0
    first, same, other = (
        run("surface", tmp_path / "two", "--grid", 5, "--json", *more).json["surfaces"][0]
        for more in ((), ("--network", 0), ("--network", 1))
    )
    assert first == same
    assert first != other
    done = run("surface", tmp_path / "two", "--network", 2)
    assert (done.code, done.out) == (2, "")
    assert "--network takes one of 0, 1. Got 2." in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--grid", 1), "--grid takes a whole number from 2 to 200. Got 1"),
        (("--steps", 0), "--steps takes a whole number from 1 to 500. Got 0"),
    ],
)
def test_what_cannot_be_drawn_is_said(run, trained, arguments, sentence):
    done = run("surface", trained, *arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err.replace("\n", " ")


def test_two_columns_are_needed(run, flowers, tmp_path):
    asked = ("--target", "kind", "--hidden", "4", "--epochs", 2, "--record", "full")
    assert run("train", flowers, *asked, "--out", tmp_path / "run").code == 0
    done = run("surface", tmp_path / "run")
    assert "A surface is drawn over two columns of numbers. Got 4, 1 of numbers" in done.err.replace("\n", " ")
