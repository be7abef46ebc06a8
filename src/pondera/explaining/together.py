"""The importance of columns that cannot be told apart, as one: how it is divided between them is chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.method import Measured
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
    deviations
        What these are made of, by network: (some, units) each.
    growths
        By how much the error of each row grew, the mean over the networks: (rows, units), where that is known.
    noise
        Standard errors of sizes of contributions over these very rows, by network, (networks, units); None of others.
    """

    values: Array
    errors: Array
    deviations: Sequence[Array]
    growths: Array | None
    noise: Array | None

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
    measured = result.measured
    groups = [k for k, unit in enumerate(units) if len(unit) > 1]
    if groups and measured[0].contributions is not None:
        measured = tuple(_added_up(each, units) for each in measured)
    elif groups:
        together = question.united(units)
        asked = dataclasses.replace(together, inputs=tuple(together.inputs[k] for k in groups))
        asked = asked.sample(result.method.rows_of(len(question.inputs)), np.random.default_rng(seed))
        measured = tuple(
            _exchanged(each, units, result.method.measure(asked, subject, np.random.default_rng(seed)))
            for each, subject in zip(measured, together.subjects, strict=True)
        )
    found = dataclasses.replace(result, measured=measured)
    return Jointly(found.values, found.errors, found.deviations, found.growths, found.noise)


def _added_up(found: Measured, units: Sequence[tuple[int, ...]]) -> Measured:
    """Return the sizes of what the columns of units add together, and their errors, as of single columns."""

    def added(parts: Array) -> Array:
        return np.stack([parts[..., list(unit)].sum(axis=-1) for unit in units], axis=-1)

    assert found.contributions is not None
    assert found.baselines is not None
    estimates = None if found.estimates is None else added(found.estimates)
    return Measured.of_contributions(added(found.contributions), found.baselines, estimates)


def _exchanged(found: Measured, units: Sequence[tuple[int, ...]], groups: Measured) -> Measured:
    """Return what was found of single columns, and of groups whose columns were exchanged together."""
    several = [k for k, unit in enumerate(units) if len(unit) > 1]

    def mixed(single: Array, together: Array) -> Array:
        of = single[..., [unit[0] for unit in units]]
        of[..., several] = together
        return of

    def known(single: Array | None, together: Array | None) -> Array | None:
        return None if single is None or together is None else mixed(single, together)

    return Measured(
        mixed(found.values, groups.values),
        mixed(found.errors, groups.errors),
        deviations=known(found.deviations, groups.deviations),
        growths=known(found.growths, groups.growths),
    )
