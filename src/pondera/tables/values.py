"""Columns of texts -> numbers, booleans, dates, or categories; and the few texts that spoil a column.

What a text means is decided by the whole column:

- Blanks around a text are dropped. A text of :data:`MISSING`, in any case, is a missing value. So is ``none`` where all
  other values are numbers, booleans or dates; in a column of texts ``none`` stays a value, because "none" is
  what people write for a house without a garage.
- All numbers: whole numbers become Int64, others Float64. ``inf`` is a number here (training refuses it later, with its
  row). Whole numbers of one common width of which some start with 0 ("00123", "90210") are codes and stay text.
- All ``true`` or ``false``, in any case: Boolean. ``yes``, ``no`` stay text; 0 and 1 are numbers.
- All ISO dates or times (2024-01-31, 2024/01/31, 2024-01-31 12:30, 2024-01-31T12:30:05Z): Date or Datetime. Times
  with an offset are brought to UTC. With dots, 31.01.2024, the day comes first. 01/02/2024 is no date: nobody can
  tell the day from the month.
- Anything else is text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

MISSING = ("", "na", "n/a", "nan", "null", "?", "-")
"""Texts that mean "no value", compared without regard to case and after dropping blanks; see above for ``none``."""

NUMBERS_AT_LEAST = 0.9
"""From this share of numbers (or dates) on, the few other texts of a column can count as mistakes."""

NEARLY_ALL = 0.99
"""From this share on they do, however many and however different they are."""

_DATE = r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}\.\d{1,2}\.\d{4})"
_DOTTED = r"^(\d{1,2})\.(\d{1,2})\.(\d{4})"
_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class Stray:
    """A text in a column that otherwise holds numbers or dates.

    Attributes
    ----------
    row
        Position in the column, the first is 0.
    text
        What was found.
    wanted
        ``"number"`` or ``"date"``.
    share
        How much of the column (of what is not missing) is as wanted.
    """

    row: int
    text: str
    wanted: str
    share: float


def clean_text(texts: pl.Series) -> pl.Series:
    """Drop blanks around each text and turn the texts of :data:`MISSING` into null.

    Examples
    --------
    >>> clean_text(pl.Series([" a ", "N/A", "none"])).to_list()
    ['a', None, 'none']
    """
    stripped = texts.str.strip_chars()
    missing = stripped.str.len_bytes() <= max(map(len, MISSING))
    if not missing.any():
        return stripped
    return stripped.set(missing & stripped.str.to_lowercase().is_in(list(MISSING)), None)


def typed_text(texts: pl.Series) -> pl.Series:
    """Return a column of texts with the dtype that its values have; see the head of this module.

    Examples
    --------
    >>> typed_text(pl.Series(["1", "?", " 2.5"])).to_list()
    [1.0, None, 2.5]
    >>> typed_text(pl.Series(["90210", "00123"])).to_list()
    ['90210', '00123']
    """
    for read in (_whole_numbers, numbers_of):  # the usual case: nothing needs cleaning
        result = read(texts)
        if len(texts) > texts.null_count() == result.null_count() and not _holds_nan(result):
            return texts if result.dtype.is_integer() and _are_codes(texts) else result
    cleaned = clean_text(texts)
    if cleaned.null_count() == len(cleaned):
        return pl.Series(texts.name, [None] * len(cleaned), dtype=pl.Float64)
    sure = without_none(cleaned)
    if sure.null_count() == len(sure):
        return cleaned
    for read in (_whole_numbers, numbers_of, booleans_of, dates_of):
        result = read(sure)
        if result.null_count() == sure.null_count():
            return cleaned if result.dtype.is_integer() and _are_codes(sure) else result
    return cleaned


def _holds_nan(values: pl.Series) -> bool:
    return values.dtype.is_float() and bool(values.is_nan().any())


def common_form(texts: pl.Series) -> pl.Series:
    """Return texts with whole numbers, truth values and dates written in one way; others as they are.

    Examples
    --------
    >>> common_form(pl.Series(["1.0", "True", "31.01.2024", "10.0.0.0", None])).to_list()
    ['1', 'true', '2024-01-31 00:00:00.000000', '10.0.0.0', None]
    """
    whole = texts.str.contains(r"^-?\d+\.0$").fill_null(False)
    truth = texts.str.to_lowercase().is_in(["true", "false"]).fill_null(False)
    moments = dates_of(texts).cast(pl.Datetime("us")).dt.to_string("%Y-%m-%d %H:%M:%S%.6f")
    found = texts.zip_with(~whole, texts.str.strip_suffix(".0")).zip_with(~truth, texts.str.to_lowercase())
    return found.zip_with(moments.is_null(), moments)


def without_none(texts: pl.Series) -> pl.Series:
    """Turn ``none``, in any case, into null."""
    return texts.set((texts.str.to_lowercase() == "none").fill_null(False), None)


def _whole_numbers(texts: pl.Series) -> pl.Series:
    return texts.cast(pl.Int64, strict=False)


def numbers_of(texts: pl.Series) -> pl.Series:
    """Read numbers; null where a text is none."""
    return texts.cast(pl.Float64, strict=False)


def booleans_of(texts: pl.Series) -> pl.Series:
    """Read ``true`` and ``false`` in any case; null where a text is neither."""
    lowered = texts.str.to_lowercase()
    return (lowered == "true").set(~lowered.is_in(["true", "false"]).fill_null(False), None)


def dates_of(texts: pl.Series) -> pl.Series:
    """Read ISO dates and times; null where a text is neither. Date if there is no time at all, else Datetime."""
    looks = texts.str.contains(_DATE).fill_null(False)
    if not looks.any():
        return pl.Series(texts.name, [None] * len(texts), dtype=pl.Date)
    plain = texts.set(~looks, None).str.replace(_DOTTED, "${3}-${2}-${1}").str.replace_all("/", "-", literal=True)
    days = plain.str.to_date("%Y-%m-%d", strict=False)
    if days.null_count() == plain.null_count():
        return days
    spaced = plain.str.replace("[Tt]", " ").str.replace("[Zz]$", "+00:00")
    times = days.cast(pl.Datetime("us"))
    for form in _FORMATS:
        times = _first_known(times, spaced.str.to_datetime(form, strict=False, time_unit="us"))
    for form in _FORMATS:
        offset = spaced.str.replace(r" ?([+-]\d{2}):?(\d{2})$", "${1}${2}")
        aware = offset.str.to_datetime(form + "%z", strict=False, time_unit="us")
        times = _first_known(times, aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None))
    return times.alias(texts.name)


def _first_known(known: pl.Series, other: pl.Series) -> pl.Series:
    return known.zip_with(known.is_not_null(), other)


def _are_codes(texts: pl.Series) -> bool:
    """Whether whole numbers are written as codes: one common width of two or more, some with a leading 0."""
    widths = texts.str.len_bytes()
    shortest, longest = widths.min(), widths.max()
    return shortest == longest and longest != 1 and bool(texts.str.starts_with("0").any())


HINTS: tuple[tuple[str, str], ...] = (
    (r"^\d{1,2}[-/]\d{1,2}[-/]\d{2,4}\b", "Its texts look like dates: write them as 2024-01-31."),
    (r"^\d{1,2}[- ][[:alpha:]]{3,}[- ,]+\d{2,4}\b", "Its texts look like dates: write them as 2024-01-31."),
    (r"^[[:alpha:]]{3,} \d{1,2},? \d{4}\b", "Its texts look like dates: write them as 2024-01-31."),
    (r"^[-+]?\p{Sc} ?[-+]?\d", "Its texts look like amounts: leave out the currency."),
    (r"^[-+]?[\d.,]+ ?\p{Sc}$", "Its texts look like amounts: leave out the currency."),
    (r"^[-+]?[\d.,]+ ?%$", "Its texts look like percentages: leave out the sign."),
    (r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$", "Its texts look like numbers: leave out the commas between thousands."),
)
"""What texts that are refused may be meant as: a pattern, and what to do."""


def hint(texts: pl.Series) -> str:
    """Return what to do about texts that nearly all look like something that is not read; else an empty text.

    Examples
    --------
    >>> hint(pl.Series(["12.5%", "3%", None]))
    'Its texts look like percentages: leave out the sign.'
    """
    present = texts.drop_nulls().cast(pl.String)
    for pattern, advice in HINTS:
        if present.str.contains(pattern).sum() >= NUMBERS_AT_LEAST * max(len(present), 1):
            return advice
    return ""


def find_stray(texts: pl.Series) -> Stray | None:
    """Return the first text that looks like a mistake in a column of numbers or dates, or None.

    Numbers written as codes ("00123") are left alone. The others must be at least :data:`NUMBERS_AT_LEAST` of the
    column and look measured rather than like codes: more than 20 different values, or different in more than half of
    the rows. The strays must be few: at most three, or all the same text, or no more than 1 % (:data:`NEARLY_ALL`).
    Hence house numbers, some of which are "12A", "14B", stay text, while one "abc" among ages is found.

    Examples
    --------
    >>> find_stray(pl.Series([*map(str, range(99)), "abc"])).text
    'abc'
    """
    cleaned = without_none(clean_text(texts))
    present = len(cleaned) - cleaned.null_count()
    readers: tuple[tuple[str, Callable[[pl.Series], pl.Series]], ...] = (("number", numbers_of), ("date", dates_of))
    for wanted, read in readers:
        values = read(cleaned)
        known = len(values) - values.null_count()
        share = known / present if present else 1.0
        if not NUMBERS_AT_LEAST <= share < 1:
            continue
        strays = cleaned.is_not_null() & values.is_null()
        others = cleaned.filter(strays)
        if wanted == "number" and _are_codes(cleaned.filter(values.is_not_null())):
            continue
        measured = values.drop_nulls().n_unique() > min(20, known / 2)
        if measured and (share >= NEARLY_ALL or len(others) <= 3 or others.n_unique() == 1):
            row = strays.arg_max()
            return Stray(row if row is not None else 0, str(others[0]), wanted, share)
    return None
