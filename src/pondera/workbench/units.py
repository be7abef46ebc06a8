"""Units of a network as it is drawn: what comes into one and goes out of it at a recorded step, beside its layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from pondera.choice import outside
from pondera.errors import ArgumentError
from pondera.recording.run import Run

Array = np.ndarray[Any, Any]

MOST_CONNECTIONS = 200
"""Of a unit that are sent on each side, the strongest."""


def strengths(run: Run, column: int, unit: int, step: int, part: int = 0) -> dict[str, Any]:
    """Return what is known of a unit at the recorded step nearest to one.

    Parameters
    ----------
    run
        Whose network.
    column
        Of the drawing: 0 for the inputs, k for the units that matrix k − 1 leads to.
    unit
        Its place there, from 0.
    step, part
        When, and which network of a population.

    Raises
    ------
    ArgumentError
        If there is no such unit, or nothing was recorded yet.
    """
    tensors = run.tensors(part)
    matrices = [name for name, shape in tensors.items() if len(shape) == 2 and min(shape) > 0]
    if not 0 <= column <= len(matrices) or not matrices:
        raise ArgumentError(f"The network has {len(matrices) + 1} columns of units, from 0. Got column {column}.")
    into = matrices[column - 1] if column else None
    units = tensors[into][1] if into else tensors[matrices[0]][0]
    if not 0 <= unit < units:
        raise ArgumentError(outside("This column has", units, "unit", unit))
    out = next((name for name in matrices[column : column + 1] if tensors[name][0] == units), None)
    known = run.recorded(into or str(out), part)
    if not known:
        raise ArgumentError("Nothing was recorded yet. Ask again when training has begun.")
    at = min(known, key=lambda each: abs(each - step))
    before = None if into is None else np.asarray(run.weights_at(into, at, part), np.float64)
    after = None if out is None else np.asarray(run.weights_at(out, at, part), np.float64)
    layer = into.removesuffix(".weight") if into else "inputs"
    network = f"networks.{part}." if part else ""  # as commands call it
    first, second = f"{network}{into}", f"{network}{out}"
    norms = np.linalg.norm(before, axis=0) if before is not None else np.linalg.norm(_there(after), axis=1)
    return {
        "name": f"{network}{layer}[{unit}]",
        "units": units,
        "step": at,
        "bias": _bias(run, f"{layer}.bias", unit, units, at, part),
        "incoming": [] if before is None else _strongest(before[:, unit], lambda other: f"{first}[{other},{unit}]"),
        "outgoing": [] if after is None else _strongest(after[unit], lambda other: f"{second}[{unit},{other}]"),
        "norms": [float(each) if np.isfinite(each) else None for each in norms],
    }


def _there(matrix: Array | None) -> Array:
    if matrix is None:
        raise ArgumentError("These units have no connections that could be looked at.")
    return matrix


def _bias(run: Run, name: str, unit: int, units: int, step: int, part: int) -> float | None:
    """Return a unit's bias, None where it has none or it was not recorded."""
    if run.tensors(part).get(name) != (units,) or step not in run.recorded(name, part):
        return None
    value = float(run.weights_at(name, step, part)[unit])
    return value if np.isfinite(value) else None


def _strongest(values: Array, name: Any) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(np.nan_to_num(values, nan=np.inf)), kind="stable")[:MOST_CONNECTIONS]
    return [
        {"name": name(int(k)), "unit": int(k), "value": float(values[k]) if np.isfinite(values[k]) else None}
        for k in order
    ]
