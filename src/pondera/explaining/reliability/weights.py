"""Whether large weights may be read as important inputs, on this network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from pondera.choice import quoted
from pondera.explaining.ranks import BEYOND, condensed, rank_correlation, shares, tied_ranks
from pondera.explaining.reliability.seeds import seed_stability
from pondera.network.network import Network

Array = np.ndarray[Any, Any]

DRAWS = 400
LEVEL = 0.95
GOOD, POOR = 0.8, 0.5
"""Rank correlations from which on weights order inputs as influence does, and below which they do not."""

FEWEST = 3
"""Columns whose order is more than which of two is first."""

SLIGHT = 0.1
"""What the strongest input must surely be below, beside the largest influence, to be said to have none that can be
measured: where its interval is wider, that none was found may be for want of rows."""

EXACT = 7
"""Things whose orders are all looked at."""

HOMOGENEOUS = ("relu", "leaky_relu", "identity")
"""Activations that pass a factor on: what goes into a unit may be scaled up, and what leaves it down."""


@dataclass(frozen=True)
class WeightsAsImportance:
    """Whether connection strength orders the columns as their measured influence does.

    Attributes
    ----------
    rank_correlation
        Between both, importances within a fifth of each other as equal; NaN where fewer than three columns are to be
        ordered, or all are equal.
    interval
        Of it, at 95 %.
    verdict
        ``"yes"``, ``"partly"``, ``"no"`` or ``"cannot be told"``.
    statement
        The verdict as sentences.
    reasons
        Why not, where that can be found.
    others
        Name of another method that looks at data -> the rank correlation with its importances, and the interval of it.
    """

    rank_correlation: float
    interval: tuple[float, float]
    verdict: str
    statement: str
    reasons: tuple[str, ...]
    others: Mapping[str, tuple[float, tuple[float, float]]] = field(default_factory=dict)


def weights_as_importance(
    names: Sequence[str],
    strengths: Array,
    importances: Array,
    errors: Array,
    influential: Array | None = None,
    measurable: Array | None = None,
    reasons: Sequence[str] = (),
    seed: int = 0,
    grouped: bool = False,
) -> WeightsAsImportance:
    """Return whether weights may be read as importance.

    Parameters
    ----------
    names
        Of the columns.
    strengths
        By network: (networks, columns).
    importances, errors
        Measured on data, with standard errors: (networks, columns).
    influential, measurable
        Which columns have an influence that is no trifle, and which have any: (columns,); None where that is not known.
    reasons
        What is known of why they may differ.
    seed
        Draws networks and errors for the interval (bootstrap, Efron 1979).
    grouped
        Whether a good part of the importance belongs to columns that tell each other's values: how training divides
        weight and influence between them is chance, and so is their place in both orders.
    """
    strength, importance = shares(strengths).mean(axis=0), importances.mean(axis=0)
    found = _correlation(strength, importance, influential)
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        some = random.integers(len(strengths), size=len(strengths))
        # Networks look at the same rows: what was sampled is off in all of them alike.
        noisy = importances[some] + errors[some] * random.standard_normal(importances.shape[1])
        drawn.append(_correlation(shares(strengths[some]).mean(axis=0), noisy.mean(axis=0), influential))
    known = np.array([each for each in drawn if not math.isnan(each) and not math.isnan(found)])
    low, high = (float(each) for each in np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])) if len(known) else (
        math.nan, math.nan,
    )  # fmt: skip
    strongest, first = int(strength.argmax()), int(importance.argmax())
    stable = seed_stability(importances, errors)
    slight = bool(stable.high[strongest] < SLIGHT * importance[first])
    misleading = measurable is not None and not measurable[strongest] and slight
    compared = condensed(strength, influential)
    alike = len(compared) >= FEWEST and not np.ptp(compared) and bool(stable.low.max() > stable.high.min())
    lucky = chance(found, len(compared))
    verdict = _verdict(found, low, high, misleading or alike, lucky)
    divided = grouped and verdict == "yes"
    verdict = "partly" if divided else verdict
    if alike:
        statement = (
            "Do not read large weights as important inputs here: connections are equally strong, and influences are "
            "not."
        )
    elif misleading:
        statement = (
            f"Do not read large weights as important inputs here: {quoted(names[strongest])} has the strongest "
            "connections and no measurable influence."
        )
    elif divided:
        statement = (
            "On this network the weights of the first layer order the inputs as measured influence does, but inputs "
            "that tell each other's values share both: read what a group has together."
        )
    elif verdict == "cannot be told":
        statement = _untold(compared, condensed(importance, influential), low, high)
    else:
        sampled = np.sqrt(np.square(errors).mean(axis=0))
        sure = importance[first] - importance[strongest] > BEYOND * math.hypot(sampled[first], sampled[strongest])
        statement = _statement(verdict, names, strongest, first if sure else strongest, found >= GOOD)
    return WeightsAsImportance(
        found, (low, high), verdict, statement, tuple(reasons) if verdict in ("no", "partly") else ()
    )


def _correlation(strength: Array, importance: Array, influential: Array | None) -> float:
    one, other = condensed(strength, influential), condensed(importance, influential)
    return math.nan if len(one) < FEWEST else rank_correlation(one, tied_ranks(other))


def chance(correlation: float, count: int) -> float:
    """Return how likely a rank correlation as large, or larger, is where two orders have nothing to do with each other.

    Exact for up to seven things, without ties; of more Student's t (Kendall & Stuart 1973, section 31.19).

    >>> round(chance(0.8, 4), 3), round(chance(1.0, 4), 3)
    (0.167, 0.042)
    """
    if math.isnan(correlation) or count < 3:
        return 1.0
    if count <= EXACT:
        ranks = np.arange(count)
        orders = np.array(list(itertools.permutations(range(count))))
        found = 1 - 6 * np.square(orders - ranks).sum(axis=1) / (count * (count**2 - 1))
        return float((found >= correlation - 1e-9).mean())
    t = correlation * math.sqrt((count - 2) / max(1 - correlation**2, 1e-12))
    return float(stats.t.sf(t, count - 2))


def _verdict(found: float, low: float, high: float, refuted: bool, lucky: float) -> str:
    """Return the answer: yes and no where the whole interval bears it, roughly where it is above 0."""
    if refuted:
        return "no"
    if math.isnan(found):
        return "cannot be told"
    if found < POOR:
        return "no" if high < GOOD else "cannot be told"
    if found >= GOOD and low >= POOR and lucky < 1 - LEVEL:
        return "yes"
    return "partly" if low > 0 else "cannot be told"


def _statement(verdict: str, names: Sequence[str], strongest: int, first: int, alike: bool) -> str:
    if verdict == "no":
        return (
            f"Do not read large weights as important inputs here: {quoted(names[strongest])} has the strongest "
            f"connections, and {quoted(names[first])} the largest influence."
            if strongest != first
            else "Do not read large weights as important inputs here: they order the inputs otherwise than measured "
            "influence does."
        )
    if verdict == "yes":
        return (
            "On this network the weights of the first layer order the inputs as measured influence does: "
            "you may read them so."
        )
    if alike:
        return (
            "On this network the weights of the first layer order the inputs as measured influence does, but "
            "that may be chance: the columns that matter are few, or the figures uncertain."
        )
    return "On this network the weights of the first layer order the inputs only roughly as measured influence does."


def _untold(strength: Array, importance: Array, low: float, high: float) -> str:
    """Return why weights and influence cannot be compared."""
    if len(strength) < FEWEST:
        return "With so few columns that matter the order of weights cannot be compared with that of influence."
    if not np.ptp(strength):
        return "The weights of the first layer order no inputs: their connections are equally strong."
    if not np.ptp(tied_ranks(importance)):
        return "There is no order that weights could be read for: the inputs matter equally, within a fifth."
    return (
        "Whether the weights of the first layer order the inputs as influence does cannot be told from these rows and "
        f"networks: the rank correlation may be anything from {low:.2f} to {high:.2f}."
    )


def rescaled(network: Network, seed: int) -> Network | None:
    """Return a network of the same function whose units are scaled up on one side and down on the other.

    Of a unit whose activation passes factors on, such as ReLU, what goes in is multiplied by a random factor and what
    leaves it divided by the same (Dinh, Pascanu, Bengio & Bengio 2017, arXiv 1703.04933). None where no such layer is
    followed by a dense one.
    """
    layers = network.architecture.layers
    random = np.random.default_rng(seed)
    weights = dict(network.weights)
    changed = False
    for at in range(len(layers) - 1):
        layer, after = layers[at], layers[at + 1]
        if layer.kind != "dense" or after.kind != "dense" or getattr(layer, "activation").name not in HOMOGENEOUS:  # noqa: B009
            continue
        factors = np.exp(random.normal(0, 1, weights[f"layers.{at}.weight"].shape[1]))
        weights[f"layers.{at}.weight"] = weights[f"layers.{at}.weight"] * factors
        if f"layers.{at}.bias" in weights:
            weights[f"layers.{at}.bias"] = weights[f"layers.{at}.bias"] * factors
        weights[f"layers.{at + 1}.weight"] = weights[f"layers.{at + 1}.weight"] / factors[:, None]
        changed = True
    return network.with_weights(weights) if changed else None
