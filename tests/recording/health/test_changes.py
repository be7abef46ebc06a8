"""What findings advise as settings."""

import pytest

from pondera.findings import Finding
from pondera.recording.health.calibration import COUNTS, Counts
from pondera.recording.health.changes import flags, improved, merged


def finding(rule, **change):
    return Finding("", {"change": change}, rule=rule)


def test_the_graver_finding_is_followed():
    found = [finding("loss diverging", learning_rate=0.001), finding("noisy", batch_size=64, learning_rate=1.0)]
    assert merged(found) == {"learning_rate": 0.001}
    assert merged([finding("class imbalance ignored", class_weight="balanced"), *found]) == {
        "class_weight": "balanced",
        "learning_rate": 0.001,
    }


def test_what_may_have_come_of_the_rate_is_not_changed_with_it(monkeypatch):
    monkeypatch.setitem(COUNTS, "dead units", Counts(5, 9, 0, 100))
    dead = finding("possibly dead units", activation="leaky_relu")
    assert merged([dead]) == {"activation": "leaky_relu"}
    assert merged([finding("loss diverging", learning_rate=0.001), dead]) == {"learning_rate": 0.001}


@pytest.mark.parametrize(("alarms", "changes"), [(2, {"batch_size": 64}), (3, {})])
def test_what_a_rule_says_that_is_often_wrong_changes_nothing(alarms, changes, monkeypatch):
    monkeypatch.setitem(COUNTS, "noisy", Counts(5, 9, alarms, 100))
    assert merged([finding("possibly noisy", batch_size=64)]) == changes
    assert merged([finding("possibly unheard of", batch_size=64)]) == {}


def test_findings_without_changes():
    assert merged([Finding("x")]) == {}
    assert flags({}) == ""


def test_settings_keep_what_nobody_advises_against():
    assert improved({"epochs": 9, "learning_rate": 1.0}, [finding("noisy", batch_size=64)]) == {
        "epochs": 9,
        "learning_rate": 1.0,
        "batch_size": 64,
    }


def test_what_is_so_now_counts_before_what_is_over(monkeypatch):
    monkeypatch.setitem(COUNTS, "learning rate too high", Counts(5, 9, 0, 100))
    over = Finding("", {"change": {"learning_rate": 1.0}, "until": 50}, rule="learning rate too low")
    assert merged([over, finding("possibly learning rate too high", learning_rate=0.001)]) == {"learning_rate": 0.001}
