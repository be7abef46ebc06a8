"""The rows of a training: checked, split into those trained on and those held out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from pondera.choice import Choice
from pondera.errors import ArgumentError, ShapeError
from pondera.network.architecture import Architecture
from pondera.network.rows import Apply, blocks_of, outputs_in_blocks
from pondera.tables.split import split
from pondera.training.epoch import Rows
from pondera.training.losses import loss_of


@dataclass(frozen=True)
class Held:
    """Rows that are held out, cut into blocks once."""

    blocks: list[Any]
    targets: Any
    weights: Any
    loss: Choice

    @classmethod
    def of(cls, rows: Rows, loss: Choice) -> Held:
        """Put the rows where they are computed on."""
        blocks = [jnp.asarray(block) for block in blocks_of(rows.x)]
        return cls(blocks, jnp.asarray(rows.targets), jnp.asarray(rows.weights), loss)

    def score(self, apply: Apply, weights: Any) -> tuple[float, float]:
        """Return the mean loss and the mean miss on these rows."""
        out = outputs_in_blocks(apply, weights, self.blocks, len(self.targets))
        loss, miss = _means(self.loss, out, self.targets, self.weights)
        return float(loss), float(miss)


@functools.partial(jax.jit, static_argnums=0)
def _means(loss: Choice, out: Any, targets: Any, weights: Any) -> tuple[jax.Array, jax.Array]:
    kind = loss_of(loss)
    total = jnp.sum(weights)
    return jnp.sum(kind.error(out, targets) * weights) / total, jnp.sum(kind.miss(out, targets) * weights) / total


def rows_of(
    apply: Apply,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    validation: float | tuple[npt.ArrayLike, ...] | None,
    loss: Choice,
    seed: int,
    weights: Any,
) -> tuple[Rows, Held | None]:
    """Return the rows to train on and those held out, in the precision of the weights.

    Raises
    ------
    ShapeError, ArgumentError
        If rows, targets, sample weights and outputs do not fit together.
    """
    dtype = np.result_type(*(leaf.dtype for leaf in jax.tree.leaves(weights)))
    rows = _checked((x, targets, sample_weight), loss, dtype, "the rows")
    held: Rows | None = None
    if isinstance(validation, float | int):
        labels = rows.targets if rows.targets.ndim == 1 else None
        train, out = split(len(rows.x), float(validation), seed, labels)
        rows, held = Rows(*(part[train] for part in rows)), Rows(*(part[out] for part in rows))
    elif validation is not None:
        if not isinstance(validation, tuple) or len(validation) not in (2, 3):
            raise ArgumentError("validation= is a share of the rows, (x, targets) or (x, targets, sample_weight).")
        held = _checked((*validation, None)[:3], loss, dtype, "the validation rows")
    _check_outputs(apply, weights, rows, "the rows")
    if held is not None:
        if held.x.shape[1:] != rows.x.shape[1:]:
            raise ShapeError(
                f"the validation rows: expected rows of the shape {rows.x.shape[1:]}, as those to train on; "
                f"found {held.x.shape[1:]}."
            )
        _check_outputs(apply, weights, held, "the validation rows")
    return Rows(*(jnp.asarray(part) for part in rows)), None if held is None else Held.of(held, loss)


def _checked(given: tuple[Any, ...], loss: Choice, dtype: Any, what: str) -> Rows:
    """Return (x, targets, sample weights) as arrays that fit together, without the rows of weight 0."""
    x, targets, sample_weight = given
    rows = _numbers(x, dtype, what)
    answers = _numbers(targets, None, f"the targets of {what}")
    if rows.ndim < 2 or len(rows) == 0:
        raise ShapeError(
            f"{what}: expected an array (rows, inputs) with at least one row, found the shape {rows.shape}."
        )
    if answers.shape[:1] != (len(rows),):
        raise ShapeError(f"{what}: expected one target a row, found {len(rows)} rows and targets {answers.shape}.")
    weights = np.ones(len(rows)) if sample_weight is None else _numbers(sample_weight, np.float64, "sample weights")
    if weights.shape != (len(rows),) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ArgumentError(
            f"{what}: expected one sample weight a row, finite, at least 0 and not all 0; "
            f"found an array of shape {weights.shape}."
        )
    if loss.name == "softmax_cross_entropy":
        if answers.ndim != 1 or not np.issubdtype(answers.dtype, np.integer):
            raise ShapeError(
                f"{what}: softmax cross-entropy expects class numbers, integers of shape (rows,); "
                f"found {answers.dtype} of shape {answers.shape}."
            )
        answers = answers.astype(np.int32)
    else:
        answers = answers.astype(dtype)
        answers = answers[:, None] if answers.ndim == 1 else answers
    weights = _around_one(weights).astype(dtype)
    used = weights > 0
    return Rows(rows, answers, weights) if used.all() else Rows(rows[used], answers[used], weights[used])


def _around_one(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights times a power of two that brings the largest into [1, 2).

    No mean over rows changes by it, to the last bit, and any finite weights fit into any precision.
    """
    exponent: np.int32 = np.frexp(weights.max())[1]
    return np.ldexp(weights, 1 - exponent)


def _numbers(values: Any, dtype: Any, what: str) -> npt.NDArray[Any]:
    try:
        array = np.asarray(values, dtype)
    except (TypeError, ValueError):
        raise ArgumentError(f"{what}: expected an array of numbers. Got {values!r:.80}.") from None
    if array.dtype.kind in "OSUMmc":
        raise ArgumentError(f"{what}: expected an array of numbers. Got values of type {array.dtype}.")
    return array


def _check_outputs(apply: Apply, weights: Any, rows: Rows, what: str) -> None:
    if isinstance(apply, Architecture):
        apply.check_rows(rows.x.shape)
    targets = rows.targets
    out = jax.eval_shape(apply, weights, rows.x[:1])
    if len(getattr(out, "shape", ())) != 2:
        raise ShapeError(f"The model must return an array (rows, outputs). For one row it returned {out}.")
    if targets.ndim == 1:
        if (targets < 0).any() or targets.max() >= out.shape[-1]:
            raise ShapeError(
                f"{what}: the network has {out.shape[-1]} outputs, one a class; found the class numbers "
                f"{targets.min()} to {targets.max()}."
            )
    elif out.shape[1:] != targets.shape[1:]:
        raise ShapeError(
            f"{what}: the network returns {out.shape[1:]} values a row and the targets have {targets.shape[1:]}. "
            "Make the last layer as wide as the targets."
        )
