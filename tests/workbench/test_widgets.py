"""The widgets as a notebook shows them: the module that is built, with a model that stands for the one of Python."""

import base64
import json

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

import pondera
from pondera.widgets.view import BUNDLE

PATIENCE = 180_000  # milliseconds; a machine may be busy
expect.set_options(timeout=PATIENCE)
HOME = "http://127.0.0.1:9/"
POLICY = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data: blob:"

PAGE = """<!doctype html><html lang="en"><title>Widget</title><body style="background: BACKGROUND; color: #808080">
<main><h1>A notebook</h1><div id="cell"></div></main><script type="module" src="page.js"></script></body></html>"""

SCRIPT = """
import widget from "./widgets.js";
class Model {
  constructor(traits) { this.traits = traits; this.calls = {}; this.saved = []; }
  get(name) { return this.traits[name]; }
  set(name, value) { this.traits[name] = value; (this.calls[`change:${name}`] ?? []).forEach((call) => call()); }
  save_changes() { this.saved.push({ chosen: this.traits.chosen, step: this.traits.step }); }
  on(event, call) { (this.calls[event] ??= []).push(call); }
  off(event, call) { this.calls[event] = (this.calls[event] ?? []).filter((each) => each !== call); }
}
window.show = (traits) => {
  const bytes = Uint8Array.from(atob(traits.values), (letter) => letter.charCodeAt(0));
  window.model = new Model({ ...traits, values: new DataView(bytes.buffer) });
  window.close_widget = widget.render({ model: window.model, el: document.getElementById("cell") });
};
window.ready = true;
"""

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def show(browser):
    """Give the function that shows a widget in a page which loads nothing else and evaluates nothing."""
    context = browser.new_context(viewport={"width": 900, "height": 1200})
    wrong = []

    def show(widget, background="white"):
        files = {
            "": ("text/html", PAGE.replace("BACKGROUND", background)),
            "page.js": ("text/javascript", SCRIPT),
            "widgets.js": ("text/javascript", BUNDLE.read_text(encoding="utf-8")),
        }

        def answer(route):
            kind, body = files.get(route.request.url.removeprefix(HOME), ("", None))
            if body is None:
                wrong.append(route.request.url)
                route.abort()
            else:
                route.fulfill(body=body, content_type=kind, headers={"content-security-policy": POLICY})

        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda told: wrong.append(told.text) if "Content Security Policy" in told.text else None)
        page.route("**/*", answer)
        page.goto(HOME)
        until(page, "window.ready === true")
        traits = {name: getattr(widget, name) for name in ("view", "content", "step", "chosen")}
        page.evaluate("show", json.loads(json.dumps(traits)) | {"values": base64.b64encode(widget.values).decode()})
        return page

    yield show
    context.close()
    assert wrong == []


def picture(page):
    return page.get_by_test_id("network").locator("canvas").evaluate("canvas => canvas.toDataURL()")


def until(page, true, asked=None):
    """Wait until something is true in the page, whose policy lets nothing be evaluated in it while Playwright waits."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(true, asked):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"it did not become so: {true}")


def changed(page, seen):
    for _ in range(PATIENCE // 50):
        if picture(page) != seen:
            return
        page.wait_for_timeout(50)
    pytest.fail("the picture stays as it is")


@pytest.fixture(scope="module")
def network():
    return pondera.Network.create(2, [pondera.Dense(3, "tanh"), pondera.Dense(1)], seed=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "line"
    x = np.random.default_rng(0).normal(size=(60, 2))
    start = pondera.Network.create(2, [pondera.Dense(3, "tanh"), pondera.Dense(1)], seed=1)
    with pondera.runs.Recorder(folder) as recorder:
        pondera.fit(start, x, x[:, 0] - x[:, 1], pondera.Plan(epochs=5, learning_rate=0.05), recorder=recorder)
    return folder


def test_a_connection_and_a_unit_are_chosen(show, network):
    page = show(pondera.widgets.network(network, inputs=["age", "income"]))
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("model.get('chosen')") == "layers.0.weight[0,0]"
    shown = page.get_by_test_id("weight").inner_text().replace("−", "-")
    assert float(shown) == pytest.approx(float(network.weights["layers.0.weight"][0, 0]), rel=1e-5)
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("model.get('chosen')") == "inputs[0]"
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert page.evaluate("model.get('chosen')") == "layers.0[1]"
    expect(page.get_by_test_id("unit")).to_contain_text("age")
    page.get_by_role("button", name="income").click()
    assert page.evaluate("model.get('chosen')") == "inputs[1]"
    assert page.evaluate("model.saved.at(-1).chosen") == "inputs[1]"


def test_what_python_chooses_is_shown(show, network):
    page = show(pondera.widgets.network(network))
    page.evaluate("model.set('chosen', 'layers.1[0]')")
    expect(page.get_by_test_id("unit")).to_contain_text("An output")
    page.evaluate("model.set('chosen', 'layers.1.weight[2,0]')")
    expect(page.get_by_test_id("connection")).to_contain_text("layers.1.weight[2,0]")
    page.evaluate("model.set('chosen', 'of another network[7]')")
    expect(page.get_by_test_id("connection")).to_have_count(0)


def test_a_click_chooses_what_is_under_it(show, network):
    page = show(pondera.widgets.network(network))
    box = page.get_by_test_id("network").bounding_box()
    page.mouse.click(box["x"] + 26, box["y"] + box["height"] / 2 - 22)  # the first of two inputs
    assert page.evaluate("model.get('chosen')") == "inputs[0]"


def test_a_replay_moves_here_and_in_python(show, run):
    widget = pondera.widgets.replay(run)
    steps = widget.content["steps"]
    page = show(widget)
    until(page, "last => model.get('step') === last", steps[-1])
    last = picture(page)
    page.get_by_test_id("replay").fill("0")
    until(page, "model.get('step') === 0")
    changed(page, last)
    first = picture(page)
    page.evaluate("step => model.set('step', step)", steps[-2])
    expect(page.get_by_text(f"step {steps[-2]}", exact=True)).to_be_visible()
    changed(page, first)
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("layers.0.weight[0,0] by recorded step")).to_be_visible()
    page.get_by_test_id("replay").fill("0")
    page.get_by_role("button", name="Replay").click()
    until(page, "last => model.get('step') === last", steps[-1])


def test_an_explanation(show):
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    found = pondera.explain(lambda x: 3 * x[:, :1] + x[:, 1:2], x, 3 * x[:, 0] + x[:, 1])
    page = show(pondera.widgets.importance(found))
    expect(page.get_by_test_id("reliability")).to_contain_text(found.reliability.verdict)
    rows = page.get_by_test_id("importance").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text(f"{100 * found.importance.max():.1f} %")
    page.get_by_role("button", name="x1").click()
    assert page.evaluate("model.get('chosen')") == "x1"


@pytest.mark.parametrize(("background", "theme"), [("white", "light"), ("#111", "dark")])
def test_it_looks_as_what_is_behind_it_and_keeps_nobody_out(show, network, background, theme):
    widget = pondera.widgets.network(network)
    widget.chosen = "layers.0[1]"
    page = show(widget, background)
    assert page.locator("#cell > div").get_attribute("data-theme") == theme
    page.get_by_test_id("unit").wait_for()
    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []


def test_a_widget_that_is_taken_away_leaves_nothing(show, network):
    page = show(pondera.widgets.network(network))
    page.get_by_test_id("network").wait_for()
    page.evaluate("close_widget()")
    assert page.evaluate("document.getElementById('cell').childElementCount") == 0
    until(page, "Object.values(model.calls).flat().length === 0")
