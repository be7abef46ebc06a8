"""Charts of an explanation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pondera.explaining.effects import Effect
from pondera.explaining.explain import EFFECTS
from pondera.explaining.explanation import Explanation
from pondera.report.charts.names import beside
from pondera.report.charts.reading import data_of
from pondera.report.charts.style import AMBER, BLUE, LINE, QUIET
from pondera.report.terminal import ending, signed

BARS = 30  # columns that are drawn
LETTERS = 32
ROW = 22  # height of a bar
PANEL = 280
CURVES = 30  # single rows behind a curve
LEVEL = 36  # letters of all values together that are written level
NARROW, SHORT = 270, 16  # width of a chart on a narrow screen, and letters of a name there


def distinct(names: Sequence[str], letters: int = LETTERS) -> list[str]:
    """Return names as charts show them: the ends of long ones, numbered where they would be the same.

    >>> distinct(["a" * 40, "b" + "a" * 40, "c"])[1:]
    ['…aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (2)', 'c']
    """
    found: list[str] = []
    for name in names:
        short = ending(name, letters)
        same = sum(each == short or each.startswith(f"{short} (") for each in found)
        found.append(short if not same else f"{short} ({same + 1})")
    return found


def ranking(found: Explanation, narrow: bool = False) -> Any:
    """Draw each column's share of all importance with its interval; no bars where there is nothing to share."""
    import altair as alt

    shares, intervals = np.nan_to_num(found.importance), np.nan_to_num(found.intervals)
    rows, labels = [], distinct(found.names, SHORT if narrow else LETTERS)
    for k in found.order[:BARS]:
        low, high = intervals[k]
        none = found.influential is not None and not found.influential[k]
        kind = "in a group" if found.is_grouped(k) else "hardly any influence, or none" if none else "measured"
        rows.append(
            {"column": labels[k], "share": float(shares[k]), "kind": kind,
             "low": float(low), "high": float(high)}
        )  # fmt: skip
    colours = {"measured": BLUE, "in a group": AMBER, "hardly any influence, or none": "#b8c0c8"}
    kinds = [kind for kind in colours if any(row["kind"] == kind for row in rows)]
    base = alt.Chart(data_of(rows), width=NARROW if narrow else 640, height=ROW * len(rows)).encode(
        y=alt.Y("column:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    )
    bars = base.mark_bar(height=ROW - 9).encode(
        x=alt.X(
            "share:Q",
            title="share of all importance, with its 95 % interval",
            axis=alt.Axis(format="%", tickCount=5 if narrow else 10),
        ),
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=[colours[kind] for kind in kinds]),
            legend=alt.Legend(columns=1 if narrow else 0) if len(kinds) > 1 else None,
        ),
    )
    return bars + base.mark_rule(color="#1f2933", strokeWidth=1.5).encode(x="low:Q", x2="high:Q")


def _ranking_if_any(found: Explanation, narrow: bool = False) -> Any:
    return ranking(found, narrow) if np.isfinite(found.importance).any() else None


def heat_map(found: Explanation, narrow: bool = False) -> Any:
    """Draw each method's share of each column."""
    import altair as alt

    labels = distinct(found.names, SHORT if narrow else LETTERS)
    rows = [
        {
            "column": labels[k],
            "method": each.method.title,
            "share": float(each.shares[k]),
            "percent": 100 * float(each.shares[k]),
        }
        for each in found.results.values()
        for k in found.order[:BARS]
    ]
    shown, darkest = len(found.order[:BARS]), max(float(each.shares.max()) for each in found.results.values())
    base = alt.Chart(data_of(rows), width=(26 if narrow else 54) * len(found.results), height=ROW * shown).encode(
        x=alt.X(
            "method:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelAngle=-90 if narrow else -40, labelLimit=200, domain=False),
        ),
        y=alt.Y("column:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, domain=False)),
    )
    squares = base.mark_rect(stroke="white").encode(
        color=alt.Color("share:Q", scale=alt.Scale(range=["#f3f6fa", BLUE]), legend=None)
    )
    words = base.mark_text(fontSize=10).encode(
        text=alt.Text("percent:Q", format=".0f") if narrow else alt.Text("share:Q", format=".0%"),
        color=alt.condition(f"datum.share > {darkest / 2}", alt.value("white"), alt.value(QUIET)),
    )
    return squares + words


def deletion(found: Explanation, narrow: bool = False) -> Any:
    """Draw what happens as columns are taken away, or given back, the most important first."""
    import altair as alt

    if found.faithfulness is None:
        return None
    faithful = found.faithfulness
    panels = []
    for title, ours, others in (
        ("taken away, one after the other", faithful.deletion, faithful.random_deletion),
        ("given back, one after the other", faithful.insertion, faithful.random_insertion),
    ):
        lines = [
            {"columns": int(n), "harm": float(value), "order": "this ranking"}
            for n, value in zip(faithful.counts, ours, strict=True)
        ]
        lines += [
            {"columns": int(n), "harm": float(value), "order": "random orders"}
            for n, value in zip(faithful.counts, others.mean(axis=0), strict=True)
        ]
        panels.append(
            alt.Chart(data_of(lines), width=NARROW if narrow else 400, height=200, title=title)
            .mark_line(strokeWidth=2)
            .encode(
                x=alt.X(
                    "columns:Q", title="columns, a group as one", axis=alt.Axis(tickMinStep=1, format="d", grid=False)
                ),
                y=alt.Y("harm:Q", title="harm"),
                color=alt.Color(
                    "order:N", scale=alt.Scale(domain=["this ranking", "random orders"], range=[BLUE, "#a0aec0"])
                ),
            )
        )
    return alt.concat(*panels, columns=1 if narrow else 2, spacing=30)


def dependence(found: Explanation, narrow: bool = False) -> Any:
    """Draw how the most important columns act: single rows, their mean, and accumulated local effects."""
    import altair as alt

    panels = [_curves(each) if each.continuous else _bars(each) for each in found.effects if len(each.values) > 1]
    return alt.concat(*panels, columns=1 if narrow else 3, spacing=22) if panels else None


def _title(each: Effect) -> Any:
    """Return the name of a column, and beneath what else there is to say."""
    import altair as alt

    beneath = []
    if each.others:
        beneath.append(f"{len(each.values)} of {len(each.values) + each.others:,} values")
    if each.missing is not None and each.gone is not None:
        beneath.append(f"missing ({each.missing.share:.0%}): {signed(each.gone)}")
    return alt.TitleParams(
        ending(each.name, LETTERS),
        subtitle=", ".join(beneath) or alt.Undefined,
        subtitleColor=QUIET,
        subtitleFontSize=11,
    )


def _bars(each: Effect) -> Any:
    """Draw what single values do, a bar each: of categories, and of two values such as no and yes."""
    import altair as alt

    rows: list[dict[str, Any]] = [
        {"value": str(v), "score": float(s)} for v, s in zip(each.values, each.local, strict=True)
    ]
    if each.missing is not None and each.gone is not None:
        rows.append({"value": "(missing)", "score": each.gone})
    room = sum(len(row["value"]) for row in rows) <= LEVEL
    return (
        alt.Chart(data_of(rows), width=PANEL, height=150, title=_title(each))
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("value:N", title=None, sort=None, axis=alt.Axis(labelLimit=90, labelAngle=0 if room else -90)),
            y=alt.Y("score:Q", title=None),
        )
    )


def _curves(each: Effect) -> Any:
    """Draw what values on an axis do: single rows, their mean, and accumulated local effects."""
    import altair as alt

    values = [value if isinstance(value, int | float) else str(value) for value in each.values]
    numeric = all(isinstance(value, int | float) for value in values)
    x = alt.X(
        f"value:{'Q' if numeric else 'N'}",
        title=None,
        sort=None,
        axis=alt.Axis(grid=False, tickCount=4, labelLimit=90) if numeric else alt.Axis(labelLimit=90),
        scale=alt.Scale(zero=False, nice=False) if numeric else alt.Undefined,
    )
    y = alt.Y("score:Q", title=None)
    single = [
        {"value": v, "score": float(s - each.shares @ curve), "row": row}
        for row, curve in enumerate(each.curves[:CURVES])
        for v, s in zip(values, curve, strict=True)
    ]
    mean, local = (
        [{"value": v, "score": float(s)} for v, s in zip(values, scores, strict=True)]
        for scores in (each.centered, each.local)
    )
    return alt.layer(
        alt.Chart(data_of(single)).mark_line(color=LINE, strokeWidth=0.8).encode(x=x, y=y, detail="row:N"),
        alt.Chart(data_of(mean)).mark_line(color=QUIET, strokeDash=[4, 3]).encode(x=x, y=y),
        alt.Chart(data_of(local)).mark_line(color=BLUE, strokeWidth=2.2).encode(x=x, y=y),
        width=PANEL,
        height=150,
        title=_title(each),
    )


def strength_against_importance(found: Explanation, narrow: bool = False) -> Any:
    """Draw connection strength against measured importance, a point a column."""
    import altair as alt

    if "first_layer" not in found.results or not found.any_influence:
        return None
    size = (NARROW + 80 if narrow else 560, 320)
    order = np.argsort(-found.importance, kind="stable")
    shares = np.stack([found.results["first_layer"].shares, found.importance], axis=1)[order]
    ends = 1.08 * shares.max(axis=0)
    names = distinct([found.names[k] for k in order])
    written = beside(names, shares / ends * size, size) * ends / size
    rows = [
        {"column": name, "strength": x, "importance": y} for name, (x, y) in zip(names, shares.tolist(), strict=True)
    ]
    told = [
        {"column": name, "begin": begin, "middle": middle}
        for name, (begin, middle) in zip(names, written.tolist(), strict=True)
        if not np.isnan(begin)
    ]

    def across(field: str) -> Any:
        title, scale = "share of connection strength, first layer", alt.Scale(domain=[0, ends[0]], nice=False)
        return alt.X(field, title=title, axis=alt.Axis(format="%", tickCount=8), scale=scale)

    def up(field: str) -> Any:
        scale = alt.Scale(domain=[0, ends[1]], nice=False)
        return alt.Y(field, title="share of importance", axis=alt.Axis(format="%"), scale=scale)

    points = alt.Chart(data_of(rows), width=size[0], height=size[1]).mark_circle(size=70, color=BLUE, opacity=0.9)
    text = alt.Chart(data_of(told)).mark_text(align="left", baseline="middle", fontSize=10, color=QUIET)
    return points.encode(x=across("strength:Q"), y=up("importance:Q"), tooltip="column:N") + text.encode(
        x=across("begin:Q"), y=up("middle:Q"), text="column:N"
    )


CHARTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "Which columns matter": (
        "Black lines: the 95 % interval, over the networks, where there are several, and what was sampled.",
        _ranking_if_any,
    ),
    "How each column acts": (
        "Change of the score along a column, from its mean over the rows. Blue lines: accumulated local effects, right "
        "where columns vary together. Dashed, and bars of categories: the mean over all rows (partial dependence). "
        "Grey: single rows. Values of which there are two are bars, too; what a missing one does is beside the mean of "
        "the known ones.",
        dependence,
    ),
    "Methods side by side": ("The share that each method gives each column.", heat_map),
    "Does the order hold?": (
        "The harm when columns are replaced from rows that are alike in the others. A good ranking harms early when it "
        "takes away, and heals early when it gives back.",
        deletion,
    ),
    "May large weights be read as important inputs?": (
        "Where points rise from left to right, weights order the columns as influence does.",
        strength_against_importance,
    ),
}
"""Title -> what it shows, and the function that draws it, ``narrow`` or not; None where there is nothing to draw."""

DRAWN: dict[str, int] = {
    "Which columns matter": BARS,
    "How each column acts": EFFECTS,
    "Methods side by side": BARS,
}
"""Title -> how many columns are drawn, the most important ones."""
