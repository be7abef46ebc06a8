"""Where names are written beside the points of a chart, so that none lies over another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LETTER, LINE = 5.8, 12.0
"""Pixels that a letter is wide and a line is high, of letters of 10 pixels."""

AWAY = 7.0
"""Pixels between the middle of a point and the beginning of its name, or the middle of its line."""


def beside(names: Sequence[str], places: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """Return where names begin, at the middle of their height; NaN of one that there is no room for: (points, 2).

    Parameters
    ----------
    names
        Of the points, the first of them first to have its place.
    places
        Of the points, (points, 2): pixels from the left and from the lower end.
    size
        Of the chart: its width and height.

    Examples
    --------
    The second name is written before its point, for behind it there is the first; the third above it.

    >>> points = np.array([[50.0, 50.0], [45.0, 50.0], [43.0, 50.0]])
    >>> beside(["one", "two", "three"], points, (200, 100)).round().tolist()
    [[57.0, 50.0], [21.0, 50.0], [36.0, 64.0]]
    """
    taken = [(x - AWAY / 2, y - AWAY / 2, x + AWAY / 2, y + AWAY / 2) for x, y in places]
    found = np.full((len(names), 2), np.nan)
    for k, (name, (x, y)) in enumerate(zip(names, places, strict=True)):
        width = LETTER * len(name)
        right, left = x + AWAY, x - AWAY - width
        for begin, middle in (
            (right, y),
            (left, y),
            *((start, y + side * 2 * AWAY) for side in (1, -1) for start in (x - AWAY, x + AWAY - width)),
        ):
            box = (begin, middle - LINE / 2, begin + width, middle + LINE / 2)
            if box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1] and not _over(box, taken):
                taken.append(box)
                found[k] = begin, middle
                break
    return found


def _over(box: tuple[float, ...], taken: Sequence[tuple[float, ...]]) -> bool:
    """Return whether a box lies over one of others: left, lower, right and upper end."""
    return any(box[0] < c and a < box[2] and box[1] < d and b < box[3] for a, b, c, d in taken)
