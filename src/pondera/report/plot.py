"""Curves in a terminal, in dots: a letter is two dots wide and four high."""

from __future__ import annotations

from collections.abc import Sequence

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
EMPTY = 0x2800


def plot(x: Sequence[float], y: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """Return a curve through points as lines of text.

    Parameters
    ----------
    x, y
        (n,) ascending, and finite.
    width, height
        In letters.

    Examples
    --------
    >>> for line in plot([0, 1, 2], [0, 1, 0], width=3, height=1):
    ...     print(line)
    ⡠⠓⢄
    """
    across, down = 2 * width - 1, 4 * height - 1
    low, high = min(y), max(y)
    wide, tall = (x[-1] - x[0]) or 1.0, (high - low) or 1.0
    rows = [[EMPTY] * width for _ in range(height)]
    places = [((a - x[0]) / wide * across, (high - b) / tall * down) for a, b in zip(x, y, strict=True)]
    for (x0, y0), (x1, y1) in zip(places, places[1:] or places, strict=False):
        many = int(max(abs(x1 - x0), abs(y1 - y0))) + 1
        for k in range(many + 1):
            column, row = round(x0 + (x1 - x0) * k / many), round(y0 + (y1 - y0) * k / many)
            rows[row // 4][column // 2] |= DOTS[row % 4][column % 2]
    return ["".join(map(chr, row)) for row in rows]
