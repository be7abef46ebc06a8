"""The columns of a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.report.terminal import QUIET, figure

SHOWN = 3
"""Values that are told of a column that holds no numbers."""


def show_columns(console: Console, found: Mapping[str, Any]) -> None:
    """Print the columns of a table, a line each, and why some had better be left out."""
    console.print(Text(f"{found['rows']:,} rows, {len(found['columns']):,} columns", style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("column", "kind", "missing", "different", ""):
        table.add_column(title, justify="right" if title in ("missing", "different") else "left", overflow="fold")
    for each in found["columns"]:
        different = "" if each["different"] is None else f"{each['different']:,}"
        table.add_row(Text(each["name"]), each["kind"], f"{each['missing']:,}", different, Text(_values(each), QUIET))
    console.print(table)
    for each in found["columns"]:
        if each["problem"] is not None:
            console.print(Text(each["problem"]))


def _values(column: Mapping[str, Any]) -> str:
    if column["low"] is not None:
        return f"{figure(column['low'])} … {figure(column['high'])}"
    return ", ".join(str(value) for value in column["values"][:SHOWN])
