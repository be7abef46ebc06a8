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
    "not finite": Counts(306, 306, 0, 3936, "tensors"),
    "random bytes": Counts(258, 258, 0, 3936, "tensors"),
    "zero run": Counts(257, 258, 0, 3936, "tensors"),
    "repeated block": Counts(231, 231, 0, 3936, "tensors"),
    "copied layer": Counts(183, 183, 0, 3936, "tensors"),
    "constant": Counts(306, 306, 0, 3936, "tensors"),
    "untrained": Counts(302, 303, 6, 3936, "tensors"),
    "possibly untrained": Counts(45, 69, 39, 3936, "tensors"),
    "scale along depth": Counts(81, 81, 0, 612, "networks"),
    "possibly scale along depth": Counts(18, 18, 0, 612, "networks"),
    "saturated": Counts(291, 306, 0, 3936, "tensors"),
    "duplicated units": Counts(306, 306, 0, 3936, "tensors"),
    "dead units": Counts(306, 306, 0, 3936, "tensors"),
    "beyond float16": Counts(306, 306, 0, 3936, "tensors"),
    "below float16": Counts(306, 306, 0, 3936, "tensors"),
}
