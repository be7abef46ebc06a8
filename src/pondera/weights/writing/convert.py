"""Weights of any format -> a file of another: planned first, so that what cannot be is said before anything is written.

Nothing is changed unless a dtype is asked for: values that the target holds are written bit for bit, those in block
encodings as what they decode to. A tensor is read and written a stretch at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pondera.choice import counted, unknown
from pondera.errors import ArgumentError, ModelFileError
from pondera.files import whole_file
from pondera.weights.collection import Weights
from pondera.weights.open import weights_of
from pondera.weights.packed import PACKED
from pondera.weights.tensor import DTYPES, Tensor
from pondera.weights.writing.notes import changes, left_out
from pondera.weights.writing.numpy import HELD as NUMPYS
from pondera.weights.writing.numpy import check_npy, check_npz, write_npy, write_npz
from pondera.weights.writing.outgoing import Outgoing, Told
from pondera.weights.writing.pytorch import HELD as PYTORCHS
from pondera.weights.writing.pytorch import write_pytorch
from pondera.weights.writing.rounding import Losses, holds
from pondera.weights.writing.safetensors import CODES, check_safetensors, write_safetensors


class Writer(NamedTuple):
    """One format: what it is called, how its files end, what it holds, and what writes it.

    ``check`` refuses tensors that the format cannot hold for another reason than their dtype, if there is one;
    ``write`` is given an empty file, tensors, texts, and what is told how many bytes were written.
    """

    format: str
    suffixes: tuple[str, ...]
    dtypes: frozenset[str]
    texts: bool
    check: Callable[[Sequence[Outgoing]], None] | None
    write: Callable[[Path, Sequence[Outgoing], Mapping[str, str], Told], None]


WRITERS: dict[str, Writer] = {
    "safetensors": Writer(
        "safetensors", (".safetensors",), frozenset(CODES), True, check_safetensors, write_safetensors
    ),
    "npz": Writer("NumPy .npz", (".npz",), NUMPYS, False, check_npz, write_npz),
    "npy": Writer("NumPy .npy", (".npy",), NUMPYS, False, check_npy, write_npy),
    "pytorch": Writer("PyTorch", (".pt", ".pth", ".bin"), PYTORCHS, False, None, write_pytorch),
}
"""What a format is asked for by -> what writes it."""

ROUNDED_TO = ("bfloat16", "float16", "float32", "float64")
"""The dtypes that values can be rounded to."""

WIDENED = {"uint2": "uint8", "int2": "int8", "uint4": "uint8", "int4": "int8"}
"""Whole numbers of fewer bits than eight -> what they come out as; all else that takes no whole bytes is float32."""


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes
    ----------
    path
        The file.
    format
        What kind of file it is.
    tensors, bytes
        How many tensors, and how long the file is.
    seconds
        How long it took.
    notes
        Sentences on what differs from the original: decoded, rounded or left out.
    """

    path: Path
    format: str
    tensors: int
    bytes: int
    seconds: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "out": str(self.path),
            "format": self.format,
            "tensors": self.tensors,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Plan:
    """What is going to be written, of which all was checked that can be without looking at values.

    Attributes
    ----------
    weights
        What is written, or some of it.
    path
        The file.
    writer
        Its format.
    tensors
        In the order they are listed in.
    texts
        Metadata that go along.
    notes
        What is known to differ from the original.
    """

    weights: Weights
    path: Path
    writer: Writer
    tensors: tuple[Outgoing, ...]
    texts: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """How many bytes the values will take."""
        return sum(tensor.nbytes for tensor in self.tensors)

    def write(self, progress: Told | None = None) -> Conversion:
        """Write the file, whole or not at all; ``progress`` is told the bytes of values as they are written.

        Raises
        ------
        ArgumentError
            If finite values would become infinite.
        ModelFileError
            If the place cannot be written to, or the original is damaged.
        """
        begun = time.perf_counter()
        told = progress or (lambda size: None)
        try:
            with whole_file(self.path) as part:
                self.writer.write(part, self.tensors, self.texts, told)
                size = part.stat().st_size
                self.weights.require_whole()
        except OSError as error:
            self.weights.require_whole()  # a page that is gone cannot be written either
            raise ModelFileError(f"{self.path}: cannot be written: {error.strerror or error}.") from error
        notes = (*changes(self.tensors), *self.notes)
        seconds = time.perf_counter() - begun
        return Conversion(self.path, self.writer.format, len(self.tensors), size, seconds, notes)


def convert(
    weights: Weights | str | os.PathLike[str],
    path: str | os.PathLike[str],
    dtype: str | None = None,
    progress: Told | None = None,
    *,
    to: str | None = None,
    optimizer: bool = False,
) -> Conversion:
    """Write weights to a file of another format, bit for bit unless a dtype is asked for.

    Parameters
    ----------
    weights
        What :func:`pondera.open` returns, or a path that it takes.
    path
        The file; an old one of that name is replaced once the new one is whole.
    dtype
        What floats are rounded to, to the nearest, halves to even: one of :data:`ROUNDED_TO`. Other numbers stay as
        they are.
    progress
        Is told how many bytes of values were written, again and again.
    to
        A name in :data:`WRITERS`; by default the path's ending says it.
    optimizer
        Whether what an optimizer keeps is written too.

    Raises
    ------
    ArgumentError
        If the format cannot hold the weights, or values would become infinite.
    ModelFileError
        If the weights cannot be read, or the place cannot be written to or is one of the files that they are in.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pondera
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/w.npz", kernel=np.ones((2, 3)), steps=np.array(7))
    ...     done = convert(f"{folder}/w.npz", f"{folder}/w.safetensors", "float16")
    ...     done.notes, pondera.open(f"{folder}/w.safetensors")["kernel"].dtype
    (('1 tensor of float64 as float16: no value changed.',), 'float16')
    """
    return plan(weights_of(weights), path, dtype, to=to, optimizer=optimizer).write(progress)


def plan(
    weights: Weights,
    path: str | os.PathLike[str],
    dtype: str | None = None,
    *,
    to: str | None = None,
    optimizer: bool = False,
) -> Plan:
    """Return what :func:`convert` would write, having read no values.

    Raises
    ------
    ArgumentError
        If the format cannot hold the weights.
    ModelFileError
        If the place is one of the files that the weights are in, or cannot be written to.
    """
    place = Path(path)
    writer = _writer(place, to)
    if dtype is not None and dtype not in ROUNDED_TO:
        raise ArgumentError(unknown("dtype", dtype, ROUNDED_TO))
    _check_place(place, weights)
    tensors = _chosen(weights, optimizer)
    outgoing = tuple(_outgoing(tensor, dtype, writer) for tensor in tensors)
    _check_held(outgoing, writer)
    _check_names(outgoing)
    if writer.check is not None:
        writer.check(outgoing)
    texts = _texts(weights.metadata) if writer.texts else None
    notes = left_out(weights, writer.format, texts, optimizer)
    return Plan(weights, place, writer, outgoing, texts or {}, tuple(notes))


def _writer(path: Path, to: str | None) -> Writer:
    """Return what writes a format that is asked for by name, or by how the file ends."""
    if to is not None:
        if to not in WRITERS:
            raise ArgumentError(unknown("format", to, WRITERS))
        return WRITERS[to]
    for writer in WRITERS.values():
        if path.suffix.lower() in writer.suffixes:
            return writer
    endings = ", ".join(suffix for writer in WRITERS.values() for suffix in writer.suffixes)
    raise ArgumentError(
        f"{path}: expected a file that ends in {endings}, or the format's name with --to ({', '.join(WRITERS)})."
    )


def _check_place(path: Path, weights: Weights) -> None:
    """Refuse a place that is no file, or is a file the weights are in, under whatever name."""
    try:
        there = os.path.realpath(path)
        exists = os.path.exists(there)
        taken = next((file for file in weights.files if _same(file, there, exists)), None)
    except ValueError as error:  # a path that no system has
        raise ModelFileError(f"{str(path)!r}: cannot be written: {error}.") from None
    if taken is not None:
        raise ModelFileError(f"{path}: is the file that the weights are read from. Give another name.")
    if exists and not os.path.isfile(there):
        what = "a folder" if os.path.isdir(there) else "a pipe or device"
        raise ModelFileError(f"{path}: is {what}; expected the name of a file to write.")


def _same(file: Path, there: str, exists: bool) -> bool:
    if os.path.realpath(file) == there:
        return True
    return exists and os.path.exists(file) and os.path.samefile(file, there)


def _chosen(weights: Weights, optimizer: bool) -> list[Tensor]:
    """Return the tensors to write."""
    tensors = list(weights.values())
    if optimizer:
        twice = next((name for name in weights.optimizer if name in weights), None)
        if twice is not None:
            raise ArgumentError(
                f"Both the model and the optimizer have a tensor {twice!r:.200}. Leave out --optimizer."
            )
        tensors += weights.optimizer.values()
    if not tensors:
        raise ArgumentError("There is no tensor to write.")
    return tensors


def _outgoing(tensor: Tensor, dtype: str | None, writer: Writer) -> Outgoing:
    """Return a tensor with the dtype it is written as."""
    own = tensor.dtype
    if own in PACKED:
        whole = tensor.count * PACKED[own][0] % 8 == 0
        stays = own in writer.dtypes and whole and dtype is None
        decoded = own if stays else "float32"
    else:
        decoded = own if own in DTYPES else WIDENED.get(own, "float32")
    if dtype is None or not decoded.startswith(("float", "bfloat")):
        return Outgoing(tensor, decoded)
    exact = holds(DTYPES[dtype], DTYPES[decoded])
    return Outgoing(tensor, dtype, None if exact else Losses())


def _check_held(tensors: Sequence[Outgoing], writer: Writer) -> None:
    """Refuse dtypes that the format does not have."""
    missing = [tensor for tensor in tensors if tensor.dtype not in writer.dtypes]
    if not missing:
        return
    dtype = missing[0].dtype
    alike = sum(tensor.dtype == dtype for tensor in missing)
    others = [other for other in WRITERS.values() if dtype in other.dtypes]
    elsewhere = " or ".join(other.format for other in others)
    exact = dtype.startswith(("float", "bfloat")) and holds(DTYPES["float32"], DTYPES[dtype])
    advice = f"Give --dtype float32, which holds every value exactly, or write {elsewhere}" if exact else ""
    raise ArgumentError(
        f"{writer.format} has no {dtype}, which {counted(alike, 'tensor')} {'has' if alike == 1 else 'have'}, such as "
        f"{missing[0].name!r:.200}. {advice or f'Write {elsewhere}'}."
    )


def _check_names(tensors: Sequence[Outgoing]) -> None:
    """Refuse names that are no text."""
    for tensor in tensors:
        if not _is_text(tensor.name):
            raise ArgumentError(f"The tensor {tensor.name!a:.200} has a name that is no text. Rename it first.")


def _is_text(text: object) -> bool:
    """Whether something is a text that can be written as UTF-8."""
    try:
        return isinstance(text, str) and text.encode() is not None
    except UnicodeEncodeError:
        return False


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts among metadata; of a sharded model also those that all of its files share."""
    shards = metadata.get("shards")
    parts = [part for part in shards.values() if isinstance(part, dict)] if isinstance(shards, dict) else []
    shared = (
        {key: text for key, text in parts[0].items() if all(part.get(key) == text for part in parts)} if parts else {}
    )
    return {key: text for key, text in {**shared, **metadata}.items() if _is_text(key) and _is_text(text)}
