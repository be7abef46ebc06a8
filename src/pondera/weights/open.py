"""A file of weights -> its tensors. The first bytes decide which reader takes it, never its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pondera.errors import ModelFileError
from pondera.weights.collection import Weights
from pondera.weights.folder import (
    looks_like_index,
    looks_like_tensorflow,
    open_folder,
    open_index,
    open_tensorflow,
)
from pondera.weights.gguf.reader import looks_like_gguf, open_gguf
from pondera.weights.hdf5.reader import looks_like_hdf5
from pondera.weights.keras.reader import looks_like_keras, open_keras, open_keras_hdf5
from pondera.weights.mapped import map_file, mapped_so_far
from pondera.weights.numpy import looks_like_npy, looks_like_npz, open_npy, open_npz
from pondera.weights.onnx.reader import looks_like_onnx, open_onnx
from pondera.weights.pytorch.reader import looks_like_pytorch, open_pytorch
from pondera.weights.safetensors import looks_like_safetensors, open_safetensors

HEAD = 4096
"""How many bytes a reader may look at to know its own."""


class Reader(NamedTuple):
    """One format: what it is called, how a file of it begins, and what reads it.

    ``recognizes`` is given the first :data:`HEAD` bytes; ``read`` the path and the mapped file. Reading maps and
    checks, but loads no values.
    """

    format: str
    recognizes: Callable[[bytes], bool]
    read: Callable[[Path, memoryview], Weights]


def _open_index(path: Path, view: memoryview) -> Weights:
    return open_index(path, view, _open_one)


def _open_one(path: Path) -> Weights:
    return open(path)


READERS: tuple[Reader, ...] = (
    Reader("safetensors", looks_like_safetensors, open_safetensors),
    Reader("GGUF", looks_like_gguf, open_gguf),
    Reader("Keras .keras", looks_like_keras, open_keras),
    Reader("Keras and other HDF5", looks_like_hdf5, open_keras_hdf5),
    Reader("NumPy .npy", looks_like_npy, open_npy),
    Reader("NumPy .npz", looks_like_npz, open_npz),
    Reader("PyTorch", looks_like_pytorch, open_pytorch),
    Reader("index of a sharded checkpoint", looks_like_index, _open_index),
    Reader("TensorFlow checkpoint", looks_like_tensorflow, open_tensorflow),
    Reader("ONNX", looks_like_onnx, open_onnx),
)
"""Every format of a single file, the first that recognizes it wins."""


def open(path: str | os.PathLike[str]) -> Weights:  # noqa: A001
    """Return the weights in a file: names, shapes, dtypes and metadata at once, values on demand.

    Parameters
    ----------
    path
        A file of any format in :data:`READERS`, or a folder of them as Hugging Face has it.

    Raises
    ------
    ModelFileError
        If there is no such file, no reader knows it, or it is damaged. Nothing in a file is ever executed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/w.npz", kernel=np.ones((2, 3)), bias=np.zeros(3))
    ...     weights = open(f"{folder}/w.npz")
    ...     weights, weights["kernel"][0].tolist()
    (<Weights: 2 tensors, 9 values, NumPy .npz>, [1.0, 1.0, 1.0])
    """
    since = mapped_so_far()
    return replace(_opened(Path(path)), since=since)


def _opened(place: Path) -> Weights:
    if place.is_dir():
        return open_folder(place, _open_one)
    view = map_file(place)
    head = bytes(view[:HEAD])
    for reader in READERS:
        if reader.recognizes(head):
            return reader.read(place, view)
    known = ", ".join(reader.format for reader in READERS)
    raise ModelFileError(f"{place}: expected a file of weights ({known}), found a file of some other kind.")


def weights_of(weights: Weights | str | os.PathLike[str]) -> Weights:
    """Return weights, or those in a file or folder whose path is given.

    Raises
    ------
    ModelFileError
        As :func:`open` does.
    """
    return weights if isinstance(weights, Weights) else open(weights)
