import numpy as np
import pytest

from pondera.weights.collection import Weights
from pondera.weights.naming.assembly import layers_of
from pondera.weights.tensor import DTYPES, Mapped, Tensor

NOTHING = memoryview(b"")


@pytest.fixture
def made():
    """Weights of names and shapes, without values; a shape may be followed by a dtype."""

    def make(tensors, kind="safetensors", **metadata):
        found = []
        for name, shape in tensors.items():
            shape, dtype = shape if shape and isinstance(shape[-1], str) else (shape, "float32")
            source = Mapped(NOTHING, 0, DTYPES.get(dtype, np.dtype("u1")), 0)
            found.append(Tensor(name, tuple(shape), dtype, source))
        return Weights.of(found, kind, metadata=metadata)

    return make


@pytest.fixture
def read(made):
    """The layers of such weights by name; that every tensor is in exactly one is checked on the way."""

    def layers(tensors, kind="safetensors", **metadata):
        weights = made(tensors, kind, **metadata)
        found = layers_of(weights)
        assert sorted(name for layer in found for name in layer.tensors.values()) == sorted(weights)
        firsts = [min(list(weights).index(name) for name in layer.tensors.values()) for layer in found]
        assert firsts == sorted(firsts)
        assert len({layer.name for layer in found}) == len(found)
        return {layer.name: layer for layer in found}

    return layers
