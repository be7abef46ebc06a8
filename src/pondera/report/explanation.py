"""An explanation, for people: how far to believe it first, then which columns matter and how they act."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import counted
from pondera.explaining.effects import Effect
from pondera.explaining.explain import TRIFLE
from pondera.explaining.explanation import APART, Explanation, percent
from pondera.explaining.gradients import COMPLETE
from pondera.explaining.retraining import Retrained
from pondera.explaining.row import RowExplanation
from pondera.report.fitted import Bar, Cell, Kind, fitted
from pondera.report.terminal import GRAVE, POSITIVE, QUIET, ending, figure, shortened, signed, sparkline

SHOWN = 20  # columns that are listed
LETTERS = 18  # of a column's name
BAR = 12
ACTING = 4  # columns whose curves are shown, and as many whose values are
DIGITS = 12  # of a whole number that is told as it is
VALUES = 6  # of a column that are shown: of more the highest and the lowest

SEEN = {True: "a row that was trained on", False: "no row that was trained on"}

MIXED = (
    "These scores are of the class that is predicted for each row, in the mean; --class NAME shows those of one class."
)
"""What is said of effects where rows have scores of different classes."""

NONE = ("no measurable influence", "hardly any influence")
"""What is said of columns that have no bar."""

VERDICTS = {"reliable": "green", "partly": "yellow", "not identifiable": "yellow", "unreliable": GRAVE}
"""Verdict -> its colour."""


def show_explanation(console: Console, found: Explanation, source: str = "") -> None:
    """Print the verdict, the ranking, the methods, and whether weights may be read as importance.

    ``source`` is what the table is called.
    """
    _head(console, found, source)
    console.print()
    console.print(_ranking(console, found))
    _rest(console, found)
    console.print()
    console.print(_methods(console, found))
    _about_methods(console, found)
    _retrained(console, found)
    _groups(console, found)
    _acting(console, found)
    _weights(console, found)


def _head(console: Console, found: Explanation, source: str) -> None:
    networks = counted(found.stability.networks, "network")
    console.print(Text.assemble(("What matters to ", "bold"), (found.unit, "bold")))
    console.print(Text(f"{rows_words(found, source)}; {networks}; {_sampled(found)}", style=QUIET))
    console.print()
    verdict = found.reliability.verdict
    console.print(
        Text.assemble(
            ("▌ ", VERDICTS[verdict]), (f"{verdict}  ", f"bold {VERDICTS[verdict]}"), found.reliability.statement
        )
    )
    if evidence := _evidence(found):
        console.print(Text(f"  {evidence}", style=QUIET))


def rows_words(found: Explanation, source: str = "") -> str:
    """Return which rows were explained, and whether training saw them."""
    rows = f"{counted(found.rows, 'row')}{f' of {source}' if source else ''}"
    return rows if found.seen is None else f"{rows}; {found.seen.statement}"


def _sampled(found: Explanation) -> str:
    fewest = min((each.rows for each in found.results.values() if each.rows), default=found.rows)
    return f"methods looked at samples of {fewest:,} rows or more" if fewest < found.rows else "all rows were looked at"


def _evidence(found: Explanation) -> str:
    """Return the figures of the verdict."""
    evidence = found.evidence
    parts = [
        None if evidence.skill is None else f"{evidence.measure} {skill_words(evidence.skill)}",
        None if evidence.stability is None else f"starts agree {evidence.stability:.2f}",
        None if evidence.agreement is None else f"methods agree {evidence.agreement:.2f}",
        None if evidence.outdone is None else f"{evidence.outdone:.0%} of random orders are better",
        f"{evidence.grouped:.0%} is not told apart" if round(evidence.grouped, 2) else None,
    ]
    return " · ".join(part for part in parts if part)


MANY = 100
"""Times the error of a constant, from where on they are not counted."""


def skill_words(skill: float) -> str:
    """Return how an error is beside that of the best constant.

    >>> skill_words(0.88), skill_words(-0.02), skill_words(0.001)
    ("88% below a constant's", "2% above a constant's", "as large as a constant's")
    """
    if not skill > -MANY:
        return f"more than {MANY} times a constant's"
    size = f"{abs(skill):.0%}"
    return "as large as a constant's" if size == "0%" else f"{size} {'below' if skill > 0 else 'above'} a constant's"


def _ranking(console: Console, found: Explanation) -> Table:
    largest = float(np.nanmax(found.importance, initial=0.0))
    names = shortened(found.names, LETTERS)
    rows: list[tuple[Cell, ...]] = []
    for k in found.order[:SHOWN]:
        low, high = found.intervals[k]
        none = found.verdict_of(k) in NONE
        interval = "" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append(
            (
                Text(names[k], style=QUIET if none else ""),
                percent(found.importance[k]),
                interval,
                Bar(0.0 if none else float(found.importance[k]), largest, BAR),
                Text(found.verdict_of(k).removeprefix(APART), style=QUIET),  # which a sentence below says
            )
        )
    columns: list[tuple[str, Kind]] = [
        ("importance", "words"), ("share", "figures"), ("95 %", "figures"), ("", "drawn"), ("", "words")
    ]  # fmt: skip
    return fitted(console, columns, rows)


def _rest(console: Console, found: Explanation) -> None:
    if len(found.names) > SHOWN:
        more = counted(len(found.names) - SHOWN, "less important column")
        console.print(Text(f"and {more}; --json has all", style=QUIET))
    title = found.results[found.headline].method.title
    meant = (
        "how much the error grows when a column's values come from other rows"
        if found.headline == "permutation"
        else "the mean size of a column's Shapley values"
    )
    why = "column contributes anything" if found.measurable is None else "column has a measurable influence"
    nothing = "" if found.any_influence else f" No {why}, so that there are no shares."
    console.print(Text(f"Shares of {title}: {meant}.{nothing} {found.tested}", style=QUIET))


def _methods(console: Console, found: Explanation) -> Table:
    """Return what each method says, and which columns it puts first."""
    names = shortened(found.names, LETTERS)
    rows: list[tuple[Cell, ...]] = []
    for each in found.results.values():
        order = sorted(range(len(found.names)), key=lambda k: -each.shares[k])[:3]
        least = TRIFLE * max(each.shares)  # what hardly matters has no place
        first = ", ".join(names[k] for k in order if each.shares[k] > least)
        rows.append((each.method.title, Text(each.method.kind, style=QUIET), first))
    return fitted(console, [("method", "words"), ("says", "words"), ("first three", "words")], rows)


def _about_methods(console: Console, found: Explanation) -> None:
    """Say which methods are not to be believed, and which were left out."""
    for each in found.results.values():
        if "steps" in each.measured[0].figures and each.incomplete > COMPLETE:
            console.print(
                Text(f"{each.method.title}: contributions miss what they should add up to by {each.incomplete:.0%}.")
            )
        if each.blind:
            console.print(Text(f"{each.method.title}: the same for random weights. It does not look at the network."))
        elif each.sanity is not None and each.sanity.sees_labels is False:
            console.print(
                Text(f"{each.method.title}: the same where the answers mean nothing. It does not see what was learned.")
            )
    if outlier := outlier_words(found):
        console.print(Text(outlier, style=QUIET))
    for name, why in found.left_out.items():
        console.print(Text(f"{name} is left out: {why}", style=QUIET))


def outlier_words(found: Explanation) -> str:
    """Return which method contradicts the others, nothing where none does."""
    name = found.agreement.outlier
    return "" if name is None else f"{found.results[name].method.title}: orders the inputs unlike all others."


def _retrained(console: Console, found: Explanation) -> None:
    if found.retrained is not None:
        console.print()
        console.print(Text(retrained_words(found.retrained)))


def retrained_words(again: Retrained) -> str:
    """Return what networks come to that were trained without the first columns, as a sentence."""
    parts = ", ".join(
        f"{figure(ours)} without the first {count:,} (without random ones {figure(float(others))})"
        for count, ours, others in zip(again.counts, again.ranked, again.random.mean(axis=0), strict=True)
    )
    costs = "more than" if again.better else "less than" if again.worse else "about as much as"
    return f"Trained anew, the error is {figure(again.before)} with all columns, {parts}: {costs} without random ones."


def _groups(console: Console, found: Explanation) -> None:
    for statement in found.told_apart:
        console.print()
        console.print(Text(statement))


def _acting(console: Console, found: Explanation) -> None:
    curves = [each for each in found.effects if each.continuous][:ACTING]
    if curves:
        console.print()
        console.print(_curves(console, curves))
    apart = [each for each in found.effects if each.apart][:ACTING]
    if apart:
        console.print()
        names = shortened([each.name for each in apart], LETTERS)
        rows = [(name, " · ".join(_parts(each))) for name, each in zip(names, apart, strict=True)]
        console.print(fitted(console, [("what values do", "words"), ("score beside the mean", "words")], rows))
    if (curves or apart) and found.effects[0].mixed:
        console.print(Text(MIXED, style=QUIET))
    if found.pairs:
        console.print(Text(found.pairs, style=QUIET))


def _curves(console: Console, drawn: list[Effect]) -> Table:
    """Return how the score goes along columns whose values lie on an axis."""
    rows = []
    for name, each in zip(shortened([each.name for each in drawn], LETTERS), drawn, strict=True):
        assert each.accumulated is not None
        low, high = float(each.accumulated.min()), float(each.accumulated.max())
        curve = Text(sparkline([float(value) - low for value in each.accumulated]), style=POSITIVE)
        rows.append((name, _value(each.values[0]), curve, _value(each.values[-1]), f"{signed(low)} to {signed(high)}"))
    columns: list[tuple[str, Kind]] = [
        ("how it acts", "words"), ("from", "figures"), ("", "drawn"), ("to", "figures"), ("score", "figures")
    ]  # fmt: skip
    return fitted(console, columns, rows)


def _parts(each: Effect) -> list[str]:
    """Return what single values of a column do, the highest first, and what a missing one does."""
    found = [] if each.continuous else sorted(zip(each.local, each.values, strict=True), key=lambda pair: -pair[0])
    parts = [f"{_value(value)} {signed(score)}" for score, value in found]
    if len(parts) > VALUES:
        parts = [*parts[: VALUES // 2], "…", *parts[-VALUES // 2 :]]
    if each.missing is not None and each.gone is not None:
        parts.append(f"missing ({each.missing.share:.0%}) {signed(each.gone)}")
    return parts


def _weights(console: Console, found: Explanation) -> None:
    if found.weights is None:
        return
    console.print()
    console.print(Text("May large weights be read as important inputs?", style="bold"))
    console.print(Text(found.weights.statement))
    for reason in found.weights.reasons:
        console.print(Text(f"  {reason}"))
    correlations = correlations_words(found)
    if correlations:
        console.print(Text(f"  {correlations}", style=QUIET))


def correlations_words(found: Explanation) -> str:
    """Return how weights order columns beside the importances of each method; nothing where there is no order."""
    if found.weights is None or math.isnan(found.weights.rank_correlation):
        return ""

    def words(correlation: float, interval: tuple[float, float]) -> str:
        return f"{correlation:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"

    first = words(found.weights.rank_correlation, found.weights.interval)
    others = [
        f"{found.results[name].method.title} {words(correlation, interval)}"
        for name, (correlation, interval) in found.weights.others.items()
        if not math.isnan(correlation)
    ]
    return f"rank correlation {first}" + (f"; by other methods: {' · '.join(others)}" if others else "")


def show_row(console: Console, found: RowExplanation) -> None:
    """Print what each column adds to the score of a row, from the baseline to the score."""
    predicted = f", predicted {_value(found.prediction)}" if found.prediction is not None else ""
    console.print(Text.assemble((f"Row {found.row}{predicted}", "bold"), f"  {found.unit}"))
    if found.seen is not None:
        console.print(Text(f"Its values are those of {SEEN[found.seen]}.", style=QUIET))
    console.print()
    sampled = bool(found.errors.any())
    order = sorted(range(len(found.names)), key=lambda k: -abs(found.contributions[k]))
    rest = sum(float(found.contributions[k]) for k in order[SHOWN:])
    largest = max(float(abs(found.contributions).max(initial=0.0)), abs(rest))
    rows: list[tuple[Cell, ...]] = []

    def add(name: Cell, value: Cell, size: str | Text, error: str = "", drawn: Cell = "") -> None:
        rows.append((name, value, size, *([error] if sampled else []), drawn))

    start = f"mean of {counted(found.compared, 'row')}{' of the background' if found.background else ''}"
    add(Text(start, style=QUIET), "", figure(found.baseline))
    names = shortened(found.names, LETTERS)
    for k in order[:SHOWN]:
        size = float(found.contributions[k])
        value = Text(_value(found.values[k]), no_wrap=isinstance(found.values[k], int | float))
        add(names[k], value, signed(size, 4), figure(float(found.errors[k]), 2), Bar(size, largest, BAR))
    if len(order) > SHOWN:
        add(Text(f"{len(order) - SHOWN} others", style=QUIET), "", signed(rest, 4), drawn=Bar(rest, largest, BAR))
    add(Text("sum: this row's score", style="bold"), "", Text(figure(found.score), style="bold"))
    errors: list[tuple[str, Kind]] = [("±", "figures")] if sampled else []
    columns: list[tuple[str, Kind]] = [("column", "words"), ("value", "words"), ("adds", "figures"), *errors]
    console.print(fitted(console, [*columns, ("", "drawn")], rows))
    if sampled:
        told = "±: the standard error of what a column adds, as not all coalitions were looked at."
        console.print(Text(told, style=QUIET))
    _change(console, found)


def _change(console: Console, found: RowExplanation) -> None:
    """Say which change turns the class, how far it is, and among what it was looked for."""
    if found.searched is None:
        return
    console.print()
    if found.change is None:
        console.print(Text("No change that turns the class was found."))
    else:
        steps = " and ".join(
            f"{name} = {_value(after)} instead of {_value(before)}"
            for name, before, after in zip(found.change.columns, found.change.before, found.change.after, strict=True)
        )
        console.print(Text(f"The nearest change found that turns the class: {steps} gives {found.change.prediction}."))
        far = f"It is {found.change.distance:.3g} away: numbers in deviations of their column, another category as 1."
        console.print(Text(far, style=QUIET))
    console.print(Text(f"Looked at: {found.searched}", style=QUIET))


def _value(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, int) and len(str(value)) > DIGITS:
        return figure(float(value))
    return figure(value) if isinstance(value, float) else ending(str(value), 20)
