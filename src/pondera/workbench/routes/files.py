"""Files of the folder that is served, and tables among them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

import pondera
from pondera.errors import ArgumentError, PonderaError
from pondera.workbench.bench import ERRORS, Shared
from pondera.workbench.uploads import receive

router = APIRouter(tags=["files"], responses=ERRORS)

SHOWN_ROWS, SHOWN_VALUES = 8, 12

Name = Annotated[str, Query(description="Of a file in the folder that is served, parts joined by slashes.")]


class About(BaseModel):
    """What is served, and by what."""

    version: str
    folder: str


class Uploaded(BaseModel):
    """A file that was put into the folder."""

    name: str
    bytes: int


@router.get("/api/about")
def about(bench: Shared) -> About:
    """Return the version of Pondera, and which folder is served."""
    return About(version=pondera.__version__, folder=bench.served.root.name or "/")


@router.get("/api/files")
def files(bench: Shared) -> dict[str, list[dict[str, Any]]]:
    """List the tables, files of weights and runs of the folder."""
    return {"files": bench.served.files()}


@router.put("/api/upload", status_code=201)
async def upload(bench: Shared, request: Request, name: Name) -> Uploaded:
    """Put a file into the folder: a table, or a file of weights. One that is there is never replaced.

    The body is the file. What is no table, or no file of weights, is refused and not kept.
    """
    kept, size = await receive(bench.served, Path(name).name if name else name, request.stream())
    return Uploaded(name=kept, bytes=size)


@router.get("/api/table")
def table(bench: Shared, file: Name = "", example: Annotated[str, Query(description="Instead of a file.")] = "") -> Any:
    """Look at a table: its columns with the types that were found, a guess at the target, and its first rows."""
    if bool(file) == bool(example):
        raise ArgumentError("Give one of both: a file, or the name of an example.")
    if example:
        return _example(example)
    place = bench.served.existing(file)
    return bench.kept.of([place], "table", lambda: _described(place))


@router.get("/api/examples")
def examples() -> dict[str, Any]:
    """List the tables that come with Pondera to try things on."""
    from pondera.tables.examples import EXAMPLES

    return {
        "examples": [
            {"name": name, "target": each.target, "description": each.description} for name, each in EXAMPLES.items()
        ]
    }


def _example(name: str) -> dict[str, Any]:
    from pondera.tables.examples import load_example

    frame, target, description = load_example(name)
    return _columns(frame, target) | {"description": description}


def _described(place: Path) -> dict[str, Any]:
    from pondera.tables.read import read_table

    frame = read_table(place)
    fine = [series.name for series in frame if _problem(series) is None]
    return _columns(frame, (fine or frame.columns)[-1]) | {"description": ""}


def _columns(frame: Any, target: str) -> dict[str, Any]:
    """Return what a page shows of a table."""
    from pondera.tables.target import decide_task

    columns = []
    for series in frame:
        known = series.drop_nulls()
        columns.append(
            {
                "name": series.name,
                "dtype": str(series.dtype),
                "kind": _kind(series.dtype),
                "missing": series.null_count(),
                "different": known.n_unique() if not series.dtype.is_nested() else None,
                "values": [_shown(value) for value in known.head(SHOWN_VALUES).to_list()],
                "low": _bound(known, "min"),
                "high": _bound(known, "max"),
                "task": _task(series, decide_task),
                "problem": _problem(series),
            }
        )
    rows = [[_shown(value) for value in row] for row in frame.head(SHOWN_ROWS).rows()]
    return {"rows": frame.height, "columns": columns, "target": target, "first": rows}


def _task(series: Any, decide: Any) -> str | None:
    try:
        return str(decide(series))
    except PonderaError:
        return None


def _problem(series: Any) -> str | None:
    """Return why nothing can be predicted from a column, so that it had better be left out; None where it can."""
    from pondera.tables.encode import check_columns

    try:
        check_columns(series.to_frame())
    except PonderaError as error:
        return str(error)
    return None


def _bound(known: Any, which: str) -> float | None:
    """Return the smallest or the largest number of a column; None where it holds no finite ones."""
    if not known.dtype.is_numeric():
        return None
    finite = known.filter(known.is_finite()) if known.dtype.is_float() else known
    return None if finite.is_empty() else float(getattr(finite, which)())


def _kind(dtype: Any) -> str:
    import polars as pl

    if dtype.is_numeric():
        return "numbers"
    if dtype.is_temporal():
        return "dates"
    return "truth values" if dtype == pl.Boolean else "texts"


def _shown(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if value is None or isinstance(value, bool | int | str):
        return value if not isinstance(value, str) else value[:200]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return str(value)[:200]
