import contextlib
import io
import json

import numpy as np
import polars as pl
import pytest

from pondera.commands import main
from tests.commands.wine import TRAIN


class Done:
    """What a command left behind: its exit code and its two streams."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capfd):
    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code or 0
        else:
            code = 0
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def flowers(tmp_path_factory):
    """A table of mixed columns: two classes that the columns tell apart, some cells missing."""
    random = np.random.default_rng(0)
    size = random.normal(size=240)
    frame = pl.DataFrame(
        {
            "size": [None if i % 17 == 0 else round(float(value), 4) for i, value in enumerate(size)],
            "colour": [["red", "blue", "white"][i % 3] for i in range(240)],
            "wild": [i % 2 == 0 for i in range(240)],
            "seen": [f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}" for i in range(240)],
            "kind": ["tall" if value > 0 else "short" for value in size],
        }
    )
    path = tmp_path_factory.mktemp("tables") / "flowers.csv"
    frame.write_csv(path)
    return path


@pytest.fixture(scope="session")
def model(flowers, tmp_path_factory):
    """A model trained on the flowers by the command line."""
    folder = tmp_path_factory.mktemp("model")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(["train", str(flowers), "--target", "kind", "--epochs", "20", "--out", str(folder)])
    return folder / "model.safetensors"


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a small run; nothing may change it."""
    folder = tmp_path_factory.mktemp("runs") / "wine"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([*map(str, TRAIN), "--out", str(folder), "--record", "full"])
    return folder
