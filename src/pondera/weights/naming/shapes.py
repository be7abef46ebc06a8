"""What shapes tell: which axis is which.

Axes are written as letters: ``O`` outputs, ``I`` inputs, ``S`` a stack of matrices, ``*`` the places of a kernel, as
many axes as there are. ``"OI*"`` is a convolution of PyTorch, ``"*IO"`` one of Keras.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, STACK

LETTERS = {"O": OUTPUTS, "I": INPUTS, "S": STACK}
MATRICES = ("OI", "IO")
MOST_KERNEL = 3
"""Convolutions have places along one to three axes."""

Axes = tuple[str, ...]
Shape = tuple[int, ...]


@functools.lru_cache(maxsize=1024)
def spread(letters: str, ndim: int) -> Axes:
    """Return the axes that letters stand for, none if there are not as many.

    Examples
    --------
    >>> spread("OI*", 4)
    ('outputs', 'inputs', 'kernel', 'kernel')
    >>> spread("OI", 3)
    ()
    """
    places = ndim - len(letters) + 1
    if "*" in letters:
        if not 1 <= places <= MOST_KERNEL:
            return ()
        return tuple(axis for each in letters for axis in ([KERNEL] * places if each == "*" else [LETTERS[each]]))
    return tuple(LETTERS[each] for each in letters) if len(letters) == ndim else ()


def sizes(axes: Axes, shape: Shape) -> tuple[int, int]:
    """Return how many inputs and outputs there are; of a stack, the outputs of all its matrices.

    Examples
    --------
    >>> sizes(("outputs", "inputs", "kernel"), (64, 3, 7))
    (3, 64)
    """
    inputs = outputs = 1
    for length, axis in zip(shape, axes, strict=True):
        if axis == INPUTS:
            inputs *= length
        elif axis != KERNEL:
            outputs *= length
    return inputs, outputs


def fits(axes: Axes, shape: Shape, bias: Shape) -> bool:
    """Whether a bias has one value for each output.

    Examples
    --------
    >>> fits(("outputs", "inputs"), (4, 3), (4,)), fits(("inputs", "outputs"), (4, 3), (4,))
    (True, False)
    """
    lengths = tuple(n for n, axis in zip(shape, axes, strict=True) if axis in (OUTPUTS, STACK))
    found = tuple(n for n in bias if n != 1)
    return found in (tuple(n for n in lengths if n != 1), tuple(n for n in (math.prod(lengths),) if n != 1))


def told(candidates: Sequence[str], shape: Shape, bias: Shape | None, certain: bool) -> Axes:
    """Return the axes of a weight, none where nothing tells them.

    Parameters
    ----------
    candidates
        Axes as letters, the likeliest first.
    shape, bias
        Shapes of the weight and its bias.
    certain
        Whether the first candidate is what the scheme says: then it is taken where the bias does not rule it out.
        Otherwise the bias must fit one of them and no other.

    Examples
    --------
    >>> told(("OI", "IO"), (4, 3), (3,), certain=True)
    ('inputs', 'outputs')
    >>> told(("OI", "IO"), (3, 3), (3,), certain=False)
    ()
    """
    if bias is None:
        return spread(candidates[0], len(shape)) if certain else ()
    possible = [axes for axes in (spread(each, len(shape)) for each in candidates) if axes and fits(axes, shape, bias)]
    return possible[0] if possible and (certain or len({*possible}) == 1) else ()
