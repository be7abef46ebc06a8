import dataclasses
import io

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pondera import PonderaRegressor
from pondera.explaining.ask import question_of
from pondera.explaining.effects import Interaction
from pondera.explaining.explain import explain
from pondera.markup import escaped
from pondera.report.explanation import show_explanation
from pondera.report.explanation_page import explanation_page


@pytest.fixture(scope="module")
def found():
    """Explain a model of three columns, two of which tell each other."""
    random = np.random.default_rng(0)
    first, third = random.normal(size=(2, 400))
    frame = pl.DataFrame({"first": first, "second": first + 0.05 * random.normal(size=400), "third": third})
    worth = first + 3 * third
    model = PonderaRegressor([16], recipe="plain", epochs=40, random_state=0).fit(frame, worth).model_
    question = question_of(model, frame, pl.Series("worth", worth))[0]
    pairs = (Interaction("first", "third", 0.5, 0.25),)
    return dataclasses.replace(explain(question, ["permutation", "first_layer"]), interactions=pairs)


def test_a_group_has_a_rank_as_one_and_no_rank_is_left_out(found):
    verdicts = {name: found.verdict_of(k) for k, name in enumerate(found.names)}
    together = "not told apart, together rank 2"
    assert verdicts == {"first": together, "second": together, "third": "rank 1"}
    (statement,) = found.told_apart
    assert statement.startswith("'first', 'second' tell each other's values.")
    assert "of all importance: rank 2." in statement


def test_terminal_page_and_json_say_the_same_of_groups_and_pairs(found):
    console = Console(file=io.StringIO(), width=400)
    show_explanation(console, found)
    told, page = found.to_json(), explanation_page(found, "table")
    for statement in (*told["reliability"]["told_apart"], told["pairs"]):
        assert statement in console.file.getvalue()
        assert escaped(statement) in page
    assert told["pairs"] == "Not the sum of each alone: first × third (25%) of what both do."
