"""How every chart looks: one definition for pages, notebooks and pictures."""

from __future__ import annotations

from typing import Any

INK, QUIET, LINE = "#1f2933", "#66727f", "#d9dee3"
BLUE, AMBER, RED = "#2b6cb0", "#c7791f", "#c53030"

COLOURS = {
    "dense": BLUE,
    "convolution": "#2f855a",
    "attention": AMBER,
    "recurrent": "#805ad5",
    "embedding": "#b83280",
    "normalization": "#718096",
    "unknown": "#a0aec0",
}
"""Family of a kind of layer -> its colour."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET,
        "titleColor": QUIET,
        "titleFontWeight": "normal",
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": 11,
        "titleFontSize": 11,
    },
    "title": {"color": INK, "fontSize": 12, "fontWeight": 600, "anchor": "start"},
    "legend": {"labelColor": QUIET, "titleColor": QUIET, "orient": "top", "title": None},
    "header": {"labelColor": INK, "labelFontSize": 11},
}


def family(kind: str) -> str:
    """Return the family of a kind of layer: all parts of attention are one.

    Examples
    --------
    >>> family("attention query"), family("fused attention"), family("dense")
    ('attention', 'attention', 'dense')
    """
    return "attention" if "attention" in kind else kind
