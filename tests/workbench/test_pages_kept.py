"""The page of a training whose model is not the network of the last step: what is shown says of which step it is."""

import json
import re

import polars as pl
import pytest
from playwright.sync_api import expect

import pondera
from tests.workbench.browsing import card, open_page
from tests.workbench.browsing import pondera as command

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs


@pytest.fixture(scope="module")
def kept(server):
    """The step that a training kept which went on after it, to no good: half of its answers are chance."""
    table = pl.read_csv(server.upload)
    flipped = [
        other if k % 3 == 0 else kind
        for k, (kind, other) in enumerate(zip(table["kind"], table["kind"][::-1], strict=True))
    ]
    table.with_columns(kind=pl.Series(flipped)).write_csv(server.folder / "noise.csv")
    options = ["--target=kind", "--hidden=8,8", "--epochs=90", "--record=full", "--out=noise"]
    command(server.folder, "train", "noise.csv", *options)
    with pondera.runs.open(server.folder / "noise") as run:
        assert 0 < run.kept() < run.taken == 90  # one step an epoch
        return run.kept()


def test_the_page_says_which_step_the_model_is_and_leads_there(page, server, kept):
    open_page(page, server, "run?run=noise")
    expect(page.get_by_test_id("kept")).to_contain_text(f"The model is that of epoch {kept}, after step {kept}:")
    expect(card(page, "Loss").get_by_test_id("kept-epoch")).to_be_visible()
    expect(card(page, "Accuracy").get_by_test_id("kept-epoch")).to_be_visible()
    for title in ("The network", "A layer as colours", "What it predicts everywhere"):
        expect(card(page, title)).to_contain_text(f"step 90; the model is of step {kept}")
    page.get_by_role("button", name="Show that step below").click()
    for title in ("The network", "A layer as colours"):
        expect(card(page, title)).to_contain_text(f"step {kept}, the model")


def test_figures_of_a_weight_say_of_which_step_they_are(page, server, kept):
    open_page(page, server, "run?run=noise")
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("end")).to_contain_text(f"after step {kept}; {90 - kept} later steps were not kept")
    ticks = page.locator("#inspector .chart .role-axis-label text")
    for at, step in enumerate(("0", "1", "10")):  # step 0 is drawn as 0, not as 1
        expect(ticks.nth(at)).to_have_text(step)
    expect(page.get_by_text(f"Dashed: what training made of it after step {kept}")).to_be_visible()
    page.get_by_role("button", name="In its layer").click()
    expect(page.locator("#inspector")).to_contain_text(re.compile(rf"before step \d+; the model is of step {kept}\."))
    page.get_by_role("button", name="Its last update").click()
    expect(page.get_by_test_id("update-step")).to_contain_text(
        f"From its value before step 89 to that before step 90; the model is of step {kept}."
    )


def test_the_products_of_a_gradient_have_the_factor_of_their_layer(page, server, kept):
    name = "layers.1.weight[0,0]"
    told = json.loads(command(server.folder, "backprop", "noise", "--step=89", f"--weight={name}", "--json"))["weight"]
    product = told["product"]
    assert product["factor"] == pytest.approx(2**-0.5)
    terms = zip(product["activations"], product["signals"], strict=True)
    assert sum(a * b * product["factor"] for a, b in terms) == pytest.approx(told["gradient"], rel=1e-4)
    largest = max(zip(product["activations"], product["signals"], strict=True), key=lambda each: abs(each[0] * each[1]))
    open_page(page, server, "run?run=noise")
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#inspector h2")).to_have_text(name)
    page.get_by_role("button", name="Its last update").click()
    page.get_by_test_id("gradient").wait_for()
    first = page.get_by_test_id("gradient").locator(".mono").inner_text().replace("−", "-").split(" + ")[0]
    assert [float(each) for each in first.split(" · ")] == pytest.approx([*largest, 2**-0.5], rel=1e-3)
    assert "Σ input · signal · 0.7071 =" in page.get_by_test_id("gradient").inner_text()


def test_figures_of_a_unit_say_of_which_step_they_are(page, server, kept):
    open_page(page, server, "run?run=noise")
    page.get_by_test_id("network").focus()
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(f"Shift+{key}")
    expect(page.locator("#unit")).to_contain_text(f"connections are those before step 90; the model is of step {kept}.")
    expect(page.get_by_test_id("unit-told")).to_contain_text(f"Of the weights that were kept, after step {kept},")


def test_where_the_last_step_was_kept_nothing_is_said_of_it(page, server, signs):
    with pondera.runs.open(signs) as run:
        assert run.kept() == run.taken
    open_page(page, server, "run?run=signs")
    expect(card(page, "The network")).to_contain_text(re.compile(r"step \d+"))
    card(page, "What came of it").get_by_role("link", name="Explain it").wait_for()
    assert "the model" not in card(page, "The network").inner_text()
    assert page.get_by_test_id("kept").count() == page.get_by_test_id("kept-epoch").count() == 0
