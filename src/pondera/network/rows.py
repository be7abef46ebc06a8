"""Outputs for any number of rows, in blocks of one size."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pondera.network.precision import precision

BLOCK = 256  # rows; a multiple of every vector width, and small enough that one row costs little

STACK = 8
"""Blocks that are looked at in one call where there are many."""

Apply = Callable[[Any, Any], Any]


@functools.partial(jax.jit, static_argnums=0)
def _block(apply: Apply, weights: Any, x: jax.Array) -> Any:
    return apply(weights, x)


@functools.partial(jax.jit, static_argnums=0)
def _stack(apply: Apply, weights: Any, x: jax.Array) -> Any:
    return jax.lax.map(functools.partial(apply, weights), x)


def blocks_of(x: np.ndarray[Any, Any], size: int = BLOCK) -> list[np.ndarray[Any, Any]]:
    """Return the rows in blocks of one size, the last one filled up with zeros."""
    return list(_cut(x, size))


def _cut(x: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Return the rows in blocks of one size, (blocks, size, inputs), the last one filled up with zeros."""
    missing = -len(x) % size
    full = np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else x
    return full.reshape(-1, size, *x.shape[1:])


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


def outputs_of_many(apply: Apply, weights: Any, x: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Return ``apply(weights, x)`` of very many rows, in blocks of ``size``: (rows, inputs) -> (rows, outputs).

    Several blocks are one call, as far as they go: where little is to be done with each row, that takes two thirds of
    the time.
    """
    blocks = _cut(x, size)
    stacked = len(blocks) // STACK * STACK
    with precision([*jax.tree.leaves(weights), x]):
        parts = [_stack(apply, weights, blocks[at : at + STACK]) for at in range(0, stacked, STACK)]
        parts += [_block(apply, weights, block) for block in blocks[stacked:]]
        found = [np.asarray(part) for part in parts]
    return np.concatenate([part.reshape(-1, part.shape[-1]) for part in found])[: len(x)]


def outputs(apply: Apply, weights: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return ``apply(weights, x)`` for any number of rows: (rows, inputs) -> (rows, outputs)."""
    return outputs_in_blocks(apply, weights, blocks_of(x), len(x))
