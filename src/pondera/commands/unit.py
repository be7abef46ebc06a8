"""``pondera unit``: one unit of a network that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pondera.commands.recorded import Recorded


def unit(
    run: Annotated[Path, typer.Argument(help="The folder of a run that pondera train recorded.")],
    name: Annotated[str, typer.Argument(help="Which unit, such as 'layers.1[7]' or 'inputs[0]'.", metavar="LAYER[J]")],
    table: Annotated[
        Path | None, typer.Option(help="The table of training, if it has moved.", show_default="where it was")
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Tell what comes into one unit, what goes out of it, what the loss is without it, and the life of its bias."""
    from pondera.commands.places import unit_place
    from pondera.commands.recorded import network_of, recorded
    from pondera.explaining.unit import unit_on
    from pondera.recording import runs
    from pondera.report.biography import network_in
    from pondera.report.terminal import print_json, results
    from pondera.report.unit import show_unit, unit_json

    part, layer, place = unit_place(name)
    with runs.open(run) as opened:
        found = recorded(opened, table)
        network, ready = network_of(found, part), found.ready
        what = unit_on(network, layer, place, ready.x, ready.answers, ready.plan.loss)
        life = _bias(found, network, part, layer, place)
        names, where = _names(found, layer, network), network_in(str(run), part, len(opened.parts))
    if json:
        print_json(unit_json(what, life, names))
    else:
        show_unit(results(), what, life, names, where)


def _bias(found: Recorded, network: Any, part: int, layer: str, place: int) -> Any:
    """Return the life of a unit's bias; None where it has none, or no single weight of it was recorded."""
    from pondera.errors import ArgumentError
    from pondera.recording.biography import biography

    name = f"{layer}.bias"
    if name not in network.weights:
        return None
    try:
        return biography(found.run, name, (place,), part).ended(network.weights[name])
    except ArgumentError:  # of a large network only some weights are followed, from one snapshot to the next
        return None


def _names(found: Recorded, layer: str, network: Any) -> list[str] | None:
    """Return what the network's inputs are called, where they are the units that connections come from."""
    from pondera.commands.recorded import model_of
    from pondera.explaining.unit import INPUTS, dense_paths

    first = dense_paths(network)[0].removesuffix(".weight")
    if layer not in (INPUTS, first) or network.first_connections() is None:
        return None
    return [each.name for each in model_of(found).encoding.inputs]
