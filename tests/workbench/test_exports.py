"""What leaves the pages: CSV that no spreadsheet runs, and pages as files that stand by themselves."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from safetensors.numpy import save_file

from tests.workbench.browsing import open_page

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs

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
