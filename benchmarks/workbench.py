"""Times the workbench in a browser: frames, the first view of a checkpoint, lives of weights, what a page costs.

Run ``python -m benchmarks.workbench`` in the environment of the tests, with the pages built and Chromium installed. The
browser has no graphics card: it draws with the same cores that train, so a machine with one does better. Frames are
those that ``requestAnimationFrame`` is given; the probe asks for every one, also where nothing has changed. What a
page costs is measured without the probe, by when the model was saved: of ``pondera train`` on the command line, and
of the same training begun and looked at in the page.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import _busy, machine, sentence
from benchmarks.measure import QUIET, keep, table, verdict
from benchmarks.reading_files import minilm, write_safetensors
from pondera.recording.process import writer_of

PACKAGES = ("pondera", "fastapi", "uvicorn", "playwright", "jax", "numpy")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
FLAGS += ["--disable-component-update"]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
WINDOW = {"width": 1280, "height": 900}
PATIENCE = 120_000  # milliseconds

PARTS = ("training frames", "matrix frames", "first view", "weights", "training")
EXAMPLE, HIDDEN = "breast_cancer", "256,256,256"
EPOCHS = 2500
LOOKED = 15.0  # seconds of frames
MOVED = 5.0  # seconds of moving a matrix, and of zooming
CHOSEN = 6  # connections whose lives are looked at

FRAME, VIEW, COST = 1000 / 60 + 0.05, 1.5, 0.10
"""The targets: milliseconds of the median frame, as the clock of the browser rounds it, seconds, a share."""

PROBE = """() => {
  const told = (window.told = []);
  const next = (at) => { told.push(at); window.probe = requestAnimationFrame(next); };
  window.probe = requestAnimationFrame(next);
}"""

FIRST_ROW = """async (click) => {
  const begun = click ? performance.now() : 0;
  if (click) document.querySelector(`main td a[href*="${click}"]`).click();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  while (!document.querySelector("[data-testid=layers] tbody tr")) await frame();
  await frame();  // what was put into the page is painted before the next
  return performance.now() - begun;
}"""


OF_ANOTHER = """(before) => document.querySelector("[data-testid=biography]")
  && document.querySelector("#inspector h2").innerText !== before"""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder in a process of its own, and give the address to open."""
    arguments = [sys.executable, "-m", "pondera", "ui", ".", "--port", "0"]
    process = subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = re.search(r"http\S+", process.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        process.stderr.close()


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """Give a folder that goes in the end, with the trainings in it: they would outlive this process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as place:
        try:
            yield Path(place)
        finally:
            for held in Path(place).rglob("run.lock"):
                process = writer_of(held.parent)
                if process is not None:
                    os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def opened(browser: Any, address: str) -> Iterator[Any]:
    """Give a page of a browser that was let in and has nothing in its cache."""
    context = browser.new_context(viewport=WINDOW)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def go(page: Any, address: str, place: str) -> None:
    """Load a page anew."""
    page.goto("about:blank")
    page.goto(f"{address.split('?')[0]}#/{place}")


def frames(page: Any, seconds: float | None = None, work: Any = None) -> dict[str, float]:
    """Return milliseconds between frames, while time passes or something is done."""
    page.evaluate(PROBE)
    if work is not None:
        work()
    if seconds is not None:
        page.wait_for_timeout(1000 * seconds)
    told = page.evaluate("() => { cancelAnimationFrame(window.probe); return window.told; }")
    gaps = sorted(after - before for before, after in itertools.pairwise(told))
    return {
        "median": statistics.median(gaps),
        "p95": gaps[int(0.95 * len(gaps))],
        "worst": gaps[-1],
        "per second": 1000 * len(gaps) / sum(gaps),
    }


def start_training(page: Any, address: str, run: str, epochs: int) -> float:
    """Fill in the form as somebody would, start, and return when."""
    go(page, address, f"train?example={EXAMPLE}")
    for label, value in {"Hidden layers": HIDDEN, "Epochs": str(epochs)}.items():
        field(page, label).fill(value)
    page.wait_for_function(
        "() => [...document.querySelectorAll('input')].some((each) => each.value.includes('-model'))"
    )
    field(page, "Name of the run").fill(run)
    page.wait_for_load_state("networkidle")  # somebody's hands are slower than the server
    begun = time.time()
    page.get_by_role("button", name="Start training").click()
    return begun


def field(page: Any, label: str) -> Any:
    """Return the input under a label."""
    return page.locator("label.field", has_text=re.compile(f"^{label}")).locator("input,select")


def frames_while_training(browser: Any, folder: Path) -> dict[str, Any]:
    """Return frames at the top of a training's page, and where its curves are in sight."""
    with served(folder) as address, opened(browser, address) as page:
        start_training(page, address, "watched", 4 * EPOCHS)
        page.get_by_test_id("network").wait_for()
        page.wait_for_timeout(2000)
        found = {"training, its network in sight": frames(page, LOOKED)}
        page.get_by_label("Loss", exact=True).scroll_into_view_if_needed()
        found["training, its curves in sight"] = frames(page, LOOKED)
        assert page.get_by_test_id("activity").inner_text() == "running"
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Explain it").wait_for()
    return found


def frames_of_a_matrix(browser: Any, folder: Path) -> dict[str, Any]:
    """Return frames while a matrix of 4096 x 4096 is dragged about, and while the wheel turns over it."""
    write_safetensors(folder / "large.safetensors", {"layers.0.weight": (4096, 4096)}, "F32")
    with served(folder) as address, opened(browser, address) as page:
        go(page, address, "checkpoints?file=large.safetensors")
        place = page.get_by_test_id("heat-map")
        place.scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        box = place.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        place.focus()
        page.mouse.wheel(0, -600)  # from all of it to where there is something to drag

        def drag() -> None:
            page.mouse.down()
            for k in turns():
                page.mouse.move(x + 200 * ((k % 80) / 40 - 1), y + 100 * ((k % 50) / 25 - 1))
            page.mouse.up()

        def zoom() -> None:
            for k in turns():
                page.mouse.wheel(0, -60 if k % 80 < 40 else 60)

        return {"4096 × 4096, dragged": frames(page, work=drag), "4096 × 4096, zoomed": frames(page, work=zoom)}


def turns() -> Iterator[int]:
    """Count until :data:`MOVED` seconds are over."""
    begun, k = time.perf_counter(), 0
    while time.perf_counter() - begun < MOVED:
        yield k
        k += 1


def first_views(browser: Any, folder: Path, rounds: int) -> dict[str, Any]:
    """Return seconds until the layers of a checkpoint are on the screen, each time of a server just started."""
    place = folder / "minilm.safetensors"
    put_minilm(place)
    name = place.name
    clicks, openings, wholes = [], [], []
    for _ in range(rounds):
        place.read_bytes()  # into the memory of the system
        with served(folder) as address, opened(browser, address) as page:
            go(page, address, "checkpoints")
            page.get_by_role("link", name=name).wait_for()
            page.wait_for_timeout(1000)
            clicks.append(page.evaluate(FIRST_ROW, name) / 1000)
        with served(folder) as address, opened(browser, address) as page:
            go(page, address, f"checkpoints?file={name}")
            openings.append(page.evaluate(FIRST_ROW, "") / 1000)
            page.get_by_test_id("heat-map").wait_for()
            wholes.append(page.evaluate("performance.now()") / 1000)
    return {"bytes": place.stat().st_size, "click": clicks, "opening": openings, "everything": wholes}


def lives_of_weights(browser: Any, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return seconds until the life of a connection is on the screen: of the first that is chosen, and of the next."""
    by_command(browser, folder, "finished", epochs=20)
    found: dict[str, list[float]] = {"first": [], "next": []}
    for _ in range(rounds):
        with served(folder) as address, opened(browser, address) as page:
            go(page, address, "run?run=finished")
            page.get_by_test_id("network").focus()
            page.wait_for_load_state("networkidle")
            before = ""
            for k in range(CHOSEN):
                begun = time.perf_counter()
                page.keyboard.press("ArrowRight")
                page.wait_for_function(OF_ANOTHER, arg=before)
                found["next" if k else "first"].append(time.perf_counter() - begun)
                before = page.locator("#inspector h2").inner_text()
    return found


def put_minilm(path: Path) -> None:
    """Put all-MiniLM-L6-v2 there; where its package is not installed, random values of the same names and shapes."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy(minilm(), path)
        return
    wide, inner = 384, 1536
    tensors: dict[str, tuple[int, ...]] = {"embeddings.word_embeddings.weight": (30522, wide)}
    tensors |= {"embeddings.position_embeddings.weight": (512, wide)}
    for layer in (f"encoder.layer.{k}" for k in range(6)):
        shapes = {f"attention.self.{name}": (wide, wide) for name in ("query", "key", "value")}
        shapes |= {"attention.output.dense": (wide, wide), "intermediate.dense": (inner, wide)}
        shapes |= {"output.dense": (wide, inner), "attention.output.LayerNorm": (wide,), "output.LayerNorm": (wide,)}
        for name, shape in shapes.items():
            tensors |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
    write_safetensors(path, tensors, "F32")


def training_costs(browser: Any, folder: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return seconds from the start of a training until its model was saved: by command, and through the page.

    Beside each stands how many cores processes kept busy meanwhile that have nothing to do with it.
    """
    found: dict[str, list[dict[str, float]]] = {"command": [], "page": []}
    for k in range(rounds):
        for way in ("command", "page") if k % 2 == 0 else ("page", "command"):
            time.sleep(2)
            begun, busy = time.time(), _busy() - _ours()
            taken = (by_command if way == "command" else through_page)(browser, folder, f"{way}-{k}")
            others = (_busy() - _ours() - busy) / (time.time() - begun)
            found[way].append({"seconds": taken, "others": max(others, 0.0)})
    return found


def by_command(_: Any, folder: Path, run: str, epochs: int = EPOCHS) -> float:
    """Train on the command line."""
    options = [f"--example={EXAMPLE}", f"--hidden={HIDDEN}", f"--epochs={epochs}", f"--out={run}"]
    begun = time.time()
    subprocess.run([sys.executable, "-m", "pondera", "train", *options], cwd=folder, check=True, capture_output=True)
    return (folder / run / "model.safetensors").stat().st_mtime - begun


def through_page(browser: Any, folder: Path, run: str) -> float:
    """Train from a click on, with the page open."""
    with served(folder) as address, opened(browser, address) as page:
        begun = start_training(page, address, run, EPOCHS)
        page.get_by_text("Explain it").wait_for()
        return (folder / run / "model.safetensors").stat().st_mtime - begun


def _ours() -> float:
    """Return the seconds of processor time of this process and of all that it led to, the browser among them."""
    times = os.times()
    found = times.user + times.system + times.children_user + times.children_system
    told = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may have ended by now
            fields = place.read_text().rpartition(")")[2].split()
            told[int(place.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    for number, (_, ticks) in told.items():
        above = number
        while above in told and above != os.getpid():
            above = told[above][0]
        if above == os.getpid() != number:
            found += ticks / os.sysconf("SC_CLK_TCK")
    return found


def report(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    entries = content["entries"]
    rows = []
    moving = entries.get("training frames", {}) | entries.get("matrix frames", {})
    for name, each in moving.items():
        figures = [f"{each[key]:.1f}" for key in ("median", "p95", "worst", "per second")]
        rows.append([name, *figures, f"≤ {1000 / 60:.1f}: {verdict(each['median'] <= FRAME)}"])
    told = [table(["milliseconds a frame", "median", "95 %", "worst", "a second", "target"], rows)] if rows else []
    rows = []
    if "first view" in entries:
        views = entries["first view"]
        layers = f"layers of {views['bytes'] / 1e6:.0f} MB on the screen"
        for what, key in (("after a click", "click"), ("opened by address", "opening")):
            target = f"≤ {VIEW} s: {verdict(max(views[key]) <= VIEW)}"
            rows.append([f"{layers}, {what}", *_seconds(views[key]), target])
        rows.append(["its figures, findings and colours too", *_seconds(views["everything"]), "–"])
    for key, what in (("first", "the first connection that is chosen"), ("next", "the next ones")):
        if "weights" in entries:
            rows.append([f"the life of a weight on the screen, {what}", *_seconds(entries["weights"][key]), "–"])
    if "training" in entries:
        rows += _costs(entries["training"])
    told += [table(["seconds", "median", "least", "most", "target"], rows)] if rows else []
    return "\n\n".join([*told, sentence(content["machine"])])


def _costs(rounds: dict[str, list[dict[str, float]]]) -> list[list[str]]:
    """Return rows on trainings: of rounds in which no others were at work, or of all where there are none."""
    quiet = {way: [each["seconds"] for each in all_ if each["others"] <= QUIET] for way, all_ in rounds.items()}
    clear = all(quiet.values())
    counted = quiet if clear else {way: [each["seconds"] for each in all_] for way, all_ in rounds.items()}
    added = statistics.median(counted["page"]) / statistics.median(counted["command"]) - 1
    met = verdict(added <= COST) if clear else "unclear"
    rows = []
    for way, what in (("command", "training by the command"), ("page", "training through its page, which is open")):
        of = f"{len(quiet[way])} of {len(rounds[way])} rounds undisturbed"
        rows.append([f"{what}, {of}", *_seconds(counted[way]), "–"])
    rows[-1][-1] = f"{added:+.1%}, ≤ {COST:.0%}: {met}"
    return rows


def _seconds(all_: Sequence[float]) -> list[str]:
    return [f"{figure:.2f}" for figure in (statistics.median(all_), min(all_), max(all_))]


def main() -> None:
    """Measure, keep, and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS)
    asked = parser.parse_args()
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        sys.exit("There is no Chromium on this machine.")
    about = machine(PACKAGES)
    told = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    about["versions"]["Chromium"] = next(iter(re.findall(r"\d+[\d.]*", told)), None)
    with own_folder() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        parts: dict[str, Callable[[], Any]] = {
            "training frames": lambda: frames_while_training(browser, place),
            "matrix frames": lambda: frames_of_a_matrix(browser, place),
            "first view": lambda: first_views(browser, place, asked.rounds),
            "weights": lambda: lives_of_weights(browser, place, asked.rounds),
            "training": lambda: training_costs(browser, place, asked.rounds),
        }
        for name in [asked.only] if asked.only else PARTS:
            content = keep("workbench", about, {name: parts[name]()})
        browser.close()
    print(report(content))


if __name__ == "__main__":
    main()
