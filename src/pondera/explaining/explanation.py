"""What an explanation holds, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.choice import counted
from pondera.explaining.effects import Effect, Interaction
from pondera.explaining.ranks import shares
from pondera.explaining.reliability.agreement import Agreement
from pondera.explaining.reliability.faithfulness import Faithfulness
from pondera.explaining.reliability.groups import Groups
from pondera.explaining.reliability.seeds import SeedStability
from pondera.explaining.reliability.verdict import Evidence, Reliability
from pondera.explaining.reliability.weights import WeightsAsImportance
from pondera.explaining.result import MethodResult
from pondera.explaining.retraining import Retrained
from pondera.explaining.statements import group_statement, pairs_statement, told_statements
from pondera.explaining.together import Units
from pondera.markup import STYLE, escaped, table

Array = np.ndarray[Any, Any]

SHOWN = 40  # columns that a notebook shows
APART = "not told apart, "  # how what is said of a column in a group begins


@dataclass(frozen=True)
class Seen:
    """Whether rows are those that a model was trained on, and so may look better explained than new ones.

    Attributes
    ----------
    rows
        How many there are.
    told
        Of how many rows that is known: of large tables a sample.
    same
        How many of these have the values of a row that was trained on, or that chose the epoch.
    """

    rows: int
    told: int
    same: int

    @classmethod
    def of(cls, seen: Array | None) -> Seen | None:
        """Return the count of what :attr:`Question.seen` says; None where it says nothing."""
        if seen is None or np.isnan(seen).all():
            return None
        return cls(len(seen), int(np.isfinite(seen).sum()), int(np.nansum(seen)))

    @property
    def share(self) -> float:
        """The share of the rows that training saw."""
        return self.same / self.told

    @property
    def statement(self) -> str:
        """What is to be said of it."""
        of = "them" if self.told == self.rows else f"the {self.told:,} that can be looked up"
        if not self.same:
            return f"none of {of} has the values of a row that was trained on"
        return f"{self.share:.0%} of {of} have the values of rows that were trained on: better give new ones"


@dataclass(frozen=True, repr=False)
class Explanation:
    """Which columns matter to a network, and how far that can be believed.

    Attributes
    ----------
    names
        The columns.
    unit
        What the scores are that contributions add up to.
    rows
        How many rows the table has.
    seen
        How many of them have the values of rows that were trained on.
    results
        Name of a method -> what it found, in the order of the list.
    left_out
        Name of a method -> why it could not be used.
    headline
        The method whose importances the ranking is of.
    stability
        Of the headline method's importances.
    units
        The same of columns that cannot be told apart as one.
    influential
        Which columns have a measurable influence that is no trifle, (columns,); None where that cannot be tested.
    measurable
        Which have any, be it a trifle; None likewise.
    agreement, faithfulness, groups, evidence, reliability, weights
        What was measured of the ranking.
    retrained
        What networks come to that are trained without the first columns of the ranking; None unless that was asked for.
    effects, interactions
        How the most important columns act on the score, and what pairs of them do together.
    """

    names: tuple[str, ...]
    unit: str
    rows: int
    seen: Seen | None
    results: Mapping[str, MethodResult]
    left_out: Mapping[str, str]
    headline: str
    stability: SeedStability
    units: Units
    influential: Array | None
    measurable: Array | None
    agreement: Agreement
    faithfulness: Faithfulness | None
    retrained: Retrained | None
    groups: Groups
    evidence: Evidence
    reliability: Reliability
    weights: WeightsAsImportance | None
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]

    @property
    def order(self) -> list[int]:
        """Places of the columns, the most important first."""
        return [int(k) for k in np.argsort(-self.stability.mean, kind="stable")]

    @property
    def importance(self) -> Array:
        """Each column's share of all importance, 0 to 1: (columns,)."""
        found: Array = shares(self.stability.mean)
        return found if self.any_influence else np.full(len(found), math.nan)

    @property
    def intervals(self) -> Array:
        """Of those shares, at 95 %: (columns, 2), within 0 and 1."""
        found = self.stability.share_intervals
        return found if self.any_influence else np.full(found.shape, math.nan)

    @property
    def any_influence(self) -> bool:
        """Whether any column, or group, has a measurable influence: else there is nothing to have a share of."""
        if self.units.influential is None:  # not tested
            return bool((self.stability.mean > 0).any())
        return bool(self.units.influential.any())

    @property
    def tested(self) -> str:
        """What verdicts of single columns and their intervals rest on, which is not the same, as sentences."""
        if self.measurable is None:
            return "Of so few rows no column is tested, and none has a rank."
        columns = counted(len(self.names), "column")
        asked = (
            "Whether a column has a measurable influence is tested on the rows"
            if self.headline == "permutation"
            else "Whether a column has a measurable influence on the score of any of these rows is tested against the "
            "noise of what was drawn"
        )
        return (
            f"{asked}, with allowance for {columns} (one-sided, 95 %, Bonferroni). Intervals are of each column's "
            "share by itself, over rows and networks: one may hold 0 where the test finds an influence, and the "
            "reverse. Ranks are those that the intervals of importances leave, before these are divided by the whole, "
            "among what has an influence, a group as one."
        )

    def __repr__(self) -> str:
        return f"<Explanation of {self.unit}: {counted(len(self.names), 'column')}, {self.reliability.verdict}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: how far to believe it, and the columns, the most important first."""
        rows = []
        for k in self.order[:SHOWN]:
            low, high = self.intervals[k]
            interval = "–" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f} %"
            rows.append([self.names[k], percent(self.importance[k]), interval, self.verdict_of(k)])
        more = f"<p>and {len(self.names) - SHOWN:,} less important ones</p>" if len(self.names) > SHOWN else ""
        said = f"<p><b>{escaped(self.reliability.verdict)}.</b> {escaped(self.reliability.statement)}</p>"
        weights = f"<p>{escaped(self.weights.statement)}</p>" if self.weights else ""
        columns = table(["column", "importance", "95 %", ""], rows)
        tested = f"<p>{escaped(self.tested)}</p>"
        return (
            f"<style>{STYLE}</style><p>What matters to {escaped(self.unit)}</p>{said}{columns}{more}{tested}{weights}"
        )

    def verdict_of(self, column: int) -> str:
        """Return what is to be said of one column: its rank, its group, or that it has no measurable influence."""
        if self.measurable is None:
            return "not tested"
        if self.is_grouped(column):
            return f"{APART}together {self._rank(column)}"
        if self.measurable is not None and not self.measurable[column]:
            return "no measurable influence"
        if self.influential is not None and not self.influential[column]:
            return "hardly any influence"
        unit = self.units.of(column)
        if self.units.influential is not None and not self.units.influential[unit]:  # beside groups that count as one
            return "hardly any influence"
        return self._rank(column)

    def _rank(self, column: int) -> str:
        """Return the rank of a column, or of the group that it is in, as far as it is known."""
        best, worst = self.units.rank_range(self.units.of(column))
        return f"rank {best}" if best == worst else f"tied, rank {best} to {worst}"

    def is_grouped(self, column: int) -> bool:
        """Whether a column is one of a group that has an influence: its own may be that of any other of them."""
        unit = self.units.of(column)
        matters = self.units.influential is None or bool(self.units.influential[unit])
        return len(self.units.columns[unit]) > 1 and matters

    @property
    def grouped(self) -> list[tuple[tuple[int, ...], float, tuple[float, float]]]:
        """Groups that have an influence, with the share that each has as one of all units, and its interval."""
        stable = self.units.stability
        whole, ends = shares(stable.mean), stable.share_intervals
        return [
            (unit, float(whole[k]), (float(ends[k, 0]), float(ends[k, 1])))
            for k, unit in enumerate(self.units.columns)
            if self.is_grouped(unit[0]) and len(unit) > 1
        ]

    @property
    def told(self) -> list[int]:
        """Columns with an influence that others tell, without being a group with them: the most important first."""
        return [k for k in self.order if k in self.groups.told_by and (self.influential is None or self.influential[k])]

    @property
    def told_apart(self) -> list[str]:
        """Which columns cannot be told apart, and which others together tell, as sentences."""
        ranked = self.measurable is not None
        groups = [
            group_statement([self.names[k] for k in group], share, interval, self._rank(group[0]) if ranked else "")
            for group, share, interval in self.grouped
        ]
        told = {self.names[k]: [self.names[other] for other in self.groups.told_by[k]] for k in self.told}
        return [*groups, *told_statements(told)]

    @property
    def pairs(self) -> str:
        """Which pairs of columns do what is not the sum of what each does alone, as a sentence; nothing of none."""
        return pairs_statement(self.interactions)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; what is not a number becomes None."""
        return {name: _finite(value) for name, value in self._values().items()}

    def _values(self) -> dict[str, Any]:
        stable, faithful = self.stability, self.faithfulness
        return {
            "unit": self.unit,
            "rows": self.rows,
            "rows_seen": None
            if self.seen is None
            else {"told": self.seen.told, "same": self.seen.same, "statement": self.seen.statement},
            "networks": stable.networks,
            "headline": self.headline,
            "inputs": [self._input(k) for k in self.order],
            "tested": self.tested,
            "methods": [self._method(each) for each in self.results.values()],
            "left_out": dict(self.left_out),
            "reliability": {
                "verdict": self.reliability.verdict,
                "statement": self.reliability.statement,
                "skill": _plain(self.evidence.skill),
                "measure": self.evidence.measure,
                "seed_stability": _plain(self.evidence.stability),
                "agreement": {
                    "median": _plain(self.agreement.median),
                    "families": {name: _plain(each) for name, each in self.agreement.families.items()},
                    "as_sizes": _plain(self.agreement.as_sizes),
                    "outlier": self.agreement.outlier,
                    "methods": list(self.agreement.methods),
                    "matrix": [[_plain(each) for each in row] for row in self.agreement.matrix],
                },
                "faithfulness": None
                if faithful is None
                else {
                    "advantage": _plain(faithful.advantage),
                    "share_better": faithful.share_better,
                    "counts": [int(n) for n in faithful.counts],
                    "deletion": [float(each) for each in faithful.deletion],
                    "insertion": [float(each) for each in faithful.insertion],
                    "random_deletion": [float(each) for each in faithful.random_deletion.mean(axis=0)],
                    "random_insertion": [float(each) for each in faithful.random_insertion.mean(axis=0)],
                },
                "retrained": None
                if self.retrained is None
                else {
                    "better_than_random": self.retrained.better,
                    "worse_than_random": self.retrained.worse,
                    "counts": [int(n) for n in self.retrained.counts],
                    "before": self.retrained.before,
                    "ranked": [float(each) for each in self.retrained.ranked],
                    "random": [float(each) for each in self.retrained.random.mean(axis=0)],
                },
                "told_apart": self.told_apart,
                "groups": [
                    {
                        "columns": [self.names[k] for k in group],
                        "importance": _plain(together),
                        "interval": [_plain(each) for each in interval],
                    }
                    for group, together, interval in self.grouped
                ],
                "told": [
                    {
                        "column": self.names[k],
                        "by": [self.names[other] for other in self.groups.told_by[k]],
                        "r_squared": _plain(self.groups.told[k]),
                    }
                    for k in self.told
                ],
            },
            "weights_as_importance": None
            if self.weights is None
            else {
                "rank_correlation": _plain(self.weights.rank_correlation),
                "interval": [_plain(each) for each in self.weights.interval],
                "verdict": self.weights.verdict,
                "statement": self.weights.statement,
                "reasons": list(self.weights.reasons),
                "methods": {
                    name: {"rank_correlation": _plain(found), "interval": [_plain(each) for each in interval]}
                    for name, (found, interval) in self.weights.others.items()
                },
            },
            "pairs": self.pairs,
            "effects": [_effect(each) for each in self.effects],
            "interactions": [
                {"columns": [each.first, each.second], "strength": each.strength, "share": each.share}
                for each in self.interactions
            ],
        }

    def _input(self, k: int) -> dict[str, Any]:
        group = self.groups.of(k)
        return {
            "name": self.names[k],
            "importance": _plain(self.importance[k]),
            "interval": [_plain(each) for each in self.intervals[k]],
            "methods": {name: _plain(each.shares[k]) for name, each in self.results.items()},
            "group": [self.names[other] for other in group] if len(group) > 1 else None,
            "verdict": self.verdict_of(k),
        }

    def _method(self, each: MethodResult) -> dict[str, Any]:
        return {
            "name": each.method.name,
            "title": each.method.title,
            "kind": each.method.kind,
            "seconds": each.seconds,
            "rows": each.rows,
            "sees_network": None if each.sanity is None else each.sanity.sees_network,
            "sees_labels": None if each.sanity is None else each.sanity.sees_labels,
            "caveat": each.method.caveat,
            "source": each.method.source,
            "figures": each.figures,
        }


def _effect(each: Effect) -> dict[str, Any]:
    return {
        "name": each.name,
        "values": [value if isinstance(value, bool | int | float | str) else str(value) for value in each.values],
        "ordered": each.ordered,
        "shares": [float(share) for share in each.shares],
        "others": each.others,
        "mean": [float(score) for score in each.mean],
        "accumulated": None if each.accumulated is None else [float(score) for score in each.accumulated],
        "missing": None if each.missing is None else {"share": each.missing.share, "mean": each.missing.mean},
    }


def percent(share: float) -> str:
    """Return a share of importance as people read it; a dash where there is none.

    >>> percent(0.1234), percent(math.nan)
    ('12.3 %', '–')
    """
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def _finite(value: Any) -> Any:
    """Return plain values in which no number is infinite or none."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
