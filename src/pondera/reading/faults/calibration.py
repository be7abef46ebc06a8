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
    "not finite": Counts(306, 306, 0.9903, 0, 3936, 0.0008, 0, 0, "tensors"),
    "random bytes": Counts(258, 258, 0.9885, 0, 3936, 0.0008, 0, 0, "tensors"),
    "zero run": Counts(257, 258, 0.9817, 0, 3936, 0.0008, 0, 0, "tensors"),
    "repeated block": Counts(231, 231, 0.9871, 0, 3936, 0.0008, 0, 0, "tensors"),
    "copied layer": Counts(183, 183, 0.9838, 0, 3936, 0.0008, 0, 0, "tensors"),
    "constant": Counts(306, 306, 0.9903, 0, 3936, 0.0008, 0, 0, "tensors"),
    "untrained": Counts(302, 303, 0.9844, 6, 3936, 0.0030, 0, 0, "tensors"),
    "possibly untrained": Counts(45, 69, 0.5470, 39, 3936, 0.0129, 0, 0, "tensors"),
    "scale along depth": Counts(81, 81, 0.9637, 0, 612, 0.0049, 0, 0, "networks"),
    "possibly scale along depth": Counts(18, 18, 0.8467, 0, 612, 0.0049, 0, 0, "networks"),
    "saturated": Counts(291, 306, 0.9255, 0, 3936, 0.0008, 0, 0, "tensors"),
    "duplicated units": Counts(306, 306, 0.9903, 0, 3936, 0.0008, 0, 0, "tensors"),
    "dead units": Counts(306, 306, 0.9903, 0, 3936, 0.0008, 0, 0, "tensors"),
    "beyond float16": Counts(306, 306, 0.9903, 0, 3936, 0.0008, 0, 0, "tensors"),
    "below float16": Counts(306, 306, 0.9903, 0, 3936, 0.0008, 0, 0, "tensors"),
}
