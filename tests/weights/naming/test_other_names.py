"""Keras, Flax, GGUF, ONNX and Pondera's own models."""

import json

import numpy as np
import pytest

from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, STACK
from pondera.weights.naming.assembly import layers_of
from pondera.weights.naming.pondera import divided_layers

OI, IO = (OUTPUTS, INPUTS), (INPUTS, OUTPUTS)


def only(layers):
    assert len(layers) == 1
    return next(iter(layers.values()))


KERAS = [
    ({"dense/kernel": (5, 3), "dense/bias": (3,)}, "dense", IO),
    ({"dense/kernel": (3, 3)}, "dense", IO),
    ({"dense/kernel:0": (3, 3)}, "dense", IO),
    ({"conv1d/kernel": (5, 3, 8), "conv1d/bias": (8,)}, "convolution", (KERNEL, *IO)),
    ({"conv2d_1/kernel": (5, 5, 3, 8)}, "convolution", (KERNEL, KERNEL, *IO)),
    ({"conv2d_transpose/kernel": (5, 5, 8, 8), "conv2d_transpose/bias": (8,)}, "convolution", (KERNEL, KERNEL, *OI)),
    ({"depthwise_conv2d/kernel": (5, 5, 3, 2)}, "convolution", (KERNEL, KERNEL, OUTPUTS, OUTPUTS)),
    ({"depthwise_conv2d/depthwise_kernel:0": (5, 5, 3, 2)}, "convolution", (KERNEL, KERNEL, OUTPUTS, OUTPUTS)),
    ({"embedding/embeddings": (9, 5)}, "embedding", IO),
    ({"batch_normalization/gamma": (4,), "batch_normalization/beta": (4,)}, "normalization", None),
    ({"batch_normalization/moving_mean": (4,), "batch_normalization/moving_variance": (4,)}, "normalization", None),
    ({"layer_normalization/gamma": (4,)}, "normalization", None),
    (
        {"multi_head_attention/query/kernel": (8, 2, 4), "multi_head_attention/query/bias": (2, 4)},
        "attention query",
        None,
    ),
]


@pytest.mark.parametrize(("tensors", "kind", "axes"), KERAS)
def test_keras(read, tensors, kind, axes):
    layer = only(read(tensors, "Keras 3 .weights.h5"))
    assert (layer.kind, layer.scheme) == (kind, "Keras")
    if kind != "attention query":
        assert layer.axes.get("weight") == axes
    else:
        assert layer.axes["weight"] == (INPUTS, OUTPUTS, OUTPUTS)
        assert (layer.inputs, layer.outputs) == (8, 8)


def test_keras_recurrent_layers(read):
    tensors = {"lstm/lstm_cell/kernel:0": (5, 24), "lstm/lstm_cell/recurrent_kernel:0": (6, 24)}
    layer = only(read(tensors | {"lstm/lstm_cell/bias:0": (24,)}, "Keras HDF5"))
    assert layer.axes == {"weight": IO, "recurrent": IO}
    assert layer.parts == tuple((gate, 6) for gate in ("input", "forget", "cell", "output"))
    layer = only(read({"gru/kernel": (5, 18), "gru/recurrent_kernel": (6, 18), "gru/bias": (2, 18)}, "Keras .keras"))
    assert [gate for gate, _ in layer.parts] == ["update", "reset", "new"]


def test_keras_classes_of_layers_with_names_of_their_own(read):
    tensors = {"up/kernel": (2, 2, 8, 8), "up/bias": (8,), "mix/kernel": (4, 8, 8)}
    layers = read(tensors, "Keras .keras", layers={"up": "Conv2DTranspose", "mix": "EinsumDense"})
    assert layers["up"].axes["weight"] == (KERNEL, KERNEL, *OI)
    assert layers["mix"].kind == "unknown"
    layers = read(tensors, "Keras .keras", paths={"up/kernel": "layers/conv2d_transpose/vars/0"})
    assert layers["up"].axes["weight"] == (KERNEL, KERNEL, *OI)


def test_keras_variables_that_are_only_numbered(read):
    tensors = {"layers/dense/vars/0": (5, 3), "layers/dense/vars/1": (3,)}
    tensors |= {f"layers/batch_normalization/vars/{number}": (3,) for number in range(4)}
    tensors |= {"layers/own/vars/0": (3, 3)}
    layers = read(tensors, "Keras 3 .weights.h5", paths={name: name for name in tensors})
    assert layers["layers/dense"].axes == {"weight": IO}
    assert list(layers["layers/batch_normalization"].tensors) == ["weight", "bias", "mean", "variance"]
    assert layers["layers/own"].kind == "unknown"


def test_keras_separable_convolution(read):
    tensors = {"separable_conv2d/depthwise_kernel": (3, 3, 4, 2), "separable_conv2d/pointwise_kernel": (1, 1, 8, 5)}
    layer = only(read(tensors, "Keras .keras"))
    assert layer.axes == {"weight": (KERNEL, KERNEL, *IO), "depthwise": (KERNEL, KERNEL, OUTPUTS, OUTPUTS)}


def test_flax(read):
    attention = "params/encoder/layer/0/attention/self"
    tensors = {
        "params/Dense_0/kernel": (5, 5),
        "params/Dense_0/bias": (5,),
        "params/Conv_0/kernel": (3, 3, 1, 8),
        "params/BatchNorm_0/scale": (8,),
        "params/BatchNorm_0/bias": (8,),
        "batch_stats/BatchNorm_0/mean": (8,),
        "batch_stats/BatchNorm_0/var": (8,),
        "params/embed/embedding": (9, 5),
        f"{attention}/query/kernel": (8, 2, 4),
        f"{attention}/query/bias": (2, 4),
        "params/encoder/layer/0/attention/out/kernel": (2, 4, 8),
        "params/encoder/layer/0/attention/out/bias": (8,),
    }
    layers = read(tensors, "NumPy .npz")
    assert {layer.scheme for layer in layers.values()} == {"Flax"}
    assert layers["Dense_0"].axes["weight"] == IO
    assert layers["Conv_0"].axes["weight"] == (KERNEL, KERNEL, *IO)
    assert layers["BatchNorm_0"].state == ("batch_stats/BatchNorm_0/mean", "batch_stats/BatchNorm_0/var")
    assert layers["embed"].kind == "embedding"
    query, out = layers["encoder/layer/0/attention/self/query"], layers["encoder/layer/0/attention/out"]
    assert (query.kind, query.axes["weight"]) == ("attention query", (INPUTS, OUTPUTS, OUTPUTS))
    assert (out.kind, out.axes["weight"]) == ("attention output", (INPUTS, INPUTS, OUTPUTS))
    assert (query.inputs, query.outputs, out.inputs, out.outputs) == (8, 8, 8, 8)


GGUF = {
    "token_embd.weight": ((100, 8), "Q4_K"),
    "blk.0.attn_norm.weight": (8,),
    "blk.0.attn_q.weight": ((8, 8), "Q4_K"),
    "blk.0.attn_k.weight": ((4, 8), "Q4_K"),
    "blk.0.attn_output.weight": ((8, 8), "IQ2_XS"),
    "blk.0.attn_qkv.weight": ((16, 8), "Q6_K"),
    "blk.0.ffn_gate_inp.weight": (4, 8),
    "blk.0.ffn_gate_exps.weight": ((4, 20, 8), "Q4_K"),
    "blk.0.ffn_down_exps.weight": ((4, 8, 20), "Q4_K"),
    "blk.0.ssm_conv1d.weight": (16, 4),
    "output_norm.weight": (8,),
    "output.weight": ((100, 8), "Q6_K"),
    "rope_freqs.weight": (4,),
}
FACTS = {
    "general.architecture": "phi3",
    "phi3.attention.head_count": 4,
    "phi3.attention.head_count_kv": 2,
    "phi3.embedding_length": 8,
}


def test_gguf(read):
    layers = read(GGUF, "GGUF", **FACTS)
    kinds = {name: layer.kind for name, layer in layers.items()}
    assert kinds == {
        "token_embd": "embedding",
        "blk.0.attn_norm": "normalization",
        "blk.0.attn_q": "attention query",
        "blk.0.attn_k": "attention key",
        "blk.0.attn_output": "attention output",
        "blk.0.attn_qkv": "fused attention",
        "blk.0.ffn_gate_inp": "dense",
        "blk.0.ffn_gate_exps": "dense",
        "blk.0.ffn_down_exps": "dense",
        "blk.0.ssm_conv1d": "unknown",
        "output_norm": "normalization",
        "output": "dense",
        "rope_freqs.weight": "unknown",
    }
    assert layers["blk.0.attn_qkv"].parts == (("query", 8), ("key", 4), ("value", 4))
    assert layers["blk.0.attn_k"].axes["weight"] == OI
    experts = layers["blk.0.ffn_gate_exps"]
    assert (experts.axes["weight"], experts.inputs, experts.outputs) == ((STACK, *OI), 8, 80)
    assert layers["rope_freqs.weight"].state == ("rope_freqs.weight",)


ONNX = [
    ((5, 3), ["MatMul", 1, {}], "dense", IO),
    ((5, 3), ["MatMul", 0, {}], "dense", OI),
    ((2, 5, 3), ["MatMul", 1, {}], "dense", (STACK, *IO)),
    ((5,), ["MatMul", 1, {}], "unknown", None),
    ((5, 3), ["Gemm", 1, {}], "dense", IO),
    ((5, 3), ["Gemm", 1, {"transB": 1}], "dense", OI),
    ((8, 3, 5, 5), ["Conv", 1, {"group": 1}], "convolution", (*OI, KERNEL, KERNEL)),
    ((8, 3, 5), ["ConvTranspose", 1, {}], "convolution", (*IO, KERNEL)),
    ((1, 24, 5), ["LSTM", 1, {"hidden_size": 6}], "recurrent", (STACK, *OI)),
    ((9, 5), ["Gather", 0, {}], "embedding", IO),
    (((9, 5), "int64"), ["Gather", 0, {}], "unknown", None),
    (((5, 3), "int8"), ["MatMulInteger", 1, {}], "dense", None),
    (((3,), "int64"), ["Reshape", 1, {}], "unknown", None),
    ((5, 3), ["Mul", 1, {}], "unknown", None),
]


@pytest.mark.parametrize(("shape", "use", "kind", "axes"), ONNX)
def test_onnx_operations(read, shape, use, kind, axes):
    layers = read({"onnx::1": shape, "R": (1, 24, 6)}, "ONNX", uses={"onnx::1": [use], "R": [["LSTM", 2, {}]]})
    layer = layers["onnx::1"]
    assert layer.axes.get("weight") == axes
    assert layer.kind == kind


def test_onnx_nodes_bring_their_tensors_together(read):
    tensors = {
        "w1": (8, 3, 5, 5),
        "w2": (16, 1, 3, 3),
        "b2": (16,),
        "s": (16,),
        "b": (16,),
        "m": (16,),
        "v": (16,),
        "onnx::MatMul_7": (8, 8),
        "encoder.layer.0.attention.self.query.bias": (8,),
        "onnx::MatMul_9": (8, 4),
        "other": (8,),
        "shape": ((2,), "int64"),
    }
    uses = {
        "w1": [["Conv", 1, {}]],
        "w2": [["Conv", 1, {"group": 16}]],
        "b2": [["Conv", 2, {"group": 16}]],
        **{name: [["BatchNormalization", place, {}]] for place, name in enumerate("sbmv", 1)},
        "onnx::MatMul_7": [["MatMul", 1, {}]],
        "encoder.layer.0.attention.self.query.bias": [["Add", 0, {}]],
        "onnx::MatMul_9": [["MatMul", 1, {}]],
        "other": [["Add", 1, {}]],
        "shape": [["Reshape", 1, {}]],
    }
    layers = list(read(tensors, "ONNX", uses=uses).values())
    assert [list(layer.tensors.values()) for layer in layers] == [
        ["w1"],
        ["w2", "b2"],
        ["s", "b", "m", "v"],
        ["onnx::MatMul_7", "encoder.layer.0.attention.self.query.bias"],
        ["onnx::MatMul_9"],
        ["other"],
        ["shape"],
    ]
    assert [layer.groups for layer in layers[:2]] == [1, 16]
    assert layers[1].inputs == 16
    assert list(layers[2].tensors) == ["weight", "bias", "mean", "variance"]
    assert (layers[3].name, layers[3].kind) == ("encoder.layer.0.attention.self.query", "attention query")
    assert layers[3].axes["weight"] == IO
    assert layers[6].state == ("shape",)


def test_onnx_lstm(read):
    tensors = {"W": (2, 24, 5), "R": (2, 24, 6), "B": (2, 48), "h": (2, 1, 6)}
    uses = {name: [["LSTM", place, {}]] for name, place in zip("WRBh", (1, 2, 3, 5), strict=True)}
    layer = only(read(tensors, "ONNX", uses=uses))
    assert layer.axes == {"weight": (STACK, *OI), "recurrent": (STACK, *OI)}
    assert layer.parts == tuple((gate, 6) for gate in ("input", "output", "forget", "cell"))
    assert (layer.inputs, layer.outputs) == (5, 48)


@pytest.mark.parametrize("uses", [None, [], {"w": 3, "gone": [["MatMul", 1, {}]]}, {"w": []}])
def test_onnx_without_uses(read, uses):
    assert only(read({"w": (5, 3)}, "ONNX", uses=uses)).kind == "unknown"


def test_pondera(read):
    tensors = {
        "networks.0.layers.0.scale": (5,),
        "networks.0.layers.1.table.3": (7, 2),
        "networks.0.layers.2.weight": (5, 5),
        "networks.0.layers.2.bias": (5,),
        "networks.0.layers.3.layers.0.weight": (5, 5),
        "networks.0.layers.4.gain": (5,),
        "networks.0.layers.4.bias": (5,),
    }
    layers = read(tensors, **{"pondera.architecture": json.dumps({})})
    assert [layer.kind for layer in layers.values()] == ["scale", "embedding", "dense", "dense", "normalization"]
    assert layers["networks.0.layers.2"].axes == {"weight": IO}
    assert {layer.scheme for layer in layers.values()} == {"Pondera"}


@pytest.mark.parametrize("population", [False, True])
def test_the_factor_of_ponderas_own_layers(tmp_path, population):
    import pondera

    x = np.random.default_rng(0).normal(size=(40, 3))
    estimator = pondera.PonderaRegressor([16, 16], epochs=1, seeds=2 if population else 1, random_state=0)
    estimator.fit(x, x[:, 0]).save(tmp_path / "m.safetensors")
    found = {layer.name: layer.factor for layer in layers_of(pondera.open(tmp_path / "m.safetensors"))}
    prefix = "networks.1." if population else ""
    assert found[f"{prefix}layers.0"] == 1
    assert found[f"{prefix}layers.1"] == pytest.approx(3**-0.5)
    assert found[f"{prefix}layers.2"] == 0.25


ODD = ["", "[", "[" * 100_000, "{}", '{"layers": 3}', '{"layers": [[], {"layers": [1]}]}', "\ud800"]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_whatever_metadata_hold_there_is_no_factor(text):
    assert divided_layers({"pondera.architecture": text, "pondera": text}) == frozenset()
    assert divided_layers({"pondera": {"architecture": 5}}) == frozenset()
