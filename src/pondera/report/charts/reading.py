"""Charts of what is in a file of weights."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pondera.reading.read import Reading
from pondera.report.charts.bins import bars
from pondera.report.charts.style import AMBER, BLUE, COLOURS, CONFIG, LINE, family
from pondera.report.terminal import shortened

if TYPE_CHECKING:
    import altair as alt

BARS = 40  # layers in the chart of sizes
POINTS = 2_000  # layers in the chart of strengths
PANELS = 24  # histograms and spectra
PANEL = 280  # width of a small chart
LETTERS = 40  # of a name, in a chart

WIDE = 30  # times the median strength, from where on an axis is logarithmic
FEW = 12  # layers that are all numbered
ROW = 16  # height of a bar


def sizes(reading: Reading) -> Any:
    """Draw how many values each layer has, the largest first."""
    import altair as alt

    largest = sorted(reading.layers, key=lambda each: -each.count)[:BARS]
    names = shortened([each.layer.name for each in largest], LETTERS)
    rows = [
        {
            "layer": names[place],
            "values": each.count,
            "kind": family(each.layer.kind),
            "place": place,
        }
        for place, each in enumerate(largest)
        if each.count
    ]
    if not rows:
        return None
    return (
        alt.Chart(data_of(rows), width=660, height=ROW * len(rows))
        .mark_bar(height=ROW - 5)
        .encode(
            x=alt.X("values:Q", title="values", axis=alt.Axis(format="~s", tickCount=6)),
            y=alt.Y("layer:N", sort=None, title=None, axis=alt.Axis(labelLimit=300)),
            color=kind_colour(rows),
        )
    )


def strength_by_layer(reading: Reading) -> Any:
    """Draw each connecting layer's strength, in the order of the file."""
    import altair as alt

    connecting = [each for each in reading.layers if drawable(each.strength)]
    names = shortened([each.layer.name for each in connecting[:POINTS]], LETTERS)
    rows = [
        {
            "place": place + 1,
            "strength": each.strength,
            "kind": family(each.layer.kind),
            "layer": names[place],
        }
        for place, each in enumerate(connecting[:POINTS])
    ]
    if len(rows) < 2:  # one point shows nothing that the table does not
        return None
    few = list(range(1, len(rows) + 1)) if len(rows) <= FEW else alt.Undefined
    axis = alt.Axis(tickMinStep=1, format="d", values=few)
    strengths = [each.strength for each in connecting[:POINTS] if each.strength]
    wide = bool(strengths) and max(strengths) > WIDE * statistics.median(strengths)
    # Beyond the median an axis of outliers is logarithmic; it still has a place for zero.
    scale = alt.Scale(type="symlog", constant=statistics.median(strengths)) if wide else alt.Scale(zero=True)
    base = alt.Chart(data_of(rows), width=880, height=240).encode(
        x=alt.X("place:Q", title="layer, in the order of the file", axis=axis),
        y=alt.Y("strength:Q", title="strength: root mean square of √Σ w² of a unit", scale=scale),
    )
    return base.mark_line(color=LINE) + base.mark_circle(size=46, opacity=1).encode(
        color=kind_colour(rows), tooltip=["layer:N", "kind:N", "strength:Q"]
    )


def histograms(reading: Reading) -> Any:
    """Draw the values of the largest tensors, each on a scale of its own; those of one value have nothing to show."""
    import altair as alt

    largest = sorted(
        (name for name, each in reading.statistics.items() if each.minimum < each.maximum),
        key=lambda name: -reading.statistics[name].count,
    )[:PANELS]
    panels = []
    for name, title in zip(largest, shortened(largest, LETTERS), strict=True):
        edges, shares = bars(reading.statistics[name])
        rows = [
            {"from": float(a), "to": float(b), "share": float(share)}
            for a, b, share in zip(edges[:-1], edges[1:], shares, strict=True)
        ]
        panels.append(
            alt.Chart(data_of(rows), width=PANEL, height=70, title=title)
            .mark_bar(color=BLUE)
            .encode(
                x=alt.X("from:Q", title=None, scale=alt.Scale(nice=False), axis=alt.Axis(tickCount=4, grid=False)),
                x2="to:Q",
                y=alt.Y("share:Q", title=None, axis=None),
                y2=alt.datum(0),
            )
        )
    return alt.concat(*panels, columns=3, spacing=18) if panels else None


def spectra(reading: Reading) -> Any:
    """Draw the singular values of the largest matrices, largest first, with the edge that noise alone would have."""
    import altair as alt

    found = [(each, each.spectra["weight"]) for each in reading.layers if "weight" in each.spectra]
    found = [(each, spectrum) for each, spectrum in found if len(spectrum.values)]
    found = sorted(found, key=lambda pair: -pair[0].count)[:PANELS]
    titles = shortened([each.layer.name for each, _ in found], LETTERS)
    panels = []
    for (_, spectrum), title in zip(found, titles, strict=True):
        values = [float(value) for value in spectrum.values if value > 0]
        every = max(1, len(values) // 200)
        rows = [
            {"place": place + 1, "value": value}
            for place, value in enumerate(values)
            if place % every == 0 or place < 20
        ]
        panel = (
            alt.Chart(data_of(rows), width=PANEL, height=100, title=title)
            .mark_line(color=BLUE, strokeWidth=1.8)
            .encode(
                x=alt.X("place:Q", title=None, scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=3, grid=False)),
                y=alt.Y("value:Q", title=None, scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=3, grid=False)),
            )
        )
        if spectrum.bulk is not None and spectrum.bulk.edge > 0:
            rule = alt.Chart(data_of([{"edge": spectrum.bulk.edge}])).mark_rule(color=AMBER, strokeDash=[4, 3])
            panel = panel + rule.encode(y="edge:Q")
        panels.append(panel)
    return alt.concat(*panels, columns=3, spacing=18) if panels else None


CHARTS: dict[str, tuple[str, Callable[[Reading], Any]]] = {
    "Strength by layer": (
        "How strongly a unit of the layer is connected to its inputs, by the weights alone.",
        strength_by_layer,
    ),
    "Size by layer": ("How many values each layer has.", sizes),
    "Values": ("How the values of the largest tensors are spread; 0.1 % at either end are left out.", histograms),
    "Spectra": (
        "Singular values, the largest first, both axes logarithmic. Dashed: the Marchenko–Pastur edge, below which "
        "noise of the same variance would lie.",
        spectra,
    ),
}
"""Title -> what it shows, and the function that draws it, or returns None where there is nothing to draw."""


def data_of(rows: list[dict[str, Any]]) -> Any:
    """Return rows as the data of a chart, which stand in its definition."""
    import altair as alt

    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def kind_colour(rows: list[dict[str, Any]]) -> alt.Color:
    """Return the colours of the kinds that occur; a legend only where there are several."""
    import altair as alt

    kinds = [kind for kind in COLOURS if any(row["kind"] == kind for row in rows)]
    legend = alt.Legend() if len(kinds) > 1 else None
    return alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[COLOURS[kind] for kind in kinds]), legend=legend)


def drawable(value: float | None) -> bool:
    """Return whether a chart can show a figure."""
    return value is not None and math.isfinite(value)


def svg(chart: alt.TopLevelMixin) -> str:
    r"""Return a chart as SVG, drawn here: it fetches nothing and runs nothing.

    Control characters, which no SVG can hold, are written as text does: ``\x1b``.
    """
    import vl_convert

    specification = _printable(chart.to_dict() | {"config": CONFIG})
    return str(vl_convert.vegalite_to_svg(specification))


def _printable(value: Any) -> Any:
    """Return a specification with no letters in its texts that XML does not know."""
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], value) if isinstance(value, str) else value


UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
