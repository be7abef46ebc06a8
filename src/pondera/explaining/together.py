"""The importance of columns that cannot be told apart, as one: how it is divided between them is chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.question import Question
from pondera.explaining.ranks import shares
from pondera.explaining.reliability.seeds import SeedStability
from pondera.explaining.result import MethodResult

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Units:
    """What can be told apart: columns by themselves, and groups of columns as one.

    Attributes
    ----------
    columns
        Places of the columns of each.
    stability
        Of the headline method's importances of each.
    influential
        Which have a measurable influence that is no trifle, (units,); None where that cannot be tested.
    """

    columns: tuple[tuple[int, ...], ...]
    stability: SeedStability
    influential: Array | None

    def of(self, column: int) -> int:
        """Return the place of the unit that a column is in."""
        return next(k for k, unit in enumerate(self.columns) if column in unit)

    def rank_range(self, place: int) -> tuple[int, int]:
        """Return the best and the worst rank that the intervals allow a unit, among those that have an influence."""
        low, high = self.stability.low, self.stability.high
        among = np.ones(len(low), bool) if self.influential is None else self.influential
        above = among & (low > high[place])
        beside = among & (high >= low[place])
        return 1 + int(above.sum()), int(beside.sum())


@dataclass(frozen=True)
class Jointly:
    """What a method says of units: columns by themselves, and groups as one.

    Attributes
    ----------
    values, errors
        By network, with standard errors: (networks, units).
    """

    values: Array
    errors: Array

    @property
    def shares(self) -> Array:
        """Each unit's share of the mean over the networks: (units,)."""
        return shares(self.values.mean(axis=0))


def jointly(question: Question, result: MethodResult, units: Sequence[tuple[int, ...]], seed: int = 0) -> Jointly:
    """Return what a method found, of groups as one.

    Contributions of a group's columns are added up before their size is taken. Where a method has none, the columns are
    exchanged together (grouped permutation; Gregorutti, Michel & Saint-Pierre 2015, Computational Statistics & Data
    Analysis 90). So a column that is there twice counts as it would once, however a network divides the weight.

    Parameters
    ----------
    question
        What the method was asked.
    result
        What it found of the columns.
    units
        All columns, those of a group as one.
    seed
        The one that the method had.
    """
    values, errors = (
        np.stack([found[:, unit[0]] for unit in units], axis=1) for found in (result.values, result.errors)
    )
    groups = [k for k, unit in enumerate(units) if len(unit) > 1]
    if not groups:
        return Jointly(values, errors)
    together = question.united(units)
    asked = dataclasses.replace(together, inputs=tuple(together.inputs[k] for k in groups))
    asked = asked.sample(result.method.rows_of(len(question.inputs)), np.random.default_rng(seed))
    for network, measured in enumerate(result.measured):
        if measured.contributions is None:
            found = result.method.measure(asked, together.subjects[network], np.random.default_rng(seed))
            values[network, groups], errors[network, groups] = found.values, found.errors
            continue
        for k in groups:
            sizes = np.abs(measured.contributions[:, list(units[k])].sum(axis=1))
            values[network, k] = sizes.mean()
            errors[network, k] = sizes.std(ddof=1) / np.sqrt(len(sizes)) if len(sizes) > 1 else 0.0
    return Jointly(values, errors)
