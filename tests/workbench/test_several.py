"""A run of several networks: each is shown as itself, and commands call its weights by their whole names."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.workbench.browsing import open_page, pondera

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs


@pytest.fixture(scope="module")
def several(server, signs):
    """Three networks of one training, in a folder whose name a shell would take apart."""
    options = ["--target=kind", "--recipe=plain", "--hidden=4", "--epochs=4", "--record=full", "--seeds=3"]
    pondera(server.folder, "train", "quadrants.csv", *options, "--out=three of 'em; ls")
    return "three of 'em; ls"


def test_what_came_of_it_is_what_the_test_said(page, server, several):
    open_page(page, server, f"run?run={several.replace(' ', '%20')}")
    card = page.get_by_role("region", name="What came of it")
    card.locator("td", has_text="the mean of 3 networks").wait_for()
    kept = json.loads(pondera(server.folder, "show", f"{several}/model.safetensors", "--json"))["record"]
    notes = kept["notes"]
    rows = card.locator("tbody tr").all_inner_texts()
    for name, figures in {"mean": notes["test"], **notes["baselines"]}.items():
        (row,) = (row for row in rows if name in row or {"trivial": "guess"}.get(name, name) in row)
        assert [float(each) for each in row.split("\t")[1:]] == pytest.approx(list(figures.values()), abs=5e-5)
    expect(card.locator(".findings li").first).to_contain_text(notes["findings"][0]["statement"])
    expect(card.locator("header")).to_contain_text(kept["fits"][0]["message"])


def test_the_third_network_is_chosen_and_its_weights_are_its_own(page, server, several):
    open_page(page, server, f"run?run={several.replace(' ', '%20')}")
    page.get_by_test_id("network").wait_for()
    page.get_by_label("Which network").select_option("Network 2")
    page.wait_for_url(re.compile("network=2"))
    for asked in ("network", "curves", "frames", "matrix", "surface"):
        with page.expect_response(re.compile(rf"/api/run/{asked}\?.*network=2")) as answered:
            page.reload()
        assert answered.value.ok
    surface = page.get_by_role("region", name="What it predicts everywhere")
    expect(surface.locator("code")).to_contain_text("--network=2")
    expect(page.get_by_label("Which network")).to_have_value("2")
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_test_id("biography").wait_for()
    expect(page.locator("#inspector h2")).to_have_text("networks.2.layers.0.weight[0,0]")
    told = json.loads(pondera(server.folder, "weight", several, "networks.2.layers.0.weight[0,0]", "--json"))
    assert float(page.get_by_test_id("final").inner_text().replace("−", "-")) == pytest.approx(told["final"], rel=1e-5)
    with page.expect_response(re.compile(r"/api/run/histogram\?.*network=2")) as answered:
        page.get_by_role("button", name="In its layer").click()
    assert answered.value.ok
    page.get_by_test_id("network").focus()
    with page.expect_response(re.compile(r"/api/run/unit/strengths\?.*network=2")) as answered:
        for _ in range(2):
            page.keyboard.press("Shift+ArrowRight")
    assert answered.value.ok
    page.get_by_test_id("unit-told").wait_for()
    expect(page.locator("#unit h2")).to_have_text("networks.2.layers.0[0]")
