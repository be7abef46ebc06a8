"""What routes about runs answer, as it is described in ``/api/openapi.json``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

Stretch = tuple[int, float, float, float]


class Curves(BaseModel):
    """Figures of a network by epoch and by step."""

    epochs: list[dict[str, Any]] = Field(description="As pondera.runs.open(RUN).epochs() gives them, from one on.")
    rates: list[Stretch] = Field(description="The learning rate: first step, mean, lowest, highest.")
    norms: list[Stretch] = Field(description="The norm of all gradients, in the same way.")
    kept: int = Field(description="After how many steps the weights were taken that were kept.")
    command: str
    python: str


class Drawn(BaseModel):
    """The connections of one matrix that are drawn."""

    name: str
    shape: tuple[int, int] = Field(description="Inputs, outputs.")
    places: list[int] = Field(description="Flat places in it, ascending.")


class Drawing(BaseModel):
    """A network as it is drawn."""

    matrices: list[Drawn]
    steps: list[int] = Field(description="At which all of it is known, ascending.")
    inputs: list[str] | None = Field(description="Names of the inputs, where they have any.")
    outputs: list[str] | None = Field(description="Names of the outputs: classes, or what is predicted.")
    command: str | None
    python: str


class Frames(BaseModel):
    """The weights that are drawn, at some steps."""

    matrices: list[Drawn]
    steps: list[int]
    values: str = Field(description="Base64 of float32, step by step, matrix by matrix.")


class Matrix(BaseModel):
    """A tensor of a run over all steps."""

    tensor: str
    shape: list[int]
    steps: list[int] = Field(description="At which all of it is known, ascending.")
    most: float = Field(description="The size of the largest value that it ever had.")


class Health(BaseModel):
    """What is wrong with a training."""

    command: str
    answer: dict[str, Any] = Field(description="What pondera check --json prints.")


class Said(BaseModel):
    """A finding, as it is read."""

    statement: str
    advice: str = ""
    certainty: str = ""
    rule: str = ""


class Outcome(BaseModel):
    """How well a trained model predicts rows that it never saw."""

    networks: int = Field(1, description="Of the model, whose mean predicts.")
    test_rows: int | None = Field(None, description="How many they are; null where it was not tested, or not yet.")
    test: dict[str, float | None] | None = Field(None, description="The figures; null where nothing was tested.")
    baselines: dict[str, dict[str, float | None]] = Field({}, description="The same of a linear and a trivial model.")
    findings: list[Said] = Field([], description="The verdict first, then what else is worth knowing.")
    command: str | None = None
