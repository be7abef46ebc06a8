"""What gives the same: every view says it, and what is copied into a shell or into Python does what it says."""

import json
import shlex
import shutil

import numpy as np
import pytest
from playwright.sync_api import expect
from safetensors.numpy import save_file

import pondera as package
from tests.workbench.browsing import field, open_page, pondera

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs

HOSTILE = """it's "$(ls)"; `ls` run"""
QUIET = {"What came of it", "Open", "In this folder", "Bin", "What is explained"}
"""Cards that show no figures, or a list of files."""


@pytest.fixture(scope="module")
def hostile(server, signs):
    """A run whose name a shell would take apart, and Python too."""
    shutil.copytree(signs, server.folder / HOSTILE)
    return HOSTILE


def lines_of(card):
    return card.locator(".same code").all_inner_texts()


def shown(page):
    """Return the cards of a page: title -> lines to copy."""
    cards = page.locator("section.card").all()
    return {card.get_attribute("aria-label"): lines_of(card) for card in cards}


def test_every_view_of_a_run_says_what_gives_the_same(page, server, hostile, monkeypatch):
    open_page(page, server, "runs")
    page.get_by_role("link", name=hostile, exact=True).click()
    for card in ("The network", "A layer as colours", "Loss", "Healthy or not", "What came of it"):
        expect(page.get_by_role("region", name=card, exact=True).locator(".same code").first).to_be_visible()
    page.get_by_role("region", name="What it predicts everywhere").locator(".same code").first.wait_for()
    cards = shown(page)
    assert [title for title, lines in cards.items() if not lines] == []
    for line in {line for lines in cards.values() for line in lines}:
        if line.startswith("pondera "):
            words = shlex.split(line)
            assert any(word in (hostile, f"{hostile}/model.safetensors", f"--out={hostile}") for word in words), line
        else:
            assert repr(hostile) in line or json.dumps(hostile) in line
    layer = next(line for line in cards["A layer as colours"] if "pondera.runs.open" in line)
    monkeypatch.chdir(server.folder)
    assert eval(layer.removeprefix("import pondera; "), {"pondera": package}).shape == (6, 4)


@pytest.mark.usefixtures("signs")
def test_a_form_and_its_run_say_what_trains_the_same(page, server):
    open_page(page, server, "train?table=quadrants.csv&target=kind&recipe=plain&epochs=3&hidden=4&seed=5")
    field(page, "Name of the run").fill("two words")
    line = page.locator("form .same code")
    expect(line).to_have_text(
        "pondera train quadrants.csv --target=kind --test-fraction=0.2 --recipe=plain --hidden=4 --epochs=3 --seed=5 "
        "--record=full '--out=two words'"
    )
    said = line.inner_text()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_test_id("trained").locator("code")).to_have_text(said)
    shutil.rmtree(server.folder / "two words")
    words = shlex.split(said)[1:]
    pondera(server.folder, *words)
    with package.runs.open(server.folder / "two words") as run:
        assert len(run.epochs()) == 3


@pytest.mark.usefixtures("signs")
def test_a_form_that_cannot_be_trained_has_no_command(page, server):
    open_page(page, server, "train?table=quadrants.csv&target=kind&hidden=4")
    expect(page.locator("form .same code")).to_contain_text("--hidden=4")
    field(page, "Hidden layers").fill("0")
    expect(page.locator("form .same code")).to_have_count(0)


def test_what_health_advises_is_one_command_line(page, server):
    options = ["--target=kind", "--recipe=plain", "--hidden=4", "--epochs=4", "--learning-rate=1e-6", "--out=slow"]
    pondera(server.folder, "train", "quadrants.csv", *options)
    said = pondera(server.folder, "check", "slow").split("All of that together: ")[1].split("\n\n")[0]
    open_page(page, server, "run?run=slow")
    expect(page.get_by_test_id("together")).to_have_text(f"All of that together: {' '.join(said.split())}")


def test_every_view_of_a_file_says_what_gives_the_same(page, server):
    open_page(page, server, "checkpoints?file=old.safetensors")
    page.get_by_test_id("histogram").wait_for()
    cards = shown(page)
    assert [title for title, lines in cards.items() if not lines and title not in QUIET] == []
    told = pondera(server.folder, *shlex.split(cards["Layers"][0])[1:])
    assert "fc" in told
    page.get_by_text("Its singular values").click()
    expect(page.get_by_label("Singular values of fc.weight")).to_be_visible()
    assert "pondera read old.safetensors --spectrum" in lines_of(page.get_by_role("region", name="fc.weight"))


def test_the_histogram_counts_every_value_once(page, server):
    values = np.concatenate([np.zeros(1024), np.ones(300_000), [50.0, np.nan]]).astype(np.float32)
    save_file({"w": values}, server.folder / "spread.safetensors")
    open_page(page, server, "checkpoints?file=spread.safetensors")
    with page.expect_response("**/api/histogram?*") as answered:
        page.get_by_test_id("histogram").wait_for()
    bins = answered.value.json()["bins"]
    assert sum(each["count"] for each in bins) == 301_025
    expect(page.get_by_test_id("histogram")).to_contain_text("301,026 values, 1 of them not finite and in no bin")
