"""A run of several networks: each is shown as itself, and commands call its weights by their whole names."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from pondera.files import lock
from pondera.workbench.served import OWN
from pondera.workbench.trainings import STOPPED_BEFORE
from tests.recording.interrupted import cut_off
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


def test_the_list_of_runs_says_of_which_network_its_figures_are(page, server, several):
    open_page(page, server, "runs")
    expect(page.get_by_role("row", name=several)).to_contain_text("network 0 of 3")
    expect(page.get_by_role("row", name="signs")).not_to_contain_text("network 0 of")
    assert pondera(server.folder, "runs", ".").count("network 0 of 3") == 1


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


def test_of_networks_that_were_interrupted_those_that_are_kept_are_counted_and_offered(page, server, several):
    shutil.copytree(server.folder / several, server.folder / "cut")
    cut_off(server.folder / "cut", seeds=9)
    open_page(page, server, "run?run=cut")
    expect(page.get_by_text("by the mean of 2 networks; below is network 0.")).to_be_visible()
    expect(page.get_by_label("Which network").locator("option")).to_have_text(["Network 0", "Network 2"])
    said = "Training was interrupted: 2 networks were trained to the end. 7 of 9 networks finished no epoch"
    expect(page.get_by_role("region", name="What came of it").locator("header")).to_contain_text(said)
    for sentence in said.split(". "):
        assert sentence in pondera(server.folder, "runs", "cut")
    cut_off(server.folder / "cut", seeds=9, state="unfinished")
    page.reload()
    expect(page.get_by_text("by the mean of 9 networks; below is network 0.")).to_be_visible()


def test_that_a_training_was_told_to_stop_outlives_a_reload(page, server, several):
    place = server.folder / "deaf"
    shutil.copytree(server.folder / several, place)
    (place / "model.safetensors").unlink()
    waits = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE) as trains:
        trains.stdout.readline()
        with lock(place / "run.lock") as held:  # as if that process wrote to it
            held.truncate(0)
            held.write(str(trains.pid).encode())
            held.flush()
            open_page(page, server, "run?run=deaf")
            expect(page.get_by_test_id("activity")).to_have_text("running")
            page.get_by_role("button", name="Stop").click()
            for _ in range(2):
                expect(page.get_by_test_id("activity")).to_have_text("stopping")
                for name in ("Stop", "Pause"):
                    expect(page.get_by_role("button", name=name)).to_have_count(0)
                page.reload()
        trains.kill()
    expect(page.get_by_test_id("activity")).to_have_text("finished")


def test_the_page_of_a_training_that_was_stopped_before_it_began_says_so(page, server):
    logs = server.folder / OWN / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "early.log").write_text(f"{STOPPED_BEFORE}\n")
    open_page(page, server, "run?run=early")
    expect(page.get_by_text("It was stopped before it began, and left no run. Change the training")).to_be_visible()
    expect(page.get_by_text("no such run")).to_have_count(0)
    page.get_by_role("link", name="Change the training, and start it again.").click()
    page.get_by_role("heading", name="Train").wait_for()
