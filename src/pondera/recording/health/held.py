"""Rules about rows that are held out, and about the rows themselves."""

from __future__ import annotations

import math

import numpy as np

from pondera.recording.health.calibration import THRESHOLDS
from pondera.recording.health.facts import NEARLY, Facts
from pondera.recording.health.rate import DECADES
from pondera.recording.health.rule import Suspicion

FEWEST = 5
"""Epochs before there is anything to say."""

BY_HEART = 0.1
"""Of the best constant's loss, by which training goes below what is reached on held-out rows: it learns by heart."""

SOME = 0.25
"""Of the rows of other classes than the largest: where so many are told right, these are predicted."""

RARE = 5
"""Times as many rows as the rarest class has, that the largest has at least where classes are not balanced."""

FALLING = 0.02
"""Of the lowest loss on held-out rows: where the last quarter of the epochs takes more off, it may go lower yet."""

WORSE = 2.0
"""Times the best constant's loss, from where on what is reached on held-out rows is a training that failed."""

SLACK = 0.1
"""Of the best constant's loss, that is added to the lowest loss on held-out rows."""

STOOD = 0.8
"""Of the best constant's loss: below that held-out rows were predicted better at some time."""

SMOOTH = 3
"""Epochs whose median stands for the last of them."""


def overfitting(facts: Facts) -> Suspicion | None:
    """By what share of its lowest the loss on the held-out rows rose again while the training loss fell on.

    A tenth of the best constant's loss is added to the lowest: hundredths of what there was to learn are no matter. A
    training that never came near the best constant's loss has nothing to overfit.
    """
    epochs, held = _held(facts)
    if len(held) < FEWEST:
        return None
    best = int(np.argmin(held))
    now = float(np.median(held[-SMOOTH:]))
    fell = epochs[-1]["training_loss"] < epochs[best]["training_loss"]
    least = held[best] - facts.floor + SLACK * np.nan_to_num(facts.span)
    failed = held[best] > WORSE * facts.baseline
    rise = (now - held[best]) / least if least > 0 and fell and not failed else 0.0
    after = int(epochs[best]["epoch"]) + 1
    keep = facts.plan.get("keep")
    kept = (
        f"The weights that are kept are those of the epoch with the best {keep}. " if keep in ("loss", "metric") else ""
    )
    return Suspicion(
        rise,
        f"Overfitting since epoch {after}: the loss on held-out rows was {held[best]:.4g} then and is {now:.4g} now, "
        f"while the training loss fell from {epochs[best]['training_loss']:.4g} to {epochs[-1]['training_loss']:.4g}.",
        f"{kept}Stop there (--epochs {after}, or patience=), take a smaller network (--hidden), more rows or "
        "weight_decay=.",
        figures={
            "rise": rise,
            "best": float(held[best]),
            "now": now,
            "epoch": after,
            "since": int(epochs[best]["step"]),
            "change": {"epochs": after},
        },
    )


def nothing_learned(facts: Facts) -> Suspicion | None:
    """How little of the best constant's loss is taken away on held-out rows, in negative powers of ten.

    It is 0 where a tenth is. It is asked from the middle of the training on: what learns slowly may still be where it
    began before.
    """
    epochs, held = _held(facts)
    if len(held) < FEWEST or not facts.span > 0 or not facts.planned or facts.taken < facts.planned / 2:
        return None
    now, best = float(np.median(held[-SMOOTH:])), int(np.argmin(held))
    left = (now - facts.floor) / facts.span
    once = (held[best] - facts.floor) / facts.span
    after = int(epochs[best]["epoch"]) + 1
    statement = (
        f"Held-out rows are predicted {'no' if left >= 1 else 'hardly'} better than by the best constant: their loss "
        f"is {now:.4g}, and the constant's {facts.baseline:.4g}."
    )
    figures = {"loss": now, "baseline": facts.baseline, "best": float(held[best]), "epoch": after}
    measure = -math.log10(max(1 - left, 10**-DECADES)) if left >= NEARLY else 0.0
    if once < STOOD:
        return Suspicion(
            measure,
            f"{statement} After epoch {after} it was {held[best]:.4g}.",
            f"Stop there (--epochs {after}), learn slower, or look for rows that are far from all others.",
            figures={**figures, "since": int(epochs[best]["step"]), "change": {"epochs": after}},
        )
    advice = (
        "Look whether the columns tell anything of the answers, and whether rows and answers still belong together."
    )
    if teller := _teller(facts):
        advice = f"{teller} alone tells nearly all of the answers: look at how it trains, first at the learning rate."
    return Suspicion(measure, statement, advice, figures=figures)


def label_noise(facts: Facts) -> Suspicion | None:
    """How much of the best constant's loss is left on held-out rows at best, where training goes below that.

    It is 0 while that still falls: what held-out rows come down to is not known yet.
    """
    epochs, held = _held(facts)
    if len(held) < FEWEST or not facts.span > 0 or not facts.rows.get("classes"):
        return None
    best = float(held.min())
    training = float(np.median([epoch["training_loss"] for epoch in epochs[-SMOOTH:]]))
    smooth = "" if facts.floor > 0 else "Label smoothing forgives some: --recipe strong."
    undecided = "" if _teller(facts) else ", or the columns do not decide them"
    learned = best <= WORSE * facts.baseline or not facts.baseline > 0
    before = float(held[: -(len(held) // 4)].min())
    settled = best - facts.floor >= (1 - FALLING) * (before - facts.floor)
    by_heart = learned and settled and (best - training) / facts.span >= BY_HEART
    return Suspicion(
        (best - facts.floor) / facts.span if by_heart else 0.0,
        f"Some labels may be wrong{undecided}: the training loss goes down to {training:.3g}, by heart as it seems, "
        f"while held-out rows never came below {best:.3g}; the best constant's loss is {facts.baseline:.3g}.",
        f"Look at the rows with the largest loss. {smooth}".rstrip(),
        figures={"best": best, "training": training},
    )


def leakage(facts: Facts) -> Suspicion | None:
    """How little of the answers one column alone leaves open, by what the best of noise would, in powers of ten.

    Where nothing was learned it is so as well, but nothing is too good.
    """
    measure, tells, column = _told(facts), facts.rows.get("tells"), facts.rows.get("teller") or 0
    if measure is None:
        return None
    _, held = _held(facts)
    best = float(held.min()) if len(held) else None
    learned = not facts.failed if best is None or not facts.span > 0 else best - facts.floor < NEARLY * facts.span
    of = f", that of the best constant is {facts.baseline:.2g}" if facts.baseline > 0 else ""
    shown = f" The loss on held-out rows came down to {best:.2g}{of}." if learned and best is not None else ""
    said = f"{facts.column(column)} alone tells {tells:.2%} of what is to be predicted."
    advice = f"If that column is not known when predicting, leave it out{facts.dropping(column)}."
    if facts.only_column:
        advice = (
            "It is the only column: look whether it is the answer in another form. If not, a network is hardly needed."
        )
    return Suspicion(
        measure,
        f"Too good: {said}{shown}" if learned else f"{said[:1].upper()}{said[1:]}",
        advice,
        figures={"column": facts.rows.get("teller"), "tells": tells, "best": best, "since": 0},
    )


def _told(facts: Facts) -> float | None:
    """Return how little the column that tells most leaves open, as leakage measures it; None where it is not known."""
    tells, luck = facts.rows.get("tells"), 1 - float(facts.rows.get("chance") or 0.0)
    return None if tells is None or not luck > 0 else -math.log10(max(1 - tells, 1e-9) / luck)


def _teller(facts: Facts) -> str:
    """Return what the column is called that alone tells nearly all, as leakage finds; empty where none does."""
    measure = _told(facts)
    leaks = measure is not None and measure >= THRESHOLDS["leakage"]
    found = facts.column(facts.rows.get("teller") or 0) if leaks else ""
    return f"{found[:1].upper()}{found[1:]}"


def imbalance(facts: Facts) -> Suspicion | None:
    """How rare the rarest class is, in powers of ten, by how little is predicted but the largest.

    It is 0 where a quarter of the others is told right, which are predicted then, if not all of them; and of classes
    none of which is five times as frequent as another.
    """
    counts = np.array(facts.rows.get("classes") or [], np.float64)
    epochs = [epoch for epoch in facts.epochs if epoch.get("validation_metric") is not None]
    counts = counts[counts > 0]
    if len(counts) < 2 or len(epochs) < FEWEST:
        return None
    largest = float(counts.max() / counts.sum())
    accuracy = max(float(epoch["validation_metric"]) for epoch in epochs)
    # Where hardly any rare row is held out the accuracy says nothing: what training made of them has a say as well.
    training = facts.epochs[-1]["training_loss"]
    learned = (facts.baseline - training) / facts.span if facts.span > 0 and training is not None else 1.0
    skill = min(max(min((accuracy - largest) / max(1 - largest, 1e-9), learned) / SOME, 0.0), 1.0)
    times = counts.max() / counts.min()
    return Suspicion(
        math.log10(times) * (1 - skill) if times >= RARE else 0.0,
        f"The largest class has {largest:.1%} of the rows and the network is right on {accuracy:.1%}: the others are "
        "hardly ever predicted.",
        "Let rare classes count more: class_weight='balanced'.",
        figures={"largest": largest, "accuracy": accuracy, "change": {"class_weight": "balanced"}},
    )


def unscaled(facts: Facts) -> Suspicion | None:
    """How far the columns are from the size of 1, or the largest from the middle one, in powers of ten."""
    size, largest = facts.rows.get("size"), facts.rows.get("largest")
    if not size or not largest:
        return None
    column = facts.rows.get("column")
    return Suspicion(
        max(abs(math.log10(size)), math.log10(largest / size)),
        f"The inputs are not scaled: values of the middle column are of the size {size:.2g}, those of "
        f"{facts.column(column or 0)} of {largest:.2g}.",
        "Give each column mean 0 and deviation 1, as pondera train and the estimators do.",
        figures={"size": size, "largest": largest, "column": column, "since": 0},
    )


def _held(facts: Facts) -> tuple[list[dict[str, float]], np.ndarray]:
    """Return the epochs whose training and held-out losses are known, and the latter, (n,)."""
    known = ("training_loss", "validation_loss")
    found = [dict(epoch) for epoch in facts.epochs if all(epoch.get(name) is not None for name in known)]
    return found, np.array([epoch["validation_loss"] for epoch in found], np.float64)
