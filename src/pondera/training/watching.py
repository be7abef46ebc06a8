"""Who sees a training go by: told of every step, shown some of them from both sides, and asked where to go on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pondera.network.rows import Apply
from pondera.training.divergence import Trace
from pondera.training.epoch import Order, Program, Rows, State
from pondera.training.figures import EpochFigures
from pondera.training.plan import Plan
from pondera.training.rows import Held
from pondera.training.stopping import NOT_YET, Best, Ending, Interruption

Figures = npt.NDArray[np.float64]

NEVER = 2**62
"""A step that no training comes to."""


class Beginning(NamedTuple):
    """A training before its first step.

    Attributes
    ----------
    program, plain, trace
        What is run; the model without a key; layer by layer, None where it is a plain function.
    rows, held, plan
        What is trained on, what is held out, if anything, and how.
    state
        Before the first step.
    steps
        Of an epoch.
    interruption
        Whether somebody wants training to stop.
    """

    program: Program
    plain: Apply
    trace: Trace | None
    rows: Rows
    held: Held | None
    plan: Plan
    state: State
    steps: int
    interruption: Interruption


class Point(NamedTuple):
    """One step from both sides.

    Attributes
    ----------
    step
        Its number, counted from 0 over all epochs of this training.
    before, after
        The states.
    order, i
        The epoch, and which of its steps.
    squares
        (tensors,) the sum of the squared gradients of each tensor, in the order of the pytree's leaves.
    """

    step: int
    before: State
    after: State
    order: Order
    i: int
    squares: Figures


class Checkpoint(NamedTuple):
    """Everything from which training goes on as if it had never stopped.

    Attributes
    ----------
    state
        After the last step taken.
    started
        The number of the first epoch.
    done, losses
        How many steps of the epoch were taken, and their losses, (steps of an epoch,).
    history, best
        The figures of the epochs finished, and the best weights so far.
    keeps_best
        Whether the best weights are kept in the end, and not the last.
    ending
        Why training ended; empty while it goes on.
    """

    state: State
    started: int
    done: int
    losses: Figures
    history: Sequence[EpochFigures]
    best: Best[Any]
    keeps_best: bool
    ending: Ending = NOT_YET


class Watcher:
    """Sees a training go by. This one looks at nothing, and costs nothing."""

    watches = False
    """Whether anybody looks: whether the norms of gradients are worth computing."""

    def named(self, inputs: Sequence[str], outputs: Sequence[str], columns: Sequence[str] = ()) -> None:
        """Be told what inputs and outputs are called, where they have names, before training begins.

        ``columns`` are those of a table that the inputs are made of, one an input.
        """

    def skip(self) -> bool:
        """Be told before training begins that somebody wants it to stop; return whether it need not begin at all."""
        return True

    def begin(self, beginning: Beginning) -> Checkpoint | None:
        """Be told that a training begins; return where it is to go on from, or None for its start."""
        return None

    def next(self, step: int) -> int:
        """Return the first step, from this one on, to be seen from both sides."""
        return NEVER

    def took(self, first: int, losses: Figures, rates: Figures, norms: Figures, seconds: float) -> None:
        """Be told of steps: mean losses before the update, learning rates, norms of gradients, how long they took."""

    def saw(self, point: Point) -> None:
        """Be shown a step that was asked for."""

    def epoch(self, figures: EpochFigures, step: int) -> None:
        """Be told of an epoch's end, after ``step`` steps."""

    def offer(self, checkpoint: Checkpoint, step: int) -> None:
        """Be offered a place to go on from later, after ``step`` steps; the last one has a reason."""


NOBODY = Watcher()
