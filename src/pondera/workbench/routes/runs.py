"""Runs: their list, their curves, their networks as drawn, their weights one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, StreamingResponse

from pondera.errors import ArgumentError, PonderaError
from pondera.workbench.bench import ASKED, ERRORS, Bench, Shared
from pondera.workbench.served import OWN

router = APIRouter(tags=["runs"], responses=ERRORS)

POINTS = 1200
"""Of a curve, at most."""

RunName = Annotated[str, Query(description="The folder of a run.", min_length=1)]
Step = Annotated[int, Query(description="A step of training, from 0.", ge=0, le=2**62)]
TensorName = Annotated[str, Query(description="The name of a tensor.")]


@router.get("/api/runs")
def runs(bench: Shared) -> dict[str, Any]:
    """List the runs of the folder, and the settings in which they differ."""
    from pondera.recording.overview import overview
    from pondera.recording.runs import found_in
    from pondera.report.runs import runs_json

    root = bench.served.root
    folders = [each for each in found_in(root) if OWN not in each.relative_to(root).parts and not each.is_symlink()]
    found = sorted(
        (bench.kept.of(_files(each), "overview", lambda each=each: overview(each)) for each in folders),  # type: ignore[misc]
        key=lambda each: (each.began, str(each.folder)),
    )
    told = runs_json(found)
    for each in told["runs"]:
        each["run"] = _named(bench, Path(each["run"]))
        each["activity"] = bench.trainings.activity(each["run"])
    return told | {"command": "pondera runs"}


@router.get("/api/run")
def one(bench: Shared, run: RunName) -> dict[str, Any]:
    """Return a run at a glance: its state, settings, tensors, and what its process does now."""
    from pondera.recording.overview import overview

    folder = run_folder(bench, run)
    told = overview(folder).to_json() | {"run": run} | pulse_of(bench, run)
    with open_run(folder) as opened:
        identity = opened.about.get("identity") or {}
        about = {name: opened.about.get(name) for name in ("source", "target", "task", "machine", "versions", "level")}
        tensors = {name: list(shape) for name, shape in opened.tensors().items()}
        parts = list(opened.parts)
    return told | {
        "about": about,
        "architecture": identity.get("architecture"),
        "tensors": tensors,
        "networks": parts,
        "model": f"{run}/model.safetensors" if (folder / "model.safetensors").exists() else None,
    }


@router.get(
    "/api/run/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}}
)
async def events(bench: Shared, run: RunName) -> Any:
    """Tell what a training does, whenever that changes: server-sent events of what ``/api/run`` says of it."""
    bench.served.path(run)
    if bench.pulses.full:
        return JSONResponse({"error": "Too many pages listen. Close some."}, 503)
    return StreamingResponse(bench.pulses.stream(run), media_type="text/event-stream")


@router.get("/api/run/curves")
def curves(
    bench: Shared, run: RunName, epoch: Annotated[int, Query(description="The first.", ge=0, le=2**62)] = 0
) -> dict[str, Any]:
    """Return the figures of epochs from one on, and loss, learning rate and gradient norm by step, averaged."""
    from pondera.workbench.drawing import curve

    with open_run(run_folder(bench, run)) as opened:
        part = first_part(opened)
        steps = opened.steps(part)
        return {
            "epochs": opened.epochs(part, epoch),
            "losses": curve(steps.first, steps.losses, POINTS),
            "rates": curve(steps.first, steps.rates, POINTS // 4),
            "norms": curve(steps.first, steps.norms, POINTS // 4),
            "kept": opened.kept(part),
        }


@router.get("/api/run/health")
def health(bench: Shared, run: RunName) -> dict[str, Any]:
    """Say what is wrong with a training, so far or in the end: what ``pondera check`` prints."""
    from pondera.recording.health.check import check

    folder = run_folder(bench, run)
    found = bench.kept.of(_files(folder), "health", lambda: check(folder)).to_json()
    return {"command": f"pondera check {run}", "answer": found | {"run": run}}


@router.get("/api/run/network")
def network(bench: Shared, run: RunName) -> dict[str, Any]:
    """Return what is drawn of a network: its matrices, which of their weights, and at which steps they are known."""
    from pondera.workbench.drawing import drawn

    folder = run_folder(bench, run)
    with open_run(folder) as opened:
        matrices, steps = drawn(opened, first_part(opened))
    return {"matrices": [each.to_json() for each in matrices], "steps": steps, "inputs": _input_names(bench, folder)}


@router.get("/api/run/frames")
def frames(
    bench: Shared,
    run: RunName,
    steps: Annotated[str, Query(description="Recorded steps, separated by commas.", pattern=r"^\d{1,18}(,\d{1,18})*$")],
    places: Annotated[str, Query(description="The names of the matrices that are drawn, separated by commas.")] = "",
) -> dict[str, Any]:
    """Return the weights that are drawn at recorded steps: base64 of float32, step by step, matrix by matrix."""
    from pondera.workbench.drawing import MOST_FRAMES, drawn
    from pondera.workbench.drawing import frames as drawn_frames

    wanted = [int(step) for step in steps.split(",")][:MOST_FRAMES]
    folder = run_folder(bench, run)
    with open_run(folder) as opened:
        part = first_part(opened)
        matrices, _ = drawn(opened, part)
        named = set(places.split(",")) if places else None
        matrices = [each for each in matrices if named is None or each.name in named]
        return {
            "matrices": [each.to_json() for each in matrices],
            "steps": wanted,
            "values": drawn_frames(opened, matrices, wanted, part),
        }


@router.get("/api/run/histogram")
def histogram(bench: Shared, run: RunName, tensor: TensorName, step: Step) -> dict[str, Any]:
    """Return how the values of a tensor were spread at the recorded step nearest to one."""
    import numpy as np

    with open_run(run_folder(bench, run)) as opened:
        found = opened.tensor(tensor, first_part(opened))
    if len(found.steps) == 0:
        raise ArgumentError(f"{tensor}: nothing was recorded of it. Ask again when training has begun.")
    at = int(np.abs(found.steps - step).argmin())
    figures = found.figures[at]
    low, high = figures.spread.edges
    bins = [
        {"from": float(a), "to": float(b), "count": int(n)}
        for a, b, n in zip(low, high, figures.spread.counts, strict=True)
        if np.isfinite([a, b]).all()
    ]
    return {"tensor": tensor, "step": int(found.steps[at]), "bins": bins, "norm": _finite(figures.norm)}


@router.get("/api/run/weight", responses=ASKED)
async def weight(
    bench: Shared, run: RunName, weight: Annotated[str, Query(description="Such as layers.1.weight[3,7].")]
) -> Any:
    """Tell the life of one weight: what ``pondera weight`` prints."""
    folder = run_folder(bench, run)
    return await bench.ask("weight", [], [run, weight], _files(folder))


@router.get("/api/run/unit/strengths")
def unit_strengths(
    bench: Shared,
    run: RunName,
    column: Annotated[int, Query(description="Of the drawing; 0 are the inputs.", ge=0, le=10_000)],
    unit: Annotated[int, Query(description="From 0.", ge=0, le=2**31)],
    step: Step,
) -> dict[str, Any]:
    """Return what comes into a unit and goes out of it at the recorded step nearest to one, beside its layer."""
    from pondera.workbench.units import strengths

    with open_run(run_folder(bench, run)) as opened:
        return strengths(opened, column, unit, step, first_part(opened))


@router.get("/api/run/unit", responses=ASKED)
async def unit(bench: Shared, run: RunName, unit: Annotated[str, Query(description="Such as layers.1[7].")]) -> Any:
    """Tell what the loss is without a unit, and the life of its bias: what ``pondera unit`` prints."""
    folder = run_folder(bench, run)
    return await bench.ask("unit", [], [run, unit], _files(folder))


@router.get("/api/run/backprop", responses=ASKED)
async def backprop(
    bench: Shared,
    run: RunName,
    step: Step,
    weight: Annotated[str, Query(description="Such as layers.1.weight[3,7].")] = "",
) -> Any:
    """Write out every number between a step's batch and a weight's update: what ``pondera backprop`` prints."""
    folder = run_folder(bench, run)
    options = [f"--step={step}", *([f"--weight={weight}"] if weight else [])]
    return await bench.ask("backprop", options, [run], _files(folder))


@router.get("/api/run/surface", responses=ASKED)
async def surface(
    bench: Shared,
    run: RunName,
    steps: Annotated[int, Query(description="At how many of the recorded steps.", ge=1, le=100)] = 1,
    grid: Annotated[int, Query(description="Places along each column.", ge=2, le=120)] = 48,
) -> Any:
    """Say what a network of two columns predicts everywhere: what ``pondera surface`` prints."""
    folder = run_folder(bench, run)
    # While it is trained the files change all the time; which steps were recorded is what the answer depends on.
    options = [f"--steps={steps}", f"--grid={grid}"]
    return await bench.ask("surface", options, [run], _files(folder) if steps == 1 else _ended(folder))


def pulse_of(bench: Bench, run: str) -> dict[str, Any]:
    """Return what a run does now, short enough to be told four times a second."""
    told: dict[str, Any] = bench.trainings.told(run)
    told.pop("log")
    try:
        folder = bench.served.path(run)
        with open_run(folder) as opened:
            part = first_part(opened)
            database = opened.database
            last = database.execute("SELECT figures FROM epochs WHERE part = ? ORDER BY epoch DESC LIMIT 1", (part,))
            (recorded,) = database.execute("SELECT count(*) FROM looks WHERE part = ?", (part,)).fetchone()
            (epochs,) = database.execute("SELECT count(*) FROM epochs WHERE part = ?", (part,)).fetchone()
            latest = last.fetchone()
            told |= {
                "there": True,
                "state": opened.state,
                "steps": opened.taken,
                "epochs": epochs,
                "recorded": recorded,
                "latest": None if latest is None else latest[0],
                "planned": ((opened.about.get("identity") or {}).get("plan") or {}).get("epochs"),
                "saved": (folder / "model.safetensors").exists(),
            }
    except PonderaError:
        told |= {"there": False}
    return told


def run_folder(bench: Bench, run: str) -> Path:
    """Return the folder of a run, once it is sure that nothing that is read of it is a link.

    Raises
    ------
    ArgumentError
        If something is, or nothing is there.
    """
    folder = bench.served.existing(run)
    for name in ("run.sqlite", "model.safetensors", "snapshots", "states"):
        if (folder / name).is_symlink():
            raise ArgumentError(f"{run!r} holds a link, which is not followed. Serve the folder that it leads to.")
    return folder


def open_run(folder: Path) -> Any:
    """Open a run to read; also while training writes to it."""
    from pondera.recording.run import Run

    return Run(folder)


def first_part(run: Any) -> int:
    """Return the number of the part of a run that is shown."""
    parts: tuple[int, ...] = run.parts
    return parts[0] if parts else 0


def _files(folder: Path) -> list[Path]:
    """Return the files that change where a run does."""
    return [folder / "run.sqlite", folder / "run.sqlite-wal", folder / "model.safetensors"]


def _ended(folder: Path) -> list[Path]:
    """Return the file that changes where a training ends."""
    return [folder / "model.safetensors"]


def _named(bench: Bench, folder: Path) -> str:
    return "." if folder == bench.served.root else bench.served.name(folder)


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _input_names(bench: Bench, folder: Path) -> list[str] | None:
    """Return the names of a network's inputs, once its model is there."""
    place = folder / "model.safetensors"
    if not place.exists():
        return None

    def read() -> list[str]:
        from pondera.model.file import load

        return [each.name for each in load(place)[0].encoding.inputs]

    try:
        return bench.kept.of([place], "inputs", read)
    except PonderaError:
        return None
