"""What leaves the pages: CSV that no spreadsheet runs, and pages as files that stand by themselves."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from safetensors.numpy import save_file

import pondera
from tests.workbench.browsing import PATIENCE, card, given, open_page, python_of
from tests.workbench.browsing import pondera as command

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs

LISTS = str.maketrans("()", "[]")
"""Of tuples as Python prints them."""

FORMULAS = ["=1+1", "+1", "-x", "@sum", "\tx", 'a "quoted", name']


def downloaded(page, button):
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path())


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay_numbers(page, server):
    save_file({name: np.full((2, 2), -0.5, np.float32) for name in FORMULAS}, server.folder / "formulas.safetensors")
    open_page(page, server, "checkpoints?file=formulas.safetensors")
    page.get_by_test_id("heat-map").wait_for()
    card = page.get_by_role("region", name="Tensors", exact=True)
    file = downloaded(page, card.get_by_role("button", name="CSV"))
    with file.open(newline="", encoding="utf-8") as lines:
        rows = {row["name"]: row for row in csv.DictReader(lines)}
    assert set(rows) == {f"'{name}" for name in FORMULAS[:5]} | {FORMULAS[5]}
    assert {row["min"] for row in rows.values()} == {"-0.5"}


@pytest.mark.usefixtures("signs")
@pytest.mark.parametrize(
    ("place", "shown", "kept"),
    [
        ("neuron", "output", "5.1"),
        ("checkpoints?file=old.safetensors", "heat-map", "fc.weight"),
        ("run?run=signs", "network", "Healthy or not"),
        ("runs", "runs", "signs"),
    ],
)
def test_a_page_as_a_file_stands_by_itself(page, server, tmp_path, place, shown, kept):
    open_page(page, server, place)
    page.get_by_test_id(shown).wait_for()
    content = downloaded(page, page.get_by_role("button", name="Save page")).read_text(encoding="utf-8")
    assert kept in content
    assert "<script" not in content
    assert not re.findall(r"(?:src|href)=\"(?!data:)", content)
    assert not re.findall(r"<(?:a|button|input|select)\b|role=\"application\"|tabindex=\"0\"", content)
    (tmp_path / "saved.html").write_text(content, encoding="utf-8")
    page.goto((tmp_path / "saved.html").as_uri())
    expect(page.locator("h1")).to_be_visible()
    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []


def rows_of(page, place, columns=()):
    """The rows of a CSV, whose first columns are called so."""
    with downloaded(page, place.get_by_role("button", name="CSV", exact=True)).open(
        newline="", encoding="utf-8"
    ) as lines:
        names, *rows = csv.reader(lines)
    assert names[: len(columns)] == list(columns)
    return rows


def test_a_network_and_a_layer_are_saved_as_the_numbers_they_are(page, server, signs):
    open_page(page, server, f"run?run={signs.name}")
    page.get_by_test_id("network").wait_for()
    page.get_by_test_id("replay").fill("7")
    network = card(page, "The network")
    network.get_by_text("step 7", exact=True).wait_for()
    with pondera.runs.open(signs) as run:
        weights = {name: run.weights_at(name, 7) for name in run.tensors() if name.endswith("weight")}
    named = {f"{name}[{i},{j}]": w for name, values in weights.items() for (i, j), w in np.ndenumerate(values)}
    assert {name: float(value) for name, value in rows_of(page, network)} == pytest.approx(named)
    told = json.loads(downloaded(page, network.get_by_role("button", name="JSON")).read_text(encoding="utf-8"))
    assert (told["step"], told["weights"]) == (7, pytest.approx(named))
    layer = card(page, "A layer as colours")
    layer.get_by_test_id("heat-map").wait_for()
    tensor = layer.get_by_label("Which layer").input_value()
    np.testing.assert_allclose(np.array(rows_of(page, layer), np.float32), weights[tensor], rtol=1e-6)


def test_all_that_is_known_of_a_connection_is_saved(page, server, signs):
    open_page(page, server, f"run?run={signs.name}")
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    place = page.locator("#inspector")
    page.get_by_test_id("biography").wait_for()
    place.locator(".chart svg").wait_for()
    life = rows_of(page, place)
    assert float(life[-1][1]) == pytest.approx(
        float(page.get_by_test_id("final").inner_text().replace("−", "-")), rel=1e-4
    )
    assert downloaded(page, place.get_by_role("button", name="SVG")).read_text(encoding="utf-8").startswith("<svg")
    page.get_by_role("button", name="In its layer").click()
    place.locator("svg").wait_for()
    assert sum(int(count) for _, _, count in rows_of(page, place)) > 0
    assert float(given(python_of(place), server.folder, "[-1].low")) < 0
    page.get_by_role("button", name="Its last update").click()
    page.get_by_test_id("backprop").wait_for()
    assert rows_of(page, place)[0][0] == "gradient"
    page.get_by_test_id("network").focus()
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    unit = page.locator("#unit")
    unit.get_by_test_id("unit").wait_for()
    incoming = re.search(r"\[(.*?)\]", given(python_of(unit), server.folder))[1].split()
    shown = {name: float(value) for name, value in rows_of(page, unit)}
    assert sorted(map(float, incoming)) == pytest.approx(sorted(list(shown.values())[:2]), rel=1e-5)


def test_every_picture_of_how_columns_act_is_saved(page, server, signs):
    open_page(page, server, f"explain?model={signs.name}/model.safetensors&table=quadrants.csv")
    page.get_by_role("button", name="Measure what matters").click()
    acts = card(page, "How the strongest act")
    acts.wait_for(timeout=2 * PATIENCE)
    for figure in acts.locator("figure").all():
        figure.locator(".chart svg").wait_for()
        file = downloaded(page, figure.get_by_role("button", name="SVG"))
        assert file.read_text(encoding="utf-8").startswith("<svg")
    assert {row[0] for row in rows_of(page, acts)} == {"x", "y"}


def test_what_a_neurons_cards_show_is_saved_and_pasted(page, server):
    open_page(page, server, "neuron")
    parts = rows_of(page, card(page, "What each input contributes"))
    assert [float(value) for _, value in parts] == [3.5, 0.6, 1, 5.1]
    assert given(python_of(card(page, "What each input contributes")), server.folder).strip() == "(3.5, 0.6)"
    curve = rows_of(page, card(page, "The activation"))
    assert all(s == output for s, output in curve)
    assert given(python_of(card(page, "The activation")), server.folder, "[0]").strip() == curve[0][0]
    assert rows_of(page, card(page, "The neuron as a line in the plane")) == [["0.7", "0.3", "1", "5", "2"]]
    assert given(python_of(card(page, "The neuron as a line in the plane")), server.folder, ".size").strip() == "169"
    gradients = given(python_of(card(page, "One step of gradient descent")), server.folder, ".tolist()")
    assert json.loads(gradients) == pytest.approx([11, 4.4, 2.2], rel=1e-5)


def test_in_what_runs_and_files_differ_is_saved(page, server, signs):
    open_page(page, server, "checkpoints?file=old.safetensors&other=new.safetensors")
    page.get_by_test_id("verdict").wait_for()
    for title in ("What differs", "Tensors"):
        found = card(page, title)
        if found.count():  # there may be no findings
            assert rows_of(page, found)


def test_curves_are_saved_with_the_epochs_and_steps_that_python_counts(page, server, signs):
    with pondera.runs.open(signs) as run:
        wanted = {each["epoch"]: each for each in run.epochs()}
    assert min(wanted) == 0
    open_page(page, server, f"run?run={signs.name}")
    for title, field in (
        ("Loss", "training_loss"),
        ("Accuracy", "validation_metric"),
        ("Learning rate", "learning_rate"),
    ):
        found = {int(epoch): float(value) for epoch, value, *_ in rows_of(page, card(page, title), ["epoch from 0"])}
        assert found == {epoch: each[field] for epoch, each in wanted.items()}
    norms = card(page, "Norm of the gradients")
    expect(norms.get_by_text("Of neighbouring steps the mean")).to_have_count(0)  # each step has its place
    shown = [[float(value) for value in row] for row in rows_of(page, norms)]
    assert json.loads(given(python_of(norms), server.folder).translate(LISTS)) == shown
    assert [row[0] for row in shown] == list(range(len(shown)))
    open_page(page, server, "runs")
    page.get_by_label(f"Lay {signs.name} over others").check()
    overlay = card(page, "Laid over each other")
    laid = rows_of(page, overlay, ["run", "epoch from 0"])
    assert {int(epoch): float(value) for _, epoch, value in laid} == {
        epoch: each["validation_loss"] for epoch, each in wanted.items()
    }


def test_where_neighbouring_steps_are_joined_the_card_says_so_and_python_joins_them_too(page, server, signs):
    options = ["--target=kind", "--recipe=plain", "--hidden=2", "--epochs=80", "--batch-size=16", "--out=joined"]
    command(server.folder, "train", "quadrants.csv", *options)
    open_page(page, server, "run?run=joined")
    norms = card(page, "Norm of the gradients")
    expect(norms.get_by_text("Of neighbouring steps the mean; the band is from the lowest")).to_be_visible()
    shown = [[float(value) for value in row] for row in rows_of(page, norms)]
    assert len(shown) == 300
    assert json.loads(given(python_of(norms), server.folder).translate(LISTS)) == shown


def test_gradients_of_large_numbers_are_given_with_the_bits_of_the_page(page, server):
    open_page(page, server, "neuron")
    page.get_by_label("input 1, as a number").fill("1e25")
    page.keyboard.press("Tab")
    shown = page.get_by_test_id("arithmetic").locator("tr", has_text="gradient of weight 1").locator("b")
    expect(shown).to_have_text(re.compile(r"e50$|e51$"))
    gradients = json.loads(given(python_of(card(page, "One step of gradient descent")), server.folder, ".tolist()"))
    assert gradients[0] == pytest.approx(float(shown.inner_text()), rel=1e-3)
