"""What findings say of how far they can be believed is what was counted."""

import pytest

from pondera.findings import Finding
from pondera.reading.faults.calibration import CALIBRATION
from pondera.reading.faults.rule import POSSIBLY, certainty_of, hedged
from pondera.reading.faults.rules import DOUBTFUL, RULES


@pytest.mark.parametrize("rule", CALIBRATION)
def test_rules_that_do_worse_than_they_should_say_so(rule):
    known = CALIBRATION[rule]
    good = known.hits >= 0.95 * known.planted and known.alarms <= 0.01 * known.healthy
    said = hedged(Finding("It is so.", rule=rule)).statement
    assert said == ("It is so." if good and not rule.startswith(POSSIBLY) else "Possibly: It is so.")
    # What more than a tenth of the healthy tensors, or networks, trip is not listed unless it is asked for.
    assert (rule in DOUBTFUL) == (known.alarms > 0.1 * known.healthy)
    assert rule.removeprefix(POSSIBLY) in {each.name for each in RULES}


def test_a_certainty_is_one_of_the_zoo_and_has_bounds():
    said = certainty_of("random bytes")
    assert said.startswith("in our zoo of small networks found ")
    assert said.count("at least") == said.count("at most") == 1
    assert certainty_of("no rule") == "not calibrated"
