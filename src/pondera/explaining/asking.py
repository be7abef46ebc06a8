"""Asking what other libraries made, for the first time: their errors in words of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pondera.choice import counted, listed
from pondera.errors import ArgumentError, PonderaError
from pondera.explaining.subject import Subject
from pondera.network.network import Network

Array = np.ndarray[Any, Any]

LETTERS = 200
"""Of another library's message that are told."""


def outputs_of(
    what: Any, subjects: Sequence[Subject], x: Array, names: Sequence[str], own: bool = False
) -> list[Array]:
    """Return what each subject gives for rows, (rows, outputs) each.

    Parameters
    ----------
    what
        What the user gave, or several of it: it may know how many columns it takes.
    subjects
        The same as what is explained.
    x
        Encoded rows.
    names
        Of the columns.
    own
        Whether these are names that the user's table has, which an estimator may know.

    Raises
    ------
    ArgumentError
        If the rows do not fit, or it cannot be asked: what was expected, what was found, and what to do.
    """
    try:
        every = [subject.outputs(x) for subject in subjects]
    except PonderaError:
        raise
    except Exception as error:  # whatever other libraries raise
        several = list(what) if isinstance(what, list | tuple) else [what]
        known = (_mistaken(each, list(names), own) for each in several)
        raise ArgumentError(next((why for why in known if why), _failed(error, len(x), len(names)))) from error
    for each in every:
        if each.ndim != 2 or len(each) != len(x):
            raise ArgumentError(
                f"Expected one output or several for each of {len(x):,} rows. Got an array of shape {each.shape}. "
                "Give something that treats every row by itself."
            )
        if each.shape[1] != every[0].shape[1]:
            raise ArgumentError(
                f"Expected as many outputs of each. Got {every[0].shape[1]} of the first and {each.shape[1]} of "
                "another. Explain each by itself."
            )
    return every


def _failed(error: Exception, rows: int, columns: int) -> str:
    """Return what is to be said of an error that nothing more is known of."""
    if type(error).__name__ == "NotFittedError":
        return "The estimator is not fitted. Call its fit first."
    if type(error).__name__.startswith("Tracer"):
        return (
            "Expected a function of JAX, and this one turns what it is given into NumPy, or decides by its values. "
            "Use jax.numpy in it."
        )
    said = " ".join(str(error).split())[:LETTERS].rstrip(".") or "no reason was given"
    return (
        f"Expected something that gives outputs for {counted(rows, 'row')} of {counted(columns, 'column')}. "
        f"Asked for them, it failed with {type(error).__name__}: {said}. "
        "Give rows with the columns, in number and type, that it was made for."
    )


def _mistaken(what: Any, names: list[str], own: bool) -> str:
    """Return in what way columns are not those that something says it takes; nothing where they are.

    It is asked first: a pipeline may take its columns from anywhere in a table, and leave others alone.
    """
    known = [str(name) for name in getattr(what, "feature_names_in_", [])]
    missing = [name for name in known if name not in names]
    if own and missing:
        return (
            f"Expected the columns that the estimator was fitted on. Not there: {listed(missing)}. "
            f"Got {listed(names)}. Give a table that has them all."
        )
    takes = _takes(what)
    if takes is not None and takes != len(names):
        return (
            f"Expected rows of {counted(takes, 'column')}, which {_called(what)} takes. "
            f"Got {counted(len(names), 'column')}. Give the columns that it was made for, and no others."
        )
    if own and known and names != known:
        return (
            f"Expected the columns in the order that the estimator was fitted on: {listed(known)}. "
            f"Got {listed(names)}. Put them into that order."
        )
    return ""


def _takes(what: Any) -> int | None:
    """Return how many columns something takes, where it says so."""
    if isinstance(what, Network):
        return what.architecture.inputs
    takes = getattr(what, "n_features_in_", None)
    if isinstance(takes, int | np.integer):
        return int(takes)
    first = next(iter(what.children()), what) if hasattr(what, "children") and hasattr(what, "modules") else None
    found = getattr(first, "in_features", None)  # of PyTorch, where a linear layer is the first
    return found if isinstance(found, int) else None


def _called(what: Any) -> str:
    if isinstance(what, Network):
        return "the network"
    return "the estimator" if hasattr(what, "n_features_in_") else "the module's first layer"
