"""Category embeddings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pondera.choice import Choice, look_up, plain
from pondera.errors import ArgumentError, ShapeError
from pondera.network.initializers import INITIALIZERS
from pondera.network.layer import Array, Backward, Layer, LayerWeights, WeightSpec


@dataclass(frozen=True)
class Embedding(Layer):
    """Replace columns of category codes by learned vectors.

    The inputs at ``columns`` hold whole numbers 0, 1, …, categories − 1. Each is looked up in a table of its own; the
    other inputs pass as they are and come first. A code outside the table, such as −1 for an unknown category,
    gives the zero vector. Guo & Berkhahn 2016, arXiv 1604.06737.

    Parameters
    ----------
    columns
        Positions of the code columns among the inputs.
    categories
        Number of categories of each of them.
    size
        Length of the vectors.
    table
        Name of the initializer.

    Examples
    --------
    >>> layer = Embedding(columns=(1,), categories=(3,), size=2)
    >>> layer.outputs(2), layer.weights(2)["table.1"].shape
    (3, (3, 2))
    """

    kind: ClassVar[str] = "embedding"

    columns: tuple[int, ...]
    categories: tuple[int, ...]
    size: int = 8
    table: Choice | str = Choice("normal", std=1.0)  # noqa: RUF009 (a Choice is immutable)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", plain(self.size))
        object.__setattr__(self, "columns", _whole_numbers(self.columns))
        object.__setattr__(self, "categories", _whole_numbers(self.categories))
        object.__setattr__(self, "table", Choice.of(self.table))
        look_up("initializer", self.table, INITIALIZERS)
        if len(self.columns) != len(self.categories) or len(set(self.columns)) != len(self.columns):
            raise ArgumentError(
                "An embedding layer needs one number of categories for each of its columns, and each column once. "
                f"Got columns {list(self.columns)} and categories {list(self.categories)}."
            )
        if (
            type(self.size) is not int
            or self.size < 1
            or any(count < 1 for count in self.categories)
            or any(column < 0 for column in self.columns)
        ):
            raise ArgumentError(
                "An embedding layer needs columns of at least 0 and a size and numbers of categories of at least 1. "
                f"Got columns {list(self.columns)}, size {self.size} and categories {list(self.categories)}."
            )

    def outputs(self, inputs: int) -> int:
        """Return the inputs that pass as they are plus ``size`` a column."""
        if any(column >= inputs for column in self.columns):
            raise ShapeError(
                f"an embedding layer of columns {list(self.columns)} needs at least {max(self.columns) + 1} inputs, "
                f"and {inputs} come in"
            )
        return inputs - len(self.columns) + self.size * len(self.columns)

    def weights(self, inputs: int) -> dict[str, WeightSpec]:
        """Return ``table.<column>`` (categories, size) for each column."""
        return {
            f"table.{column}": WeightSpec((count, self.size), Choice.of(self.table))
            for column, count in zip(self.columns, self.categories, strict=True)
        }

    def apply(self, weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
        """Return the other inputs, then the vectors: (..., inputs) -> (..., outputs)."""
        others = [i for i in range(x.shape[-1]) if i not in self.columns]
        parts = [jnp.asarray(x)[..., jnp.array(others, dtype=jnp.int32)]]
        for column, count in zip(self.columns, self.categories, strict=True):
            code = x[..., column]
            known = (code >= 0) & (code < count)  # false for NaN too
            vectors = jnp.asarray(weights[f"table.{column}"])[jnp.where(known, code, 0).astype(jnp.int32)]
            parts.append(jnp.where(known[..., None], vectors, 0))
        return jnp.concatenate(parts, axis=-1)

    def backward(self, weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None) -> Backward:
        """Return what goes back: a row of a table gets the errors of the rows that looked it up; codes have none."""
        others = [i for i in range(x.shape[-1]) if i not in self.columns]
        errors = jnp.asarray(errors)
        back = jnp.zeros(x.shape, errors.dtype).at[:, jnp.array(others, dtype=jnp.int32)].set(errors[:, : len(others)])
        gradients = {}
        for place, (column, count) in enumerate(zip(self.columns, self.categories, strict=True)):
            code = x[..., column]
            known = (code >= 0) & (code < count)
            start = len(others) + place * self.size
            of_rows = jnp.where(known[:, None], errors[:, start : start + self.size], 0)
            table = jnp.zeros((count, self.size), errors.dtype)
            gradients[f"table.{column}"] = table.at[jnp.where(known, code, 0).astype(jnp.int32)].add(of_rows)
        return Backward(back, gradients)

    def connections(self, weights: LayerWeights, inputs: int) -> np.ndarray[Any, Any] | None:
        """Return None: a code is looked up, not multiplied."""
        return None


def _whole_numbers(values: Iterable[int]) -> tuple[int, ...]:
    numbers = tuple(plain(value) for value in values) if isinstance(values, Iterable) else (values,)
    if not isinstance(values, Iterable) or any(type(number) is not int for number in numbers):
        raise ArgumentError(f"An embedding layer needs lists of columns and categories, whole numbers. Got {values!r}.")
    return numbers
