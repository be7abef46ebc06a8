"""``pondera surface``: what a network of two columns predicts everywhere, at steps of its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pondera.commands.options import whole_number

if TYPE_CHECKING:
    from pondera.recording.run import Run

MOST_PLACES, MOST_STEPS = 200, 500


def surface(
    run: Annotated[Path, typer.Argument(help="The folder of a run that pondera train recorded.")],
    steps: Annotated[
        int,
        typer.Option(
            parser=whole_number, metavar="N", help="At how many of the recorded steps; 1 is the last of them."
        ),
    ] = 1,
    grid: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Places along each of both columns.")
    ] = 48,
    network: Annotated[
        int | None,
        typer.Option(
            parser=whole_number, metavar="K", help="Which of several networks, from 0.", show_default="the first"
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="The table of training, if it has moved.", show_default="where it was")
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Say what a network of two columns predicts everywhere in their plane, also while it is trained."""
    from pondera.errors import ArgumentError
    from pondera.recording import runs
    from pondera.report.surface import show_surface
    from pondera.report.terminal import print_json, results

    if not 2 <= grid <= MOST_PLACES:
        raise ArgumentError(f"--grid takes a whole number from 2 to {MOST_PLACES}. Got {grid}.")
    if not 1 <= steps <= MOST_STEPS:
        raise ArgumentError(f"--steps takes a whole number from 1 to {MOST_STEPS}. Got {steps}.")
    with runs.open(run) as opened:
        found = _surfaces(opened, table, steps, grid, network)
    if json:
        print_json(found)
    else:
        show_surface(results(), found)


def _surfaces(run: Run, table: Path | None, steps: int, count: int, network: int | None) -> dict[str, Any]:
    import numpy as np

    from pondera.choice import Choice
    from pondera.commands.recorded import prepared
    from pondera.errors import ArgumentError
    from pondera.model.model import Model
    from pondera.model.surface import Grid, points, surface
    from pondera.network.network import Network
    from pondera.tables.target import Classes
    from pondera.training.recipes import recipe_of

    asked, rows, ready = prepared(run, table)
    grid = Grid.over(rows.columns, count)
    part = _part(run, network)
    names = list(run.tensors(part))
    recorded = sorted(set.intersection(*(set(run.recorded(name, part)) for name in names))) if names else []
    if not recorded:
        raise ArgumentError(f"{run.folder}: nothing was recorded yet. Ask again when training has begun.")
    at = np.unique(np.linspace(0, len(recorded) - 1, steps).astype(int)) if steps > 1 else [len(recorded) - 1]
    found = []
    for step in (recorded[k] for k in at):
        weights = {name: run.weights_at(name, step, part) for name in names}
        model = Model(
            target_name=rows.column,
            encoding=ready.encoding,
            scaling=ready.scaling,
            target=ready.target,
            networks=(Network(ready.architecture, weights),),
            loss=Choice.of(ready.plan.loss),
            clamp=recipe_of(asked.recipe).clamp,
            record={},
        )
        predicted, certainty = surface(model, grid)
        found.append({"step": step, "predicted": predicted, "certainty": certainty})
    return {
        "run": str(run.folder),
        "columns": list(grid.columns),
        "target": rows.column,
        "classes": [str(value) for value in ready.target.values] if isinstance(ready.target, Classes) else None,
        "x": grid.x.tolist(),
        "y": grid.y.tolist(),
        "surfaces": found,
        "points": points(rows.columns, rows.train[rows.column]),
    }


def _part(run: Run, network: int | None) -> int:
    from pondera.errors import ArgumentError

    parts = run.parts or (0,)
    if network is None:
        return parts[0]
    if network not in parts:
        raise ArgumentError(f"--network takes one of {', '.join(map(str, parts))}. Got {network}.")
    return network
