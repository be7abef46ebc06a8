"""The one class of all widgets: its traits, and the module that draws it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from pondera.choice import printable
from pondera.errors import ArgumentError

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
        The recorded step that is shown, or the nearest to it; −1 for the last.
    chosen
        The name of the connection, unit or column that is chosen; empty for none.

    Raises
    ------
    ArgumentError
        If something is chosen that is not drawn.
    """

    _esm = BUNDLE

    view = traitlets.Unicode().tag(sync=True)
    content = traitlets.Dict().tag(sync=True)
    values = traitlets.Bytes().tag(sync=True)
    step = traitlets.Int(-1).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)

    @traitlets.validate("chosen")
    def _drawn(self, proposal: Any) -> str:
        chosen = str(proposal["value"])
        if chosen and chosen not in _columns(self.content) and not _is_drawn(self.content, chosen):
            raise ArgumentError(f"chosen={printable(chosen)[:80]!r}: expected {_examples(self.content)}, or none: ''.")
        return chosen

    def __repr__(self) -> str:
        return f"<{self.view} widget{f': {self.chosen}' if self.chosen else ''}>"


def _columns(content: dict[str, Any]) -> list[str]:
    """Return the names of the columns of an explanation; a network has none."""
    return [] if "matrices" in content else [each["name"] for each in content.get("inputs", ())]


def _is_drawn(content: dict[str, Any], name: str) -> bool:
    """Return whether a connection, such as ``layers.0.weight[1,2]``, or a unit, such as ``layers.0[2]``, is drawn."""
    found = re.fullmatch(r"(.+)\[(\d+)(?:,(\d+))?\]", name)
    matrices = {each["name"]: each for each in content.get("matrices", ())}
    if found is None or not matrices:
        return False
    of, at = found[1], int(found[2])
    if found[3] is None:
        inputs = next(iter(matrices.values()))["shape"][0]
        units = {matrix.removesuffix(".weight"): each["shape"][1] for matrix, each in matrices.items()}
        return at < int((units | {"inputs": inputs}).get(of, 0))
    columns = matrices[of]["shape"][1] if of in matrices else 0
    return int(found[3]) < columns and at * columns + int(found[3]) in matrices[of]["places"]


def _examples(content: dict[str, Any]) -> str:
    """Return what can be chosen, in words."""
    if columns := _columns(content):
        return f"the name of a column, such as {columns[0]!r}"
    first = content["matrices"][0]
    row, column = divmod(first["places"][0], first["shape"][1])
    unit = first["name"].removesuffix(".weight")
    return f"a connection that is drawn, such as '{first['name']}[{row},{column}]', or a unit, such as '{unit}[0]'"
