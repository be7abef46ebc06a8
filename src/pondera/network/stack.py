"""Layers in a row: names, widths and values passed from one to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp

from pondera.errors import ArgumentError, ShapeError
from pondera.network.layer import Array, Backward, Layer, LayerWeights, WeightSpec


def checked_layers(owner: str, layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return the layers as a tuple.

    Raises
    ------
    ArgumentError
        If something among them is no layer.
    """
    if not isinstance(layers, Iterable):
        raise ArgumentError(f"{owner} is made of a list of layers such as [Dense(8)]. Got {layers!r:.80}.")
    checked = tuple(layers)
    for layer in checked:
        if not isinstance(layer, Layer):
            raise ArgumentError(f"{owner} is made of layers such as Dense(8). Got {layer!r:.80}.")
    return checked


def stack_widths(layers: Sequence[Layer], inputs: int) -> list[int]:
    """Return how many values enter each layer, and at the end how many leave the last.

    Raises
    ------
    ShapeError
        Naming the layer that cannot take what comes in.
    """
    widths = [inputs]
    for i, layer in enumerate(layers):
        try:
            widths.append(layer.outputs(widths[-1]))
        except ShapeError as error:
            raise ShapeError(f"layers.{i}: {error}") from None
    return widths


def stack_outputs(layers: Sequence[Layer], inputs: int) -> int:
    """Return how many values leave the last layer."""
    return stack_widths(layers, inputs)[-1]


def stack_weights(layers: Sequence[Layer], inputs: int) -> dict[str, WeightSpec]:
    """Return the weights of all layers under their paths, ``layers.0.weight``."""
    return {
        f"layers.{i}.{name}": spec
        for i, (layer, width) in enumerate(zip(layers, stack_widths(layers, inputs), strict=False))
        for name, spec in layer.weights(width).items()
    }


def weights_by_layer(layers: Sequence[Layer], weights: LayerWeights) -> list[dict[str, Array]]:
    """Return each layer's own weights, under the names that the layer itself uses."""
    grouped: list[dict[str, Array]] = [{} for _ in layers]
    for path, value in weights.items():
        _, index, name = path.split(".", 2)
        grouped[int(index)][name] = value
    return grouped


def stack_steps(
    layers: Sequence[Layer], weights: LayerWeights, x: Array, key: jax.Array | None = None
) -> Iterator[jax.Array]:
    """Yield the output of each layer in turn, each fed with the one before."""
    for i, (layer, own) in enumerate(zip(layers, weights_by_layer(layers, weights), strict=True)):
        x = layer.apply(own, x, None if key is None else jax.random.fold_in(key, i))
        yield x


def apply_stack(layers: Sequence[Layer], weights: LayerWeights, x: Array, key: jax.Array | None = None) -> jax.Array:
    """Return what leaves the last layer: (..., inputs) -> (..., outputs).

    While training, factors of inputs are multiplied into the weights behind them. That is one pass over a matrix, and
    spares the product of the whole batch with it that finds the errors of the multiplied inputs.
    """
    own: list[LayerWeights] = [*weights_by_layer(layers, weights)]
    for i, layer in enumerate(layers):
        folded = None if key is None else _folded(layers[i : i + 2], own[i : i + 2])
        if folded is not None:
            own[i + 1] = folded
        else:
            x = layer.apply(own[i], x, None if key is None else jax.random.fold_in(key, i))
    return jnp.asarray(x)


def _folded(layers: Sequence[Layer], own: Sequence[LayerWeights]) -> LayerWeights | None:
    """Return the weights with which the second layer does what both do, or None."""
    factors = layers[0].factors(own[0])
    return None if factors is None or len(layers) < 2 else layers[1].folded(own[1], factors)


def back_through(
    layers: Sequence[Layer], weights: LayerWeights, x: Array, errors: Array, key: jax.Array | None = None
) -> list[Backward]:
    """Return what goes back through each layer, in their order, from the errors of the last one's outputs."""
    entering = [jnp.asarray(x), *stack_steps(layers, weights, x, key)][:-1]
    found: list[Backward] = []
    own = weights_by_layer(layers, weights)
    for i in reversed(range(len(layers))):
        part = layers[i].backward(own[i], entering[i], errors, None if key is None else jax.random.fold_in(key, i))
        found.append(part)
        errors = part.errors
    return found[::-1]
