import dataclasses
import io
import json
import math
import re

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pondera import ImportanceDisplay, PonderaRegressor
from pondera.explaining.ask import question_of
from pondera.explaining.explain import explain
from pondera.explaining.question import Question
from pondera.explaining.row import explain_row
from pondera.explaining.subject import Subject
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.report.charts.explanation import CHARTS, strength_against_importance
from pondera.report.charts.names import LETTER, LINE, beside
from pondera.report.charts.reading import svg
from pondera.report.explanation import show_explanation, show_row, skill_words
from pondera.report.explanation_page import explanation_page


@pytest.fixture(scope="module")
def question():
    """Ask about numbers, truth values and categories, of which some are missing."""
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "size": random.normal(size=300),
            "garden": random.random(300) < 0.5,
            "town": random.choice(["a", "b", "c"], size=300),
        }
    )
    gone = random.random(300) < 0.2
    frame = frame.with_columns(pl.Series("town", np.where(gone, None, frame["town"].to_numpy()), dtype=pl.String))
    worth = 2 * frame["size"].to_numpy() + 3 * frame["garden"].to_numpy() + 2 * gone
    model = PonderaRegressor([16], recipe="plain", epochs=40, random_state=0).fit(frame, worth).model_
    return question_of(model, frame, pl.Series("worth", worth))[0]


@pytest.fixture(scope="module")
def found(question):
    return explain(question, ["permutation", "first_layer"])


def printed(show, *what, width=80):
    console = Console(file=io.StringIO(), width=width)
    show(console, *what)
    return console.file.getvalue()


def test_what_single_values_and_missing_ones_do(found):
    shown = printed(show_explanation, found)
    effects = {each.name: each for each in found.effects}
    gone, garden = effects["town"].gone, effects["garden"].local
    assert re.search(r"missing \(\d+%\) " + re.escape(f"{gone:+.3g}"), shown)
    assert f"True {garden[1]:+.3g} · False {garden[0]:+.3g}" in shown
    assert gone == pytest.approx(2, abs=0.5)
    assert found.to_json()["effects"][0]["missing"] is None


def test_curves_of_several_classes_say_so(found):
    mixed = dataclasses.replace(found, effects=tuple(dataclasses.replace(each, mixed=True) for each in found.effects))
    for each, said in ((found, False), (mixed, True)):
        assert ("class that is predicted for each row" in " ".join(printed(show_explanation, each).split())) == said
        assert ("class that is predicted for each row" in explanation_page(each, "houses.csv")) == said


def test_truth_values_are_drawn_as_bars(found):
    _, draw = CHARTS["How each column acts"]
    panels = {panel["title"]["text"]: panel for panel in draw(found).to_dict()["concat"]}
    for name in ("garden", "town"):
        assert panels[name]["mark"]["type"] == "bar"
        assert panels[name]["encoding"]["x"]["type"] == "nominal"
    assert "missing" in panels["town"]["title"]["subtitle"]
    assert "layer" in panels["size"]


@pytest.mark.parametrize("title", CHARTS)
def test_narrow_charts_fit_a_narrow_screen(found, title):
    drawn = CHARTS[title][1](found, narrow=True)
    if drawn is not None:
        assert float(re.search(r'width="([\d.]+)"', svg(drawn))[1]) <= 450


def test_a_page_has_every_chart_for_both_screens(found):
    page = explanation_page(found, "houses.csv")
    assert page.count("<figure class='broad'>") == page.count("<figure class='narrow'>") >= 4
    assert "300 rows; 100% of them have the values of rows that were trained on" in page


def test_a_row_of_a_regression_has_its_prediction(question):
    found = explain_row(question, 3)
    assert f"Row 3, predicted {found.prediction:.4g}" in printed(show_row, found)


@pytest.mark.parametrize(
    ("skill", "words"),
    [
        (0.88, "88% below a constant's"),
        (-0.02, "2% above a constant's"),
        (0.0, "as large as a constant's"),
        (-math.inf, "more than 100 times a constant's"),
    ],
)
def test_an_error_is_never_a_negative_share_below(skill, words):
    assert skill_words(skill) == words


@pytest.mark.parametrize(("grouped", "said"), [(0.004, False), (0.006, True)])
def test_a_share_that_rounds_to_nothing_is_not_told(found, grouped, said):
    evidence = dataclasses.replace(found.evidence, grouped=grouped)
    shown = printed(show_explanation, dataclasses.replace(found, evidence=evidence))
    assert ("% is not told apart" in " ".join(shown.split())) == said


def test_nothing_has_no_shares():
    random = np.random.default_rng(0)
    display = ImportanceDisplay.from_estimator(
        lambda x: 1e-9 * x[:, :1], random.normal(size=(200, 2)), random.normal(size=200)
    )
    shown = printed(show_explanation, display.explanation)
    assert "nothing to rank" in " ".join(shown.split())
    assert "%  " not in shown.split("importance")[1].split("Shares")[0].replace("95 %", "")
    assert "starts agree" not in shown
    assert "1.00" not in shown
    page = explanation_page(display.explanation, "noise")
    assert "<svg" in page
    assert "Which columns matter" not in page  # a chart without bars


def test_control_characters_do_not_end_the_drawing_of_a_page(found):
    strange = dataclasses.replace(found, names=tuple(f"a\x1b[31m{name}\x00" for name in found.names))
    page = explanation_page(strange, "houses.csv")
    assert "\x00" not in page.split("<svg")[1]
    assert "x1b" in page.split("<svg")[1]
    assert "\x1b" not in page.split("<svg")[1]


def test_numbers_that_no_json_holds_become_none(found):
    told = dataclasses.replace(found, evidence=dataclasses.replace(found.evidence, skill=-math.inf)).to_json()
    assert told["reliability"]["skill"] is None
    json.dumps(told, allow_nan=False)


def test_names_beside_points_lie_over_nothing_and_what_has_none_is_left_out():
    """Sixty columns, most of them in one corner: only some have room for a name, and a chart holds no NaN."""
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 60))
    network = Network.create(60, [Dense(1)], dtype="float64").with_weights(
        {"layers.0.weight": np.where(np.arange(60) < 3, 2.0, 0.01)[:, None]}
    )
    found = explain(
        Question.of_arrays(Subject.of_network(network), x, network(x)[:, 0]), ["first_layer", "permutation"]
    )
    chart = strength_against_importance(found)
    text = json.dumps(chart.to_dict(), allow_nan=False)
    assert text.count('"strength": ') == 60
    assert 3 <= text.count('"begin": ') < 60
    names = beside(["a" * 9] * 200, random.uniform(0, 300, size=(200, 2)), (300, 300))
    written = names[~np.isnan(names[:, 0])]
    assert 10 < len(written) < 200
    over = np.abs(written[:, None] - written[None]) < [9 * LETTER, LINE]
    assert over.all(axis=2).sum() == len(written)  # each over itself
