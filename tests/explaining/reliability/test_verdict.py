"""The verdict on a ranking, from what was measured of it."""

import pytest

from pondera.explaining.reliability.verdict import Evidence, reliability_of

GOOD = {"skill": 0.9, "stability": 0.99, "agreement": 0.95, "outdone": 0.0, "grouped": 0.0, "ordered": True}


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, "reliable", "say the same"),
        ({"skill": 0.0}, "unreliable", "hardly better than a constant"),
        ({"skill": -0.5}, "unreliable", "worse than a constant"),
        ({"ordered": False}, "unreliable", "No two inputs differ"),
        ({"stability": 0.3}, "unreliable", "other random starts order the inputs otherwise"),
        ({"agreement": 0.2}, "unreliable", "contradict"),
        ({"outdone": 0.8}, "unreliable", "less than in random orders"),
        ({"grouped": 0.8}, "not identifiable", "80% of all importance"),
        ({"skill": None}, "partly", "All right answers are the same"),
        ({"stability": None, "networks": 1}, "partly", "one model only"),
        (
            {"stability": None, "networks": 1, "random": False},
            "reliable",
            "Other methods and the deletion of inputs say",
        ),
        ({"skill": -1.0, "measure": "Brier score"}, "unreliable", "worse than a constant, by the Brier score:"),
        ({"told": 0.4}, "partly", "40% of all importance belongs to inputs that others together tell"),
        ({"influence": False, "ordered": False}, "unreliable", "nothing to rank"),
        ({"influence": False, "heaviest": (7, 0.9)}, "unreliable", "Row 7 (from 0) alone has 90% of the whole error"),
        ({"heaviest": (7, 0.9)}, "reliable", "say the same"),
        ({"hardest": 0.6}, "partly", "The 1% of rows with the largest errors have 60% of the whole squared error"),
        ({"hardest": 0.2}, "reliable", "say the same"),
        ({"stability": 0.7}, "partly", "agree only roughly"),
        ({"agreement": 0.6}, "partly", "agree only roughly"),
        ({"dispensable": True}, "partly", "Networks trained without the first of the ranking do better"),
        ({"blind": True}, "partly", "Networks of random weights give the same ranking"),
        ({"seen": 1.0}, "partly", "100% of these rows have the values of rows that were trained on"),
        ({"seen": 0.05}, "reliable", "say the same"),
        ({"strange": ("sex", 0.3)}, "partly", "In 30% of these rows 'sex' has no value that training saw"),
        ({"strange": ("sex", 0.05)}, "reliable", "say the same"),
        ({"as_sizes": -0.4}, "partly", "by their mean size it is another"),
        ({"outdone": 0.3}, "partly", "hardly more"),
        ({"grouped": 0.2}, "partly", "20% of all importance"),
        ({"agreement": None}, "partly", "One method only"),
        ({"ordered": False, "equal": True}, "reliable", "they matter equally"),
        ({"skill": None, "answered": False}, "partly", "Without the right answers"),
        ({"columns": 1, "ordered": False, "agreement": None, "outdone": None}, "reliable", "one input only"),
    ],
)
def test_verdicts(change, verdict, words):
    found = reliability_of(Evidence(**{**GOOD, **change}))
    assert found.verdict == verdict
    assert words in found.statement
