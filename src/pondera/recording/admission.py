"""Lets a training into the folder of a run: to begin it, to go on with it, or to replace it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from pondera.choice import listed
from pondera.errors import RunError
from pondera.recording.folder import FINISHED, UNFINISHED, circumstances
from pondera.recording.health.rows import figures_of
from pondera.recording.identity import beginning_of, differences, identity_of
from pondera.recording.room import remove_states
from pondera.recording.run import Run
from pondera.recording.schema import INSTEAD
from pondera.recording.writer import RunWriter
from pondera.training.watching import Beginning


class Admission:
    """Decides whether a training goes on with what is in a run's folder.

    Parameters
    ----------
    writer
        Of the run.
    replace
        Whether a run that is in the folder and is another one, or finished, is replaced; else it is an error.
    about
        What is written down of the run once it is sure that this training goes into the folder, JSON-ready.
    tell
        Called with a sentence where a run is replaced.

    Attributes
    ----------
    identity
        What all networks of this training have in common; None until one is let in.
    """

    def __init__(self, writer: RunWriter, replace: bool, about: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        self.writer, self.folder, self.replace, self.tell = writer, writer.folder, replace, tell
        self.identity: dict[str, Any] | None = None
        self._about = dict(about)
        self._before: Mapping[str, Any] = {}  # what the folder's run said of itself
        self._goes_on = False
        self._begun: set[int] = set()  # parts
        self._deciding = threading.Lock()

    def know(self, **about: Any) -> None:
        """Have more written down of the run as a whole, once training begins."""
        self._about |= about

    def admit(self, beginning: Beginning, part: int) -> bool:
        """Return whether this training goes on with what is in the folder; what is not to go on is taken out.

        Raises
        ------
        RunError
            If there is another run, and it is not to be replaced, or another training was let in before.
        """
        found, began = identity_of(beginning), beginning_of(beginning)
        with self._deciding:
            if part in self._begun or self.identity not in (None, found):
                raise RunError(f"{self.folder}: this recorder has recorded a training already. Make one for each.")
            if self.identity is None:
                self._begin(found, beginning, part, began)
            elif self._goes_on and not self._began_alike(part, began):
                raise RunError(f"{self.folder}: network {part} began otherwise there. Give another folder.")
            self._begun.add(part)
            self.writer.about(**{f"began.{part}": began})
            return self._goes_on

    def is_new(self, part: int) -> bool:
        """Return whether it is known by now that a part has no beginning here, neither in this process nor before."""
        with self._deciding:
            goes_on = self._goes_on and f"began.{part}" in self._before
            return self.identity is not None and part not in self._begun and not goes_on

    def _began_alike(self, part: int, now: Mapping[str, Any]) -> bool:
        """Return whether a part began in the run as it does now, or is not known to have begun."""
        return bool(self._before.get(f"began.{part}", now) == now)

    def _found(self, identity: Mapping[str, Any], part: int, now: Mapping[str, Any]) -> str:
        """Return what the folder holds that this training does not go on with, in words."""
        there = self._before.get("identity")
        if there is None:
            return "the run of another program"
        differ = differences({**there, **self._before.get(f"began.{part}", now)}, {**identity, **now})
        return f"the run of another training: {listed(differ)}" if differ else "the same training, finished"

    def _begin(self, found: dict[str, Any], beginning: Beginning, part: int, began: Mapping[str, Any]) -> None:
        self.writer.flush()
        with Run(self.folder) as run:
            self._before, state = run.about, run.state
        alike = self._before.get("identity") == found and self._began_alike(part, began)
        self._goes_on = alike and state != FINISHED
        if self._before and not self._goes_on:
            if not self.replace:
                raise RunError(f"{self.folder}: found {self._found(found, part, began)}. {INSTEAD}")
            kind = "finished" if state == FINISHED else "unfinished"
            other = "" if alike else "was of another training and "
            self.tell(f"Note: the {kind} run in {self.folder} {other}is replaced.")
            self.writer.clear()
            self.writer.later(remove_states, self.folder)
        self.identity = found
        here = circumstances({name: version(name) for name in ("jax", "numpy", "optax")})
        self.writer.about(
            **self._about,
            identity=found,
            state=UNFINISHED,
            steps_per_epoch=beginning.steps,
            **({"resumed": [*self._before.get("resumed", []), here]} if self._goes_on else here),
        )
        self.writer.found_out("rows", figures_of, beginning.rows, beginning.program.loss)
