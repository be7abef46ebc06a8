"""Charts of a series of checkpoints."""

from __future__ import annotations

from typing import Any

from pondera.reading.timeline.timeline import Timeline
from pondera.report.charts.reading import data_of, drawable
from pondera.report.charts.style import BLUE, LINE
from pondera.report.terminal import shortened

ROW, WIDTH = 15, 640  # pixels
PARTS = 60  # rows of the heat map
COLUMNS = 200  # checkpoints of the heat map
NAMED = 12  # checkpoints whose names stand at the axis
LETTERS = 40  # of a name


def distance(found: Timeline) -> Any:
    """Draw how far the whole network is from its first checkpoint, and from the one before."""
    import altair as alt

    rows = [
        {"place": at + (found.placed > NAMED), "checkpoint": found.names[at], "moved": value, "from": word}
        for at, each in enumerate(found.whole[: found.placed])
        for word, value in (("from first", each.from_first), ("from previous", each.from_previous))
        if drawable(value)
    ]
    if not rows:
        return None
    colour = alt.Color("from:N", scale=alt.Scale(domain=["from first", "from previous"], range=[BLUE, "#a0aec0"]))
    base = alt.Chart(data_of(rows), width=880, height=220).encode(
        x=_places(found), y=alt.Y("moved:Q", title="‖W − W′‖ / ‖W′‖"), color=colour
    )
    return base.mark_line() + base.mark_circle(size=40, opacity=1)


def parts(found: Timeline) -> Any:
    """Draw how far each part moved from one checkpoint to the next, as a heat map."""
    import altair as alt

    step = -(-found.placed // COLUMNS)
    names = dict(zip(found.parts, shortened(list(found.parts), LETTERS), strict=True))
    rows = [
        {"part": names[part], "place": at, "end": at + step, "moved": value}
        for part, every in list(found.parts.items())[:PARTS]
        for figures in (every[: found.placed],)
        for at in range(0, len(figures), step)
        if drawable(value := max((e.from_previous or 0.0 for e in figures[at : at + step] if e.step), default=None))
    ]
    if not rows:
        return None
    count = len(dict.fromkeys(row["part"] for row in rows))
    few = found.placed <= NAMED
    across = {"x": _places(found, "O")} if few else {"x": _places(found), "x2": "end:Q"}
    return (
        alt.Chart(data_of(rows), width=WIDTH, height=ROW * count)
        .mark_rect(stroke=LINE, strokeWidth=0.3)
        .encode(
            **across,
            y=alt.Y("part:N", sort=None, title=None, axis=alt.Axis(labelLimit=300)),
            color=alt.Color("moved:Q", scale=alt.Scale(scheme="blues"), legend=alt.Legend(title="from previous")),
        )
    )


def _places(found: Timeline, kind: str = "Q") -> Any:
    """Return the axis of the checkpoints, by name where they are few; of points (Q) or of cells (O)."""
    import altair as alt

    names = shortened(found.names[: found.placed], 24)
    if len(names) > NAMED:
        scale = alt.Scale(nice=False)
        title = "checkpoint, in the order of the training"
        return alt.X("place:Q", title=title, scale=scale, axis=alt.Axis(tickMinStep=1))
    labels = f"{names!r}[datum.value]".replace("'", '"') if not any(set('"\\') & set(name) for name in names) else None
    axis = alt.Axis(values=list(range(len(names))), labelAngle=0, grid=False)
    if labels is not None:
        axis.labelExpr = labels
    return alt.X(f"place:{kind}", title=None, axis=axis)


CHARTS = {
    "The whole network": (
        "How far the weights are from the first checkpoint and from the one before, as a share of their norm.",
        distance,
    ),
    "Parts": ("How far each part moved since the checkpoint before; the darker the further.", parts),
}
"""Title -> what it shows, and the function that draws it, or returns None where there is nothing to draw."""
