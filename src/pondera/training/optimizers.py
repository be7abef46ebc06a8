"""How an error gradient becomes a step: Optax's optimizers by name.

An optimizer here is a *direction*: an Optax transformation of gradients that knows no learning rate. The step is
``weight ← weight − rate · factor · direction``; the rates of all steps come from the schedule (see
:mod:`pondera.training.schedules`) and are data, so that changing them recompiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import optax

from pondera.choice import Choice, look_up
from pondera.constraints import number

Direction = Callable[..., optax.GradientTransformation]
Decay = Annotated[float, number(0, 1)]
Positive = Annotated[float, number(0, open_low=True)]


def sgd() -> optax.GradientTransformation:
    """The gradient itself. Robbins & Monro 1951."""
    return optax.identity()


def momentum(*, decay: Decay = 0.9) -> optax.GradientTransformation:
    """The decaying sum of gradients. Polyak 1964."""
    return optax.trace(decay)


def nesterov(*, decay: Decay = 0.9) -> optax.GradientTransformation:
    """Momentum that looks ahead. Nesterov 1983; Sutskever et al. 2013."""
    return optax.trace(decay, nesterov=True)


def rmsprop(*, decay: Decay = 0.9, epsilon: Positive = 1e-8) -> optax.GradientTransformation:
    """The gradient over the root of its mean square. Tieleman & Hinton 2012."""
    return optax.scale_by_rms(decay, epsilon)


def adam(*, b1: Decay = 0.9, b2: Decay = 0.999, epsilon: Positive = 1e-8) -> optax.GradientTransformation:
    """Bias-corrected first moment over the root of the second. Kingma & Ba 2015, arXiv 1412.6980."""
    return optax.scale_by_adam(b1, b2, epsilon)


def lion(*, b1: Decay = 0.9, b2: Decay = 0.99) -> optax.GradientTransformation:
    """The sign of an interpolated momentum. Chen et al. 2023, arXiv 2302.06675."""
    return optax.scale_by_lion(b1, b2)


def adafactor(*, decay: Positive = 0.8, clip: Positive = 1.0) -> optax.GradientTransformation:
    """Second moments as a product of rows and columns, steps relative to the weights. arXiv 1804.04235."""
    return optax.chain(
        optax.scale_by_factored_rms(decay_rate=decay),
        optax.clip_by_block_rms(clip),
        optax.scale_by_param_block_rms(),
    )


class Optimizer(NamedTuple):
    """A direction, and what its users usually take with it."""

    direction: Direction
    learning_rate: float
    weight_decay: float = 0.0


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd, 1e-2),
    "momentum": Optimizer(momentum, 1e-2),
    "nesterov": Optimizer(nesterov, 1e-2),
    "rmsprop": Optimizer(rmsprop, 1e-3),
    "adam": Optimizer(adam, 1e-3),
    "adamw": Optimizer(adam, 1e-3, weight_decay=1e-2),  # Loshchilov & Hutter 2019, arXiv 1711.05101
    "lion": Optimizer(lion, 1e-4),
    "adafactor": Optimizer(adafactor, 1e-2),
}


def optimizer_of(choice: str | Choice) -> Optimizer:
    """Return the optimizer of that name, with its options filled in.

    Raises
    ------
    ArgumentError
        If there is no such optimizer, or it takes no such option.

    Examples
    --------
    >>> optimizer_of("adamw").weight_decay
    0.01
    """
    direction = look_up("optimizer", choice, {name: entry.direction for name, entry in OPTIMIZERS.items()})
    return OPTIMIZERS[Choice.of(choice).name]._replace(direction=direction)


def transformation(
    optimizer: Choice | optax.GradientTransformation, weight_decay: float, gradient_clip: float | None
) -> optax.GradientTransformationExtraArgs:
    """Return the whole way from gradients to updates that a learning rate then multiplies.

    Gradients are clipped to a global norm first (Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063); weight decay is
    taken off after the optimizer, decoupled from it (Loshchilov & Hutter 2019), and only from arrays of two or more
    axes: not from biases, gains and scales. An Optax object of the user's own brings its learning rate and its sign
    with it; the decay does not pass through it and so knows the plan's rate only.
    """
    steps = [] if gradient_clip is None else [optax.clip_by_global_norm(gradient_clip)]
    if isinstance(optimizer, Choice):
        steps += [optimizer_of(optimizer).direction(), optax.scale(-1)]
    else:
        steps.append(optimizer)
    if weight_decay:
        steps.append(optax.add_decayed_weights(-weight_decay, mask=_matrices))
    return optax.with_extra_args_support(optax.chain(*steps))


def _matrices(weights: Any) -> Any:
    return jax.tree.map(lambda weight: weight.ndim >= 2, weights)
