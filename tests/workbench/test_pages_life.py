"""The life of a training on its page: what is chosen stays what it is, and what goes wrong is told and mended."""

import base64
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

import pondera
from pondera.recording.process import writer_of
from tests.workbench.browsing import answering, open_page, start
from tests.workbench.browsing import pondera as command

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs


@pytest.fixture(scope="module")
def wide(browser, server):
    """A training that goes on; of its second layer some connections only are drawn."""
    page = browser.new_page()
    start(page, server, "wide", hidden_layers="30,30", epochs="5000000", learning_rate="0.0001")
    page.get_by_test_id("network").wait_for()
    page.close()
    yield "wide"
    browser.request.post(f"{server.address.split('/?')[0]}/api/training/stop", params={"run": "wide"})


def without(told, name, lost, value):
    """Frames in which a place of a matrix is not drawn, and all weights of the matrix that are drawn have one value."""
    steps = len(told["steps"])
    parts = np.frombuffer(base64.b64decode(told["values"]), "<f4").reshape(steps, -1)
    kept, before = [], 0
    for matrix in told["matrices"]:
        count = len(matrix["places"])
        part = parts[:, before : before + count]
        before += count
        if matrix["name"] == name:
            at = matrix["places"].index(lost)
            del matrix["places"][at]
            part = np.full_like(np.delete(part, at, axis=1), value)
        kept.append(part)
    told["values"] = base64.b64encode(np.concatenate(kept, axis=1).astype("<f4").tobytes()).decode()
    return told


def test_what_is_chosen_stays_the_same_connection_whichever_are_drawn(page, server, wide):
    lost = []

    def answer(told):
        return without(told, "layers.1.weight", told["matrices"][1]["places"][lost[0]], 77) if lost else told

    answering(page, "**/api/run/frames?*", answer)
    open_page(page, server, f"run?run={wide}")
    page.get_by_test_id("network").focus()
    for _ in range(61):  # the first layer has 60
        page.keyboard.press("ArrowRight")
    name = page.locator("#inspector h2").inner_text()
    assert name.startswith("layers.1.weight")
    expect(page.locator("#inspector dd")).not_to_have_text("–")
    lost.append(0)  # the one that is chosen, which is the first of its layer that is drawn
    expect(page.get_by_text("It is not drawn at this step")).to_be_visible()
    expect(page.locator("#inspector dd")).to_have_text("–")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")  # the last connection of all, of the last layer
    expect(page.locator("#inspector h2")).to_contain_text("layers.2.weight")
    expect(page.locator("#inspector dd")).not_to_have_text("77")
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#inspector h2")).to_contain_text("layers.1.weight")
    expect(page.locator("#inspector dd")).to_have_text("77")
    assert page.locator("#inspector h2").inner_text() != name


def test_a_training_whose_process_died_goes_on_where_it_was(page, server):
    start(page, server, "killed", hidden_layers="4", epochs="5000000", learning_rate="0.00001")
    page.get_by_test_id("network").wait_for()
    os.kill(writer_of(server.folder / "killed"), signal.SIGKILL)
    expect(page.get_by_test_id("activity")).to_have_text("failed")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_test_id("activity")).to_have_text("running")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Explain it").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Pause").click()  # its model was written before
    expect(page.get_by_test_id("activity")).to_have_text("paused")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Explain it").wait_for()


def test_what_cannot_be_shown_says_why_and_is_asked_for_again(page, server, signs):
    wrong = {"network": "The first.", "curves": "The second.", "health": "The third.", "surface": "The fourth."}

    def answer(route):
        asked = route.request.url.split("/")[-1].split("?")[0]
        route.fulfill(status=500, json={"error": wrong[asked]}) if asked in wrong else route.continue_()

    page.route("**/api/run/*", answer)
    open_page(page, server, f"run?run={signs.name}")
    for sentence in list(wrong.values()):
        expect(page.get_by_text(sentence)).to_be_visible()
    expect(page.get_by_text("Waiting for the first recorded step")).to_have_count(0)
    wrong.clear()
    page.get_by_test_id("network").wait_for()
    page.get_by_test_id("surface").wait_for()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_every_recorded_step_is_reached(page, server, signs):
    options = ["--target=kind", "--recipe=plain", "--hidden=4", "--epochs=60", "--record=full", "--out=closely"]
    command(server.folder, "train", "quadrants.csv", *options)
    with pondera.runs.open(server.folder / "closely") as run:
        steps = run.recorded("layers.0.weight")
        assert len(steps) > 200  # more than are fetched at once
        at = 131
        (wanted,) = run.weights_at("layers.0.weight", steps[at])[:1, :1].tolist()
    open_page(page, server, "run?run=closely")
    page.get_by_test_id("network").wait_for()
    expect(page.get_by_test_id("replay")).to_have_attribute("max", str(len(steps) - 1))
    expect(page.get_by_text(f"{len(steps)} recorded").first).to_be_visible()
    network = page.get_by_role("region", name="The network")
    for place in (at, at - 1, at):
        page.get_by_test_id("replay").fill(str(place))
        expect(network.get_by_text(f"step {steps[place]}", exact=True)).to_be_visible()
    with page.expect_download() as download:
        network.get_by_role("button", name="JSON").click()
    told = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert told["step"] == steps[at]
    assert told["weights"]["layers.0.weight[0,0]"] == pytest.approx(wanted[0], rel=1e-6)
    page.get_by_role("button", name="Replay").first.click()
    page.get_by_role("button", name="Stop the replay").first.wait_for()
    page.get_by_role("button", name="Replay", exact=True).first.wait_for()  # it has come to the end
    assert page.get_by_test_id("replay").input_value() == str(len(steps) - 1)


WATCHED = """
  window.drawn_again = 0;
  for (const chart of document.querySelectorAll(".chart svg > g"))
    new MutationObserver((changes) => drawn_again += changes.length)
      .observe(chart, { subtree: true, attributes: true, childList: true });
"""


@pytest.mark.usefixtures("signs")
def test_of_a_units_connections_all_that_are_not_shown_are_counted(page, server):
    options = ["--target=kind", "--recipe=plain", "--hidden=300", "--epochs=1", "--out=broad"]
    command(server.folder, "train", "quadrants.csv", *options)
    open_page(page, server, "run?run=broad")
    page.get_by_test_id("network").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(f"Shift+{key}")
    expect(page.locator("#unit h2")).to_contain_text("layers.1[0]")
    expect(page.get_by_test_id("unit")).to_contain_text("and 290 weaker ones")


def test_a_replay_marks_where_it_is_in_the_curves_and_draws_none_anew(page, server, signs):
    open_page(page, server, f"run?run={signs.name}")
    page.get_by_test_id("network").wait_for()
    marks = page.locator(".chart .mark")
    expect(marks).to_have_count(0)
    page.evaluate(WATCHED)
    places = []
    for place in ("20", "70"):
        page.get_by_test_id("replay").fill(place)
        expect(marks).to_have_count(4)
        page.wait_for_function(
            "before => document.querySelector('.mark').getAttribute('d') !== before", arg=(places or [""])[-1]
        )
        places.append(marks.first.get_attribute("d"))
    assert page.evaluate("drawn_again") == 0
