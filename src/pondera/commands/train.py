"""``pondera train``: from a table to a trained network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from pondera.commands.fitting import fit_into
from pondera.commands.options import any_number, whole_number
from pondera.commands.training import Asked
from pondera.errors import ArgumentError
from pondera.recording.settings import TEST_FRACTION


def train(
    table: Annotated[Path | None, typer.Argument(help="A CSV, TSV, Parquet or Arrow file.", show_default=False)] = None,
    example: Annotated[
        str | None, typer.Option(help="Instead of a table: breast_cancer, digits, wine, iris or diabetes.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    test: Annotated[Path | None, typer.Option(help="A table of rows to test on.")] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(parser=any_number, metavar="R", help="Share of rows to test on.", show_default=str(TEST_FRACTION)),
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
        str | None,
        typer.Option(
            help="How much of the life of every weight is kept: default, full or off.",
            metavar="LEVEL",
            show_default="default",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the run in this folder, whose training was cut off.", metavar="RUN"),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", metavar="", help="Replace an unfinished run of another training.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Train a network on a table and report how well it predicts rows it never saw."""
    from pondera.report.terminal import print_json, results
    from pondera.report.training import show_training

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
        asked, record, out = _resumed(asked, resume, out, record, replace)
    report = fit_into(asked, out, "default" if record is None else record, replace)
    if json:
        print_json(report.to_json())
    else:
        show_training(results(), report)


def _resumed(asked: Asked, run: Path, out: Path | None, record: str | None, replace: bool) -> tuple[Asked, str, Path]:
    """Return what the run in a folder was asked for, how it was recorded, and its folder."""
    from pondera.recording import runs

    others = [f"--{name.replace('_', '-')}" for name in asked.given if name != "table"]
    others += ["--out"] * (out is not None) + ["--record"] * (record is not None) + ["--replace"] * replace
    if others:
        raise ArgumentError(
            f"--resume takes everything from the run. Leave out {', '.join(others)}; give a TABLE only if it has moved."
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
