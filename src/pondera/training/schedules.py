"""How the learning rate moves: a factor in [0, 1] for each moment of training.

A schedule is a function of progress ``t``, from 0 at the first step towards 1 at the last, on arrays of any shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from pondera.constraints import Rule

Array = npt.NDArray[np.float64]
Schedule = Callable[..., Array]
Share = Annotated[float, Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)]


def constant(t: Array) -> Array:
    """1 all the way."""
    return np.ones_like(t)


def cosine(t: Array, *, floor: Share = 0.0) -> Array:
    """Half a cosine from 1 down to the floor. Loshchilov & Hutter 2017, arXiv 1608.03983."""
    return floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * t))


def warmup_cosine(t: Array, *, warmup: Share = 0.1, floor: Share = 0.0) -> Array:
    """Straight up from 0 during the first share ``warmup``, then half a cosine down. Goyal et al. 2017, 1706.02677."""
    down = cosine(np.clip((t - warmup) / max(1 - warmup, 1e-12), 0, 1), floor=floor)
    return np.where(t < warmup, t / max(warmup, 1e-12), down)


def one_cycle(t: Array, *, warmup: Share = 0.3, start: Share = 1 / 25, end: Share = 1e-4) -> Array:
    """Cosine from ``start`` up to 1, then down to ``start``·``end``. Smith & Topin 2018, arXiv 1708.07120."""
    up = start + (1 - start) * 0.5 * (1 - np.cos(np.pi * t / max(warmup, 1e-12)))
    fall = np.clip((t - warmup) / max(1 - warmup, 1e-12), 0, 1)
    return np.where(t < warmup, up, cosine(fall, floor=start * end))


def coslog4(t: Array) -> Array:
    """½(1 − cos(2π·log₂(1 + 15t))): four ever longer waves. Holzmüller et al. 2024, arXiv 2407.04491, equation 3."""
    return 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * t)))


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "cosine": cosine,
    "warmup_cosine": warmup_cosine,
    "one_cycle": one_cycle,
    "coslog4": coslog4,
}


def rates(schedule: Schedule, peak: float, steps: range, total: int) -> npt.NDArray[Any]:
    """Return the learning rate of each of these steps: (steps,), float64.

    Parameters
    ----------
    schedule
        Progress to factor.
    peak
        The learning rate that the factor multiplies.
    steps
        Step numbers, counted from 0 over the whole training.
    total
        Number of steps of the whole training; later steps keep the rate of its end.

    Examples
    --------
    >>> rates(cosine, 0.1, range(3), 3).round(3).tolist()
    [0.1, 0.075, 0.025]
    """
    progress = np.minimum(np.arange(steps.start, steps.stop) / max(total, 1), 1.0)
    return peak * schedule(progress)
