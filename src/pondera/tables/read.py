"""A file -> a table with typed columns."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import polars as pl

from pondera.door import opener
from pondera.errors import TableError
from pondera.tables.frame import checked_frame
from pondera.tables.parts import row_number
from pondera.tables.text import line_of_row, read_delimited, sniff_delimiter
from pondera.tables.values import clean_text, find_stray, typed_text

_ACCEPTED = "a table as CSV, TSV, Parquet or Arrow"

OTHER_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "a gzip archive", "Unpack it first, e.g. with gunzip."),
    (b"PK\x05\x06", "an empty zip archive", "Give the table itself."),
    (b"BZh", "a bzip2 archive", "Unpack it first, e.g. with bunzip2."),
    (b"\xfd7zXZ\x00", "an xz archive", "Unpack it first, e.g. with unxz."),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Unpack it first, e.g. with unzstd."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV (UTF-8)."),
    (b"\x93NUMPY", "a NumPy array", "Load it with numpy.load and give the array itself."),
    (b"\x89HDF", "an HDF5 file", "Save the table as Parquet or CSV."),
    (b"SQLite format 3\x00", "an SQLite database", "Export the table as CSV."),
    (b"%PDF", "a PDF document", "Give the table itself."),
    (b"FEA1", "a Feather file of version 1", "Save it again as version 2, or as Parquet."),
    (b"ORC", "an ORC file", "Save the table as Parquet."),
    (b"Obj\x01", "an Avro file", "Save the table as Parquet."),
    (b"\x89PNG", "a PNG image", "Give a table."),
    (b"\xff\xd8\xff", "a JPEG image", "Give a table."),
    (b"\x7fELF", "a program", "Give a table."),
)
"""First bytes of files that are not read: bytes, what such a file is, what to do."""

_BINARY: tuple[tuple[bytes, str, Callable[..., pl.DataFrame]], ...] = (
    (b"PAR1", "a Parquet file", pl.read_parquet),
    (b"PARE", "a Parquet file", pl.read_parquet),
    (b"ARROW1", "an Arrow file", pl.read_ipc),
    (b"\xff\xff\xff\xff", "an Arrow stream", pl.read_ipc_stream),
)

_PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def no_column(name: str) -> bool:
    """Return False: no column is left as text."""
    return False


def read_table(path: str | os.PathLike[str], *, as_text: Callable[[str], bool] = no_column) -> pl.DataFrame:
    r"""Read a table; the first bytes of the file decide how, not its name.

    Parquet and Arrow IPC (Feather) keep their own types. In text, the delimiter (comma, semicolon, tab or bar) is found
    from the first lines; the first line holds the names. Types follow from all values of a column, see
    :mod:`pondera.tables.values`. Under semicolons, numbers may have decimal commas. Blank lines are skipped. A single
    unnamed first column (row numbers of R or pandas) is called ``column_1``.

    Parameters
    ----------
    path
        A file; text must be UTF-8.
    as_text
        Says by its name whether a column of a text file is left as text, whatever it looks like.

    Returns
    -------
    polars.DataFrame
        At least one row and one column; missing values are null.

    Raises
    ------
    TableError
        The file is not there, is no table, is damaged, or a line or value does not fit; with line and column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".csv") as file:
    ...     _ = file.write(b"age,job\n31,cook\n?,baker\n")
    ...     file.flush()
    ...     read_table(file.name).rows()
    [(31, 'cook'), (None, 'baker')]
    """
    place = Path(path)
    file = place.name or str(place)
    data = _read_bytes(place)
    if not data:
        raise TableError(f"{file} is empty: expected {_ACCEPTED}.")
    for start, kind, read in _BINARY:
        if data.startswith(start):
            return checked_frame(_read_binary(data, file, kind, read))
    _refuse_other_kinds(data, file)
    return _read_text(_checked_text(data, file), file, as_text)


def place_of_row(path: str | os.PathLike[str], row: int) -> str:
    """Say where a row of a table is in the file it was read from: its line in text, its number elsewhere.

    Raises
    ------
    TableError
        The file can no longer be read.
    """
    place = Path(path)
    data = _read_bytes(place)
    if data.startswith(tuple(start for start, _, _ in _BINARY)):
        return f"{row_number(row)} of {place.name}"
    text = _checked_text(data, place.name)
    return f"line {line_of_row(text, sniff_delimiter(text), row)} of {place.name}"


def _read_bytes(place: Path) -> bytes:
    try:
        kind = place.stat().st_mode
        if stat.S_ISREG(kind):
            with open(place, "rb", opener=opener) as file:
                return file.read()
    except FileNotFoundError:
        raise TableError(f"There is no file {place}. Check the name and the folder ({Path.cwd()}).") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{place} cannot be read: {reason}.") from error
    found = "a folder" if stat.S_ISDIR(kind) else "a pipe or device"
    raise TableError(f"{place} is {found}; expected a file: {_ACCEPTED}.")


def _read_binary(data: bytes, file: str, kind: str, read: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    try:
        return read(io.BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0].rstrip(".")
        raise TableError(
            f"{file} starts as {kind} but cannot be read: {reason}. It is damaged or cut short; copy or write it again."
        ) from error


def _refuse_other_kinds(data: bytes, file: str) -> None:
    for start, kind, advice in OTHER_KINDS:
        if data.startswith(start):
            raise TableError(f"{file} is {kind}; expected {_ACCEPTED}. {advice}")
    if data.startswith(b"PK\x03\x04"):
        if b"xl/" in data:
            raise TableError(f"{file} is an Excel workbook; expected {_ACCEPTED}. Save the sheet as CSV (UTF-8).")
        raise TableError(f"{file} is a zip archive; expected {_ACCEPTED}. Unpack it first.")
    if data.startswith(_PICKLE):
        raise TableError(
            f"{file} is a Python pickle, which can run any program when opened, so it is not opened; expected "
            f"{_ACCEPTED}. Save the table as Parquet or CSV where it was made."
        )
    if data[8:10] == b'{"' and int.from_bytes(data[:8], "little") < len(data):
        raise TableError(f"{file} holds weights (safetensors), perhaps a model; expected {_ACCEPTED}.")
    head = data[:64].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise TableError(f"{file} is a web page or XML; expected {_ACCEPTED}. Download the table itself.")
    if head.startswith((b"{", b"[{", b"[[")):
        raise TableError(f"{file} is JSON; expected {_ACCEPTED}. Convert it, e.g. with polars.read_json.")


def _checked_text(data: bytes, file: str) -> bytes:
    """Return the text without byte order mark, after making sure that it is text in UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(data) > 3 and not any(data[1:64:2]) and any(data[:64:2])):
        raise TableError(f"{file} is text in UTF-16; expected UTF-8. Save it as UTF-8.")
    at = data.find(b"\x00")
    if at >= 0:
        raise TableError(
            f"{file} does not look like a table: byte {at} (line {_line(data, at)}) is 0, which no text has. "
            f"Expected {_ACCEPTED}."
        )
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            _raise_encoding(data, error.start, file)
    head = data[:4096]
    if sum(byte < 32 and byte not in b"\t\n\r\f\x1a" for byte in head) > len(head) / 20:
        raise TableError(f"{file} does not look like a table but like binary data. Expected {_ACCEPTED}.")
    if not data.strip():
        raise TableError(f"{file} is empty but for blanks: expected {_ACCEPTED}.")
    return data.removeprefix(b"\xef\xbb\xbf")


def _raise_encoding(data: bytes, at: int, file: str) -> NoReturn:
    around = data[at : at + 4096]
    strange = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in around)
    if strange > len(around) / 20:
        raise TableError(f"{file} does not look like a table but like binary data. Expected {_ACCEPTED}.")
    raise TableError(
        f"{file}, line {_line(data, at)}: byte {at} (0x{data[at]:02x}) is not UTF-8; the text is in some other "
        "encoding, perhaps Windows-1252 or Latin-1. Save it as UTF-8."
    )


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def _read_text(data: bytes, file: str, as_text: Callable[[str], bool]) -> pl.DataFrame:
    texts, delimiter = read_delimited(data, file)
    columns = []
    for name in texts.columns:
        column = texts[name].alias("")  # Polars would take a name such as ^a$ for a pattern
        if as_text(name):
            columns.append(clean_text(column).alias(name))
            continue
        result = typed_text(column)
        if result.dtype == pl.String and delimiter == ";":
            result = _with_decimal_commas(result)
        if result.dtype == pl.String:
            _refuse_stray(result, f"Column '{name}'", data, delimiter, file)
        columns.append(result.alias(name))
    return checked_frame(pl.DataFrame(columns))


def _with_decimal_commas(texts: pl.Series) -> pl.Series:
    """Read a column as numbers with decimal commas if all of it can be, otherwise return it as it is."""
    dotted = typed_text(texts.str.replace(",", ".", literal=True))
    return dotted if dotted.dtype.is_numeric() else texts


def _refuse_stray(texts: pl.Series, column: str, data: bytes, delimiter: str, file: str) -> None:
    stray = find_stray(texts)
    if stray is None and delimiter == ";":
        stray = find_stray(texts.str.replace(",", ".", literal=True))
    if stray is None:
        return
    found = str(texts[stray.row])
    shown = found if len(found) <= 40 else f"{found[:40]}..."
    percent = min(stray.share * 100, 99.99)
    raise TableError(
        f"{column}, line {line_of_row(data, delimiter, stray.row)} of {file}: expected a {stray.wanted} "
        f"like the other {percent:.4g} % of the column, found '{shown}'. Correct it, or leave it empty if the value is "
        "not known."
    )
