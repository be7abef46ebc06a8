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


def test_a_stream_that_is_refused_says_why_and_is_asked_for_again(page, server, signs):
    refused = ["Too many pages listen. Close some."]

    def answer(route):
        route.fulfill(status=503, json={"error": refused[0]}) if refused else route.continue_()

    page.route("**/api/run/events?*", answer)
    open_page(page, server, f"run?run={signs.name}")
    expect(page.get_by_text(refused[0])).to_be_visible()
    refused.clear()
    expect(page.get_by_test_id("activity")).to_have_text("finished")
    expect(page.get_by_role("alert")).to_have_count(0)


COUNTED = """
window.open_streams = new Set();
window.EventSource = class extends EventSource {
  constructor(...given) { super(...given); open_streams.add(this); }
  close() { super.close(); open_streams.delete(this); }
};
"""


def test_a_tab_that_comes_and_goes_at_once_leaves_no_stream_open(page, server, signs):
    page.add_init_script(COUNTED)
    open_page(page, server, f"run?run={signs.name}")
    expect(page.get_by_test_id("activity")).to_have_text("finished")
    page.evaluate(f"const hide = {HIDE}; for (let k = 0; k < 41; k++) hide(k % 2 === 0)")
    page.wait_for_function("async () => (await navigator.locks.query()).held.length === 0")
    assert page.evaluate("open_streams.size") == 0
    for turns in range(1, 60):  # out of sight just as a lock is given
        page.evaluate(
            f"async () => {{ const hide = {HIDE}; hide(false);"
            f" for (let k = 0; k < {turns}; k++) await null;"
            f" await new Promise((done) => setTimeout(done, {turns} % 4));"
            " hide(true); }"
        )
    page.wait_for_function("async () => (await navigator.locks.query()).held.length === 0")
    assert page.evaluate("open_streams.size") == 0
    page.evaluate(HIDE, False)
    expect(page.get_by_test_id("activity")).to_have_text("finished")
