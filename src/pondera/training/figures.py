"""What a training tells: where it stands, each epoch's figures, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pondera.network.network import Network
from pondera.training.epoch import State


@dataclass(frozen=True)
class EpochFigures:
    """What one epoch left behind.

    ``validation_metric`` is the accuracy or the RMSE of the outputs on the validation rows; the two validation figures
    are None without such rows.
    """

    epoch: int
    learning_rate: float
    training_loss: float
    validation_loss: float | None
    validation_metric: float | None
    seconds: float


@dataclass(frozen=True)
class Progress:
    """Where training stands, for a display: steps of all epochs, rows a second, and the last epoch's figures."""

    step: int
    steps: int
    epoch: int
    epochs: int
    rows_per_second: float
    figures: EpochFigures | None


@dataclass(frozen=True)
class Fit:
    """A finished training.

    Attributes
    ----------
    weights
        The weights that were kept, in the form they came in.
    network
        The same as a :class:`~pondera.network.network.Network`, where one was trained; else None.
    history
        The figures of every epoch.
    metric
        What ``validation_metric`` is: ``"accuracy"`` or ``"rmse"``.
    best_epoch
        The epoch whose weights were kept, counted from 0; −1 for the start.
    reason
        Why it ended: ``"completed"``, ``"patience"``, ``"interrupted"`` or ``"diverged"``.
    message
        The same as a sentence, with advice.
    state
        The last good state, from which training can go on.
    """

    weights: Any
    network: Network | None
    history: tuple[EpochFigures, ...]
    metric: str
    best_epoch: int
    reason: str
    message: str
    state: State = field(repr=False)

    def __repr__(self) -> str:
        what = "a function's weights" if self.network is None else repr(self.network)
        return f"<Fit of {what}: {self.message}>"
