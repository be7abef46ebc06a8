"""float32 by default, float64 on request, without a switch that stays thrown."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import numpy as np


def precision(arrays: Iterable[Any]) -> AbstractContextManager[Any]:
    """Return a context in which JAX keeps float64 if any of the arrays is float64.

    JAX rounds float64 to float32 unless told otherwise, and the switch is global; inside this context it is thrown
    and afterwards it is as it was.
    """
    wide = any(getattr(array, "dtype", None) == np.float64 for array in arrays)
    return jax.enable_x64(True) if wide else nullcontext()
