"""Columns -> the inputs of a network.

Numbers and dates become one or a few inputs, categories one input a category. A category of two values without missing
ones is a single input of -1 and +1, as in RealMLP (Holzmüller et al. 2024, arXiv 2407.04491). What is remembered comes
from training rows only.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pondera.choice import counted
from pondera.errors import TableError
from pondera.findings import Finding
from pondera.tables.columns import Column, infer_kind, require_few
from pondera.tables.parts import (
    CATEGORY_MISSING,
    DATE_PARTS,
    TIME_PARTS,
    Where,
    booleans_into,
    codes_of,
    dates_into,
    numbers_into,
    row_number,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class EncodedInput:
    """One input of the network.

    Attributes
    ----------
    name
        Unique, for people: ``age``, ``age is missing``, ``sex=Male``, ``sold: year sine``.
    column
        The column it comes from.
    part
        ``value``, ``is missing``, ``=Male``, ``day``, ``year sine``, ``year cosine``, ``week sine``, ``week cosine``,
        ``hour sine`` or ``hour cosine``.
    """

    name: str
    column: str
    part: str


@dataclass(frozen=True)
class Unseen:
    """What a table held that training had not: counts of rows by column.

    Attributes
    ----------
    categories
        Rows with a category that no training row had; all inputs of the column are 0 for them.
    missing
        Rows that miss a value where no training row did; the middle of the training values stands in.
    """

    categories: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)

    def findings(self, row: str = "row") -> list[Finding]:
        """Return a finding for each column that held something new; ``row`` is what a row is called."""
        found = [
            Finding(
                f"{_rows(count, row)} a category of '{name}' that training had not seen.",
                {"column": name, "rows": count},
                "comparison with the categories of the training rows",
                advice="Check its spelling; the network sees such a row as having no category at all.",
            )
            for name, count in self.categories.items()
        ]
        return found + [
            Finding(
                f"{_rows(count, row)} no value of '{name}', which no training row lacked.",
                {"column": name, "rows": count},
                "count of missing values",
                advice="Fill it in if you can; the middle of the training values was used instead.",
            )
            for name, count in self.missing.items()
        ]


def _rows(count: int, row: str) -> str:
    return f"{counted(count, row)} {'has' if count == 1 else 'have'}"


def check_columns(frame: pl.DataFrame, where: Where = row_number) -> None:
    """Refuse columns that nothing can be learned from: nested, infinite, or with too many different texts.

    Parameters
    ----------
    frame
        The whole table without the target, before any row is held out: a row is reported by its place here, and a share
        of the rows is one of all rows.
    where
        Says where a row is, such as the line of a file.

    Raises
    ------
    TableError
        Names the column.

    Examples
    --------
    >>> check_columns(pl.DataFrame({"age": [30, None], "sex": ["f", "m"]}))
    """
    for series in frame:
        kind = infer_kind(series)
        if kind == "category":
            require_few(series)
        elif kind == "numeric":
            numbers_into(np.empty(len(series)), series, where)


@dataclass(frozen=True)
class Encoding:
    """How the columns of a table become the inputs of a network.

    Attributes
    ----------
    columns
        The columns, in the order of the training table.
    constant_columns
        Names of the columns that had a single value, or none, in all training rows. They stay inputs, but say nothing.

    Examples
    --------
    >>> frame = pl.DataFrame({"age": [30, None], "sex": ["f", "m"]})
    >>> encoding = Encoding.fit(frame)
    >>> [each.name for each in encoding.inputs]
    ['age', 'age is missing', 'sex=m']
    >>> encoding.transform(frame)[0].tolist()
    [[30.0, 0.0, -1.0], [nan, 1.0, 1.0]]
    """

    columns: tuple[Column, ...]
    constant_columns: tuple[str, ...] = ()

    @classmethod
    def fit(cls, frame: pl.DataFrame) -> Encoding:
        """Learn the columns of the training rows.

        Parameters
        ----------
        frame
            Training rows only, without the target.

        Raises
        ------
        TableError
            A nested column. What else is refused is the business of :func:`check_columns`.
        """
        columns = tuple(Column.fit(series) for series in frame)
        constant = tuple(series.name for series in frame if series.n_unique() <= 1)
        return cls(columns, constant)

    @cached_property
    def inputs(self) -> tuple[EncodedInput, ...]:
        """The inputs, in the order of the matrix that :meth:`transform` returns."""
        return _unique([each for column in self.columns for each in _inputs_of(column)])

    @cached_property
    def _typed(self) -> frozenset[str]:
        return frozenset(column.name for column in self.columns if column.kind != "category")

    def takes_text(self, name: str) -> bool:
        """Whether a column of a file is best left as text: a category, which is compared as text, or none of these."""
        return name not in self._typed

    def each_input(self, frame: pl.DataFrame) -> Iterator[Matrix]:
        """Yield the values of one input after the other, (rows,) float64: what :meth:`transform` returns in columns.

        However many categories a column has, no more than a few such arrays are there at a time.

        Raises
        ------
        TableError
            As :meth:`transform`.
        """
        _require_columns(self.columns, frame)
        for column in self.columns:
            width = len(_inputs_of(column))
            if column.kind == "category" and width > 1:
                codes, _ = codes_of(column, frame[column.name])
                codes = np.where(codes == -2, len(column.categories), codes)
                yield from ((codes == at).astype(np.float64) for at in range(width))
            else:
                block = np.zeros((frame.height, width))
                _encode(column, frame[column.name], block, row_number)
                yield from block.T

    def transform(self, frame: pl.DataFrame, where: Where = row_number) -> tuple[Matrix, Unseen]:
        """Encode rows.

        Parameters
        ----------
        frame
            Columns are found by name; their order may differ and others may be there too.
        where
            Says where a row is, in an error.

        Returns
        -------
        matrix
            (rows, inputs) float64, C-contiguous. NaN where a number or date is missing; :class:`Scaling` fills it in.
        unseen
            What the rows held that training had not.

        Raises
        ------
        TableError
            A column is not there, holds another type than in training, or an infinite value.
        """
        _require_columns(self.columns, frame)
        matrix = np.zeros((frame.height, len(self.inputs)))
        categories: dict[str, int] = {}
        missing: dict[str, int] = {}
        start = 0
        for column in self.columns:
            stop = start + len(_inputs_of(column))
            absent, unknown = _encode(column, frame[column.name], matrix[:, start:stop], where)
            if unknown:
                categories[column.name] = unknown
            if absent and not column.missing_seen:
                missing[column.name] = absent
            start = stop
        return matrix, Unseen(categories, missing)

    def to_json(self) -> dict[str, Any]:
        """Return the encoding as a dictionary of plain values."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "constant_columns": list(self.constant_columns),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Encoding:
        """Return the encoding that :meth:`to_json` wrote."""
        columns = tuple(Column.from_json(column) for column in data["columns"])
        return cls(columns, tuple(str(name) for name in data["constant_columns"]))


def _is_binary(column: Column) -> bool:
    return column.kind == "category" and len(column.categories) == 2 and not column.missing_seen


def _inputs_of(column: Column) -> list[EncodedInput]:
    name = column.name
    if column.kind == "boolean":
        return [EncodedInput(name, name, "value")]
    if column.kind == "category":
        shown = column.categories[1:] if _is_binary(column) else column.categories
        values = [*shown, CATEGORY_MISSING] if column.missing_seen else list(shown)
        return [EncodedInput(f"{name}={value}", name, f"={value}") for value in values]
    if column.kind == "date":
        parts = DATE_PARTS + (TIME_PARTS if column.has_time else ())
        inputs = [EncodedInput(f"{name}: {part}", name, part) for part in parts]
    else:
        inputs = [EncodedInput(name, name, "value")]
    if column.missing_seen:
        inputs.append(EncodedInput(f"{name} is missing", name, "is missing"))
    return inputs


def _unique(inputs: list[EncodedInput]) -> tuple[EncodedInput, ...]:
    """Tell apart names that two inputs would share, such as those of a column called "sex=m" and of sex "m"."""
    counts = Counter(each.name for each in inputs)
    if len(counts) == len(inputs):
        return tuple(inputs)
    taken = set(counts)
    seen: set[str] = set()
    result = []
    for each in inputs:
        name, number = each.name, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{each.name} ({number})"
        seen.add(name)
        result.append(EncodedInput(name, each.column, each.part))
    return tuple(result)


def _require_columns(columns: tuple[Column, ...], frame: pl.DataFrame) -> None:
    there = set(frame.columns)
    missing = [column.name for column in columns if column.name not in there]
    if not missing:
        return
    close = difflib.get_close_matches(missing[0], [name for name in frame.columns if name], n=1)
    nearest = f"; the closest it has is '{close[0]}'" if close else ""
    more = len(missing) - 1
    others = f" ({more} more {'is' if more == 1 else 'are'} missing too)" if more else ""
    raise TableError(
        f"Column '{missing[0]}', which the network was trained on, is not in the table{others}{nearest}. "
        "Add or rename it."
    )


def _encode(column: Column, series: pl.Series, out: Matrix, where: Where) -> tuple[int, int]:
    """Fill the inputs of one column, ``out`` (rows, inputs), zeros so far; count missing and unknown rows."""
    if column.kind == "category":
        codes, unknown = codes_of(column, series, where)
        return _categories_into(column, out, codes), unknown
    if column.kind == "boolean":
        return booleans_into(out[:, 0], series, where), 0
    if column.kind == "date":
        absent = dates_into(out, series, column.has_time, where)
    else:
        absent = numbers_into(out[:, 0], series, where)
    if column.missing_seen and absent:
        out[:, -1] = np.isnan(out[:, 0])
    return absent, 0


def _categories_into(column: Column, out: Matrix, codes: NDArray[np.int64]) -> int:
    """Set one input a row; a code is -1 for an unknown category and -2 for a missing one."""
    absent = int(np.count_nonzero(codes == -2))
    if _is_binary(column):
        out[:, 0] = np.where(codes >= 0, 2.0 * codes - 1.0, 0.0)
        return absent
    if column.missing_seen:
        codes = np.where(codes == -2, len(column.categories), codes)
    rows = np.flatnonzero(codes >= 0)
    out[rows, codes[rows]] = 1.0
    return absent
