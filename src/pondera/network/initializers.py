"""The random starts of weights.

An initializer is a function ``(random, shape, **options) -> float64 array``. The numbers come from NumPy, so a start is
the same on every kind of device; they are drawn in float64 and rounded once to the network's own precision.
``shape`` is ``(inputs, units)``: the fan-in is its first entry, the fan-out its last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from pondera.constraints import number

Array = npt.NDArray[np.float64]
Initializer = Callable[..., Array]
Spread = Annotated[float, number(0)]


def normal(random: np.random.Generator, shape: tuple[int, ...], *, std: Spread = 0.01) -> Array:
    """N(0, std²): "small random numbers", as in Krizhevsky, Sutskever & Hinton 2012 (std 0.01)."""
    draws = random.standard_normal(shape)
    draws *= std
    return draws


def uniform(random: np.random.Generator, shape: tuple[int, ...], *, limit: Spread = 0.05) -> Array:
    """U(−limit, limit). Rumelhart, Hinton & Williams 1986 start from small uniform random weights."""
    return random.uniform(-limit, limit, shape)


def lecun_normal(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, 1/fan-in). LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp"."""
    return normal(random, shape, std=math.sqrt(1 / _fans(shape)[0]))


def lecun_uniform(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """U(±√(3/fan-in)). LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp"."""
    return uniform(random, shape, limit=math.sqrt(3 / _fans(shape)[0]))


def glorot_normal(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, 2/(fan-in + fan-out)). Glorot & Bengio 2010, "Understanding the difficulty of training deep networks"."""
    return normal(random, shape, std=math.sqrt(2 / sum(_fans(shape))))


def glorot_uniform(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """U(±√(6/(fan-in + fan-out))). Glorot & Bengio 2010, equation 16."""
    return uniform(random, shape, limit=math.sqrt(6 / sum(_fans(shape))))


def he_normal(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """N(0, 2/fan-in), which keeps the scale through ReLU layers. He, Zhang, Ren & Sun 2015, arXiv 1502.01852."""
    return normal(random, shape, std=math.sqrt(2 / _fans(shape)[0]))


def he_uniform(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """U(±√(6/fan-in)). He, Zhang, Ren & Sun 2015, arXiv 1502.01852."""
    return uniform(random, shape, limit=math.sqrt(6 / _fans(shape)[0]))


def orthogonal(random: np.random.Generator, shape: tuple[int, ...], *, gain: float = 1.0) -> Array:
    """Orthonormal rows or columns, times gain. Saxe, McClelland & Ganguli 2014, arXiv 1312.6120.

    The signs of R's diagonal make the draw uniform over the orthogonal group (Mezzadri 2007, math-ph/0609050).
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diag(r) < 0, -gain, gain)
    return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)


def zeros(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """All zero. Right for biases and last layers; in a hidden layer every unit would stay the same as its neighbour."""
    return np.zeros(shape)


def constant(random: np.random.Generator, shape: tuple[int, ...], *, value: float = 1.0) -> Array:
    """All the same value, for example the ones of a scaling layer."""
    return np.full(shape, float(value))


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    return math.prod(shape[:-1]) or 1, shape[-1]


INITIALIZERS: dict[str, Initializer] = {
    "normal": normal,
    "uniform": uniform,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "orthogonal": orthogonal,
    "zeros": zeros,
    "constant": constant,
}


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one weight: they follow from the seed and the weight's name alone.

    A layer that is added or removed elsewhere therefore leaves the start of all others as it was.
    """
    entropy: list[Any] = [seed, *name.encode()]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
