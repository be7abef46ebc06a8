"""What makes two trainings the same one, so that one can go on where the other stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from pondera.network.architecture import Architecture
from pondera.training.epoch import Order, run_steps, weight_name
from pondera.training.watching import Beginning


def identity_of(beginning: Beginning) -> dict[str, Any]:
    """Return what two trainings must have in common for one to go on with the other, but for where they begin."""
    program, held, plan = beginning.program, beginning.held, beginning.plan.to_json()
    plan.pop("seed")
    architecture = program.apply.to_json() if isinstance(program.apply, Architecture) else None
    start = beginning.state.weights
    return {
        "plan": plan,
        "architecture": architecture,
        "weights": {
            weight_name(path): [*map(int, leaf.shape), str(leaf.dtype)]
            for path, leaf in jax.tree_util.tree_leaves_with_path(start)
        },
        "rows": int(beginning.rows.x.shape[0]),
        "data": fingerprint(beginning.rows),
        "held_out": None if held is None else fingerprint([*held.blocks, held.targets, held.weights]),
        "program": None if architecture is not None and plan["optimizer"] != "custom" else _program_of(beginning),
    }


def beginning_of(beginning: Beginning) -> dict[str, Any]:
    """Return where one network begins: its seed, and a digest of its weights and of all else that it carries."""
    return {"seed": beginning.plan.seed, "start": fingerprint(jax.tree.leaves(beginning.state))}


def _program_of(beginning: Beginning) -> str:
    """Return a digest of a step as it is compiled: of functions nothing else says what they compute."""
    state, rows, (count, batch) = beginning.state, beginning.rows, (len(beginning.rows.x), beginning.plan.batch_size)
    places, dtype = (beginning.steps, min(count, batch)), rows.weights.dtype
    order = Order(*(np.zeros(*form) for form in ((places, np.int32), (places, dtype), (places[:1], dtype))))
    text = run_steps.lower(beginning.program, state, rows, order, 0, 1).as_text()
    return hashlib.sha256(text.encode()).hexdigest()


WORDS = {
    "architecture": "the layers",
    "weights": "the shapes of the weights",
    "rows": "the rows",
    "data": "the rows",
    "held_out": "the rows held out",
    "start": "the start",
    "program": "the optimizer or the function",
}
"""What two trainings do not have in common, in words; of a plan and its seed both values are told."""


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return in words in what the training of a run and another one differ, both identity and beginning.

    Examples
    --------
    >>> differences({"plan": {"epochs": 9}, "rows": 7, "seed": 0}, {"plan": {"epochs": 8}, "rows": 6, "seed": 0})
    ['epochs (9 there, 8 here)', 'the rows']
    """
    plans = [dict(each.get("plan") or {}) | {"seed": each.get("seed")} for each in (there, here)]
    told = [
        f"{name} ({plans[0].get(name)} there, {plans[1].get(name)} here)"
        for name in dict.fromkeys([*plans[0], *plans[1]])
        if plans[0].get(name) != plans[1].get(name)
    ]
    return told + list(dict.fromkeys(words for name, words in WORDS.items() if there.get(name) != here.get(name)))


def fingerprint(arrays: Iterable[Any]) -> str:
    """Return a digest of arrays in their order, such as the inputs, targets and weights of rows."""
    digest = hashlib.sha256()
    for part in arrays:
        array = np.ascontiguousarray(np.asarray(part))
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
