import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pondera import PonderaClassifier


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"age": random.integers(20, 60, 300), "town": random.choice(["a", "b"], 300)})
    answers = np.where(frame["age"].to_numpy() + random.normal(size=300) > 40, "old", "young")
    frame.with_columns(pl.Series("kind", answers)).write_csv(folder / "rows.csv")
    frame.write_csv(folder / "bare.csv")
    labels = pl.Series("kind", answers)
    PonderaClassifier([8], recipe="plain", epochs=30, seeds=2, random_state=0).fit(frame, labels).save(
        folder / "m.safetensors"
    )
    return folder


DOCS = Path(__file__).parents[2] / "docs" / "commands.md"

NAMES = ("methods", "left_out", "units")
"""Objects whose keys are names of what they are about."""


def keys(value):
    """Yield every key of an object, and of all that is in it."""
    for key, each in value.items() if isinstance(value, dict) else []:
        yield key
        yield from [] if key in NAMES and isinstance(each, dict) else keys(each)
    for each in value if isinstance(value, list) else []:
        yield from keys(each)


@pytest.mark.parametrize(
    "options",
    [[], ["--row", "3"], ["--weight", "layers.0.weight[0,2]"], ["--connections"]],
    ids=lambda each: str(each[:1]),
)
def test_every_key_is_documented(run, place, options):
    section = DOCS.read_text(encoding="utf-8").split("\n## explain\n")[1].split("\n## ")[0]
    known = set(re.findall(r"[`.]([a-z_]+)`", section))
    found = json.loads(run("explain", place / "m.safetensors", place / "rows.csv", *options, "--json").out)
    assert set(keys(found)) <= known


def test_narrow_terminals_lose_no_digit(run, place, monkeypatch):
    asked = ("explain", place / "m.safetensors", place / "rows.csv")
    found = json.loads(run(*asked, "--json").out)
    row = json.loads(run(*asked, "--row", "3", "--json").out)
    monkeypatch.setenv("COLUMNS", "60")
    shown, told = run(*asked).out, run(*asked, "--row", "3").out
    assert max(len(line) for line in (shown + told).splitlines()) <= 60
    for each in found["inputs"]:
        low, high = each["interval"]
        assert f"{100 * each['importance']:.1f} %" in shown
        assert f"{100 * low:.1f} to {100 * high:.1f}" in shown
    assert all(f"{each['contribution']:+.4g}" in told for each in row["contributions"])
    for effect in found["effects"]:
        if effect["name"] == "age":
            assert f"{min(effect['accumulated']):+.3g} to {max(effect['accumulated']):+.3g}" in shown


def test_what_is_explained_is_told_first(run, place):
    shown = run("explain", place / "m.safetensors", place / "rows.csv").out
    assert "300 rows of rows.csv; 100% of them have the values of rows that were trained on" in " ".join(shown.split())
    assert "what values do" in shown  # of the towns
    assert (
        "Its values are those of a row that was trained on."
        in run("explain", place / "m.safetensors", place / "rows.csv", "--row", "3").out
    )


def test_the_mean_of_the_background_is_called_so(run, place):
    asked = ("explain", place / "m.safetensors", place / "rows.csv", "--row", "3")
    alone = run(*asked).out
    assert f"mean of {json.loads(run(*asked, '--json').out)['compared']} rows" in alone
    assert "of the background" not in alone
    assert "rows of the background" in run(*asked, "--background", place / "bare.csv").out


def test_a_row_of_many_columns_says_how_far_its_figures_can_be_believed(run, tmp_path):
    run("train", "--example", "breast_cancer", "--out", tmp_path / "m", "--recipe", "plain", "--epochs", "3")
    asked = ("explain", tmp_path / "m" / "model.safetensors", "--example", "breast_cancer", "--row", "3")
    assert "standard error of what a column adds" in run(*asked).out
    errors = [each["error"] for each in json.loads(run(*asked, "--json").out)["contributions"]]
    assert len(errors) == 30
    assert max(errors) > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--weight", "layers.0.weight[0,2]", "--seed", "3"], "--seed would change nothing beside --weight."),
        (["--methods", "permutation", "--baseline", "rows"], "which --methods does not name. Leave it out."),
    ],
)
def test_options_without_effect_are_refused(run, place, options, words):
    refused = run("explain", place / "m.safetensors", place / "rows.csv", *options)
    assert refused.code == 2
    assert words in " ".join(refused.err.split())
    assert run("explain", place / "m.safetensors", place / "rows.csv", "--methods", "integrated_gradients",
               "--baseline", "rows", "--seed", "3").code == 0  # fmt: skip


def test_columns_that_the_model_does_not_know_are_named_once(run, place):
    other = place / "other.csv"
    pl.read_csv(place / "rows.csv").with_columns(income=pl.lit(1), id=pl.int_range(300)).write_csv(other)
    asked = ("explain", place / "m.safetensors", other, "--row", "3")
    assert "Note: columns that the model does not know are left alone: income, id." in run(*asked).err
    assert "does not know" not in run("explain", place / "m.safetensors", place / "rows.csv", "--row", "3").err


def test_a_list_of_no_methods_is_refused(run, place):
    refused = run("explain", place / "m.safetensors", place / "rows.csv", "--methods", "")
    assert refused.code == 2
    assert "methods names none" in refused.err


def test_json_of_an_explanation(run, place):
    found = json.loads(run("explain", place / "m.safetensors", place / "rows.csv", "--json").out)
    assert [each["name"] for each in found["inputs"]] == ["age", "town"]
    assert set(found["reliability"]) >= {
        "verdict",
        "statement",
        "seed_stability",
        "agreement",
        "faithfulness",
        "groups",
    }
    assert set(found["weights_as_importance"]) >= {"rank_correlation", "interval", "verdict", "statement"}
    assert {"name", "kind", "seconds", "sees_network"} <= set(found["methods"][0])


def test_the_report_and_the_page(run, place):
    done = run("explain", place / "m.safetensors", place / "rows.csv", "--html", place / "page.html")
    assert "What matters to log-odds of kind = young" in done.out
    assert "May large weights be read" in done.out
    page = (place / "page.html").read_text()
    assert page.count("<svg") >= 3
    for words in ("rank 1", "leave_out: nothing is trained anew", "tested on the rows"):
        assert words in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")


def test_one_row(run, place):
    found = json.loads(run("explain", place / "m.safetensors", place / "rows.csv", "--row", "3", "--json").out)
    total = sum(each["contribution"] for each in found["contributions"])
    assert total + found["baseline"] == pytest.approx(found["score"], abs=1e-5)
    shown = run("explain", place / "m.safetensors", place / "rows.csv", "--row", "3").out
    assert "sum: this row's score" in shown
    assert "turns the class" in shown
    assert "Looked at: every value that 300 rows have" in shown


def test_another_class_is_the_other_way_round(run, place):
    asked = ("explain", place / "m.safetensors", place / "rows.csv", "--row", "3", "--json")
    usual, other = (json.loads(run(*asked, *more).out) for more in ([], ["--class", "old"]))
    assert (usual["unit"], other["unit"]) == ("log-odds of kind = young", "log-odds of kind = old")
    assert other["score"] == pytest.approx(-usual["score"])


def test_one_weight(run, place):
    name = "networks.1.layers.0.weight[0,2]"
    found = json.loads(run("explain", place / "m.safetensors", place / "rows.csv", "--weight", name, "--json").out)
    assert found["name"] == "layers.0.weight"
    assert {"value", "ablation", "first_order", "second_order", "rows_up", "rows_down", "profile"} <= set(found)
    shown = run("explain", place / "m.safetensors", place / "rows.csv", "--weight", name).out
    assert "when it is set to 0" in shown
    assert "Network 1 of 2" in shown
    asked = ("explain", place / "m.safetensors", place / "rows.csv", "--weight", "layers.0.weight[0,2]", "--json")
    assert json.loads(run(*asked, "--network", "1").out) == found
    assert json.loads(run(*asked).out)["network"] == 0


def test_connections(run, place):
    asked = ("explain", place / "m.safetensors", place / "rows.csv", "--connections")
    found = json.loads(run(*asked, "--json", "--network", "1").out)
    assert (found["network"], found["networks"], found["rows"]) == (1, 2, 300)
    first = found["connections"][0]
    assert {"name", "index", "from", "value", "activation_scaled", "first_order", "second_order", "ablation"} <= set(
        first
    )
    assert {each["from"] for each in found["connections"] if each["name"] == "layers.0.weight"} == {"age", "town=b"}
    shown = run(*asked).out
    assert "Network 0 of 2" in shown
    assert "the error grows most without the units" in shown
    assert "no importance" in run("explain", place / "m.safetensors", place / "bare.csv", "--connections").out


def test_a_weight_needs_the_target_by_its_name_and_says_nothing_else(run, place):
    done = run("explain", place / "m.safetensors", place / "bare.csv", "--weight", "layers.0.weight[0,2]")
    assert done.code == 2
    assert "--weight needs the right answers: expected the target's column, 'kind'" in " ".join(done.err.split())
    assert "Note" not in done.err


def test_without_the_target(run, place):
    done = run("explain", place / "m.safetensors", place / "bare.csv", "--json")
    assert "no column 'kind'" in done.err
    assert json.loads(done.out)["headline"] == "shapley"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--row", "300"], "Rows are numbered from 0 to 299. Got 300."),
        (["--row", "1", "--weight", "a[0]"], "Give one of them: --row or --weight"),
        (["--row", "1", "--methods", "shapley"], "--methods would change nothing beside --row"),
        (["--weight", "a[0]", "--class", "old", "--retrain"], "--retrain, --class would change nothing"),
        (["--connections", "--baseline", "mean"], "--baseline would change nothing beside --connections"),
        (["--network", "1"], "--network chooses whose weights"),
        (["--weight", "networks.1.layers.0.weight[0,0]", "--network", "0"], "Leave one of them out"),
        (["--connections", "--network", "2"], "2 networks, numbered from 0 to 1. Got network 2"),
        (["--weight", "layers.0.weight"], "takes a name and an index"),
        (["--weight", "networks.7.layers.0.weight[0,0]"], "2 networks"),
        (["--weight", "layers.0.wait[0,0]"], "layers.0.weight"),
        (["--methods", "guess"], "guess"),
        (["--class", "odl"], "Did you mean 'old'?"),
        (["--seed", "-1"], "from 0 up"),
        (["--row", "1", "--html", "page.html"], "Leave it out"),
    ],
)
def test_mistakes_are_said_in_a_sentence(run, place, options, words):
    done = run("explain", place / "m.safetensors", place / "rows.csv", *options)
    assert done.code == 2
    assert words in done.err
    assert done.out == ""


def test_the_page_never_lands_on_what_it_is_about(run, place):
    done = run("explain", place / "m.safetensors", place / "rows.csv", "--html", place / "rows.csv")
    assert done.code == 2
    assert "another name" in done.err


def test_the_place_of_a_page_is_looked_at_before_the_work(run, place, tmp_path):
    (tmp_path / "thesis.html").write_text("<html>Ten years of work.</html>")
    (tmp_path / "folder.html").mkdir()
    for name, words in (
        ("thesis.html", "was not made by Pondera; give another name"),
        ("folder.html", "is a folder"),
        ("no/page.html", "there is no folder"),
        ("a" * 300 + ".html", "cannot be written"),
    ):
        done = run("explain", "no-model.safetensors", place / "rows.csv", "--html", tmp_path / name)
        assert done.code == 2
        assert words in done.err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder.html", "thesis.html"]
    asked = ("explain", place / "m.safetensors", place / "rows.csv", "--methods", "permutation")
    for _ in range(2):  # a page of ours may be replaced
        assert run(*asked, "--html", tmp_path / "page.html").code == 0


def test_an_example(run, tmp_path):
    done = run("train", "--example", "iris", "--recipe", "plain", "--epochs", 5, "--out", tmp_path / "m")
    assert done.code == 0
    found = json.loads(run("explain", tmp_path / "m" / "model.safetensors", "--example", "iris", "--json").out)
    assert found["rows"] == 150
    done = run("explain", tmp_path / "m" / "model.safetensors")
    assert "a TABLE, or --example NAME" in done.err


def test_one_new_row_is_compared_with_usual_rows(run, place):
    one = place / "one.csv"
    one.write_text("".join((place / "rows.csv").read_text().splitlines(keepends=True)[:2]))
    done = run("explain", place / "m.safetensors", one, "--row", 0, "--json")
    assert "Give --background" in done.err
    asked = ("explain", place / "m.safetensors", one, "--row", 0, "--background", place / "rows.csv", "--json")
    found = json.loads(run(*asked).out)
    assert abs(found["contributions"][0]["contribution"]) > 0.01
    assert found["change"]["columns"] == ["age"]
    assert found["searched"].startswith("every value that 129 rows have")
    assert "Give --background" not in run(*asked).err
