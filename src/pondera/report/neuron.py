"""A neuron's arithmetic as a table with bars."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pondera.network.neuron import Explanation
from pondera.report.terminal import QUIET, bar


def neuron_table(explanation: Explanation) -> RenderableType:
    """Return every input times its weight, the bias, their sum, and what the activation makes of it."""
    largest = max(*(abs(value) for value in explanation.contributions), abs(explanation.bias), 0.0)
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style=QUIET)
    for heading in ("input", "", "weight", "", "contribution"):
        table.add_column(heading, justify="right")
    table.add_column("")
    rows = zip(explanation.inputs, explanation.weights, explanation.contributions, strict=True)
    for value, weight, contribution in rows:
        table.add_row(_n(value), "×", _n(weight), "=", _n(contribution), bar(contribution, largest))
    table.add_row("", "", "bias", "", _n(explanation.bias), bar(explanation.bias, largest))
    table.add_section()
    table.add_row("", "", "sum", "", Text(_n(explanation.sum), style="bold"), "")
    output = Text.assemble(
        "output = ", f"{explanation.activation}({_n(explanation.sum)}) = ", (_n(explanation.output), "bold")
    )
    return Group(table, "", output)


def show_neuron(console: Console, explanation: Explanation) -> None:
    """Print the table."""
    console.print(neuron_table(explanation))


def _n(value: float) -> str:
    return f"{value:.10g}"
