"""Every rule, and what all of them find.

A new rule is a function from facts to findings, one for each place, and a line in :data:`RULES`.
"""

from __future__ import annotations

from pondera.findings import Finding
from pondera.reading.faults.absent import absent
from pondera.reading.faults.consequences import with_consequences, without_consequences
from pondera.reading.faults.copies import copied
from pondera.reading.faults.depth import out_of_scale
from pondera.reading.faults.design import AVERAGE, COMPUTED, MASK, WAVES
from pondera.reading.faults.facts import Facts
from pondera.reading.faults.metadata import metadata
from pondera.reading.faults.noise import noise
from pondera.reading.faults.redundancy import dead, duplicated
from pondera.reading.faults.repeats import repeated
from pondera.reading.faults.rule import Rule, hedged, is_sure, together
from pondera.reading.faults.saturation import saturated
from pondera.reading.faults.untrained import untrained
from pondera.reading.faults.values import below_half, beyond_half, constant, lora_zero, negative_variance, not_finite
from pondera.reading.faults.zeros import zero_run

RULES: tuple[Rule, ...] = (
    Rule("not finite", not_finite),
    Rule("random bytes", noise),
    Rule("zero run", zero_run, COMPUTED - {WAVES}),
    Rule("repeated block", repeated, COMPUTED - {WAVES}),
    Rule("copied layer", copied),
    Rule("constant", constant, frozenset({AVERAGE})),
    Rule("negative variance", negative_variance),
    Rule("missing tensor", absent),
    Rule("metadata", metadata),
    Rule("untrained", untrained, COMPUTED),
    Rule("scale along depth", out_of_scale),
    Rule("saturated", saturated, COMPUTED),
    Rule("duplicated units", duplicated, COMPUTED),
    Rule("dead units", dead, COMPUTED),
    Rule("empty adapter", lora_zero),
    Rule("beyond float16", beyond_half, frozenset({MASK})),
    Rule("below float16", below_half),
)
"""The rules, the gravest first: what makes a file useless, what a training missed, what costs, what to know."""

DOUBTFUL = frozenset({"possibly untrained", "possibly scale along depth"})
"""Rules that more than a tenth of what is healthy trips: what they find is listed where it is asked for."""


def findings_of(facts: Facts, doubtful: bool = False) -> tuple[Finding, ...]:
    """Return what is wrong with a file of weights, the gravest first; the same in several places is one finding.

    What rules find that are not sure says "possibly", and comes last. What only follows from another finding is named
    by that one.

    Parameters
    ----------
    facts
        The figures of the file. Some rules look at a few stretches of values, too.
    doubtful
        Whether findings of :data:`DOUBTFUL` rules are listed, too.

    Examples
    --------
    >>> import numpy as np
    >>> from pondera.reading.statistics import statistics_of
    >>> from pondera.weights.collection import Weights
    >>> from pondera.weights.tensor import Mapped, Tensor
    >>> data = np.array([1.0, np.nan], np.float32)
    >>> weights = Weights.of([Tensor("b", (2,), "float32", Mapped(memoryview(data).cast("B"), 0, data.dtype, 2))], "")
    >>> [finding.statement for finding in findings_of(Facts(weights, {"b": statistics_of(weights["b"])}))]
    ['b has 1 NaN among 2 values.']
    """
    every = [finding for rule in RULES for finding in rule.findings(facts) if doubtful or finding.rule not in DOUBTFUL]
    kept, caused = without_consequences(facts, every)
    found = [hedged(with_consequences(finding, caused)) for finding in together(kept)]
    return tuple(sorted(found, key=lambda finding: not is_sure(finding.rule)))
