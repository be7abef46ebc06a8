"""What findings say of how far they can be believed is what was counted."""

import pytest

from pondera.reading.faults.calibration import CALIBRATION
from pondera.reading.faults.rule import certainty_of
from pondera.reading.faults.rules import DOUBTFUL, POSSIBLY, RULES


@pytest.mark.parametrize("rule", CALIBRATION)
def test_rules_that_do_worse_than_they_should_say_so(rule):
    known = CALIBRATION[rule]
    good = known.hits >= 0.95 * known.planted and known.alarms <= 0.01 * known.healthy
    assert good or rule.startswith(POSSIBLY)
    # What may trip in more than one of a hundred healthy tensors, or networks, is not listed unless it is asked for.
    assert rule not in DOUBTFUL or rule.startswith(POSSIBLY)
    assert rule.removeprefix(POSSIBLY) in {each.name for each in RULES}


def test_a_certainty_is_one_of_the_zoo_and_has_bounds():
    said = certainty_of("random bytes")
    assert said.startswith("in our zoo of small networks found ")
    assert said.count("at least") == said.count("at most") == 1
    assert certainty_of("no rule") == "not calibrated"
