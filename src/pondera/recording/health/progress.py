"""Rules about the loss of the steps: diverging, on its way to an overflow, on a plateau, all noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pondera.recording.health.facts import Facts
from pondera.recording.health.rate import slower
from pondera.recording.health.rule import Suspicion
from pondera.recording.history import Array, Steps
from pondera.training.stopping import CHECK, DIVERGED, INPUTS

LARGEST = 3.4e38
"""What float32 holds."""

WINDOW, TREND = 10, 4
"""Steps over which growth is looked at, at most, and figures at least, which of wide means are more steps."""

FEWEST = 8
"""Epochs, or steps, before there is a trend to speak of."""

STEPS = 16
"""Steps of which the deviation from each other can be told."""

LITTLE = 0.02
"""Of the best constant's loss: what is left when everything was learned."""

LEAST_STEPS = 8
"""Steps that an epoch has at least with the larger batches that are advised."""

GROWN = 100
"""Times the size that weights have at the start, or that of ones: what has grown so much went too far."""

ROWS = "Look for NaN, infinite and huge numbers in the rows of that step and their answers."

DECADES = 4.0
"""What a fall of nothing counts as, in powers of ten."""


def diverging(facts: Facts) -> Suspicion | None:
    """By how many powers of ten the loss is above where it began, or above that of the best constant."""
    losses = facts.steps.losses
    if facts.ended == DIVERGED:
        cause = facts.about[f"ended.{facts.part}"].get("cause")
        first = f", first in {cause}" if cause else ""
        statement = f"The loss or a weight became NaN or infinite at step {facts.stopped + 1:,}{first}."
        advice, figures = (CHECK, {}) if cause == INPUTS else slower(facts, 10.0)
        return Suspicion(math.inf, statement, advice, figures={**figures, "since": facts.stopped})
    if broken := _broken(facts):  # a loop that is not Pondera's goes on with them
        step, name = min(broken)
        advice, figures = _mended(facts, step)
        statement = f"Weights are NaN or infinite from step {step:,} on, of {name} first."
        return Suspicion(math.inf, statement, advice, figures={**figures, "since": step})
    if facts.steps.told < FEWEST or not (losses == losses).any():  # nobody told a loss
        return None
    usual = float(np.fmax(facts.start_loss, facts.baseline))
    now = facts.loss()
    advice, figures = slower(facts, 10.0)
    return Suspicion(
        math.log10(now / usual) if now > 0 and usual > 0 else -math.inf,
        f"The loss grows instead of falling: it is {now:.3g}, and that of the best constant, or of the first step, is "
        f"{usual:.3g}.",
        advice,
        figures={"loss": now, "usual": usual, **figures},
    )


def _broken(facts: Facts) -> list[tuple[int, str]]:
    """Return of every tensor that ends with weights that are not finite since which step, and its name."""
    found = []
    for name, tensor in facts.tensors.items():
        bad = [each.nan + each.infinite > 0 for each in tensor.figures]
        if bad and bad[-1]:
            found.append((int(tensor.steps[bad.index(True)]), name))
        elif name in facts.broken:
            found.append((max(facts.seen, _silent_since(facts.steps)), name))
    return found


def _silent_since(steps: Steps) -> int:
    """Return the first step after the last one whose loss is finite."""
    finite = np.flatnonzero(np.isfinite(steps.losses))
    return int(steps.first[min(int(finite[-1]) + 1, len(steps.first) - 1)]) if len(finite) else 0


def _mended(facts: Facts, step: int) -> tuple[str, dict[str, Any]]:
    """Return what to do about weights that are not finite from a step on, and the advice as data.

    What steps that are too far break has grown before, in one tensor or another. Where nothing has, and gradients were
    not finite, what came in broke it.
    """
    broken = False
    for tensor in facts.tensors.values():
        before = tensor.figures[: int(np.searchsorted(tensor.steps, step))]
        if not before or before[-1].squares > GROWN**2 * max(before[0].squares, before[-1].count):
            return slower(facts, 10.0)
        broken |= before[-1].gradient_broken > 0
    if broken:
        return f"{ROWS} Or for the logarithm or the root of 0 in the loss.", {}
    advice, figures = slower(facts, 10.0)
    return f"{ROWS} If there are none: {advice[:1].lower()}{advice[1:]}", figures


def overflowing(facts: Facts) -> Suspicion | None:
    """By how many powers of ten the gradients grew in the last steps, if they did so step by step.

    Of figures that are further apart it is by how many they grow in so many steps.
    """
    steps = facts.steps
    if len(steps.first) < TREND or facts.ended:
        return None
    begin = min(steps.latest(WINDOW - 1 + int(steps.widths.max())).start, len(steps.first) - TREND)
    middles = steps.middles[begin:]
    apart = float(middles[-1] - middles[0])
    taken = min(apart, WINDOW - 1)
    grown, slope, now = 0.0, 0.0, 0.0
    for values in (steps.norms, steps.losses):
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log10(np.abs(values[begin:]))
        if np.isfinite(logs).all() and np.mean(np.diff(logs) > 0) >= 0.75 and logs[-1] >= logs.max() - 1e-9:
            by = float(logs[-1] - logs[0])
            if by * (taken / apart) > grown:
                grown, slope, now = by * (taken / apart), by / apart, float(logs[-1])
    since = steps.taken - 1 - middles[-1]  # that many steps were taken since the one that the last figure stands for
    left = max(int((math.log10(LARGEST) - now) / slope - since), 0) if slope > 0 else 0
    advice, figures = slower(facts, 10.0)
    return Suspicion(
        grown,
        f"Loss or gradients grew {10**grown:,.3g} times in {taken:.0f} steps: NaN ahead, in about {left:,} steps.",
        advice,
        figures={"powers_of_ten": grown, "steps_left": left, **figures},
    )


def plateaued(facts: Facts) -> Suspicion | None:
    """How little the loss of the epochs changed in the last half of them, over its three thirds.

    Where hardly anything is left of the best constant's loss, training has arrived and stands on no plateau.
    """
    epochs = [epoch for epoch in facts.epochs if epoch["training_loss"] is not None]
    losses = np.array([epoch["training_loss"] for epoch in epochs])
    if len(losses) < 2 * FEWEST:
        return None
    half = losses[len(losses) // 2 :]
    thirds = [float(np.median(each)) for each in np.array_split(half, 3)]
    left = thirds[1] - facts.floor
    change = (max(thirds) - min(thirds)) / left if left > 0 and not left < LITTLE * facts.span else math.inf
    began = epochs[len(losses) // 2]
    taken = int(epochs[-1]["epoch"]) - int(began["epoch"]) + 1
    fewer = max(int(began["epoch"]), 1)
    return Suspicion(
        -math.log10(max(change, 10**-DECADES)),
        f"The loss stands still: in the last {taken} epochs it went from {thirds[0]:.4g} to {thirds[2]:.4g}.",
        f"If that is good enough, train for fewer epochs (--epochs {fewer}); if not, try another learning rate or a "
        "larger network (--hidden).",
        figures={
            "loss": thirds[2],
            "before": thirds[0],
            "change_of_loss": change,
            "since": int(began["step"]),
        },
    )


def noisy(facts: Facts) -> Suspicion | None:
    """How far apart the losses of neighbouring steps are, as a share of the best constant's, else of the first one."""
    half = facts.steps.latest(facts.steps.told - facts.steps.told // 2)
    losses = facts.steps.losses[half]
    if len(losses) < STEPS or not (losses == losses).any():
        return None
    usual, whose = (facts.span, "best constant's") if facts.span > 0 else (facts.first_loss, "first step's")
    apart = _deviation(losses, facts.steps.widths[half])
    batch = facts.plan.get("batch_size")
    larger = max(min(8 * (batch or 1), int(facts.rows.get("count") or 1) // LEAST_STEPS), batch or 1, 32)
    return Suspicion(
        apart / usual if usual > 0 else 0.0,
        f"The loss of a step says little: it differs from its neighbours' by {apart:.3g}, and the {whose} is "
        f"{usual:.3g}.",
        "Take more rows a step." if batch is None else f"Take more rows a step: --batch-size {larger}.",
        figures={
            "deviation": apart,
            "usual": usual,
            "batch_size": batch,
            **({} if batch is None else {"change": {"batch_size": larger}}),
        },
    )


def _deviation(losses: Array, widths: Array) -> float:
    """Return by how much the losses of single steps deviate, from neighbouring figures: (n,), means of so many steps.

    Noise that is independent from step to step leaves a mean of w steps 1/√w of its deviation. Means of many steps are
    far apart, and differ by how the loss falls, too: each is compared with the line between the two beside it.
    """
    if widths.max() == 1:
        return float(np.sqrt(np.mean(np.square(np.diff(losses)))) / math.sqrt(2))
    off = losses[1:-1] - (losses[:-2] + losses[2:]) / 2
    share = 1 / widths[1:-1] + (1 / widths[:-2] + 1 / widths[2:]) / 4  # of the variance of a step's loss
    return float(np.sqrt(np.mean(np.square(off) / share)))
