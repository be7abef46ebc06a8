"""HDF5: groups within groups, arrays in them, and attributes on both.

The format is described in https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
Keras keeps its weights in such files. The format's own library is written in C and has had memory faults on crafted
files, so this reads the part of the format that h5py writes by itself: superblocks of version 0 to 3, both kinds of
object headers and of groups, values in one piece or in chunks, deflate and shuffle. Anything else is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pondera.weights.collection import Weights
from pondera.weights.hdf5.attributes import Attributes
from pondera.weights.hdf5.datasets import Place, dataset_of
from pondera.weights.hdf5.groups import is_group, links_of
from pondera.weights.hdf5.objects import ATTRIBUTE, ATTRIBUTE_INFO, PLACES, SIGNATURE, begin, messages_of
from pondera.weights.hdf5.space import MOST_NAME, Space
from pondera.weights.mapped import checked_count
from pondera.weights.tensor import Tensor

MOST_DEPTH = 64
"""Groups within groups are followed so far."""


@dataclass(frozen=True)
class Contents:
    """What an HDF5 file holds.

    Attributes
    ----------
    datasets
        Path, such as ``"layers/dense/vars/0"`` -> numbers, in the order of the file.
    attributes
        Path of a group or dataset that has attributes -> these; the first group's path is ``""``.
    left_out
        Path -> in words what it leads to that is no array of numbers.
    groups
        Path of a group -> how many names it holds.
    """

    datasets: dict[str, Tensor]
    attributes: dict[str, Attributes]
    left_out: dict[str, str]
    groups: dict[str, int]

    def text(self, path: str, name: str) -> str:
        """Return an attribute that is one text, or an empty text."""
        return self.attributes[path].text(name) if path in self.attributes else ""

    def texts(self, path: str, name: str) -> list[str] | None:
        """Return an attribute that is a list of texts, or None."""
        return self.attributes[path].texts(name) if path in self.attributes else None


def looks_like_hdf5(head: bytes) -> bool:
    """Whether a file begins as this format does, perhaps after other bytes of the user's."""
    return any(head[place : place + 8] == SIGNATURE for place in PLACES)


def open_hdf5(path: Path, view: memoryview) -> Weights:
    """Return the arrays of numbers in a mapped HDF5 file, each called by its path.

    Raises
    ------
    ModelFileError
        If the file is damaged, or an array is kept in a way that is not read.
    """
    return plain_weights(path, read_hdf5(path, view))


def plain_weights(path: Path, contents: Contents) -> Weights:
    """Return what an HDF5 file of no known framework holds."""
    metadata: dict[str, Any] = {}
    if "" in contents.attributes:
        root = contents.attributes[""]
        metadata["attributes"] = {name: value for name in root.names() if (value := root.get(name)) is not None}
    if contents.left_out:
        metadata["left_out"] = contents.left_out
    return Weights(MappingProxyType(contents.datasets), "HDF5", metadata, (path,))


def read_hdf5(path: Path, view: memoryview) -> Contents:
    """Return the structure of a mapped HDF5 file; no values are read.

    Raises
    ------
    ModelFileError
        If the file is damaged, or an array is kept in a way that is not read.
    """
    space, root = begin(path, view)
    contents = Contents({}, {}, {}, {})
    places: list[Place] = []
    known: dict[int | None, str] = {}
    waiting: list[tuple[str, int | None]] = [("", root)]
    while waiting:
        name, address = waiting.pop()
        if address in known:
            contents.left_out[name] = f"the same as {known[address]!r}"
            continue
        known[address] = name
        messages = messages_of(space, address)
        if any(message.kind in (ATTRIBUTE, ATTRIBUTE_INFO) for message in messages):
            contents.attributes[name] = Attributes(space, messages)
        if not is_group(messages):
            found = dataset_of(space, name, messages)
            if found.tensor is None:
                contents.left_out[name] = found.why
            else:
                contents.datasets[name] = found.tensor
                checked_count(path, len(contents.datasets))
            places += [found.place] if found.place else []
            continue
        links = links_of(space, messages)
        contents.groups[name] = len(links)
        for link in reversed(links):
            inner = f"{name}/{link.name}" if name else link.name
            if len(inner) > MOST_NAME or inner.count("/") > MOST_DEPTH:
                raise space.damaged(f"the path {inner!r:.200} is too long or too deep")
            if link.other:
                contents.left_out[inner] = link.other
            else:
                waiting.append((inner, link.address))
    _check_apart(space, places)
    return contents


def _check_apart(space: Space, places: list[Place]) -> None:
    """Refuse datasets that lie in the same bytes."""
    reached, before = 0, ""
    for place in sorted(places):
        if place.start < reached:
            raise space.damaged(f"{before!r:.200} and {place.name!r:.200} lie in the same bytes")
        reached, before = place.stop, place.name
