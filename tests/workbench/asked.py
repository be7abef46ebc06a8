"""What tests ask the routes, and how."""

import numpy as np
import pytest

import pondera

OF_A_RUN = [
    "run",
    "run/curves",
    "run/health",
    "run/outcome",
    "run/network",
    "run/frames?steps=0",
    "run/histogram?tensor=layers.0.weight&step=0",
    "run/matrix?tensor=layers.0.weight",
    "run/unit/strengths?column=0&unit=0&step=0",
]
"""About a run; ``?`` begins a query of their own."""


def ask(client, path, **query):
    """Ask until there is an answer, as the pages do."""
    for _ in range(20):
        found = client.get(f"/api/{path}", params=query)
        if found.status_code != 202:
            assert found.status_code == 200, found.text
            return found.json()
    pytest.fail(f"{path} did not answer")


def record_line(folder):
    """Make a run of a small network in a folder."""
    x = np.random.default_rng(0).normal(size=(20, 2))
    with pondera.runs.Recorder(folder, level="full") as recorder:
        pondera.fit(pondera.Network.create(2, pondera.Dense(1)), x, x[:, 0], pondera.Plan(epochs=2), recorder=recorder)
