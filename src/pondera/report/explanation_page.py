"""An explanation as a page of its own."""

from __future__ import annotations

from pondera.choice import counted
from pondera.explaining.explanation import Explanation
from pondera.markup import escaped, table
from pondera.report.charts.explanation import CHARTS
from pondera.report.charts.reading import svg
from pondera.report.explanation import VERDICTS, retrained_words
from pondera.report.page import Section, page

COLOURS = {"green": "#2f855a", "yellow": "#c7791f", "red": "#c53030"}


def explanation_page(found: Explanation, name: str) -> str:
    """Return an explanation as HTML: the verdict first, then charts, then tables."""
    evidence = found.evidence
    figures = [("rows", f"{found.rows:,}"), ("networks", f"{found.stability.networks:,}")]
    figures += [("error below a constant's", f"{evidence.skill:.0%}")] if evidence.skill is not None else []
    figures += [("starts agree", f"{evidence.stability:.2f}")] if evidence.stability is not None else []
    figures += [("methods agree", f"{evidence.agreement:.2f}")] if evidence.agreement is not None else []
    sections = [_verdict(found), *_charts(found), _methods(found)]
    return page(f"What matters to {found.unit}", name, figures, sections)


def _verdict(found: Explanation) -> Section:
    colour = COLOURS[VERDICTS[found.reliability.verdict]]
    word = f"<b style='color:{colour}'>{escaped(found.reliability.verdict)}</b>"
    parts = [f"<p>{word}. {escaped(found.reliability.statement)}</p>"]
    for group in found.groups.groups:
        names = ", ".join(found.names[k] for k in group)
        together = sum(float(found.importance[k]) for k in group)
        parts.append(
            f"<p>{escaped(names)} tell each other's values; together they have {together:.0%} of all importance. "
            f"How it "
            "is divided between them is not known.</p>"
        )
    if found.retrained is not None:
        parts.append(f"<p>{escaped(retrained_words(found.retrained))}</p>")
    if found.weights is not None:
        parts.append(f"<p>{escaped(' '.join([found.weights.statement, *found.weights.reasons]))}</p>")
    return Section("How far can this be believed?", "Measured on these networks and rows.", "".join(parts))


def _charts(found: Explanation) -> list[Section]:
    drawn = [(title, sentence, draw(found)) for title, (sentence, draw) in CHARTS.items()]
    return [
        Section(title, sentence, f"<figure style='margin:0'>{svg(chart)}</figure>")
        for title, sentence, chart in drawn
        if chart is not None
    ]


def _methods(found: Explanation) -> Section:
    rows = []
    for each in found.results.values():
        sees = "–" if each.sanity is None else "yes" if each.sanity.sees_network else "no"
        rows.append([each.method.title, each.method.kind, sees, each.method.caveat, each.method.source])
    head = ["method", "says", "looks at the network", "when it misleads", "source"]
    style = (
        "<style>section:last-of-type :is(td,th){white-space:normal;text-align:left;overflow-wrap:normal!important}"
        "section:last-of-type td:first-child{min-width:9.5em}</style>"
    )
    return Section("Methods", f"{counted(len(rows), 'method')} were used.", style + table(head, rows))
