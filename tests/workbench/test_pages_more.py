"""What a sceptical visitor of the pages tries: wrong addresses, large numbers, exports, other rows, unlike runs."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from safetensors.numpy import save_file

from tests.workbench.browsing import Server, answering, card, field, given, let_go, open_page, pondera, python_of, until

TRAININGS = (
    "signs.csv --target kind --hidden 4 --epochs 3 --out signs",
    "sums.csv --target z --hidden 4 --epochs 3 --out the-sums",
    "sums.csv --target z --hidden 4 --epochs 4 --out sums-again",
)

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs


@pytest.fixture(scope="module")
def server(chromium, begin, tmp_path_factory):
    """What serves a folder with tables, runs, and two files of weights that have little in common."""
    made = tmp_path_factory.mktemp("visited")
    x, y = np.random.default_rng(0).normal(size=(2, 120))
    pl.DataFrame({"x": x, "y": y, "kind": np.where(x * y > 0, "same", "other")}).write_csv(made / "signs.csv")
    pl.DataFrame({"x": x, "y": y, "z": 3 * x + y}).write_csv(made / "sums.csv")
    for line in TRAININGS:
        pondera(made, "train", *line.split(), "--recipe", "plain")
    (made / "the-sums").rename(made / "the sums")
    values = np.ones((2, 2), np.float32)
    save_file({"fc.weight": values}, made / "one.safetensors")
    save_file({f"block.{k}.weight": values * k for k in range(60)}, made / "many.safetensors")
    found = Server(made, begin)
    yield found
    found.kill()


def saved(page, button):
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def axe(page):
    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    return [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found]


def test_an_address_of_no_page_says_so_and_leads_on(page, server):
    open_page(page, server, "nonsense?a=1")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page.get_by_text("nonsense")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("main").get_by_role("link", name="Explain").click()
    expect(page.get_by_role("heading", name="Explain", exact=True)).to_be_visible()


def test_a_name_that_was_typed_stays(page, server):
    held = []
    page.route("**/api/runs*", lambda route: held.append(route))
    open_page(page, server, "train?table=signs.csv")
    name = field(page, "Name of the run")
    name.fill("mine")
    with page.expect_response("**/api/runs*"):
        let_go(page, held)
    page.wait_for_load_state("networkidle")
    expect(name).to_have_value("mine")


def test_one_row_never_shows_another_rows_numbers(page, server):
    held = []
    open_page(page, server, "explain?model=signs/model.safetensors")
    page.get_by_test_id("contributions").wait_for()
    one = card(page, "One row, and what would be if")
    expect(one.get_by_text("row, from 0 to 119")).to_be_visible()
    page.route("**/api/explanation?*row=7", lambda route: route.continue_() if held else held.append(route))
    one.get_by_role("spinbutton", name="row").fill("7")
    page.keyboard.press("Tab")
    expect(one.get_by_role("status")).to_be_visible()
    expect(page.get_by_test_id("contributions")).to_have_count(0)
    expect(one.locator("code")).to_have_count(0)
    for name in ("CSV", "JSON"):
        expect(one.get_by_role("button", name=name)).to_be_disabled()
    let_go(page, held)
    page.get_by_test_id("contributions").wait_for()
    told = json.loads(saved(page, one.get_by_role("button", name="JSON")))
    shown = {each["name"]: each["value"] for each in told["contributions"]}
    row = pl.read_csv(server.folder / "signs.csv").row(7, named=True)
    assert (told["row"], shown["x"]) == (7, pytest.approx(row["x"]))
    expect(page.get_by_label("x, as a number")).to_have_value(re.compile(f"^{row['x']:.2f}"[:4]))


def test_an_explanation_says_what_is_asked_and_gives_commands_that_run(page, server):
    open_page(page, server, "explain?model=the sums/model.safetensors")
    expect(page.get_by_text("It was trained on this table")).to_be_visible()
    expect(page.get_by_text("Nothing is trained again.")).to_be_visible()
    again = page.get_by_label("train again too")
    again.check()
    expect(page.get_by_text("Nothing is trained again.")).to_have_count(0)
    again.uncheck()
    page.get_by_role("button", name="Measure what matters").click()
    page.get_by_test_id("importance").wait_for()
    command = card(page, "Methods side by side").locator("code").first.inner_text()
    assert command == "pondera explain 'the sums/model.safetensors' sums.csv"
    code = python_of(card(page, "What matters"))
    assert given(code, server.folder, ".names").strip() == "('x', 'y')"


@pytest.mark.parametrize(
    ("verdict", "correlation"), [("cannot be told", 1.0), ("no", None)], ids=["too-few", "without-influence"]
)
def test_where_nothing_can_be_told_no_correlation_is_given(page, server, verdict, correlation):
    def told(found):
        if "inputs" in found.get("answer", {}):
            figures = {"rank_correlation": correlation, "interval": [correlation, correlation], "reasons": []}
            found["answer"]["weights_as_importance"] = figures | {"verdict": verdict, "statement": "So it is."}

    answering(page, "**/api/explanation?*", told)
    open_page(page, server, "explain?model=the sums/model.safetensors")
    page.get_by_role("button", name="Measure what matters").click()
    strength = card(page, "May I read weights as importance here?")
    expect(strength.get_by_text("So it is.")).to_be_visible()
    expect(strength).not_to_contain_text("correlation")


def test_retraining_is_asked_for_where_it_is_wanted(page, server):
    page.route("**/api/explanation?*retrain=true*", lambda route: route.fulfill(status=400, json={"error": "Asked."}))
    open_page(page, server, "explain?model=signs/model.safetensors&table=sums.csv")
    page.get_by_label("train again too").check()
    page.get_by_role("button", name="Measure what matters").click()
    expect(page.get_by_text("Asked.")).to_be_visible()


def test_a_model_that_is_not_there_cannot_be_measured(page, server):
    open_page(page, server, "explain?model=nope/model.safetensors&table=signs.csv")
    expect(page.get_by_text("“nope/model.safetensors” is not in the folder")).to_be_visible()
    expect(page.get_by_role("button", name="Measure what matters")).to_have_count(0)
    expect(field(page, "Model")).to_have_value("")
    expect(field(page, "On the rows of")).to_have_value("table:signs.csv")
    open_page(page, server, "explain?model=signs/model.safetensors&table=gone.csv")
    expect(page.get_by_text("“gone.csv” is not in the folder")).to_be_visible()


def test_numbers_that_overflow_are_told_and_nothing_is_drawn(page, server):
    open_page(page, server, "neuron")
    for name in ("input 1", "weight 1"):
        page.get_by_label(f"{name}, as a number").fill("1e300")
        page.keyboard.press("Tab")
        expect(page.get_by_label(f"{name}, as a number")).to_have_value("1e+300")
    expect(page.get_by_test_id("output")).to_have_text("too large")
    expect(page.get_by_text("It overflows")).to_be_visible()
    expect(page.get_by_text("cannot be drawn")).to_have_count(3)
    expect(page.get_by_role("button", name="Take a step")).to_be_disabled()
    for button in page.get_by_role("button", name="SVG").all():
        expect(button).to_be_disabled()
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_test_id("output")).to_have_text("5.1")


def test_a_learning_rate_below_zero_is_refused(page, server):
    open_page(page, server, "neuron")
    field(page, "Learning rate").fill("-1")
    page.keyboard.press("Tab")
    expect(page.get_by_text("A learning rate is 0 or more")).to_be_visible()
    for name in ("Take a step", "10 steps"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    field(page, "Learning rate").fill("0.01")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Take a step").click()
    expect(page.get_by_test_id("arithmetic")).to_contain_text("0.59")


FITS = """
(fields) => fields.every((field) => {
  const looks = getComputedStyle(field);
  const context = document.createElement("canvas").getContext("2d");
  context.font = looks.font;
  const room = field.clientWidth - parseFloat(looks.paddingLeft) - parseFloat(looks.paddingRight);
  return context.measureText(field.value).width <= room;
})
"""
"""Whether what is in number fields is no wider than they are."""


def test_labels_and_fields_of_the_neuron_have_room(page, server):
    open_page(page, server, "neuron")
    gradient = card(page, "One step of gradient descent")
    expect(gradient.get_by_role("button", name="CSV")).to_be_disabled()
    page.get_by_role("button", name="10 steps").click()
    expect(gradient.get_by_role("button", name="CSV")).to_be_enabled()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        until(
            page,
            "() => [...document.querySelectorAll('[data-contribution]')].every((text) =>"
            " text.getBoundingClientRect().right <= text.closest('svg').getBoundingClientRect().right)",
        )
        assert page.locator(".slider input[type=number]").evaluate_all(FITS)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_the_neurons_python_runs_as_it_is_pasted(page, server):
    open_page(page, server, "neuron")
    page.get_by_label("weight 2, as a number").fill("-2")
    page.keyboard.press("Tab")
    field(page, "Activation").select_option("leaky_relu")
    expect(page.get_by_test_id("formula")).to_contain_text("2 · (−2)")
    code = python_of(card(page, "The arithmetic"))
    shown = float(page.get_by_test_id("output").inner_text().replace("−", "-"))
    assert float(given(code, server.folder)) == pytest.approx(shown)


def test_a_saved_page_looks_as_the_page_did_and_holds_nothing_that_is_dead(page, server, browser, tmp_path):
    open_page(page, server, "explain?model=signs/model.safetensors&table=sums.csv")
    page.get_by_test_id("prediction").get_by_text("other", exact=False).or_(
        page.get_by_test_id("prediction").get_by_text("same", exact=False)
    ).wait_for()
    font = "getComputedStyle(document.body).fontFamily"
    wanted = page.evaluate(font)
    place = tmp_path / "saved.html"
    place.write_text(saved(page, page.get_by_role("button", name="Save page")), encoding="utf-8")
    opened = browser.new_page()
    opened.goto(place.as_uri())
    assert opened.evaluate(font) == wanted
    expect(opened.locator("a,button,input,select")).to_have_count(0)
    body = opened.locator("body")
    expect(body).to_contain_text("sums.csv")
    expect(body).not_to_contain_text("table:sums.csv")
    expect(body).to_contain_text("Saved from Pondera's workbench on")
    expect(body).to_contain_text(": explain, model signs/model.safetensors, table sums.csv.")
    expect(body).to_contain_text("explain, model signs/model.safetensors, table sums.csv")
    opened.close()


def test_a_saved_page_of_runs_keeps_names_ticks_and_the_search(page, server):
    open_page(page, server, "runs")
    page.get_by_label("Lay signs over others").check()
    page.get_by_label("Search").fill("sig")
    expect(page.get_by_test_id("runs").locator("tbody tr")).to_have_count(1)
    content = saved(page, page.get_by_role("button", name="Save page"))
    assert "Search: sig" in content
    assert ": runs." in content
    assert "✓" in content
    assert not re.search(r"<a[ >]", content)


def test_runs_are_exported_as_they_are_searched_for(page, server):
    open_page(page, server, "runs")
    page.get_by_label("Search").fill("sums")
    expect(page.get_by_test_id("runs").locator("tbody tr")).to_have_count(2)
    found = card(page, "In this folder")
    names = [each["run"] for each in json.loads(saved(page, found.get_by_role("button", name="JSON")))]
    rows = saved(page, found.get_by_role("button", name="CSV")).splitlines()[1:]
    assert names == [row.split(",")[0] for row in rows] == ["sums-again", "the sums"]
    page.get_by_label("Search").fill("nothing of this kind")
    expect(found.get_by_role("button", name="CSV")).to_be_disabled()


def test_curves_of_different_measures_are_not_on_one_axis(page, server):
    open_page(page, server, "runs")
    for name in ("signs", "the sums", "sums-again"):
        page.get_by_label(f"Lay {name} over others").check()
    expect(page.get_by_label("loss of the chosen runs")).to_have_count(2)
    page.get_by_role("button", name="metric", exact=True).click()
    expect(page.get_by_label("metric of the chosen runs: accuracy").locator("svg")).to_be_visible()
    numbers = page.get_by_label("metric of the chosen runs: RMSE/std of z in sums.csv")
    expect(numbers.locator("svg")).to_contain_text("the sums")
    expect(numbers.locator("svg")).not_to_contain_text("signs")
    for title in ("RMSE/std", "epoch"):
        expect(numbers.locator("svg").get_by_text(title, exact=True)).to_be_attached()
    differ = card(page, "They differ in")
    expect(differ.locator("code").first).to_have_text("pondera runs signs 'the sums' sums-again")
    expect(differ.get_by_role("row", name=re.compile("^table"))).to_have_text("tablesigns.csvsums.csvsums.csv")


def test_on_a_telephone_runs_tell_loss_and_best(page, server):
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, server, "runs")
    row = page.get_by_test_id("runs").locator("tr", has_text="the sums")
    expect(row.get_by_text(re.compile(r"loss [\d.]+ · best RMSE/std [\d.]+"))).to_be_visible()
    table = page.get_by_test_id("runs").locator("..")
    assert table.evaluate("(place) => place.scrollWidth <= place.clientWidth"), "a column is out of sight"
    assert axe(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})


def test_tensors_of_one_file_only_are_counted_not_listed(page, server):
    open_page(page, server, "checkpoints?file=one.safetensors&other=many.safetensors")
    tensors = card(page, "Tensors")
    expect(tensors.locator("tbody tr", has_text="only in second")).to_have_count(20)
    expect(tensors.get_by_text("39 more: only in second")).to_be_visible()
    assert saved(page, tensors.get_by_role("button", name="CSV")).count("only in second") == 59


def test_a_training_that_failed_before_it_had_a_run_is_listed_until_it_is_forgotten(page, server):
    logs = server.folder / ".pondera" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "no run.log").write_text("Error: quadrants.csv has no column 'kindd'.\n")
    open_page(page, server, "runs")
    told = page.get_by_test_id("without-run")
    expect(told).to_contain_text("no run")
    expect(told).to_contain_text("has no column 'kindd'")
    told.get_by_role("link", name="no run").click()
    expect(page.get_by_test_id("activity")).to_have_text("failed")
    expect(page.get_by_text("has no column 'kindd'")).to_be_visible()
    page.go_back()
    told.get_by_role("button", name="Forget no run").click()
    expect(told).to_have_count(0)
    assert not (logs / "no run.log").exists()


@pytest.mark.parametrize(("example", "task"), [("iris", "classification"), ("diabetes", "regression")])
def test_the_form_of_a_training_says_what_its_recipe_decides(page, server, example, task):
    # The page has these by heart: to serve them, the server would load JAX before anybody trains.
    from pondera.network.activations import ACTIVATIONS
    from pondera.training.recipes import RECIPES

    open_page(page, server, f"train?example={example}")
    recipes = field(page, "Recipe")
    expect(recipes.locator("option")).to_have_count(len(RECIPES))
    for name, recipe in RECIPES.items():
        recipes.select_option(name)
        plan = recipe.plan(task, 3)
        said = {
            "Hidden layers": ", ".join(map(str, recipe.hidden)),
            "Epochs": str(plan.epochs),
            "Rows a step": str(plan.batch_size),
            "Learning rate": "the recipe's" if name == "strong" else f"{plan.learning_rate:g}",
        }
        for label, value in said.items():
            expect(field(page, label)).to_have_attribute("placeholder", value)
        expect(field(page, "Activation").locator("option").first).to_have_text(f"{recipe.activation[task]} (recipe)")
    known = set(field(page, "Activation").locator("option").all_inner_texts()[1:])
    assert known == set(ACTIVATIONS) - {"identity"}
