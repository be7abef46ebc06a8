"""The life of every weight: what a training leaves behind, and how it is read. Rank 5.

Examples
--------
>>> import pondera
>>> pondera.recording.watch_updates.__module__
'pondera.recording.updates'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pondera.recording.updates import watch_updates as watch_updates

__all__ = ["watch_updates"]


def __getattr__(name: str) -> Any:
    if name != "watch_updates":
        raise AttributeError(f"module 'pondera.recording' has no attribute {name!r}")
    from pondera.recording.updates import watch_updates  # which loads JAX: whoever reads a run needs none

    return watch_updates
