"""What a run tells of steps, of a tensor and of one weight."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pondera.recording.figures import TensorFigures

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Steps:
    """Figures of steps, in their order.

    Attributes
    ----------
    first
        (n,) the number of the step; where neighbours were averaged, of the first of them.
    losses, rates, norms
        (n,) the mean loss of the batch before the update, the learning rate, and the norm of all gradients.
    widths
        (n,) of how many steps each figure is the mean: 1 where none were averaged.

    Examples
    --------
    >>> steps = Steps(np.array([0, 4, 8]), np.array([3.0, 2.0, 1.0]), np.ones(3), np.ones(3), np.array([4, 4, 2]))
    >>> steps.taken, steps.told, steps.losses[steps.latest(3)].tolist(), steps.until(5).widths.tolist()
    (10, 10, [2.0, 1.0], [4, 2])
    """

    first: Array
    losses: Array
    rates: Array
    norms: Array
    widths: Array

    @property
    def taken(self) -> int:
        """How many steps there were up to the last one that was told of."""
        return int(self.first[-1] + self.widths[-1]) if len(self.first) else 0

    @property
    def told(self) -> int:
        """Of how many steps figures were told: a loop need not tell of every one."""
        return int(self.widths.sum())

    @property
    def middles(self) -> Array:
        """The middle of the steps that each figure is the mean of, (n,)."""
        middles: Array = self.first + (self.widths - 1) / 2
        return middles

    def latest(self, count: int) -> slice:
        """Return where the figures are of so many of the last steps that were told of."""
        figures = int(np.searchsorted(np.cumsum(self.widths[::-1]), count)) + 1
        return slice(max(len(self.widths) - figures, 0), None)

    def until(self, step: int) -> Steps:
        """Return the figures up to a step; a mean that goes on after it is kept as one of the steps up to there."""
        told = int(np.searchsorted(self.first, step, "right"))
        found = Steps(*(each[:told] for each in vars(self).values()))
        return replace(found, widths=np.minimum(found.widths, step + 1 - found.first))


@dataclass(frozen=True)
class TensorHistory:
    """A tensor at the steps that were recorded.

    Attributes
    ----------
    name, shape, dtype
        Of the tensor.
    initializer
        What its start was drawn from, as plain values; None where it is not known.
    steps, figures
        (n,) the steps, and what is known of each.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    initializer: dict[str, Any] | None
    steps: Array
    figures: tuple[TensorFigures, ...] = field(repr=False)


@dataclass(frozen=True)
class WeightHistory:
    """One weight at the steps that were recorded.

    Attributes
    ----------
    steps
        (n,) values are those just before these steps; after the last step of all, those at the end.
    values, gradients
        (n,) the weight, and the gradient of the step's batch in it; NaN where it is not known.
    kept
        After how many steps the weights were taken that were kept; values of later steps were not.
    """

    steps: Array
    values: Array
    gradients: Array
    kept: int
