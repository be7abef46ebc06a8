import re
import subprocess
import sys
import threading

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file
from starlette.testclient import TestClient

from pondera.workbench.application import application
from pondera.workbench.guard import Guard

PORT = 8000
MOST = 200_000


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
def folder(tmp_path):
    """What is served: a table, a file of weights, and beside it something that is not."""
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
    return place


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
