"""Rules about what layers make of their rows: units that say nothing, that hardly change, that all say the same."""

from __future__ import annotations

import math

import numpy as np

from pondera.recording.health.facts import Facts
from pondera.recording.health.rule import Suspicion

FEWEST = 3
"""Points at least."""

ROWS = 8
"""Rows of a batch at least: of few rows many a unit sees nothing that concerns it."""

SILENT = ("dense relu", "relu")
"""Kinds of layers whose units can be exactly silent; the last is that of a module of PyTorch."""


def dead(facts: Facts) -> Suspicion | None:
    """The share of a layer's units that gave 0 for every row of all recent batches, and did not at the start."""
    return _silent(facts, began_alive=True)


def never_used(facts: Facts) -> Suspicion | None:
    """The share of a layer's units that gave 0 for every row of every batch that was looked at."""
    return _silent(facts, began_alive=False)


def _silent(facts: Facts, began_alive: bool) -> Suspicion | None:
    worst, where, count, units = 0.0, "", 0, 1
    for layer in facts.hidden:
        every = [figures for _, figures in facts.units.get(layer, ())]
        if len(every) < FEWEST or every[0].rows < ROWS or every[0].kind not in SILENT:
            continue
        always = min(figures.silent for figures in every)
        lately = min(figures.silent for figures in facts.recent_units(layer))
        found = lately - always if began_alive else always
        share = found / every[0].units
        if facts.framework and not began_alive:
            # Where what comes in hardly differs from row to row, as behind a mean over places, the start decides of
            # each unit which side it is on: half of them are silent there in healthy trainings.
            share = 2 * share - 1
        if share > worst:
            worst, where, count, units = share, layer, found, every[0].units
    if not where:
        return Suspicion(0.0, "", "") if facts.hidden else None
    if began_alive:
        return Suspicion(
            worst,
            f"{count:,} of {units:,} units of {where} died: they gave something at first, and give 0 for all rows now.",
            "Learn slower, or take an activation that always lets a gradient through: --activation leaky_relu.",
            where,
            {"dead": count, "units": units, "change": {"activation": "leaky_relu"}},
        )
    return Suspicion(
        worst,
        f"{count:,} of {units:,} units of {where} were never used: they gave 0 for all rows at every step looked at.",
        "Start with other weights or biases (bias='zeros'), or take an activation that always lets a gradient through: "
        "--activation leaky_relu.",
        where,
        {"unused": count, "units": units, "since": 0, "change": {"activation": "leaky_relu"}},
    )


def saturated(facts: Facts) -> Suspicion | None:
    """The share of a hidden layer's outputs that lie on the flat ends of tanh or the sigmoid."""
    worst, where, kind = -math.inf, "", ""
    for layer in facts.hidden:
        shares = [figures.saturated for figures in facts.recent_units(layer) if math.isfinite(figures.saturated)]
        if len(shares) >= FEWEST and float(np.median(shares)) > worst:
            worst, where, kind = float(np.median(shares)), layer, facts.recent_units(layer)[-1].kind.split()[-1]
    if not where:
        return None
    return Suspicion(
        worst,
        f"{worst:.0%} of the outputs of {where} lie on the flat ends of {kind}, where hardly any gradient gets "
        "through.",
        "Scale the inputs, start with smaller weights, such as LeCun's (weight='lecun_normal'), or take another "
        "activation: --activation relu.",
        where,
        {"share": worst, "change": {"activation": "relu"}},
    )


def collapsed(facts: Facts) -> Suspicion | None:
    """How near the outputs of a hidden layer are to lying on a line: 1 / (directions in which they differ − 1)."""
    worst, where, units = -math.inf, "", 0
    for layer in facts.hidden:
        found = [each for each in facts.recent_units(layer) if math.isfinite(each.dimensions) and each.units > 1]
        if len(found) >= FEWEST:
            near = 1 / max(float(np.median([each.dimensions for each in found])) - 1, 1e-9)
            if near > worst:
                worst, where, units = near, layer, found[-1].units
    if not where:
        return None
    directions = 1 + 1 / worst
    many = f"{directions:.3g} directions"
    return Suspicion(
        math.log10(worst),
        f"The {units:,} units of {where} all say the same: their outputs differ in "
        f"{'one direction' if many == '1 directions' else many}.",
        "Start them from different weights, such as He's (weight='he_normal'), with smaller biases; normalize between "
        "deep layers (LayerNorm).",
        where,
        {"directions": directions, "units": units},
    )
