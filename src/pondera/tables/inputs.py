"""Columns -> what a network is given: encoded and scaled, in the precision of its weights.

The encoded values are never all there at once: figures are taken from one input at a time, and rows are scaled in
blocks. A table needs little more memory than the network's inputs themselves.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import DTypeLike, NDArray

from pondera.tables.encode import Encoding, Unseen
from pondera.tables.figures import checked_weights
from pondera.tables.parts import Where, row_number
from pondera.tables.scale import Scaling

VALUES_AT_ONCE = 1 << 22
"""How many encoded values are held at a time: 32 MB."""


def scaling_of(
    encoding: Encoding, frame: pl.DataFrame, how: str, weights: NDArray[np.float64] | None = None
) -> Scaling:
    """Return the scaling of the inputs, from training rows only; ``how`` and ``weights`` as in :meth:`Scaling.fit`."""
    return Scaling.of_inputs(encoding.each_input(frame), how, checked_weights(weights, frame.height))


def inputs_of(
    encoding: Encoding,
    scaling: Scaling,
    frame: pl.DataFrame,
    dtype: DTypeLike = np.float32,
    where: Where = row_number,
) -> tuple[NDArray[Any], Unseen]:
    """Encode and scale rows.

    Parameters
    ----------
    encoding, scaling
        What training rows made them.
    frame
        Columns are found by name.
    dtype
        ``float32`` or ``float64``.
    where
        Says where a row is, in an error.

    Returns
    -------
    x
        (rows, inputs), C-contiguous, without NaN.
    unseen
        What the rows held that training had not.

    Raises
    ------
    TableError
        A column is not there, holds another type than in training, or an infinite value.

    Examples
    --------
    >>> frame = pl.DataFrame({"age": [30, 40, None], "sex": ["f", "m", "f"]})
    >>> encoding = Encoding.fit(frame)
    >>> inputs_of(encoding, scaling_of(encoding, frame, "none"), frame)[0].tolist()
    [[30.0, 0.0, -1.0], [40.0, 0.0, 1.0], [0.0, 1.0, -1.0]]
    """
    width = len(encoding.inputs)
    x = np.empty((frame.height, width), dtype)
    categories: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    block = max(VALUES_AT_ONCE // max(width, 1), 1)
    for start in range(0, max(frame.height, 1), block):  # a table without rows is looked at too
        rows = slice(start, start + block)
        matrix, unseen = encoding.transform(frame[rows], partial(_later, where, start))
        x[rows] = scaling.transform(matrix, dtype)
        categories.update(unseen.categories)
        missing.update(unseen.missing)
    return x, Unseen(dict(categories), dict(missing))


def _later(where: Where, start: int, row: int) -> str:
    return where(start + row)
