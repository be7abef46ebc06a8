"""``pondera columns``: what the columns of a table are, before anything is trained on them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer


def columns(
    table: Annotated[Path, typer.Argument(help="A table as CSV, TSV, Parquet or Arrow.")],
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Look at a table before training: types of its columns, what is missing, what had better be left out."""
    from pondera.report.columns import show_columns
    from pondera.report.terminal import print_json, results
    from pondera.tables.read import place_of_row, read_table
    from pondera.tables.summary import summary

    found = summary(read_table(table), where=partial(place_of_row, table))
    if json:
        print_json(found)
    else:
        show_columns(results(), found)
