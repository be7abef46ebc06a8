"""What tests of the pages share: a server in a process of its own, and ways about its pages."""

import contextlib
import re
import subprocess
import sys

from playwright.sync_api import expect

from pondera.workbench.worker import run

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
PATIENCE = 180_000  # milliseconds; a machine may be busy

expect.set_options(timeout=PATIENCE)


class Server:
    """``pondera ui`` in a process of its own."""

    def __init__(self, folder, begin):
        self.folder, self.begin = folder, begin
        self.start()

    def start(self):
        self.address, self.process = self.begin(self.folder)

    def kill(self):
        self.process.kill()
        self.process.wait()


def pondera(folder, *arguments):
    """Run a command of Pondera's in a folder, here, where JAX is loaded already; return what it prints."""
    with contextlib.chdir(folder):
        outcome = run(list(arguments))
    assert outcome.code == 0, outcome.err
    return outcome.out


def is_own(address):
    return address.startswith(("http://127.0.0.1:", "data:", "blob:", "about:", "file:"))


def open_page(page, server, place):
    page.goto("about:blank")
    page.goto(f"{server.address.split('?')[0]}#/{place}")


def field(page, label):
    return page.locator("label.field", has_text=re.compile(f"^{label}")).locator("input,select")


def start(page, server, run, **fields):
    """Fill in the form of a training, and start it."""
    open_page(page, server, "train")
    page.set_input_files("input[type=file]", server.upload)
    expect(page.get_by_label("Column to predict")).to_have_value("kind")
    field(page, "Recipe").select_option("plain")
    for label, value in fields.items():
        field(page, label.replace("_", " ").capitalize()).fill(value)
    expect(field(page, "Name of the run")).to_have_value(re.compile("upload"))  # the name that is suggested came
    field(page, "Name of the run").fill(run)
    page.get_by_role("button", name="Start training").click()


def until(page, true, asked=None):
    """Wait until something is true of a page, without a look at every frame, which would keep the machine busy."""
    page.wait_for_function(true, arg=asked, polling=100)


def answering(page, path, change):
    """Have what a route answers changed before the page sees it: in place, or by what is returned."""

    def answer(route):
        found = route.fetch(max_retries=3)  # the server may close a connection as it is used again
        told = found.json()
        route.fulfill(response=found, json=change(told) or told)

    page.route(path, answer)


def let_go(page, held):
    """Let the first request go on that a route of this page held back, once it has come."""
    for _ in range(6000):  # however busy the machine is
        if held:
            return held[0].continue_()
        page.wait_for_timeout(50)
    raise AssertionError("nothing was asked for")


def card(page, title):
    return page.get_by_role("region", name=title, exact=True)


def python_of(card):
    return card.locator("code", has_text="import pondera").inner_text()


def given(code, folder, shown=""):
    """What pasted Python gives, printed: its last statement is the value."""
    *before, last = code.split("; ")
    command = [sys.executable, "-c", "; ".join([*before, f"print({last}{shown})"])]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
