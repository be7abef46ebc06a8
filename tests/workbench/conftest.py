import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file
from starlette.testclient import TestClient

from pondera.recording.process import writer_of
from pondera.workbench.application import application
from pondera.workbench.guard import Guard

PORT = 8000
MOST = 200_000


@pytest.fixture(scope="session")
def end_trainings():
    """Give the function that ends what still trains in a folder: a test that failed may have left it behind."""

    def end_trainings(folder):
        for lock in folder.rglob("run.lock"):
            process = writer_of(lock.parent)
            if process not in (None, os.getpid()):
                os.kill(process, signal.SIGKILL)

    return end_trainings


@pytest.fixture(scope="session")
def begin(pages):
    """Give the function that starts ``pondera ui`` in a process of its own; what it prints is read as it comes."""
    begun = {}

    def begin(folder, **options):
        arguments = [sys.executable, "-m", "pondera", "ui", ".", "--port", "0"]
        process = subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True, **options)
        address = re.search(r"http\S+", process.stderr.readline())[0]
        process.said = []  # a pipe that nobody reads is full some day, and whoever writes to it waits
        reading = threading.Thread(target=read, args=(process,))
        reading.start()
        begun[process] = reading
        return address, process

    def read(process):
        with process.stderr:
            process.said.extend(process.stderr)

    yield begin
    for process, reading in begun.items():
        process.kill()
        process.wait()
        reading.join()


@pytest.fixture
def folder(tmp_path, end_trainings):
    """What is served: a table, a file of weights, and beside it something that is not."""
    gc.collect()  # a run that an earlier test left open lies outside of what is served, and the door would tell of it
    place = tmp_path / "served"
    place.mkdir()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 80))
    kind = np.where(x * y > 0, "same", "other")
    pl.DataFrame({"x": x, "y": y, "kind": kind}).write_csv(place / "signs.csv")
    matrix = np.zeros((600, 400), np.float32)
    matrix[417, 33], matrix[5, 399] = -7, np.nan
    save_file({"fc.weight": matrix, "fc.bias": np.ones(400, np.float32)}, place / "weights.safetensors")
    yield place
    end_trainings(place)


@pytest.fixture
def guard(folder):
    return Guard(application(folder), PORT, MOST)


@pytest.fixture
def stranger(guard):
    """A browser that has no cookie."""
    with TestClient(guard, f"http://127.0.0.1:{PORT}", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(guard, stranger):
    """A browser that opened the address that was printed."""
    stranger.get(f"/?token={guard.token}", follow_redirects=False)
    return stranger


@pytest.fixture(scope="module")
def server(chromium, begin, tmp_path_factory, end_trainings):
    """What serves a folder with two files of weights in it; ``upload`` is a table elsewhere."""
    from tests.workbench.browsing import Server

    folder = tmp_path_factory.mktemp("served")
    for name, shift in (("old", 0.0), ("new", 0.1)):
        matrix = np.random.default_rng(1).normal(size=(300, 200)).astype(np.float32)
        matrix[7] += shift
        save_file({"fc.weight": matrix, "fc.bias": np.zeros(200, np.float32)}, folder / f"{name}.safetensors")
    x, y = np.random.default_rng(0).normal(size=(2, 200))
    found = Server(folder, begin)
    found.upload = folder.parent / f"{folder.name}-upload.csv"
    pl.DataFrame({"x": x, "y": y, "kind": np.where(x * y > 0, "same", "other")}).write_csv(found.upload)
    yield found
    found.kill()
    end_trainings(folder)


@pytest.fixture(scope="module")
def signs(server):
    """A run in the folder that is served, of two columns and two classes; its table is there too."""
    from tests.workbench.browsing import pondera

    shutil.copy(server.upload, server.folder / "quadrants.csv")
    options = ["--target=kind", "--recipe=plain", "--hidden=6,4", "--epochs=30", "--record=full", "--out=signs"]
    pondera(server.folder, "train", "quadrants.csv", *options)
    return server.folder / "signs"


@pytest.fixture(scope="module")
def browser(server, chromium):
    """A browser that was let in."""
    from playwright.sync_api import sync_playwright

    from tests.workbench.browsing import FLAGS, PATIENCE

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = started.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        context.set_default_timeout(PATIENCE)
        opened = context.new_page()
        opened.goto(server.address)
        opened.close()
        yield context
        started.close()


@pytest.fixture
def page(browser, server):
    """A page that must load nothing from elsewhere, break no policy, raise nothing and complain of nothing."""
    from tests.workbench.browsing import is_own

    opened = browser.new_page()
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    opened.on("request", lambda asked: None if is_own(asked.url) else wrong.append(asked.url))
    yield opened
    opened.close()
    assert [each for each in wrong if "Failed to load resource" not in each] == []  # errors that a page tells in words
