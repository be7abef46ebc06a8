"""An explanation, for people: how far to believe it first, then which columns matter and how they act."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import counted, listed
from pondera.explaining.explanation import Explanation
from pondera.explaining.gradients import COMPLETE
from pondera.explaining.retraining import Retrained
from pondera.explaining.row import RowExplanation
from pondera.report.terminal import GRAVE, POSITIVE, QUIET, bar, ending, figure
from pondera.report.timeline import sparkline

SHOWN = 20  # columns that are listed
LETTERS = 18  # of a column's name
BAR = 12
ACTING = 4  # columns whose curves are shown
PAIRS = 3

VERDICTS = {"reliable": "green", "partly": "yellow", "not identifiable": "yellow", "unreliable": GRAVE}
"""Verdict -> its colour."""


def show_explanation(console: Console, found: Explanation) -> None:
    """Print the verdict, the ranking, the methods, and whether weights may be read as importance."""
    _head(console, found)
    console.print()
    console.print(_ranking(found))
    _rest(console, found)
    console.print()
    console.print(_methods(found))
    _about_methods(console, found)
    _retrained(console, found)
    _groups(console, found)
    _acting(console, found)
    _weights(console, found)


def _head(console: Console, found: Explanation) -> None:
    networks = counted(found.stability.networks, "network")
    console.print(Text.assemble(("What matters to ", "bold"), (found.unit, "bold")))
    console.print(Text(f"{counted(found.rows, 'row')}, {networks}; {_sampled(found)}", style=QUIET))
    console.print()
    verdict = found.reliability.verdict
    console.print(
        Text.assemble(
            ("▌ ", VERDICTS[verdict]), (f"{verdict}  ", f"bold {VERDICTS[verdict]}"), found.reliability.statement
        )
    )
    console.print(Text(f"  {_evidence(found)}", style=QUIET))


def _sampled(found: Explanation) -> str:
    fewest = min((each.rows for each in found.results.values() if each.rows), default=found.rows)
    return f"methods looked at samples of {fewest:,} rows or more" if fewest < found.rows else "all rows were looked at"


def _evidence(found: Explanation) -> str:
    """Return the figures of the verdict."""
    evidence = found.evidence
    parts = [
        None if evidence.skill is None else f"error {evidence.skill:.0%} below a constant's",
        None if evidence.stability is None else f"starts agree {evidence.stability:.2f}",
        None if evidence.agreement is None else f"methods agree {evidence.agreement:.2f}",
        None if evidence.outdone is None else f"{evidence.outdone:.0%} of random orders are better",
        f"{evidence.grouped:.0%} in groups" if evidence.grouped else None,
    ]
    return " · ".join(part for part in parts if part)


def _ranking(found: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    table.add_column("importance", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    largest = float(found.importance.max())
    for k in found.order[:SHOWN]:
        low, high = found.intervals[k]
        none = found.influential is not None and not found.influential[k]
        interval = "" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"
        table.add_row(
            Text(ending(found.names[k], LETTERS), style=QUIET if none else ""),
            f"{100 * found.importance[k]:.1f} %",
            interval,
            bar(0.0 if none else float(found.importance[k]), largest, BAR),
            Text(found.verdict_of(k), style=QUIET),
        )
    return table


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
    console.print(Text(f"Shares of {title}: {meant}. {found.tested}", style=QUIET))


def _methods(found: Explanation) -> Table:
    """Return what each method says, and which columns it puts first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    for heading in ("method", "says"):
        table.add_column(heading, no_wrap=True)
    table.add_column("first three", overflow="fold")
    for each in found.results.values():
        order = sorted(range(len(found.names)), key=lambda k: -each.shares[k])[:3]
        first = ", ".join(ending(found.names[k], LETTERS) for k in order if each.shares[k] > 0)
        table.add_row(each.method.title, Text(each.method.kind, style=QUIET), first)
    return table


def _about_methods(console: Console, found: Explanation) -> None:
    """Say which methods are not to be believed, and which were left out."""
    for each in found.results.values():
        if "steps" in each.measured[0].figures and each.incomplete > COMPLETE:
            console.print(
                Text(f"{each.method.title}: contributions miss what they should add up to by {each.incomplete:.0%}.")
            )
        if each.sanity is not None and not each.sanity.sees_network:
            console.print(Text(f"{each.method.title}: the same for random weights. It does not look at the network."))
        elif each.sanity is not None and each.sanity.sees_labels is False:
            console.print(
                Text(f"{each.method.title}: the same where the answers mean nothing. It does not see what was learned.")
            )
    if found.agreement.outlier is not None:
        title = found.results[found.agreement.outlier].method.title
        console.print(Text(f"{title}: orders the inputs unlike all others.", style=QUIET))
    for name, why in found.left_out.items():
        console.print(Text(f"{name} is left out: {why}", style=QUIET))


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
    costs = "more than without random ones" if again.better else "hardly more than without random ones"
    return f"Trained anew, the error is {figure(again.before)} with all columns, {parts}: {costs}."


def _groups(console: Console, found: Explanation) -> None:
    for group in found.groups.groups:
        names = listed([repr(found.names[k]) for k in group])
        together = sum(found.importance[k] for k in group)
        console.print()
        console.print(
            Text(
                f"{names} tell each other's values; together they have {together:.0%}. How it is divided is not known."
            )
        )


def _acting(console: Console, found: Explanation) -> None:
    drawn = [each for each in found.effects if each.accumulated is not None and len(each.values) > 2][:ACTING]
    if drawn:
        console.print()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
        table.add_column("how it acts", no_wrap=True)
        for heading in ("from", "", "to", "score"):
            table.add_column(heading, no_wrap=True, justify="right" if heading in ("from", "score") else "left")
        for each in drawn:
            assert each.accumulated is not None
            low = float(each.accumulated.min())
            curve = sparkline([float(value) - low for value in each.accumulated])
            spread = f"{each.accumulated.min():+.3g} to {each.accumulated.max():+.3g}"
            ends = (_value(each.values[0]), _value(each.values[-1]))
            table.add_row(ending(each.name, LETTERS), ends[0], Text(curve, style=POSITIVE), ends[1], spread)
        console.print(table)
    strong = [each for each in found.interactions if each.share >= 0.1][:PAIRS]
    if strong:
        pairs = "; ".join(f"{each.first} × {each.second} ({each.share:.0%})" for each in strong)
        console.print(Text(f"Not the sum of each alone: {pairs} of what both do.", style=QUIET))


def _weights(console: Console, found: Explanation) -> None:
    if found.weights is None:
        return
    low, high = found.weights.interval
    console.print()
    console.print(Text("May large weights be read as important inputs?", style="bold"))
    console.print(Text(found.weights.statement))
    for reason in found.weights.reasons:
        console.print(Text(f"  {reason}"))
    if not math.isnan(found.weights.rank_correlation):
        console.print(
            Text(f"  rank correlation {found.weights.rank_correlation:.2f} ({low:.2f} to {high:.2f})", style=QUIET)
        )


def show_row(console: Console, found: RowExplanation) -> None:
    """Print what each column adds to the score of a row, from the baseline to the score."""
    predicted = f", predicted {found.prediction}" if found.prediction is not None else ""
    console.print(Text.assemble((f"Row {found.row}{predicted}", "bold"), f"  {found.unit}"))
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    for heading in ("column", "value", "adds", ""):
        table.add_column(heading, justify="right" if heading == "adds" else "left", no_wrap=True)
    order = sorted(range(len(found.names)), key=lambda k: -abs(found.contributions[k]))
    largest = float(abs(found.contributions).max(initial=0.0))
    table.add_row(Text("mean of the rows", style=QUIET), "", f"{found.baseline:.4g}", "")
    for k in order[:SHOWN]:
        size = float(found.contributions[k])
        table.add_row(ending(found.names[k], LETTERS), _value(found.values[k]), f"{size:+.4g}", bar(size, largest, BAR))
    rest = sum(float(found.contributions[k]) for k in order[SHOWN:])
    if len(order) > SHOWN:
        table.add_row(Text(f"{len(order) - SHOWN} others", style=QUIET), "", f"{rest:+.4g}", bar(rest, largest, BAR))
    table.add_row(Text("sum: this row's score", style="bold"), "", Text(f"{found.score:.4g}", style="bold"), "")
    console.print(table)
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
    return figure(value) if isinstance(value, float) else ending(str(value), 20)
