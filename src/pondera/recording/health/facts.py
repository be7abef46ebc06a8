"""What rules look at: the figures of a run, as they were known after any of its steps."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pondera.recording.figures import TensorFigures, UnitFigures
from pondera.recording.health.epochs import evenly_apart, with_losses
from pondera.recording.history import Steps, TensorHistory
from pondera.recording.run import Run

Array = np.ndarray[Any, Any]

FIRST, GROWTH = 4, 1.5
"""While training goes on rules are asked at this step first, and again after so many times as many."""

WEIGHTED = ("dense", "convolution")
"""Kinds of recorded layers of loops that are not Pondera's that have weights; the others are activations."""

NEARLY = 0.9
"""Of the best constant's loss: from there on next to nothing of it is taken away."""

RECENT = 3
"""Points in the last half of the steps are recent, and at least so many of the last ones."""


@dataclass(frozen=True)
class Connection:
    """A dense layer of a chain: its matrix, what comes in, and what a weight is multiplied by.

    Attributes
    ----------
    name, before
        Of the layer, and of the one whose outputs come in; ``""`` for the inputs themselves.
    inputs, units
        Its shape.
    factor
        1, or 1/√inputs in the neural tangent parametrization.
    """

    name: str
    before: str
    inputs: int
    units: int
    factor: float

    @property
    def weight(self) -> str:
        """The name of its matrix."""
        return f"{self.name}.weight"


@dataclass(frozen=True)
class Facts:
    """What is known of a training.

    Attributes
    ----------
    about
        Of the run as a whole.
    part
        The number of the network.
    steps, epochs, tensors, units
        As :class:`~pondera.recording.run.Run` gives them; where nobody told the training loss of an epoch, with that
        of its steps.
    looks
        (n, 3) of recorded steps, as :meth:`~pondera.recording.run.Run.looks` gives them.
    ended
        Why training ended; empty while it goes on.
    broken
        The tensors that are not finite at the end, as far as a loop that is not Pondera's ended.
    """

    about: Mapping[str, Any]
    part: int
    steps: Steps
    epochs: Sequence[Mapping[str, Any]]
    tensors: Mapping[str, TensorHistory]
    units: Mapping[str, Sequence[tuple[int, UnitFigures]]]
    looks: Array
    ended: str = ""
    broken: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run, part: int = 0) -> Facts:
        """Return what a run says of one of its networks."""
        return cls(
            run.about_of(part),
            part,
            (steps := run.steps(part)),
            with_losses(evenly_apart(run.epochs(part)), steps),
            {name: run.tensor(name, part) for name in run.tensors(part)},
            {layer: run.units(layer, part) for layer in run.layers(part)},
            run.looks(part),
            run.about.get(f"ended.{part}", {}).get("reason", ""),
            tuple(run.about.get(f"broken.{part}", ())),
        )

    def until(self, step: int) -> Facts:
        """Return what was known just after a step."""
        tensors = {}
        for name, tensor in self.tensors.items():
            count = int(np.searchsorted(tensor.steps, step, "right"))
            tensors[name] = replace(tensor, steps=tensor.steps[:count], figures=tensor.figures[:count])
        return replace(
            self,
            steps=self.steps.until(step),
            epochs=[epoch for epoch in self.epochs if epoch["step"] <= step + 1],
            tensors=tensors,
            units={name: [each for each in found if each[0] <= step] for name, found in self.units.items()},
            looks=self.looks[: int(np.searchsorted(self.looks[:, 0], step, "right"))],
            ended="" if step < self.taken - 1 else self.ended,
            broken=() if step < self.taken - 1 else self.broken,
        )

    @cached_property
    def on_the_way(self) -> tuple[Facts, ...]:
        """What was known when the rules were asked while training went on."""
        found, wanted = [], FIRST
        for step in self.points.tolist():
            if step >= wanted:
                found.append(self.until(step))
                wanted = asked_next(step)
        return tuple(found)

    @cached_property
    def points(self) -> Array:
        """The steps that were recorded from both sides, of any tensor: some may be taken out of a network."""
        steps = [tensor.steps for tensor in self.tensors.values()]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *steps]))

    @property
    def taken(self) -> int:
        """How many steps were taken, as far as they were told of."""
        return self.steps.taken

    @property
    def stopped(self) -> int:
        """The step at which training ended, as the run says, which may be after the last one that was told of."""
        at = self.about.get(f"ended.{self.part}", {}).get("at")
        return self.taken if at is None else int(at)

    @property
    def plan(self) -> Mapping[str, Any]:
        """The plan, as plain values."""
        found: Mapping[str, Any] = self.about.get("identity", {}).get("plan", {})
        return found

    @property
    def framework(self) -> str:
        """Whose loop it was; empty of Pondera's own."""
        return str(self.about.get("framework") or "")

    @cached_property
    def planned(self) -> int:
        """How many steps the plan has; of another loop, which tells of none, those it took, and 0 while it goes on."""
        if not self.plan:
            return int(self.about.get(f"kept.{self.part}") or 0)
        return max(int(self.plan.get("epochs", 0)) * int(self.about.get("steps_per_epoch", 0)), self.taken)

    @property
    def rows(self) -> Mapping[str, Any]:
        """Figures of the rows; see :func:`pondera.recording.health.rows.figures_of`."""
        found: Mapping[str, Any] = self.about.get("rows", {})
        return found

    def column(self, number: int) -> str:
        """Return what an input is called: its name where the run knows it, else its number."""
        names = self.about.get("inputs") or []
        return repr(names[number]) if number < len(names) else f"column {number}"

    def dropping(self, number: int) -> str:
        """Return how to leave out the column that an input is made of, where it is one of a table."""
        columns = self.about.get("columns") or []
        return f": --drop {shlex.quote(columns[number])}" if number < len(columns) else ""

    @property
    def only_column(self) -> bool:
        """Whether all inputs are made of one column, so that none can be left out."""
        columns = self.about.get("columns")
        return len(set(columns)) == 1 if columns else self.rows.get("inputs") == 1

    @property
    def baseline(self) -> float:
        """The mean loss of the best constant outputs; NaN where it is not known, or 0."""
        return float(self.rows.get("baseline") or math.nan)

    @property
    def floor(self) -> float:
        """The loss of perfect outputs: not 0 where labels are smoothed."""
        return float(self.rows.get("floor") or 0.0)

    @property
    def span(self) -> float:
        """By how much the best constant's loss is above that of perfect outputs; NaN where it is not known."""
        span = self.baseline - self.floor
        return span if span > 0 else math.nan

    @property
    def seen(self) -> int:
        """How many steps were taken when one was last recorded from both sides: those since then hide their weights."""
        return int(self.points[-1]) + 1 if len(self.points) else 0

    @cached_property
    def matrices(self) -> tuple[str, ...]:
        """The names of tensors of two or more axes, as the layers come."""
        return tuple(name for name, tensor in self.tensors.items() if len(tensor.shape) >= 2)

    @cached_property
    def layers(self) -> Sequence[Mapping[str, Any]]:
        """The network's layers, as plain values."""
        architecture = self.about.get("identity", {}).get("architecture") or {}
        found: Sequence[Mapping[str, Any]] = architecture.get("layers", [])
        return found

    @cached_property
    def chain(self) -> tuple[Connection, ...]:
        """The dense layers of the network, but for those inside of others, from the inputs on."""
        found, before = [], ""
        for k, layer in enumerate(self.layers):
            name = f"layers.{k}"
            tensor = self.tensors.get(f"{name}.weight")
            if layer.get("kind") == "dense" and tensor is not None:
                inputs, units = tensor.shape
                ntk = layer.get("parametrization") == "ntk"
                found.append(Connection(name, before, inputs, units, 1 / math.sqrt(inputs) if ntk else 1.0))
            before = name
        return tuple(found)

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """The dense layers of the chain before the last.

        Of loops that are not Pondera's, the activations that a layer with weights comes after: what makes the outputs
        may be on a flat end, or silent, with good reason.
        """
        if "layers" not in self.about:
            return tuple(each.name for each in self.chain[:-1])
        kinds = {name: found[0][1].kind for name, found in self.units.items() if found}
        order = [name for name in self.about["layers"] if name in kinds]
        last = max((k for k, name in enumerate(order) if kinds[name] in WEIGHTED), default=0)
        return tuple(name for name in order[:last] if kinds[name] not in WEIGHTED)

    def recent(self, name: str) -> Sequence[TensorFigures]:
        """Return the figures of a tensor at recent points."""
        tensor = self.tensors[name]
        return tensor.figures[first_recent(tensor.steps) :]

    def recent_units(self, layer: str) -> Sequence[UnitFigures]:
        """Return the figures of a layer's outputs at recent points."""
        found = self.units.get(layer, [])
        return [figures for _, figures in found[first_recent(np.array([step for step, _ in found])) :]]

    @cached_property
    def rates(self) -> Array:
        """The learning rates that are known, (n,): of loops that are not Pondera's that may be none."""
        found: Array = self.steps.rates[np.isfinite(self.steps.rates)]
        return found

    def rate(self, step: int) -> float:
        """Return the learning rate of a step as a share of the largest of the plan so far; NaN where not known."""
        at = int(np.searchsorted(self.steps.first, step, "right")) - 1
        largest = self.rates.max(initial=0.0)
        return float(self.steps.rates[at] / largest) if at >= 0 and largest > 0 else math.nan

    @cached_property
    def ratios(self) -> Mapping[str, float]:
        """Matrix -> how far recent steps moved it by its own size, at the largest learning rate: the median."""
        return {name: found for name in self.matrices if (found := self._ratio(name, recent=True)) is not None}

    @cached_property
    def driven(self) -> Mapping[str, float]:
        """The same, of steps in which a gradient came: what does not move without one is no matter of the rate."""
        return {name: found for name in self.matrices if (found := self._ratio(name, True, True)) is not None}

    @cached_property
    def usual(self) -> Mapping[str, float]:
        """The same of all recorded steps, of which half come early."""
        return {name: found for name in self.matrices if (found := self._ratio(name, False, True)) is not None}

    def moved(self, name: str) -> float:
        """Return how far from its start a tensor has been at most, by its size there; 0 where it began at 0."""
        start = next((each.start_squares for each in self.tensors[name].figures), 0.0)
        farthest = max(
            (each.distance_squares for each in self.tensors[name].figures if each.distance_squares > 0), default=0.0
        )
        return math.sqrt(farthest / start) if start > 0 else 0.0

    def _ratio(self, name: str, recent: bool, driven: bool = False) -> float | None:
        tensor = self.tensors[name]
        if driven and not (tensor.figures and tensor.figures[0].start_squares):
            return None  # from 0 any step is far
        first = first_recent(tensor.steps) if recent else 0
        values = [
            figures.update_ratio / rate
            for step, figures in zip(tensor.steps[first:], tensor.figures[first:], strict=True)
            if (rate := self.rate(int(step))) > 0 and not (driven and _is_held(figures))
        ]
        finite = [value for value in values if math.isfinite(value)]
        return float(np.median(finite)) if finite else None

    @property
    def start_loss(self) -> float:
        """The loss of the first step that was told of.

        A mean of several steps may hide how fast it grew from there: then it is that of the look at the first step.
        """
        looked = len(self.looks) > 0 and self.looks[0, 0] == self.steps.first[0]
        return float(self.looks[0, 1] if looked and self.steps.widths[0] > 1 else self.steps.losses[0])

    @property
    def first_loss(self) -> float:
        """The first loss that is known and finite; NaN where there is none."""
        finite = self.steps.losses[np.isfinite(self.steps.losses)]
        if not len(finite):
            return math.nan
        return self.start_loss if math.isfinite(self.start_loss) else float(finite[0])

    @property
    def failed(self) -> bool:
        """Whether next to nothing of the best constant's loss is taken away now, else of the first step's."""
        usual = self.span if self.span > 0 else self.first_loss
        return self.loss() - self.floor >= NEARLY * usual

    def loss(self, share: float = 0.05, fewest: int = 5) -> float:
        """Return the median loss of the last steps, a share of all: where training stands; NaN before there are any."""
        latest = self.steps.latest(max(int(share * self.steps.told), fewest))
        return float(np.median(self.steps.losses[latest])) if len(self.steps.losses) else math.nan


def _is_held(figures: TensorFigures) -> bool:
    """Whether no gradient came, so far as is known: what was not moved, and of no known gradient, had none."""
    known = math.isfinite(figures.gradient_squares)
    return figures.gradient_squares == 0 if known else figures.update_ratio == 0


def asked_next(step: int) -> int:
    """Return the step from which on rules are asked again that were asked at a step.

    >>> asked_next(4), asked_next(1000)
    (6, 1500)
    """
    return max(int(step * GROWTH), step + 1)


def first_recent(steps: Array) -> int:
    """Return the place of the first recent one of steps, (n,) ascending."""
    if not len(steps):
        return 0
    return int(min(np.searchsorted(steps, (steps[-1] + 1) / 2), max(len(steps) - RECENT, 0)))
