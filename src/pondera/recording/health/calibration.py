"""Thresholds of the rules, and how they did on trainings that these were not chosen on.

`python -m benchmarks.health` writes this.
"""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """How many of the planted faults were found, and in how many healthy trainings one was seen that is not there."""

    hits: int
    planted: int
    alarms: int
    healthy: int


THRESHOLDS: dict[str, float] = {
    "inputs not scaled": 0.832,
    "loss diverging": 0.526,
    "NaN ahead": 2.57,
    "weights never moved": 3.7,
    "learning rate too high": 0.924,
    "learning rate too low": 0.332,
    "bad initialization": 0.654,
    "vanishing gradients": 1.67,
    "exploding gradients": 1.47,
    "layer that does not train": 1.65,
    "rank collapse": 4.79,
    "dead units": 0.281,
    "never-used units": 0.328,
    "saturated units": 0.366,
    "nothing learned": 0.557,
    "leakage": 1.08,
    "overfitting": 0.176,
    "label noise": 0.373,
    "class imbalance ignored": 0.055,
    "noisy": 0.614,
    "update ratio out of range": 1.78,
    "plateaued": 1.65,
}

COUNTS: dict[str, Counts] = {
    "inputs not scaled": Counts(66, 66, 0, 130),
    "loss diverging": Counts(17, 17, 0, 130),
    "NaN ahead": Counts(6, 8, 0, 130),
    "weights never moved": Counts(39, 39, 0, 130),
    "learning rate too high": Counts(33, 35, 1, 130),
    "learning rate too low": Counts(39, 39, 0, 130),
    "bad initialization": Counts(90, 90, 0, 130),
    "vanishing gradients": Counts(13, 13, 0, 130),
    "exploding gradients": Counts(5, 5, 0, 130),
    "layer that does not train": Counts(27, 27, 0, 130),
    "rank collapse": Counts(30, 30, 0, 130),
    "dead units": Counts(12, 13, 0, 126),
    "never-used units": Counts(12, 12, 0, 130),
    "saturated units": Counts(24, 24, 0, 130),
    "nothing learned": Counts(77, 77, 0, 130),
    "leakage": Counts(39, 39, 0, 130),
    "overfitting": Counts(16, 16, 2, 109),
    "label noise": Counts(26, 27, 0, 130),
    "class imbalance ignored": Counts(27, 27, 0, 130),
    "noisy": Counts(8, 8, 0, 130),
    "update ratio out of range": Counts(32, 33, 6, 130),
    "plateaued": Counts(14, 14, 0, 129),
}

CHANGED: frozenset[str] = frozenset()
"""Rules that measure something else than when they were counted."""
