"""``pondera predict``: a model's predictions for a table."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl

    from pondera.model.model import Model


def predict(
    model: Annotated[Path, typer.Argument(help="A model.safetensors that pondera train wrote.")],
    table: Annotated[Path, typer.Argument(help="A CSV, TSV, Parquet or Arrow file.")],
    out: Annotated[
        Path | None, typer.Option(help="A .csv, .tsv, .parquet or .arrow file. [default: standard output]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Predict every row of a table: a prediction column, and a probability a class."""
    from pondera.choice import counted
    from pondera.model.file import load
    from pondera.report.terminal import messages, print_json, print_notes
    from pondera.tables.read import place_of_row, read_table
    from pondera.tables.write import check_place, write_predictions

    if out is not None:
        check_place(out)
        _check_not_read(out, model, table)
    loaded, _ = load(model)
    rows = read_table(table, as_text=loaded.encoding.takes_text)
    x, unseen = loaded.inputs(rows, partial(place_of_row, table))
    frame = predictions(loaded, x)
    findings = unseen.findings()
    print_notes(findings)
    if out is not None:
        write_predictions(frame, out)
    if json:
        content: dict[str, Any] = {"rows": frame.height, "out": None if out is None else str(out)}
        content["findings"] = [each.to_json() for each in findings]
        content["columns"] = frame.to_dict(as_series=False)
        print_json(content)
    elif out is None:
        typer.echo(frame.write_csv(), nl=False)
    else:
        messages().print(f"{counted(frame.height, 'prediction')} written to {out}")


def _check_not_read(out: Path, *read: Path) -> None:
    """Refuse to write over what is read."""
    from pondera.errors import ArgumentError

    for path in read:
        if out.exists() and path.exists() and out.samefile(path):
            raise ArgumentError(f"--out {out} is what the predictions are made from. Give another name.")


def predictions(model: Model, x: Any) -> pl.DataFrame:
    """Return the columns ``prediction`` and, for classes, ``probability_<class>``."""
    import polars as pl

    from pondera.tables.target import Classes

    predicted = model.predictions(x)
    columns = {"prediction": pl.Series(model.labels(predicted))}
    if isinstance(model.target, Classes):
        for j, value in enumerate(model.target.values):
            columns[f"probability_{value}"] = pl.Series(predicted[:, j])
    return pl.DataFrame(columns)
