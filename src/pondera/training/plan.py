"""A plan: everything about a training that is not data and not architecture."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import optax

from pondera.choice import Choice, look_up, plain, unknown
from pondera.errors import ArgumentError
from pondera.training.losses import loss_of
from pondera.training.optimizers import optimizer_of
from pondera.training.schedules import SCHEDULES


@dataclass(frozen=True)
class Plan:
    """How to train. The same plan, data, seed, kind of device and number of cores give the same weights, bit for bit.

    Parameters
    ----------
    loss
        Name of the loss; see :data:`pondera.training.losses.LOSSES`.
    optimizer
        Name of the optimizer, or any Optax object, which brings its own learning rate.
    learning_rate
        The schedule's peak. None takes the optimizer's usual one; for an Optax object it multiplies its updates.
    schedule
        Name of the schedule; see :data:`pondera.training.schedules.SCHEDULES`.
    epochs
        How many times every row is seen.
    batch_size
        Rows a step. A table with fewer rows is one batch.
    weight_decay
        Decoupled weight decay, on arrays of two or more axes only: each step takes learning rate · decay · weight off.
        None takes the optimizer's usual one; for an Optax object that is 0, and its own rate does not enter.
    gradient_clip
        Largest global norm of the gradient; None leaves it as it is.
    rate_factors
        Factors of the learning rate by the last part of a weight's name, such as ``{"bias": 0.1, "scale": 6.0}``.
    keep
        Which weights are kept when there are validation rows: those of the epoch with the best ``"loss"`` or the
        best ``"metric"`` (accuracy or RMSE; the later of equals), or the ``"last"``.
    patience
        Stop after this many epochs without a new best one; None trains to the end.
    seed
        Drives the order of rows and dropout.

    Raises
    ------
    ArgumentError
        If a value cannot be used.

    Examples
    --------
    >>> plan = Plan(loss="squared_error", epochs=10)
    >>> Plan.from_json(plan.to_json()) == plan
    True
    """

    loss: Choice | str = "squared_error"
    optimizer: Choice | str | optax.GradientTransformation = "adam"
    learning_rate: float | None = None
    schedule: Choice | str = "constant"
    epochs: int = 100
    batch_size: int = 256
    weight_decay: float | None = None
    gradient_clip: float | None = None
    rate_factors: tuple[tuple[str, float], ...] | Mapping[str, float] = ()
    keep: Literal["loss", "metric", "last"] = "loss"
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("loss", "schedule"):
            object.__setattr__(self, name, Choice.of(getattr(self, name)))
        if not isinstance(self.optimizer, optax.GradientTransformation):
            object.__setattr__(self, "optimizer", Choice.of(self.optimizer))
            optimizer_of(self.optimizer).direction()
        object.__setattr__(self, "rate_factors", _pairs(self.rate_factors))
        loss_of(self.loss)
        look_up("schedule", self.schedule, SCHEDULES)
        if self.keep not in ("loss", "metric", "last"):
            raise ArgumentError(unknown("value of keep:", self.keep, ("loss", "metric", "last")))
        for name, low in (("epochs", 0), ("batch_size", 1), ("patience", 1), ("seed", 0)):
            self._check(name, int, low)
        if self.seed >= 2**32:
            raise ArgumentError(f"The plan's seed must be below 2**32. Got {self.seed!r}.")
        for name, low in (("learning_rate", 0), ("weight_decay", 0), ("gradient_clip", 0)):
            self._check(name, float, low)

    def _check(self, name: str, kind: type, low: int) -> None:
        value = plain(getattr(self, name))
        object.__setattr__(self, name, value)
        optional = name not in ("epochs", "batch_size", "seed")
        if value is None and optional:
            return
        numbers = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, numbers) or not math.isfinite(value) or value < low:
            what = "a whole number" if kind is int else "a number"
            raise ArgumentError(
                f"The plan's {name} must be {what} of at least {low}{' or None' if optional else ''}. Got {value!r}."
            )

    @property
    def factors(self) -> tuple[tuple[str, float], ...]:
        """The learning rate's factors by the last part of a weight's name, as pairs."""
        return cast("tuple[tuple[str, float], ...]", self.rate_factors)

    @property
    def peak(self) -> float:
        """The learning rate at the schedule's peak."""
        if self.learning_rate is not None:
            return self.learning_rate
        return optimizer_of(self.optimizer).learning_rate if isinstance(self.optimizer, Choice) else 1.0

    @property
    def decay(self) -> float:
        """The weight decay in force."""
        if self.weight_decay is not None:
            return self.weight_decay
        return optimizer_of(self.optimizer).weight_decay if isinstance(self.optimizer, Choice) else 0.0

    def replace(self, **changes: Any) -> Plan:
        """Return the plan with some values changed."""
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise ArgumentError(unknown("value of a plan:", name, known))
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a dictionary of plain values. An Optax object becomes the name ``"custom"``."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("loss", "optimizer", "schedule"):
            values[name] = values[name].to_json() if isinstance(values[name], Choice) else "custom"
        values["rate_factors"] = dict(values["rate_factors"])
        return values

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Plan:
        """Return the plan that :meth:`to_json` described.

        Raises
        ------
        ArgumentError
            If a value is unknown, or the plan was made with an Optax object of its own.
        """
        if not isinstance(value, Mapping):
            raise ArgumentError(f"Expected a plan as a dictionary. Got {value!r:.80}.")
        if value.get("optimizer") == "custom":
            raise ArgumentError("This plan was made with an Optax object, which has no JSON form. Make the plan again.")
        return Plan().replace(**value)


def plan_of(plan: Plan | None) -> Plan:
    """Return the plan, or the default one where there is none.

    Raises
    ------
    ArgumentError
        If it is something else.
    """
    if plan is None:
        return Plan()
    if not isinstance(plan, Plan):
        raise ArgumentError(f"plan= is a Plan such as Plan(optimizer='adam', epochs=50). Got {plan!r:.80}.")
    return plan


def _pairs(factors: Any) -> tuple[tuple[str, float], ...]:
    try:
        pairs = tuple((str(name), float(factor)) for name, factor in dict(factors).items())
    except (TypeError, ValueError, OverflowError):
        pairs = (("", math.nan),)
    if not all(math.isfinite(factor) for _, factor in pairs):
        raise ArgumentError(f"The plan's rate_factors must be a dictionary of name to finite number. Got {factors!r}.")
    return pairs
