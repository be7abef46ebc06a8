"""What a run says of itself, as JSON: read again, and held to the form that it is written in."""

from __future__ import annotations

import json
import math
from typing import Any

FORMS: dict[str, type] = {
    **dict.fromkeys(("state", "level", "began", "framework", "metric"), str),
    **dict.fromkeys(("identity", "rows", "arguments", "versions", "machine", "began.", "ended."), dict),
    **dict.fromkeys(("inputs", "outputs", "columns", "layers", "resumed", "broken."), list),
    **dict.fromkeys(("steps_per_epoch", "kept.", "seed.", "epochs_apart."), int),
}
"""What is known by a name; of names that end with a dot there is one of each part, and its number follows."""


def plain(text: str) -> Any:
    """Return JSON as plain values; what is not finite, which JSON has no word for, becomes None.

    Examples
    --------
    >>> plain('{"loss": NaN, "step": 3}')
    {'loss': None, 'step': 3}
    """
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)


def known(name: str, text: str) -> Any:
    """Return what a run knows by a name.

    Raises
    ------
    TypeError, ValueError
        If it is of another form than what is written by that name, or its text is none that can be written again.

    Examples
    --------
    >>> known("kept.0", "240")
    240
    >>> known("kept.0", '"many"')
    Traceback (most recent call last):
    TypeError: expected int as 'kept.0', found str
    """
    value = plain(text)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # halves of letters can be written in JSON, and nowhere else
    kind = name.rstrip("0123456789")
    form = FORMS.get(kind) or FORMS.get(kind.removesuffix("."))
    if form is not None and value is not None and not isinstance(value, form):
        raise TypeError(f"expected {form.__name__} as {name!r}, found {type(value).__name__}")
    return value


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
