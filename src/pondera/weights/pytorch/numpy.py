"""NumPy's arrays and numbers inside a pickle: arrays are tensors that lie in the pickle itself."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.weights.mapped import MOST_AXES
from pondera.weights.pytorch.machine import Built, Machine, Name, Record
from pondera.weights.pytorch.objects import Arguments, Placed, Storage
from pondera.weights.tensor import DTYPES

NUMBERS = re.compile(r"[biufc]\d{1,2}|\?")


@dataclass(slots=True, eq=False, repr=False)
class NumpyDtype(Built):
    """A dtype as a pickle describes it."""

    text: str
    order: str = "="

    def take_state(self, machine: Machine, state: object) -> None:
        """Keep the byte order, which is all that numbers have."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = str(state[1])

    def found(self) -> np.dtype[Any] | None:
        """Return the dtype if it is one of numbers, in the byte order of the file."""
        try:
            dtype = (
                DTYPES[self.text]
                if self.text in DTYPES
                else np.dtype(self.text if NUMBERS.fullmatch(self.text) else "V")
            )
        except TypeError:
            return None
        if dtype.name not in DTYPES:
            return None
        return dtype.newbyteorder(">") if self.order == ">" else dtype


@dataclass(slots=True, eq=False, repr=False)
class NumpyArray(Built):
    """An array as a pickle describes it.

    Attributes
    ----------
    placed
        Its numbers, as they lie in the pickle; None until they are known, and for what are no numbers.
    """

    placed: Placed | None = None

    def take_state(self, machine: Machine, state: object) -> None:
        """Keep shape, dtype and values."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise machine.damaged("a NumPy array lacks its shape, dtype or values")
        _, shape, dtype, fortran, data = state
        self.placed = _array(machine, shape, dtype, bool(fortran), data)


def _array(machine: Machine, shape: object, dtype: object, fortran: bool, data: object) -> Placed | None:
    if isinstance(data, str):  # bytes of Python 2
        data = memoryview(data.encode("utf-8"))
    kind = dtype.found() if isinstance(dtype, NumpyDtype) else None
    if kind is None or not isinstance(data, memoryview):
        return None
    whole = isinstance(shape, tuple) and len(shape) <= MOST_AXES and all(type(length) is int for length in shape)
    if not isinstance(shape, tuple) or not whole:
        raise machine.damaged("a NumPy array lacks its shape")
    steps = _steps(shape) if fortran else _steps(shape[::-1])[::-1]
    name = np.dtype(kind.type).name
    return Placed(Storage("", name, len(data), data, kind.byteorder == ">"), name, 0, shape, tuple(steps))


def _steps(lengths: Sequence[int]) -> list[int]:
    """Return the steps along axes of which the first is the fastest."""
    return list(itertools.accumulate(lengths[:-1], lambda a, b: a * b, initial=1))[: len(lengths)]


def _reconstruct(machine: Machine, arguments: Arguments) -> NumpyArray:
    return NumpyArray()


def _from_buffer(machine: Machine, arguments: Arguments) -> NumpyArray:
    if len(arguments) != 4:
        raise machine.damaged("a NumPy array lacks its shape, dtype or values")
    data, dtype, shape, order = arguments
    return NumpyArray(_array(machine, shape, dtype, order == "F", data))


def _scalar(machine: Machine, arguments: Arguments) -> object:
    kind = arguments[0].found() if arguments and isinstance(arguments[0], NumpyDtype) else None
    data = arguments[1] if len(arguments) > 1 else None
    if isinstance(data, str):
        data = data.encode("utf-8")
    if kind is None or not isinstance(data, memoryview | bytes):
        return Record("numpy.generic")
    if len(data) != kind.itemsize:
        raise machine.damaged(f"a number of {kind.itemsize} bytes has {len(data)}")
    number = np.frombuffer(data, kind).astype(kind.type)[0].item()
    return number if isinstance(number, bool | int | float | complex) else float(number)


def _dtype(machine: Machine, arguments: Arguments) -> NumpyDtype:
    given = arguments[0] if arguments else None
    text = given if isinstance(given, str) else given.text.rpartition(".")[2] if isinstance(given, Name) else ""
    return NumpyDtype(text)


def _device_tensor(machine: Machine, arguments: Arguments) -> object:
    """Return a tensor of a device without storages, which is written as an array."""
    if not arguments or not isinstance(arguments[0], NumpyArray):
        raise machine.damaged("a tensor lacks its values")
    return arguments[0]


NUMPY_NAMES = {
    name: Name(name, build)
    for name, build in {
        "numpy.dtype": _dtype,
        "torch._utils._rebuild_device_tensor_from_numpy": _device_tensor,
        **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
        **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
        **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
    }.items()
}
"""NumPy's functions -> what they stand for."""
