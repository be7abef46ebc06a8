"""The one class of all widgets: its traits, and the module that draws it."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

BUNDLE = Path(__file__).parents[1] / "workbench" / "static" / "widgets.js"
"""The views of the workbench for notebooks, as ``make ui`` builds them beside the pages."""


class View(anywidget.AnyWidget):
    """A view of the workbench in a notebook.

    Attributes
    ----------
    view
        ``"network"`` or ``"importance"``.
    content
        What is drawn, as plain values.
    values
        Weights that are drawn, float32: of each step, matrix after matrix.
    step
        The recorded step that is shown; −1 for the last.
    chosen
        The name of the connection, unit or column that is chosen; empty for none.
    """

    _esm = BUNDLE

    view = traitlets.Unicode().tag(sync=True)
    content = traitlets.Dict().tag(sync=True)
    values = traitlets.Bytes().tag(sync=True)
    step = traitlets.Int(-1).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)

    def __repr__(self) -> str:
        return f"<{self.view} widget{f': {self.chosen}' if self.chosen else ''}>"
