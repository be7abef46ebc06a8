"""Whether a training fits into the machine's memory at all: better a sentence before than a dead process after."""

from __future__ import annotations

import math
import os
from collections.abc import Sized
from pathlib import Path

import jax
import numpy as np

from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.machine import cores
from pondera.network.architecture import Architecture
from pondera.training.optimizers import transformation
from pondera.training.plan import Plan

LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says how much a container may take."""


def memory() -> float:
    """Return how much memory there is for this process, in bytes; infinite where the system does not say."""
    try:
        machine = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        machine = math.inf
    try:
        return min(machine, float(LIMIT.read_text()))
    except (OSError, ValueError):  # no such limit, or "max"
        return machine


def require_room(architecture: Architecture, plan: Plan, dtype: str, x: object, networks: int = 1) -> None:
    """Refuse a training that cannot fit.

    What is counted is known: for each network the weights it starts from, those it keeps, and what the optimizer keeps;
    for those that train at once three states (the last good one, the ones before and after a stretch of steps),
    gradients and updates, and what each layer makes of a batch. What passes may still be too much.

    Raises
    ------
    ArgumentError
        Says how much it needs, and how much there is.

    Examples
    --------
    >>> require_room(Architecture(2, ()), Plan(), "float32", [[1.0, 2.0]])
    """
    size = sum(int(np.prod(shape, dtype=object)) for shape in architecture.shapes.values())
    width = np.dtype(dtype).itemsize
    kept = _kept_by(plan)  # by the optimizer, a weight
    rows = min(plan.batch_size, len(x)) if isinstance(x, Sized) else plan.batch_size
    at_once = min(networks, cores())
    copies = networks * (2 + kept) + at_once * (3 * (1 + kept) + 2)
    needed = width * (copies * size + at_once * rows * sum(architecture.widths))
    if needed > memory():
        what = f"{networks} networks of {size:,} weights" if networks > 1 else f"{size:,} weights"
        raise ArgumentError(
            f"Training {what} in batches of {rows:,} rows needs at least {_gigabytes(needed)} of memory; "
            f"there are {_gigabytes(memory())}. Give fewer or smaller hidden layers, a smaller batch or fewer "
            "networks."
        )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.0f} GB" if size >= 1e11 else f"{size / 1e9:.3g} GB"


def _kept_by(plan: Plan) -> float:
    """Return how many numbers the optimizer keeps for each weight of a matrix."""
    if not isinstance(plan.optimizer, Choice):
        return 0.0  # it may want weights of its own kind
    start = transformation(plan.optimizer, plan.decay, plan.gradient_clip).init
    state = jax.eval_shape(start, np.zeros((256, 256), np.float32))
    return float(sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state)) / 256**2)
