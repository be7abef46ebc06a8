"""How the rules did on networks that their thresholds were not chosen on; `python -m benchmarks.zoo` writes this."""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """How many of the planted faults a rule found, and how many of the healthy it called faulty.

    Bounds are those of Clopper and Pearson (1934) that 95 % of samples keep.

    Attributes
    ----------
    hits, planted, hits_at_least
        Planted faults that were found, all that were planted, and the least share that this shows.
    alarms, healthy, alarms_at_most
        False alarms, all tensors (or networks) that the rule was asked about, and the largest share that this shows.
    alarmed_networks, networks
        Networks with a false alarm, and all that the rule was asked about.
    of
        What was counted: ``"tensors"`` or ``"networks"``.
    """

    hits: int
    planted: int
    hits_at_least: float
    alarms: int
    healthy: int
    alarms_at_most: float
    alarmed_networks: int
    networks: int
    of: str


CALIBRATION: dict[str, Counts] = {
    "not finite": Counts(324, 324, 0.9908, 0, 5026, 0.0006, 0, 108, "tensors"),
    "random bytes": Counts(245, 245, 0.9878, 0, 1745, 0.0017, 0, 91, "tensors"),
    "zero run": Counts(244, 245, 0.9808, 5, 1749, 0.0060, 5, 91, "tensors"),
    "repeated block": Counts(170, 171, 0.9726, 0, 1136, 0.0026, 0, 71, "tensors"),
    "copied layer": Counts(171, 180, 0.9144, 0, 977, 0.0031, 0, 61, "tensors"),
    "possibly copied layer": Counts(43, 54, 0.6854, 0, 123, 0.0241, 0, 28, "tensors"),
    "missing tensor": Counts(102, 102, 0.9711, 0, 34, 0.0843, 0, 34, "networks"),
    "constant": Counts(315, 324, 0.9520, 0, 1896, 0.0016, 0, 108, "tensors"),
    "untrained": Counts(234, 234, 0.9873, 12, 1132, 0.0171, 3, 88, "tensors"),
    "possibly untrained": Counts(56, 56, 0.9479, 148, 268, 0.6034, 13, 36, "tensors"),
    "scale along depth": Counts(95, 96, 0.9515, 2, 32, 0.1839, 2, 32, "networks"),
    "saturated": Counts(279, 286, 0.9545, 3, 1549, 0.0050, 2, 104, "tensors"),
    "duplicated units": Counts(277, 279, 0.9776, 2, 1498, 0.0042, 1, 100, "tensors"),
    "dead units": Counts(286, 292, 0.9598, 4, 1545, 0.0059, 2, 102, "tensors"),
    "beyond float16": Counts(324, 324, 0.9908, 4, 1898, 0.0048, 1, 108, "tensors"),
    "below float16": Counts(324, 324, 0.9908, 0, 1874, 0.0016, 0, 108, "tensors"),
    "possibly scale along depth": Counts(20, 20, 0.8609, 8, 48, 0.2807, 8, 48, "networks"),
}
