"""What commands answer of a run: one weight, one unit, one step, what is predicted everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from pondera.errors import PonderaError
from pondera.workbench.bench import ASKED, ERRORS, Bench, Shared
from pondera.workbench.routes.runs import Network, RunName, Step, files_of, open_run
from pondera.workbench.trainings import GOING_ON

router = APIRouter(tags=["runs"], responses=ERRORS)


@router.get("/api/run/weight", responses=ASKED)
async def weight(
    request: Request,
    bench: Shared,
    run: RunName,
    weight: Annotated[str, Query(description="Such as layers.1.weight[3,7].")],
) -> Any:
    """Tell the life of one weight: what ``pondera weight`` prints."""
    return await _ask(request, bench, "weight", [], [run, weight])


@router.get("/api/run/unit", responses=ASKED)
async def unit(
    request: Request, bench: Shared, run: RunName, unit: Annotated[str, Query(description="Such as layers.1[7].")]
) -> Any:
    """Tell what the loss is without a unit, and the life of its bias: what ``pondera unit`` prints."""
    return await _ask(request, bench, "unit", [], [run, unit])


@router.get("/api/run/backprop", responses=ASKED)
async def backprop(
    request: Request,
    bench: Shared,
    run: RunName,
    step: Step,
    weight: Annotated[str, Query(description="Such as layers.1.weight[3,7].")] = "",
) -> Any:
    """Write out every number between a step's batch and a weight's update: what ``pondera backprop`` prints."""
    return await _ask(
        request, bench, "backprop", [f"--step={step}", *([f"--weight={weight}"] if weight else [])], [run]
    )


@router.get("/api/run/surface", responses=ASKED)
async def surface(
    request: Request,
    bench: Shared,
    run: RunName,
    steps: Annotated[int, Query(description="At how many of the recorded steps.", ge=1, le=100)] = 1,
    grid: Annotated[int, Query(description="Places along each column.", ge=2, le=120)] = 48,
    network: Network = None,
) -> Any:
    """Say what a network of two columns predicts everywhere: what ``pondera surface`` prints."""
    options = [f"--steps={steps}", f"--grid={grid}", *([f"--network={network}"] if network is not None else [])]
    return await _ask(request, bench, "surface", options, [run])


async def _ask(request: Request, bench: Bench, command: str, options: list[str], names: list[str]) -> Any:
    """Return what a command says of a run, which may be trained meanwhile."""
    about = files_of(bench.served.run(names[0])) + _table_of(bench, names[0])
    return await bench.ask(request, command, options, names, about, bench.trainings.activity(names[0]) in GOING_ON)


def _table_of(bench: Bench, name: str) -> list[Path]:
    """Return the table that a run was trained on, if that is known and it is one that a command may read."""
    try:
        with open_run(bench, name) as run:
            table = run.about.get("arguments", {}).get("table")
    except PonderaError:
        return []  # the command says what is wrong
    known = isinstance(table, str) and table and "\0" not in table
    return [Path(table)] if known and Path(table).is_relative_to(bench.served.root) else []
