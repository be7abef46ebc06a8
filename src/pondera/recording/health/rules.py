"""Every rule, and what all of them find.

A new rule is a function from facts to a suspicion and a line in :data:`RULES`; `python -m benchmarks.health` finds its
threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pondera.findings import Finding
from pondera.recording.health import depth, held, progress, rate, units
from pondera.recording.health.facts import Facts
from pondera.recording.health.rule import OVER, POSSIBLY, Rule

UNSCALED = "inputs not scaled"

RULES: tuple[Rule, ...] = (
    Rule(
        UNSCALED,
        held.unscaled,
        "√mean x² of every column",
        "LeCun, Bottou, Orr & Müller 1998, Efficient BackProp",
        of_rows=True,
    ),
    Rule(
        "loss diverging",
        progress.diverging,
        "median loss of the last twentieth of the steps against the first one, and against the best constant's",
        "Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.2",
    ),
    Rule(
        "NaN ahead",
        progress.overflowing,
        "powers of ten by which loss or gradients grew in the last 10 steps",
        "Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063",
    ),
    Rule(
        "weights never moved",
        rate.never_moved,
        "‖w − start‖ / ‖start‖ of every matrix",
        "Zhang, Bengio & Singer 2019, arXiv 1902.01996",
    ),
    Rule(
        "learning rate too high",
        rate.too_high,
        "loss of a step's own batch before and after the step: the worst rise, or 5 times the median",
        "Cohen et al. 2021, arXiv 2103.00065",
    ),
    Rule(
        "learning rate too low",
        rate.too_low,
        "‖update‖ / ‖w‖ times the steps of the plan",
        "Bengio 2012, arXiv 1206.5533",
    ),
    Rule(
        "bad initialization",
        depth.bad_start,
        "size of the weighted sums of each hidden layer at the first step",
        "Glorot & Bengio 2010; He et al. 2015, arXiv 1502.01852",
    ),
    Rule(
        "vanishing gradients",
        depth.vanishing,
        "√mean g² of a layer's weights by the size of what comes in, first layer against the last hidden one",
        "Bengio, Simard & Frasconi 1994; Glorot & Bengio 2010",
    ),
    Rule(
        "exploding gradients",
        depth.exploding,
        "√mean g² of a layer's weights by the size of what comes in, first layer against the last hidden one",
        "Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063",
    ),
    Rule(
        "layer that does not train",
        rate.stuck_layer,
        "‖update‖ / ‖w‖ of a matrix against the median of the others",
        "Raghu et al. 2017, arXiv 1706.05806",
    ),
    Rule(
        "rank collapse",
        units.collapsed,
        "participation ratio of a layer's outputs",
        "Dong, Cordonnier & Loukas 2021, arXiv 2103.03404; Gao et al. 2017, bioRxiv 214262",
    ),
    Rule("dead units", units.dead, "units silent in all recent batches", "Lu et al. 2019, arXiv 1903.06733"),
    Rule(
        "never-used units",
        units.never_used,
        "units silent in every batch looked at",
        "Lu et al. 2019, arXiv 1903.06733",
    ),
    Rule(
        "saturated units",
        units.saturated,
        "share of outputs where the derivative is below a twentieth of its largest",
        "Glorot & Bengio 2010",
    ),
    Rule(
        "nothing learned",
        held.nothing_learned,
        "loss on held-out rows against the best constant's, median of 3 epochs",
        "Goodfellow, Bengio & Courville 2016, Deep Learning, section 11.5",
    ),
    Rule(
        "leakage",
        held.leakage,
        "share of the targets' variance that one column alone explains, beyond what the best column of noise would",
        "Kaufman et al. 2012, ACM TKDD 6(4)",
        of_rows=True,
    ),
    Rule(
        "overfitting",
        held.overfitting,
        "loss on held-out rows against its lowest, median of 3 epochs",
        "Prechelt 1998, Early Stopping – But When?",
    ),
    Rule(
        "label noise",
        held.label_noise,
        "lowest loss on held-out rows by the best constant's, where training goes a tenth of that below",
        "Zhang et al. 2017, arXiv 1611.03530; Arpit et al. 2017, arXiv 1706.05394",
        of_rows=True,
    ),
    Rule(
        "class imbalance ignored",
        held.imbalance,
        "rows of the largest class by those of the rarest, and the accuracy above always saying the largest",
        "He & Garcia 2009, IEEE TKDE 21(9)",
    ),
    Rule(
        "noisy",
        progress.noisy,
        "difference of the losses of neighbouring steps",
        "McCandlish et al. 2018, arXiv 1812.06162",
    ),
    Rule(
        "update ratio out of range",
        rate.out_of_range,
        "‖update‖ / ‖w‖ of every matrix, median of recent points",
        "Hinton 2010, A Practical Guide to Training Restricted Boltzmann Machines",
    ),
    Rule(
        "plateaued",
        progress.plateaued,
        "median losses of the three thirds of the last half of the epochs",
        "Prechelt 1998, Early Stopping – But When?",
    ),
)
"""The rules, the gravest first; among these what causes comes before what comes of it."""


def findings_of(facts: Facts) -> tuple[Finding, ...]:
    """Return what is wrong with a training, the gravest first.

    What was wrong on the way and is no more says until when. Where it lasted, or training came to nothing, it may have
    caused the others and has its place among them; else it comes after them. What is only possibly wrong comes last.

    Parameters
    ----------
    facts
        Of a run, at its end or anywhere before.
    """
    now, before = [], []
    for rule in RULES:
        finding = rule(facts)
        if finding is not None:
            now.append(rule.since(facts, finding))
        elif (passed := rule.passed(facts)) is not None:
            before.append(passed)
    return one_way(in_order([*now, *before]), rate.peak_of(facts))


def one_way(findings: Sequence[Finding], learning_rate: float) -> tuple[Finding, ...]:
    """Return findings of which the gravest advises another learning rate, and none where inputs are to be scaled first.

    Parameters
    ----------
    findings
        The gravest first.
    learning_rate
        That they were found at.

    Examples
    --------
    >>> high = Finding("It diverges.", {"change": {"learning_rate": 0.1}}, advice="Learn slower.")
    >>> small = Finding("Steps are small.", {"change": {"learning_rate": 10.0}}, advice="Learn faster.")
    >>> [each.advice for each in one_way([high, small], 1.0)]
    ['Learn slower.', 'First learn slower, as said above.']
    """
    found: list[Finding] = []
    said = ""
    for finding in findings:
        wanted = finding.figures.get("change", {}).get("learning_rate")
        way = "" if wanted is None else f"learn {'slower' if wanted < learning_rate else 'faster'}"
        if way and said:
            figures = {name: value for name, value in finding.figures.items() if name != "change"}
            advice = f"{way.capitalize() if way == said else f'First {said}'}, as said above."
            found.append(replace(finding, advice=advice, figures=figures))
        else:
            found.append(finding)
        said = said or ("scale the inputs" if finding.rule == UNSCALED else way)
    return tuple(found)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings the gravest first: what needs doing, what is over, what is only possibly so."""
    places = {rule.name: place for place, rule in enumerate(RULES)}

    def place(finding: Finding) -> tuple[bool, bool, int]:
        name = finding.rule.removeprefix(POSSIBLY)
        return finding.rule != name, finding.advice == OVER, places[name]

    return tuple(sorted(findings, key=place))
