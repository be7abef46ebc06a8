"""Trainings: started, paused, stopped."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pondera.errors import ArgumentError
from pondera.recording.schema import DATABASE
from pondera.workbench.bench import ERRORS, Shared, command_line
from pondera.workbench.options import options_of
from pondera.workbench.routes import shapes
from pondera.workbench.routes.runs import RunName

router = APIRouter(tags=["trainings"], responses=ERRORS)


class Wanted(BaseModel):
    """What is to be trained: the options of ``pondera train``."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(description="The folder that the run goes to.", min_length=1, max_length=200)
    table: str = Field("", description="A file in the folder that is served.", max_length=4000)
    example: str = Field("", description="Instead of a table.", max_length=100)
    target: str = Field("", description="The column to predict.", max_length=1000)
    test: str = Field(
        "", description="A table in the folder to test on, instead of a share of the rows.", max_length=4000
    )
    test_fraction: float | None = Field(None, ge=0, lt=1, allow_inf_nan=False)
    task: Literal["", "classification", "regression"] = ""
    recipe: Literal["strong", "plain"] = "strong"
    hidden: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], description="Units of the hidden layers; none for the recipe's.", max_length=50
    )
    activation: str = Field("", max_length=100)
    epochs: int | None = Field(None, ge=1, le=10_000_000)
    batch_size: int | None = Field(None, ge=1, le=10_000_000)
    learning_rate: float | None = Field(None, gt=0, le=1e6, allow_inf_nan=False)
    seeds: int = Field(1, description="How many networks are trained and averaged.", ge=1, le=1000)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    drop: list[str] = Field(default=[], description="Columns to leave out.", max_length=10_000)
    categorical: list[str] = Field(default=[], description="Columns whose numbers are categories.", max_length=10_000)
    record: Literal["default", "full"] = "default"


class Line(BaseModel):
    """What to type."""

    command: str = Field(description="The command line that does the same.")


class Started(Line):
    """A training that was started."""

    run: str


class Activity(BaseModel):
    """What a training does now."""

    activity: shapes.Activity
    error: str | None
    log: str


@router.post("/api/training", status_code=201)
def start(bench: Shared, wanted: Wanted) -> Started:
    """Start a training in a process that outlives the page and the server."""
    if bool(wanted.table) == bool(wanted.example):
        raise ArgumentError("Give one of both: a table, or the name of an example.")
    folder = bench.served.path(wanted.run)
    if folder == bench.served.root:
        raise ArgumentError("Expected a name for the run. Give one, such as 'houses'.")
    if wanted.run.startswith((".", "-")):
        raise ArgumentError(f"{wanted.run!r}: the name of a run begins with a letter or a digit. Give another.")
    if folder.exists() and (folder.is_file() or (any(folder.iterdir()) and not (folder / DATABASE).exists())):
        raise ArgumentError(f"{wanted.run!r} is there already, and is no run. Give the run another name.")
    if wanted.table:
        bench.served.existing(wanted.table)
    if wanted.test:
        bench.served.existing(wanted.test)
    bench.trainings.start(wanted.run, _options(wanted), wanted.table)
    return Started(run=wanted.run, command=_line(wanted))


@router.post("/api/training/command")
def command(wanted: Wanted) -> Line:
    """Return what to type for a training that is not started."""
    return Line(command=_line(wanted))


@router.get("/api/training")
def activity(bench: Shared, run: RunName) -> Activity:
    """Return what a training does now, and what it said."""
    return Activity(**bench.trainings.told(run))


@router.delete("/api/training")
def forget(bench: Shared, run: RunName) -> Activity:
    """Throw away what a training said that is over; its run stays where it is."""
    bench.trainings.forget(run)
    return Activity(**bench.trainings.told(run))


@router.post("/api/training/pause")
def pause(bench: Shared, run: RunName) -> Activity:
    """Have a training wait, after half a second of steps at most."""
    bench.trainings.pause(run)
    return Activity(**bench.trainings.told(run))


@router.post("/api/training/continue")
def go_on(bench: Shared, run: RunName) -> Activity:
    """Have a training that waits go on, and one whose process died go on where its last state was written."""
    bench.trainings.go_on(run)
    return Activity(**bench.trainings.told(run))


@router.post("/api/training/stop")
def stop(bench: Shared, run: RunName) -> Activity:
    """End a training; its best weights so far are kept and saved."""
    bench.trainings.stop(run)
    return Activity(**bench.trainings.told(run))


def _options(wanted: Wanted) -> list[str]:
    """Return what is wanted as options of ``pondera train``."""
    lists = {
        "hidden": ",".join(map(str, wanted.hidden)),
        "drop": _listed(wanted.drop),
        "categorical": _listed(wanted.categorical),
    }
    return options_of(wanted.model_dump(exclude={"run", "table"}) | lists)


def _line(wanted: Wanted) -> str:
    """Return what to type for the same."""
    return command_line("train", [*_options(wanted), f"--out={wanted.run}"], [wanted.table] if wanted.table else [])


def _listed(names: list[str]) -> str:
    """Return names as a list on the command line; one that holds a comma or a quote stands in double quotes."""
    return ",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',"') else name for name in names)
