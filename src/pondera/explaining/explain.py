"""The whole explanation of a question: every method, then everything that says how far to believe them."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from pondera.choice import unknown
from pondera.errors import ArgumentError
from pondera.explaining.effects import effect_of, interactions
from pondera.explaining.explanation import Explanation, Seen
from pondera.explaining.method import Method
from pondera.explaining.methods import METHODS
from pondera.explaining.question import Question
from pondera.explaining.ranks import shares
from pondera.explaining.reliability.agreement import Agreement, Voice, agreement, variances
from pondera.explaining.reliability.faithfulness import Faithfulness, faithfulness
from pondera.explaining.reliability.groups import NOTHING_OWN, Groups, groups_of
from pondera.explaining.reliability.reasons import reasons
from pondera.explaining.reliability.sanity import sanity
from pondera.explaining.reliability.seeds import SeedStability, seed_stability
from pondera.explaining.reliability.verdict import FEWEST, HARDEST, KNOWN, Evidence, reliability_of
from pondera.explaining.reliability.weights import WeightsAsImportance, weights_as_importance
from pondera.explaining.result import MethodResult
from pondera.explaining.retraining import Retrained, retrained_without, without_meaning
from pondera.explaining.scoring import least_error
from pondera.explaining.subject import Subject
from pondera.explaining.together import Jointly, Units, jointly

Array = np.ndarray[Any, Any]
Progress = Callable[[str, int, int], None]

HEADLINES = ("permutation", "exact_shapley", "shapley")
"""The methods whose importances may be ranked, the first that can be used."""

NAMED = "it takes long, and is used only where it is named"

GROUP_ROWS = 4096
EFFECTS, PAIRED = 8, 5
"""How many of the most important columns are looked at more closely, alone and in pairs."""

LEVEL = 0.95

NARROW = 0.3
"""Half an interval, beside the importance it is of, up to which columns that do not differ are equal."""

ROUNDED = 4
"""Units of rounding within which answers are the same."""

LINEAR = ("absolute_error", "huber")
"""Errors that grow as the size of a change does; the others, for changes that are not large, as its square."""

TRIFLE = 0.01
"""An influence below this share of the largest one is hardly any, even where it can be measured."""


def explain(
    question: Question, methods: str | Sequence[str] | None = None, *, seed: int = 0, progress: Progress | None = None
) -> Explanation:
    """Return which columns matter, by several methods, and how far that can be believed.

    Parameters
    ----------
    question
        What is asked, of one network or of a population.
    methods
        Names from :data:`~pondera.explaining.methods.METHODS`; by default all that can be used here and need not be
        named.
    seed
        Drives all that is random.
    progress
        Is told what is being done, how much of it is done, and of how much.

    Raises
    ------
    ArgumentError
        If a method is unknown, or none can be used.

    Examples
    --------
    >>> from pondera.explaining.subject import Subject
    >>> x = np.random.default_rng(0).normal(size=(300, 3))
    >>> question = Question.of_arrays(Subject(lambda x: x @ np.array([[3.0], [1.0], [0.0]])), x, 3 * x[:, 0] + x[:, 1])
    >>> found = explain(question)
    >>> [found.names[k] for k in found.order], found.verdict_of(2)
    (['x0', 'x1', 'x2'], 'no measurable influence')
    """
    show = progress or (lambda what, done, of: None)
    chosen = _chosen(methods)
    obstacles = {each.name: each.obstacle(question, question.subjects[0]) for each in chosen}
    if methods is None:
        obstacles = {name: why or (NAMED if METHODS[name].named else None) for name, why in obstacles.items()}
    usable = [each for each in chosen if obstacles[each.name] is None]
    headline = next((name for name in HEADLINES if any(each.name == name for each in usable)), None)
    if methods is not None and not usable:
        raise ArgumentError(
            f"methods: {'; '.join(f'{name} cannot be used: {why}' for name, why in obstacles.items())}."
        )
    if headline is None:  # what was chosen is shown beside a ranking that can be tested
        able = [METHODS[name] for name in HEADLINES if not METHODS[name].named]
        usable.append(next(each for each in able if each.obstacle(question, question.subjects[0]) is None))
        headline = usable[-1].name
    meaningless = None
    if question.retrain is not None:
        show("training on answers that mean nothing", 0, len(usable) + 1)
        meaningless = without_meaning(question, seed)
    results = {}
    for number, each in enumerate(usable):
        show(each.title, number, len(usable) + 1)
        results[each.name] = _result(each, question, seed, meaningless)
    show("reliability", len(usable), len(usable) + 1)
    main = results[headline]
    groups = groups_of(question.sample(GROUP_ROWS, np.random.default_rng(seed)))
    together = {
        name: jointly(question, each, groups.units, seed)
        for name, each in results.items()
        if each.counts or name == headline
    }
    measurable, influential = _tested(question, main)
    stability = seed_stability(main.values, main.errors, influential, main.deviations)
    units = _units(question, groups, together[headline])
    enough = len(question.x) >= FEWEST  # else how far apart rows are is not known, and all seems to agree
    asked = together if enough else {headline: together[headline]}
    voices = {name: _voice(question, results[name], each, groups, main) for name, each in asked.items()}
    if "exact_shapley" in voices:
        voices.pop("shapley", None)  # which is the same, sampled: no other method
    agreed = agreement(voices, headline, units.influential)
    faithful = None
    if len(units.columns) > 1 and enough:
        whole = question.united(units.columns) if groups.groups else question
        faithful = faithfulness(whole, whole.subjects, units.stability.mean, seed)
    again = None
    if question.retrain is not None and len(question.inputs) > 1:
        show("training without the first of the ranking", len(usable), len(usable) + 1)
        again = retrained_without(question, stability.mean, seed)
    grouped = _shared(units, groups)[0] >= KNOWN
    weights = _weights(question, results, stability, influential, measurable, groups, seed, grouped)
    matters = np.ones(len(question.names), bool) if influential is None else influential
    first = [int(k) for k in np.argsort(-stability.mean, kind="stable")]
    evidence = _evidence(question, main, units, groups, agreed, faithful, again)
    return Explanation(
        names=tuple(question.names),
        unit=question.unit,
        rows=len(question.x),
        seen=Seen.of(question.seen),
        results=results,
        left_out={name: why for name, why in obstacles.items() if why is not None},
        headline=headline,
        stability=stability,
        units=units,
        influential=influential,
        measurable=measurable,
        agreement=agreed,
        faithfulness=faithful,
        retrained=again,
        groups=groups,
        evidence=evidence,
        reliability=reliability_of(evidence),
        weights=weights,
        effects=tuple(effect_of(question, k, seed=seed) for k in first[:EFFECTS]),
        interactions=tuple(interactions(question, [k for k in first[:PAIRED] if matters[k]], seed=seed)),
    )


def _chosen(methods: str | Sequence[str] | None) -> list[Method]:
    """Return the methods of these names, each once; all where none are given.

    Raises
    ------
    ArgumentError
        If a method is unknown, or what was given is no list of names.
    """
    if methods is None:
        return list(METHODS.values())
    if not isinstance(methods, Iterable):
        raise ArgumentError(f"methods: expected names of methods, such as ['permutation', 'shapley']. Got {methods!r}.")
    names = [methods] if isinstance(methods, str) else [str(name) for name in methods]
    strange = next((name for name in names if name not in METHODS), None)
    if strange is not None:
        raise ArgumentError(unknown("method", strange, METHODS, most=len(METHODS)))
    if not names:
        raise ArgumentError("methods names none; leave it out for all that can be used.")
    return [METHODS[name] for name in dict.fromkeys(names)]


def _result(method: Method, question: Question, seed: int, meaningless: Subject | None) -> MethodResult:
    """Measure every network on the same rows with the same randomness, so that they differ in nothing else."""
    begun = time.perf_counter()
    asked = question.sample(method.rows_of(len(question.inputs)), np.random.default_rng(seed))
    anew = "training" in method.needs  # which is not about the networks that there are
    measured = tuple(
        method.measure(asked, each, np.random.default_rng(seed)) for each in question.subjects[: 1 if anew else None]
    )
    seconds = time.perf_counter() - begun
    seen = None if anew or method.named else sanity(method, question, question.subjects[0], seed, meaningless)
    return MethodResult(method, measured, 0 if method.kind == "strength" else len(asked.x), seconds, seen)


def _tested(question: Question, found: MethodResult | Jointly) -> tuple[Array | None, Array | None]:
    """Return which have a measurable influence, and which one that is no trifle: (columns or units,) each.

    Measurable is what is beyond that which chance gives one of so many: the mean, or the ranks of growths of errors
    (Wilcoxon 1945, Biometrics Bulletin 1), which the few rows of a rare value do not lose among their own spread. A
    contribution to the score of a row is what it is, also where few rows have one: chance is in what was drawn beside
    the rows. None where there are too few rows to tell.
    """
    if len(question.x) < FEWEST:
        return None, None
    errors = found.errors if found.noise is None else found.noise
    mean, error = found.values.mean(axis=0), np.sqrt(np.square(errors).mean(axis=0))
    chance = (1 - LEVEL) / len(mean) / (1 if found.growths is None else 2)
    measurable: Array = mean > stats.norm.ppf(1 - chance) * error
    if found.growths is not None:
        measurable |= np.array([_more_grow(each[each != 0]) < chance for each in found.growths.T])
    measurable &= mean > 0
    return measurable, measurable & (mean >= TRIFLE * mean.max())


def _more_grow(growths: Array) -> float:
    """Return how likely chance has as much grow, of (n,) growths and shrinkages."""
    return float(stats.wilcoxon(growths, alternative="greater").pvalue) if len(growths) >= FEWEST else 1.0


def _units(question: Question, groups: Groups, found: Jointly) -> Units:
    influential = _tested(question, found)[1]
    stability = seed_stability(found.values, found.errors, influential, found.deviations)
    return Units(groups.units, stability, influential)


def _voice(question: Question, result: MethodResult, found: Jointly, groups: Groups, main: MethodResult) -> Voice:
    """Return what a method says, on the scale of the ranking, which may be of an error that grows as squares do."""
    squared = main.measured[0].contributions is None and question.loss not in LINEAR
    return Voice(
        result.method.kin,
        found.values.mean(axis=0),
        np.sqrt(np.square(found.errors).mean(axis=0)),
        variances(result.measured, groups.units) if squared else None,
    )


def _evidence(
    question: Question,
    main: MethodResult,
    units: Units,
    groups: Groups,
    agreed: Agreement,
    faithful: Faithfulness | None,
    again: Retrained | None,
) -> Evidence:
    stable = units.stability
    influence = units.influential is None or bool(units.influential.any())
    ranked = faithful is not None and not np.isnan(faithful.advantage) and influence
    grouped, told = _shared(units, groups)
    errors = (
        None if question.answers is None else np.mean([question.errors(each) for each in question.subjects], axis=0)
    )
    return Evidence(
        skill=None if errors is None else _skill(question, errors),
        stability=stable.correlation,
        agreement=agreed.median,
        outdone=faithful.share_better if faithful is not None and ranked else None,
        grouped=grouped,
        ordered=_ordered(stable),
        equal=_equal(stable, units.influential),
        answered=question.answers is not None,
        columns=len(units.columns),
        rows=len(question.x),
        told=told,
        influence=influence,
        networks=stable.networks,
        heaviest=None if errors is None or not errors.sum() > 0 else _heaviest(errors),
        hardest=_hardest(errors) if errors is not None and question.loss == "squared_error" else None,
        as_sizes=agreed.as_sizes,
        seen=_known(question),
        strange=max(question.strange.items(), key=lambda each: each[1], default=None),
        blind=main.blind,
        dispensable=again is not None and again.worse,
        measure=question.measure,
        random=any(each.random for each in question.subjects),
    )


def _known(question: Question) -> float | None:
    """Return the share of rows that training saw, of those whose values the table has once.

    Values that even these rows share are those of new ones, too: that training had them says nothing of the row.
    """
    if question.seen is None:
        return None
    rows = [row.tobytes() for row in question.x]
    counts = Counter(rows)
    seen = question.seen[np.isfinite(question.seen) & np.array([counts[row] == 1 for row in rows])]
    return float(seen.mean()) if len(seen) else None


def _heaviest(errors: Array) -> tuple[int, float]:
    """Return the row that has more of the whole error than any other, and its share."""
    row = int(errors.argmax())
    return row, float(errors[row] / errors.sum())


def _hardest(errors: Array) -> float | None:
    """Return the share of the whole error that the rows with the largest have, one in HARDEST.

    It is asked of squares only: by other losses a network that is right of nearly all rows errs in few, as it should.
    """
    count = len(errors) // HARDEST
    return float(np.sort(errors)[-count:].sum() / errors.sum()) if count > 1 and errors.sum() > 0 else None


def _skill(question: Question, errors: Array) -> float | None:
    """Return by how much the error is below that of the best constant, as a share of what could be gained."""
    if question.answers is None or question.reference is None:
        return None
    least = least_error(question.loss, question.answers)
    if _same(question.answers) or not question.reference > least:
        return None
    return float((question.reference - errors.mean()) / (question.reference - least))


def _same(answers: Array) -> bool:
    """Whether all answers are the same: asked of them, since the error of the best constant is kept above 0."""
    least = ROUNDED * np.finfo(answers.dtype).eps * np.abs(answers).max() if answers.dtype.kind == "f" else 0
    return bool(np.ptp(answers) <= least)


def _shared(units: Units, groups: Groups) -> tuple[float, float]:
    """Return the share of all importance that others may claim: nearly all of it, or some of it."""
    found = shares(units.stability.mean)
    alone = {unit[0]: float(share) for unit, share in zip(units.columns, found, strict=True) if len(unit) == 1}
    told = {k: share for k, share in alone.items() if k in groups.told_by}
    own = sum(share for k, share in alone.items() if k not in told)
    partly = sum(share for k, share in told.items() if groups.told[k] < NOTHING_OWN)
    return max(float(found.sum()) - own - partly, 0.0), partly


def _equal(stability: SeedStability, influential: Array | None) -> bool:
    """Whether nothing differs, although intervals are narrow beside what they are of."""
    matter = np.ones(len(stability.mean), bool) if influential is None else influential
    half = (stability.high - stability.low) / 2
    return bool(not _ordered(stability) and matter.any() and (half[matter] <= NARROW * stability.mean[matter]).all())


def _ordered(stability: SeedStability) -> bool:
    return bool(stability.low.max() > stability.high.min())


def _weights(
    question: Question,
    results: dict[str, MethodResult],
    stability: SeedStability,
    influential: Array | None,
    measurable: Array | None,
    groups: Groups,
    seed: int,
    grouped: bool,
) -> WeightsAsImportance | None:
    network = question.subjects[0].network
    if network is None or "first_layer" not in results:
        return None
    main = next(results[name] for name in HEADLINES if name in results)
    strengths = results["first_layer"].values
    names = question.names
    why = reasons(question, network, names, strengths[0], stability.mean, groups)

    def beside(found: MethodResult) -> WeightsAsImportance:
        known = strengths[: len(found.values)]  # what is trained anew is of one network only
        return weights_as_importance(
            names, known, found.values, found.errors, influential, measurable, why, seed, grouped
        )

    others = {
        name: beside(each) for name, each in results.items() if each.method.kind == "importance" and each is not main
    }
    return dataclasses.replace(
        beside(main), others={name: (each.rank_correlation, each.interval) for name, each in others.items()}
    )
