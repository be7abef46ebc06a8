"""What pages tell: figures that belong together, and sentences that are about what was done."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import expect

import pondera
from pondera.recording.loops import Loop
from tests.workbench.browsing import answering, card, field, let_go, open_page, start

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs


FITS = """
  (choice) => {
    const alone = choice.cloneNode();
    alone.append(choice.selectedOptions[0].cloneNode(true));
    alone.style.cssText = "width: auto; max-width: none; min-height: 0; justify-self: start; position: absolute";
    choice.after(alone);
    const needed = alone.getBoundingClientRect().width;
    alone.remove();
    return needed <= choice.getBoundingClientRect().width;
  }
"""
"""Whether a choice is as wide as the words that are chosen need."""


def tile(page, name):
    return page.locator("dl.figures > div", has=page.get_by_text(name, exact=True)).locator("dd")


def test_figures_side_by_side_are_of_one_epoch(page, server, signs):
    rows = []

    def early(told):
        told["epochs"] = told["epochs"][:7]
        rows.extend(told["epochs"][-1:])

    answering(page, "**/api/run/curves?*", early)
    open_page(page, server, f"run?run={signs.name}")
    expect(tile(page, "loss held out")).not_to_have_text("–")
    expect(tile(page, "epochs")).to_have_text("7 of 30")
    expect(tile(page, "steps")).to_have_text(str(rows[0]["step"]))


def test_a_histogram_marks_the_weight_of_its_own_step(page, server, signs):
    with pondera.runs.open(signs) as run:
        steps = run.recorded("layers.0.weight")
        wanted = {step: run.weights_at("layers.0.weight", step)[0, 0] for step in (steps[3], steps[-1])}
    answering(page, "**/api/run/histogram?*", lambda told: told.update(step=steps[3]))  # the nearest that has one
    open_page(page, server, f"run?run={signs.name}")
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="In its layer").click()
    told = page.locator("#inspector p", has_text="where this one was")
    expect(told).to_contain_text(f"before step {steps[3]}.")
    shown = float(told.inner_text().rsplit(": ", 1)[1].rstrip(".").replace("−", "-"))
    assert shown == pytest.approx(wanted[steps[3]], rel=1e-4) != pytest.approx(wanted[steps[-1]], rel=1e-4)


def test_the_last_recorded_step_is_not_called_now_where_training_is_farther(page, server):
    start(page, server, "farther", hidden_layers="4", epochs="5000000", learning_rate="0.00001")
    page.get_by_test_id("network").wait_for()
    answering(page, "**/api/run/network?*", lambda told: told.update(steps=told["steps"][:5]))
    page.reload()
    shown = re.compile(r"^last recorded: step \d+; training is at step [\d,]+$")
    for title in ("The network", "A layer as colours"):
        expect(card(page, title).get_by_text(shown)).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Explain it").wait_for()
    expect(page.get_by_text(shown)).to_have_count(0)


def test_an_explanation_says_what_columns_are_one_and_what_pairs_do(page, server, signs):
    def told(found):
        if "inputs" in found.get("answer", {}):
            found["answer"]["reliability"]["told_apart"] = ["'x', 'y' tell each other's values: rank 2."]
            found["answer"]["pairs"] = "Not the sum of each alone: x × y (25%) of what both do."

    answering(page, "**/api/explanation?*", told)
    open_page(page, server, f"explain?model={signs.name}/model.safetensors&table=quadrants.csv")
    page.get_by_role("button", name="Measure what matters").click()
    expect(card(page, "What matters").get_by_text("tell each other's values: rank 2.")).to_be_visible()
    expect(card(page, "How the strongest act").get_by_text("Not the sum of each alone")).to_be_visible()


def test_two_columns_that_lie_close_are_both_named(page, server, signs):
    def close(found):
        if "inputs" not in found.get("answer", {}):
            return
        answer = found["answer"]
        answer["weights_as_importance"] = {
            "verdict": "partly",
            "statement": "So.",
            "rank_correlation": None,
            "interval": None,
        }
        (strength,) = [each["name"] for each in answer["methods"] if each["kind"] == "strength"][:1]
        for each, value in zip(answer["inputs"], (0.51, 0.49), strict=True):
            each["importance"] = each["methods"][strength] = value

    answering(page, "**/api/explanation?*", close)
    open_page(page, server, f"explain?model={signs.name}/model.safetensors&table=quadrants.csv")
    page.get_by_role("button", name="Measure what matters").click()
    places = card(page, "May I read weights as importance here?").locator(".chart svg")
    names = [places.get_by_text(name, exact=True) for name in ("x", "y")]
    for name in names:
        expect(name).to_be_visible()
    one, other = (name.bounding_box() for name in names)
    assert one["y"] + one["height"] <= other["y"] + 1  # and neither lies over the other


def test_what_is_wrong_with_a_table_is_said_once(page, server, signs):
    problem = "infinite.csv: column 'x', row 3: expected a finite number, found inf."
    page.route("**/api/explanation?*", lambda route: route.fulfill(status=400, json={"error": problem}))
    open_page(page, server, f"explain?model={signs.name}/model.safetensors&table=quadrants.csv")
    expect(card(page, "One row, and what would be if").get_by_role("alert")).to_have_text(problem)
    measure = page.get_by_role("button", name="Measure what matters")
    with page.expect_response("**/api/explanation?*"):
        measure.click()
    measure.wait_for()
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.get_by_role("alert")).to_have_text(problem)


def test_a_picture_is_saved_once_it_is_there(page, server, signs):
    held = []
    page.route("**/api/run/surface?*", lambda route: held.append(route))
    open_page(page, server, f"run?run={signs.name}")
    surface = card(page, "What it predicts everywhere")
    expect(surface.get_by_text("Asking the network")).to_be_visible()
    expect(surface.get_by_role("button", name="PNG")).to_be_disabled()
    let_go(page, held)
    expect(surface.get_by_role("button", name="PNG")).to_be_enabled()


def test_trainings_that_left_no_run_are_searched_too(page, server, signs):
    def failed(told):
        told["without_run"] = [
            {"run": name, "activity": "failed", "error": f"{name}.csv: no rows."} for name in ("moons", "circles")
        ]

    answering(page, "**/api/runs", failed)
    open_page(page, server, "runs")
    without, search = page.get_by_test_id("without-run"), page.get_by_label("Search")
    expect(without).to_have_count(2)
    for words, left in (("moons", 1), ("failed rows", 2), ("zzz", 0)):
        search.fill(words)
        expect(without).to_have_count(left)
        expect(page.get_by_text("No run matches.")).to_have_count(0 if left else 1)


def test_what_a_column_seems_to_be_is_read_to_the_end(page, server, signs):
    open_page(page, server, "train?table=quadrants.csv&target=x")
    choice = field(page, "As")
    expect(choice.locator("option:checked")).to_have_text("numbers, it seems")
    assert choice.evaluate(FITS)


def test_a_field_shows_the_number_that_is_used(page, server):
    open_page(page, server, "neuron")
    place = page.get_by_label("input 1, as a number")
    place.fill("123456789.123456789")
    page.keyboard.press("Tab")
    expect(place).to_have_value("123456789.123457")
    arithmetic = card(page, "The arithmetic")
    expect(arithmetic.locator("code", has_text="pondera neuron")).to_contain_text("--inputs=123456789.123457,2")
    expect(arithmetic.get_by_text("Long numbers are rounded here")).to_be_visible()
    assert place.evaluate("(field) => field.scrollWidth <= field.clientWidth")
    place.fill("5")
    page.keyboard.press("Tab")
    expect(arithmetic.get_by_text("Long numbers are rounded here")).to_have_count(0)


def test_what_is_chosen_for_a_training_outlives_a_reload_and_the_way_back(page, server, signs):
    chosen = {"Column to predict": "x", "Epochs": "7", "Learning rate": "0.01", "Recipe": "plain"}

    def unchanged():
        expect(page.get_by_label("A table in the folder")).to_have_value("quadrants.csv")
        for label, value in chosen.items():
            expect(field(page, label)).to_have_value(value)
        expect(page.get_by_label("y is taken as")).to_have_value("left out")

    open_page(page, server, "train")
    page.get_by_label("A table in the folder").select_option("quadrants.csv")
    page.get_by_label("y is taken as").select_option("left out")
    for label, value in chosen.items():
        place = field(page, label)
        place.select_option(value) if label in ("Column to predict", "Recipe") else place.fill(value)
    expect(page).to_have_url(re.compile(r"train\?table=quadrants\.csv&target=x.*recipe=plain"))
    page.reload()
    unchanged()
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("heading", name="Runs").wait_for()
    page.go_back()
    unchanged()


def test_a_training_that_failed_says_why_once_and_leads_back_to_its_form(page, server, signs):
    table = pl.read_csv(server.folder / "quadrants.csv").with_columns(kind=pl.lit("same"))
    table.write_csv(server.folder / "alike.csv")  # one class, of which nothing can be learned
    open_page(page, server, "train?table=alike.csv&target=kind&epochs=3")
    expect(field(page, "Name of the run")).to_have_value("alike-model")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_test_id("activity")).to_have_text("failed")
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.get_by_role("alert")).to_contain_text("class")
    page.get_by_role("link", name="Change the training").click()
    expect(page.get_by_label("Column to predict")).to_have_value("kind")
    expect(field(page, "Epochs")).to_have_value("3")


@pytest.mark.parametrize(
    ("label", "typed", "told"),
    [
        ("Learning rate", "0", "Learning rate: expected more than 0. Got 0."),
        ("Hidden layers", "8,0", "Hidden layers: expected at least 1. Got 8,0."),
        ("Seed", "99999999999999999999", "Seed: expected at most 2147483647. Got 99999999999999999999."),
    ],
)
def test_what_a_form_is_refused_for_is_told_by_its_label_and_as_it_was_typed(page, server, signs, label, typed, told):
    open_page(page, server, "train?table=quadrants.csv")
    field(page, label).fill(typed)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("alert")).to_have_text(told)


def test_that_the_server_has_ended_is_said_once_until_it_answers_again(page, server, signs):
    page.route("**/api/**", lambda route: route.abort())
    open_page(page, server, f"run?run={signs.name}")
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    page.get_by_role("link", name="Explain").click()
    expect(page.get_by_role("heading", name="Explain", exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(1)
    page.unroute("**/api/**")
    page.get_by_role("link", name="Runs").click()
    page.get_by_test_id("runs").wait_for()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_without_rows_held_out_nothing_is_shown_of_them(page, server, signs):
    def trained_on_all(told):
        for each in told["epochs"]:
            each |= {"validation_loss": None, "validation_metric": None}

    answering(page, "**/api/run/curves?*", trained_on_all)
    open_page(page, server, f"run?run={signs.name}")
    expect(tile(page, "epochs")).to_have_text("30 of 30")
    expect(page.get_by_text("none are held out")).to_be_visible()
    expect(page.locator("dt", has_text="held out")).to_have_count(0)
    expect(card(page, "Accuracy")).to_have_count(0)


def test_ticks_have_digits_enough_to_be_told_apart(page, server, signs):
    def flat(told):
        for each in told["epochs"]:
            each["training_loss"] = each["validation_loss"] = 0.6931 + each["epoch"] * 2e-6

    answering(page, "**/api/run/curves?*", flat)
    open_page(page, server, f"run?run={signs.name}")
    ticks = card(page, "Loss").locator("svg text[text-anchor=end]")
    ticks.first.wait_for()
    told = [text for text in ticks.all_text_contents() if "." in text]
    assert len(told) > 2
    assert len(set(told)) == len(told)
    picture = card(page, "Loss").locator("svg.picture").bounding_box()
    assert all(each.bounding_box()["x"] >= picture["x"] for each in ticks.all())


def test_a_number_that_is_none_is_told_and_the_old_one_stays(page, server, signs):
    open_page(page, server, "neuron")
    weight = page.get_by_label("weight 1, as a number")
    for typed in ("1e400", "-", ""):
        weight.fill("")
        weight.press_sequentially(typed)
        page.keyboard.press("Tab")
        expect(page.get_by_role("alert")).to_have_text("Expected a number within ±1.8e308. It stays 0.7.")
        expect(weight).to_have_value("0.7")
    weight.fill("0.5")
    page.keyboard.press("Tab")
    expect(page.get_by_role("alert")).to_have_count(0)
    open_page(page, server, f"explain?model={signs.name}/model.safetensors&table=quadrants.csv")
    one = card(page, "One row, and what would be if")
    expect(one.get_by_text("row, from 0 to 199")).to_be_visible()
    row = one.get_by_role("spinbutton", name="row")
    for typed in ("-1", "1.5", "200"):
        row.fill(typed)
        page.keyboard.press("Tab")
        expect(one.get_by_role("alert")).to_have_text(
            f"Expected a whole number from 0 to 199. Got {typed}. It stays 0."
        )
        expect(row).to_have_value("0")


def test_bytes_of_tensors_are_called_so(page, server):
    open_page(page, server, "checkpoints?file=old.safetensors")
    expect(tile(page, "bytes of tensors")).to_have_text("241 kB")


def test_a_file_of_no_table_is_told_what_tables_are(page, server):
    open_page(page, server, "train")
    page.set_input_files("input[type=file]", Path(server.folder / "old.safetensors"))
    expect(page.get_by_role("alert")).to_contain_text("“old.safetensors”: expected a table (CSV, TSV, Parquet, Arrow)")


def test_of_very_many_columns_the_first_are_shown_and_the_others_asked_for(page, server):
    wide = pl.DataFrame({f"column {k}": [k, k + 1, k + 3] for k in range(1500)})
    wide.write_csv(server.folder / "very wide.csv")
    open_page(page, server, "train?table=very wide.csv")
    page.get_by_text("Columns and their types").click()
    rows = card(page, "2. What is to be predicted, and from what").locator("tbody tr")
    expect(rows).to_have_count(60)
    page.get_by_label("Search columns").fill("column 1499")
    expect(rows).to_have_count(1)
    page.get_by_label("Search columns").fill("")
    page.get_by_role("button", name="1,440 more").click()
    expect(rows).to_have_count(1500)


def test_values_of_columns_are_seen_on_a_narrow_window(page, server):
    texts = ["a rather long text of one category of many", "another one, which is about as long"]
    pl.DataFrame({"text": texts * 4, "kind": ["a", "b"] * 4}).write_csv(server.folder / "long.csv")
    page.set_viewport_size({"width": 765, "height": 900})
    open_page(page, server, "train?table=long.csv")
    place = card(page, "2. What is to be predicted, and from what").locator(".scroll")
    expect(place).to_contain_text("about as long")
    assert place.evaluate("(place) => place.scrollWidth <= place.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_of_a_metric_that_is_not_known_none_is_called_the_best(page, server):
    loop, w = Loop(server.folder / "own", about={"framework": "PyTorch"}), {"w": np.ones((3, 2))}
    loop.begin(w)
    for step in range(3):
        loop.point(step, w, w)
        loop.took(step, 0.5)
        loop.epoch(step, {"training_loss": 0.5, "validation_loss": 0.5, "validation_metric": 0.1 * step})
    loop.close(True, w)
    open_page(page, server, "run?run=own")
    expect(page.get_by_text("metric held out", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Metric", exact=True)).to_be_visible()
    expect(page.get_by_text("best metric")).to_have_count(0)


def test_columns_are_told_in_words_of_the_form(page, server, signs):
    rows = range(120)
    table = {"order id": [f"o{k}" for k in rows], "land": ["NL"] * 120, "half": [None, 1] * 60, "y": list(rows)}
    pl.DataFrame(table).write_csv(server.folder / "orders.csv")
    open_page(page, server, "train?table=orders.csv&target=y")
    expect(page.get_by_test_id("unfit")).to_contain_text("it cannot be trained on: order id.")
    row = page.get_by_role("row", name="order id")
    expect(row).to_contain_text("It is an identifier or free text. Leave it out, or derive a category")
    expect(page.get_by_text("the same in all rows")).to_have_count(1)
    expect(page.get_by_role("row", name="land")).to_contain_text("the same in all rows")


def test_a_score_of_nothing_has_no_sign(page, server, signs):
    answering(page, "**/api/run/outcome?*", lambda told: told.update(test={"r2": -0.00004}, test_rows=9))
    open_page(page, server, "run?run=signs")
    expect(card(page, "What came of it").get_by_role("row", name="this network")).to_have_text("this network0.0000")


def test_dates_are_an_axis_of_time(page, server, signs):
    days = [f"2022-{month:02}-01" for month in range(1, 13)]
    effect = {"name": "sold on", "values": days, "ordered": True, "shares": [1 / 12] * 12}
    effect |= {"mean": list(range(12)), "accumulated": list(range(12))}
    answering(page, "**/api/explanation?*", lambda told: told["answer"].update(effects=[effect]))
    open_page(page, server, "explain?model=signs/model.safetensors&table=quadrants.csv")
    page.get_by_role("button", name="Measure what matters").click()
    found = card(page, "How the strongest act")
    expect(found.locator(".legend")).to_contain_text("rows as they are")
    labels = found.locator(".chart .role-axis-label text")
    expect(labels.filter(has_text=re.compile(r"^2022-\d\d$")).first).to_be_visible()
    assert labels.filter(has_text=days[0]).count() == 0


def test_classes_have_colours_of_their_own_or_it_is_said(page, server, signs):
    answering(page, "**/api/run/surface?*", lambda told: told["answer"].update(classes=[f"c{k}" for k in range(13)]))
    open_page(page, server, "run?run=signs")
    legend = card(page, "What it predicts everywhere").locator(".legend")
    expect(legend).to_contain_text("Of more than 12 classes several have the same colour.")
    marks = legend.locator("i").evaluate_all("all => all.map(each => getComputedStyle(each).backgroundColor)")
    assert (len(marks), len(set(marks))) == (13, 12)
