"""Watches any loop of JAX through its optimizer: an Optax transformation that records what passes through it."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pondera.errors import ArgumentError, RunError
from pondera.recording.arguments import require
from pondera.recording.looks import named
from pondera.recording.loops import Loop

if TYPE_CHECKING:
    from pondera.recording.health.watch import OnFinding

Array = np.ndarray[Any, Any]

LAST = 1 << 31
"""Steps after this one are not recorded: the steps are counted in 32 bits."""


class WatchedState(NamedTuple):
    """The state of the optimizer within, and how many steps were taken."""

    inner: Any
    step: jax.Array


class WatchedUpdates(optax.GradientTransformationExtraArgs):  # type: ignore[misc]
    """An optimizer whose updates are recorded; a context manager. See :func:`watch_updates`."""

    recording: _Recording

    def __enter__(self) -> WatchedUpdates:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(finished=kind is None)

    def end(self, weights: Any, state: Any) -> None:
        """Take the weights after the last step, and the state of this optimizer that belongs to them.

        Only some steps are seen from outside the compiled program, and the last one need not be among them. Without
        this the run ends with the last step that was seen, and says so. It may be called more than once.
        """
        self.recording.loop.guarded(self.recording.end, weights, state)

    def close(self, finished: bool = True) -> None:
        """Wait for the steps that are still computed, write what is left, and let go of the folder."""
        self.recording.loop.guarded(self.recording.close, finished)


def watch_updates(
    optimizer: optax.GradientTransformation,
    run: str | os.PathLike[str],
    level: str = "default",
    *,
    budget: int | None = None,
    replace: bool = False,
    about: Mapping[str, Any] | None = None,
    on_finding: OnFinding | None = None,
) -> WatchedUpdates:
    """Return an optimizer that does the same, and records weights, gradients and updates of some steps.

    Whether a step is recorded is decided within the compiled program; steps that are not cost a comparison. The loss is
    recorded where it is given to ``update`` as ``value=``, as Optax's line searches take it, and the learning rate
    where the state holds one, as with ``optax.inject_hyperparams``. Weights after a step are those that
    ``optax.apply_updates`` makes of these updates: wrap the whole chain. It does not work under ``vmap``.

    Parameters
    ----------
    optimizer
        Any of Optax; its ``update`` is to be given the weights.
    run
        Folder of the run.
    level, budget
        As of a :class:`~pondera.recording.recorder.Recorder`.
    replace
        Whether a run that is in the folder is replaced; else it is an error.
    about
        More to be known of the run, JSON-ready.
    on_finding
        As for :func:`~pondera.recording.torch.watch`.

    Raises
    ------
    ArgumentError
        If it is no optimizer of Optax, or another argument is none that it takes.
    RunError
        If the folder cannot be written to, or holds a run.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from pondera.recording.run import Run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with watch_updates(optax.sgd(0.1), folder) as optimizer:
    ...         weights = {"w": jnp.ones(2)}
    ...         state = optimizer.init(weights)
    ...         for _ in range(3):
    ...             updates, state = optimizer.update({"w": jnp.ones(2)}, state, weights)
    ...             weights = optax.apply_updates(weights, updates)
    ...         optimizer.end(weights, state)
    ...     with Run(Path(folder)) as found:
    ...         found.weight("w", (0,)).values.round(2).tolist()
    [1.0, 0.9, 0.8, 0.7]
    """
    if not isinstance(optimizer, optax.GradientTransformation):
        raise ArgumentError(f"watch_updates takes an optimizer of Optax. Got {optimizer!r:.80}.")
    require("watch_updates", run=run, budget=budget, about=about, on_finding=on_finding)
    told = dict(about or {}) | {"framework": "Optax"}
    versions = {"jax": jax.__version__, "optax": optax.__version__}
    recording = _Recording(Loop(run, level, budget, replace, told, versions, on_finding))
    inner = optax.with_extra_args_support(optimizer)

    def init(weights: Any) -> WatchedState:
        recording.loop.guarded(recording.begin, weights)
        return WatchedState(inner.init(weights), jnp.zeros((), jnp.int32))

    def update(gradients: Any, state: WatchedState, weights: Any = None, **more: Any) -> tuple[Any, WatchedState]:
        if weights is None:
            raise ArgumentError("An optimizer that is watched is given the weights: update(gradients, state, weights).")
        updates, kept = inner.update(gradients, state.inner, weights, **more)
        told = (state.step, weights, gradients, updates, more.get("value", jnp.nan), _rate_in(kept))
        jax.lax.cond(
            jnp.any(state.step == recording.steps),
            lambda each: jax.debug.callback(recording.see, *each),
            lambda each: None,
            told,
        )
        return updates, WatchedState(kept, state.step + 1)

    watched = WatchedUpdates(init, update)
    watched.recording = recording
    return watched


class _Recording:
    """What happens outside the compiled program."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.steps = jnp.asarray(_all_steps(self.loop), jnp.int32)
        self.begun = False  # whether the start is written down
        self.last: dict[str, Array] | None = None  # the weights at the end, or after the last step seen, …
        self.taken: int | None = None  # … and the number of steps at the end, where it was told
        self._abandoned = weakref.finalize(self, self.loop.close, False)

    def begin(self, weights: Any) -> None:
        """Write down the weights at the start, where they are values and not what a compiler traces."""
        if not self.begun and not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(weights)):
            self.loop.begin({name: _widened(value) for name, value in named(weights).items()})
            self.begun = True

    def see(self, step: Any, weights: Any, gradients: Any, updates: Any, loss: Any, rate: Any) -> None:
        """Write a step down, if there is time for it."""
        self.loop.guarded(self._see, step, weights, gradients, updates, loss, rate)

    def _see(self, at: Any, weights: Any, gradients: Any, updates: Any, loss: Any, rate: Any) -> None:
        step = int(at)
        self.begin(weights)
        if step < self.loop.next:
            raise RunError(f"step {step} came again: an optimizer is watched in one training, and not under vmap")
        before, slopes, moves = (named(each) for each in (weights, gradients, updates))
        after = {name: _widened((value + moves[name]).astype(value.dtype)) for name, value in before.items()}
        norm = math.sqrt(sum(float(np.square(value, dtype=np.float64).sum()) for value in slopes.values()))
        self.loop.took(step, loss, rate, norm)
        if self.loop.wants(step):
            start, found = ({name: _widened(value) for name, value in each.items()} for each in (before, slopes))
            self.loop.point(step, start, after, found)
        self.last, self.taken = after, None

    def end(self, weights: Any, state: WatchedState) -> None:
        """Take the end, once all steps before it were seen."""
        jax.effects_barrier()  # type: ignore[no-untyped-call]
        taken, last = int(state.step), {name: _widened(value) for name, value in named(weights).items()}
        if taken < self.loop.next:
            raise RunError(f"the end is after {taken:,} steps, and {self.loop.next:,} were seen")
        self.last, self.taken = last, taken

    def close(self, finished: bool) -> None:
        """Wait, and write the end."""
        jax.effects_barrier()  # type: ignore[no-untyped-call]
        seen = self.loop.next
        if self.taken is None and seen and self.loop.schedule.next(seen) > seen:
            told = f"What came after step {seen:,} was not told: call end(weights, state) before it is closed."
            self.loop.writer.about(**{"ended.0": {"reason": "", "message": told}})
        self.loop.close(finished, self.last, taken=self.taken)


def _widened(value: Array) -> Array:
    """Return a copy of values; float32 where they are neither float32 nor float64."""
    if np.iscomplexobj(value):
        raise RunError("weights are complex numbers, and a run holds real ones")
    return np.array(value, value.dtype if value.dtype in (np.float32, np.float64) else np.float32)


def _rate_in(state: Any) -> Any:
    """Return the learning rate that an optimizer's state holds, as that of ``optax.inject_hyperparams`` does."""
    found = [value for _, value in optax.tree_utils.tree_get_all_with_path(state, "learning_rate")]
    rates = [value for value in found if not isinstance(value, tuple) and jnp.ndim(value) == 0]
    return rates[0] if len(rates) == 1 else jnp.nan


def _all_steps(loop: Loop) -> list[int]:
    """Return every step that may be recorded, ascending."""
    found, step = [], 0
    while step < LAST:
        found.append(step)
        step = loop.schedule.next(step + 1)
    return found
