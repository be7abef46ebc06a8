"""Training: errors into better weights, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy.typing as npt

from pondera.choice import Choice
from pondera.errors import ArgumentError
from pondera.network.network import Network
from pondera.network.precision import precision
from pondera.network.rows import Apply
from pondera.training.divergence import Trace
from pondera.training.epoch import Rows, State, TrainingApply, weight_name
from pondera.training.figures import Fit, Progress
from pondera.training.loop import Training
from pondera.training.plan import Plan, plan_of
from pondera.training.room import require_room
from pondera.training.rows import Held, rows_of
from pondera.training.stopping import Interruption
from pondera.training.watching import NOBODY, Watcher


@dataclass(frozen=True)
class _WithoutKey:
    """A plain ``apply(weights, x)`` where training hands a key as well."""

    apply: Apply

    def __call__(self, weights: Any, x: Any, key: Any) -> Any:
        return self.apply(weights, x)


@dataclass(frozen=True)
class Trainable:
    """A model as training takes it.

    Attributes
    ----------
    apply, plain, trace
        The model with a key, without one, and layer by layer (None where it is a plain function).
    weights
        What training starts from.
    network
        The network it is, if it is one.
    """

    apply: TrainingApply
    plain: Apply
    trace: Trace | None
    weights: Any
    network: Network | None

    @property
    def precision(self) -> AbstractContextManager[Any]:
        """The context in which these weights keep their precision."""
        return precision(jax.tree.leaves(self.weights))


def fit(
    model: Network | Apply,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    plan: Plan | None = None,
    *,
    weights: Any = None,
    sample_weight: npt.ArrayLike | None = None,
    validation: float | tuple[npt.ArrayLike, ...] | None = None,
    start: State | None = None,
    progress: Callable[[Progress], None] | None = None,
    interruption: Interruption | None = None,
    recorder: Callable[[int], Watcher] | None = None,
) -> Fit:
    """Train a network, or any pure function of weights and rows.

    Parameters
    ----------
    model
        A :class:`~pondera.network.network.Network`, or a function ``apply(weights, x)`` from (rows, inputs) to
        (rows, outputs), such as a Flax module's ``apply`` or an Equinox module's partition; it is then given
        ``weights``, a pytree of arrays.
    x
        (rows, inputs).
    targets
        (rows,) or (rows, outputs); class numbers (rows,) for softmax cross-entropy.
    plan
        How to train; the default is ``Plan()``.
    sample_weight
        (rows,) at least 0; rows of weight 0 are left out.
    validation
        Rows that are never trained on and decide which epoch's weights are kept: ``(x, targets)`` or
        ``(x, targets, sample_weight)``, or the share of the rows to hold out, drawn by the plan's seed.
    start
        A state to go on from, ``Fit.state`` of an earlier call.
    progress
        Called a few times a second at most, and after every epoch.
    interruption
        Somebody else's Ctrl-C; by default one of its own while it runs.
    recorder
        Sees training go by, such as a :class:`~pondera.recording.recorder.Recorder`, which keeps the life of every
        weight in a folder and lets a training that was killed go on.

    Returns
    -------
    Fit

    Raises
    ------
    ShapeError, ArgumentError
        If rows, targets and model do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from pondera.network.dense import Dense
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fitted = fit(Network.create(1, [Dense(1)]), x, 2 * x[:, 0] + 1, Plan(epochs=300, learning_rate=0.1))
    >>> {name: value.round(2).tolist() for name, value in fitted.network.weights.items()}
    {'layers.0.weight': [[2.0]], 'layers.0.bias': [1.0]}
    """
    plan = plan_of(plan)
    trained = trainable(model, weights)
    if trained.network is not None:
        require_room(trained.network.architecture, plan, trained.network.dtype, x)
    with trained.precision, nullcontext(interruption) if interruption else Interruption() as asked:
        rows, held = rows_of(
            trained.plain, x, targets, sample_weight, validation, Choice.of(plan.loss), plan.seed, trained.weights
        )
        return run(trained, rows, held, plan, start, progress, asked, recorder(0) if recorder else NOBODY)


def run(
    model: Trainable,
    rows: Rows,
    held: Held | None,
    plan: Plan,
    start: State | None,
    progress: Callable[[Progress], None] | None,
    interruption: Interruption,
    watcher: Watcher = NOBODY,
) -> Fit:
    """Train on rows that are known to fit the model; the arguments are those of :func:`fit`."""
    with model.precision:
        training = Training(model.apply, model.plain, model.trace, rows, held, plan, interruption, progress, watcher)
        state = training.program.start(model.weights, plan.seed) if start is None else start
        return training.run(state, model.network)


def trainable(model: Network | Apply, weights: Any = None) -> Trainable:
    """Return a network, or a function and its weights, as what can be trained.

    Raises
    ------
    ArgumentError, ShapeError
        If it is neither, or the weights are none.
    """
    if isinstance(model, Network):
        architecture = model.architecture
        network = model if weights is None else model.with_weights(weights)
        return Trainable(architecture, architecture, architecture.trace, dict(network.weights), network)
    if not callable(model):
        raise ArgumentError(f"Expected a Network or a function apply(weights, x). Got {type(model).__name__}.")
    if weights is None or not jax.tree.leaves(weights):
        raise ArgumentError("A function apply(weights, x) is trained from weights=, a pytree of arrays. Got none.")
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        if not (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)):
            raise ArgumentError(f"weights=: expected arrays of floats, found {leaf!r:.80} as {weight_name(path)!r}.")
    return Trainable(_WithoutKey(model), model, None, weights, None)
