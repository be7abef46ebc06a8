"""Tables in narrow terminals lose columns, never the names of what they list."""

import io

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save_file

import pondera
from pondera.reading.comparison import compare
from pondera.reading.timeline import timeline
from pondera.report.comparison import show_comparison
from pondera.report.reading import show_reading
from pondera.report.timeline import show_timeline


@pytest.fixture
def checkpoints(tmp_path):
    random = np.random.default_rng(0)
    start = {f"layers.{k}.weight": random.normal(size=(8, 8)).astype(np.float32) for k in range(3)}
    for at in range(3):
        moved = {
            name: (array + 0.01 * at * random.normal(size=(8, 8))).astype(np.float32) for name, array in start.items()
        }
        save_file(moved, tmp_path / f"epoch_{at}.safetensors")
    return tmp_path


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_names_stay_whole(checkpoints, width):
    console = Console(width=width, record=True, file=io.StringIO())
    one, other = (checkpoints / f"epoch_{at}.safetensors" for at in (0, 2))
    show_comparison(console, compare(one, other), "a", "b")
    show_reading(console, pondera.read(one), "a")
    show_timeline(console, timeline(checkpoints), "a")
    text = console.export_text()
    for name in ("layers.0.weight", "layers.2.weight", "epoch_1."):
        assert name in text
    assert max(map(len, text.splitlines())) <= width
