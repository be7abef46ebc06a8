"""Whether one of two files is a low-rank adapter of the other one's network (Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

from dataclasses import dataclass

from pondera.choice import counted
from pondera.weights.collection import Weights
from pondera.weights.naming.groups import Group


@dataclass(frozen=True)
class Adapter:
    """An adapter that lies beside its network.

    Attributes
    ----------
    which
        Which of the two is the adapter: ``"first"`` or ``"second"``.
    layers
        How many layers of the other it is for.
    ranks
        Its ranks, each once, the smallest first.
    """

    which: str
    layers: int
    ranks: tuple[int, ...]

    @property
    def statement(self) -> str:
        """What it is, as a sentence."""
        other = {"first": "second", "second": "first"}[self.which]
        low, high = self.ranks[0], self.ranks[-1]
        rank = f"rank {low}" if low == high else f"ranks {low} to {high}"
        return (
            f"Low-rank adapter of the other: the {self.which} holds an adapter of {rank} for "
            f"{counted(self.layers, 'layer')} of the {other}, no network of its own. To see what it changes, merge it "
            "into the network (peft: merge_and_unload) and compare the result."
        )


def adapter_of(a: Weights, b: Weights) -> Adapter | None:
    """Return which of two networks is an adapter of the other; None where neither is.

    Examples
    --------
    >>> adapter_of(Weights.of([], "none"), Weights.of([], "none"))
    """
    from pondera.weights.naming.assembly import groups_of

    sides = [groups_of(weights)[1] for weights in (a, b)]
    for which, small, big in (("first", sides[0], sides[1]), ("second", sides[1], sides[0])):
        adapted = [group for group in small if {"lora_a", "lora_b"} <= set(group.tensors)]
        layers = {group.parts: group for group in big if "weight" in group.tensors}
        ranks = {rank for group in adapted if (rank := _rank(group, layers)) is not None}
        alone = 2 * sum(len(group.tensors) for group in adapted) > sum(len(group.tensors) for group in small)
        if alone and ranks and not any("lora_a" in group.tensors for group in big):
            fitting = sum(_rank(group, layers) is not None for group in adapted)
            return Adapter(which, fitting, tuple(sorted(ranks)))
    return None


def _rank(group: Group, layers: dict[tuple[str, ...], Group]) -> int | None:
    """Return the rank of an adapter's layer; None where no layer of its name and shape is known."""
    ends = (group.parts[at:] for at in range(len(group.parts)))
    layer = next((layers[end] for end in ends if end in layers), None)
    if layer is None:
        return None
    a, b, weight = group.tensors["lora_a"], group.tensors["lora_b"], layer.tensors["weight"]
    inner = set(a.shape) & set(b.shape)
    outer = {side for side in (*a.shape, *b.shape) if side in weight.shape}
    return min(inner) if inner and outer else None
