"""What a run tells of steps, of a tensor and of one weight."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """

    first: Array
    losses: Array
    rates: Array
    norms: Array


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
