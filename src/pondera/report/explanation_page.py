"""An explanation as a page of its own."""

from __future__ import annotations

import dataclasses
import math

from pondera.choice import counted
from pondera.explaining.explain import PAIRED
from pondera.explaining.explanation import Explanation, percent
from pondera.markup import escaped, table
from pondera.report.charts.explanation import CHARTS, DRAWN, dependence
from pondera.report.charts.reading import svg
from pondera.report.explanation import (
    MIXED,
    VERDICTS,
    correlations_words,
    outlier_words,
    retrained_words,
    rows_words,
    skill_words,
)
from pondera.report.page import Section, page

LISTED = 40  # columns of the table

NARROW = 720
"""Width of a screen, in pixels, below which charts are drawn for a narrow one."""

LOOK = (
    "<style>div.wide figure{margin:0;min-width:0}figure.narrow{display:none}"
    f"@media(max-width:{NARROW}px){{figure.broad{{display:none}}figure.narrow{{display:block}}"
    "section{padding:.8rem .7rem}main{padding:1rem .6rem 3rem}"
    "table.pondera :is(td,th){white-space:normal}table.pondera :is(td,th):first-child{min-width:6em}"
    "section:not(:last-of-type) td:nth-child(n+2):not(:last-child){white-space:nowrap}}</style>"
)

COLOURS = {"green": "#2f855a", "yellow": "#c7791f", "red": "#c53030"}


def explanation_page(found: Explanation, name: str) -> str:
    """Return an explanation as HTML: the verdict first, then charts, then tables."""
    evidence = found.evidence
    figures = [("rows", f"{found.rows:,}"), ("networks", f"{found.stability.networks:,}")]
    figures += [(evidence.measure, skill_words(evidence.skill))] if evidence.skill is not None else []
    figures += [("starts agree", f"{evidence.stability:.2f}")] if evidence.stability is not None else []
    figures += [("methods agree", f"{evidence.agreement:.2f}")] if evidence.agreement is not None else []
    ranking, *charts = _charts(found)
    parts = [_verdict(found), ranking, _columns(found), *charts, *_pairs(found), _methods(found)]
    sections = [each for each in parts if each is not None]
    sections[0] = dataclasses.replace(sections[0], content=LOOK + sections[0].content)
    return page(f"What matters to {found.unit}", name, figures, sections)


def _verdict(found: Explanation) -> Section:
    colour = COLOURS[VERDICTS[found.reliability.verdict]]
    word = f"<b style='color:{colour}'>{escaped(found.reliability.verdict)}</b>"
    parts = [f"<p>{word}. {escaped(found.reliability.statement)}</p>"]
    parts += [f"<p>{escaped(sentence)}</p>" for sentence in found.told_apart]
    if found.retrained is not None:
        parts.append(f"<p>{escaped(retrained_words(found.retrained))}</p>")
    if found.weights is not None:
        parts.append(f"<p>{escaped(' '.join([found.weights.statement, *found.weights.reasons]))}</p>")
        figures = correlations_words(found)
        parts += [f"<p class='quiet'>Strength and importance: {escaped(figures)}.</p>"] if figures else []
    measured = f"Measured on these networks and {rows_words(found)}."
    return Section("How far can this be believed?", measured, "".join(parts))


def _charts(found: Explanation) -> list[Section]:
    """Return every chart twice, for broad and for narrow screens: one that is scaled down cannot be read."""
    sections = []
    for title, (sentence, draw) in CHARTS.items():
        broad, narrow = draw(found), draw(found, narrow=True)
        if broad is not None and narrow is not None:
            figures = f"<figure class='broad'>{svg(broad)}</figure><figure class='narrow'>{svg(narrow)}</figure>"
            mixed = f" {MIXED}" if draw is dependence and found.effects[0].mixed else ""
            sections.append(Section(title, sentence + _left_out(found, title) + mixed, figures))
    return sections


def _left_out(found: Explanation, title: str) -> str:
    """Say how many columns are not drawn, where not all are."""
    most, count = DRAWN.get(title), len(found.names)
    return "" if most is None or count <= most else f" Drawn are the {most} most important of {count:,} columns."


def _columns(found: Explanation) -> Section:
    """Return the ranking as a table."""
    rows = []
    for place, k in enumerate(found.order[:LISTED], 1):
        low, high = found.intervals[k]
        interval = "–" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f} %"
        rows.append([found.names[k], place, percent(found.importance[k]), interval, found.verdict_of(k)])
    more = len(found.names) - len(rows)
    left = f"<p class='quiet'>and {counted(more, 'less important column')}; --json has all</p>" if more else ""
    head = ["column", "place", "importance", "95 %", "rank, as far as it is known"]
    return Section("The columns in order", found.tested, table(head, rows) + left)


def _pairs(found: Explanation) -> list[Section]:
    """Return what pairs of the most important columns do together, if any do."""
    rows = [
        [f"{each.first} × {each.second}", f"{each.share:.0%}", f"{each.strength:.3g}"] for each in found.interactions
    ]
    if not rows:
        return []
    sentence = f"{found.pairs} " if found.pairs else ""
    sentence += (
        f"Of pairs of the {PAIRED} most important columns: how much of what both do is not the sum of what each does "
        "alone, beside what each does (after Friedman's H), and the deviation of that in the unit of the score."
    )
    return [Section("What pairs do together", sentence, table(["columns", "share", "strength"], rows))]


def _methods(found: Explanation) -> Section:
    rows = []
    for each in found.results.values():
        sees = {True: "yes", False: "no", None: "–"}[None if each.sanity is None else each.sanity.sees_network]
        rows.append([each.method.title, each.method.kind, sees, each.method.caveat, each.method.source])
    head = ["method", "says", "looks at the network", "when it misleads", "source"]
    style = (
        "<style>section:last-of-type :is(td,th){white-space:normal;text-align:left;overflow-wrap:normal!important}"
        "section:last-of-type td:first-child{min-width:9.5em}</style>"
    )
    left = "".join(f"<li>{escaped(name)}: {escaped(why)}</li>" for name, why in found.left_out.items())
    left = f"<p>Left out:</p><ul>{left}</ul>" if left else ""
    used = f"{counted(len(rows), 'method')} {'was' if len(rows) == 1 else 'were'} used. {outlier_words(found)}".strip()
    return Section("Methods", used, style + table(head, rows) + left)
