"""What a method found of every network, and whether it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.explaining.gradients import COMPLETE
from pondera.explaining.method import Measured, Method
from pondera.explaining.ranks import shares
from pondera.explaining.reliability.sanity import Sanity

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MethodResult:
    """What a method found.

    Attributes
    ----------
    method
        Which.
    measured
        Of each network.
    rows
        How many rows it looked at.
    seconds
        How long it took, all networks together.
    sanity
        Whether it looks at the network; None where there are no weights to randomize.
    """

    method: Method
    measured: tuple[Measured, ...]
    rows: int
    seconds: float
    sanity: Sanity | None

    @property
    def incomplete(self) -> float:
        """How far contributions are from the differences they should add up to, a share; of the worst network."""
        return max(float(each.figures.get("completeness_error", 0.0)) for each in self.measured)

    @property
    def figures(self) -> dict[str, Any]:
        """What is worth knowing of all networks: the mean of their errors, and else the largest, which is the worst."""
        found = {name: [each.figures[name] for each in self.measured] for name in self.measured[0].figures}
        return {name: float(np.mean(each)) if name == "error" else max(each) for name, each in found.items()}

    @property
    def counts(self) -> bool:
        """Whether it has a say in whether methods agree: it looks at data, at these networks, and did what it promises.

        One whose ranking survives random weights does not look at them, and what networks without a column come to is
        another question.
        """
        sampled = "draws" in self.measured[0].figures
        done = sampled or self.incomplete <= 2 * COMPLETE
        return self.method.kind == "importance" and "training" not in self.method.needs and done and not self.blind

    @property
    def blind(self) -> bool:
        """Whether it was seen not to look at the network."""
        return self.sanity is not None and self.sanity.sees_network is False

    @property
    def values(self) -> Array:
        """By network: (networks, columns)."""
        return np.stack([each.values for each in self.measured])

    @property
    def mean(self) -> Array:
        """Mean over the networks: (columns,)."""
        found: Array = self.values.mean(axis=0)
        return found

    @property
    def errors(self) -> Array:
        """Standard errors of sampling, by network: (networks, columns)."""
        return np.stack([each.errors for each in self.measured])

    @property
    def deviations(self) -> list[Array]:
        """What errors are made of, by network: (some, columns) each; of what is not known as if each were by itself."""
        return [np.diag(m.errors) if m.deviations is None else m.deviations for m in self.measured]

    @property
    def growths(self) -> Array | None:
        """By how much the error of each row grew, the mean over the networks: (rows, columns), where that is known."""
        known = [each.growths for each in self.measured if each.growths is not None]
        return np.mean(known, axis=0) if len(known) == len(self.measured) else None

    @property
    def noise(self) -> Array | None:
        """Standard errors of sizes of contributions over these very rows, by network: (networks, columns)."""
        known = [each.noise for each in self.measured if each.noise is not None]
        return np.stack(known) if len(known) == len(self.measured) else None

    @property
    def shares(self) -> Array:
        """Each column's share: (columns,).

        Of what is measured on data the share of the mean over the networks, whose unit is one; of strengths, which have
        another scale in each network, the mean of the shares.
        """
        found: Array = shares(self.values).mean(axis=0) if self.method.kind == "strength" else shares(self.mean)
        return found
