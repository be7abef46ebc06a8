"""Which weights are followed one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ALL = 250_000
"""A network of no more weights has every one of them followed."""

SAMPLE, FEWEST = 10_000, 64
"""Of a larger one so many are, and of each tensor at least so many."""


def followed(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, Array | None]:
    """Return, of each tensor, the flat places of the weights to follow, ascending; None for all of them.

    Examples
    --------
    >>> followed({"weight": (3, 4)})
    {'weight': None}
    >>> {name: len(places) for name, places in followed({"large": (999, 999), "bias": (999,)}).items()}
    {'large': 9990, 'bias': 64}
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    whole = sum(sizes.values())
    if whole <= ALL:
        return dict.fromkeys(shapes)
    found: dict[str, Array | None] = {}
    for name, size in sizes.items():
        wanted = max(min(size, FEWEST), SAMPLE * size // whole)
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *name.encode()])))
        found[name] = None if wanted == size else np.sort(random.choice(size, wanted, replace=False, shuffle=False))
    return found
