"""What is known of trainings of the health zoo from outside, weighed on all rows, and every fault that is planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import health_faults as faults
from benchmarks.health_runs import Array, Case, Outcome, Shape

SHARE = 0.1
"""Of the best constant's loss, by which a training must end above the healthy one for a learning rate to be wrong."""


@dataclass(frozen=True)
class Plant:
    """One way to plant a fault.

    Attributes
    ----------
    rule
        That should find it.
    make
        (healthy case, random numbers) -> the case with the fault.
    fits
        Which shapes it can be planted in.
    truth
        (outcome, the healthy one) -> whether the fault is there, weighed on all rows; None where it is so by making.
    """

    rule: str
    make: Callable[[Case, np.random.Generator], Case]
    fits: Callable[[Shape], bool] = lambda shape: True
    truth: Callable[[Outcome, Outcome], bool] | None = None


def _above(outcome: Outcome, healthy: Outcome) -> float:
    """By how much a training ended above the healthy one, by the best constant's loss; on the rows trained on."""
    there, here = outcome.loss(-1, outcome.table.train), healthy.loss(-1, healthy.table.train)
    return (there - here) / healthy.facts.baseline if np.isfinite(there) else np.inf


def _worse(outcome: Outcome, healthy: Outcome) -> bool:
    return outcome.fitted.reason != "diverged" and _above(outcome, healthy) >= SHARE


def _is_diverged(outcome: Outcome, healthy: Outcome) -> bool:
    end = outcome.loss(-1, outcome.table.train)
    return outcome.fitted.reason == "diverged" or not end <= 2 * max(outcome.facts.baseline, 0.0)


def _shares(outcome: Outcome, look: Callable[[Array], float]) -> list[float]:
    """Return a figure of every hidden layer's outputs on the rows trained on, at the end."""
    last = outcome.weights[max(outcome.weights)]
    out = outcome.outputs(last, outcome.table.train[0])
    return [look(np.asarray(out[layer])) for layer in outcome.facts.hidden]


def dead_share(outcome: Outcome) -> float:
    """Return the largest share of a hidden layer's units that are 0 on all rows at the end, and were not at first."""
    first = outcome.outputs(outcome.first, outcome.table.train[0])
    last = outcome.outputs(outcome.weights[max(outcome.weights)], outcome.table.train[0])
    shares = [
        np.mean((np.asarray(last[k]) == 0).all(axis=0) & (np.asarray(first[k]) != 0).any(axis=0))
        for k in outcome.facts.hidden
    ]
    return float(max(shares, default=0.0))


def flat_share(outcome: Outcome) -> float:
    """Return the largest share of a hidden layer's outputs on the flat ends of its activation at the end."""
    tanh = outcome.case.shape.activation == "tanh"

    def flat(out: Array) -> float:
        slope = 1 - out**2 if tanh else 4 * out * (1 - out)
        return float(np.mean(slope < 0.05))

    return max(_shares(outcome, flat), default=0.0)


def rise_on_test(outcome: Outcome) -> float:
    """Return by what share of its lowest, and a tenth of the best constant's, the loss on rows never seen rose."""
    losses = [outcome.loss(epoch, outcome.table.test) for epoch in sorted(outcome.weights)]
    return (losses[-1] - min(losses)) / (min(losses) + 0.1 * outcome.facts.baseline) if losses else 0.0


def left_on_test(outcome: Outcome) -> float:
    """Return the loss on rows never seen at the end, by the best constant's."""
    return outcome.loss(-1, outcome.table.test) / outcome.facts.baseline


def fall_since_middle(outcome: Outcome) -> float:
    """Return by what share the loss on all rows trained on fell in the last half of the epochs."""
    middle, end = outcome.loss(outcome.middle, outcome.table.train), outcome.loss(-1, outcome.table.train)
    return (middle - end) / middle if np.isfinite(middle) and middle > 0 else 0.0


def rare_recall(outcome: Outcome) -> float:
    """Return the share of the rows of all classes but the first that are told as such, among rows never seen."""
    x, y = outcome.table.test
    out = np.asarray(outcome.network.with_weights(outcome.weights[max(outcome.weights)])(x))
    said = out.argmax(axis=1) if out.shape[1] > 1 else (out[:, 0] > 0).astype(int)
    return float(np.mean(said[y != 0] == y[y != 0]))


PLANTS: tuple[Plant, ...] = (
    Plant("loss diverging", faults.faster(10, 30, 100, 300), faults.is_sgd, _is_diverged),
    Plant(
        "loss diverging", faults.faster(1000, 3000), lambda s: faults.plain(s) and not faults.is_sgd(s), _is_diverged
    ),
    Plant(
        "NaN ahead",
        faults.descends,
        lambda s: not faults.classes(s) and len(s.hidden) < 6,
        lambda outcome, healthy: outcome.fitted.reason == "diverged" and outcome.facts.taken >= 8,
    ),
    Plant("weights never moved", faults.faster(1e-6, 1e-7, 0)),
    Plant("learning rate too high", faults.faster(10, 30, 100), truth=_worse),
    Plant("learning rate too high", faults.faster(30, 100, 300), lambda s: not faults.is_sgd(s), _worse),
    Plant("learning rate too low", faults.faster(1e-2, 1e-3), truth=_worse),
    Plant(
        "nothing learned",
        faults.on_rows(faults.exchanged),
        truth=lambda outcome, healthy: left_on_test(outcome) >= 0.95,
    ),
    Plant("nothing learned", faults.faster(1e-6), truth=lambda outcome, healthy: left_on_test(outcome) >= 0.95),
    Plant("inputs not scaled", faults.on_rows(faults.unscaled), faults.plain),
    Plant("inputs not scaled", faults.on_rows(faults.large), faults.plain),
    Plant(
        "bad initialization", faults.scaled_start("all", 0.01, 0.03, 20, 50), lambda s: faults.plain(s) and not s.norm
    ),
    Plant(
        "bad initialization", faults.scaled_start("one", 0.01, 0.03, 20, 50), lambda s: faults.plain(s) and not s.norm
    ),
    Plant("bad initialization", faults.same_start, lambda s: faults.plain(s) and not s.norm),
    Plant("vanishing gradients", faults.activation, faults.deep, _worse),
    Plant("vanishing gradients", faults.scaled_start("all", 0.1, 0.2, 0.3), faults.deep, _worse),
    Plant("vanishing gradients", faults.scaled_start("all", 0.03, 0.1, 0.2), faults.deep, _worse),
    Plant("exploding gradients", faults.scaled_start("all", 3, 4, 6), faults.deep, _worse),
    Plant("exploding gradients", faults.scaled_start("all", 3, 4, 6), faults.deep, _worse),
    Plant("layer that does not train", faults.frozen, lambda s: faults.plain(s) and len(s.hidden) < 4),
    Plant("rank collapse", faults.same_start, lambda s: faults.plain(s) and not s.norm),
    Plant(
        "dead units",
        faults.faster(10, 30, 100),
        lambda s: s.activation == "relu" and not s.norm,
        lambda outcome, healthy: dead_share(outcome) >= 0.25,
    ),
    Plant(
        "dead units",
        faults.faster(30, 100, 300),
        lambda s: s.activation == "relu" and not s.norm,
        lambda outcome, healthy: dead_share(outcome) >= 0.25,
    ),
    Plant("never-used units", faults.unused, lambda s: s.activation == "relu" and not s.norm),
    Plant(
        "saturated units",
        faults.scaled_start("all", 10, 20, 40),
        lambda s: s.activation in ("tanh", "sigmoid"),
        lambda outcome, healthy: flat_share(outcome) >= 0.5,
    ),
    Plant(
        "saturated units",
        faults.on_rows(faults.large),
        lambda s: s.activation in ("tanh", "sigmoid"),
        lambda outcome, healthy: flat_share(outcome) >= 0.5,
    ),
    Plant("leakage", faults.on_rows(faults.leaked)),
    Plant("overfitting", faults.overfit, faults.few_shapes, lambda outcome, healthy: rise_on_test(outcome) >= 0.25),
    Plant("label noise", faults.longer(faults.wrong_labels), faults.classes),
    Plant(
        "class imbalance ignored",
        faults.on_rows(faults.imbalanced),
        faults.classes,
        lambda outcome, healthy: rare_recall(outcome) <= 0.25,
    ),
    Plant("noisy", faults.two_rows, faults.few_shapes, _worse),
    Plant("update ratio out of range", faults.faster(300, 1000, 1e-4, 1e-5), faults.plain),
    Plant(
        "plateaued",
        faults.stuck_at_baseline,
        faults.plain,
        lambda outcome, healthy: abs(fall_since_middle(outcome)) <= 0.01,
    ),
    Plant(
        "plateaued", faults.settled, faults.few_shapes, lambda outcome, healthy: abs(fall_since_middle(outcome)) <= 0.01
    ),
)


def certainly_healthy(rule: str, outcome: Outcome) -> bool:
    """Return whether a training that nothing was planted in has none of this fault, weighed from outside.

    What overfits a little, has a few dead units, or hardly gets better any more is neither healthy nor faulty, and does
    not count.
    """
    if rule == "overfitting":
        return rise_on_test(outcome) <= 0.1
    if rule == "nothing learned":
        return left_on_test(outcome) <= 0.8
    if rule == "dead units":
        return dead_share(outcome) <= 0.1
    if rule == "saturated units":
        return outcome.case.shape.activation not in ("tanh", "sigmoid") or flat_share(outcome) <= 0.25
    if rule == "plateaued":
        return fall_since_middle(outcome) >= 0.05
    return True


def shown_at(outcome: Outcome, healthy: Any) -> int:
    """Return the first step from which on the loss is a quarter above the healthy training's, until the end.

    Of both the running median over a twentieth of the steps is taken; where the two do not take the same steps, or the
    loss never shows it, it is the end of the training.
    """
    losses, like = outcome.facts.steps.losses, healthy.facts.steps.losses
    end = len(losses)
    if outcome.fitted.reason != "diverged" and len(like) != len(losses):
        return end
    window = max(len(like) // 20, 5)

    def running(values: Array) -> Array:
        padded = np.concatenate([np.full(window - 1, values[0]), values])
        return np.median(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1)

    fine = running(losses)[: len(like)] <= 1.25 * running(like)[: len(losses)]
    return int(np.flatnonzero(fine)[-1]) + 1 if fine.any() else 0
