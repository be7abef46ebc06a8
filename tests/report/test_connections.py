"""Connections in every terminal: places and exponents are whole."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from pondera import Dense, Network
from pondera.explaining.connections import connections_of
from pondera.explaining.entry import question_about
from pondera.report.connections import HEADINGS, SPARE, show_connections


@pytest.fixture(scope="module")
def found():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3)).astype(np.float32)
    network = Network.create(3, [Dense(130, "tanh"), Dense(130, "tanh"), Dense(1)])
    names = ["sepal width (cm)", "petal width (cm)", "height"]
    return connections_of(question_about(network, x, x[:, 0], names=names), names=names)


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_figures_of_connections_are_whole(found, width):
    console = Console(file=io.StringIO(), width=width)
    show_connections(console, found)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    words = shown.split()
    for k, (path, source, unit) in enumerate(found.places[:20]):
        if width >= 60:
            assert f"{path}[{source},{unit}]" in words
        for name in HEADINGS:
            figure = f"{found.measured[name][k]:{'.3g' if name == 'activation_scaled' else '+.1e'}}"
            assert figure in words or (width < 80 and name in SPARE)


def test_sources_that_differ_are_shown_differently(found):
    names = ("sepal width (cm)", "petal width (cm)")
    console = Console(file=io.StringIO(), width=100)
    show_connections(console, dataclasses.replace(found, sources=tuple(names[k % 2] for k in range(len(found.places)))))
    shown = console.file.getvalue()
    assert "sepal" in shown
    assert "petal" in shown
