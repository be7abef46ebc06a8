"""``pondera weight``: the life of one weight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pondera.commands.recorded import Recorded
    from pondera.recording.biography import Biography
    from pondera.recording.run import Run


def weight(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    name: Annotated[str, typer.Argument(help="Which weight, such as 'layers.1.weight[3,7]'.", metavar="NAME[I,J]")],
    table: Annotated[
        Path | None, typer.Option(help="The table of training, if it has moved.", show_default="where it was")
    ] = None,
    recorded_only: Annotated[
        bool, typer.Option("--recorded-only", metavar="", help="Leave out gradients that were not recorded.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Tell the life of one weight: its random start, every recorded step, its end, and what it does there."""
    from pondera.commands.places import weight_place
    from pondera.commands.recorded import network_of
    from pondera.explaining.weight import weight_on
    from pondera.recording import runs
    from pondera.recording.biography import biography
    from pondera.report.biography import biography_json, show_biography
    from pondera.report.terminal import messages, print_json, results
    from pondera.weights.safetensors import read

    named, tensor, index = weight_place(name, "pondera weight")
    part = named or 0
    with runs.open(run) as opened:
        life, effect, networks = biography(opened, tensor, index, part), None, len(opened.parts)
        found, note = _trained_from(opened, table)
        if found is not None and found.model is not None:
            network, ready = network_of(found, part), found.ready
            life = life.ended(network.weights[tensor])
            life = life if recorded_only else _with_gradients(life, found)
            effect = weight_on(network, ready.x, ready.answers, ready.plan.loss, tensor, index, numbers=found.numbers)
        elif found is None and life.kept in opened.snapshots(part):  # its weights are known, not its rows
            life = life.ended(read(opened.snapshots(part)[life.kept])[0][tensor])
    if note:
        messages().print(f"Note: {note}")
    if json:
        print_json(biography_json(life, effect, note))
    else:
        show_biography(results(), life, effect, str(run), networks)


def _trained_from(run: Run, table: Path | None) -> tuple[Recorded | None, str | None]:
    """Return what a run was trained from, and why more than what was recorded of a weight cannot be told.

    The former is None of a loop that is not Pondera's, or where its table is not there.
    """
    from pondera.commands.recorded import no_model, recorded
    from pondera.errors import ArgumentError, TableError

    if "arguments" not in run.about and table is None:
        return None, None
    try:
        found = recorded(run, table)
    except (ArgumentError, TableError) as error:
        if table is not None:
            raise
        return None, (
            f"{error} Gradients that were not recorded, and what the weight does to the loss, are left out. "
            "Where the table is elsewhere now, say so with --table."
        )
    return found, f"{no_model(run)} What was recorded is told." if found.model is None else None


def _with_gradients(life: Biography, found: Recorded) -> Biography:
    """Find the gradients that were not recorded by training again up to the last of them."""
    import numpy as np

    from pondera.recording.looks import gradients
    from pondera.recording.replay import replay
    from pondera.report.progress import waiting

    missing = [int(step) for step in life.steps[np.isnan(life.gradients)] if step < life.steps[-1]]
    known: dict[int, float] = {}

    def see(program: Any, rows: Any, point: Any) -> None:
        known[point.step] = float(gradients(program, point, rows)[life.name][life.index])

    if missing:
        with waiting(f"training again up to step {max(missing):,}, for gradients that were not recorded"):
            replay(*found.again(life.part), missing, see)
    return life.with_gradients(known)
