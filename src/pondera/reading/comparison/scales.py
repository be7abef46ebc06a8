"""Codes whose scales lie beside them, made comparable with values that need none."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from pondera.weights.collection import Weights
from pondera.weights.quantized.scaled import CODES, scaled
from pondera.weights.tensor import Tensor


def with_scales(weights: Weights, other: Weights) -> Weights:
    """Return a network with the values that its codes and scales stand for, where the other has no such codes.

    What both store as codes stays as it is: codes are compared with codes, scales with scales.

    Examples
    --------
    >>> with_scales(Weights.of([], "none"), Weights.of([], "none"))
    <Weights: 0 tensors, 0 values, none>
    """
    if not any(tensor.dtype in CODES for tensor in weights.values()):
        return weights
    from pondera.weights.naming.assembly import groups_of

    scheme, groups = groups_of(weights)
    tensors: dict[str, Tensor] = dict(weights.tensors)
    for group in groups:
        codes = group.tensors.get("packed") or group.tensors.get("weight")
        scales, zeros = group.tensors.get("scales"), group.tensors.get("zero_points")
        if codes is None or scales is None or (codes.name in other and other[codes.name].dtype == codes.dtype):
            continue
        values = scaled(codes, scales, zeros, last=scheme.matrix == "IO")
        if values is not None:
            tensors[codes.name] = values
            for beside in (scales, zeros, group.tensors.get("input_scale")):
                if beside is not None and beside.name not in other:
                    tensors.pop(beside.name, None)
    return replace(weights, tensors=MappingProxyType(tensors))
