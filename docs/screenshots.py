"""Photograph pages of the workbench, light and dark, wide and narrow: ``python docs/screenshots.py [PAGE …]``.

Run by ``make screenshots``. Networks are trained on tables that come with scikit-learn, the workbench is opened on
their folder in Chromium, and each page is photographed whole, to ``docs/_build/screenshots`` unless ``--out`` is given.
The pictures of the documentation are the upper part of some of them.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
WHOLE = Path(__file__).parent / "_build" / "screenshots"
WIDTHS, THEMES = (1280, 390), ("light", "dark")
HEIGHT = 1500
"""Of a picture in the documentation."""

PATIENCE = 240_000
SETTLED = 1_500
"""Milliseconds after which charts have been drawn, and weights have come to rest."""

TRAININGS = (
    "train moons.csv --target moon --recipe plain --hidden 8,8 --epochs 200 --record full --out moons",
    "train wine.csv --target cultivar --recipe plain --epochs 60 --out wine",
    "train wine.csv --target cultivar --recipe plain --epochs 60 --seed 1 --hidden 16 --out wine-small",
    "train wine.csv --target cultivar --recipe plain --epochs 20 --seeds 3 --out wine-three",
    "train --example digits --epochs 12 --out digits",
    "train --example iris --epochs 3 --out iris-first-try",
)


def measure(page: Page) -> None:
    page.get_by_role("button", name="Measure what matters").click()
    page.get_by_test_id("importance").wait_for()
    page.get_by_test_id("contributions").wait_for()


def lay_over(page: Page) -> None:
    for name in ("wine", "wine-small"):
        page.get_by_label(f"Lay {name} over others").check()
    page.get_by_text("They differ in").wait_for()


def choose_connection(page: Page) -> None:
    page.get_by_test_id("network").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_test_id("biography").wait_for()


def choose_unit(page: Page) -> None:
    page.get_by_test_id("network").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(f"Shift+{key}")
    page.get_by_test_id("unit-told").wait_for()


def found(text: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_text(text).first.wait_for()


def drawn(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_test_id(name).wait_for()


PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "neuron": ("neuron", drawn("output")),
    "train": ("train?table=wine.csv", found("Columns and their types")),
    "train-empty": ("train", found("or an example")),
    "runs": ("runs", lay_over),
    "run": ("run?run=moons", drawn("surface")),
    "run-connection": ("run?run=wine", choose_connection),
    "run-unit": ("run?run=wine-small", choose_unit),
    "run-several": ("run?run=wine-three&network=1", drawn("network")),
    "run-missing": ("run?run=nothing", found("Choose one on the page Runs")),
    "checkpoints": ("checkpoints", found("In this folder")),
    "checkpoint": ("checkpoints?file=digits/model.safetensors", drawn("heat-map")),
    "compare": ("checkpoints?file=wine/model.safetensors&other=wine-small/model.safetensors", drawn("verdict")),
    "timeline": ("checkpoints?folder=digits/snapshots", drawn("timeline")),
    "explain-empty": ("explain", found("What is explained")),
    "explain": ("explain?model=wine/model.safetensors&table=wine.csv", measure),
}
"""Name -> the page, and what is done there before it is photographed."""

PICTURES = {
    "workbench-neuron": "neuron",
    "workbench-training": "run",
    "workbench-unit": "run-unit",
    "workbench-checkpoint": "checkpoint",
    "workbench-explain": "explain",
}
"""Picture of the documentation -> page."""


def fill(folder: Path) -> None:
    """Put into a folder what is shown: tables, trainings, a run in the bin."""
    import numpy as np
    import polars as pl
    from sklearn.datasets import make_moons

    from pondera.tables.examples import load_example

    x, y = make_moons(500, noise=0.16, random_state=0)
    names = np.where(y == 1, "lower", "upper")
    pl.DataFrame({"x": x[:, 0].round(4), "y": x[:, 1].round(4), "moon": names}).write_csv(folder / "moons.csv")
    load_example("wine")[0].write_csv(folder / "wine.csv")
    for line in TRAININGS:
        subprocess.run([sys.executable, "-m", "pondera", *line.split()], cwd=folder, check=True, capture_output=True)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder, and give the address to open."""
    command = [sys.executable, "-m", "pondera", "ui", ".", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = re.search(r"http\S+", process.stderr.readline())
    assert address is not None
    try:
        yield address[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def photograph(browser: Browser, address: str, target: Path, names: list[str]) -> None:
    """Photograph pages at every width, light and dark."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    home = address.split("?")[0]
    if "runs" in names:
        page.goto(f"{home}#/runs")
        row = page.get_by_test_id("runs").locator("tr", has_text="iris-first-try")
        row.get_by_role("button", name="Bin").click()
        page.get_by_test_id("bin").wait_for()
    for name in names:
        place, prepare = PAGES[name]
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.goto("about:blank")
                page.goto(f"{home}#/{place}")
                prepare(page)
                page.evaluate("document.activeElement?.blur()")
                page.evaluate("scrollTo(0, 0)")  # where a connection was chosen further down
                page.wait_for_timeout(SETTLED)
                page.screenshot(path=target / f"{name}-{theme}-{width}.png", full_page=True)
                if (theme, width) == ("light", 1280):
                    _pictures(page, name)
        print(name, flush=True)
    context.close()


def _pictures(page: Page, name: str) -> None:
    """Put the upper part of a page into the documentation, where it shows that page."""
    for picture, shown in PICTURES.items():
        if shown == name:
            clip = {"x": 0, "y": 0, "width": 1280, "height": HEIGHT}
            page.set_viewport_size({"width": 1280, "height": HEIGHT})
            page.wait_for_timeout(SETTLED)
            page.screenshot(path=IMAGES / f"{picture}.png", clip=clip)


def main(target: Path, names: list[str]) -> None:
    """Photograph pages into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("There is no Chromium: install it, and make screenshots again.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        folder = Path(home, "tables")
        folder.mkdir()
        fill(folder)
        with served(folder) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            photograph(browser, address, target, names)
            browser.close()
    print(f"{len(list(target.glob('*.png')))} pictures are in {os.path.relpath(target)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Photograph pages of the workbench, light and dark, wide and narrow.")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)}; all unless given")
    parser.add_argument("--out", type=Path, default=WHOLE, metavar="FOLDER", help="where pictures go")
    asked = parser.parse_args()
    if unknown := set(asked.pages) - set(PAGES):
        parser.error(f"there is no page {', '.join(sorted(unknown))}; there are {', '.join(PAGES)}")
    main(asked.out, asked.pages or list(PAGES))
