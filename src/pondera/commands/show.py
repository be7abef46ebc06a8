"""``pondera show``: what is in a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    model: Annotated[Path, typer.Argument(help="A model.safetensors that pondera train wrote.")],
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Show a model's architecture, columns, training figures and weights by layer."""
    from pondera.model.file import load
    from pondera.report.model import model_json, show_model
    from pondera.report.terminal import print_json, results

    loaded, _ = load(model)
    if json:
        print_json(model_json(loaded, str(model)))
    else:
        show_model(results(), loaded, str(model))
