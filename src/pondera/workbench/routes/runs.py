"""Runs: their list, their curves, their networks as drawn."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query

from pondera.errors import ArgumentError, ModelFileError, PonderaError
from pondera.recording.process import writer_of
from pondera.recording.schema import DATABASE
from pondera.workbench.bench import ERRORS, Bench, Shared, command_line
from pondera.workbench.options import options_of
from pondera.workbench.routes.shapes import (
    Bin,
    Curves,
    Drawing,
    Drawn,
    Frames,
    Health,
    One,
    Outcome,
    Runs,
    Spread,
    Strengths,
    WithoutRun,
)
from pondera.workbench.trainings import STOPPED_BEFORE

router = APIRouter(tags=["runs"], responses=ERRORS)

POINTS = 300
"""Of a curve of the learning rate or of gradients, at most."""

IN_NOTEBOOKS = "# needs: pip install 'pondera[notebook]'"
"""What is said beside Python that an install without extras does not run."""

RunName = Annotated[str, Query(description="The folder of a run.", min_length=1)]
Step = Annotated[int, Query(description="A step of training, from 0.", ge=0, le=2**62)]
TensorName = Annotated[str, Query(description="The name of a tensor.")]
Network = Annotated[
    int | None, Query(description="Which of the networks that /api/run lists; the first of them.", ge=0, le=2**31)
]


@router.get("/api/runs")
def runs(
    bench: Shared,
    run: Annotated[list[str], Query(description="Those to list; all of the folder.")] = [],  # noqa: B006
) -> Runs:
    """List runs, and the settings in which they differ; one that is damaged says so."""
    from pondera.recording.overview import by_beginning
    from pondera.report.runs import runs_json

    names = run or bench.listing.runs()
    found = sorted((_overview(bench, name) for name in names), key=by_beginning)
    told: dict[str, Any] = runs_json(found)
    for each in told["runs"]:
        each["activity"] = bench.trainings.activity(each["run"]) if each["problem"] is None else "ended"
    begun = [] if run else [{"run": name, **bench.trainings.told(name)} for name in bench.trainings.without_run()]
    return Runs(
        **told,
        without_run=[WithoutRun.model_validate(each) for each in begun],
        left_out=None if run else bench.listing.now().left_out,
        command=command_line("runs", [], run),
    )


@router.get("/api/run")
def one(bench: Shared, run: RunName) -> One:
    """Return a run at a glance: its state, settings, tensors, and what its process does now."""
    from pondera.recording.networks import networks_of

    folder = bench.served.run(run)
    told: dict[str, Any] = _overview(bench, run).to_json() | pulse_of(bench, run, None)
    with open_run(bench, run) as opened:
        identity = opened.about.get("identity") or {}
        about = {name: opened.about.get(name) for name in ("source", "target", "task", "machine", "versions", "level")}
        tensors = {name: list(shape) for name, shape in opened.tensors().items()}
        networks, first = networks_of(opened), opened.parts[:1]
        architecture = identity.get("architecture")
        trained = _trained(bench, run, opened.about)
    place = folder / "model.safetensors"
    model = bench.served.name(place) if place.exists() else None
    more = {
        "about": about,
        "architecture": architecture,
        "tensors": tensors,
        "networks": sorted({*first, *networks.kept}),
        "averaged": networks.averaged,
        "model": model,
        "trained": trained,
        "command": command_line("show", [], [model]) if model else command_line("runs", [], [run]),
    }
    return One(**told | more)


@router.get("/api/run/curves")
def curves(
    bench: Shared,
    run: RunName,
    epoch: Annotated[int, Query(description="The first.", ge=0, le=2**62)] = 0,
    network: Network = None,
) -> Curves:
    """Return the figures of epochs from one on, and learning rate and gradient norm by step, averaged."""
    import numpy as np

    from pondera.workbench.drawing import curve

    with open_run(bench, run) as opened:
        part = part_of(opened, network)
        steps = opened.steps(part)
        norms = curve(steps.first, steps.norms, POINTS)
        of_norms = f"pondera.runs.open({run!r}).steps({part})"
        return Curves(
            epochs=opened.epochs(part, epoch),
            rates=curve(steps.first, steps.rates, POINTS),
            norms=norms,
            norms_python=f"from pondera.workbench.drawing import curve; steps = {of_norms}; "
            f"curve(steps.first, steps.norms, {POINTS})",
            joined=len(norms) < int(np.isfinite(steps.norms).sum()),
            kept=opened.kept(part),
            command=command_line("runs", ["--json"], [run]),
            python=f"pondera.runs.open({run!r}).epochs({part or ''})",
        )


@router.get("/api/run/health")
def health(bench: Shared, run: RunName) -> Health:
    """Say what is wrong with a training, so far or in the end: what ``pondera check`` prints."""
    from pondera.recording.health.changes import flags
    from pondera.recording.health.check import check

    folder = bench.served.run(run)
    found = bench.kept.of(files_of(folder), "health", lambda: check(folder))
    options = "" if found.framework else flags(found.changes)
    return Health(command=command_line("check", [], [run]), answer=found.to_json() | {"run": run}, options=options)


@router.get("/api/run/outcome")
def outcome(bench: Shared, run: RunName) -> Outcome:
    """Say how well the model that a training led to predicts rows that it never saw, beside simpler ones."""
    from pondera.model.file import record

    model = bench.served.run(run) / "model.safetensors"
    kept = bench.kept.of([model], "record", lambda: record(model))
    more = {
        "command": command_line("show", [], [bench.served.name(model)]),
        "networks": len(kept.get("fits") or "1"),
    }
    try:
        found = Outcome.model_validate({**kept.get("notes", {}), **more})
        found.model_dump_json()  # letters that no text can have are found by it
        return found
    except (ValueError, TypeError, AttributeError):
        raise ModelFileError(f"{run}: notes are kept with the model that pondera train does not write.") from None


@router.get("/api/run/network")
def network_of(bench: Shared, run: RunName, network: Network = None) -> Drawing:
    """Return what is drawn of a network: its matrices, which of their weights, and at which steps they are known."""
    from pondera.workbench.drawing import drawn

    with open_run(bench, run) as opened:
        names = {side: opened.about.get(side) for side in ("inputs", "outputs")}
        part = part_of(opened, network)
        matrices, steps = drawn(opened, part)
    return Drawing(
        matrices=[Drawn(**each.to_json()) for each in matrices],
        steps=steps,
        **{side: [str(each) for each in named] if isinstance(named, list) else None for side, named in names.items()},
        command=None,
        python=f"pondera.widgets.replay({run!r}{f', part={part}' if part else ''})  {IN_NOTEBOOKS}",
    )


@router.get("/api/run/frames")
def frames(
    bench: Shared,
    run: RunName,
    steps: Annotated[str, Query(description="Recorded steps, separated by commas.", pattern=r"^\d{1,18}(,\d{1,18})*$")],
    network: Network = None,
) -> Frames:
    """Return the weights that are drawn at recorded steps: base64 of float32, step by step, matrix by matrix."""
    from pondera.workbench.drawing import MOST_FRAMES, drawn
    from pondera.workbench.drawing import frames as drawn_frames

    wanted = [int(step) for step in steps.split(",")][:MOST_FRAMES]
    with open_run(bench, run) as opened:
        part = part_of(opened, network)
        matrices, _ = drawn(opened, part)
        return Frames(
            matrices=[Drawn(**each.to_json()) for each in matrices],
            steps=wanted,
            values=b64encode(drawn_frames(opened, matrices, wanted, part)).decode(),
        )


@router.get("/api/run/histogram")
def histogram(bench: Shared, run: RunName, tensor: TensorName, step: Step, network: Network = None) -> Spread:
    """Return how the values of a tensor were spread at the recorded step nearest to one."""
    import numpy as np

    with open_run(bench, run) as opened:
        found = opened.tensor(tensor, part_of(opened, network))
        if len(found.steps) == 0:
            raise ArgumentError(f"{tensor}: nothing was recorded of it. Ask again when training has begun.")
        at = int(np.abs(found.steps - step).argmin())
        figures = found.figures[at]
        low, high = figures.spread.edges
        bins = [
            Bin.model_validate({"from": float(a), "to": float(b), "count": int(n)})
            for a, b, n in zip(low, high, figures.spread.counts, strict=True)
            if np.isfinite([a, b]).all()
        ]
        step = int(found.steps[at])
        return Spread(tensor=tensor, step=step, bins=bins, norm=_finite(figures.norm))


@router.get("/api/run/unit/strengths")
def unit_strengths(
    bench: Shared,
    run: RunName,
    column: Annotated[int, Query(description="Of the drawing; 0 are the inputs.", ge=0, le=10_000)],
    unit: Annotated[int, Query(description="From 0.", ge=0, le=2**31)],
    step: Step,
    network: Network = None,
) -> Strengths:
    """Return what comes into a unit and goes out of it at the recorded step nearest to one, beside its layer."""
    from pondera.workbench.units import strengths

    with open_run(bench, run) as opened:
        return Strengths.model_validate(strengths(opened, column, unit, step, part_of(opened, network)))


def pulse_of(bench: Bench, run: str, network: int | None) -> dict[str, Any]:
    """Return what a run does now, short enough to be told every second."""
    told: dict[str, Any] = {"activity": "ended", "error": None}
    try:
        told |= bench.trainings.told(run)
        told.pop("log")
        if bench.trainings.was_stopped_before(run):
            return told | {"there": False, "problem": STOPPED_BEFORE, "stopped": True}
        folder = bench.served.run(run)
        if not (folder / DATABASE).exists():
            return told | {"there": False, "problem": None}
        with open_run(bench, run) as opened:
            part = part_of(opened, network)
            told |= {
                "there": True,
                "problem": None,
                "state": opened.state,
                "steps": opened.taken,
                "epochs": opened.epochs_taken(part),
                "recorded": _count(opened, "looks", part),
                "latest": _latest(opened, part),
                "networks": list(opened.parts),
                "epochs_of_all": opened.epochs_taken(),
                "recorded_of_all": _count(opened, "looks"),
                "planned": ((opened.about.get("identity") or {}).get("plan") or {}).get("epochs"),
                "saved": writer_of(folder) is None and (folder / "model.safetensors").exists(),
            }
    except (PonderaError, OSError) as error:
        told |= {"there": False, "problem": bench.served.without_root(str(error))}
    return told


def _latest(run: Any, part: int) -> str | None:
    """Return the figures of the last epoch of a network, as JSON."""
    found = run.database.execute("SELECT figures FROM epochs WHERE part = ? ORDER BY epoch DESC LIMIT 1", (part,))
    latest = found.fetchone()
    return None if latest is None else str(latest[0])


def _count(run: Any, table: str, part: int | None = None) -> int:
    """Return how many rows a table has, of one network or of all."""
    (found,) = run.database.execute(
        f"SELECT count(*) FROM {table} WHERE part = ifnull(?, part)",
        (part,),
    ).fetchone()
    return int(found)


@contextmanager
def open_run(bench: Bench, name: str) -> Iterator[Any]:
    """Open a run to read, also while training writes to it; what is wrong with it is a sentence."""
    from pondera.recording.damaged import recorded
    from pondera.recording.run import Run

    folder = bench.served.run(name)
    with recorded(folder), Run(folder) as run:
        yield run


def part_of(run: Any, network: int | None) -> int:
    """Return which part of a run is shown.

    Raises
    ------
    ArgumentError
        If there is no network of that number.
    """
    parts: tuple[int, ...] = run.parts
    if network is None:
        return parts[0] if parts else 0
    if network not in parts:
        known = ", ".join(map(str, parts)) or "none yet"
        raise ArgumentError(f"There is no network {network} in this run. Its networks are: {known}.")
    return network


def _overview(bench: Bench, name: str) -> Any:
    """Return a run at a glance, under the name that pages call it by; one that cannot be read says why."""
    from pondera.recording.overview import Overview, overview

    try:
        folder = bench.served.run(name)
        found: Overview = bench.kept.of(files_of(folder), "overview", lambda: overview(folder))
    except ArgumentError as error:
        found = Overview(Path(name), "damaged", "", 0, 0, {}, (), None, "", str(error))
    return replace(found, folder=Path(name), problem=bench.served.without_root(found.problem))


def _trained(bench: Bench, run: str, about: Mapping[str, Any]) -> str | None:
    """Return what to type to train a run as it was; None where it was no command of ours that did."""
    if "arguments" not in about:
        return None
    given = dict(about["arguments"])
    table, test = (_named(bench, given.pop(name, None)) for name in ("table", "test"))
    options = options_of({**given, "test": test, "record": about.get("level")})
    return command_line("train", [*options, f"--out={run}"], [table] if table else [])


def _named(bench: Bench, place: Any) -> str | None:
    """Return what a command that is run in the folder calls a table: its name where it is in the folder."""
    if not isinstance(place, str):
        return None
    return bench.served.name(Path(place)) if Path(place).is_relative_to(bench.served.root) else place


def files_of(folder: Path) -> list[Path]:
    """Return the files that change where a run does."""
    return [folder / DATABASE, folder / f"{DATABASE}-wal", folder / "model.safetensors"]


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
