"""Figures of an explanation are whole in every terminal."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from pondera.explaining.entry import explain, question_about
from pondera.explaining.question import Question
from pondera.explaining.row import explain_row
from pondera.explaining.subject import Subject
from pondera.report.explanation import show_explanation, show_row
from pondera.report.fitted import Bar, fitted
from pondera.report.terminal import figure, signed

WIDTHS = [40, 50, 60, 72, 79, 80, 81, 100, 200]


def printed(show, found, width):
    console = Console(file=io.StringIO(), width=width)
    show(console, found)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    return shown


@pytest.fixture(scope="module")
def long():
    """Explain columns of long names, one without influence."""
    x = np.random.default_rng(0).normal(size=(300, 3))
    names = [f"{which} fractal dimension of the nuclei" for which in ("mean", "worst", "least")]
    return explain(lambda x: 3 * x[:, :1] + x[:, 1:2], x, 3 * x[:, 0] + x[:, 1], names=names, methods="permutation")


@pytest.mark.parametrize("width", WIDTHS)
def test_shares_and_intervals_are_whole(long, width):
    shown = printed(show_explanation, long, width)
    assert re.search(r"\bshare\b", shown)
    for k in range(3):
        low, high = long.intervals[k]
        assert f"{100 * long.importance[k]:.1f} %" in shown
        assert f"{100 * low:.1f} to {100 * high:.1f}" in shown
    for each in long.effects:
        ends = (float(each.accumulated.min()), float(each.accumulated.max()))
        assert f"{signed(ends[0])} to {signed(ends[1])}" in shown
        assert all(figure(each.values[k]) in shown for k in (0, -1))
    assert "influence" in shown


def test_names_that_differ_are_shown_differently(long):
    shown = printed(show_explanation, long, 80)
    ranking, methods = shown.split("Shares of")[0], shown.split("first three")[1].split("\n\n")[0]
    acts = shown.split("how it acts")[1]
    assert all(f"{which} f" in part for which in ("mean", "worst", "least") for part in (ranking, acts))
    assert all(f"{which} f" in methods for which in ("mean", "worst"))  # the third has no influence


@pytest.fixture(scope="module")
def row():
    """Explain a row of many columns beside a background, so that there are errors."""
    random = np.random.default_rng(0)
    x, more = random.normal(size=(200, 30)), np.linspace(1, 2, 30)
    names = [f"a long name of number {k}" for k in range(30)]
    question = question_about(lambda x: 1e3 * x[:, :1] * x[:, 1:2] * x[:, 2:3] + x @ more[:, None], x, names=names)
    return explain_row(question, 3)


@pytest.mark.parametrize("width", WIDTHS)
def test_contributions_and_their_errors_are_whole(row, width):
    shown = printed(show_row, row, width)
    words = shown.split()
    for k in np.argsort(-np.abs(row.contributions))[:20]:
        assert signed(row.contributions[k], 4) in words
        assert figure(row.errors[k], 2) in words
        assert figure(row.values[k]) in words
    assert figure(row.baseline) in words
    assert figure(row.score) in words


def test_no_bar_is_longer_than_that_of_all_others_together():
    x = np.random.default_rng(0).normal(size=(50, 60)) + 1
    question = Question.of_arrays(Subject(lambda x: x.sum(1, keepdims=True)), x, background=np.zeros((1, 60)))
    found = explain_row(question, 3)
    bars = [re.search(r"[█▏▎▍▌▋▊▉]*$", line.rstrip())[0] for line in printed(show_row, found, 100).splitlines()]
    assert max(map(len, bars)) == 12
    assert [len(each) for each in bars].count(12) == 1  # of the others


@pytest.mark.parametrize("width", range(40, 70))
def test_bars_give_way_before_words_and_words_before_figures(width):
    console = Console(file=io.StringIO(), width=width)
    columns = [("column", "words"), ("first", "figures"), ("second", "spare"), ("", "drawn")]
    console.print(fitted(console, columns, [("a name of letters", "-1.2345", "+9.8765e-12", Bar(1.0, 1.0, 20))]))
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert "-1.2345" in shown
    assert "a name of letters" in shown
    assert "+9.8765e-12" in shown
    assert shown.count("█") == (0 if width < 17 + 7 + 11 + 6 + 4 else min(width - 17 - 7 - 11 - 6, 20))
