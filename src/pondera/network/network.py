"""A network: an architecture and its weights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from pondera.choice import counted
from pondera.errors import ArgumentError, ModelFileError, PonderaError
from pondera.network.architecture import PRECISIONS, Architecture
from pondera.network.layer import Layer
from pondera.network.rows import outputs
from pondera.network.stack import weights_by_layer
from pondera.weights.safetensors import read, write

ARCHITECTURE_KEY = "pondera.architecture"


class Network:
    """An architecture together with its weights: a pure function of its inputs.

    Parameters
    ----------
    architecture
        The layers.
    weights
        Path -> array, each of the shape that :attr:`Architecture.shapes` gives; all float32 or all float64. The
        arrays are copied.

    Raises
    ------
    ShapeError
        If a weight is missing, unknown, or of another shape.
    ArgumentError
        If a weight does not hold numbers, or there is no architecture or no dictionary of weights.

    Examples
    --------
    >>> from pondera.network.dense import Dense
    >>> network = Network.create(2, [Dense(1)])
    >>> network = network.with_weights({"layers.0.weight": [[0.7], [0.3]], "layers.0.bias": [1.0]})
    >>> print(network([[5.0, 2.0]]).round(4))
    [[5.1]]
    """

    __slots__ = ("_architecture", "_weights")

    def __init__(self, architecture: Architecture, weights: Mapping[str, npt.ArrayLike]) -> None:
        if not isinstance(architecture, Architecture) or not isinstance(weights, Mapping):
            raise ArgumentError(
                "A network is made of an Architecture and a dictionary of its weights; Network.create draws them. "
                f"Got {type(architecture).__name__} and {type(weights).__name__}."
            )
        given = {name: _array(value, name) for name, value in weights.items()}
        architecture.check(given)
        dtype = np.dtype("float64" if any(array.dtype == np.float64 for array in given.values()) else "float32")
        # A read-only copy: the network stays what it is whatever happens to the arrays that came in.
        self._weights = {name: _frozen(given[name], dtype, name) for name in architecture.shapes}
        self._architecture = architecture

    @classmethod
    def create(cls, inputs: int, layers: Iterable[Layer] | Layer, *, seed: int = 0, dtype: str = "float32") -> Network:
        """Return a network at its random start.

        Parameters
        ----------
        inputs
            Number of values in a row.
        layers
            The layers in order, or the only one.
        seed
            The start follows from it, whatever the device.
        dtype
            ``"float32"`` or ``"float64"``.
        """
        architecture = Architecture(inputs, (layers,) if isinstance(layers, Layer) else tuple(layers))
        return cls(architecture, architecture.initial(seed, dtype))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Return the network that :meth:`save` wrote, bit for bit.

        Raises
        ------
        ModelFileError
            If the file is missing, damaged, or holds anything else.
        """
        weights, metadata = read(path)
        if ARCHITECTURE_KEY not in metadata:
            raise ModelFileError(
                f"{path}: expected a file of Network.save, found a safetensors file of "
                f"{counted(len(weights), 'tensor')} without an architecture. A model with a table's columns in "
                "it is opened by pondera.load."
            )
        try:
            network = cls(Architecture.from_json(json.loads(metadata[ARCHITECTURE_KEY])), weights)
            types = {str(array.dtype) for array in weights.values()}
            if not types <= {network.dtype}:
                raise ArgumentError(f"weights of the types {', '.join(sorted(types))}")
        except (PonderaError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise ModelFileError(
                f"{path}: expected the architecture of its weights, found one that cannot be used ({error}). "
                "Save the network again with this version of Pondera."
            ) from error
        return network

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file: weights by name, the architecture as JSON in the metadata.

        The file is whole or not there. An existing file is replaced.

        Parameters
        ----------
        path
            Where to.

        Raises
        ------
        ModelFileError
            If the place cannot be written to.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from pondera.network.dense import Dense
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Network.create(2, [Dense(1)]).save(Path(folder, "line.safetensors"))
        ...     Network.load(Path(folder, "line.safetensors"))
        <Network 2-1 (dense): 3 weights, float32>
        """
        write(path, self._weights, {ARCHITECTURE_KEY: json.dumps(self._architecture.to_json(), allow_nan=False)})

    @property
    def architecture(self) -> Architecture:
        """The layers, without weights."""
        return self._architecture

    @property
    def weights(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Path -> array, in the order of the layers. The arrays are read-only; put others back with `with_weights`."""
        return MappingProxyType(self._weights)

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``."""
        return next((value.dtype.name for value in self._weights.values()), "float32")

    @property
    def size(self) -> int:
        """Number of single weights, biases included."""
        return sum(value.size for value in self._weights.values())

    def with_weights(self, weights: Mapping[str, npt.ArrayLike]) -> Network:
        """Return the network with some or all of its weights replaced.

        Values are rounded to this network's precision.

        Raises
        ------
        ShapeError
            If a name is unknown or an array is of another shape.
        """
        dtype = np.dtype(self.dtype)
        replaced = {name: _frozen(value, dtype, name) for name, value in weights.items()}
        return Network(self._architecture, {**self._weights, **replaced})

    def __call__(self, x: npt.ArrayLike) -> np.ndarray[Any, Any]:
        """Return the outputs for rows: (rows, inputs) -> (rows, outputs), in the network's precision.

        Raises
        ------
        ShapeError
            If the rows are not as wide as the first layer expects.
        """
        try:
            rows = np.ascontiguousarray(x, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"Expected rows of numbers, (rows, inputs). {str(error).rstrip('.')}.") from None
        self._architecture.check_rows(rows.shape)
        if len(rows) == 0:
            return np.zeros((0, self._architecture.outputs), self.dtype)
        return outputs(self._architecture, self._weights, rows)

    def connections(self) -> dict[str, np.ndarray[Any, Any] | None]:
        """Return, layer by layer, the factors that the layer multiplies its inputs by.

        A matrix (inputs, outputs), a vector (inputs,) where each input goes to its own output, or None where what a
        value is multiplied by depends on the row.
        """
        grouped = weights_by_layer(self._architecture.layers, self._weights)
        widths = self._architecture.widths
        return {
            f"layers.{i}": layer.connections(own, width)
            for i, (layer, own, width) in enumerate(zip(self._architecture.layers, grouped, widths, strict=False))
        }

    def first_connections(self) -> np.ndarray[Any, Any] | None:
        """Return the factors between the network's inputs and the units of its first dense layer: (inputs, units).

        Layers before it that multiply each input by a factor are multiplied in. None where there is no dense layer, or
        something before it that does more than multiply.
        """
        factors: np.ndarray[Any, Any] = np.ones(self._architecture.inputs)
        for connections in self.connections().values():
            if connections is None:
                return None
            if connections.ndim == 2:
                matrix: np.ndarray[Any, Any] = factors[:, None] * connections
                return matrix
            factors = factors * connections
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return (Network, (self._architecture, self._weights))  # through the constructor, which makes arrays read-only

    def __repr__(self) -> str:
        kinds = ", ".join(layer.kind for layer in self._architecture.layers)
        widths = "-".join(str(width) for width in self._architecture.widths)
        return f"<Network {widths} ({kinds}): {self.size:,} weights, {self.dtype}>"


def _frozen(value: npt.ArrayLike, dtype: np.dtype[Any], name: str) -> np.ndarray[Any, Any]:
    array = _array(value, name, dtype).copy()
    array.flags.writeable = False
    return array


def _array(value: npt.ArrayLike, name: str, dtype: np.dtype[Any] | None = None) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value, dtype)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: expected an array of numbers ({' or '.join(PRECISIONS)}).") from None
