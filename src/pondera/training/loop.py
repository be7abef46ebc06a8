"""The training loop: epochs of compiled steps, and a look at the held-out rows after each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from pondera.choice import Choice, look_up
from pondera.network.network import Network
from pondera.network.rows import Apply
from pondera.training.divergence import Stretch, Trace, locate
from pondera.training.epoch import Order, Program, Rows, State, Taken, TrainingApply, order_of, run_steps
from pondera.training.figures import EpochFigures, Fit, Progress
from pondera.training.losses import loss_of
from pondera.training.plan import Plan
from pondera.training.rows import Held
from pondera.training.schedules import SCHEDULES, rates
from pondera.training.stopping import (
    COMPLETED,
    DIVERGED,
    INTERRUPTED,
    NOT_YET,
    PATIENCE,
    Best,
    Ending,
    Interruption,
    advice_for,
)
from pondera.training.watching import NOBODY, Beginning, Checkpoint, Point, Watcher

GLANCE = 0.5  # seconds of steps between two looks at Ctrl-C and the progress display


class Stopped(Exception):  # noqa: N818 (it is no error)
    """Training ends before its plan does: the last good state, and why."""

    def __init__(self, state: State, ending: Ending) -> None:
        super().__init__(ending.message)
        self.state, self.ending = state, ending


class Training:
    """One run of the loop.

    Parameters
    ----------
    apply, plain, trace
        The model with a key, without one, and layer by layer (None where it is a plain function).
    rows, held
        What is trained on, and what is held out, if anything.
    plan
        How to train.
    interruption
        Looked at a few times a second.
    progress
        Told where training stands; may be None.
    watcher
        Sees every step go by.
    """

    def __init__(
        self,
        apply: TrainingApply,
        plain: Apply,
        trace: Trace | None,
        rows: Rows,
        held: Held | None,
        plan: Plan,
        interruption: Interruption,
        progress: Callable[[Progress], None] | None,
        watcher: Watcher = NOBODY,
    ) -> None:
        self.plain, self.trace, self.rows, self.held, self.plan = plain, trace, rows, held, plan
        self.interruption, self.progress, self.watcher = interruption, progress, watcher
        self.program = Program(
            apply, Choice.of(plan.loss), plan.optimizer, plan.decay, plan.gradient_clip, plan.factors, watcher.watches
        )
        self.metric = loss_of(self.program.loss).metric
        self.batch = min(plan.batch_size, len(rows.x))
        self.steps = -(-len(rows.x) // self.batch)  # an epoch
        self.history: list[EpochFigures] = []
        self.best: Best[Any] = Best()
        self.keeps_best = held is not None and plan.keep != "last"
        self.glance = 1  # steps until the next look; grows to about GLANCE seconds
        self.before: Stretch | None = None  # the stretch of steps before the one that is being taken

    def run(self, state: State, network: Network | None) -> Fit:
        """Train to the end of the plan, or until something ends it before."""
        self.started, begun = int(state.epoch), int(state.step)  # not 0 where another training came before
        self.losses, self.done = np.zeros(self.steps), 0  # of the epoch that is being trained
        what = (self.program, self.plain, self.trace, self.rows, self.held, self.plan)
        beginning = Beginning(*what, state, self.steps, self.interruption)
        before = self.watcher.begin(beginning)
        if before is not None:
            state, self.started, self.done, self.best = before.state, before.started, before.done, before.best
            self.losses, self.history = before.losses, list(before.history)
        if before is not None and before.ending.reason not in ("", INTERRUPTED):
            return self._fit(state, network, before.ending)
        ending = Ending(COMPLETED, f"All {self.plan.epochs} epochs were trained.")
        try:
            for epoch in range(int(state.epoch), self.started + self.plan.epochs):
                state = self._epoch(state, epoch)
        except Stopped as stopped:
            state, ending = stopped.state, stopped.ending
        self.watcher.offer(self._checkpoint(state, ending), int(state.step) - begun)
        return self._fit(state, network, ending)

    def _fit(self, state: State, network: Network | None, ending: Ending) -> Fit:
        best = self.keeps_best and self.best.thing is not None
        kept: Any = self.best.thing if best else state.weights
        return Fit(
            weights=kept,
            network=None if network is None else Network(network.architecture, kept),
            history=tuple(self.history),
            metric=self.metric,
            best_epoch=self.best.epoch if best else self.history[-1].epoch if self.history else -1,
            reason=ending.reason,
            message=ending.message,
            state=state,
        )

    def _checkpoint(self, state: State, ending: Ending = NOT_YET) -> Checkpoint:
        where = (state, self.started, self.done, self.losses, self.history, self.best)
        return Checkpoint(*where, self.keeps_best, ending)

    def _taken(self, epoch: int) -> int:
        """Return how many steps were taken before where training stands in that epoch."""
        return (epoch - self.started) * self.steps + self.done

    def _epoch(self, state: State, epoch: int) -> State:
        """Take every step of an epoch, look at the held-out rows, and see whether it was the last."""
        begun = time.perf_counter()
        order, shares, rates = self._order(epoch)
        while self.done < self.steps:
            if self.interruption.requested:
                if self.before is not None:
                    self._try(Stretch(state, order, self.done, self.done + 1), epoch)
                raise Stopped(state, self._interrupted(epoch, self.done))
            step = self._taken(epoch)
            seen = self.watcher.next(step)
            last = min(self.done + self.glance, self.steps, self.done + max(seen - step, 1))
            stretch = Stretch(state, order, self.done, last)
            state = self._take(stretch, epoch, rates)
            # By now it is known that a good step leads on from there: whoever goes on needs no step back from it.
            self.watcher.offer(self._checkpoint(stretch.state), step)
            self.done = last
            if seen == step:
                self.watcher.saw(Point(step, stretch.state, state, order, stretch.first, self.squares))
            if self.done < self.steps:
                self._show(epoch, self.done, time.perf_counter() - begun)
        state = state._replace(epoch=state.epoch + 1)
        training = float(np.average(self.losses, weights=shares))
        self._note(state, epoch, float(rates[-1]), training, time.perf_counter() - begun)
        self.losses, self.done = np.zeros(self.steps), 0
        self._show(epoch, self.steps, time.perf_counter() - begun)
        if self.plan.patience is not None and epoch - self.best.improved >= self.plan.patience:
            raise Stopped(state, self._impatient())
        return state

    def _take(self, stretch: Stretch, epoch: int, rates: npt.NDArray[np.float64]) -> State:
        """Take a stretch of steps and write down their losses."""
        begun = time.perf_counter()
        after = self._try(stretch, epoch)
        taken = slice(stretch.first, stretch.last)
        self.losses[taken] = np.asarray(after.losses)[taken]
        self.before = stretch
        if self.watcher.watches:
            norms, self.squares = np.asarray(after.norms, np.float64)[taken], np.asarray(after.squares, np.float64)
            figures = (self.losses[taken].copy(), rates[taken], norms)
            self.watcher.took(self._taken(epoch), *figures, time.perf_counter() - begun)
        self._pace(stretch.last - stretch.first, time.perf_counter() - begun)
        return after.state

    def _try(self, stretch: Stretch, epoch: int) -> Taken:
        """Take a stretch of steps, which ends training where one of them goes wrong."""
        after: Taken = run_steps(self.program, stretch.state, self.rows, *stretch[1:])
        losses = np.asarray(after.losses)[stretch.first : stretch.last]  # waits for the steps
        if not (np.isfinite(losses).all() and after.finite):
            good, step, where = locate(self.program, self.trace, self.rows, stretch, self.before)
            raise Stopped(good, self._diverged(epoch, step, where))
        return after

    def _pace(self, steps: int, seconds: float) -> None:
        """Let the next look come after about GLANCE seconds of steps. What is learned does not depend on it."""
        wanted = GLANCE * steps / max(seconds, 1e-9)
        self.glance = round(min(max(wanted, 1), self.glance * 8))

    def _order(self, epoch: int) -> tuple[Order, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the order of an epoch, the total weight of each step's rows and its learning rate, both (steps,)."""
        picked, present = order_of(self.plan.seed, epoch, len(self.rows.x), self.batch)
        shares = (np.asarray(self.rows.weights, np.float64)[picked] * present).sum(axis=1)
        dtype = self.rows.weights.dtype
        rates = self._rates(epoch)
        return Order(jnp.asarray(picked), jnp.asarray(present, dtype), jnp.asarray(rates, dtype)), shares, rates

    def _rates(self, epoch: int) -> npt.NDArray[np.float64]:
        """Return the learning rate of each step of an epoch: (steps,)."""
        schedule = look_up("schedule", self.plan.schedule, SCHEDULES)
        first = (epoch - self.started) * self.steps
        return rates(schedule, self.plan.peak, range(first, first + self.steps), self.plan.epochs * self.steps)

    def _note(self, state: State, epoch: int, rate: float, training: float, seconds: float) -> None:
        """Write down the epoch's figures and keep its weights if they are the best so far."""
        loss, miss = (None, None) if self.held is None else self.held.score(self.plain, state.weights)
        shown = None if miss is None else (1 - miss if self.metric == "accuracy" else miss**0.5)
        self.history.append(EpochFigures(epoch, rate, training, loss, shown, seconds))
        cost = miss if self.plan.keep == "metric" else loss
        self.best.offer(state.weights, training if cost is None else cost, epoch)
        self.watcher.epoch(self.history[-1], (epoch + 1 - self.started) * self.steps)

    def _show(self, epoch: int, done: int, seconds: float) -> None:
        """Tell the display where training stands: ``done`` steps of this epoch, taken in ``seconds``."""
        if self.progress is None:
            return
        epoch -= self.started
        self.progress(
            Progress(
                step=epoch * self.steps + done,
                steps=self.plan.epochs * self.steps,
                epoch=epoch,
                epochs=self.plan.epochs,
                rows_per_second=self.batch * done / max(seconds, 1e-9),
                figures=self.history[-1] if self.history else None,
            )
        )

    def _impatient(self) -> Ending:
        return Ending(
            PATIENCE,
            f"No better epoch came in {self.plan.patience} epochs after epoch {self.best.improved + 1}; "
            "the rest of the plan was not trained.",
        )

    def _interrupted(self, epoch: int, step: int) -> Ending:
        return Ending(
            INTERRUPTED,
            f"Training was interrupted in epoch {epoch + 1}, before step {step + 1} of {self.steps}; "
            f"{self._kept()} were kept.",
        )

    def _diverged(self, epoch: int, step: int, where: str) -> Ending:
        return Ending(
            DIVERGED,
            f"Training stopped at step {epoch * self.steps + step + 1} (epoch {epoch + 1}): the loss or a weight "
            f"became NaN or infinite, first in {where}; {self._kept()} were kept. {advice_for(where)}",
            where,
            (epoch - self.started) * self.steps + step,
        )

    def _kept(self) -> str:
        if self.keeps_best and self.best.thing is not None:
            return f"the weights of the best epoch so far ({self.best.epoch + 1})"
        return "the last good weights"
