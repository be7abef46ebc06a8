"""Groups of an ONNX graph: what an operation does with a tensor says what it is, whatever it is called.

The operations and the order of their inputs are those of https://onnx.ai/onnx/operators and of ONNX Runtime's
``com.microsoft`` ones. Tensors that one node takes are listed one after the other in ``metadata["uses"]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pondera.weights.collection import Weights
from pondera.weights.naming.groups import Group, by_name, is_real, placed
from pondera.weights.naming.schemes import NONE, Scheme
from pondera.weights.naming.shapes import fits, spread
from pondera.weights.tensor import Tensor


class Use(NamedTuple):
    """What a tensor is to an operation that takes it as one of its inputs.

    Attributes
    ----------
    kind, role
        Of the layer, and in it.
    axes
        As letters, one alternative for each number of axes.
    """

    kind: str
    role: str
    axes: tuple[str, ...] = ()


def _each(kind: str, roles: Mapping[int, str], **axes: tuple[str, ...]) -> dict[int, Use]:
    return {place: Use(kind, role, axes.get(role, ())) for place, role in roles.items()}


NORMALIZATION = {1: "weight", 2: "bias", 3: "mean", 4: "variance"}
RECURRENT = {1: "weight", 2: "recurrent", 3: "bias", 5: "initial_hidden", 6: "initial_cell", 7: "peephole"}
QUANTIZED = {1: "packed", 2: "scales", 3: "zero_points"}

USES: dict[str, dict[int, Use]] = {
    "MatMul": {0: Use("dense", "weight", ("OI",)), 1: Use("dense", "weight", ("IO", "SIO"))},
    "com.microsoft.FusedMatMul": {1: Use("dense", "weight", ("IO",))},
    "Gemm": _each("dense", {1: "weight", 2: "bias"}, weight=("IO",)),
    "com.microsoft.FusedGemm": _each("dense", {1: "weight", 2: "bias"}, weight=("IO",)),
    "Conv": _each("convolution", {1: "weight", 2: "bias"}, weight=("OI*",)),
    "com.microsoft.FusedConv": _each("convolution", {1: "weight", 2: "bias"}, weight=("OI*",)),
    "ConvTranspose": _each("convolution", {1: "weight", 2: "bias"}, weight=("IO*",)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _each("recurrent", RECURRENT, weight=("SOI",), recurrent=("SOI",))),
    "BatchNormalization": _each("normalization", NORMALIZATION),
    **dict.fromkeys(
        ("LayerNormalization", "InstanceNormalization", "GroupNormalization"),
        _each("normalization", {1: "weight", 2: "bias"}),
    ),
    **dict.fromkeys(
        ("RMSNormalization", "SimplifiedLayerNormalization", "com.microsoft.SimplifiedLayerNormalization"),
        _each("normalization", {1: "weight"}),
    ),
    "com.microsoft.SkipLayerNormalization": _each("normalization", {2: "weight", 3: "bias", 4: "added_bias"}),
    "com.microsoft.SkipSimplifiedLayerNormalization": _each("normalization", {2: "weight", 3: "added_bias"}),
    "com.microsoft.Attention": _each("fused attention", {1: "weight", 2: "bias"}, weight=("IO",)),
    "Gather": {0: Use("embedding", "weight", ("IO",))},
    "Add": {0: Use("", "bias"), 1: Use("", "bias")},
    "PRelu": {1: Use("scale", "weight")},
    **dict.fromkeys(("MatMulInteger", "com.microsoft.DynamicQuantizeMatMul"), _each("dense", {1: "packed"})),
    "com.microsoft.MatMulNBits": _each("dense", QUANTIZED),
    "ConvInteger": _each("convolution", {1: "packed"}),
    "QLinearMatMul": _each("dense", {3: "packed", 4: "scales", 5: "zero_points"}),
    "QLinearConv": _each("convolution", {3: "packed", 4: "scales", 5: "zero_points", 8: "bias"}),
    "DequantizeLinear": {0: Use("", "packed"), 1: Use("", "scales"), 2: Use("", "zero_points")},
}
"""Operation -> which of its inputs is what."""

PACKED = ("packed", "scales", "zero_points", "bias")  # roles that may be integers


class _Told(NamedTuple):
    """A tensor, and what one operation says it is."""

    tensor: Tensor
    operation: str
    place: int
    use: Use
    attributes: Mapping[str, Any]


def by_use(weights: Weights, scheme: Scheme) -> list[Group]:
    """Return the tensors of an ONNX graph in groups, the one first whose tensor is first."""
    groups: list[Group] = []
    before: tuple[str, int] = ("", 0)
    for told in _in_order(weights):
        if told is None:
            before = ("", 0)
            continue
        if groups and _continues(told, groups[-1], before):
            groups[-1].add(told.use.role, told.tensor)
        elif told.operation != "Add":
            groups.append(_begun(told))
        before = (told.operation, told.place)
    for group in groups:
        _name(group)
    known = {tensor.name for group in groups for tensor in group.tensors.values()}
    groups += by_name({name: tensor for name, tensor in weights.items() if name not in known}, scheme)
    order = {name: at for at, name in enumerate(weights)}
    return sorted(groups, key=lambda group: min(order[tensor.name] for tensor in group.tensors.values()))


def _in_order(weights: Weights) -> Iterator[_Told | None]:
    """Yield what the uses tell, in the order of the nodes; None for a tensor of which they tell nothing."""
    uses = weights.metadata.get("uses")
    for name, found in uses.items() if isinstance(uses, Mapping) else ():
        if name in weights and isinstance(found, list | tuple):
            yield _told(weights[name], found)


def _told(tensor: Tensor, uses: list[Any] | tuple[Any, ...]) -> _Told | None:
    for operation, place, attributes in uses:
        use = USES.get(operation, {}).get(place)
        if use is None or not (is_real(tensor) or use.role in PACKED):
            continue
        if not use.axes or any(spread(letters, tensor.ndim) for letters in use.axes):
            if not is_real(tensor) and operation == "Add":
                continue
            return _Told(tensor, operation, place, use, attributes)
    return None


def _continues(told: _Told, group: Group, before: tuple[str, int]) -> bool:
    """Whether a tensor belongs to the node of the tensor before it, or is added to what that one's product gives."""
    if told.use.role in group.tensors:
        return False
    if told.operation == before[0]:
        return told.place > before[1]
    weight = group.tensors.get("weight")
    if told.operation != "Add" or before[0] != "MatMul" or weight is None:
        return False
    axes = spread(group.axes["weight"], weight.ndim)
    shape = told.tensor.shape  # (outputs,), or (1, …, outputs)
    return shape[-1:] == (told.tensor.count,) and fits(axes, weight.shape, shape)


def _begun(told: _Told) -> Group:
    use, tensor = told.use, told.tensor
    group = Group("", (), {use.role: tensor}, use.kind)
    letters = next((each for each in use.axes if spread(each, tensor.ndim)), "")
    if told.operation.endswith("Gemm") and told.attributes.get("transB"):
        letters = letters[::-1]
    for role in ("weight", "recurrent") if letters else ():
        group.axes[role] = letters
    if use.kind == "convolution":
        groups = told.attributes.get("group", 1)
        group.groups = groups if isinstance(groups, int) and groups > 0 else None
    return group


def _name(group: Group) -> None:
    """Name a group by the first of its tensors whose name's end is known, otherwise by its main one."""
    for role in sorted(group.tensors, key=lambda role: (role != "weight", role != "bias")):
        name, parts, leaf = placed(group.tensors[role].name, NONE)
        if leaf is not None and name and leaf.role == role:
            group.name, group.parts, group.named = name, parts, True
            return
    first = next(iter(group.tensors.values())).name
    group.name, group.parts = first, (first,)
