"""The pages in a real browser: from the neuron to a training, its replay, a weight, checkpoints and explanations."""

import json
import re
import shutil

import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.workbench.browsing import PATIENCE, field, let_go, open_page, pondera, start, until

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs


def steps(page):
    return int(page.get_by_test_id("steps").inner_text().replace(",", ""))


def picture(page):
    return page.get_by_test_id("network").locator("canvas").evaluate("canvas => canvas.toDataURL()")


SETTLED = """async canvas => {
  let [seen, same] = ["", 0];
  while (same < 10) {
    await new Promise(requestAnimationFrame);
    const now = canvas.toDataURL();
    same = now === seen ? same + 1 : 0;
    seen = now;
  }
  return seen;
}"""


def settled(canvas):
    """A picture, once it has stood still for some frames."""
    return canvas.evaluate(SETTLED)


@pytest.fixture
def spare(server, signs, request):
    """A run that a test may do away with; its name is the test's."""
    name = "spare-" + re.sub(r"\W+", "-", request.node.name)
    shutil.copytree(signs, server.folder / name)
    yield name
    shutil.rmtree(server.folder / name, ignore_errors=True)


@pytest.fixture
def binned(browser, server, spare):
    """The name of a run in the bin."""
    answer = browser.request.delete(f"{server.address.split('/?')[0]}/api/run", params={"run": spare})
    assert answer.ok
    return spare


RECORDED = """async () => {
  const answer = await fetch("/api/run/network?run=watched");
  return (await answer.json()).steps.length > 6;
}"""
"""Whether there is enough of the run to be replayed."""


def test_the_address_keeps_no_token(page, server):
    open_page(page, server, "neuron")
    assert "token" not in page.url
    assert page.evaluate("document.cookie") == ""


def test_the_neuron(page, server):
    open_page(page, server, "neuron")
    expect(page.get_by_test_id("output")).to_have_text("5.1")
    bars = page.locator("[data-contribution]")
    assert bars.all_text_contents() == ["3.5", "0.6", "1", "5.1"]
    page.get_by_label("weight 1, as a number").fill("0.5")
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("output")).to_have_text("4.1")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Take a step").click()
    expect(page.get_by_test_id("arithmetic")).to_contain_text("0.59")  # 0.7 − 0.01 · 2 (5.1 − 4) · 5
    assert page.get_by_test_id("arithmetic").locator("tr").last.inner_text().split()[-1] == "0.1936"


def test_a_training_from_upload_to_the_life_of_a_weight(page, server):
    start(page, server, "watched", hidden_layers="6,4", epochs="5000000", learning_rate="0.00001")
    page.get_by_test_id("network").wait_for()
    expect(page.get_by_test_id("activity")).to_have_text("running")
    first, seen = steps(page), picture(page)
    until(page, f"() => document.querySelector('[data-testid=network] canvas').toDataURL() !== {json.dumps(seen)}")
    assert steps(page) >= first

    page.reload()  # loses nothing
    page.get_by_test_id("network").wait_for()
    until(
        page, f"() => Number(document.querySelector('[data-testid=steps]').textContent.replaceAll(',', '')) > {first}"
    )
    second = page.context.new_page()  # another tab shows the same
    open_page(second, server, "run?run=watched")
    second.get_by_test_id("network").wait_for()
    page.get_by_role("button", name="Pause").click()
    for each in (page, second):
        expect(each.get_by_test_id("activity")).to_have_text("paused")
    second.close()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_test_id("activity")).to_have_text("running")
    until(page, RECORDED)  # how many steps are recorded by then depends on the machine
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Explain it").wait_for()

    until(page, "() => Number(document.querySelector('[data-testid=replay]').max) > 5")
    last = picture(page)
    with page.expect_response(re.compile(r"/api/run/tile.*step=0\b")):
        page.get_by_test_id("replay").fill("0")  # the replay begins at random weights
    until(page, f"() => document.querySelector('[data-testid=network] canvas').toDataURL() !== {json.dumps(last)}")
    page.get_by_test_id("surface").wait_for()
    colours = page.get_by_test_id("heat-map").locator("canvas")
    first = settled(colours)
    slider = page.get_by_test_id("replay-layer")  # the same slider, beside the layer that it colours
    assert slider.input_value() == "0"
    latest = slider.get_attribute("max")  # of what is told by now: the last recorded steps may still be on their way
    slider.fill(latest)
    until(page, f"() => document.querySelector('[data-testid=heat-map] canvas').toDataURL() !== {json.dumps(first)}")
    assert page.get_by_test_id("replay").input_value() == latest

    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_test_id("biography").wait_for()
    name = page.locator("#inspector h2").inner_text()
    told = json.loads(pondera(server.folder, "weight", "watched", name, "--json"))
    for key in ("initial", "final"):
        assert float(page.get_by_test_id(key).inner_text().replace("−", "-")) == pytest.approx(told[key], rel=1e-5)
    shown = page.get_by_test_id("ablation").inner_text().replace("−", "-")
    assert shown != "–", page.get_by_test_id("biography").inner_text()  # which says why it is not known
    assert float(shown) == pytest.approx(told["ablation_loss_change"], rel=1e-3)
    page.get_by_role("button", name="Its last update").click()
    page.get_by_test_id("backprop").wait_for()


@pytest.mark.usefixtures("signs")
def test_a_unit_by_keys_and_by_clicks(page, server):
    open_page(page, server, "run?run=signs")
    page.get_by_test_id("network").focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#unit h2")).to_have_text("x · inputs[0]")
    expect(page.get_by_test_id("chosen-by-keys")).to_have_text("x")
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(f"Shift+{key}")
    expect(page.locator("#unit h2")).to_have_text("layers.0[1]")
    page.get_by_test_id("unit-told").wait_for()
    told = json.loads(pondera(server.folder, "unit", "signs", "layers.0[1]", "--json"))
    for key, value in (("unit-ablation", told["ablation_loss_change"]), ("unit-bias", told["bias"])):
        assert float(page.get_by_test_id(key).inner_text().replace("−", "-")) == pytest.approx(value, rel=1e-3)
    expect(page.get_by_test_id("unit-mark")).to_be_attached()
    page.get_by_test_id("unit").get_by_role("button", name="y", exact=True).click()
    expect(page.locator("#unit h2")).to_have_text("y · inputs[1]")
    page.get_by_test_id("network").scroll_into_view_if_needed()
    box = page.get_by_test_id("network").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 24 - 7 * len("same"), box["y"] + box["height"] / 2)  # the output
    expect(page.locator("#unit h2")).to_have_text("same · layers.2[0]")
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")  # a connection takes its place
    expect(page.locator("#unit")).to_have_count(0)
    page.locator("#inspector").wait_for()
    expect(page.get_by_test_id("chosen-by-keys")).to_have_text(re.compile(r"layers\.0\.weight\[0,0\] is −?[\d.]+"))


def test_columns_are_changed_and_rows_of_another_table_tested_on(page, server):
    frame = pl.read_csv(server.upload)
    more = frame.with_columns(
        zip=pl.Series([k % 3 for k in range(200)]), id=pl.Series([f"row {k}" for k in range(200)])
    )
    more[:150].write_csv(server.folder / "rows.csv")
    more[150:].write_csv(server.folder / "later.csv")
    open_page(page, server, "train?table=rows.csv")
    expect(page.get_by_label("id is taken as")).to_have_value("left out")  # its texts are different in every row
    page.get_by_label("kind is taken as").select_option("predicted")
    expect(field(page, "Column to predict")).to_have_value("kind")
    expect(page.get_by_label("kind is taken as")).to_be_disabled()
    page.get_by_label("zip is taken as").select_option("categories")
    page.get_by_label("y is taken as").select_option("left out")
    field(page, "Recipe").select_option("plain")
    field(page, "Epochs").fill("2")
    field(page, "Networks").fill("2")
    field(page, "Tested on").select_option("later.csv")
    expect(field(page, "Share to test on")).to_have_count(0)
    expect(field(page, "Name of the run")).to_have_value("rows-model")
    with page.expect_request("**/api/training") as sent:
        page.get_by_role("button", name="Start training").click()
    wanted = sent.value.post_data_json
    assert (wanted["test"], wanted["seeds"], wanted["categorical"]) == ("later.csv", 2, ["zip"])
    assert sorted(wanted["drop"]) == ["id", "y"]
    page.get_by_text("Explain it").wait_for()
    for name in ("rows.csv", "later.csv"):
        (server.folder / name).unlink()
    shutil.rmtree(server.folder / "rows-model")


def test_a_server_that_is_killed_and_started_again_finds_the_training(browser, server):
    page = browser.new_page()
    start(page, server, "long", hidden_layers="4", epochs="5000000", learning_rate="0.00001")
    page.get_by_test_id("network").wait_for()
    before = steps(page)
    server.kill()
    server.start()
    page.goto("about:blank")
    page.goto(server.address)
    open_page(page, server, "run?run=long")
    expect(page.get_by_test_id("activity")).to_have_text("running")
    until(
        page, f"() => Number(document.querySelector('[data-testid=steps]').textContent.replaceAll(',', '')) > {before}"
    )
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Explain it").wait_for()
    page.close()


def test_runs_are_laid_over_each_other_and_put_into_the_bin(page, server, spare):
    open_page(page, server, "runs")
    rows = page.get_by_test_id("runs").locator("tbody tr")
    for name in ("signs", spare):
        page.get_by_label(f"Lay {name} over others").check()
    expect(page.get_by_role("region", name="They differ in")).to_contain_text("they are the same training")
    expect(page.get_by_label("loss of the chosen runs").locator("svg")).to_be_visible()
    page.get_by_label("Search").fill(spare)
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="Bin").click()
    expect(rows).to_have_count(0)
    expect(page.get_by_test_id("bin")).to_contain_text(spare)
    page.get_by_role("button", name=f"Put {spare} back").click()
    expect(rows).to_have_count(1)
    expect(page.get_by_text(f"{spare} is back.")).to_be_visible()
    expect(page.get_by_role("button", name=f"Put {spare} back")).to_have_count(0)


@pytest.mark.usefixtures("signs")
def test_checkpoints_are_opened_and_compared(page, server):
    open_page(page, server, "checkpoints?file=old.safetensors")
    expect(page.get_by_test_id("layers")).to_contain_text("300 → 200")
    page.get_by_test_id("heat-map").wait_for()
    page.get_by_label("Compare with").select_option("new.safetensors")
    expect(page.get_by_test_id("verdict")).to_contain_text("1 of 2")
    open_page(page, server, "checkpoints?folder=signs/snapshots")
    page.get_by_test_id("timeline").wait_for()


def test_layers_are_seen_before_their_values_are_read(page, server):
    held = []
    page.route("**/api/checkpoint?*", lambda route: held.append(route))
    open_page(page, server, "checkpoints?file=old.safetensors")
    expect(page.get_by_test_id("layers")).to_contain_text("300 → 200")
    expect(page.get_by_text("every value once")).to_be_visible()
    let_go(page, held)
    page.get_by_test_id("heat-map").wait_for()
    expect(page.get_by_text("every value once")).to_have_count(0)


@pytest.mark.usefixtures("signs")
def test_an_explanation(page, server):
    open_page(page, server, "explain?model=signs/model.safetensors")
    page.get_by_role("button", name="Measure what matters").click()
    page.get_by_test_id("importance").wait_for(timeout=2 * PATIENCE)
    assert page.get_by_test_id("reliability").inner_text()
    page.get_by_test_id("contributions").wait_for()
    page.get_by_label("x, as a number").fill("3")
    page.keyboard.press("Tab")
    expect(page.get_by_text("What would be predicted:")).to_be_visible()


def choose_a_unit(page):
    page.get_by_test_id("network").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_test_id("unit-told").wait_for()


def choose_a_connection(page):
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_test_id("biography").wait_for()


def lay_over(page):
    page.get_by_label("Lay signs over others").check()
    page.get_by_test_id("bin").wait_for()


def measure(page):
    page.get_by_role("button", name="Measure what matters").click()
    page.get_by_test_id("importance").wait_for(timeout=2 * PATIENCE)
    page.get_by_test_id("contributions").wait_for()


def waits_for(name):
    return lambda page: page.get_by_test_id(name).wait_for()


PLACES = {
    "neuron": waits_for("output"),
    "train": lambda page: page.get_by_role("button", name="iris").wait_for(),
    "train?example=iris": lambda page: page.get_by_role("button", name="Start training").wait_for(),
    "runs": lay_over,
    "run?run=signs": waits_for("network"),
    "run?run=signs#unit": choose_a_unit,
    "run?run=signs#connection": choose_a_connection,
    "run?run=nothing": lambda page: page.get_by_text("Choose one on the page Runs").wait_for(),
    "checkpoints": lambda page: page.get_by_text("In this folder").wait_for(),
    "checkpoints?file=old.safetensors": waits_for("heat-map"),
    "checkpoints?file=old.safetensors&other=new.safetensors": waits_for("verdict"),
    "checkpoints?folder=signs/snapshots": waits_for("timeline"),
    "explain": lambda page: page.get_by_text("What is explained").wait_for(),
    "explain?model=signs/model.safetensors": measure,
}


COMPLETE = """() => !document.querySelector(".waiting")
  && [...document.querySelectorAll(".chart")].every((chart) => chart.querySelector("svg"))"""


@pytest.mark.usefixtures("binned")
@pytest.mark.parametrize("place", PLACES)
def test_nothing_keeps_anybody_out(page, server, place):
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        open_page(page, server, place.split("#")[0])
        PLACES[place](page)
        until(page, COMPLETE)
        found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
        assert [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found] == []
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{place} is wider than a telephone"
        page.set_viewport_size({"width": 1280, "height": 900})
