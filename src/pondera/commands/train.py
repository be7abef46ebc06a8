"""``pondera train``: from a table to a trained network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pondera.commands.options import any_number, whole_number
from pondera.commands.training import Asked, Rows
from pondera.errors import ArgumentError

if TYPE_CHECKING:
    from pondera.findings import Finding
    from pondera.model.evaluation import Evaluation
    from pondera.model.model import Model
    from pondera.recording.recorder import Recorder


def train(
    table: Annotated[Path | None, typer.Argument(help="A CSV, TSV, Parquet or Arrow file.", show_default=False)] = None,
    example: Annotated[
        str | None, typer.Option(help="Instead of a table: breast_cancer, digits, wine, iris or diabetes.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    test: Annotated[Path | None, typer.Option(help="A table of rows to test on.")] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(parser=any_number, metavar="R", help="Share of rows to test on.", show_default="0.2"),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression.", show_default="the target decides")
    ] = None,
    recipe: Annotated[str, typer.Option(help="strong or plain.")] = "strong",
    hidden: Annotated[
        str | None, typer.Option(help="Units of the hidden layers, such as 128,128.", show_default="the recipe's")
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(help="Of the hidden layers: relu, gelu, tanh, selu, mish, …", show_default="the recipe's"),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            parser=whole_number, metavar="N", help="How many times every row is seen.", show_default="the recipe's"
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="Rows a step.", show_default="the recipe's")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            parser=any_number, metavar="R", help="The learning rate at its peak.", show_default="the recipe's"
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(parser=whole_number, metavar="K", help="How many networks to train and average.")
    ] = 1,
    seed: Annotated[int, typer.Option(parser=whole_number, metavar="S", help="Drives everything random.")] = 0,
    drop: Annotated[str | None, typer.Option(help="Columns to leave out, separated by commas.")] = None,
    categorical: Annotated[
        str | None, typer.Option(help="Columns whose numbers or dates are categories, such as zip,month.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run and its model.safetensors.", show_default="TABLE-model")
    ] = None,
    record: Annotated[
        str, typer.Option(help="How much of the life of every weight is kept: default, full or off.", metavar="LEVEL")
    ] = "default",
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the run in this folder, whose training was cut off.", metavar="RUN"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Train a network on a table and report how well it predicts rows it never saw."""
    from pondera.report.terminal import messages, print_json, results
    from pondera.report.training import TrainingReport, show_training
    from pondera.report.training_progress import training_progress

    asked = Asked(
        table=table,
        example=example,
        target=target,
        test=test,
        test_fraction=test_fraction,
        task=task,
        recipe=recipe,
        hidden=hidden,
        activation=activation,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seeds=seeds,
        seed=seed,
        drop=drop,
        categorical=categorical,
    )
    if resume is not None:
        asked, record, out = _resumed(asked, resume, out)
    rows = asked.rows()
    folder = _folder(out, Path(rows.source).stem)
    path = folder / "model.safetensors"
    estimator = asked.estimator(rows.task)
    metric = "accuracy" if rows.task == "classification" else "RMSE/std"
    with _recording(folder, record, asked, rows) as recorder, training_progress(asked.seeds, metric) as progress:
        estimator.fit(rows.columns, rows.train[rows.column], progress=progress, recorder=recorder)
        if path.exists():
            messages().print(f"Note: {path} is replaced.", soft_wrap=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        estimator.save(path, source=rows.source)  # before anything else can go wrong
    try:
        judged = _judged(estimator.model_, rows)
    except KeyboardInterrupt:
        messages().print(f"The model was saved to {path}; it was not tested.", soft_wrap=True)
        raise
    report = TrainingReport(rows.source, estimator.model_, str(path), *judged)
    if report.evaluation is not None:
        found = report.evaluation
        estimator.save(path, source=rows.source, test=found.test, baselines=found.baselines, test_rows=report.test_rows)
    if json:
        print_json(report.to_json())
    else:
        show_training(results(), report)


def _resumed(asked: Asked, run: Path, out: Path | None) -> tuple[Asked, str, Path]:
    """Return what the run in a folder was asked for, how it was recorded, and its folder."""
    from pondera.recording import runs

    others = [f"--{name.replace('_', '-')}" for name in asked.given if name != "table"]
    if others or out is not None:
        raise ArgumentError(
            f"--resume takes everything from the run. Leave out {', '.join(others or ['--out'])}; "
            "give a TABLE only if it has moved."
        )
    with runs.open(run) as found:
        about, state = found.about, found.state
    if "arguments" not in about:
        raise ArgumentError(f"--resume {run}: expected a run of pondera train, found one of another program.")
    if state == "finished":
        raise ArgumentError(f"--resume {run}: this run is finished. Train anew, in another folder.")
    before = Asked.from_json(about["arguments"])
    if asked.table is not None:
        before = dataclasses.replace(before, table=asked.table)
    return before, str(about["level"]), run


@contextmanager
def _recording(folder: Path, level: str, asked: Asked, rows: Rows) -> Iterator[Recorder | None]:
    """Yield what records the training, if anything does."""
    from pondera.recording.recorder import Recorder
    from pondera.recording.room import remove_run
    from pondera.report.terminal import messages

    if level == "off":
        if remove_run(folder):
            messages().print(f"Note: the run that was recorded in {folder} is taken out.", soft_wrap=True)
        yield None
        return
    about = {
        "arguments": asked.to_json(),
        "source": rows.source,
        "target": rows.column,
        "task": rows.task,
        "model": "model.safetensors",
    }
    with Recorder(
        folder, level, replace=True, about=about, tell=lambda note: messages().print(note, soft_wrap=True)
    ) as recorder:
        yield recorder


def _judged(model: Model, rows: Rows) -> tuple[int, Evaluation | None, list[Finding]]:
    """Return how many test rows there are, how the model does on them, and what else is worth knowing."""
    from pondera.model.evaluation import evaluate
    from pondera.report.progress import waiting

    if rows.test is None:
        return 0, None, _constant(model)
    with waiting("comparing with a linear model on the test rows"):
        test, column = rows.test, rows.column
        evaluation = evaluate(model, rows.columns, rows.train[column], test, test[column])
    unseen = model.inputs(rows.test)[1]
    return rows.test.height, evaluation, [*_constant(model), *unseen.findings("test row")]


def _folder(out: Path | None, stem: str) -> Path:
    """Return the folder that the model goes to, once it is sure that something can be written there."""
    import os

    folder = Path(f"{stem}-model") if out is None else out
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise ArgumentError(f"--out {folder}: expected a folder, and {existing} is a file. Give another name.")
    if not os.access(existing, os.W_OK):
        raise ArgumentError(f"--out {folder}: {existing} cannot be written to. Give another folder.")
    return folder


def _constant(model: Model) -> list[Finding]:
    from pondera.choice import listed
    from pondera.findings import Finding

    names = list(model.encoding.constant_columns)
    if not names:
        return []
    shown = listed([repr(name) for name in names])
    return [
        Finding(
            f"The same value in all training rows: {shown}. That cannot help to predict.",
            {"columns": names},
            "count of different values",
            advice=f"Leave {'it' if len(names) == 1 else 'them'} out with --drop.",
        )
    ]
