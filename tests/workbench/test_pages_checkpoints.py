"""Files of weights on their page: checkpoints in parts, more tensors than a list holds, files that cannot be read."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect
from safetensors.numpy import save_file

from tests.workbench.browsing import answering, card, open_page

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs

MANY = 450


@pytest.fixture(scope="module")
def parts(server):
    """A checkpoint of very many tensors, in two parts."""
    held = {}
    for part in (1, 2):
        file = f"model-0000{part}-of-00002.safetensors"
        names = [f"block.{k}.weight" for k in range(MANY) if k % 2 == part - 1]
        save_file({name: np.full((2, 3), 1 + len(held), np.float32) for name in names}, server.folder / file)
        held |= dict.fromkeys(names, file)
    index = server.folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": held}))
    return index.name


def test_a_checkpoint_in_parts_is_opened_and_each_of_its_tensors_found(page, server, parts):
    open_page(page, server, "checkpoints")
    expect(page.get_by_role("link", name="model-0")).to_have_count(0)
    page.get_by_role("link", name=parts).click()
    tensors = card(page, "Tensors")
    expect(tensors.locator("tbody tr")).to_have_count(400)
    expect(tensors.get_by_text("and 50 more.")).to_be_visible()
    expect(card(page, "Layers").get_by_text("and 150 more.")).to_be_visible()
    page.get_by_label("Search tensors").fill(f"block.{MANY - 1}.")
    expect(tensors.locator("tbody tr")).to_have_count(1)
    expect(tensors.get_by_text("more.")).to_have_count(0)
    page.get_by_test_id("heat-map").wait_for()
    tensors.get_by_role("button", name=f"block.{MANY - 1}.weight").click()
    expect(card(page, f"block.{MANY - 1}.weight")).to_be_visible()
    page.get_by_label("Search tensors").fill("of another network")
    expect(tensors.get_by_text("No tensor is called so.")).to_be_visible()


def refuse(route):
    route.fulfill(status=500, json={"error": "It cannot be read."})


def test_what_is_known_of_a_file_stays_where_its_values_cannot_be_read(page, server):
    page.route("**/api/checkpoint?*", refuse)
    open_page(page, server, "checkpoints?file=old.safetensors")
    expect(card(page, "What is wrong or worth knowing").get_by_text("It cannot be read.")).to_be_visible()
    expect(page.get_by_test_id("layers")).to_contain_text("300 → 200")
    expect(card(page, "Tensors").locator("tbody tr")).to_have_count(2)


@pytest.mark.parametrize("place", ["checkpoints", "runs"])
def test_a_list_that_did_not_come_is_not_an_empty_one(page, server, place):
    page.route("**/api/files*", refuse)
    page.route("**/api/runs*", refuse)
    open_page(page, server, place)
    expect(page.get_by_text("It cannot be read.")).to_be_visible()
    expect(page.get_by_text("is here yet")).to_have_count(0)


def test_an_explanation_that_failed_is_asked_for_again(page, server, signs):
    wrong = [True]
    page.route("**/api/explanation?*", lambda route: refuse(route) if wrong else route.continue_())
    open_page(page, server, f"explain?model={signs.name}/model.safetensors&table=quadrants.csv")
    page.get_by_role("button", name="Measure what matters").click()
    expect(page.get_by_text("It cannot be read.").first).to_be_visible()
    wrong.clear()
    page.get_by_role("button", name="Measure what matters").click()
    page.get_by_test_id("importance").wait_for()


def test_curves_that_are_laid_over_each_other_grow_with_the_training(page, server, signs):
    epochs = iter(range(10, 1000))

    def going_on(told):
        for each in told["runs"]:
            each |= {"activity": "running", "epochs": next(epochs)}

    answering(page, "**/api/runs", going_on)
    open_page(page, server, "runs")
    with page.expect_response("**/api/run/curves?*"):
        page.get_by_label(f"Lay {signs.name} over others").check()
    with page.expect_response("**/api/run/curves?*"):
        pass  # when the list comes again
    expect(page.get_by_role("button", name=f"Put {signs.name} into the bin")).to_be_disabled()
