"""What outputs are measured by: the score of the class that is predicted, and errors against right answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from pondera.network.precision import precision
from pondera.training.losses import loss_of

Array = np.ndarray[Any, Any]

LEAST = 1e-6
"""Shares of classes, and rates, are kept this far from 0 before their logarithm is taken."""


def towards_predicted(outputs: Array) -> Array:
    """Return directions by which the score is how far the largest logit is above the mean of all: (rows, outputs).

    >>> towards_predicted(np.array([[0.0, 5.0]])).tolist()
    [[-0.5, 0.5]]
    """
    directions = np.full(outputs.shape, -1 / outputs.shape[1])
    directions[np.arange(len(outputs)), outputs.argmax(axis=1)] += 1
    return directions


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


def error_of(loss: str, outputs: Array, answers: Array) -> Array:
    """Return the loss of each row, without what training adds to it such as label smoothing: (rows,)."""
    right = answers if loss == "softmax_cross_entropy" else answers.astype(outputs.dtype)[:, None]
    with precision([outputs]):
        return np.asarray(_compiled(loss)(outputs, right), np.float64)


@functools.cache
def _compiled(name: str) -> Callable[[Any, Any], Any]:
    compiled: Callable[[Any, Any], Any] = jax.jit(loss_of(name).error)
    return compiled


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
