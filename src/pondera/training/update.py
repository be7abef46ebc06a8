"""The update of one weight written out, line by line, from its gradient to what training made of it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.choice import Choice, unknown
from pondera.constraints import index_into
from pondera.errors import ArgumentError
from pondera.training.epoch import State
from pondera.training.optimizers import OPTIMIZERS, optimizer_of
from pondera.training.plan import Plan

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Line:
    """One line of the arithmetic: a symbol, the formula that gives it, and its value."""

    symbol: str
    formula: str
    value: float


@dataclass(frozen=True)
class Update:
    """How a step changed one weight.

    Attributes
    ----------
    name, index
        Which weight.
    before, after
        Its values.
    lines
        From the gradient to the value after it, in order.
    """

    name: str
    index: tuple[int, ...]
    before: float
    after: float
    lines: tuple[Line, ...]

    def __str__(self) -> str:
        width = max(len(line.symbol) for line in self.lines)
        return "\n".join(f"{line.symbol:<{width}} = {line.formula} = {line.value:.6g}" for line in self.lines)


def update_of(
    plan: Plan, state: State, gradients: dict[str, Any], name: str, index: tuple[int, ...], rate: float
) -> Update:
    """Return how one step of training changes one weight.

    Parameters
    ----------
    plan
        Its optimizer is one of :data:`WRITTEN`.
    state
        Before the step: the weights, and what the optimizer keeps of each.
    gradients
        Of the loss in every weight, by path, as :attr:`~pondera.training.backpropagation.Trace.gradients` has them: the
        norm that they are clipped to is of all.
    name, index
        Which weight, such as ``"layers.1.weight"`` and ``(3, 7)``.
    rate
        The learning rate of the step.

    Raises
    ------
    ArgumentError
        If there is no such weight, or its optimizer's steps are not written out.

    Examples
    --------
    >>> from pondera.training.epoch import Program
    >>> plan = Plan(optimizer="momentum")
    >>> program = Program(None, Choice("squared_error"), Choice("momentum"), 0.0, None, ())
    >>> state = program.start({"w": np.array([[2.0]])}, seed=0)
    >>> print(update_of(plan, state, {"w": np.array([[0.5]])}, "w", (0, 0), rate=0.1))
    g  = the gradient = 0.5
    v  = 0.9 · 0 + g = 0.5
    Δw = −0.1 · v = -0.05
    w  = 2 + Δw = 1.95
    """
    if not isinstance(plan.optimizer, Choice):
        raise ArgumentError("The plan's optimizer is an Optax object, whose steps are not written out.")
    chosen = plan.optimizer
    if chosen.name not in WRITTEN:
        raise ArgumentError(unknown("optimizer that is written out:", chosen.name, WRITTEN))
    weights = {key: np.asarray(value) for key, value in state.weights.items()}
    if name not in weights:
        raise ArgumentError(unknown("weight", name, weights))
    index = index_into(name, weights[name].shape, index)
    weight = float(weights[name][index])
    lines = [Line("g", "the gradient", float(np.asarray(gradients[name])[index]))]
    if plan.gradient_clip is not None:
        lines.append(_clipped(gradients, plan.gradient_clip, lines[0].value))
    kept = {key: float(np.asarray(value[name])[index]) for key, value in _moments(state.optimizer)}
    kept["count"] = float(_count(state.optimizer))
    lines += WRITTEN[chosen.name](lines[-1].value, kept, _options(chosen))
    factor = dict(plan.rate_factors).get(name.rpartition(".")[2], 1.0)
    rate_used = rate * factor
    decay = plan.decay if weights[name].ndim >= 2 else 0.0
    direction = lines[-1]
    step = -rate_used * (direction.value + decay * weight)
    inner = direction.symbol if not decay else f"({direction.symbol} + {decay:.4g} · {weight:.6g})"
    lines.append(Line("Δw", f"−{rate_used:.6g} · {inner}", step))
    lines.append(Line("w", f"{weight:.6g} + Δw", weight + step))
    return Update(name, index, weight, weight + step, tuple(lines))


def _clipped(gradients: dict[str, Any], clip: float, gradient: float) -> Line:
    norm = math.sqrt(sum(float(np.square(np.asarray(each, np.float64)).sum()) for each in gradients.values()))
    if norm < clip:
        return Line("g", f"g, as the norm of all gradients, {norm:.4g}, is below {clip:.4g}", gradient)
    return Line("g", f"g · {clip:.4g} / {norm:.6g}, the norm of all gradients", gradient * clip / norm)


def _moments(optimizer: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an Optax state keeps of each weight, by the name it has there."""
    for part in optimizer:
        for key in ("mu", "nu", "trace"):
            if key in getattr(part, "_fields", ()):  # every tuple has a method called count
                yield key, getattr(part, key)


def _count(optimizer: Any) -> int:
    return next((int(part.count) for part in optimizer if "count" in getattr(part, "_fields", ())), 0)


def _options(chosen: Choice) -> dict[str, float]:
    """Return the optimizer's options, with the defaults of those that were not given."""
    optimizer_of(chosen)  # raises for what it does not take
    parameters = inspect.signature(OPTIMIZERS[chosen.name].direction).parameters
    defaults = {key: parameter.default for key, parameter in parameters.items()}
    return {**defaults, **chosen.options}


Kept = dict[str, float]
Steps = Callable[[float, Kept, Kept], list[Line]]


def _sgd(g: float, kept: Kept, options: Kept) -> list[Line]:
    return []


def _momentum(g: float, kept: Kept, options: Kept) -> list[Line]:
    decay, v = options["decay"], kept["trace"]
    return [Line("v", f"{decay:g} · {v:.6g} + g", decay * v + g)]


def _nesterov(g: float, kept: Kept, options: Kept) -> list[Line]:
    (v,) = _momentum(g, kept, options)
    return [v, Line("u", f"{options['decay']:g} · v + g", options["decay"] * v.value + g)]


def _rmsprop(g: float, kept: Kept, options: Kept) -> list[Line]:
    decay, epsilon, s = options["decay"], options["epsilon"], kept["nu"]
    mean = decay * s + (1 - decay) * g * g
    return [
        Line("s", f"{decay:g} · {s:.6g} + {1 - decay:.4g} · g²", mean),
        Line("u", f"g / √(s + {epsilon:g})", g / math.sqrt(mean + epsilon)),
    ]


def _adam(g: float, kept: Kept, options: Kept) -> list[Line]:
    b1, b2, epsilon, t = options["b1"], options["b2"], options["epsilon"], int(kept["count"]) + 1
    m, v = b1 * kept["mu"] + (1 - b1) * g, b2 * kept["nu"] + (1 - b2) * g * g
    fair_m, fair_v = m / (1 - b1**t), v / (1 - b2**t)
    return [
        Line("m", f"{b1:g} · {kept['mu']:.6g} + {1 - b1:.4g} · g", m),
        Line("v", f"{b2:g} · {kept['nu']:.6g} + {1 - b2:.4g} · g²", v),
        Line("m̂", f"m / (1 − {b1:g}^{t})", fair_m),
        Line("v̂", f"v / (1 − {b2:g}^{t})", fair_v),
        Line("u", f"m̂ / (√v̂ + {epsilon:g})", fair_m / (math.sqrt(fair_v) + epsilon)),
    ]


WRITTEN: dict[str, Steps] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adam,
}
"""Optimizers whose steps are written out -> how: gradient, what is kept of the weight, options -> lines."""
