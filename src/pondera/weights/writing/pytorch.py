"""Weights -> a zip archive as ``torch.save`` writes a ``state_dict``, which ``torch.load(weights_only=True)`` reads.

The entries, their order and their content are those of PyTorch 2.13 (``torch/serialization.py``,
``caffe2/serialize/inline_container.cc``). Every tensor has bytes of its own, one value after the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pondera.weights.tensor import DTYPES
from pondera.weights.writing.archive import ALIGNED, new_archive
from pondera.weights.writing.outgoing import Outgoing, Told
from pondera.weights.writing.pickles import pickle_of

TOP = "archive/"
"""The folder that all entries are in; PyTorch calls it so too where it is given no name."""

HELD = frozenset(DTYPES)


def write_pytorch(path: Path, tensors: Sequence[Outgoing], texts: Mapping[str, str], told: Told) -> None:
    """Write tensors to an archive; there is no place for texts.

    Raises
    ------
    OSError
        If the file cannot be written to.
    """
    with new_archive(path) as archive:
        sums: dict[str, int] = {}

        def add(name: str, content: bytes) -> None:
            sums[name] = archive.add(TOP + name, len(content), [content])

        add("data.pkl", pickle_of(tensors))
        add(".format_version", b"1")
        add(".storage_alignment", str(ALIGNED).encode())
        add("byteorder", b"little")
        for index, tensor in enumerate(tensors):
            name = f"data/{index}"
            sums[name] = archive.add(TOP + name, tensor.nbytes, tensor.pieces(told))
        add("version", b"3\n")
        add(".data/serialization_id", _fingerprint(sums))


def _fingerprint(sums: Mapping[str, int]) -> bytes:
    """Return 40 digits that the names and the contents decide: what PyTorch tells files apart by."""
    names, contents = "\n".join(sums).encode(), b"".join(each.to_bytes(4, "little") for each in sums.values())
    return f"{zlib.crc32(names):020}{zlib.crc32(contents):020}".encode()
