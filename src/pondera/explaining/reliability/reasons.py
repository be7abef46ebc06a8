"""Why connection strength may order inputs otherwise than influence does: what can be found out about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pondera.choice import quoted
from pondera.explaining.question import Question
from pondera.explaining.ranks import rank_correlation
from pondera.explaining.reliability.groups import Groups
from pondera.explaining.reliability.weights import rescaled
from pondera.explaining.strength import first_layer
from pondera.explaining.subject import Subject
from pondera.network.network import Network

Array = np.ndarray[Any, Any]

LITTLE = 0.3
"""An input varies little whose deviation is below this share of the median one."""

BETTER = 0.15
"""By how much a rank correlation must grow for what made it grow to be the reason."""

DEAD = 0.1
RESCALINGS = 4
MOVED = 0.95


def reasons(
    question: Question, network: Network, names: Sequence[str], strengths: Array, importances: Array, groups: Groups
) -> list[str]:
    """Return what is found, as sentences.

    Parameters
    ----------
    question
        The rows.
    network
        One of the population.
    names
        Of the columns.
    strengths, importances
        (columns,)
    groups
        Columns that tell each other's values.
    """
    found = [
        _scale(question, names, strengths, importances),
        _grouped(names, strengths, groups),
        _normalized(network),
        _dead(question, network),
        _symmetry(question, network, strengths),
    ]
    return [each for each in found if each]


def _deviations(question: Question) -> Array:
    """Return how much each column's encoded inputs vary together: (columns,)."""
    return np.asarray(np.sqrt(question.fold(question.x.var(axis=0, dtype=np.float64))))


def _scale(question: Question, names: Sequence[str], strengths: Array, importances: Array) -> str:
    deviations = _deviations(question)
    scaled = rank_correlation(strengths * deviations, importances)
    strongest = int(strengths.argmax())
    if deviations[strongest] < LITTLE * np.median(deviations):
        return (
            f"{quoted(names[strongest])} varies little (deviation {deviations[strongest]:.2g}, the middle one of all "
            f"inputs {np.median(deviations):.2g}): it needs large weights to matter at all."
        )
    if scaled > rank_correlation(strengths, importances) + BETTER:
        return (
            "The inputs vary by different amounts: weights times deviations order them better "
            f"(rank correlation {scaled:.2f})."
        )
    return ""


def _grouped(names: Sequence[str], strengths: Array, groups: Groups) -> str:
    group = groups.of(int(strengths.argmax()))
    if len(group) == 1:
        return ""
    several = ", ".join(quoted(names[k]) for k in group)
    return f"{several} tell each other's values: training may put the weight on any of them."


def _normalized(network: Network) -> str:
    kinds = {layer.kind for layer in network.architecture.layers}
    return "A normalization follows, which undoes the scale of the weights before it." if "layer_norm" in kinds else ""


def _dead(question: Question, network: Network) -> str:
    """Say how many units of the first hidden layer are never active."""
    layers = network.architecture.layers
    first = next((k for k, layer in enumerate(layers) if layer.kind == "dense"), None)
    if first is None or getattr(layers[first], "activation").name != "relu":  # noqa: B009
        return ""
    trace = dict(network.architecture.trace(network.weights, question.x[:2048].astype(network.dtype)))
    active = (np.asarray(trace[f"layers.{first}"]) > 0).any(axis=0)
    share = float(1 - active.mean())
    return (
        f"{share:.0%} of the first layer's units are active for no row; their weights do nothing."
        if share >= DEAD
        else ""
    )


def _symmetry(question: Question, network: Network, strengths: Array) -> str:
    """Say whether the same function can be written with weights that order the inputs otherwise."""
    random = np.random.default_rng(0)
    correlations = []
    for seed in range(RESCALINGS):
        other = rescaled(network, seed)
        if other is None:
            return ""
        moved = first_layer(question, Subject(lambda x: x, network=other), random).values
        correlations.append(rank_correlation(strengths, moved))
    if np.isnan(correlations).all() or np.nanmin(correlations) >= MOVED:
        return ""
    return (
        "Units can be scaled up on one side and down on the other without changing what the network "
        "computes; the weights "
        f"then order the inputs otherwise (rank correlation with these down to {np.nanmin(correlations):.2f})."
    )
