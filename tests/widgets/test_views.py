"""What the widgets hold: of a network, of a run, of an explanation; and what is said where there is nothing to show."""

import json
import sys

import numpy as np
import polars as pl
import pytest

import pondera
from pondera.errors import ArgumentError, RunError
from pondera.widgets.view import BUNDLE
from pondera.workbench.drawing import DRAWN

pytestmark = pytest.mark.usefixtures("pages")


@pytest.fixture
def network():
    return pondera.Network.create(2, [pondera.Dense(3, "tanh"), pondera.Dense(1)], seed=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "line"
    x = np.random.default_rng(0).normal(size=(40, 2))
    start = pondera.Network.create(2, [pondera.Dense(3), pondera.Dense(1)], seed=1)
    with pondera.runs.Recorder(folder) as recorder:
        pondera.fit(start, x, x[:, 0], pondera.Plan(epochs=4), recorder=recorder)
    return folder


def test_a_network(network):
    widget = pondera.widgets.network(network, inputs=["age", "income"])
    assert widget.view == "network"
    assert [each["shape"] for each in widget.content["matrices"]] == [[2, 3], [3, 1]]
    assert widget.content["inputs"] == ["age", "income"]
    expected = np.concatenate([network.weights[f"layers.{k}.weight"].ravel() for k in range(2)])
    np.testing.assert_array_equal(np.frombuffer(widget.values, "<f4"), expected)
    json.dumps(widget.content, allow_nan=False)


@pytest.mark.parametrize("name", ["", "layers.0.weight[1,2]", "layers.1.weight[2,0]", "layers.0[2]", "inputs[1]"])
def test_what_is_drawn_can_be_chosen(network, name):
    widget = pondera.widgets.network(network)
    widget.chosen = name
    assert widget.chosen == name


@pytest.mark.parametrize(
    "name",
    ["nonsense", "layers.0.weight[2,0]", "layers.0.weight[0,3]", "layers.9.weight[0,0]", "layers.0[3]", "inputs[2]"],
)
def test_what_is_not_drawn_cannot_be_chosen(network, name):
    widget = pondera.widgets.network(network)
    with pytest.raises(ArgumentError, match=r"expected a connection .* 'layers\.0\.weight\[0,0\]', or a unit"):
        widget.chosen = name
    assert widget.chosen == ""


def test_of_a_large_matrix_the_strongest_weights_are_held():
    network = pondera.Network.create(60, [pondera.Dense(50)])
    widget = pondera.widgets.network(network)
    places = widget.content["matrices"][0]["places"]
    values = np.frombuffer(widget.values, "<f4")
    matrix = network.weights["layers.0.weight"].ravel()
    assert len(places) == len(values) == DRAWN
    np.testing.assert_array_equal(values, matrix[places])
    assert np.abs(values).min() >= np.sort(np.abs(matrix))[-DRAWN]


def test_what_was_fitted_is_shown_too(network):
    x = np.random.default_rng(0).normal(size=(40, 2))
    fitted = pondera.fit(network, x, x[:, 0], pondera.Plan(epochs=1))
    assert pondera.widgets.network(fitted).content["inputs"] is None
    frame = pl.DataFrame({"age": x[:, 0], "income": x[:, 1]})
    estimator = pondera.PonderaRegressor(recipe="plain", hidden_layer_sizes=(4,), epochs=2).fit(frame, x[:, 0])
    assert pondera.widgets.network(estimator).content["inputs"] == ["age", "income"]


def test_a_replay_holds_the_weights_of_every_step(run):
    widget = pondera.widgets.replay(run)
    with pondera.runs.open(run) as opened:
        steps = opened.recorded("layers.0.weight")
        assert widget.content["steps"] == steps
        last = [opened.weights_at(f"layers.{k}.weight", steps[-1]).ravel() for k in range(2)]
        assert pondera.widgets.replay(opened).content == widget.content
    values = np.frombuffer(widget.values, "<f4").reshape(len(steps), -1)
    np.testing.assert_array_equal(values[-1], np.concatenate(last))
    assert (values[0] != values[-1]).any()
    assert widget.content["title"] == "line"
    assert widget.content["inputs"] is None
    assert pondera.widgets.replay(run, inputs=["a", "b"]).content["inputs"] == ["a", "b"]


def test_a_long_life_is_thinned_out_between_its_ends(tmp_path):
    start = pondera.Network.create(1, pondera.Dense(1))
    with pondera.runs.Recorder(tmp_path, level="full") as recorder:
        pondera.fit(start, [[1.0], [2.0]], [3.0, 5.0], pondera.Plan(epochs=300), recorder=recorder)
    with pondera.runs.open(tmp_path) as opened:
        every = opened.recorded("layers.0.weight")
    steps = pondera.widgets.replay(tmp_path).content["steps"]
    assert len(every) > len(steps) > 100
    assert (steps[0], steps[-1]) == (every[0], every[-1])


def test_an_explanation_and_its_json_give_the_same():
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    found = pondera.explain(lambda x: 3 * x[:, :1] + x[:, 1:2], x, 3 * x[:, 0] + x[:, 1])
    widget = pondera.widgets.importance(found)
    assert widget.view == "importance"
    json.dumps(widget.content, allow_nan=False)
    assert pondera.widgets.importance(json.loads(json.dumps(found.to_json()))).content == widget.content
    assert [each["name"] for each in widget.content["inputs"]] == [found.names[k] for k in found.order]


def test_traits_are_told_of(network):
    widget = pondera.widgets.network(network)
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "chosen")
    widget.chosen = "layers.0[1]"
    assert seen == ["layers.0[1]"]
    assert repr(widget) == "<network widget: layers.0[1]>"
    assert {"view", "content", "values", "step", "chosen"} <= set(widget.keys)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pondera.widgets.network("network"), "Expected a Network"),
        (lambda: pondera.widgets.network(pondera.Network.create(2, pondera.Dense(1)), inputs=["a"]), "2 names"),
        (lambda: pondera.widgets.network(pondera.Network.create(2, pondera.Scale())), "no matrix"),
        (lambda: pondera.widgets.importance({"inputs": []}), "pondera.explain"),
        (lambda: pondera.widgets.importance(7), "pondera.explain"),
    ],
)
def test_what_cannot_be_shown_is_said(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(RunError):
        pondera.widgets.replay(tmp_path)


def test_what_to_install_is_said_in_a_sentence(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "pondera.widgets.view")
    with pytest.raises(ArgumentError, match=r"^Widgets need anywidget, .*pip install 'pondera\[notebook\]'\.$"):
        pondera.widgets.network(network)


def test_the_bundle_fetches_and_evaluates_nothing():
    text = BUNDLE.read_text(encoding="utf-8")
    for word in ("eval(", "new Function", "import(", "fetch(", "XMLHttpRequest", "EventSource(", "WebSocket"):
        assert word not in text, word
