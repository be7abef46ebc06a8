"""Connection strength: how large the weights on an input are. It is not importance, which needs data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.findings import Finding

CAVEAT = (
    "A larger weight multiplies its input by more; that is all the weights alone can say. It is not importance: "
    "inputs that vary together share or cancel their weights, later layers can undo what the first one does, and "
    "an input that hardly varies needs a large weight to matter at all."
)


@dataclass(frozen=True)
class Strength:
    """The connections of one input into a layer.

    Attributes
    ----------
    name
        The input.
    strength
        √Σ w² over the layer's units, averaged over networks: how strongly the layer is connected to the input.
    spread
        Standard deviation of the strength over networks; None for a single network.
    largest
        The single weight of largest size in the first network.
    unit
        The unit that it leads to.
    """

    name: str
    strength: float
    spread: float | None
    largest: float
    unit: int

    def to_json(self) -> dict[str, Any]:
        """Return the strength as a dictionary of plain values."""
        return {
            "input": self.name,
            "strength": self.strength,
            "spread": self.spread,
            "largest_weight": self.largest,
            "unit": self.unit,
        }


def strengths(matrices: Sequence[np.ndarray[Any, Any]], names: Sequence[str]) -> list[Strength]:
    """Return the connection strength of every input, strongest first.

    Parameters
    ----------
    matrices
        The factors between inputs and units, (inputs, units), one a network.
    names
        What the inputs are called.

    Examples
    --------
    >>> [(each.name, each.strength) for each in strengths([np.array([[0.5, 0.0], [3.0, -4.0]])], ["age", "income"])]
    [('income', 5.0), ('age', 0.5)]
    """
    norms = np.array([np.linalg.norm(matrix.astype(np.float64), axis=1) for matrix in matrices])  # (networks, inputs)
    first = matrices[0]
    largest = np.abs(first).argmax(axis=1)
    return [
        Strength(
            name=names[i],
            strength=float(norms[:, i].mean()),
            spread=float(norms[:, i].std(ddof=1)) if len(norms) > 1 else None,
            largest=float(first[i, largest[i]]),
            unit=int(largest[i]),
        )
        for i in np.argsort(-norms.mean(axis=0), kind="stable")
    ]


def strongest_finding(found: Sequence[Strength], shown: int = 3) -> Finding:
    """Return the strongest inputs as a finding, with what it does and does not mean."""
    names = [each.name for each in found[:shown]]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return Finding(
        statement=f"The first layer is connected most strongly to {listed}.",
        figures={"strengths": [each.to_json() for each in found[:shown]]},
        method="root of the sum of squared weights between each input and the units of the first dense layer",
        source="Olden & Jackson 2002, Ecological Modelling 154, on what weights can and cannot say",
        certainty=f"exact for the weights; no statement on influence. {CAVEAT}",
    )
