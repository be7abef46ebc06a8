"""What routes about runs answer, as it is described in ``/api/openapi.json``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Stretch = tuple[int, float, float, float]
Activity = Literal["starting", "running", "pausing", "paused", "stopping", "ended", "failed"]


class Overview(BaseModel):
    """A run at a glance."""

    run: str
    state: str
    began: str
    steps: int
    epochs: int
    settings: dict[str, Any] = Field(description="What was asked for, of the plan and the command line.")
    losses: list[float | None] = Field(description="Of some epochs, evenly apart.")
    best: float | None = Field(description="The best validation metric of an epoch; null where nothing was held out.")
    metric: str = Field(description="What it is called.")
    problem: str | None = Field(description="Why the run cannot be read; null where it can.")
    ended: str | None = Field(description="Why training ended; null while it goes on.")
    note: str | None = Field(
        description="How many networks were left out, and from which step on the loss is no number; null for neither."
    )


class Listed(Overview):
    """A run in the list."""

    activity: Activity = Field(description="What its training does now.")


class WithoutRun(BaseModel):
    """A training that has no run yet."""

    run: str = Field(description="What the run is to be called.")
    activity: Activity
    error: str | None = Field(description="Why it failed.")


class Runs(BaseModel):
    """Runs, by when they began."""

    runs: list[Listed]
    differences: dict[str, list[Any]] = Field(description="The settings in which they differ: a value for each run.")
    without_run: list[WithoutRun] = Field(description="Trainings that get ready, or failed before they had a run.")
    left_out: str | None = Field(description="Why there may be other runs; null where all are listed.")
    command: str


class Pulse(BaseModel):
    """What a training does now. Of a run that is not there nothing but the first five is told."""

    activity: Activity
    error: str | None = Field(description="Why it failed.")
    there: bool = Field(description="Whether there is a run that can be read.")
    problem: str | None = Field(description="Why there is none.")
    stopped: bool = Field(False, description="Whether it was stopped before there was one.")
    state: str | None = None
    steps: int | None = None
    epochs: int | None = Field(None, description="Of the network, that are over.")
    recorded: int | None = Field(None, description="How many steps of the network were looked at.")
    latest: str | None = Field(None, description="The figures of its last epoch, as JSON.")
    networks: list[int] | None = None
    epochs_of_all: int | None = None
    recorded_of_all: int | None = None
    planned: Any = Field(None, description="How many epochs there are to be.")
    saved: bool | None = Field(
        None, description="Whether the model is written, and no step that is taken now is to change it."
    )


class One(Overview, Pulse):
    """A run: at a glance, what its training does now, and what it is of."""

    steps: int
    epochs: int
    state: str
    problem: str | None = Field(description="Why it cannot be read.")
    networks: list[int] = Field(description="The first, and those that are not left out as they finished no epoch.")
    averaged: int = Field(description="How many networks the model is, or is to be, the mean of.")
    about: dict[str, Any] = Field(description="source, target, task, machine, versions, level.")
    architecture: Any
    tensors: dict[str, list[int]] = Field(description="Name -> shape.")
    model: str | None = Field(description="The name of its file; null where none was saved.")
    trained: str | None = Field(description="The command line that trains it; null of another program's run.")
    command: str


class Bin(BaseModel):
    """How many values lie from one number up to another."""

    start: float = Field(alias="from")
    to: float
    count: int


class Spread(BaseModel):
    """How the values of a tensor were spread at a recorded step."""

    tensor: str
    step: int
    bins: list[Bin]
    norm: float | None = Field(description="Null where it is not finite.")


class Connection(BaseModel):
    """A connection of a unit."""

    name: str = Field(description="Of the weight.")
    unit: int = Field(description="At its other end.")
    value: float | None = Field(description="Null where it is not finite.")


class Strengths(BaseModel):
    """What comes into a unit and goes out of it at a recorded step."""

    name: str
    units: int = Field(description="In its column.")
    step: int
    bias: float | None
    incoming: list[Connection] = Field(description="The strongest first.")
    outgoing: list[Connection]
    norms: list[float | None] = Field(description="Of the weights of each unit in the column.")


class Curves(BaseModel):
    """Figures of a network by epoch and by step."""

    epochs: list[dict[str, Any]] = Field(description="As pondera.runs.open(RUN).epochs() gives them, from one on.")
    rates: list[Stretch] = Field(description="The learning rate: first step, mean, lowest, highest.")
    norms: list[Stretch] = Field(description="The norm of all gradients, in the same way.")
    norms_python: str = Field(description="What gives the norms in Python.")
    joined: bool = Field(description="Whether a stretch of the norms is of several steps.")
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
    options: str = Field(description="All that is advised, as options of pondera train; empty where none are.")


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
