"""Runs that are not of the form that they are written in: one sentence, whatever is wrong with them."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pondera.errors import PonderaError, RunError


@contextmanager
def recorded(folder: Path) -> Iterator[None]:
    """Say of a run that it is damaged, where what was recorded is not of the form that it is written in.

    Raises
    ------
    RunError
        Instead of what SQLite, JSON and NumPy raise of it.

    Examples
    --------
    >>> import json
    >>> with recorded(Path("run")):
    ...     json.loads("{")
    Traceback (most recent call last):
    pondera.errors.RunError: run: the run is damaged: Expecting property name enclosed in double quotes: line 1 column 2 (char 1). Record the training again.
    """  # noqa: E501
    try:
        yield
    except PonderaError:
        raise
    except (
        sqlite3.Error,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        struct.error,
        RecursionError,
    ) as error:
        said = f"there is no {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise RunError(f"{folder}: the run is damaged: {said}. Record the training again.") from error
