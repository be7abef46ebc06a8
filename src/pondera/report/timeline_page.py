"""A series of checkpoints, as a page of its own."""

from __future__ import annotations

from pondera.choice import counted
from pondera.markup import table
from pondera.reading.timeline.timeline import Timeline
from pondera.report.charts.reading import svg
from pondera.report.charts.timeline import CHARTS
from pondera.report.page import Section, findings_list, page
from pondera.report.terminal import amount, figure, sparkline
from pondera.report.timeline import moved_words

LISTED = 2_000  # checkpoints and parts that are in the tables


def timeline_page(found: Timeline, name: str, nbytes: int) -> str:
    """Return a series of checkpoints as HTML: findings first, then charts, then tables."""
    sections = [
        Section("Findings", f"{counted(len(found.findings), 'finding')}.", findings_list(found.findings))
        if found.findings
        else Section("Findings", "Every tensor moved, and every value is finite.", "")
    ]
    for title, (sentence, draw) in CHARTS.items():
        chart = draw(found)
        if chart is not None:
            sections.append(Section(title, sentence, f"<figure style='margin:0'>{svg(chart)}</figure>"))
    return page(
        name,
        "a series of checkpoints",
        (
            ("checkpoints", f"{len(found.names):,}"),
            ("tensors", f"{len(found.tensors):,}"),
            ("size of all", amount(nbytes)),
            ("findings", f"{len(found.findings):,}"),
        ),
        [*sections, _checkpoints(found), _parts(found)],
    )


def _checkpoints(found: Timeline) -> Section:
    rows = [
        [name, figure(each.norm), moved_words(each.step), moved_words(each.way), f"{each.broken:,}"]
        for name, each in zip(found.names, found.whole, strict=True)
    ]
    head = ["checkpoint", "norm", "from previous", "from first", "NaN or ∞"]
    content = table(head, rows[: found.placed][:LISTED], paths=True)
    if apart := rows[found.placed :]:
        content += "<p class='quiet'>These are no steps of their own: copies, or nothing tells their place.</p>"
        content += table(head, apart[:LISTED], paths=True)
    return Section("Checkpoints", "In the order of the training, as far as it is known.", content)


def _parts(found: Timeline) -> Section:
    rows = [
        [
            part,
            figure(figures[-1].norm) if figures[-1].known else "–",
            moved_words(figures[-1].way),
            sparkline([e.from_first for e in figures]),
        ]
        for part, every in list(found.parts.items())[:LISTED]
        for figures in (every[: found.placed],)
    ]
    return Section(
        "Parts of the network",
        "Norm and distance at the last checkpoint, and the distance from the first at each.",
        table(["part", "norm", "from first", "from first, each"], rows),
    )
