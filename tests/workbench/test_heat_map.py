"""Matrices as colours: nothing large is lost from afar, and a finger or the wheel is the page's until it is chosen."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect
from safetensors.numpy import save_file

from tests.workbench.browsing import open_page

pytestmark = pytest.mark.filterwarnings("ignore")  # of the event loop that Playwright runs

SHAPES = [(850, 850), (600, 401), (2000, 1799), (1400, 1403), (257, 2049), (1, 100_003), (4097, 3)]
EXTREME = -9.0

STRONG = """canvas => {
  const at = (x, y, width, height) => canvas.getContext('2d').getImageData(x, y, width, height).data;
  const data = at(0, 0, canvas.width, canvas.height);
  let found = 0;  // pixels of the full colour of what is negative, #c7791f
  for (let k = 0; k < data.length; k += 4)
    found += Math.abs(data[k] - 199) < 12 && Math.abs(data[k + 1] - 121) < 12 && Math.abs(data[k + 2] - 31) < 12;
  return found;
}"""


@pytest.fixture(scope="module")
def matrices(server):
    """Zeros with one value that is far too large, in each of several tensors of a file."""
    random = np.random.default_rng(7)
    for shape in SHAPES:
        tensors = {}
        for k in range(4):
            tensors[f"at.{k}"] = np.zeros(shape, np.float32)
            tensors[f"at.{k}"][tuple(int(random.integers(size)) for size in shape)] = EXTREME
        tensors["at.4"] = np.zeros(shape, np.float32)
        tensors["at.4"][shape[0] - 1, shape[1] - 1] = EXTREME
        save_file(tensors, server.folder / name_of(shape))


def name_of(shape):
    return f"{shape[0]}x{shape[1]}.safetensors"


def shows_the_extreme(page):
    """Wait until the picture has a pixel of the extreme's colour."""
    canvas = page.get_by_test_id("heat-map").locator("canvas").element_handle()
    page.wait_for_function(f"canvas => ({STRONG})(canvas) > 0", arg=canvas)


@pytest.mark.usefixtures("matrices")
@pytest.mark.parametrize("shape", SHAPES)
def test_one_extreme_is_seen_from_afar_wherever_it_is(page, server, shape):
    open_page(page, server, f"checkpoints?file={name_of(shape)}")
    for k in range(5):
        page.get_by_role("button", name=f"at.{k}", exact=True).click()
        expect(page.get_by_role("region", name=f"at.{k}")).to_be_visible()
        shows_the_extreme(page)
        for _ in range(3):  # between the levels too
            page.get_by_role("button", name="Zoom out").click()
            shows_the_extreme(page)


@pytest.mark.usefixtures("matrices")
def test_it_is_seen_at_every_zoom_on_the_way_to_it(page, server):
    tensor = np.zeros((3001, 2003), np.float32)
    tensor[1500, 1001] = EXTREME  # in the middle, where zooming leads to
    save_file({"w": tensor}, server.folder / "middle.safetensors")
    open_page(page, server, "checkpoints?file=middle.safetensors")
    shows_the_extreme(page)
    for _ in range(14):
        page.get_by_role("button", name="Zoom in").click()
        shows_the_extreme(page)


@pytest.mark.usefixtures("matrices")
def test_the_value_under_the_pointer_is_its_own(page, server):
    tensor = np.arange(900 * 700, dtype=np.float32).reshape(900, 700)
    save_file({"w": tensor}, server.folder / "counted.safetensors")
    open_page(page, server, "checkpoints?file=counted.safetensors")
    place = page.get_by_test_id("heat-map")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    told = page.get_by_test_id("under")
    for zooms in range(2):
        page.mouse.move(box["x"] + box["width"] / 2 + 40 * zooms, box["y"] + box["height"] / 3)
        expect(told).to_have_text(re.compile(r"^\[[\d, ]+\]: [\d,]+"))
        row, column, value = re.match(r"\[([\d,]+), ([\d,]+)\]: ([\d,]+)", told.inner_text()).groups()
        assert tensor[int(row), int(column)] == int(value.replace(",", ""))
        assert ("around it the largest" in told.inner_text()) == (zooms == 0)
        for _ in range(6):
            page.get_by_role("button", name="Zoom in").click()


@pytest.mark.usefixtures("matrices")
def test_the_wheel_is_the_pages_until_the_picture_is_chosen(page, server):
    open_page(page, server, f"checkpoints?file={name_of(SHAPES[0])}")
    shows_the_extreme(page)
    page.set_viewport_size({"width": 1280, "height": 500})
    place = page.get_by_test_id("heat-map")
    place.scroll_into_view_if_needed()
    picture = place.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    top = page.evaluate("scrollY")
    place.hover()
    page.mouse.wheel(0, -120)
    page.wait_for_function("top => scrollY < top", arg=top)
    assert place.locator("canvas").evaluate("canvas => canvas.toDataURL()") == picture
    place.focus()
    top = page.evaluate("scrollY")
    place.hover()
    page.mouse.wheel(0, -120)
    page.wait_for_function(
        "seen => document.querySelector('[data-testid=heat-map] canvas').toDataURL() !== seen", arg=picture
    )
    assert page.evaluate("scrollY") == top


@pytest.mark.usefixtures("matrices")
def test_a_drag_that_the_browser_takes_away_ends(page, server):
    open_page(page, server, f"checkpoints?file={name_of(SHAPES[0])}")
    shows_the_extreme(page)
    place = page.get_by_test_id("heat-map")
    place.scroll_into_view_if_needed()
    assert place.evaluate("each => getComputedStyle(each).touchAction") == "pan-y"  # a finger scrolls the page
    box = place.bounding_box()
    touch = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    points = [{"x": x, "y": y}]
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})
    picture = place.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    page.mouse.move(x + 100, y - 50)
    expect(page.get_by_test_id("under")).to_have_text(re.compile(r"^\["))
    assert place.locator("canvas").evaluate("canvas => canvas.toDataURL()") == picture


def test_values_are_reached_by_keys(page, server):
    matrix = np.arange(300, dtype=np.float32).reshape(20, 15)
    save_file({"counted": matrix}, server.folder / "keys.safetensors")
    open_page(page, server, "checkpoints?file=keys.safetensors")
    heat = page.get_by_test_id("heat-map")
    told = page.get_by_test_id("under")
    heat.focus()
    page.keyboard.press("Shift+ArrowDown")  # the one in the middle
    expect(told).to_have_text("[10, 7]: 157")
    expect(told).to_have_attribute("aria-live", "polite")
    page.keyboard.press("Shift+ArrowDown")
    expect(told).to_have_text("[11, 7]: 172")
    for _ in range(9):
        page.keyboard.press("Shift+ArrowLeft")  # the last ones stay at the border
    expect(told).to_have_text("[11, 0]: 165")
    for _ in range(4):
        page.keyboard.press("+")
    expect(heat.locator(".cursor")).to_have_count(0)
    for _ in range(30):
        page.keyboard.press("Shift+ArrowDown")
    expect(told).to_have_text(re.compile(r"^\[19, "))
    box, cursor = heat.bounding_box(), heat.locator(".cursor").bounding_box()
    assert box["y"] <= cursor["y"] <= box["y"] + box["height"], "it is out of sight"
