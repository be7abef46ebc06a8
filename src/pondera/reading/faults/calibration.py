"""How the rules did on networks that their thresholds were not chosen on; `python -m benchmarks.zoo` writes this."""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """How many of the planted faults were found, and how many of the healthy were called faulty."""

    hits: int
    planted: int
    alarms: int
    healthy: int
    of: str


CALIBRATION: dict[str, Counts] = {
    "not finite": Counts(279, 279, 0, 2965, "tensors"),
    "random bytes": Counts(231, 231, 0, 2965, "tensors"),
    "zero run": Counts(229, 231, 0, 2965, "tensors"),
    "repeated block": Counts(207, 207, 0, 2965, "tensors"),
    "constant": Counts(279, 279, 0, 2965, "tensors"),
    "untrained": Counts(276, 276, 5, 2965, "tensors"),
    "possibly untrained": Counts(37, 42, 26, 2965, "tensors"),
    "scale along depth": Counts(99, 99, 0, 465, "networks"),
    "saturated": Counts(275, 279, 0, 2965, "tensors"),
    "duplicated units": Counts(279, 279, 0, 2965, "tensors"),
    "dead units": Counts(279, 279, 0, 2965, "tensors"),
    "beyond float16": Counts(279, 279, 0, 2965, "tensors"),
    "below float16": Counts(279, 279, 0, 2965, "tensors"),
}
