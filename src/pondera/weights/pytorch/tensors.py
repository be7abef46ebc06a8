"""A tensor as a PyTorch checkpoint describes it -> a tensor whose values can be read, with every claim checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pondera.errors import ModelFileError
from pondera.weights.archive import Entry, Inflated
from pondera.weights.layout import Converted, Strided
from pondera.weights.mapped import checked_shape
from pondera.weights.pytorch.machine import Name
from pondera.weights.pytorch.objects import ELEMENTS, Placed
from pondera.weights.tensor import Array, Mapped, Source, Tensor

NOTHING = memoryview(bytes(16))

LARGEST_REPEAT = 64
"""All tensors together may have as many times the bytes of the file: several may share values, but not without end."""

ALWAYS_ALLOWED = 1 << 30


@dataclass(frozen=True)
class Dequantized:
    """Whole numbers that stand for others: ``(number − zero) · scale``, as float32.

    Attributes
    ----------
    source
        The whole numbers.
    scale, zero
        One for all, or one for each place along an axis.
    inner
        How many values in a row share them.
    """

    source: Source
    scale: Array
    zero: Array
    inner: int

    @property
    def nbytes(self) -> int:
        """How many bytes the values take where they are stored."""
        return self.source.nbytes

    def flat(self, start: int, stop: int) -> Array:
        """Return the values start … stop − 1 as float32."""
        at = np.arange(start, stop) // self.inner % len(self.scale)
        numbers = self.source.flat(start, stop).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # a scale may be any number
            found: Array = ((numbers - self.zero[at]) * self.scale[at]).astype(np.float32)
        return found


def tensor_of(path: Path, name: str, placed: Placed) -> Tensor:
    """Return a tensor that a checkpoint describes.

    Raises
    ------
    ModelFileError
        If it cannot be: values outside its storage, a storage that is missing or too small, steps backwards.
    """
    if placed.dtype not in ELEMENTS:
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} has the dtype torch.{placed.dtype:.40}, which is not read. Save it as "
            "float32."
        )
    shape = checked_shape(path, name, placed.shape)
    source = _source(path, name, placed, shape)
    if placed.quantizer is not None:
        source = _dequantized(path, name, placed.quantizer, shape, source)
    return Tensor(name, shape, placed.dtype, source)


def _source(path: Path, name: str, placed: Placed, shape: tuple[int, ...]) -> Source:
    storage, dtype = placed.storage, ELEMENTS[placed.dtype]
    first, strides = _place(path, name, placed, shape)
    count = math.prod(shape)
    if not count:
        return Mapped(NOTHING, 0, dtype, 0)
    reach = 1 + sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    content = storage.content
    if content is None:
        raise ModelFileError(
            f"{path}: the values of tensor {name!r:.200} (storage {storage.key!r:.40}) are missing. It is damaged."
        )
    there = content.size if isinstance(content, Entry) else len(content)
    if storage.size > there or (first + reach) * dtype.itemsize > storage.size:
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} would end at byte {(first + reach) * dtype.itemsize:,} of its storage "
            f"{storage.key!r:.40}, which says it has {storage.size:,} bytes and has {there:,}. The file is damaged."
        )
    stored = dtype.newbyteorder(">") if storage.big and dtype.itemsize > 1 else dtype
    contiguous, step = True, 1
    for length, found in zip(reversed(shape), reversed(strides), strict=True):
        contiguous, step = contiguous and (length == 1 or found == step), step * length
    source: Source
    if isinstance(content, Entry):
        if not contiguous:
            raise ModelFileError(
                f"{path}: tensor {name!r:.200} is transposed or sliced, and lies in a compressed archive, where it "
                "cannot be read. Pack the archive again without compression (zip -0)."
            )
        source = Inflated(content, first * dtype.itemsize, stored, count)
    elif contiguous:
        source = Mapped(content, first * dtype.itemsize, stored, count)
    else:
        source = Strided(content, first * dtype.itemsize, stored, tuple(shape), tuple(strides))
    return source if stored is dtype else Converted(source, dtype)


def _place(path: Path, name: str, placed: Placed, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Return where the first value lies, and the steps along the axes."""
    if type(placed.offset) is not int or placed.offset < 0:
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} would begin at value {_shown(placed.offset)!r:.40} of its storage. It is "
            "damaged."
        )
    strides = [step for step in placed.strides if type(step) is int and step >= 0]
    if len(strides) != len(shape):
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} has the steps {list(map(_shown, placed.strides))!r:.200}; expected whole "
            "numbers of at least 0. The file is damaged."
        )
    return placed.offset, tuple(strides)


def _shown(value: object) -> object:
    return value if isinstance(value, int | float | str) else type(value).__name__


def _dequantized(
    path: Path, name: str, quantizer: tuple[object, ...], shape: tuple[int, ...], source: Source
) -> Source:
    """Return the numbers that quantized values stand for."""
    scheme = quantizer[0].text if isinstance(quantizer[0], Name) else "?"
    axis = 0
    if scheme == "torch.per_tensor_affine" and len(quantizer) == 3:
        scale, zero = quantizer[1:]
        if not isinstance(scale, int | float) or not isinstance(zero, int | float):
            raise _unquantized(path, name, scheme)
        try:
            scales, zeros = np.array([float(scale)]), np.array([float(zero)])
        except OverflowError:
            raise _unquantized(path, name, scheme) from None
    elif scheme.startswith("torch.per_channel_affine") and len(quantizer) == 4:
        given = quantizer[3]
        if type(given) is not int or not 0 <= given < len(shape):
            raise _unquantized(path, name, scheme)
        axis = given
        scales, zeros = (_numbers(path, name, part, shape[axis]) for part in quantizer[1:3])
    else:
        raise _unquantized(path, name, scheme)
    inner = math.prod(shape[axis + 1 :]) if len(scales) > 1 else 1
    return Dequantized(source, scales, zeros, max(inner, 1)) if math.prod(shape) else source


def _numbers(path: Path, name: str, part: object, count: int) -> Array:
    """Return the parameters of an axis, which are read at once."""
    if not isinstance(part, Placed) or part.quantizer is not None or len(part.shape) != 1 or part.shape[0] != count:
        raise _unquantized(path, name, "an axis")
    tensor = tensor_of(path, name, part)
    if ELEMENTS[part.dtype].kind not in "iuf" or isinstance(part.storage.content, Entry):
        raise _unquantized(path, name, "an axis")
    return tensor.values().astype(np.float64)


def _unquantized(path: Path, name: str, scheme: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: tensor {name!r:.200} is quantized by {scheme:.80} in a way that is not read. Save it after "
        "dequantize()."
    )


def check_sizes(path: Path, tensors: list[Tensor], size: int) -> None:
    """Refuse tensors that together have far more bytes than their file.

    Raises
    ------
    ModelFileError
        Says how many.
    """
    total = sum(tensor.nbytes for tensor in tensors)
    if total > LARGEST_REPEAT * size + ALWAYS_ALLOWED:
        raise ModelFileError(
            f"{path}: the tensors would have {total:,} bytes, in a file of {size:,}. It is damaged, or made to look "
            "larger than it is."
        )
