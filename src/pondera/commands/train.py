"""``pondera train``: from a table to a trained network."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pondera.commands.options import any_number, check_options, whole_number, whole_numbers
from pondera.commands.options import names as names_of
from pondera.errors import ArgumentError

if TYPE_CHECKING:
    import polars as pl

    from pondera.findings import Finding
    from pondera.model.evaluation import Evaluation
    from pondera.model.model import Model


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
    out: Annotated[Path | None, typer.Option(help="Folder for model.safetensors.", show_default="TABLE-model")] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Train a network on a table and report how well it predicts rows it never saw."""
    from pondera.constraints import whole
    from pondera.estimators.base import PARAMETERS
    from pondera.report.terminal import messages, print_json, results
    from pondera.report.training import TrainingReport, show_training
    from pondera.report.training_progress import training_progress

    chosen = {
        "recipe": recipe,
        "activation": activation,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seeds": seeds,
    }
    check_options({**chosen, "seed": seed}, {**PARAMETERS, "seed": (whole(0),)})
    units = whole_numbers(hidden, "--hidden")
    if test is not None and test_fraction is not None:
        raise ArgumentError("Give one of both: --test TABLE, or --test-fraction.")
    frame, column, source = _table(table, example, target, [*names_of(drop), *names_of(categorical)])
    frame = _as_categories(_without(frame, drop, column, source), names_of(categorical), column, source)
    decided = _checked(frame, column, _task(task), table)
    rows, test_rows = (
        _parts(frame, 0.2 if test_fraction is None else test_fraction, column, decided, seed)
        if test is None
        else (frame, _test_table(test, table, frame, column, decided))
    )
    path = _folder(out, Path(source).stem) / "model.safetensors"
    estimator = _estimator(decided, hidden_layer_sizes=units, random_state=seed, **chosen)
    with training_progress(seeds, "accuracy" if decided == "classification" else "RMSE/std") as progress:
        estimator.fit(_all_but(rows, [column]), rows[column], progress=progress)
    if path.exists():
        messages().print(f"Note: {path} is replaced.", soft_wrap=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    estimator.save(path, source=source)  # before anything else can go wrong
    try:
        judged = _judged(estimator.model_, rows, test_rows, column)
    except KeyboardInterrupt:
        messages().print(f"The model was saved to {path}; it was not tested.", soft_wrap=True)
        raise
    report = TrainingReport(source, estimator.model_, str(path), *judged)
    if report.evaluation is not None:
        found = report.evaluation
        estimator.save(path, source=source, test=found.test, baselines=found.baselines, test_rows=report.test_rows)
    if json:
        print_json(report.to_json())
    else:
        show_training(results(), report)


def _estimator(task: str, **parameters: Any) -> Any:
    from pondera.estimators.classifier import PonderaClassifier
    from pondera.estimators.regressor import PonderaRegressor

    return (PonderaClassifier if task == "classification" else PonderaRegressor)(**parameters)


def _judged(
    model: Model, rows: pl.DataFrame, test_rows: pl.DataFrame | None, column: str
) -> tuple[int, Evaluation | None, list[Finding]]:
    """Return how many test rows there are, how the model does on them, and what else is worth knowing."""
    from pondera.model.evaluation import evaluate
    from pondera.report.progress import waiting

    if test_rows is None:
        return 0, None, _constant(model)
    with waiting("comparing with a linear model on the test rows"):
        evaluation = evaluate(model, _all_but(rows, [column]), rows[column], test_rows, test_rows[column])
    unseen = model.inputs(test_rows)[1]
    return test_rows.height, evaluation, [*_constant(model), *unseen.findings("test row")]


def _table(
    table: Path | None, example: str | None, target: str | None, as_text: list[str]
) -> tuple[pl.DataFrame, str, str]:
    """Return the rows, the name of the target, and what they are called."""
    from pondera.choice import listed
    from pondera.tables.examples import load_example
    from pondera.tables.read import read_table

    if (table is None) == (example is None):
        raise ArgumentError("Give one of both: a TABLE, or --example NAME such as breast_cancer.")
    if example is not None:
        frame, column, _ = load_example(example)
        return frame, _known(target or column, frame.columns, "--target", example), example
    assert table is not None
    frame = read_table(table, as_text=as_text.__contains__)  # what is left out need not make sense
    if target is None:
        raise ArgumentError(f"Which column is to be predicted? Give --target with one of: {listed(frame.columns)}.")
    return frame, _known(target, frame.columns, "--target", str(table)), str(table)


def _known(name: str, columns: list[str], option: str, source: str) -> str:
    from pondera.choice import unknown

    if name not in columns:
        raise ArgumentError(f"{option}: {unknown(f'column of {source}:', name, columns)}")
    return name


def _without(frame: pl.DataFrame, drop: str | None, column: str, source: str) -> pl.DataFrame:

    dropped = [_known(name, frame.columns, "--drop", source) for name in names_of(drop)]
    if column in dropped:
        raise ArgumentError(f"--drop leaves out the column {column!r}, which --target asks to predict. Name another.")
    if frame.width == 1:
        raise ArgumentError(f"{source} has the column {column!r} only: expected others to predict it from.")
    if len(set(dropped)) == frame.width - 1:
        raise ArgumentError(f"Nothing is left to predict {column!r} from. Drop fewer columns.")
    return _all_but(frame, dropped)


def _as_categories(frame: pl.DataFrame, names: list[str], column: str, source: str) -> pl.DataFrame:
    """Return the table with some columns as texts, so that each different value is a category."""
    import polars as pl

    for name in names:
        _known(name, frame.columns, "--categorical", source)
        if name == column:
            raise ArgumentError(f"--categorical names the target {name!r}. Use --task classification instead.")
        if frame[name].dtype.is_nested() or frame[name].dtype in (pl.Duration, pl.Binary, pl.Object):
            raise ArgumentError(f"--categorical names {name!r} of type {frame[name].dtype}: expected texts or numbers.")
    return pl.DataFrame([series.cast(pl.String) if series.name in names else series for series in frame])


def _all_but(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return the other columns; ``DataFrame.drop`` would take a name such as ``*`` for a pattern."""
    return frame[:, [at for at, name in enumerate(frame.columns) if name not in names]]


def _task(task: str | None) -> Any:
    from pondera.choice import unknown

    if task not in (None, "classification", "regression"):
        raise ArgumentError(unknown("task", task, ("classification", "regression")))
    return task


def _checked(frame: pl.DataFrame, column: str, task: Any, table: Path | None) -> Any:
    """Return the task, once it is sure that the table can be learned from; later only parts of it are looked at."""
    from pondera.tables.encode import check_columns
    from pondera.tables.parts import row_number
    from pondera.tables.read import place_of_row
    from pondera.tables.target import Classes, decide_task, regression_values

    where = row_number if table is None else partial(place_of_row, table)
    target = frame[column]
    check_columns(_all_but(frame, [column]), where)
    if target.dtype.is_float():
        check_columns(target.to_frame(), where)
    decided = task or decide_task(target)
    if decided == "classification":
        Classes.fit(target, where)
    else:
        regression_values(target, where)
    return decided


def _test_table(test: Path, table: Path | None, frame: pl.DataFrame, column: str, task: str) -> pl.DataFrame:
    """Return the rows of ``--test``, sure to fit the columns and the target of the table that is trained on."""
    from pondera.errors import TableError
    from pondera.tables.encode import Encoding
    from pondera.tables.read import place_of_row, read_table
    from pondera.tables.target import Classes, regression_values

    if table is not None and test.exists() and test.samefile(table):
        raise ArgumentError(f"--test {test} is the table that is trained on: expected rows the network never saw.")
    encoding = Encoding.fit(_all_but(frame, [column]))
    rows = read_table(
        test, as_text=lambda name: encoding.takes_text(name) and (name != column or task == "classification")
    )
    for name in frame.columns:
        _known(name, rows.columns, "--test", str(test))
    where = partial(place_of_row, test)
    try:
        encoding.transform(rows, where)
        if task == "classification":
            Classes.fit(frame[column]).encode(rows[column], where)
        else:
            regression_values(rows[column], where)
    except TableError as error:
        raise TableError(f"--test {test}: {error}") from error
    return rows


def _parts(
    frame: pl.DataFrame, fraction: float, column: str, task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Return the rows to train on and the rows to test on, if there are any."""
    from pondera.tables.split import split

    if fraction == 0:
        return frame, None
    if not 0 < fraction < 1:
        raise ArgumentError(f"--test-fraction takes a number of at least 0 and below 1. Got {fraction:g}.")
    labels = frame[column].cast(str).to_numpy() if task == "classification" else None
    train_rows, test_rows = split(frame.height, fraction, seed, labels)
    return frame[train_rows], frame[test_rows]


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
