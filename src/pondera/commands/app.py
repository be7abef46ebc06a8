"""The table of commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from pondera import __version__
from pondera.commands import (
    backprop,
    check,
    columns,
    compare,
    convert,
    explain,
    neuron,
    predict,
    read,
    runs,
    show,
    surface,
    tensorboard,
    timeline,
    train,
    ui,
    unit,
    weight,
)

app = typer.Typer(
    name="pondera",
    help="Train neural networks and see what their weights learned.",
    epilog="Add --debug to any command to see where an error came from.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: dict[str, Callable[..., None]] = {
    "columns": columns.columns,
    "train": train.train,
    "predict": predict.predict,
    "show": show.show,
    "runs": runs.runs,
    "tensorboard": tensorboard.tensorboard,
    "weight": weight.weight,
    "unit": unit.unit,
    "backprop": backprop.backprop,
    "surface": surface.surface,
    "explain": explain.explain,
    "read": read.read,
    "compare": compare.compare,
    "timeline": timeline.timeline,
    "check": check.check,
    "convert": convert.convert,
    "neuron": neuron.neuron,
    "ui": ui.ui,
}

for name, command in COMMANDS.items():
    app.command(name)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pondera {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", help="Print the version and leave.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass
