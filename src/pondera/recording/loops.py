"""What recording a loop that is not Pondera's has in common, whatever the framework."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pondera.errors import ArgumentError, PonderaError
from pondera.recording.backlog import Backlog
from pondera.recording.figures import UnitFigures
from pondera.recording.folder import FINISHED, UNFINISHED, circumstances, make_place
from pondera.recording.overhead import Overhead
from pondera.recording.schedule import ALWAYS, schedule_of, snapshot_after
from pondera.recording.warned import warn
from pondera.recording.writer import RunWriter

if TYPE_CHECKING:
    from pondera.recording.health.watch import OnFinding

Array = np.ndarray[Any, Any]

TOGETHER, LATEST = 64, 1.0
"""Figures of so many steps, or seconds, are written at once: reading one makes the host wait for its device."""


class Outputs(NamedTuple):
    """What a layer made of a batch: its kind, its outputs, (rows, units), and where they are on a flat end."""

    kind: str
    values: Array
    flat: Array | None = None


class Loop:
    """Writes down the steps of a loop as they come, those that are recorded from both sides as well.

    Parameters
    ----------
    run
        Folder of the run.
    level
        ``"default"`` records ever fewer steps and takes at most half a percent of the time and a tenth of a second,
        ``"full"`` every one of the first thousand and then each that is 1 % later than the one before.
    budget
        Bytes of disk; see :class:`~pondera.recording.writer.RunWriter`.
    replace
        Whether a run that is in the folder is replaced; else it is an error.
    about
        More to be known of the run, JSON-ready.
    versions
        Of the packages that train, by name.
    on_finding
        Called with 0, the number of the only network, and what a rule finds wrong with its training, once a rule, when
        it arises; from the thread that writes.

    Raises
    ------
    ArgumentError
        If there is no such level.
    RunError
        If the folder holds a run, cannot be written to, or another process writes to it.

    Examples
    --------
    >>> import tempfile
    >>> from pondera.recording.run import Run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loop, w = Loop(folder, "full"), {"w": np.ones(2)}
    ...     loop.begin(w)
    ...     for step in range(3):
    ...         if loop.wants(step):
    ...             loop.point(step, w, {"w": w["w"] / 2})
    ...         loop.took(step, loss=1.0 / 2**step)
    ...         w = {"w": w["w"] / 2}
    ...     loop.close(True, w)
    ...     with Run(Path(folder)) as found:
    ...         found.state, found.steps().losses.tolist(), found.weight("w", (0,)).values.tolist()
    ('finished', [1.0, 0.5, 0.25], [1.0, 0.5, 0.25, 0.125])
    """

    def __init__(
        self,
        run: str | os.PathLike[str],
        level: str = "default",
        budget: int | None = None,
        replace: bool = False,
        about: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
        on_finding: OnFinding | None = None,
    ) -> None:
        self.schedule, self.folder = schedule_of(level), Path(run)
        make_place(self.folder, replace)
        self.writer = RunWriter(self.folder, budget)
        own = {"state": UNFINISHED, "level": level, **circumstances(versions or {})}
        self.writer.about(**{**(about or {}), **own})
        self.overhead = Overhead(self.schedule, self.writer)
        self.open, self.next = True, 0  # the step after the last
        self._process = os.getpid()
        self._told: list[list[Any]] = []  # loss, rate and norm of steps that are not written yet, …
        self._first, self._wrote = 0, self.overhead.begun  # … from this one on, since then
        self._backlog = Backlog(self.writer)
        self._snapshot = 0  # the step of the next one
        self._layers: list[str] = []  # whose outputs were looked at, as they came
        self.trouble, self._watch = "", None
        if on_finding is not None:
            from pondera.recording.health.watch import Watch  # loads JAX, which nothing else here does

            self._watch = Watch(self.folder, self.writer.database, 0, on_finding)

    def begin(self, start: Mapping[str, Array]) -> None:
        """Write down the weights at the start, or those that were added later."""
        self.writer.part(0, start)

    def wants(self, step: int) -> bool:
        """Return whether a step is recorded from both sides."""
        if not self.open or self.schedule.next(step) != step:
            return False
        return self.schedule.share is None or step < ALWAYS or (not self._backlog.busy and self.overhead.allows())

    def took(self, step: int, loss: Any = math.nan, rate: Any = math.nan, norm: Any = math.nan) -> None:
        """Write down the figures of a step: numbers, or what ``float`` takes later; None for what is not known."""
        late = len(self._told) >= TOGETHER or time.perf_counter() - self._wrote > LATEST
        if self._told and (late or step != self.next):
            self._write_steps()
        if not self._told:
            self._first, self._wrote = step, time.perf_counter()
        self._told.append([loss, rate, norm])
        self.next = step + 1

    def tell_loss(self, loss: Any) -> None:
        """Take the loss of the step that was written down last."""
        if self._told:
            self._told[-1][0] = loss

    def point(
        self,
        step: int,
        before: Mapping[str, Array],
        after: Mapping[str, Array],
        gradients: Mapping[str, Array] | None = None,
        outputs: Mapping[str, Outputs] | None = None,
    ) -> None:
        """Have the thread look at a step; the arrays are its own from now on."""
        if not self.open or self.writer.failure is not None:
            return
        if outputs and list(outputs) != self._layers:
            self._layers = list(outputs)
            self.writer.about(layers=self._layers)
        self._backlog.add(self._look, step, before, after, gradients, outputs or {})
        if step >= self._snapshot:
            self.writer.snapshot(0, step, before)
            self._snapshot = snapshot_after(step)

    def epoch(self, number: int, figures: Mapping[str, Any]) -> None:
        """Write down an epoch's figures, numbers by name; ``training_loss`` and ``validation_loss`` are shown."""
        if not self.open:
            return
        number = int(number)
        if not 0 <= number < 1 << 63:
            raise ArgumentError(f"Epochs are numbered from 0, by 64 bits. Got {number}.")
        known = {"training_loss": None, "validation_loss": None, "validation_metric": None}
        plain = {name: _plain(value) for name, value in figures.items()}
        self.writer.epoch(0, number, known | plain | {"epoch": number, "step": self.next})

    def close(
        self,
        finished: bool,
        weights: Mapping[str, Array] | None = None,
        failure: str | None = None,
        taken: int | None = None,
    ) -> None:
        """Write what is left, the weights at the end too, and let go of the folder; called again it does nothing.

        The end is after the last step that was told of, or after ``taken`` of them.
        """
        if not self.open or os.getpid() != self._process:  # a process that was forked from the one that records
            return
        self.open = False
        self._write_steps()
        end = self.next if taken is None else taken
        if weights is not None:
            self.writer.weights(0, end, weights)
            self.writer.snapshot(0, end, weights)
            self.writer.about(**{"broken.0": [name for name, each in weights.items() if not np.isfinite(each).all()]})
        self.writer.about(**{"kept.0": end}, **({"state": FINISHED} if finished else {}))
        self.writer.later(self._ask, self.next - 1, True)
        self.writer.close()
        self.writer.failure = self.writer.failure or failure
        warn(self.folder, self.writer.failure, self.trouble)

    def guarded(self, job: Callable[..., None], *arguments: Any) -> None:
        """Do something while there is a recording, and count its time: an error ends that, and not the training."""
        if not self.open:
            return
        begun = time.perf_counter()
        try:
            job(*arguments)
        except Exception as error:  # whatever it is, somebody's training is worth more
            self.fail(error)
        self.overhead.took(time.perf_counter() - begun)

    def fail(self, error: Exception) -> None:
        """End the recording, and not the training, for something that nobody thought of."""
        told = str(error) if isinstance(error, PonderaError) else f"{type(error).__name__}: {error}"
        self.close(False, failure=told)

    def _write_steps(self) -> None:
        if self._told:
            columns = np.array([[_number(each) for each in row] for row in self._told]).T
            self.writer.steps(0, self._first, *columns)
        self._told = []

    def _look(
        self,
        step: int,
        before: Mapping[str, Array],
        after: Mapping[str, Array],
        gradients: Mapping[str, Array] | None,
        outputs: Mapping[str, Outputs],
    ) -> None:
        units = {name: UnitFigures.of(*each) for name, each in outputs.items()}
        self.writer.write_point(0, step, before, after, gradients, units, None, None)
        self._ask(step)

    def _ask(self, step: int, at_last: bool = False) -> None:
        """Have rules look at what is recorded, where there is time; what a callback raises ends nothing else."""
        watch = self._watch
        if watch is None or self.trouble or not (at_last or (watch.next <= step and self.overhead.allows())):
            return
        try:
            watch.look(step)
        except BaseException as error:  # also sys.exit(), which ends the thread that it is called in and no more
            self.trouble = f"{type(error).__name__}: {error}"


def _number(value: Any) -> float:
    try:
        return float(value)
    except Exception:  # None, several numbers, or what only a tensor of some framework can think of
        return math.nan


def _plain(value: Any) -> Any:
    """Return a number as JSON can hold it, of a tensor that gradients flow through its value; None of what is none."""
    value = value.detach() if hasattr(value, "detach") else value
    number = value if isinstance(value, (bool, int)) and abs(value) < 1 << 53 else _number(value)
    return number if math.isfinite(number) else None
