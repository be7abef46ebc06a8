"""Runs of which no step was recorded: whether there will be one."""

from __future__ import annotations

from pondera.errors import RunError
from pondera.recording.damaged import recorded
from pondera.recording.folder import FINISHED
from pondera.recording.process import doing
from pondera.recording.run import Run
from pondera.training.stopping import DIVERGED


def require_steps(run: Run) -> None:
    """Raise where no step of a training was recorded, unless it ended in the first one.

    Raises
    ------
    RunError
        Saying whether there will be one, and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from pondera.recording.loops import Loop
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Loop(folder).close(finished=False)
    ...     with Run(Path(folder)) as run:
    ...         try:
    ...             require_steps(run)
    ...         except RunError as error:
    ...             print(str(error).removeprefix(folder))
    : this training was cut off before its first step was recorded. Record the training again.
    """
    with recorded(run.folder):
        about = run.about
        if run.taken or any(about.get(f"ended.{part}", {}).get("reason") == DIVERGED for part in run.parts):
            return
    if doing(run.folder):
        raise RunError(f"{run.folder}: nothing was recorded yet. Wait a little.")
    if run.state == FINISHED:
        raise RunError(
            f"{run.folder}: this training has ended, and no step of it was recorded. Record the training again."
        )
    advice = (
        f"Go on with it: pondera train --resume {run.folder}." if "arguments" in about else "Record the training again."
    )
    raise RunError(f"{run.folder}: this training was cut off before its first step was recorded. {advice}")
