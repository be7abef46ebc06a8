"""The life of one weight: where it was drawn from, how it moved, and what became of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.errors import ArgumentError, RunError
from pondera.network.initializers import INITIALIZERS
from pondera.recording.process import doing
from pondera.recording.run import Run
from pondera.recording.unbegun import require_steps

Array = np.ndarray[Any, Any]

MOVES = 5
"""The largest moves that are told."""


@dataclass(frozen=True)
class Biography:
    """One weight from its start to its end.

    Attributes
    ----------
    name, index, part
        Which weight, of which network of a population.
    initializer
        What its start was drawn from, as plain values; None where it is not known.
    spread
        The standard deviation of its tensor at the start.
    steps, values, gradients
        (n,) the weight just before each recorded step, and the gradient of that step's batch in it; NaN where it is not
        known. The last entry is the weight as it was kept.
    later
        Steps and values of what was trained after that, and not kept.
    kept
        After how many steps it was kept.
    rank, of
        Its place by size among the weights of its tensor, from 1, and how many these are; 0 where that is not known.
    """

    name: str
    index: tuple[int, ...]
    part: int
    initializer: Mapping[str, Any] | None
    spread: float
    steps: Array
    values: Array
    gradients: Array
    later: tuple[Array, Array]
    kept: int
    rank: int = 0
    of: int = 0

    @property
    def initial(self) -> float:
        """Its value at the start."""
        return float(self.values[0])

    @property
    def final(self) -> float:
        """Its value as it was kept."""
        return float(self.values[-1])

    @property
    def source(self) -> str:
        """What its start was drawn from, in words, with the paper."""
        if self.initializer is None:
            return "not known"
        options = ", ".join(f"{key}={value:g}" for key, value in self.initializer.items() if key != "name")
        text = (INITIALIZERS[self.initializer["name"]].__doc__ or "").split("\n")[0].split(": ")[0].rstrip(".")
        return f"{self.initializer['name']}{f'({options})' if options else ''}: {text}"

    @property
    def moves(self) -> list[tuple[int, int, float]]:
        """The largest changes from one recorded step to the next: (from step, to step, change), the largest first."""
        changes = np.diff(self.values)
        order = np.argsort(-np.abs(changes), kind="stable")[:MOVES]
        return [(int(self.steps[k]), int(self.steps[k + 1]), float(changes[k])) for k in order if changes[k]]

    def with_gradients(self, known: Mapping[int, float]) -> Biography:
        """Return the same with the gradients of some steps filled in."""
        filled = [known.get(int(step), old) for step, old in zip(self.steps, self.gradients, strict=True)]
        return dataclasses.replace(self, gradients=np.array(filled))

    def ended(self, tensor: Array) -> Biography:
        """Return the same with its end, and its place by size, in the tensor as it was kept."""
        sizes = np.abs(np.asarray(tensor))
        rank = 1 + int(np.count_nonzero(sizes > sizes[self.index]))
        life = dataclasses.replace(self, rank=rank, of=int(sizes.size))
        if self.steps[-1] == self.kept:
            return life
        return dataclasses.replace(
            life,
            steps=np.append(self.steps, self.kept),
            values=np.append(self.values, float(tensor[self.index])),
            gradients=np.append(self.gradients, math.nan),
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; what is not known becomes None."""
        return {
            "name": self.name,
            "index": list(self.index),
            "network": self.part,
            "initial": self.initial,
            "final": self.final,
            "initializer": None if self.initializer is None else dict(self.initializer),
            "history": [
                {
                    "step": int(step),
                    "value": float(value),
                    "gradient": None if math.isnan(gradient) else float(gradient),
                }
                for step, value, gradient in zip(self.steps, self.values, self.gradients, strict=True)
            ],
            "not_kept": [{"step": int(step), "value": float(value)} for step, value in zip(*self.later, strict=True)],
            "moves": [{"from": first, "to": last, "change": change} for first, last, change in self.moves],
            "rank": self.rank or None,
            "of": self.of or None,
        }


def biography(run: Run, name: str, index: tuple[int, ...], part: int = 0) -> Biography:
    """Return the life of a weight as a run recorded it.

    Raises
    ------
    ArgumentError
        If there is no such weight, or nothing was recorded of it.
    RunError
        If no step was recorded.
    """
    require_steps(run)
    found, tensor = run.weight(name, index, part), run.tensor(name, part)
    if not len(found.values):
        if not len(tensor.steps) and doing(run.folder):
            raise RunError(f"{run.folder}: nothing was recorded yet. Wait a little.")
        raise ArgumentError(f"{run.folder}: nothing is known of single weights of {name}, only of all together.")
    kept = found.steps <= found.kept
    return Biography(
        name=name,
        index=index,
        part=part,
        initializer=tensor.initializer,
        spread=tensor.figures[0].deviation if tensor.figures else math.nan,
        steps=found.steps[kept],
        values=found.values[kept],
        gradients=found.gradients[kept],
        later=(found.steps[~kept], found.values[~kept]),
        kept=found.kept,
    )
