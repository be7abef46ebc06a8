"""A population: the same training from different random starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pondera.errors import ArgumentError
from pondera.network.architecture import Architecture
from pondera.network.network import Network
from pondera.training.epoch import State
from pondera.training.figures import Fit, Progress
from pondera.training.fit import fit
from pondera.training.plan import Plan, plan_of
from pondera.training.stopping import Interruption


@dataclass(frozen=True)
class Population:
    """Networks that differ in nothing but their seed.

    Attributes
    ----------
    fits
        One finished training a seed, in the order of the seeds.
    """

    fits: tuple[Fit, ...]

    @property
    def networks(self) -> tuple[Network, ...]:
        """The trained networks."""
        return tuple(fit.network for fit in self.fits if fit.network is not None)

    def __call__(self, x: npt.ArrayLike) -> np.ndarray[Any, Any]:
        """Return the mean of the networks' outputs: (rows, inputs) -> (rows, outputs)."""
        mean: np.ndarray[Any, Any] = np.mean([network(x) for network in self.networks], axis=0)
        return mean


def fit_population(
    architecture: Architecture,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    plan: Plan | None = None,
    *,
    seeds: int,
    dtype: str = "float32",
    networks: Sequence[Network] | None = None,
    starts: Sequence[State] | None = None,
    progress: Callable[[int, Progress], None] | None = None,
    **data: Any,
) -> Population:
    """Train ``seeds`` networks from different random starts on the same rows and the same plan, and keep them all.

    Network k starts from, and is trained with, the seed ``plan.seed + k``: it is bit for bit the network that
    :func:`~pondera.training.fit.fit` gives for that seed alone. All share one compiled program, and there
    are as many threads as cores, each with a network of its own: small layers leave most of a machine idle when they
    are trained one after the other, because a product of small matrices cannot be shared between cores.

    Parameters
    ----------
    architecture, x, targets, plan
        As for :func:`~pondera.training.fit.fit`.
    seeds
        How many networks.
    dtype
        ``"float32"`` or ``"float64"``.
    networks
        The networks to start from; by default each starts at random from its seed.
    starts
        A state to go on from for each network, ``Fit.state`` of an earlier call.
    progress
        Called with the network's number and where it stands; from several threads.
    **data
        ``sample_weight`` and ``validation`` of :func:`~pondera.training.fit.fit`. A share of rows is
        drawn once, by the plan's own seed, so that all networks hold out the same rows.

    Raises
    ------
    ArgumentError
        If ``seeds`` is not a whole number of at least 1, or ``architecture`` is none.
    """
    plan = plan_of(plan)
    if not isinstance(architecture, Architecture):
        raise ArgumentError(
            "A population is trained from an Architecture, such as network.architecture. "
            f"Got {architecture!r:.80} of type {type(architecture).__name__}."
        )
    if isinstance(seeds, bool) or not isinstance(seeds, int | np.integer) or seeds < 1:
        raise ArgumentError(f"seeds= is the number of networks, a whole number of at least 1. Got {seeds!r}.")
    if starts is not None and len(starts) != seeds:
        raise ArgumentError(f"Expected a state for each of the {seeds} networks, found {len(starts)}.")

    def one(k: int) -> Fit:
        seed = plan.seed + k
        return fit(
            networks[k] if networks else Network(architecture, architecture.initial(seed, dtype)),
            x,
            targets,
            plan.replace(seed=seed),
            start=None if starts is None else starts[k],
            progress=None if progress is None else lambda where: progress(k, where),
            interruption=asked,
            split_seed=plan.seed,
            **data,
        )

    with Interruption() as asked:
        if seeds == 1:
            return Population((one(0),))
        with ThreadPoolExecutor(min(int(seeds), os.cpu_count() or 1)) as threads:
            return Population(tuple(threads.map(one, range(seeds))))
