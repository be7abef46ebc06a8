"""Files of weights on their page: checkpoints in parts, more tensors than a list holds, files that cannot be read."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect
from safetensors.numpy import save_file

from tests.workbench.browsing import open_page

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


def card(page, title):
    return page.get_by_role("region", name=title, exact=True)


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
