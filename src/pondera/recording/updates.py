"""Watches any loop of JAX through its optimizer: an Optax transformation that records what passes through it."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pondera.errors import ArgumentError
from pondera.recording.pace import FINISHED, Pace, begin_run
from pondera.recording.recorder import named

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

    def close(self, finished: bool = True) -> None:
        """Wait for the steps that are still computed, write what is left, and let go of the folder."""
        self.recording.close(finished)


def watch_updates(
    optimizer: optax.GradientTransformation,
    run: str | os.PathLike[str],
    level: str = "default",
    *,
    budget: int | None = None,
    replace: bool = False,
    about: Mapping[str, Any] | None = None,
) -> WatchedUpdates:
    """Return an optimizer that does the same, and records weights, gradients and updates of some steps.

    Whether a step is recorded is decided within the compiled program; steps that are not cost a comparison. The loss is
    recorded where it is given to ``update`` as ``value=``, as Optax's line searches take it.

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

    Raises
    ------
    ArgumentError
        If it is no optimizer of Optax.
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
    ...     with Run(Path(folder)) as found:
    ...         found.weight("w", (0,)).values.round(2).tolist()
    [1.0, 0.9, 0.8, 0.7]
    """
    if not isinstance(optimizer, optax.GradientTransformation):
        raise ArgumentError(f"watch_updates takes an optimizer of Optax. Got {optimizer!r:.80}.")
    told = {**(about or {}), "framework": "Optax"}
    recording = _Recording(begin_run(run, level, budget=budget, replace=replace, about=told))
    inner = optax.with_extra_args_support(optimizer)

    def init(weights: Any) -> WatchedState:
        recording.begin(weights)
        return WatchedState(inner.init(weights), jnp.zeros((), jnp.int32))

    def update(gradients: Any, state: WatchedState, weights: Any = None, **more: Any) -> tuple[Any, WatchedState]:
        if weights is None:
            raise ArgumentError("An optimizer that is watched is given the weights: update(gradients, state, weights).")
        updates, kept = inner.update(gradients, state.inner, weights, **more)
        told = (state.step, weights, gradients, updates, more.get("value", jnp.nan))
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

    def __init__(self, pace: Pace) -> None:
        self.pace, self.writer = pace, pace.writer
        self.steps = jnp.asarray(_all_steps(pace), jnp.int32)
        self.last: tuple[int, dict[str, Any]] | None = None
        self.begun = False
        self._close = weakref.finalize(self, self.writer.close)

    def begin(self, weights: Any) -> None:
        """Write down the weights at the start, where they are values and not what a compiler traces."""
        if not self.begun and not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(weights)):
            self.writer.part(0, {name: value.copy() for name, value in named(weights).items()})
            self.begun = True

    def see(self, step: Any, weights: Any, gradients: Any, updates: Any, loss: Any) -> None:
        """Write a step down, if there is time for it."""
        begun, number = time.perf_counter(), int(step)
        self.begin(weights)
        before, slopes, moves = (
            {name: np.array(value) for name, value in named(each).items()} for each in (weights, gradients, updates)
        )
        after = {name: value + moves[name] for name, value in before.items()}
        self.last = max(self.last or (0, after), (number + 1, after), key=lambda each: each[0])
        norm = np.sqrt(sum(float(np.square(value, dtype=np.float64).sum()) for value in slopes.values()))
        self.writer.steps(0, number, np.array([float(loss)]), np.array([np.nan]), np.array([norm]))
        if self.pace.wants(number):
            self.writer.point(0, number, before, after, slopes)
        self.pace.spent += time.perf_counter() - begun

    def close(self, finished: bool) -> None:
        """Wait, and write the end."""
        if not self._close.alive:
            return
        jax.effects_barrier()  # type: ignore[no-untyped-call]
        if self.last is not None:
            self.writer.weights(0, *self.last)
            self.writer.about(**{"kept.0": self.last[0]})
        if finished:
            self.writer.about(state=FINISHED)
        self._close()


def _all_steps(pace: Pace) -> list[int]:
    """Return every step that may be recorded, ascending."""
    found, step = [], 0
    while step < LAST:
        found.append(step)
        step = pace.schedule.next(step + 1)
    return found
