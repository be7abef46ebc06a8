"""A training taken once more, to see steps of it that were not recorded: the same plan gives the same steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pondera.training.epoch import Program, Rows
from pondera.training.fit import Trainable, run
from pondera.training.plan import Plan
from pondera.training.stopping import Interruption
from pondera.training.watching import NEVER, Beginning, Checkpoint, Point, Watcher

See = Callable[[Program, Rows, Point], None]


def replay(model: Trainable, rows: Rows, plan: Plan, steps: Sequence[int], see: See) -> None:
    """Train again up to the last of some steps, and show each of them.

    What is held out decides when a training ends and what is kept, not how it goes, so nothing is held out here.

    Parameters
    ----------
    model, rows, plan
        As they were trained, with the seed of that network.
    steps
        Which, in any order.
    see
        Called with the program, the rows and a step from both sides.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted before the last of the steps.
    """
    with Interruption() as asked:
        looking = _Looking(sorted(set(steps)), see, asked)
        run(model, rows, None, plan.replace(patience=None), None, None, asked, looking)
    if looking.steps and asked.requested:
        raise KeyboardInterrupt


class _Looking(Watcher):
    """Waits for some steps, and ends the training after the last."""

    def __init__(self, steps: Sequence[int], see: See, asked: Interruption) -> None:
        self.steps, self.see, self.asked = list(steps), see, asked

    watches = True  # the program that recorded them, to the last bit

    def begin(self, beginning: Beginning) -> Checkpoint | None:
        self.beginning = beginning
        if not self.steps:
            self.asked.request()
        return None

    def next(self, step: int) -> int:
        return self.steps[0] if self.steps else NEVER

    def saw(self, point: Point) -> None:
        self.steps.pop(0)
        self.see(self.beginning.program, self.beginning.rows, point)
        if not self.steps:
            self.asked.request()
