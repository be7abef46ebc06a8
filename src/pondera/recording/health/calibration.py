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
    "loss diverging": 2.0,
    "NaN ahead": 3.0,
    "weights never moved": 5.0,
    "learning rate too high": 0.1,
    "learning rate too low": 1.0,
    "inputs not scaled": 1.2,
    "bad initialization": 0.8,
    "vanishing gradients": 1.5,
    "exploding gradients": 1.5,
    "layer that does not train": 2.5,
    "rank collapse": 1.5,
    "dead units": 0.2,
    "never-used units": 0.2,
    "saturated units": 0.6,
    "leakage": 2.0,
    "overfitting": 0.2,
    "label noise": 0.4,
    "class imbalance ignored": 1.0,
    "noisy": 0.6,
    "update ratio out of range": 2.0,
    "plateaued": 2.0,
}

COUNTS: dict[str, Counts] = {}
