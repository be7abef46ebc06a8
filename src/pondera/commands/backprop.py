"""``pondera backprop``: every number between a row and what training makes of a weight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pondera.commands.options import whole_number

if TYPE_CHECKING:
    from pondera.report.backpropagation import Shown


def backprop(
    model: Annotated[Path, typer.Argument(help="A model.safetensors of pondera train, or the folder of a run.")],
    table: Annotated[
        Path | None, typer.Argument(help="A CSV, TSV, Parquet or Arrow file with the target's column.")
    ] = None,
    example: Annotated[
        str | None, typer.Option(help="Instead of a table: breast_cancer, digits, wine, iris or diabetes.")
    ] = None,
    row: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="Follow this row, numbered from 0.")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="T", help="Of a run: follow the batch of this step, from 0."),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(
            help="Write this weight's update out, such as 'layers.1.weight[3,7]'.",
            metavar="NAME[I,J]",
            show_default="that of the largest gradient",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Follow a row forward and its error back: outputs, error signals, gradients, and the update of a weight."""
    from pondera.errors import ArgumentError
    from pondera.report.backpropagation import backpropagation_json, show_backpropagation
    from pondera.report.terminal import print_json, results

    if (row is None) == (step is None):
        raise ArgumentError("Give one of both: --row N of a table, or --step T of a run.")
    if step is not None and example is not None:
        raise ArgumentError("--step T follows a run, which knows its rows. Leave out --example.")
    if step is None:
        found = _of_row(model, table, example, int(row or 0), weight)
    else:
        found = _of_step(model, table, step, weight)
    if json:
        print_json(backpropagation_json(found))
    else:
        show_backpropagation(results(), found)


def _of_row(place: Path, table: Path | None, example: str | None, row: int, weight: str | None) -> Shown:
    """Follow one row through the network as it is, in float64, and take a first step at its plan's largest rate."""
    import numpy as np

    from pondera.choice import Choice, outside
    from pondera.commands.places import weight_place
    from pondera.commands.recorded import table_of
    from pondera.commands.training import answers_of, rows_of_model
    from pondera.errors import ArgumentError
    from pondera.model.file import load
    from pondera.network.network import Network
    from pondera.network.precision import precision
    from pondera.report.backpropagation import Shown
    from pondera.report.biography import network_in
    from pondera.training.backpropagation import trace
    from pondera.training.epoch import Program
    from pondera.training.plan import Plan
    from pondera.training.update import WRITTEN, update_of

    loaded, _ = load(place / "model.safetensors" if place.is_dir() else place)
    if table is None and example is None and place.is_dir():
        table, example = table_of(place)
    frame = rows_of_model(loaded, table, example)
    if not 0 <= row < frame.height:
        raise ArgumentError(outside("--row: the table has", frame.height, "row", row))
    one = frame[row : row + 1]
    named, name, index = (0, "", ()) if weight is None else weight_place(weight, "--weight")
    part = named or 0
    if part >= len(loaded.networks):
        raise ArgumentError(outside("--weight: the model has", len(loaded.networks), "network", part))
    before = loaded.networks[part]
    weights = {key: np.asarray(value, np.float64) for key, value in before.weights.items()}
    network = Network(before.architecture, weights)
    x = loaded.inputs(one)[0].astype(np.float64)
    found = trace(network, x, answers_of(loaded, one), loaded.loss)
    name, index = (name, index) if weight is not None else _largest(found)
    plan = Plan.from_json(loaded.record["plan"])
    update = None
    if isinstance(plan.optimizer, Choice) and plan.optimizer.name in WRITTEN:
        with precision([x]):
            program = Program(
                network.architecture, Choice.of(plan.loss), plan.optimizer, plan.decay, plan.gradient_clip, plan.factors
            )
            state = program.start(dict(network.weights), plan.seed)
            update = update_of(plan, state, found.gradients, name, index, plan.peak)
    where = network_in(str(place), part, len(loaded.networks))
    return Shown(f"row {row}", where, found, name, index, update, plan.optimizer, None)


def _of_step(place: Path, table: Path | None, step: int, weight: str | None) -> Shown:
    """Train again up to a step, and follow its batch with the state that training had."""
    import jax
    import numpy as np

    from pondera.choice import Choice, outside
    from pondera.commands.places import weight_place
    from pondera.commands.recorded import recorded
    from pondera.errors import ArgumentError
    from pondera.network.network import Network
    from pondera.recording import runs
    from pondera.recording.replay import replay
    from pondera.report.backpropagation import Shown
    from pondera.report.biography import network_in
    from pondera.report.progress import waiting
    from pondera.training.backpropagation import trace
    from pondera.training.update import WRITTEN, update_of

    named, name, index = (0, "", ()) if weight is None else weight_place(weight, "--weight")
    part = named or 0
    with runs.open(place) as run:
        if not 0 <= step < run.taken:
            raise ArgumentError(outside("--step: the training took", run.taken, "step", step))
        found = recorded(run, table)
        model, rows, plan = found.again(part)
        where = network_in(str(place), part, len(run.parts))
    seen: list[Any] = []
    with waiting(f"training again up to step {step:,}"):
        replay(model, rows, plan, [step], lambda *shown: seen.append(shown))
    _, rows, point = seen[0]
    picked = np.asarray(point.order.rows[point.i])
    present = np.asarray(point.order.present[point.i])
    network = Network(found.ready.architecture, {key: np.asarray(value) for key, value in point.before.weights.items()})
    with model.precision:
        key = jax.random.fold_in(point.before.key, point.before.step)
        traced = trace(
            network,
            np.asarray(rows.x)[picked],
            np.asarray(rows.targets)[picked],
            plan.loss,
            sample_weight=np.asarray(rows.weights)[picked] * present,
            key=key,
        )
        name, index = (name, index) if weight is not None else _largest(traced)
        update = None
        if isinstance(plan.optimizer, Choice) and plan.optimizer.name in WRITTEN:
            rate = float(np.asarray(point.order.rates)[point.i])
            update = update_of(plan, point.before, traced.gradients, name, index, rate)
    trained = float(np.asarray(point.after.weights[name])[index])
    return Shown(f"the batch of step {step:,}", where, traced, name, index, update, plan.optimizer, trained)


def _largest(found: Any) -> tuple[str, tuple[int, ...]]:
    """Return the weight of a dense layer whose gradient is largest."""
    import numpy as np

    of_dense = {
        name: value
        for layer in found.layers
        if layer.signals is not None
        for name, value in layer.gradients.items()
        if np.ndim(value) == 2
    }
    name = max(of_dense, key=lambda each: float(np.abs(of_dense[each]).max()))
    place = np.unravel_index(int(np.abs(of_dense[name]).argmax()), np.shape(of_dense[name]))
    return name, tuple(int(at) for at in place)
