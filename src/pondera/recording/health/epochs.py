"""Epochs as rules look at them: evenly apart, each with a training loss where its steps know one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pondera.recording.history import Steps

MANY = 1000
"""Epochs of which there may have been more, whose figures are not kept."""


def evenly_apart(epochs: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return epochs that are all as far apart as those farthest; of very many, early ones are kept of some only.

    Examples
    --------
    >>> thinned = [*range(0, 4000, 4), *range(4000, 4100)]
    >>> [each["epoch"] for each in evenly_apart([{"epoch": epoch} for epoch in thinned])][-3:]
    [4092, 4096, 4099]
    """
    if len(epochs) < MANY:
        return epochs
    numbers = np.array([int(each["epoch"]) for each in epochs])
    chosen = (numbers - numbers[0]) % np.diff(numbers).max() == 0
    chosen[-1] = True
    return [epochs[int(place)] for place in np.flatnonzero(chosen)]


def with_losses(epochs: Sequence[Mapping[str, Any]], steps: Steps) -> list[Mapping[str, Any]]:
    """Return epochs with the mean loss of their steps, where that is finite and nobody told a training loss.

    What is the mean of steps of several epochs counts in each of them by how many of its steps it is of.

    Examples
    --------
    >>> losses = np.array([4.0, 2.0, 1.0, math.nan])
    >>> steps = Steps(np.arange(4), losses, np.ones(4), np.ones(4), np.ones(4, np.int64))
    >>> with_losses([{"step": k, "training_loss": None} for k in (2, 3, 4)], steps)
    [{'step': 2, 'training_loss': 3.0}, {'step': 3, 'training_loss': 1.0}, {'step': 4, 'training_loss': None}]
    """
    found, begin, ends = [], 0, steps.first + steps.widths
    for epoch in epochs:
        end = int(epoch["step"])
        if epoch["training_loss"] is None:
            within = slice(np.searchsorted(ends, begin, "right"), np.searchsorted(steps.first, end))
            counts = np.minimum(ends[within], end) - np.maximum(steps.first[within], begin)
            mean = float(np.average(steps.losses[within], weights=counts)) if len(counts) else math.nan
            epoch = {**epoch, "training_loss": mean if math.isfinite(mean) else None}
        found.append(epoch)
        begin = end
    return found
