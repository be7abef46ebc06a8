"""Descriptions that fit their tensors, and ones that do not."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from pondera.reading.faults.facts import Facts
from pondera.reading.faults.rules import findings_of
from pondera.reading.read import read
from pondera.reading.statistics import statistics_of
from pondera.weights.collection import Weights
from pondera.weights.open import open as open_weights
from pondera.weights.tensor import Mapped, Tensor


def described(shapes, metadata, dtype="f4"):
    random = np.random.default_rng(0)
    tensors = []
    for name, shape in shapes.items():
        flat = random.standard_t(4, int(np.prod(shape))).astype(dtype)
        tensors.append(Tensor(name, shape, flat.dtype.name, Mapped(flat.view(np.uint8).data, 0, flat.dtype, flat.size)))
    weights = Weights.of(tensors, "test", metadata=metadata)
    figures = {name: statistics_of(tensor, 1) for name, tensor in weights.items()}
    return [finding for finding in findings_of(Facts(weights, figures)) if finding.rule == "metadata"]


LLAMA = {
    "model.embed_tokens.weight": (100, 16),
    "model.layers.0.mlp.up_proj.weight": (32, 16),
    "model.layers.1.mlp.up_proj.weight": (32, 16),
    "lm_head.weight": (100, 16),
}
CONFIG = {"vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 2}


@pytest.mark.parametrize("more", [{}, {"text_config": {"num_hidden_layers": 9}}, {"architectures": ["X"]}])
def test_a_config_that_fits(more):
    assert described(LLAMA, {"config": CONFIG | more}) == []


@pytest.mark.parametrize(
    ("key", "value", "found"), [("vocab_size", 128, 100), ("hidden_size", 32, 16), ("num_hidden_layers", 3, [2])]
)
def test_a_config_that_does_not_fit(key, value, found):
    (finding,) = described(LLAMA, {"config": CONFIG | {key: value}})
    assert (finding.figures["key"], finding.figures["described"], finding.figures["found"]) == (key, value, found)
    assert finding.certainty == "exact"


def test_a_quantization_that_is_not_there():
    (finding,) = described(LLAMA, {"config": CONFIG | {"quantization_config": {"quant_method": "gptq", "bits": 4}}})
    assert "gptq" in finding.statement


def test_an_index_that_counts_other_bytes():
    size = 4 * sum(int(np.prod(shape)) for shape in LLAMA.values())
    assert described(LLAMA, {"index": {"total_size": size}}) == []
    assert described(LLAMA, {"index": {"total_size": float(size)}}) == []
    (finding,) = described(LLAMA, {"index": {"total_size": size + 4}})
    assert finding.figures["found"] == size


GGUF = {"token_embd.weight": (100, 16), "blk.0.ffn_up.weight": (64, 16), "blk.1.ffn_up.weight": (64, 16)}
FACTS = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.embedding_length": 16,
    "llama.feed_forward_length": 64,
    "tokenizer.ggml.tokens": {"type": "text", "length": 100, "first": []},
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, None),
        ("llama.block_count", 3),
        ("llama.embedding_length", 8),
        ("llama.feed_forward_length", 60),
        ("tokenizer.ggml.tokens", {"length": 200}),
    ],
)
def test_the_facts_of_gguf(key, value):
    found = described(GGUF, FACTS | ({} if key is None else {key: value}))
    assert len(found) == (key is not None)


@pytest.mark.parametrize("units", [8, 9])
def test_the_units_of_keras(units):
    layer = {"class_name": "Dense", "config": {"name": "price", "units": units}}
    config = {"class_name": "Sequential", "config": {"layers": [layer, None, {"class_name": 3}]}}
    found = described({"price/kernel": (4, 8), "price/bias": (8,)}, {"config": config})
    assert [each.figures["described"] for each in found] == ([] if units == 8 else [9])


@pytest.mark.parametrize(
    "metadata",
    [
        {"config": "text"},
        {"config": {"vocab_size": "many", "hidden_size": None, "num_hidden_layers": -1, "quantization_config": 7}},
        {"config": {"class_name": "Sequential", "config": []}},
        {"index": {"total_size": "big"}},
        {"general.architecture": 7},
    ],
)
def test_odd_descriptions_raise_nothing(metadata):
    assert described(LLAMA, metadata) == []


def test_a_selection_is_not_what_the_description_is_of(tmp_path):
    random = np.random.default_rng(0)
    arrays = {f"model.layers.{at}.mlp.up_proj.weight": random.normal(size=(24, 8)) for at in range(4)}
    arrays["model.embed_tokens.weight"] = random.normal(size=(30, 8))
    save_file({name: array.astype(np.float32) for name, array in arrays.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llama", "num_hidden_layers": 4, "hidden_size": 8, "vocab_size": 30})
    )
    weights = open_weights(tmp_path)
    assert weights.whole
    part = weights.select("*layers.1*")
    assert not part.whole
    assert weights.select("*").whole
    for each in (weights, part):
        assert "metadata" not in {finding.rule for finding in read(each).findings}


def llama(blocks, inner=32, head=100):
    named = {f"model.layers.{number}.mlp.up_proj.weight": (inner, 16) for number in blocks}
    return {"model.embed_tokens.weight": (100, 16), **named, "lm_head.weight": (head, 16)}


@pytest.mark.parametrize(
    ("shapes", "key", "said"),
    [
        (llama([0, 1, 3]), "num_hidden_layers", "3, without number 2"),
        (llama([1, 2, 3]), None, ""),  # some count from one
        (llama(range(3), inner=40), "intermediate_size", "40 × 16"),
        (llama(range(3), inner=64), None, ""),  # with the gate
        (llama(range(3), head=90), "vocab_size", "lm_head.weight has 90 rows"),
    ],
)
def test_holes_and_sizes_of_blocks(shapes, key, said):
    found = described(shapes, {"config": CONFIG | {"num_hidden_layers": 3, "intermediate_size": 32}})
    assert [each.figures["key"] for each in found] == ([key] if key else [])
    assert all(said in each.statement for each in found)


def test_a_hole_among_the_blocks_of_gguf():
    shapes = {"token_embd.weight": (100, 16)} | {f"blk.{number}.ffn_up.weight": (64, 16) for number in (0, 1, 3)}
    (finding,) = described(shapes, FACTS | {"llama.block_count": 3})
    assert "without number 2" in finding.statement
