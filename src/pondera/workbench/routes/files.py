"""Files of the folder that is served, and tables among them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

import pondera
from pondera.errors import ArgumentError
from pondera.workbench.bench import ERRORS, Shared
from pondera.workbench.uploads import receive

router = APIRouter(tags=["files"], responses=ERRORS)

Name = Annotated[str, Query(description="Of a file in the folder that is served, parts joined by slashes.")]


class About(BaseModel):
    """What is served, and by what."""

    version: str
    folder: str


class File(BaseModel):
    """A file of the folder, or a run."""

    name: str
    kind: Literal["table", "checkpoint", "snapshot", "run"] = Field(description="A snapshot is a checkpoint of a run.")
    bytes: int
    modified: float = Field(description="When, in seconds since 1970.")


class Files(BaseModel):
    """What is in the folder."""

    files: list[File] = Field(description="By name.")
    left_out: str | None = Field(description="Why there may be others; null where all are listed.")


Value = bool | int | float | str | None
"""Of a table, as JSON can hold it."""


class Column(BaseModel):
    """A column of a table."""

    name: str
    dtype: str
    kind: Literal["numbers", "dates", "truth values", "texts"]
    missing: int
    different: int | None = Field(description="How many values there are; null of lists.")
    values: list[Value] = Field(description="The first that are there.")
    low: float | None = Field(description="The smallest finite number; null where there is none.")
    high: float | None
    task: Literal["classification", "regression"] | None = Field(description="Where it is predicted.")
    problem: str | None = Field(description="Why nothing can be predicted from it; null where something can.")


class Table(BaseModel):
    """What is in a table."""

    rows: int
    columns: list[Column]
    target: str = Field(description="What is predicted, as far as that can be guessed.")
    first: list[list[Value]] = Field(description="The first rows.")
    description: str = Field("", description="Of an example.")


class Example(BaseModel):
    """A table that comes with Pondera."""

    name: str
    target: str
    description: str


class Examples(BaseModel):
    """The tables that come with Pondera."""

    examples: list[Example]


class Uploaded(BaseModel):
    """A file that was put into the folder."""

    name: str
    bytes: int


@router.get("/api/about")
def about(bench: Shared) -> About:
    """Return the version of Pondera, and which folder is served."""
    return About(version=pondera.__version__, folder=bench.served.root.name or "/")


@router.get("/api/files")
def files(bench: Shared) -> Files:
    """List the tables, files of weights and runs of the folder."""
    found = bench.listing.now()
    return Files(files=[File.model_validate(each) for each in found.files], left_out=found.left_out)


@router.put("/api/upload", status_code=201)
async def upload(bench: Shared, request: Request, name: Name) -> Uploaded:
    """Put a file into the folder: a table, or a file of weights. One that is there is never replaced.

    The body is the file. What is no table, or no file of weights, is refused and not kept.
    """
    kept, size = await receive(bench, Path(name).name.lstrip("."), request.stream())  # no file that lists leave out
    bench.listing.forget()
    return Uploaded(name=kept, bytes=size)


@router.get("/api/table")
async def table(
    bench: Shared, file: Name = "", example: Annotated[str, Query(description="Instead of a file.")] = ""
) -> Table:
    """Look at a table: its columns with the types that were found, a guess at the target, and its first rows."""
    if bool(file) == bool(example):
        raise ArgumentError("Give one of both: a file, or the name of an example.")
    if example:
        return Table.model_validate(await run_sync(_example, example))
    return Table.model_validate(await bench.tables.answer(("columns", "--", file), [bench.served.existing(file)]))


@router.get("/api/examples")
def examples() -> Examples:
    """List the tables that come with Pondera to try things on."""
    from pondera.tables.examples import EXAMPLES

    return Examples(
        examples=[
            Example(name=name, target=each.target, description=each.description) for name, each in EXAMPLES.items()
        ]
    )


def _example(name: str) -> dict[str, Any]:
    from pondera.tables.examples import load_example
    from pondera.tables.summary import summary

    frame, target, description = load_example(name)
    return summary(frame, target) | {"description": description}
