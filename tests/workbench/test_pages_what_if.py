"""What would be if: each value of a row is changed by what fits the way the model takes its column."""

import ast
import re
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import expect

from tests.workbench.browsing import given, open_page, pondera

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs

ROWS = 120


@pytest.fixture(scope="module")
def kinds(server):
    """A model of columns of every kind, beside the table that it was trained on; its first row lacks a number."""
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "x": [None if k % 10 == 0 else float(value) for k, value in enumerate(random.normal(size=ROWS))],
            "colour": [(None, "green", "red")[k % 3] for k in range(ROWS)],
            "zip": [k % 4 for k in range(ROWS)],
            "open": [k % 5 < 2 for k in range(ROWS)],
            "day": [date(2024, 1, 1) + timedelta(days=k) for k in range(ROWS)],
        }
    )
    frame = frame.with_columns(kind=pl.Series(["yes" if k % 4 < 2 else "no" for k in range(ROWS)]))
    frame.write_csv(server.folder / "kinds.csv")
    options = ["--target=kind", "--recipe=plain", "--hidden=8", "--epochs=20", "--categorical=zip", "--out=kinds"]
    pondera(server.folder, "train", "kinds.csv", *options)
    return "explain?model=kinds/model.safetensors&table=kinds.csv"


def changed(page, act):
    """The values that a prediction is asked of once something was done."""
    with page.expect_request("**/api/prediction") as asked:
        act()
    expect(page.get_by_text("What would be predicted:")).to_be_visible()
    return asked.value.post_data_json["values"]


def test_each_value_is_changed_by_what_fits_its_kind(page, server, kinds):
    open_page(page, server, kinds)
    page.get_by_test_id("contributions").wait_for()
    zips = page.get_by_label("zip", exact=True)
    expect(zips.locator("option")).to_have_text(["0", "1", "2", "3"])
    before = page.get_by_test_id("prediction").inner_text()
    assert changed(page, lambda: zips.select_option("3"))["zip"] == "3"
    expect(page.get_by_test_id("prediction")).not_to_have_text(before)
    colours = page.get_by_label("colour", exact=True)
    expect(colours.locator("option")).to_have_text(["green", "red", "missing"])
    expect(colours.locator("option:checked")).to_have_text("missing")
    assert changed(page, lambda: colours.select_option("red"))["colour"] == "red"
    assert changed(page, lambda: colours.select_option("missing"))["colour"] is None
    assert changed(page, lambda: page.get_by_label("open", exact=True).select_option("false"))["open"] is False
    missing = page.get_by_role("button", name="x is missing")
    expect(missing).to_have_attribute("aria-pressed", "true")
    assert changed(page, missing.click)["x"] is not None
    page.get_by_label("x, as a number").fill("1.5")
    assert changed(page, lambda: page.keyboard.press("Tab"))["x"] == 1.5
    page.get_by_label("day", exact=True).fill("2024-03-05")
    assert changed(page, lambda: page.keyboard.press("Tab"))["day"] == "2024-03-05"
    page.get_by_label("day", exact=True).fill("some day")
    page.keyboard.press("Tab")
    expect(page.get_by_role("alert")).to_contain_text("Column 'day', this row: expected a date such as 2024-01-31")
    page.get_by_role("button", name="Back to the row").click()
    expect(page.get_by_test_id("prediction")).to_have_text(before)


def test_python_gives_the_same_probabilities(page, server, kinds):
    open_page(page, server, kinds)
    page.get_by_test_id("contributions").wait_for()
    shown = page.locator("code", has_text=".predict_proba(")
    expect(shown).to_have_count(0)  # the row as it is has a command of its own
    for label, value in (("zip", "3"), ("colour", "missing"), ("open", "true")):
        changed(page, lambda label=label, value=value: page.get_by_label(label, exact=True).select_option(value))
    page.get_by_label("day", exact=True).fill("2024-03-05")
    changed(page, lambda: page.keyboard.press("Tab"))
    told = page.get_by_test_id("prediction")
    expect(told).to_contain_text("%")
    probabilities = ast.literal_eval(given(shown.inner_text(), server.folder))
    assert sorted(probabilities) == ["no", "yes"]
    likeliest = max(probabilities, key=probabilities.get)
    expect(told).to_have_text(f"{likeliest} {100 * probabilities[likeliest]:.1f} %")


def test_an_answer_that_comes_while_somebody_types_writes_nothing_over(page, server, kinds):
    open_page(page, server, kinds)
    day, held = page.get_by_label("day", exact=True), []
    day.wait_for()
    page.route("**/api/prediction", lambda route: held.append(route))
    with page.expect_request("**/api/prediction"):
        day.fill("2024-03-05")
        page.keyboard.press("Tab")
    day.fill("some day")
    with page.expect_response("**/api/prediction"):
        held.pop().continue_()
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(day).to_have_value("some day")


@pytest.mark.usefixtures("kinds")
def test_what_is_beyond_training_is_said_to_be(page, server):
    widths = np.arange(ROWS) / 10
    pl.DataFrame({"width": widths, "price": 3 * widths}).write_csv(server.folder / "widths.csv")
    options = ["--target=price", "--hidden=8", "--epochs=60", "--out=widths"]
    pondera(server.folder, "train", "widths.csv", *options)
    open_page(page, server, "explain?model=widths/model.safetensors&table=widths.csv")
    expect(page.get_by_text(re.compile(r"Its values are those of (a|no) row that was trained on\."))).to_be_visible()
    predicted = page.get_by_test_id("prediction")
    expect(page.get_by_text("Beyond the table")).to_have_count(0)
    for typed in ("1000", "1e30"):
        page.get_by_label("width, as a number").fill(typed)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Beyond the table, 0 to 11.9")).to_be_visible()
        expect(page.get_by_test_id("kept-within")).to_contain_text(
            re.compile(r"the answers of training, [\d.]+ to 3[45]")
        )
        assert page.get_by_test_id("kept-within").inner_text().split(" to ")[1].startswith(predicted.inner_text())
    page.get_by_role("button", name="Back to the row").click()
    expect(page.get_by_text("Beyond the table")).to_have_count(0)
