"""Records a training: its run can be read while it goes on, and goes on if it was killed."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from pondera.errors import PonderaWarning, RunError
from pondera.network.architecture import Architecture
from pondera.recording.admission import Admission
from pondera.recording.arguments import require
from pondera.recording.backlog import Backlog
from pondera.recording.folder import FINISHED, remove_garbage, remove_run
from pondera.recording.health.watch import OnFinding, Watch
from pondera.recording.looks import gradients, look, named
from pondera.recording.overhead import Overhead
from pondera.recording.process import LOOK_AGAIN, wait_while_paused
from pondera.recording.room import remove_states
from pondera.recording.schedule import ALWAYS, SLACK, schedule_of, snapshot_after
from pondera.recording.states import load_state, save_state
from pondera.recording.warned import warn
from pondera.recording.writer import RunWriter
from pondera.training.figures import EpochFigures
from pondera.training.stopping import INTERRUPTED
from pondera.training.watching import NEVER, Beginning, Checkpoint, Figures, Point, Watcher

Array = np.ndarray[Any, Any]
T = TypeVar("T")

APART = 1.0
"""Seconds between two states that are written for going on from, at least, …"""

RARELY = 200.0
"""… and at least so many times the seconds that one takes to write: the last one, or at first …"""

PACE = 3e8
"""… one that is written at so many bytes a second."""

LOOK = 5.0
"""Steps of training that looking at one takes as long as, until that is known."""

LONG = 100.0
"""Seconds of training after which the gradients of single weights are recorded by default: what computes them takes a
second or two to compile. Those of shorter trainings are found again by training once more, when somebody asks."""


class Recorder:
    """Keeps the life of every weight of a training in the folder of a run.

    A training whose process died goes on where its last state was written, if it is started again with the same model,
    rows and plan, and ends with the same weights, bit for bit.

    Parameters
    ----------
    folder
        Of the run; it is made where there is none.
    level
        ``"default"`` looks at ever fewer steps, for at most half a percent of the training's time and a tenth of a
        second, of several networks each further one a little more (:data:`~pondera.recording.schedule.SLACK`);
        gradients of single weights are recorded once training has lasted 100 seconds. ``"full"`` looks at every step of
        the first thousand, and then at each that is 1 % later than the one before, gradients and all.
    budget
        Bytes of disk that the run may take; by default 256 MB, or 16 times the bytes of the weights where that is more.
        Two snapshots of all weights are kept however little it is, and the last two states while training goes on.
    replace
        Whether a run that is in the folder and is another one, or finished, is replaced; else it is an error.
    about
        More to be known of the run, JSON-ready.
    tell
        Called with a sentence where training goes on from an earlier process, or an earlier run is replaced.
    on_finding
        Called with the number of a network and what a rule finds wrong with its training, once a rule, when it arises;
        from the thread that writes.

    Raises
    ------
    RunError
        If the folder cannot be written to, holds another run, or another process writes to it; and where a second
        training begins with it: each takes a recorder of its own.

    Examples
    --------
    >>> import tempfile, pondera
    >>> from pondera.recording.run import Run
    >>> x = np.arange(4.0)[:, None]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Recorder(folder, level="full") as recorder:
    ...         network = pondera.Network.create(1, pondera.Dense(1))
    ...         fitted = pondera.fit(network, x, 2 * x + 1, pondera.Plan(epochs=9), recorder=recorder)
    ...     with Run(Path(folder)) as run:
    ...         run.state, run.taken, len(run.weight("layers.0.weight", (0, 0)).values)
    ('finished', 9, 10)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        level: str = "default",
        budget: int | None = None,
        *,
        replace: bool = False,
        about: Mapping[str, Any] | None = None,
        tell: Callable[[str], None] | None = None,
        on_finding: OnFinding | None = None,
    ) -> None:
        require("Recorder", run=folder, budget=budget, about=about, on_finding=on_finding)
        self.folder, self.schedule = Path(folder), schedule_of(level)
        self.tell = tell or (lambda _: None)
        if replace:  # any other run is replaced when the training begins that it may belong to
            remove_garbage(self.folder)
        self.writer = RunWriter(self.folder, budget)
        self.admission = Admission(self.writer, replace, {**(about or {}), "level": level}, self.tell)
        self.overhead = Overhead(self.schedule, self.writer)
        self.on_finding, self.trouble = on_finding, ""
        self.parts: dict[int, PartRecorder] = {}
        self.end: Callable[[], None] | None = None  # writes the state that the first network ended with

    def __call__(self, part: int) -> PartRecorder:
        """Return the watcher of a part: a network of a population."""
        self._keep_end()
        return self.parts.setdefault(part, PartRecorder(self, part))

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(finished=kind is None)

    def close(self, finished: bool = True) -> None:
        """Write what is left. Of a finished training nothing stays to go on from."""
        ended = [part.reason for part in self.parts.values()]
        done = finished and bool(ended) and all(reason not in ("", INTERRUPTED) for reason in ended)
        if done:
            self.writer.about(state=FINISHED)
            self.writer.later(remove_states, self.folder)
        else:
            self._keep_end()
        self.writer.close()
        if self.writer.new and self.admission.identity is None:  # nothing began
            with contextlib.suppress(RunError):  # somebody else began there by now
                remove_run(self.folder)
        warn(self.folder, self.writer.failure, self.trouble)

    def _keep_end(self) -> None:
        """Have the state at the end of the first network written, which is not the end of all."""
        if self.end is not None:
            self.end()
            self.end = None

    def ask(self, watch: Watch, step: int, steps: int, at_last: bool = False) -> None:
        """Have rules look at what is recorded, where there is time; what a callback raises ends nothing else."""
        if self.trouble or not (at_last or (watch.next <= step and self.affords(step, steps))):
            return
        try:
            watch.look(step)
        except BaseException as error:  # also sys.exit(), which ends the thread that it is called in and no more
            self.trouble = f"{type(error).__name__}: {error}"

    def waited(self, seconds: float) -> None:
        """Count seconds in which training did not go on as none of its own."""
        self.overhead.waited(seconds)
        for part in list(self.parts.values()):
            part.saved += seconds

    def affords(self, step: int, steps: int, due: float = 0.0) -> bool:
        """Return whether looks take no more of the time so far than they may by this one of the plan's steps.

        What was begun and will take ``due`` seconds counts too: who spends early what is meant for all of a training
        sees its beginning only.
        """
        parts = len(self.parts)
        before = sum(1 / k for k in range(1, parts))  # of many networks each further one has less
        slack = SLACK * (before + math.log1p(step) / math.log1p(steps) / max(parts, 1))
        return self.overhead.allows(slack - due)


class PartRecorder(Watcher):
    """Watches the training of one network."""

    watches = True

    def __init__(self, recorder: Recorder, part: int) -> None:
        self.recorder, self.part, self.writer = recorder, part, recorder.writer
        self.reason = ""
        self.looked, self.followed = False, False  # at all, and at the gradients of single weights
        self.each: float | None = None  # seconds that the last look took of training's cores
        self.backlog = Backlog(recorder.writer)
        self.snapshot = 0  # the step of the next one
        tell = recorder.on_finding
        self.watch = None if tell is None else Watch(recorder.folder, self.writer.database, part, tell)
        self.saved, self.took_to_save = time.perf_counter(), 0.0
        self.asked = -math.inf  # when it was last looked whether training is to wait
        self.planned = -1  # the step that is looked at next, or was last
        self.pace, self.took_last = math.inf, 0.0  # seconds of a step, and of those taken last
        self.chunks = 0  # how often steps were taken

    def named(self, inputs: Sequence[str], outputs: Sequence[str], columns: Sequence[str] = ()) -> None:
        """Have the names of inputs and outputs written down with what else is known of the run."""
        self.recorder.admission.know(inputs=list(inputs), outputs=list(outputs), columns=list(columns))

    def skip(self) -> bool:
        """Return whether this network has no beginning here; the run is interrupted, and begins it when it goes on."""
        if not self.recorder.admission.is_new(self.part):
            return False
        self.reason = INTERRUPTED
        self.writer.about(state=INTERRUPTED)
        return True

    def begin(self, beginning: Beginning) -> Checkpoint | None:
        """Write down what is trained, and return where an earlier process got to."""
        goes_on = self.recorder.admission.admit(beginning, self.part)
        self.beginning, self.steps = beginning, beginning.steps * beginning.plan.epochs
        architecture = beginning.program.apply
        initializers = (
            {name: spec.initializer.to_json() for name, spec in architecture.specs.items()}
            if isinstance(architecture, Architecture)
            else {}
        )
        self.start = named(beginning.state.weights)
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(beginning.state))
        self.backlog, self.took_to_save = Backlog(self.writer, size), size / PACE
        if isinstance(architecture, Architecture):
            self.start = {name: self.start[name] for name in architecture.shapes}  # as the layers come
        self.writer.part(self.part, self.start, initializers, beginning.plan.seed)
        self.writer.about(**{f"seed.{self.part}": beginning.plan.seed})
        found = load_state(self.recorder.folder, self.part, beginning.state) if goes_on else None
        if found is None or found[0].ending.reason in ("", INTERRUPTED):
            self.writer.forget(f"kept.{self.part}", f"ended.{self.part}")
        if found is None:
            return None
        checkpoint, step, damaged = found
        self.reason = checkpoint.ending.reason
        self.snapshot = snapshot_after(step)
        if damaged:
            warnings.warn(damaged, PonderaWarning, stacklevel=2)
        elif self.reason in ("", INTERRUPTED):
            network = f" of network {self.part}" if self.part else ""
            self.recorder.tell(f"The run in {self.recorder.folder} goes on: training{network} after step {step:,}.")
        return checkpoint

    def next(self, step: int) -> int:
        """Return the first step, from this one on, to be recorded; what was said is kept to: training stops there."""
        if step > self.planned:
            limited = self.recorder.schedule.share is not None
            if limited and step >= ALWAYS and (self.backlog.busy or not self._affords(step)):
                return NEVER
            self.planned = self.recorder.schedule.next(step)
        return self.planned

    def _affords(self, step: int) -> bool:
        """Return whether there is time for one more look, after those that wait."""
        each = self.each
        if each is None:
            each = LOOK * self.pace if self.chunks > 1 else 0.0  # of the first step's time most is compilation
        return self.recorder.affords(step, self.steps, (self.backlog.waiting + 1) * each)

    def took(self, first: int, losses: Figures, rates: Figures, norms: Figures, seconds: float) -> None:
        """Write down the figures of steps; where somebody paused the run, training goes no further until it goes on."""
        self.took_last = seconds
        self.chunks += 1
        self.pace = min(self.pace, seconds / len(losses))
        self.writer.steps(self.part, first, losses, rates, norms)
        if time.perf_counter() - self.asked >= LOOK_AGAIN:
            self.recorder.waited(wait_while_paused(self.recorder.folder, self.beginning.interruption))
            self.asked = time.perf_counter()

    def saw(self, point: Point) -> None:
        """Have a step looked at by the thread that writes."""
        self.recorder.overhead.took(2 * (self.took_last - self.pace))  # training stops before the step and after it
        if self.writer.failure is not None:
            return
        self.backlog.add(self._look, point)
        if not self.looked:  # what the first look compiles takes long enough
            self.writer.hurry()
        if point.step >= self.snapshot:
            self.writer.snapshot(self.part, point.step, named(point.before.weights))
            self.snapshot = snapshot_after(point.step)

    def epoch(self, figures: EpochFigures, step: int) -> None:
        """Write down the figures of an epoch."""
        values = vars(figures) | {"step": step}
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        self.writer.epoch(self.part, figures.epoch, plain)

    def offer(self, checkpoint: Checkpoint, step: int) -> None:
        """Write a state down where the last one is long ago, or this one is the last of all."""
        waited = time.perf_counter() - self.saved
        if not checkpoint.ending.reason and waited < max(APART, RARELY * self.took_to_save):
            return
        self.saved = time.perf_counter()
        # What the loop goes on changing is copied; arrays of weights never change.
        kept = checkpoint._replace(
            losses=checkpoint.losses.copy(), history=list(checkpoint.history), best=copy.copy(checkpoint.best)
        )
        if checkpoint.ending.reason:
            self.reason = checkpoint.ending.reason
            self._end(kept, step)
            if len(self.recorder.parts) == 1:  # nothing goes on from the end of all, unless training is not over there
                self.recorder.end = functools.partial(self._save_later, kept, step)
                return
        self._save_later(kept, step)

    def _end(self, checkpoint: Checkpoint, step: int) -> None:
        """Write down the last weights, and those that are kept."""
        best, steps = checkpoint.best, self.beginning.steps
        use_best = checkpoint.keeps_best and best.thing is not None
        kept = (best.epoch + 1 - checkpoint.started) * steps if use_best else step
        self.writer.weights(self.part, step, named(checkpoint.state.weights))
        weights = named(best.thing if use_best else checkpoint.state.weights)
        self.writer.weights(self.part, kept, weights)
        self.writer.snapshot(self.part, kept, weights)  # those too that are not followed one by one
        self.writer.about(**{f"kept.{self.part}": kept, f"ended.{self.part}": checkpoint.ending._asdict()})
        if checkpoint.ending.reason == INTERRUPTED:
            self.writer.about(state=INTERRUPTED)
        if self.watch is not None:
            self.writer.later(self.recorder.ask, self.watch, step, self.steps, True)

    def _save_later(self, checkpoint: Checkpoint, step: int) -> None:
        self.writer.later(self._save, checkpoint, step)

    def _save(self, checkpoint: Checkpoint, step: int) -> None:
        begun = time.perf_counter()
        self.writer.commit()  # who goes on from there never writes what came before
        save_state(self.recorder.folder, self.part, step, checkpoint)
        self.took_to_save = time.perf_counter() - begun

    def _timed(self, compute: Callable[..., T], *arguments: Any) -> T:
        """Return what is computed, and count how long training's cores took for it, beside this thread's own time."""
        begun, own = time.perf_counter(), time.thread_time()
        found = compute(*arguments)
        if not self.writer.excused:
            self.recorder.overhead.took(time.perf_counter() - begun - (time.thread_time() - own))
        return found

    def _look(self, point: Point) -> None:
        program, rows, before = self.beginning.program, self.beginning.rows, named(point.before.weights)
        every = self.recorder.schedule.share is None or self.recorder.overhead.seconds > LONG
        # What looks compile, once, is not what recording goes on to cost.
        self.writer.excused = not self.looked or (every and not self.followed)
        self.looked, self.followed = True, every
        spent, own = self.recorder.overhead.spent, time.thread_time()
        found = self._timed(look, program, point, rows)
        self.writer.write_point(
            self.part,
            point.step,
            before,
            named(point.after.weights),
            self._timed(gradients, program, point, rows) if every else None,
            found.units,
            dict(zip(before, point.squares.tolist(), strict=True)),
            found.losses,
        )
        if not self.writer.excused:
            self.each = self.recorder.overhead.spent - spent + time.thread_time() - own
        if self.watch is not None:
            self.recorder.ask(self.watch, point.step, self.steps)
