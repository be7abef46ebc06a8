"""What outputs are measured by: the score of a class, and errors against right answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from scipy import special

from pondera.choice import unknown
from pondera.errors import ArgumentError
from pondera.network.precision import precision
from pondera.training.losses import loss_of

Array = np.ndarray[Any, Any]

LEAST = 1e-6
"""Shares of classes, and rates, are kept this far from 0 before their logarithm is taken."""


def class_score(
    outputs: Sequence[Array], names: Sequence[str], target: str, towards: int | None = None, called: str = ""
) -> tuple[Array, str]:
    """Return what of each row's logits is its score, (rows, outputs), and what that is called.

    Parameters
    ----------
    outputs
        Of each network, (rows, outputs).
    names
        Of the classes.
    target
        What the classes are of.
    towards
        The place of the class whose score is wanted. By default the second of two, and of more the one that is
        predicted for each row: that of the largest mean probability, as in predictions.
    called
        What outputs are that are no logits.

    Returns
    -------
    Of two classes the log-odds of one; of more by how much its logit is above the mean of all.

    Examples
    --------
    >>> directions, unit = class_score([np.array([[0.0, 5.0, 1.0]])], ["a", "b", "c"], "kind")
    >>> directions.round(2).tolist(), unit
    ([[-0.33, 0.67, -0.33]], 'logit of the predicted kind above the mean of all')
    >>> class_score([np.array([[5.0]])], ["no", "yes"], "sold", 0)
    (array([[-1.]]), 'log-odds of sold = no')
    """
    rows, width = outputs[0].shape
    if len(names) < 2:
        raise ArgumentError(
            f"{target}: expected answers of two classes or more, and {names[0]!r} is all that is known. "
            "There is nothing to explain; train on rows of several classes."
        )
    if width <= 2:
        place = 1 if towards is None else towards
        sign = 1.0 if place == 1 else -1.0
        return np.tile(
            [sign] if width == 1 else [-sign, sign], (rows, 1)
        ), f"{called or 'log-odds'} of {target} = {names[place]}"
    chosen = mean_probabilities(outputs).argmax(axis=1) if towards is None else np.full(rows, towards)
    directions = np.full((rows, width), -1 / width)
    directions[np.arange(rows), chosen] += 1
    which = f"the predicted {target}" if towards is None else f"{target} = {names[towards]}"
    return directions, f"{called or 'logit'} of {which} above the mean of all"


def place_of(wanted: Any, classes: Sequence[Any]) -> int:
    """Return the place of a class that is given as it is or as text.

    >>> place_of("2", [1, 2])
    1

    Raises
    ------
    ArgumentError
        If there is no such class.
    """
    names = [str(each) for each in classes]
    if str(wanted) not in names:
        raise ArgumentError(unknown("class", str(wanted), names))
    return names.index(str(wanted))


def mean_probabilities(outputs: Sequence[Array]) -> Array:
    """Return the mean over networks of the probabilities that logits stand for: (rows, classes).

    By the largest of these a class is predicted; a single output stands for the second of two classes.

    >>> mean_probabilities([np.array([[0.0]]), np.array([[np.log(3.0)]])]).tolist()
    [[0.375, 0.625]]
    """
    found: Array = np.mean([_probabilities(each.astype(np.float64)) for each in outputs], axis=0)
    return found


def _probabilities(logits: Array) -> Array:
    every = np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits
    sizes = np.exp(every - every.max(axis=1, keepdims=True))
    return np.asarray(sizes / sizes.sum(axis=1, keepdims=True))


def wrong(outputs: Array, answers: Array) -> Array:
    """Return 1 for each row whose largest output is not that of the right class, else 0; one output is of the second.

    >>> wrong(np.array([[-1.0], [2.0]]), np.array([1, 1])).tolist()
    [1.0, 0.0]
    """
    found = outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return np.asarray(found != answers, np.float64)


def error_of(loss: str, outputs: Array, answers: Array) -> Array:
    """Return the loss of each row, without what training adds to it such as label smoothing: (rows,)."""
    right = answers if loss == "softmax_cross_entropy" else answers.astype(outputs.dtype)[:, None]
    if not len(outputs):
        return np.zeros(0)
    # Every number of rows would be compiled anew: they are filled up to one of a few numbers.
    filled = np.minimum(np.arange(1 << (len(outputs) - 1).bit_length()), len(outputs) - 1)
    with precision([outputs]):
        return np.asarray(_compiled(loss)(outputs[filled], right[filled]), np.float64)[: len(outputs)]


@functools.cache
def _compiled(name: str) -> Callable[[Any, Any], Any]:
    compiled: Callable[[Any, Any], Any] = jax.jit(loss_of(name).error)
    return compiled


def brier(outputs: Array, answers: Array) -> Array:
    """Return the squared distance of the probabilities that logits stand for from what is right: (rows,), 0 to 2.

    It is proper as the cross-entropy is, and bounded (Brier 1950, Monthly Weather Review 78): one row of which a model
    is sure and wrong, as trees often are, is not the whole error.

    >>> brier(np.array([[0.0], [-50.0]]), np.array([1.0, 1.0])).round(3).tolist()
    [0.5, 2.0]
    """
    found = _probabilities(outputs.astype(np.float64))
    found[np.arange(len(found)), answers.astype(np.int64)] -= 1
    return np.asarray(np.square(found).sum(axis=1))


def least_error(loss: str | None, answers: Array) -> float:
    """Return the mean error of outputs that are right for every row, which a network's is measured from.

    It is 0 but for a Poisson loss, e^z − y·z, which is half the deviance and y − y·ln y: measured from there, what a
    network gains beside a constant is the share of the deviance that it explains (Cameron & Windmeijer 1996, Journal of
    Business & Economic Statistics 14).

    >>> least_error("poisson", np.array([0.0, 1.0]))  # 0, and 1 − 1·ln 1
    0.5
    """
    if loss != "poisson":
        return 0.0
    y = answers.astype(np.float64)
    return float(np.mean(y - special.xlogy(y, y)))


def best_constant(loss: str, answers: Array, width: int) -> float:
    """Return the mean error of the outputs that fit all rows best: the mean or the median, or the shares of classes.

    >>> round(best_constant("squared_error", np.array([1.0, 3.0]), 1), 6)
    1.0
    >>> round(best_constant("binary_cross_entropy", np.array([0.0, 1.0]), 1), 6)  # ln 2
    0.693147
    """
    if loss == "softmax_cross_entropy":
        outputs = np.log(np.maximum(np.bincount(answers, minlength=width) / len(answers), LEAST))
    elif loss == "binary_cross_entropy":
        share = np.clip(answers.mean(), LEAST, 1 - LEAST)
        outputs = np.array([np.log(share / (1 - share))])
    elif loss == "poisson":
        outputs = np.array([np.log(max(answers.mean(), LEAST))])
    else:
        outputs = np.array([np.median(answers) if loss in ("absolute_error", "huber") else answers.mean()])
    return float(error_of(loss, np.tile(outputs, (len(answers), 1)).astype(np.float32), answers).mean())
