"""Runs by their folders, and what is in a folder of them.

Examples
--------
>>> import tempfile, pondera
>>> with tempfile.TemporaryDirectory() as folder:
...     with pondera.runs.Recorder(folder) as recorder:
...         network = pondera.Network.create(1, pondera.Dense(1))
...         fitted = pondera.fit(network, [[1.0], [2.0]], [3.0, 5.0], pondera.Plan(epochs=1), recorder=recorder)
...     with pondera.runs.open(folder) as run:
...         run.tensors()
{'layers.0.weight': (1, 1), 'layers.0.bias': (1,)}
"""

from __future__ import annotations

import os
from pathlib import Path

from pondera.recording.folder import found_in
from pondera.recording.health.check import Health, check
from pondera.recording.merging import merge
from pondera.recording.recorder import Recorder
from pondera.recording.run import Run
from pondera.recording.tensorboard import from_tensorboard, to_tensorboard

__all__ = ["Health", "Recorder", "Run", "check", "found_in", "from_tensorboard", "merge", "open", "to_tensorboard"]


def open(folder: str | os.PathLike[str]) -> Run:  # noqa: A001 (as pondera.runs.open it reads well)
    """Open a run to read it, also while training writes to it.

    Raises
    ------
    RunError
        If it is no folder of a run, or damaged.
    """
    return Run(Path(folder))
