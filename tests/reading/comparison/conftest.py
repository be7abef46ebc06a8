import numpy as np
import pytest

from pondera.reading.comparison import compare
from pondera.weights.collection import Weights
from pondera.weights.quantized.encodings import ENCODINGS, Blocks
from pondera.weights.tensor import Mapped, Tensor


def tensor(name, array):
    flat = np.ascontiguousarray(array).reshape(-1)
    source = Mapped(memoryview(flat.view(np.uint8)), 0, flat.dtype, flat.size)
    return Tensor(name, np.shape(array), flat.dtype.name, source)


def q8(name, array):
    """A matrix in blocks as ggml's Q8_0 has them: the scale is the largest size / 127, kept in half precision."""
    blocks = array.reshape(-1, 32).astype(np.float32)
    scale = np.abs(blocks).max(axis=1) / np.float32(127)
    whole = np.round(blocks / np.where(scale == 0, 1, scale)[:, None]).astype(np.int8)
    content = np.concatenate([scale.astype(np.float16)[:, None].view(np.uint8), whole.view(np.uint8)], axis=1)
    return Tensor(name, array.shape, "Q8_0", Blocks(memoryview(content.reshape(-1)), 0, ENCODINGS["Q8_0"], array.size))


@pytest.fixture
def held():
    """Arrays by name, or tensors, as the weights of a network."""

    def held(arrays):
        return Weights.of([each if isinstance(each, Tensor) else tensor(n, each) for n, each in arrays.items()], "test")

    return held


@pytest.fixture
def one():
    """An array as a tensor."""
    return lambda array: tensor("w", array)


@pytest.fixture
def in_q8():
    return q8


@pytest.fixture
def bert():
    """A small transformer in Hugging Face's names, float32, with scales that differ from tensor to tensor."""
    random = np.random.default_rng(0)
    width, wide = 64, 128

    def matrix(rows, columns):
        return (random.normal(size=(rows, columns)) * random.uniform(0.02, 0.08)).astype(np.float32)

    def vector(count, mean=0.0):
        return (mean + random.normal(size=count) * random.uniform(0.02, 0.2)).astype(np.float32)

    arrays = {"embeddings.word_embeddings.weight": matrix(200, width)}
    for block in range(2):
        start = f"encoder.layer.{block}."
        for role in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            arrays[f"{start}{role}.weight"] = matrix(width, width)
            arrays[f"{start}{role}.bias"] = vector(width)
        arrays[f"{start}attention.output.LayerNorm.weight"] = vector(width, 1.0)
        arrays[f"{start}attention.output.LayerNorm.bias"] = vector(width)
        arrays[f"{start}intermediate.dense.weight"] = matrix(wide, width)
        arrays[f"{start}intermediate.dense.bias"] = vector(wide)
        arrays[f"{start}output.dense.weight"] = matrix(width, wide)
        arrays[f"{start}output.dense.bias"] = vector(width)
    return arrays


@pytest.fixture
def between(held):
    """Compare arrays by name."""
    return lambda a, b, **more: compare(held(a), held(b), **more)
