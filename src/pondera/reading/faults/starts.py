"""The scales that standard initializers start weights with, as standard deviations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Scale(NamedTuple):
    """A standard deviation that an initializer gives, what it is called, and whether it follows from a layer's size."""

    deviation: float
    name: str
    by_size: bool = True


BY_FANS: tuple[tuple[str, Callable[[int, int], float]], ...] = (
    ("He (Kaiming)", lambda into, out: math.sqrt(2 / into)),  # He et al. 2015, arXiv 1502.01852
    ("He (Kaiming), fan-out", lambda into, out: math.sqrt(2 / out)),
    ("LeCun", lambda into, out: math.sqrt(1 / into)),  # LeCun et al. 1998, "Efficient BackProp"
    ("PyTorch's Linear and Conv", lambda into, out: math.sqrt(1 / (3 * into))),  # kaiming_uniform_(a=√5)
    ("Glorot (Xavier)", lambda into, out: math.sqrt(2 / (into + out))),  # Glorot & Bengio 2010
    ("Glorot (Xavier), gain 5/3", lambda into, out: 5 / 3 * math.sqrt(2 / (into + out))),
    ("scikit-learn's MLP, logistic", lambda into, out: math.sqrt(2 / (3 * (into + out)))),
    ("1/√fan-out", lambda into, out: math.sqrt(1 / out)),
)
"""Initializers whose scale follows from the layer's fan-in and fan-out."""

RECURRENT = (3, 4)
"""Gates of a GRU and of an LSTM: PyTorch draws all their weights from U(±1/√hidden units)."""

FIXED = (
    (0.02, "0.02, as GPT and BERT"),
    (0.01, "0.01"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (1.0, "1, as embeddings and neural-tangent layers"),
    (0.006, "0.006"),
    (0.05 / math.sqrt(3), "Keras's uniform ±0.05"),
    (0.1 / math.sqrt(3), "uniform ±0.1"),
    (1 / math.sqrt(3), "uniform ±1"),
)
"""Scales that follow from nothing."""

GPT_DEPTHS = (6, 12, 24, 32, 36, 40, 48)
"""GPT-2 starts what leads back into the residual stream with 0.02 / √(2 · layers)."""


def scales(fans: Iterable[tuple[int, int]]) -> list[Scale]:
    """Return every scale that a tensor with one of these (fan-in, fan-out) may have started with.

    Examples
    --------
    >>> [scale.deviation for scale in scales([(50, 30)]) if scale.name == "He (Kaiming)"]
    [0.2]
    """
    found = [Scale(deviation, f"standard deviation {name}", False) for deviation, name in FIXED]
    for into, out in fans:
        if into > 0 and out > 0:
            found += [Scale(scale(into, out), name) for name, scale in BY_FANS]
            found += [
                Scale(math.sqrt(gates / (3 * out)), "PyTorch's recurrent layers")
                for gates in RECURRENT
                if out % gates == 0
            ]
    return found + [Scale(0.02 / math.sqrt(2 * depth), "GPT-2's residual layers", False) for depth in GPT_DEPTHS]
