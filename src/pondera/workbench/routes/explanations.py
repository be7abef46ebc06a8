"""Explanations: which columns matter to a model, how far that can be believed, and what would be if."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pondera.errors import ArgumentError
from pondera.workbench.bench import ASKED, ERRORS, Bench, Shared, command_line
from pondera.workbench.routes.files import Name

router = APIRouter(tags=["explanations"], responses=ERRORS)

MOST_NUMBERS = 1e300

Example = Annotated[str, Query(description="Instead of a table.")]
RowNumber = Annotated[int | None, Query(description="Explain this row only, from 0.", ge=0, le=2**62)]
Retrain = Annotated[bool, Query(description="Train such networks anew: slower, and surer.")]


class Row(BaseModel):
    """Values of a row, by column."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(description="A model.safetensors of pondera train.", max_length=4000)
    values: dict[str, float | bool | str | None] = Field(description="Of every column that the model takes.")


class Column(BaseModel):
    """A column that a model takes."""

    name: str
    kind: Literal["numeric", "boolean", "category", "date"]
    values: list[str] = Field(description="The categories that the model knows; none of other kinds.")
    missing: bool = Field(description="Whether the model knows missing values of it.")


class Taken(BaseModel):
    """What a model takes and predicts."""

    columns: list[Column]
    target: str
    task: Literal["classification", "regression"]
    model: dict[str, Any] = Field(description="What pondera show --json prints.")
    command: str


class Predicted(BaseModel):
    """What a model predicts of a row."""

    prediction: float | str
    probabilities: dict[str, float] | None = Field(description="By class; null where a number is predicted.")
    kept_within: tuple[float, float] | None = Field(
        description="The range of training's answers, where the prediction is an end of it; none goes beyond."
    )


@router.get("/api/explanation", responses=ASKED)
async def explanation(
    request: Request,
    bench: Shared,
    model: Name,
    table: Name = "",
    example: Example = "",
    row: RowNumber = None,
    retrain: Retrain = False,
) -> Any:
    """Say which columns matter to a model and how far to believe it: what ``pondera explain`` prints."""
    options, names, about = _asked(bench, model, table, example, row, retrain)
    return await bench.ask(request, "explain", options, names, about)


@router.delete("/api/explanation")
async def cancel(
    bench: Shared, model: Name, table: Name = "", example: Example = "", row: RowNumber = None, retrain: Retrain = False
) -> dict[Literal["cancelled"], bool]:
    """End an explanation that is worked on."""
    options, names, _ = _asked(bench, model, table, example, row, retrain)
    return {"cancelled": bench.questions.cancel(("explain", *options, "--", *names))}


@router.get("/api/model")
def model_of(bench: Shared, model: Name) -> Taken:
    """Return what a model takes and predicts, and what it was trained on: for sliders, and for where its table is."""
    loaded = _loaded(bench, model)
    columns = [
        Column(name=column.name, kind=column.kind, values=list(column.categories), missing=column.missing_seen)
        for column in loaded.encoding.columns
    ]
    from pondera.report.model import model_json

    return Taken(
        columns=columns,
        target=loaded.target_name,
        task=loaded.task,
        model=model_json(loaded, model),
        command=command_line("show", [], [model]),
    )


@router.post("/api/prediction")
def prediction(bench: Shared, row: Row) -> Predicted:
    """Return what a model predicts of a row that is given value by value: what would be if."""
    import polars as pl

    from pondera.tables.target import Classes

    loaded = _loaded(bench, row.model)
    missing = [column.name for column in loaded.encoding.columns if column.name not in row.values]
    if missing:
        raise ArgumentError(f"Expected a value for every column, found none for {missing[0]!r}. Give it, or null.")
    if any(isinstance(value, float) and not abs(value) < MOST_NUMBERS for value in row.values.values()):
        raise ArgumentError("Expected finite numbers. Give a smaller one.")
    frame = pl.DataFrame({column.name: [row.values[column.name]] for column in loaded.encoding.columns})
    found = loaded.predictions(loaded.inputs(frame, lambda _: "this row")[0])
    label = loaded.labels(found)[0]
    if isinstance(loaded.target, Classes):
        classes = {str(name): float(p) for name, p in zip(loaded.target.values, found[0], strict=True)}
        return Predicted(prediction=str(label), probabilities=classes, kept_within=None)
    ends = (loaded.target.low, loaded.target.high)
    kept_within = ends if loaded.clamp and label in ends else None
    return Predicted(prediction=float(label), probabilities=None, kept_within=kept_within)


def _asked(
    bench: Bench, model: str, table: str, example: str, row: int | None, retrain: bool
) -> tuple[list[str], list[str], list[Path]]:
    """Return the options and names of the command, and the files that it is about."""
    if bool(table) == bool(example):
        raise ArgumentError("Give one of both: a table, or the name of an example.")
    places = [bench.served.existing(name) for name in (model, table) if name]
    options = [f"--example={example}"] if example else []
    options += [f"--row={row}"] if row is not None else ["--retrain"] if retrain else []
    return options, [model, *([table] if table else [])], places


def _loaded(bench: Bench, name: str) -> Any:
    from pondera.model.file import load

    place = bench.served.existing(name)
    return bench.kept.of([place], "model", lambda: load(place)[0])
