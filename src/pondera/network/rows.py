"""Outputs for any number of rows, in blocks of one size."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pondera.network.precision import precision

BLOCK = 256  # rows; a multiple of every vector width, and small enough that one row costs little

Apply = Callable[[Any, Any], Any]


@functools.partial(jax.jit, static_argnums=0)
def _block(apply: Apply, weights: Any, x: jax.Array) -> Any:
    return apply(weights, x)


def blocks_of(x: np.ndarray[Any, Any], size: int = BLOCK) -> list[np.ndarray[Any, Any]]:
    """Return the rows in blocks of one size, the last one filled up with zeros."""
    missing = -len(x) % size
    full = np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else x
    return [full[i : i + size] for i in range(0, len(full), size)]


def outputs_in_blocks(
    apply: Apply, weights: Any, blocks: list[np.ndarray[Any, Any]], rows: int
) -> np.ndarray[Any, Any]:
    """Return ``apply(weights, x)`` for rows that :func:`blocks_of` cut: (rows, outputs).

    Every block has the same shape, so it is one compiled program, and what a row gives does not depend, to the
    last bit, on how many other rows are asked for along with it.
    """
    with precision([*jax.tree.leaves(weights), *blocks[:1]]):
        parts = [_block(apply, weights, block) for block in blocks]
        return np.concatenate([np.asarray(part) for part in parts])[:rows]


def outputs(apply: Apply, weights: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return ``apply(weights, x)`` for any number of rows: (rows, inputs) -> (rows, outputs)."""
    return outputs_in_blocks(apply, weights, blocks_of(x), len(x))
