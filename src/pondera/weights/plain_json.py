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
    try:
        found = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=str, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if HALF.search(content):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it has half of a letter") from None
    return found


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
