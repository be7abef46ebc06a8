"""Many tabs of the workbench in one browser, which opens six connections to a server."""

import shutil

import pytest
from playwright.sync_api import expect

from tests.workbench.browsing import open_page

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs

HELD = "async () => (await navigator.locks.query()).held.map((lock) => lock.name).sort()"
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def tabs(browser, server, signs):
    """Give the function that opens tabs of runs."""
    opened = []

    def open_tabs(*runs):
        for run in runs:
            opened.append(browser.new_page())
            open_page(opened[-1], server, f"run?run={run}")
            expect(opened[-1].get_by_test_id("activity")).to_have_text("finished")
        return opened

    yield open_tabs
    for each in opened:
        each.close()


def test_eight_tabs_of_a_training_hold_one_stream(tabs):
    opened = tabs(*["signs"] * 8)
    assert opened[-1].evaluate("async () => (await fetch('/api/about')).status") == 200
    assert opened[0].evaluate(HELD) == ["pondera /api/run/events?run=signs", "pondera stream 0"]


def test_eight_tabs_of_different_trainings_hold_three_streams(tabs, server, signs):
    names = [f"signs-{k}" for k in range(8)]
    for name in names:
        shutil.copytree(signs, server.folder / name)
    opened = tabs(*names)
    assert opened[-1].evaluate("async () => (await fetch('/api/about')).status") == 200
    held = opened[-1].evaluate(HELD)
    assert [name for name in held if "stream" in name] == [f"pondera stream {k}" for k in range(3)]
    for name in names:
        shutil.rmtree(server.folder / name)


def test_a_tab_out_of_sight_holds_none_and_hears_what_others_hear(tabs):
    first, second = tabs("signs", "signs")
    first.evaluate(HIDE, True)  # the one that listens
    second.wait_for_function("async () => (await navigator.locks.query()).pending.length === 0")
    assert second.evaluate(HELD) == ["pondera /api/run/events?run=signs", "pondera stream 0"]
    second.evaluate(HIDE, True)
    first.wait_for_function("async () => (await navigator.locks.query()).held.length === 0")
    first.evaluate(HIDE, False)
    first.wait_for_function("async () => (await navigator.locks.query()).held.length === 2")
    expect(first.get_by_test_id("activity")).to_have_text("finished")
