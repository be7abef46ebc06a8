"""PyTorch's exported programs (.pt2): a zip archive with the bytes of each tensor, and JSON that says what they are.

The layout is that of ``torch/export/pt2_archive``: ``data/weights/model_weights_config.json`` names parameters and
buffers, ``data/constants/model_constants_config.json`` the tensors that the program computes with. The program itself,
``models/model.json``, is not read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pondera.errors import ModelFileError
from pondera.weights.archive import Entry
from pondera.weights.mapped import checked_count
from pondera.weights.plain_json import read_json
from pondera.weights.pytorch.objects import Placed, Storage
from pondera.weights.pytorch.tree import Key

MOST_CONFIG = 100_000_000

CONFIG = re.compile(r"(?P<top>(?:[^/]+/)?)data/(?P<kind>weights|constants)/(?P<model>[^/]+)_(?P=kind)_config\.json")

DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
"""The numbers that ``torch/_export/serde/schema.py`` gives to dtypes."""


def is_exported(entries: dict[str, Entry]) -> bool:
    """Whether an archive is an exported program of this layout."""
    return any(CONFIG.fullmatch(name) for name in entries)


def exported(path: Path, entries: dict[str, Entry]) -> dict[Key, Placed]:
    """Return the tensors of an exported program; where it holds several models, their names come first.

    Raises
    ------
    ModelFileError
        If the JSON is damaged, or a tensor is not stored as plain values.
    """
    configs = [match for name in entries if (match := CONFIG.fullmatch(name))]
    several = len({match["model"] for match in configs}) > 1
    found: dict[Key, Placed] = {}
    for match in configs:
        for name, about in _config(path, entries[match.string]).items():
            if match["kind"] == "constants" and isinstance(about, dict) and about.get("tensor_meta") is None:
                continue  # an object that is no tensor
            key = (match["model"], name) if several else (name,)
            if key in found:
                raise ModelFileError(f"{path}: two tensors are called {name!r:.200}. The file is damaged.")
            found[key] = _placed(path, name, about, entries, f"{match['top']}data/{match['kind']}/")
            checked_count(path, len(found))
    return found


def _config(path: Path, entry: Entry) -> dict[str, Any]:
    """Return what is said of each tensor, by its name."""
    try:
        config = read_json(entry.read(MOST_CONFIG))
    except ValueError as error:
        if isinstance(error, ModelFileError):
            raise
        reason = str(error).rstrip(".")
        raise ModelFileError(f"{path}: {entry.name!r:.200} cannot be read as JSON: {reason:.200}.") from None
    tensors = config.get("config") if isinstance(config, dict) else None
    if not isinstance(tensors, dict):
        raise ModelFileError(f"{path}: {entry.name!r:.200} does not say which tensors there are. It is damaged.")
    return tensors


def _placed(path: Path, name: str, about: Any, entries: dict[str, Entry], folder: str) -> Placed:
    """Return where a tensor lies, as the file says it; nothing of it has been checked against the bytes."""
    meta = about.get("tensor_meta") if isinstance(about, dict) else None
    if not isinstance(meta, dict) or not isinstance(about.get("path_name"), str):
        raise ModelFileError(f"{path}: tensor {name!r:.200} lacks its place, dtype or shape. The file is damaged.")
    code = meta.get("dtype")
    dtype = DTYPES.get(code) if type(code) is int else None
    if about.get("use_pickle") or dtype is None:
        raise ModelFileError(
            f"{path}: tensor {name!r:.200} is not stored as plain values of a dtype that is read. Save the program's "
            "state_dict with torch.save instead."
        )
    content = entries.get(folder + about["path_name"])
    if content is None:
        raise ModelFileError(f"{path}: the values of tensor {name!r:.200} are missing. The file is damaged.")
    shape, strides = (_numbers(path, name, meta.get(what)) for what in ("sizes", "strides"))
    (offset,) = _numbers(path, name, [meta.get("storage_offset")])
    held = content if content.deflated else content.stored
    return Placed(Storage(about["path_name"], dtype, content.size, held), dtype, offset, shape, strides)


def _numbers(path: Path, name: str, listed: Any) -> tuple[object, ...]:
    if not isinstance(listed, list) or not all(isinstance(each, dict) and "as_int" in each for each in listed):
        raise ModelFileError(f"{path}: tensor {name!r:.200} has no fixed shape. It is damaged.")
    return tuple(each["as_int"] for each in listed)
