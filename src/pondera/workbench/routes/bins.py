"""The bin of runs: put into, looked at, taken out of."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pondera.workbench import bin as runs_bin
from pondera.workbench.bench import ERRORS, Shared
from pondera.workbench.routes.runs import RunName

router = APIRouter(tags=["runs"], responses=ERRORS)


class Moved(BaseModel):
    """A run that was put into the bin."""

    moved_to: str


class Deleted(BaseModel):
    """A run in the bin."""

    name: str = Field(description="Of its folder in the bin.")
    run: str = Field(description="What it was called.")
    deleted: float = Field(description="When, in seconds since 1970.")


class Bin(BaseModel):
    """What is in the bin, the latest first."""

    runs: list[Deleted]


class Wanted(BaseModel):
    """What is to be put back."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Of its folder in the bin.", min_length=1, max_length=400)


class Restored(BaseModel):
    """A run that was put back."""

    run: str = Field(description="What it is called now: its name has a number where another run has taken it.")


@router.delete("/api/run")
def delete(bench: Shared, run: RunName) -> Moved:
    """Put a run into the bin, a folder of the workbench's own; nothing is lost."""
    with bench.trainings.at_rest(run):
        moved = runs_bin.put(bench.served, run)
        bench.trainings.forget(run)
        bench.listing.forget()
        return Moved(moved_to=bench.served.name(moved))


@router.get("/api/bin")
def listed(bench: Shared) -> Bin:
    """List the runs in the bin, the latest first."""
    return Bin(runs=[Deleted(**each) for each in runs_bin.listed(bench.served)])


@router.post("/api/bin/restore")
def restore(bench: Shared, wanted: Wanted) -> Restored:
    """Put a run back to where it was, or beside what is there now."""
    run = runs_bin.restore(bench.served, wanted.name)
    bench.listing.forget()
    return Restored(run=run)
