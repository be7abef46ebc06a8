"""Delimited text -> a frame of texts, or the line at which it stops being a table.

The way usually taken is Polars' parser. It fills short lines up without a word, so its result is checked by counting:
every delimiter of the file must be found again, between the fields or within them, and every quote must open or close a
field or be doubled. Only when that fails, or Polars does, are the lines read one by one, with Python's ``csv``, to find
the one at fault (or none: blank lines and blanks before a quote are harmless, and the rows are then taken from there).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn

import numpy as np
import polars as pl

from pondera.errors import TableError

DELIMITERS = (",", ";", "\t", "|")
"""What may separate the fields of a line."""

_SNIFFED_LINES = 50
_SNIFFED_BYTES = 1 << 22
_ROWS_AT_ONCE = 100_000
_FORMAT_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


class QuoteError(Exception):
    """The quotes of a record do not add up; ``line`` is where the record starts."""

    def __init__(self, line: int, error: csv.Error):
        wrong = "text follows right after a closing quote" if "expected after" in str(error) else str(error)
        if "unexpected end" in wrong:
            wrong = "a quote is opened and not closed"
        elif "field limit" in wrong:
            wrong = "a field has more than 131,072 characters, as if a quote were opened and not closed"
        super().__init__(wrong)
        self.line = line


def read_delimited(data: bytes, file: str) -> tuple[pl.DataFrame, str]:
    """Read delimited text as a frame of texts.

    Parameters
    ----------
    data
        The text in UTF-8, without byte order mark, valid.
    file
        What to call it in an error.

    Returns
    -------
    frame
        One String column for each name of the first line; nothing in a field is an empty text or null.
    delimiter
        One of :data:`DELIMITERS`.

    Raises
    ------
    TableError
        No rows, a line with more or fewer fields than names, a name twice or empty, a quote that is not closed.
    """
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")
    delimiter = sniff_delimiter(data)
    names = _names(data, delimiter, file)
    frame = _read_fast(data, delimiter, names)
    if frame is None:
        frame = _read_slowly(data, delimiter, names, file)
    if not frame.height:
        raise TableError(f"{file} has a line of column names but no rows: expected at least one line of values.")
    return frame, delimiter


def sniff_delimiter(data: bytes) -> str:
    r"""Return the delimiter under which most of the first lines have as many fields as the first line, at least two.

    Quoted fields are respected. A table of one column counts as separated by commas.

    Examples
    --------
    >>> sniff_delimiter(b"a;b\n1,5;2")
    ';'
    """
    best = (0.0, 0, ",")
    for delimiter in DELIMITERS:
        try:
            lines = [fields for _, fields in islice(records(data[:_SNIFFED_BYTES], delimiter), _SNIFFED_LINES)]
        except QuoteError:
            continue
        if lines and len(lines[0]) > 1:
            agreeing = sum(len(fields) == len(lines[0]) for fields in lines) / len(lines)
            if (agreeing, len(lines[0])) > best[:2]:
                best = (agreeing, len(lines[0]), delimiter)
    return best[2]


def records(data: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, and the line of the file on which it starts (the first is 1).

    Raises
    ------
    QuoteError
        A quote that is not closed, or text right after a closing quote.
    """
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    start = 1
    try:
        for fields in reader:
            if len(fields) > 1 or (fields and (fields[0].strip() or reader.line_num > start)):
                yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        raise QuoteError(start, error) from error


def line_of_row(data: bytes, delimiter: str, row: int) -> int:
    """Return the line of the file on which a row starts; row 0 comes after the names."""
    return next(islice(records(data, delimiter), row + 1, None), (row + 2, []))[0]


def _names(data: bytes, delimiter: str, file: str) -> list[str]:
    """Return the column names of the first line that is not blank.

    A single unnamed first column, which is what R and pandas write for row numbers, is called ``column_1``.
    """
    try:
        line, fields = next(records(data, delimiter))
    except StopIteration:
        raise TableError(f"{file} is empty: expected a line of column names and lines of values.") from None
    except QuoteError as error:
        _refuse_quote(file, error)
    names = [field.strip() for field in fields]
    if not names[0] and len(names) > 1 and "column_1" not in names:
        names[0] = "column_1"
    first: dict[str, int] = {}
    for at, name in enumerate(names, 1):
        if not name:
            raise TableError(
                f"{file}, line {line}: column {at} of {len(names)} has no name. Name it, or remove the "
                f"{_FORMAT_NAMES[delimiter]} too many."
            )
        if name in first:
            raise TableError(
                f"{file}, line {line}: the column name '{name}' occurs twice, as column {first[name]} and column {at}. "
                "Rename one of them."
            )
        first[name] = at
    return names


def _read_fast(data: bytes, delimiter: str, names: list[str]) -> pl.DataFrame | None:
    """Read with Polars, or return None if anything is not exactly as it should be."""
    body = data.strip(b"\r\n")
    if len(names) == 1 and (b"\n\n" in body or b"\n\r" in body):
        return None  # a blank line would count as a row
    if not _quotes_are_regular(body, delimiter):
        return None
    try:
        frame = pl.read_csv(body, separator=delimiter, infer_schema=False, has_header=True, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if frame.width != len(names):
        return None
    mark = delimiter.encode()
    within = sum(name.count(delimiter) for name in names)
    if frame.height and b'"' in body:  # without quotes no field holds a delimiter
        counts = frame.select(pl.all().str.count_matches(delimiter, literal=True).sum()).row(0)
        within += sum(count or 0 for count in counts)
    if body.count(mark) - within != (frame.height + 1) * (len(names) - 1):
        return None
    frame.columns = names
    return frame


def _quotes_are_regular(body: bytes, delimiter: str) -> bool:
    """Whether each first quote starts a field and each second one ends it, or they are doubled within a field."""
    if b'"' not in body:
        return True
    text = np.frombuffer(body, dtype=np.uint8)
    places = np.flatnonzero(text == ord('"'))
    if len(places) % 2:
        return False
    edge = np.zeros(256, dtype=bool)
    edge[[ord(each) for each in f'{delimiter}\r\n"']] = True
    before = np.concatenate(([True], edge[text[:-1]]))[places[0::2]]
    after = np.concatenate((edge[text[1:]], [True]))[places[1::2]]
    return bool(before.all() and after.all())


def _read_slowly(data: bytes, delimiter: str, names: list[str], file: str) -> pl.DataFrame:
    """Read line by line, and say which line is not as it should be."""
    schema = dict.fromkeys(names, pl.String)
    frames = [pl.DataFrame(schema=schema)]
    rows: list[list[str]] = []
    try:
        for line, fields in islice(records(data, delimiter), 1, None):
            if len(fields) != len(names):
                _refuse_ragged(file, line, fields, names, delimiter)
            rows.append(fields)
            if len(rows) == _ROWS_AT_ONCE:
                frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
                rows = []
    except QuoteError as error:
        _refuse_quote(file, error)
    return pl.concat([*frames, pl.DataFrame(rows, schema=schema, orient="row")])


def _refuse_ragged(file: str, line: int, fields: list[str], names: list[str], delimiter: str) -> NoReturn:
    if len(fields) > len(names):
        advice = f"Put quotes around a value that contains a {_FORMAT_NAMES[delimiter]}, or remove the extra field."
    else:
        advice = "Complete or remove the line."
    raise TableError(
        f"{file}, line {line}: expected {len(names)} field{'s' if len(names) > 1 else ''}, as in the line of column "
        f"names, found {len(fields)}. {advice}"
    )


def _refuse_quote(file: str, error: QuoteError) -> NoReturn:
    raise TableError(
        f'{file}, line {error.line}: {error}. Close the quote; write a quote that belongs to the text twice ("").'
    ) from error
