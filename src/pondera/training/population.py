"""A population: the same training from different random starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.machine import cores
from pondera.network.architecture import Architecture
from pondera.network.network import Network
from pondera.training.epoch import State
from pondera.training.figures import Fit, Progress
from pondera.training.fit import run, trainable
from pondera.training.plan import Plan, plan_of
from pondera.training.room import require_room
from pondera.training.rows import rows_of
from pondera.training.stopping import Interruption
from pondera.training.watching import NOBODY, Watcher


@dataclass(frozen=True)
class Population:
    """Networks that differ in nothing but their seed.

    Attributes
    ----------
    fits
        One finished training a seed, in the order of the seeds. A network that an interruption or a loss that is not
        finite kept from finishing its first epoch is left out, where others did and all began at a random start: it
        is little more than that. Once somebody wants training to stop no further network begins.
    """

    fits: tuple[Fit, ...]

    def __repr__(self) -> str:
        return f"<Population of {len(self.fits)}: {', '.join(map(repr, self.networks[:1]))}>"

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
    sample_weight: npt.ArrayLike | None = None,
    validation: float | tuple[npt.ArrayLike, ...] | None = None,
    recorder: Callable[[int], Watcher] | None = None,
) -> Population:
    """Train ``seeds`` networks from different random starts on the same rows and the same plan, and keep them all.

    Network k starts from, and is trained with, the seed ``seeds_of(plan.seed, seeds)[k]``: it is bit for bit the
    network that :func:`~pondera.training.fit.fit` gives for that seed alone. All share the rows and one compiled
    program, and there are as many threads as cores, each with a network of its own: small layers leave most of a
    machine idle when they are trained one after the other, because a product of small matrices cannot be shared
    between cores. Layers wide enough to keep all cores busy alone gain little.

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
    sample_weight, validation
        As for :func:`~pondera.training.fit.fit`. All networks hold out the same rows.
    recorder
        Gives who sees the training of network k go by; see :func:`~pondera.training.fit.fit`.

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
    for what, found in (("a state", starts), ("weights", networks)):
        if found is not None and len(found) != seeds:
            raise ArgumentError(f"Expected {what} for each of the {seeds} networks, found {len(found)}.")

    require_room(architecture, plan, dtype, x, int(seeds))
    numbers, given = seeds_of(plan.seed, int(seeds)), networks
    networks = networks or [Network(architecture, architecture.initial(number, dtype)) for number in numbers]
    members = [trainable(network) for network in networks]
    every = given is not None or starts is not None or not plan.epochs  # none is left out: each was something before

    def one(k: int) -> Fit | None:
        watcher = recorder(k) if recorder else NOBODY
        # The first stands for all where none finished an epoch.
        if k and asked.requested and watcher.skip():
            if not every:
                return None
            watcher = NOBODY
        return run(
            members[k],
            rows,
            held,
            plan.replace(seed=numbers[k]),
            None if starts is None else starts[k],
            None if progress is None else lambda where: progress(k, where),
            asked,
            watcher,
        )

    with members[0].precision, Interruption() as asked:
        loss = Choice.of(plan.loss)
        rows, held = rows_of(architecture, x, targets, sample_weight, validation, loss, plan.seed, members[0].weights)
        with ThreadPoolExecutor(min(int(seeds), cores())) as threads:
            trained: Iterable[Fit | None] = [one(0)] if seeds == 1 else threads.map(one, range(seeds))
            fits = tuple(member for member in trained if member is not None)
    return Population(fits if every else tuple(member for member in fits if member.history) or fits[:1])


def seeds_of(seed: int, networks: int) -> tuple[int, ...]:
    """Return a seed for each network of a population; the first is the one given.

    The others come out of NumPy's ``SeedSequence`` (O'Neill 2015, "Developing a seed_seq alternative"), so that
    populations of neighbouring seeds have, but for a chance in a million, no network in common.

    Examples
    --------
    >>> seeds_of(0, 3)
    (0, 2968811710, 3677149159)
    """
    drawn = np.random.SeedSequence(seed).generate_state(networks - 1)
    return (seed, *(int(number) for number in drawn))
