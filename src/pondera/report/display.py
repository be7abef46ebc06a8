"""Charts for notebooks, in the manner of scikit-learn's displays."""

from __future__ import annotations

from typing import Any

from pondera.choice import unknown
from pondera.errors import ArgumentError
from pondera.explaining.entry import explain
from pondera.explaining.explanation import Explanation
from pondera.report.charts.explanation import deletion, dependence, heat_map, ranking, strength_against_importance

KINDS = {
    "ranking": ranking,
    "dependence": dependence,
    "methods": heat_map,
    "faithfulness": deletion,
    "weights": strength_against_importance,
}
"""Name of a chart -> what draws it."""


class ImportanceDisplay:
    """Draws an explanation.

    Parameters
    ----------
    explanation
        What :func:`pondera.explain` returns.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    >>> display = ImportanceDisplay.from_estimator(lambda x: 3 * x[:, :1] + x[:, 1:2], x, 3 * x[:, 0] + x[:, 1])
    >>> type(display.plot("ranking")).__name__
    'LayerChart'
    """

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        self.chart_: Any = None

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any = None, **more: Any) -> ImportanceDisplay:
        """Explain an estimator, or anything else that :func:`pondera.explain` takes, and draw the ranking.

        Parameters
        ----------
        estimator, X, y, more
            As of :func:`pondera.explain`.
        """
        display = cls(explain(estimator, X, y, **more))
        display.plot()
        return display

    @classmethod
    def from_explanation(cls, explanation: Explanation) -> ImportanceDisplay:
        """Draw the ranking of an explanation that there is."""
        display = cls(explanation)
        display.plot()
        return display

    def plot(self, kind: str = "ranking") -> Any:
        """Return a chart of Altair's, which a notebook shows; it is kept as ``chart_``.

        Parameters
        ----------
        kind
            ``"ranking"`` with intervals, ``"dependence"`` of the score on the most important columns, ``"methods"``
            side by side, ``"faithfulness"``: curves of taking columns away, ``"weights"``: strength against importance.

        Raises
        ------
        ArgumentError
            If there is no such chart, or nothing to draw in it.
        """
        if kind not in KINDS:
            raise ArgumentError(unknown("chart", kind, KINDS))
        chart = KINDS[kind](self.explanation)
        if chart is None:
            raise ArgumentError(f"This explanation has nothing to draw as {kind!r}.")
        self.chart_ = chart
        return chart

    def _repr_mimebundle_(self, *arguments: Any, **more: Any) -> Any:
        """Return the last chart as notebooks show it."""
        return (self.chart_ or self.plot())._repr_mimebundle_(*arguments, **more)
