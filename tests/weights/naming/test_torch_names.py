"""Modules of PyTorch under the names and shapes of their state_dict (https://docs.pytorch.org/docs/stable/nn.html)."""

import pytest

from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS
from pondera.weights.naming.assembly import state_of

OI, IO = (OUTPUTS, INPUTS), (INPUTS, OUTPUTS)


def only(layers):
    assert len(layers) == 1
    return next(iter(layers.values()))


@pytest.mark.parametrize(
    ("tensors", "kind", "axes", "sizes"),
    [
        ({"fc.weight": (3, 5), "fc.bias": (3,)}, "dense", OI, (5, 3)),
        ({"0.weight": (5, 5), "0.bias": (5,)}, "dense", OI, (5, 5)),
        ({"fc.weight": (3, 5)}, "dense", OI, (5, 3)),
        ({"classifier.6.weight": (10, 40)}, "dense", OI, (40, 10)),
        ({"0.weight": (3, 5)}, "unknown", None, (None, None)),  # may as well be an embedding
        ({"table.weight": (3, 5)}, "unknown", None, (None, None)),
        ({"embedding.weight": (9, 5)}, "embedding", IO, (9, 5)),
        ({"user_emb.weight": (9, 5)}, "embedding", IO, (9, 5)),
        ({"fc.weight": (3, 5), "fc.bias": (5,)}, "dense", IO, (3, 5)),  # only so does the bias fit
        ({"fc.weight": (3, 5), "fc.bias": (4,)}, "unknown", None, (None, None)),
        ({"c.weight": (8, 3, 5, 5), "c.bias": (8,)}, "convolution", (*OI, KERNEL, KERNEL), (3, 8)),
        ({"conv1.weight": (8, 3, 5, 5)}, "convolution", (*OI, KERNEL, KERNEL), (3, 8)),
        ({"c.weight": (8, 3, 5, 5)}, "unknown", None, (None, None)),  # or a transposed one
        ({"conv1.weight": (8, 3, 5)}, "convolution", (*OI, KERNEL), (3, 8)),
        ({"c.weight": (8, 3, 5)}, "unknown", None, (None, None)),
        ({"up.weight": (8, 3, 2, 2), "up.bias": (3,)}, "convolution", (*IO, KERNEL, KERNEL), (8, 3)),
        ({"up.weight": (8, 3, 2, 2)}, "unknown", None, (None, None)),
        ({"deconv.weight": (8, 8, 2, 2), "deconv.bias": (8,)}, "convolution", (*IO, KERNEL, KERNEL), (8, 8)),
        ({"c.weight": (4, 3, 2, 2, 2, 2)}, "unknown", None, (None, None)),
        ({"bilinear.weight": (4, 3, 5), "bilinear.bias": (4,)}, "unknown", None, (None, None)),
        ({"ln.weight": (5,), "ln.bias": (5,)}, "normalization", None, (None, 5)),
        ({"x.weight": (4, 5), "x.bias": (4, 5)}, "normalization", None, (None, None)),
        ({"norm.weight": (5,)}, "normalization", None, (None, 5)),
        ({"prelu.weight": (5,)}, "unknown", None, (None, None)),
        ({"block.gamma": (5,)}, "scale", None, (None, 5)),
        ({"value.weight": (1, 5), "value.bias": (1,)}, "dense", OI, (5, 1)),
        ({"temperature": ()}, "unknown", None, (None, None)),
        ({"fc.weight": ((3, 5), "int8"), "fc.bias": (3,)}, "unknown", None, (None, None)),
    ],
)
def test_single_modules(read, tensors, kind, axes, sizes):
    layer = only(read(tensors, "PyTorch"))
    assert (layer.kind, layer.axes.get("weight"), (layer.inputs, layer.outputs)) == (kind, axes, sizes)
    assert layer.connects == (axes is not None and kind != "embedding")
    assert layer.scheme == "PyTorch"


def test_batch_norm_has_state(read):
    names = {"bn.weight": (4,), "bn.bias": (4,), "bn.running_mean": (4,), "bn.running_var": (4,)}
    layers = read({**names, "bn.num_batches_tracked": ((), "int64")}, "PyTorch")
    assert list(layers["bn"].tensors) == ["weight", "bias", "mean", "variance", "counter"]
    assert layers["bn"].kind == "normalization"
    assert state_of(tuple(layers.values())) == {"bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}
    assert read({"bn.running_mean": (4,), "bn.running_var": (4,)}, "PyTorch")["bn"].kind == "normalization"


@pytest.mark.parametrize(("gates", "parts"), [(4, "input forget cell output"), (3, "reset update new"), (1, "")])
def test_recurrent_layers(read, gates, parts):
    ends = {"weight_ih": (gates * 6, 5), "weight_hh": (gates * 6, 6), "bias_ih": (gates * 6,), "bias_hh": (gates * 6,)}
    tensors = {f"rnn.{end}_{which}": shape for which in ("l0", "l0_reverse") for end, shape in ends.items()}
    layers = read(tensors | {f"cell.{end}": shape for end, shape in ends.items()}, "PyTorch")
    assert list(layers) == ["rnn.l0", "rnn.l0_reverse", "cell"]
    for layer in layers.values():
        assert layer.kind == "recurrent"
        assert layer.axes == {"weight": OI, "recurrent": OI}
        assert list(layer.tensors) == ["weight", "bias", "recurrent", "recurrent_bias"]
        assert (layer.inputs, layer.outputs) == (5, gates * 6)
        assert layer.parts == tuple((part, 6) for part in parts.split())


def test_lstm_with_a_projection(read):
    tensors = {"weight_ih_l0": (24, 5), "weight_hh_l0": (24, 2), "bias_ih_l0": (24,), "weight_hr_l0": (2, 6)}
    layer = only(read({f"rnn.{name}": shape for name, shape in tensors.items()}, "PyTorch"))
    assert layer.parts[0] == ("input", 6)
    assert layer.axes["projection"] == OI


def test_transformer_encoder(read):
    block = {
        "self_attn.in_proj_weight": (24, 8),
        "self_attn.in_proj_bias": (24,),
        "self_attn.out_proj.weight": (8, 8),
        "self_attn.out_proj.bias": (8,),
        "linear1.weight": (32, 8),
        "linear1.bias": (32,),
        "linear2.weight": (8, 32),
        "linear2.bias": (8,),
        "norm1.weight": (8,),
        "norm1.bias": (8,),
    }
    layers = read({f"layers.{n}.{name}": shape for n in range(2) for name, shape in block.items()}, "PyTorch")
    kinds = ["fused attention", "attention output", "dense", "dense", "normalization"]
    assert [layer.kind for layer in layers.values()] == 2 * kinds
    assert layers["layers.0.self_attn.in_proj"].parts == (("query", 8), ("key", 8), ("value", 8))
    assert layers["layers.1.linear1"].axes == {"weight": OI}


def test_resnet(read):
    tensors = {"conv1.weight": (64, 3, 7, 7), "bn1.weight": (64,), "bn1.bias": (64,), "bn1.running_mean": (64,)}
    tensors |= {"layer1.0.conv1.weight": (64, 64, 3, 3), "layer2.0.downsample.0.weight": (128, 64, 1, 1)}
    tensors |= {"layer2.0.downsample.1.weight": (128,), "layer2.0.downsample.1.bias": (128,)}
    layers = read(tensors | {"fc.weight": (1000, 512), "fc.bias": (1000,)})
    assert [layer.kind for layer in layers.values()] == [
        "convolution",
        "normalization",
        "convolution",
        "convolution",
        "normalization",
        "dense",
    ]
    assert layers["layer1.0.conv1"].axes["weight"] == (*OI, KERNEL, KERNEL)


def test_depthwise_convolutions_where_the_name_tells(read):
    layers = read({"stages.0.conv_dw.weight": (96, 1, 7, 7), "stem.conv.weight": (258, 1, 16, 16)}, "PyTorch")
    assert [(layer.groups, layer.inputs) for layer in layers.values()] == [(96, 96), (None, 1)]


def test_weight_and_spectral_normalization(read):
    layers = read(
        {
            "a.bias": (8,),
            "a.weight_g": (8, 1),
            "a.weight_v": (8, 3),
            "b.parametrizations.weight.original0": (8, 1),
            "b.parametrizations.weight.original1": (8, 3),
            "c.weight_orig": (8, 3),
            "c.weight_u": (8,),
            "c.bias": (8,),
        },
        "PyTorch",
    )
    assert set(layers["a"].tensors) == {"bias", "gain", "direction"}
    assert set(layers["b"].tensors) == {"gain", "direction"}
    assert not layers["a"].connects
    assert layers["c"].axes == {"weight": OI}


def test_tensors_that_are_all_of_their_file(read):
    layers = read({"weight": (3, 5), "bias": (3,)}, "PyTorch")
    assert layers["weight"].axes == {"weight": OI}


@pytest.mark.parametrize(
    ("tensors", "axes"),
    [
        ({"W1": (5, 3), "b1": (3,)}, IO),
        ({"coefs_0": (3, 5), "intercepts_0": (3,)}, OI),
        ({"fc.w": (3, 5), "fc.b": (3,)}, OI),
        ({"fc1_w": (3, 3), "fc1_b": (3,)}, None),
        ({"W": (3, 5)}, None),
        ({"W": (3, 5), "b": (4,)}, None),
    ],
)
def test_arrays_of_no_framework_only_by_shapes(read, tensors, axes):
    layer = only(read(tensors, "NumPy .npz"))
    assert layer.axes.get("weight") == axes
    assert layer.kind == ("dense" if axes else "unknown")
    assert layer.scheme == ""


def test_a_square_matrix_lies_as_the_others_of_its_file(read):
    names = {"W1": (5, 3), "b1": (3,), "W2": (3, 3), "b2": (3,)}
    assert read(names, "NumPy .npz")["2"].axes == {"weight": IO}
    other = {"W3": (4, 3), "b3": (4,)}
    assert read(names | other, "NumPy .npz")["2"].kind == "unknown"


def test_mlx_has_the_inputs_of_convolutions_last(read):
    layers = read({"conv.weight": (8, 5, 5, 3), "conv.bias": (8,)}, format="mlx")
    assert layers["conv"].axes["weight"] == (OUTPUTS, KERNEL, KERNEL, INPUTS)


def test_query_key_and_value_are_attention_together(read):
    tensors = {f"mix.{name}.weight": (8, 8) for name in ("query", "key")}
    assert [layer.kind for layer in read(tensors, "PyTorch").values()] == ["attention query", "attention key"]


def test_a_normalization_after_it_tells_which_way_a_convolution_leads(read):
    """The generator of DCGAN is made of transposed convolutions without biases, and says so nowhere."""
    tensors = {"main.0.weight": (100, 512, 4, 4), "main.1.weight": (512,), "main.1.bias": (512,)}
    tensors |= {"main.3.weight": (256, 512, 4, 4), "main.4.weight": (256,), "main.4.bias": (256,)}
    layers = read(tensors | {"main.6.weight": (64, 3, 4, 4)}, "PyTorch")
    assert (layers["main.0"].inputs, layers["main.0"].outputs) == (100, 512)
    assert (layers["main.3"].inputs, layers["main.3"].outputs) == (512, 256)
    assert layers["main.6"].kind == "unknown"


def test_a_square_convolution_beside_a_transposed_one_may_be_either(read):
    decoder = {"up.0.weight": (64, 32, 4, 4), "up.0.bias": (32,), "up.2.weight": (32, 32, 4, 4), "up.2.bias": (32,)}
    layers = read(decoder | {"down.0.weight": (32, 32, 4, 4), "down.0.bias": (32,)}, "PyTorch")
    assert [layer.kind for layer in layers.values()] == ["convolution", "unknown", "convolution"]
    assert (layers["up.0"].inputs, layers["up.0"].outputs) == (64, 32)
