"""What went wrong while a training was recorded: told as warnings at its end, for training itself went on."""

from __future__ import annotations

import warnings
from pathlib import Path

from pondera.errors import PonderaWarning


def warn(folder: Path, failure: str | None, trouble: str) -> None:
    """Warn whoever closed a recording of what ended it, if anything did, and of what ``on_finding`` raised.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     warn(Path("run"), "no space is left.", "")
    >>> [str(each.message) for each in told]
    ['Recording in run stopped: no space is left. Training went on without it.']
    """
    sentences = []
    if failure is not None:
        sentences.append(f"Recording in {folder} stopped: {failure.rstrip('.')}. Training went on without it.")
    if trouble:
        sentences.append(f"on_finding failed: {trouble.rstrip('.')}. Training and recording went on.")
    for sentence in sentences:
        warnings.warn(sentence, PonderaWarning, stacklevel=4)  # of whoever called the method that calls this
