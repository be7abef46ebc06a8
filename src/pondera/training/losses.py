"""What training makes small: the error of a row's outputs against its right answer.

An error takes outputs ``(rows, outputs)`` and targets and returns one number a row. Targets are numbers
``(rows, outputs)``, or for :func:`softmax_cross_entropy` class numbers ``(rows,)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp

from pondera.choice import Choice, look_up
from pondera.constraints import number
from pondera.network.activations import sigmoid

Array = jax.Array
RowError = Callable[..., Array]
Positive = Annotated[float, number(0, open_low=True)]
Share = Annotated[float, number(0, 1)]


def squared_error(outputs: Array, targets: Array) -> Array:
    """(ŷ − y)², averaged over the outputs of a row. Legendre 1805; Gauss 1809."""
    return jnp.mean(jnp.square(outputs - targets), axis=-1)


def squared_error_slope(outputs: Array, targets: Array) -> Array:
    """2(ŷ − y) over the number of outputs."""
    return 2 * (outputs - targets) / outputs.shape[-1]


def absolute_error(outputs: Array, targets: Array) -> Array:
    """``|ŷ − y|``, averaged over the outputs of a row; its optimum is the median."""
    return jnp.mean(jnp.abs(outputs - targets), axis=-1)


def absolute_error_slope(outputs: Array, targets: Array) -> Array:
    """The sign of ŷ − y over the number of outputs; 0 at 0."""
    return jnp.sign(outputs - targets) / outputs.shape[-1]


def huber(outputs: Array, targets: Array, *, delta: Positive = 1.0) -> Array:
    """``½e²`` where ``|e| ≤ δ``, else ``δ(|e| − ½δ)``. Huber 1964, "Robust estimation of a location parameter"."""
    error = jnp.abs(outputs - targets)
    near = jnp.minimum(error, delta)
    return jnp.mean(near * (error - 0.5 * near), axis=-1)


def huber_slope(outputs: Array, targets: Array, *, delta: float = 1.0) -> Array:
    """ŷ − y, kept within ±δ, over the number of outputs."""
    return jnp.clip(outputs - targets, -delta, delta) / outputs.shape[-1]


def binary_cross_entropy(outputs: Array, targets: Array, *, label_smoothing: Share = 0.0) -> Array:
    """−y·ln σ(z) − (1 − y)·ln(1 − σ(z)) from the logit z, (rows, 1); targets (rows, 1) in [0, 1].

    Written as max(z, 0) − z·y + ln(1 + e^−|z|), which does not overflow. Smoothing moves every target by that share
    towards ½ (Szegedy et al. 2016, arXiv 1512.00567).
    """
    smooth = targets * (1 - label_smoothing) + 0.5 * label_smoothing
    each = jnp.maximum(outputs, 0) - outputs * smooth + jnp.log1p(jnp.exp(-jnp.abs(outputs)))
    return jnp.mean(each, axis=-1)


def binary_cross_entropy_slope(outputs: Array, targets: Array, *, label_smoothing: float = 0.0) -> Array:
    """σ(z) − y, over the number of outputs."""
    smooth = targets * (1 - label_smoothing) + 0.5 * label_smoothing
    return (sigmoid(outputs) - smooth) / outputs.shape[-1]


def softmax_cross_entropy(outputs: Array, targets: Array, *, label_smoothing: Share = 0.0) -> Array:
    """−ln p(class) from the logits, (rows, classes); targets are class numbers (rows,).

    Smoothing spreads that share of each target evenly over all classes (Szegedy et al. 2016, arXiv 1512.00567).
    """
    log_p = jax.nn.log_softmax(outputs)
    picked = jnp.take_along_axis(log_p, targets[:, None].astype(jnp.int32), axis=-1)[:, 0]
    return -(1 - label_smoothing) * picked - label_smoothing * jnp.mean(log_p, axis=-1)


def softmax_cross_entropy_slope(outputs: Array, targets: Array, *, label_smoothing: float = 0.0) -> Array:
    """The probabilities, less 1 at the right class."""
    right = jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return jax.nn.softmax(outputs) - (1 - label_smoothing) * right - label_smoothing / outputs.shape[-1]


def poisson(outputs: Array, targets: Array) -> Array:
    """e^z − y·z from the logarithm z of the rate: the Poisson deviance up to what does not depend on z."""
    return jnp.mean(jnp.exp(outputs) - targets * outputs, axis=-1)


def poisson_slope(outputs: Array, targets: Array) -> Array:
    """e^z − y, over the number of outputs."""
    return (jnp.exp(outputs) - targets) / outputs.shape[-1]


def wrong_sign(outputs: Array, targets: Array) -> Array:
    """1 where a logit falls on the wrong side of 0, else 0."""
    return jnp.mean((outputs > 0) != (targets > 0.5), axis=-1, dtype=outputs.dtype)


def wrong_class(outputs: Array, targets: Array) -> Array:
    """1 where the largest logit is not that of the right class, else 0."""
    return (jnp.argmax(outputs, axis=-1) != targets).astype(outputs.dtype)


class Loss(NamedTuple):
    """A loss and what goes with it.

    Attributes
    ----------
    error
        What training makes small: (outputs, targets) -> (rows,).
    slope
        Its derivative, written out: (outputs, targets) -> (rows, outputs).
    link
        Outputs to predictions: logits to probabilities, the logarithm of a rate to the rate.
    miss
        What is counted on rows that are held out, (predictions or logits, targets) -> (rows,).
    metric
        What the mean miss is shown as: ``"accuracy"`` (1 − mean) or ``"rmse"`` (√mean).
    """

    error: RowError
    slope: RowError
    link: Callable[[Array], Array]
    miss: RowError
    metric: Literal["accuracy", "rmse"]


def _as_it_is(outputs: Array) -> Array:
    return outputs


def _rate_miss(outputs: Array, targets: Array) -> Array:
    return squared_error(jnp.exp(outputs), targets)


LOSSES: dict[str, Loss] = {
    "squared_error": Loss(squared_error, squared_error_slope, _as_it_is, squared_error, "rmse"),
    "absolute_error": Loss(absolute_error, absolute_error_slope, _as_it_is, squared_error, "rmse"),
    "huber": Loss(huber, huber_slope, _as_it_is, squared_error, "rmse"),
    "binary_cross_entropy": Loss(binary_cross_entropy, binary_cross_entropy_slope, sigmoid, wrong_sign, "accuracy"),
    "softmax_cross_entropy": Loss(
        softmax_cross_entropy, softmax_cross_entropy_slope, jax.nn.softmax, wrong_class, "accuracy"
    ),
    "poisson": Loss(poisson, poisson_slope, jnp.exp, _rate_miss, "rmse"),
}


def loss_of(choice: str | Choice) -> Loss:
    """Return the loss of that name, with its options filled in.

    Raises
    ------
    ArgumentError
        If there is no such loss, or it takes no such option.

    Examples
    --------
    >>> loss = loss_of(Choice("huber", delta=2.0))
    >>> [float(e) for e in loss.error(jnp.array([[3.0], [0.5]]), jnp.zeros((2, 1)))]
    [4.0, 0.125]
    """
    error = look_up("loss", choice, {name: loss.error for name, loss in LOSSES.items()})
    slope = look_up("loss", choice, {name: loss.slope for name, loss in LOSSES.items()})
    return LOSSES[Choice.of(choice).name]._replace(error=error, slope=slope)
