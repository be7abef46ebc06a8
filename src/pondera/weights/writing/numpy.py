"""Weights -> NumPy's own files: .npy for one tensor, .npz, a zip archive of such files, for any number."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from numpy.lib import format as npy

from pondera.errors import ArgumentError
from pondera.weights.tensor import DTYPES
from pondera.weights.writing.archive import check_entry, new_archive
from pondera.weights.writing.outgoing import Outgoing, Told

HELD = frozenset(name for name, dtype in DTYPES.items() if dtype.kind != "V" and dtype.isbuiltin == 1)
"""The dtypes that are NumPy's own; it reads those of ml_dtypes back as bytes without meaning."""


def check_npy(tensors: Sequence[Outgoing]) -> None:
    """Refuse anything but one tensor.

    Raises
    ------
    ArgumentError
        Says how many there are.
    """
    if len(tensors) != 1:
        raise ArgumentError(f"A .npy file holds one tensor; there are {len(tensors):,}. Write .npz.")


def check_npz(tensors: Sequence[Outgoing]) -> None:
    """Refuse names that an archive cannot hold, or that NumPy would take for one another.

    Raises
    ------
    ArgumentError
        Names the tensor.
    """
    names = {tensor.name for tensor in tensors}
    for name in names:
        check_entry(f"{name}.npy")
        if f"{name}.npy" in names:
            raise ArgumentError(
                f"NumPy cannot tell the tensors {name!r:.200} and {f'{name}.npy'!r:.200} of a .npz file apart. Write "
                "safetensors."
            )


def write_npy(path: Path, tensors: Sequence[Outgoing], texts: Mapping[str, str], told: Told) -> None:
    """Write the one tensor to a file; there is no place for texts.

    Raises
    ------
    OSError
        If the file cannot be written to.
    """
    (tensor,) = tensors
    with path.open("wb") as file:
        file.write(_header(tensor))
        file.writelines(tensor.pieces(told))


def write_npz(path: Path, tensors: Sequence[Outgoing], texts: Mapping[str, str], told: Told) -> None:
    """Write tensors to an archive; there is no place for texts.

    Raises
    ------
    OSError
        If the file cannot be written to.
    """
    with new_archive(path) as archive:
        for tensor in tensors:
            header = _header(tensor)
            pieces = chain([memoryview(header)], tensor.pieces(told))
            archive.add(f"{tensor.name}.npy", len(header) + tensor.nbytes, pieces)


def _header(tensor: Outgoing) -> bytes:
    """Return all bytes that come before the values, a multiple of 64."""
    file = io.BytesIO()
    described = npy.dtype_to_descr(DTYPES[tensor.dtype].newbyteorder("<"))
    npy.write_array_header_1_0(file, {"descr": described, "fortran_order": False, "shape": tensor.shape})
    return file.getvalue()
