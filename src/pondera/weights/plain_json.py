"""JSON that a file brings along: read so that it costs little, and so that it can be written as JSON again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

MOST_PARTS = 1 << 22
"""More lists and dictionaries than this are refused: a list takes two letters in a file and thirty times that here."""

MOST_ITEMS = 1 << 24
"""More commas than this are refused."""

MOST_DIGITS = 4000
"""Longer whole numbers come as text; Python makes none of more than 4,300 digits."""

LONG = re.compile(rb"\d{%d}" % MOST_DIGITS)
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # one half of a pair, perhaps without the other


def read_json(content: bytes) -> Any:
    """Return what a text in UTF-8 says. What JSON has no number for (NaN, what is too large) comes as text.

    Raises
    ------
    ValueError
        In a few words why it cannot be read: it is no JSON, is nested too deep, has too many parts, holds one name
        twice, or holds letters that are none.

    Examples
    --------
    >>> read_json(b'{"rate": NaN, "bias": [1, 1e999]}')
    {'rate': 'NaN', 'bias': [1, '1e999']}
    >>> read_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
        ...
    ValueError: the name 'a' occurs twice
    """
    if content.count(b"[") + content.count(b"{") > MOST_PARTS or content.count(b",") > MOST_ITEMS:
        raise ValueError(f"it has more than {MOST_PARTS:,} lists or {MOST_ITEMS:,} values")
    text = content.decode("utf-8-sig")
    try:
        # Python's own whole numbers are read faster; a hook for those it refuses to make costs as much for all others.
        found = _loaded(text, parse_int=_whole) if LONG.search(content) else _loaded(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if HALF.search(content):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it has half of a letter") from None
    return found


def _loaded(text: str, **hooks: Any) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=str, parse_float=_finite, **hooks)


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= MOST_DIGITS else text[:40]


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name!r:.200} occurs twice")
            seen.add(name)
    return found


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text[:40]
