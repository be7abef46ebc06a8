"""Whether a training fits into the machine's memory at all: better a sentence before than a dead process after."""

from __future__ import annotations

import os
from collections.abc import Sized

import numpy as np

from pondera.errors import ArgumentError
from pondera.network.architecture import Architecture

COPIES = 3
"""Weights, their gradients, and what an optimizer keeps at least."""


def memory() -> float:
    """Return the machine's memory in bytes; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        return float("inf")


def rows_a_step(x: object, batch: int) -> int:
    """Return how many rows a step takes: all of them where they are fewer than a batch."""
    return min(batch, len(x)) if isinstance(x, Sized) else batch


def require_room(architecture: Architecture, dtype: str, batch: int, networks: int = 1) -> None:
    """Refuse a training that cannot fit: its weights in :data:`COPIES`, and what each layer makes of one batch.

    It is a lower bound of what training takes; what passes may still be too much.

    Raises
    ------
    ArgumentError
        Says how much it needs, and how much there is.

    Examples
    --------
    >>> require_room(Architecture(2, ()), "float32", batch=32)
    """
    size = sum(int(np.prod(shape, dtype=object)) for shape in architecture.shapes.values())
    needed = np.dtype(dtype).itemsize * (COPIES * size * networks + batch * sum(architecture.widths))
    if needed > memory():
        raise ArgumentError(
            f"Training {size:,} weights in batches of {batch:,} rows needs at least {needed / 1e9:,.0f} GB of memory; "
            f"this machine has {memory() / 1e9:,.0f} GB. Give fewer or smaller hidden layers, or a smaller batch."
        )
