"""Backpropagation for the terminal and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.report.terminal import NEGATIVE, POSITIVE, QUIET, figure
from pondera.training.backpropagation import Product, Trace
from pondera.training.update import Update

Array = np.ndarray[Any, Any]

UNITS, ROWS = 3, 5
"""Units of a layer, and rows of a batch, that are shown."""


@dataclass(frozen=True)
class Shown:
    """What is shown of a row or a batch on its way through a network and back.

    Attributes
    ----------
    what, where
        ``"row 3"`` or ``"the batch of step 7"``; the model or run.
    trace
        The way.
    name, index
        The weight that is written out.
    update
        Its update; None where its optimizer's steps are not written out.
    optimizer
        The plan's.
    trained
        What training made of the weight in that step; None where no step was taken.
    """

    what: str
    where: str
    trace: Trace
    name: str
    index: tuple[int, ...]
    update: Update | None
    optimizer: Any
    trained: float | None

    @property
    def product(self) -> Product | None:
        """The weight's gradient as products; None where it is not of a dense layer."""
        layer = next(layer for layer in self.trace.layers if self.name in layer.gradients)
        return None if layer.signals is None else self.trace.product(self.name, self.index)


def backpropagation_json(found: Shown) -> dict[str, Any]:
    """Return everything as plain values."""
    product = found.product
    return {
        "what": found.what,
        "loss": found.trace.loss,
        "rows": len(found.trace.errors),
        "errors": found.trace.errors.tolist(),
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "outputs": layer.outputs.tolist(),
                "sums": None if layer.sums is None else layer.sums.tolist(),
                "errors": layer.errors.tolist(),
                "signals": None if layer.signals is None else layer.signals.tolist(),
                "gradient_norms": {name: float(np.linalg.norm(value)) for name, value in layer.gradients.items()},
            }
            for layer in found.trace.layers
        ],
        "weight": {
            "name": found.name,
            "index": list(found.index),
            "gradient": float(found.trace.gradients[found.name][found.index]),
            "product": None
            if product is None
            else {
                "activations": product.activations.tolist(),
                "signals": product.signals.tolist(),
                "factor": product.factor,
            },
            "update": None
            if found.update is None
            else {
                "before": found.update.before,
                "after": found.update.after,
                "lines": [
                    {"symbol": line.symbol, "formula": line.formula, "value": line.value} for line in found.update.lines
                ],
            },
            "trained": found.trained,
        },
    }


def show_backpropagation(console: Console, found: Shown) -> None:
    """Print the way forward, the way back, and one weight's update."""
    rows = len(found.trace.errors)
    console.print(Text.assemble((found.what.capitalize(), "bold"), f" of {found.where}"))
    console.print(f"loss {figure(found.trace.loss, 6)}{f', the mean of {rows} rows' if rows > 1 else ''}")
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("layer", "forward: outputs", "back: error signals", "‖gradient‖"):
        table.add_column(heading, justify="right" if heading == "‖gradient‖" else "left")
    for layer in found.trace.layers:
        norm = float(np.sqrt(sum(float(np.square(value).sum()) for value in layer.gradients.values())))
        table.add_row(
            f"{layer.name} {layer.kind}",
            _some(layer.outputs),
            _some(layer.errors if layer.signals is None else layer.signals),
            figure(norm) if layer.gradients else "–",
        )
    console.print(table)
    what = "of one row" if rows == 1 else f"root mean squares over {rows} rows"
    console.print(Text(f"outputs and signals: {what}, the first {UNITS} units", style=QUIET))
    console.print()
    _weight(console, found)


def _some(values: Array) -> str:
    first = values[0] if len(values) == 1 else np.sqrt(np.square(values).mean(axis=0))
    shown = " ".join(figure(float(value), 3) for value in first[:UNITS])
    return f"{shown}{' …' if len(first) > UNITS else ''}"


def _weight(console: Console, found: Shown) -> None:
    place = ",".join(map(str, found.index))
    console.print(Text(f"{found.name}[{place}]", style="bold"))
    product = found.product
    if product is not None:
        _product(console, product)
    if found.update is None:
        name = getattr(found.optimizer, "name", "an Optax object")
        console.print(f"Steps of {name} are not written out.")
        return
    width = max(len(line.symbol) for line in found.update.lines)
    for line in found.update.lines:
        console.print(
            Text.assemble((f"{line.symbol:<{width}}", POSITIVE), f" = {line.formula} = ", (f"{line.value:.8g}", "bold"))
        )
    if found.trained is None:
        console.print(Text("as a first step at the plan's largest learning rate would move it from here", style=QUIET))
    else:
        away = abs(found.trained - found.update.after)
        console.print(
            Text.assemble("training made of it ", (f"{found.trained:.8g}", "bold"), (f", {away:.1g} away", QUIET))
        )


def _product(console: Console, product: Product) -> None:
    """Write the gradient out as what came in over the weight times the signal of its unit, a row each."""
    terms = product.activations * product.signals * product.factor
    order = np.argsort(-np.abs(terms), kind="stable")[:ROWS]
    if len(terms) > 1:
        console.print("gradient = Σ over the rows of input × signal; the largest terms:")
    for row in order:
        factor = "" if abs(product.factor - 1) < 1e-12 else f" × {product.factor:.4g}"
        console.print(
            Text.assemble(
                (f"  row {row:<4} " if len(terms) > 1 else "  input × signal  ", QUIET),
                f"{product.activations[row]:>10.4g} × {product.signals[row]:>10.4g}{factor} = ",
                (f"{terms[row]:+.6g}", POSITIVE if terms[row] >= 0 else NEGATIVE),
            )
        )
    if len(terms) > ROWS:
        rest = float(terms.sum() - terms[order].sum())
        console.print(Text(f"  {len(terms) - ROWS} others   {rest:+.6g}", style=QUIET))
