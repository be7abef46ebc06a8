"""Predictions -> a file, complete or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl

from pondera.errors import TableError
from pondera.files import obstacle, whole_file


def _write_text(separator: str) -> Callable[[pl.DataFrame, Path], None]:
    def write(frame: pl.DataFrame, path: Path) -> None:
        # A table of one column shows a missing value as NA: an empty line would be no row at all.
        frame.write_csv(path, separator=separator, null_value="NA" if frame.width == 1 else "")

    return write


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path)


def _write_arrow(frame: pl.DataFrame, path: Path) -> None:
    frame.write_ipc(path)


WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    ".csv": _write_text(","),
    ".tsv": _write_text("\t"),
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
    ".feather": _write_arrow,
    ".ipc": _write_arrow,
}
"""What writes a file, by the end of its name."""


def check_place(place: Path) -> None:
    """Refuse a place that no table can be written to.

    Raises
    ------
    TableError
        An unknown end of the name, a folder, or a folder that is not there or cannot be written to.
    """
    if place.suffix.lower() not in WRITERS:
        found = repr(place.suffix) if place.suffix else "none"
        raise TableError(
            f"{place}: the name must end in one of {', '.join(WRITERS)}, which says how to write the table; "
            f"found {found}."
        )
    why = obstacle(place)
    if why is not None:
        raise TableError(f"{place}: {why}.")


def write_predictions(frame: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV, TSV, Parquet or Arrow, by the end of the file's name.

    The file is written beside its place, flushed to disk and then renamed: what is at ``path`` is always a whole file.

    Raises
    ------
    TableError
        An unknown end of the name, a folder that is not there or cannot be written to, or a column that the
        format cannot hold.
    """
    place = Path(path)
    check_place(place)
    try:
        with whole_file(place) as part:
            WRITERS[place.suffix.lower()](frame, part)
    except OSError as error:
        raise TableError(f"{place} cannot be written: {error.strerror or error}.") from error
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{place} cannot be written: {error}.") from error
