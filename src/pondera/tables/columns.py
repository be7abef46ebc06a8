"""What a column is: numeric, boolean, a category or a date, and what its encoding must remember."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import polars as pl

from pondera.errors import TableError
from pondera.tables.values import hint

Kind = Literal["numeric", "boolean", "category", "date"]

MAX_CATEGORIES = 1000
"""A text column with more different values is refused."""

MAX_DISTINCT_SHARE = 0.5
"""A text column that is different in a larger share of the rows is refused, from :data:`MANY_ROWS` rows on."""

MANY_ROWS = 50


@dataclass(frozen=True)
class Column:
    """A column of the training table.

    Attributes
    ----------
    name
        Its name in the table.
    kind
        ``"numeric"``, ``"boolean"``, ``"category"`` or ``"date"``.
    categories
        The texts of a category, ascending; empty for other kinds. Categories are compared as texts, since a table
        that came by CSV cannot tell 1 from "1".
    missing_seen
        Whether training rows had missing values here.
    has_time
        Whether a date has a time of day.

    Examples
    --------
    >>> column = Column("sex", "category", ("Female", "Male"))
    >>> Column.from_json(column.to_json()) == column
    True
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    missing_seen: bool = False
    has_time: bool = False

    @classmethod
    def fit(cls, series: pl.Series) -> Column:
        """Describe a column of the training rows.

        Raises
        ------
        TableError
            A type that cannot be used.
        """
        kind = infer_kind(series)
        categories: tuple[str, ...] = ()
        if kind == "category":
            categories = tuple(sorted(series.cast(pl.String).drop_nulls().unique().to_list()))
        return cls(series.name, kind, categories, bool(missing_in(series).any()), series.dtype == pl.Datetime)

    def to_json(self) -> dict[str, Any]:
        """Return the column as a dictionary of plain values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "categories": list(self.categories),
            "missing_seen": self.missing_seen,
            "has_time": self.has_time,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """Return the column that :meth:`to_json` wrote.

        Raises
        ------
        TableError
            An unknown kind.
        """
        if data["kind"] not in get_args(Kind):
            raise TableError(
                f"Column '{data['name']}' is of kind '{data['kind']}'; expected one of {', '.join(get_args(Kind))}."
            )
        return cls(
            name=str(data["name"]),
            kind=data["kind"],
            categories=tuple(str(category) for category in data["categories"]),
            missing_seen=bool(data["missing_seen"]),
            has_time=bool(data["has_time"]),
        )


def missing_in(series: pl.Series) -> pl.Series:
    """Return where a column has no value: null, and NaN among floats."""
    missing = series.is_null()
    return missing | series.is_nan().fill_null(True) if series.dtype.is_float() else missing


def infer_kind(series: pl.Series) -> Kind:
    """Return what kind of column this is.

    Numbers, and times of day and durations (both in seconds), are numeric; so is a column without any value. Texts and
    Polars' categorical types are categories. Dates with or without a time of day are dates.

    Raises
    ------
    TableError
        Lists, structures, bytes and objects.

    Examples
    --------
    >>> infer_kind(pl.Series(["a", "b"]))
    'category'
    """
    dtype = series.dtype
    if dtype.is_numeric() or dtype == pl.Null or dtype in (pl.Duration, pl.Time):
        return "numeric"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "category"
    if dtype in (pl.Date, pl.Datetime):
        return "date"
    raise unusable(series.name, dtype)


def unusable(name: str, dtype: object) -> TableError:
    """Return the error for a column of a type from which nothing can be learned."""
    return TableError(
        f"Column '{name}' holds values of type {dtype}; expected numbers, texts, booleans or dates. "
        "Spread it over several columns or drop it."
    )


def require_few(series: pl.Series) -> None:
    """Refuse a column of texts that are different in nearly every row, or too many.

    Raises
    ------
    TableError
        Says how many there are.
    """
    name, rows, distinct = series.name, len(series), series.drop_nulls().n_unique()
    if distinct > MAX_CATEGORIES or (rows >= MANY_ROWS and distinct > MAX_DISTINCT_SHARE * rows):
        meant = hint(series)
        advice = f"{meant} Or drop it" if meant else "It is an identifier or free text. Drop it"
        raise TableError(
            f"Column '{name}' holds {distinct} different texts in {rows} rows: nothing can be learned from them as "
            f"they stand. {advice} (--drop {shlex.quote(name)}), or derive a category or a number from it."
        )
