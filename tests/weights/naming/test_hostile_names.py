import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pondera.weights.collection import Weights
from pondera.weights.naming.assembly import layers_of
from pondera.weights.naming.common import canonical
from pondera.weights.tensor import Mapped, Tensor

KNOWN = (
    "blk 0 layers attn_q attn c_attn c_proj qkv query norm weight bias kernel scale lora_A weight_ih_l0 weight_hh_l0 "
    "conv experts gate_up_proj down_proj vars running_mean mean variance ² x up params table embedding scales "
    "recurrent_kernel depthwise_kernel"
)
PARTS = st.sampled_from([*KNOWN.split(), "", "7" * 50])
NAMES = st.one_of(st.text(max_size=30), st.lists(PARTS, min_size=1, max_size=6).map(".".join))
NAMES = st.one_of(NAMES, st.lists(PARTS, min_size=1, max_size=6).map("/".join))
SHAPES = st.lists(st.integers(0, 8), max_size=6).map(tuple)
DTYPES = st.sampled_from(["float32", "int64", "uint8", "Q4_K", "complex64", "bool", "float8_e4m3fn"])
FORMATS = st.sampled_from(["safetensors", "PyTorch", "Keras .keras", "GGUF", "ONNX", "NumPy .npz"])
OPERATIONS = ["MatMul", "Gemm", "Conv", "ConvTranspose", "LSTM", "Add", "Gather", "BatchNormalization", "MatMulInteger"]
USES = st.lists(
    st.tuples(
        st.sampled_from(OPERATIONS),
        st.integers(0, 5),
        st.fixed_dictionaries({}, optional={"group": st.integers(-1, 9)}),
    ),
    max_size=3,
)
METADATA = st.sampled_from(
    [
        {},
        {"config": {"n_head": 3, "hidden_size": 8, "model_type": "bloom"}},
        {"config": 7},
        {"format": "mlx"},
        {"pondera": ""},
    ]
)


@given(st.dictionaries(NAMES, st.tuples(SHAPES, DTYPES), max_size=12), FORMATS, METADATA, st.data())
def test_every_tensor_is_in_one_layer_whatever_its_name(named, kind, metadata, data):
    source = Mapped(memoryview(b""), 0, np.dtype("u1"), 0)
    tensors = [Tensor(name, shape, dtype, source) for name, (shape, dtype) in named.items()]
    uses = {name: data.draw(USES) for name in named} if kind == "ONNX" else {}
    weights = Weights.of(tensors, kind, metadata=metadata | {"uses": uses})
    layers = layers_of(weights)
    assert sorted(name for layer in layers for name in layer.tensors.values()) == sorted(named)
    assert len({layer.name for layer in layers}) == len(layers)
    for layer in layers:
        for role, axes in layer.axes.items():
            assert len(axes) == weights[layer.tensors[role]].ndim
        assert layer.axes.keys() <= layer.tensors.keys()
    found = canonical(weights)
    assert found.keys() <= named.keys()
    assert len({*found.values()}) == len(found)


def test_a_tensor_without_a_name_beside_one_that_is_called_as_its_role():
    source = Mapped(memoryview(b""), 0, np.dtype("u1"), 0)
    layers = layers_of(Weights.of([Tensor(name, (3,), "float32", source) for name in ("", "weight")], "safetensors"))
    assert sorted(name for layer in layers for name in layer.tensors.values()) == ["", "weight"]


def test_long_names():
    source = Mapped(memoryview(b""), 0, np.dtype("u1"), 0)
    names = ["a." * 500_000 + "weight", "_" * 1_000_000 + ".weight", "1" * 1_000_000, "a1_" * 300_000 + "/kernel"]
    weights = Weights.of([Tensor(name, (3, 3), "float32", source) for name in names], "safetensors")
    assert len(layers_of(weights)) == 4
    canonical(weights)
