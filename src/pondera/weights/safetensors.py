"""The safetensors format: named arrays and a few texts (https://github.com/huggingface/safetensors)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pondera.errors import ModelFileError
from pondera.files import whole_file

Arrays = Mapping[str, np.ndarray[Any, Any]]


def write(path: str | os.PathLike[str], arrays: Arrays, metadata: Mapping[str, str]) -> None:
    """Write arrays and texts to a safetensors file that is whole or not there.

    Raises
    ------
    ModelFileError
        If the place cannot be written to.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        with whole_file(path) as part:
            mode = part.stat().st_mode
            save_file(contiguous, part, metadata=dict(metadata) or None)  # it writes {} as a damaged header
            part.chmod(mode)  # it makes a new file that only its owner can read
    except (OSError, SafetensorError, ValueError) as error:  # a ValueError is a path that no system has
        raise ModelFileError(f"{path}: cannot be written: {_reason(error)}.") from error


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Return the arrays and the texts of a safetensors file.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is not a whole safetensors file.
    """
    place = Path(path)
    if not place.is_file():
        what = "is a folder, not a file" if place.is_dir() else "there is no such file"
        raise ModelFileError(f"{path}: {what}. Give the path of a model file.")
    try:
        with safe_open(place, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (
        SafetensorError,
        OSError,
        TypeError,
        ValueError,
        AttributeError,
        KeyError,
    ) as error:  # of NumPy's dtypes too
        raise ModelFileError(f"{path}: expected a safetensors file, found {_found(place)}") from error


def _found(place: Path) -> str:
    """Return what a file that cannot be read seems to be, and what to do."""
    size = place.stat().st_size
    with place.open("rb") as file:
        head = file.read(4096)
    if not head:
        return "an empty file. Restore it from a copy or save the model again."
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and length + 8 > size:
        return f"one that is cut short after {size:,} bytes. Restore it from a copy or save the model again."
    if head[8:9] == b"{":
        return "one that is damaged. Restore it from a copy or save the model again."
    text = head.decode("utf-8", errors="replace")
    kind = "a table" if head.startswith((b"PAR1", b"ARROW1")) else "a text" if _is_text(text) else "something else"
    return f"{kind}. Give the path of a model file."


def _is_text(text: str) -> bool:
    return all(letter.isprintable() or letter.isspace() for letter in text) and "\ufffd" not in text[:-1]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().rstrip(".") or type(error).__name__
