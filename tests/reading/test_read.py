"""What is read of a whole file."""

import numpy as np

from pondera.reading.read import read
from pondera.report.reading_page import reading_page
from pondera.weights.collection import Weights
from pondera.weights.tensor import Mapped, Tensor


def tensor_of(name, array):
    flat = np.ascontiguousarray(array).reshape(-1)
    return Tensor(name, array.shape, flat.dtype.name, Mapped(flat.view(np.uint8).data, 0, flat.dtype, flat.size))


def test_constants_of_a_graph_are_no_layers():
    arrays = {
        "w": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32),
        "gain": np.full((1, 3), 2, np.float32),
        "eps": np.array(1e-5, np.float32),
        "shape": np.array([-1, 2**62]),
    }
    uses = {"w": "MatMul", "gain": "Mul", "eps": "Add", "shape": "Reshape"}
    metadata = {"uses": {name: [[operation, 1, {}]] for name, operation in uses.items()}}
    tensors = [tensor_of(name, array) for name, array in arrays.items()]
    found = read(Weights.of(tensors, "ONNX", metadata=metadata))
    assert [(each.layer.name, each.layer.kind) for each in found.layers] == [("w", "dense"), ("gain", "unknown")]
    assert found.constants == 2
    page = reading_page(found, "m.onnx")
    assert "<dt>layers</dt><dd>2</dd>" in page
    assert "<dt>constants of the graph</dt><dd>2</dd>" in page
    assert "4.61e+18" in page
    assert len(read(Weights.of(tensors, "safetensors")).layers) == 4


def test_a_bias_that_is_not_looked_at_is_there_all_the_same():
    """A layer with a normal start looks untrained for certain, possibly, or not at all: its bias decides."""
    random = np.random.default_rng(3)
    start = tensor_of("fc.weight", (random.normal(size=(128, 64)) * np.sqrt(2 / 64)).astype(np.float32))
    biases = {"initial": np.zeros(128, np.float32), "moved": random.normal(size=128).astype(np.float32)}
    for bias, rules in (("initial", ["untrained"]), ("moved", []), (None, ["possibly untrained"])):
        tensors = [start, *([tensor_of("fc.bias", biases[bias])] if bias else [])]
        weights = Weights.of(tensors, "safetensors")
        assert [each.rule for each in read(weights, doubtful=True).findings] == rules
        assert [each.rule for each in read(weights, tensor="*.weight", doubtful=True).findings] == (
            [] if bias else rules
        )
