"""Codes whose scales lie beside them, made comparable with other values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pondera.reading.comparison.alike import stored_alike
from pondera.reading.comparison.views import View
from pondera.weights.collection import Weights
from pondera.weights.pytorch.tensors import Dequantized
from pondera.weights.quantized.scaled import CODES, scaled, scaled_along
from pondera.weights.tensor import Tensor


@dataclass(frozen=True)
class Coded:
    """Codes and what lies beside them.

    Attributes
    ----------
    codes, scales, zeros
        The tensors; ``zeros`` None where there are no zero points.
    beside
        Those that are told with the codes, and not by themselves.
    last
        Whether outputs are the last axis.
    """

    codes: Tensor
    scales: Tensor
    zeros: Tensor | None
    beside: tuple[Tensor, ...]
    last: bool

    def is_stored_as(self, other: Coded | None) -> bool:
        """Whether the other's codes mean the same: with the same scales, so that they can be compared by themselves."""
        if other is None or self.codes.dtype != other.codes.dtype or self.codes.shape != other.codes.shape:
            return False
        return _alike(self.scales, other.scales) and _alike(self.zeros, other.zeros)


def with_scales(a: Weights, b: Weights) -> tuple[Weights, Weights]:
    """Return two networks with the values that codes and scales stand for.

    Codes that both store with the same scales stay as they are.

    Examples
    --------
    >>> with_scales(Weights.of([], "none"), Weights.of([], "none"))[0]
    <Weights: 0 tensors, 0 values, none>
    """
    one, other = _coded(a), _coded(b)
    return _decoded(a, one, b, other), _decoded(b, other, a, one)


def _decoded(weights: Weights, coded: Mapping[str, Coded], against: Weights, others: Mapping[str, Coded]) -> Weights:
    tensors: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        own = tensor.source
        if isinstance(own, Dequantized):
            tensors[name] = scaled_along(tensor, own.source, own.scale, own.zero, own.inner) or tensor
        else:
            tensors[name] = tensor
    for name, each in coded.items():
        values = None if each.is_stored_as(others.get(name)) else scaled(each.codes, each.scales, each.zeros, each.last)
        if values is None:
            continue
        tensors[name] = values
        for beside in each.beside:
            if beside.name not in against or name in others:
                tensors.pop(beside.name, None)
    return replace(weights, tensors=MappingProxyType(tensors))


def _coded(weights: Weights) -> dict[str, Coded]:
    """Return name of codes -> codes and scales, where the names of both say that they belong together."""
    if not any(tensor.dtype in CODES for tensor in weights.values()):
        return {}
    from pondera.weights.naming.assembly import groups_of

    scheme, groups = groups_of(weights)
    found = {}
    for group in groups:
        codes = group.tensors.get("packed") or group.tensors.get("weight")
        scales, zeros = group.tensors.get("scales"), group.tensors.get("zero_points")
        if codes is not None and scales is not None and codes.dtype in CODES:
            beside = tuple(each for each in (scales, zeros, group.tensors.get("input_scale")) if each is not None)
            found[codes.name] = Coded(codes, scales, zeros, beside, scheme.matrix == "IO")
    return found


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and stored_alike(View.of(one), View.of(other))
