"""What a checkpoint holds: tensors by their path, those of an optimizer apart, the rest as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pondera.choice import counted
from pondera.errors import ModelFileError
from pondera.weights.mapped import checked_count
from pondera.weights.pytorch.machine import MOST_STEPS, Dictionary, Name, Record
from pondera.weights.pytorch.numpy import NumpyArray
from pondera.weights.pytorch.objects import Placed

MOST_DEPTH = 100
MOST_NAME = 1_000
"""A checkpoint that is nested deeper or has longer names of tensors is refused."""

MOST_KEPT = 10_000
MOST_LETTERS = 4_000
MOST_ITEMS = 1_000
"""No more plain values than this are kept, no more of a text, and no longer lists."""

WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params")
"""What people call the part of a checkpoint that is the model."""

OPTIMIZERS = ("optimizer", "optimizer_state_dict", "optimizer_state", "optimizer_states", "optimizers", "optim")
"""What they call the part that is the optimizer."""

Key = tuple[str, ...]


class _Nothing:
    """What stands for a tensor among plain values."""


NOTHING = _Nothing()


@dataclass
class Tree:
    """The walk, and what it found.

    Attributes
    ----------
    path
        The file, for messages.
    tensors, optimizer
        Path of keys -> tensor.
    values
        What else there is.
    dropped
        How many plain values were too many to keep.
    most
        How many values it may have altogether.
    """

    path: Path
    tensors: dict[Key, Placed] = field(default_factory=dict)
    optimizer: dict[Key, Placed] = field(default_factory=dict)
    values: Any = None
    dropped: int = 0
    most: int = MOST_STEPS
    _visited: int = 0
    _kept: int = 0
    _open: set[int] = field(default_factory=set)  # what is being walked through, to notice what contains itself

    @classmethod
    def of(cls, path: Path, root: object, at: Key = (), most: int = MOST_STEPS) -> Tree:
        """Return what a checkpoint holds.

        Raises
        ------
        ModelFileError
            If it is nested too deep, goes on without end, or gives two tensors one name.
        """
        tree = cls(path, most=most)
        tree.values = tree.walk(root, at, False)
        return tree

    def walk(self, value: object, at: Key, optimizing: bool) -> Any:
        """Keep the tensors in a value, and return the rest as plain values, NOTHING if there is none."""
        self._visited += 1
        deep = len(self._open) > MOST_DEPTH
        if deep or self._visited > self.most:
            what = f"nested more than {MOST_DEPTH} deep" if deep else f"of more than {self.most:,} values"
            raise ModelFileError(f"{self.path}: the checkpoint is {what}. It is damaged, or made to take long.")
        if isinstance(value, NumpyArray) and value.placed is not None:
            value = value.placed
        if isinstance(value, Placed):
            self._keep(value, at, optimizing)
            return NOTHING
        if not isinstance(value, Dictionary | Record | list | tuple):
            return self._limited(_plain(value))
        if id(value) in self._open:
            return self._limited("(contains itself)")
        room = self._limited(True)  # its own place comes before those of its parts
        self._open.add(id(value))
        found: Any
        if isinstance(value, Dictionary):
            found = self._dictionary(value, at, optimizing)
        elif isinstance(value, Record):
            found = self._record(value, at, optimizing)
        else:
            found = self._list(value, at, optimizing)
        self._open.discard(id(value))
        return NOTHING if room is NOTHING else found

    def _keep(self, tensor: Placed, at: Key, optimizing: bool) -> None:
        kept = self.optimizer if optimizing else self.tensors
        checked_count(self.path, len(self.tensors) + len(self.optimizer) + 1)
        if sum(map(len, at)) + len(at) > MOST_NAME:
            raise ModelFileError(
                f"{self.path}: a tensor's name has more than {MOST_NAME:,} letters. The file is damaged."
            )
        if at in kept:
            raise ModelFileError(f"{self.path}: two tensors are called {'.'.join(at)!r:.200}. The file is damaged.")
        kept[at] = tensor

    def _dictionary(self, value: Dictionary, at: Key, optimizing: bool) -> Any:
        here = sum(isinstance(part, Placed) for _, part in value.pairs)
        checked_count(self.path, len(self.tensors) + len(self.optimizer) + here)  # before a million of them are walked
        keys = {key for key, _ in value.pairs if isinstance(key, str) and len(key) < 20}
        optimizing = optimizing or {"state", "param_groups"} <= keys
        found: dict[str, Any] = {}
        for key, part in value.pairs:
            name = _key(key)
            state = not at and name in OPTIMIZERS and not isinstance(part, Placed | NumpyArray)  # it has parts
            plain = self.walk(part, (*at, name), optimizing or state)
            if plain is not NOTHING:
                found[name[:MOST_LETTERS]] = plain
        return found if found or not value.pairs else NOTHING

    def _record(self, value: Record, at: Key, optimizing: bool) -> Any:
        found: dict[str, Any] = {"class": value.name[:MOST_LETTERS]}
        for what, part in (("arguments", value.arguments), ("contents", value.contents), ("state", value.state)):
            if part is None or part == ():
                continue
            plain = self.walk(part, at if what == "state" else (*at, what), optimizing)
            if what == "state" and isinstance(plain, dict):
                found |= plain
            elif plain is not NOTHING:
                found[what] = plain
        return found

    def _list(self, value: list[object] | tuple[object, ...], at: Key, optimizing: bool) -> Any:
        kept, dropped = self._kept, self.dropped
        parts = [self.walk(part, (*at, str(index)), optimizing) for index, part in enumerate(value)]
        found = [part for part in parts if part is not NOTHING]
        if len(found) > MOST_ITEMS or self.dropped > dropped:
            self._kept, self.dropped = kept, dropped  # one sentence stands for all of them
            return f"({counted(len(value), 'value')})"
        return found if found or not value else NOTHING

    def _limited(self, plain: Any) -> Any:
        """Return a plain value, NOTHING if there are too many."""
        self._kept += 1
        if self._kept > MOST_KEPT:
            self.dropped += 1
            return NOTHING
        return plain


def _plain(value: object) -> Any:
    """Return a single value as JSON has it."""
    if isinstance(value, str):
        return value[:MOST_LETTERS]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Name):
        return value.text[:MOST_LETTERS]
    if isinstance(value, memoryview | bytes):
        return f"({counted(len(value), 'byte')})"
    return str(value) if isinstance(value, complex) else f"({type(value).__name__})"


def _key(key: object) -> str:
    """Return a key of a dictionary as text."""
    if isinstance(key, str):
        return key
    if isinstance(key, Name):
        return key.text
    if isinstance(key, tuple) and len(key) <= MOST_DEPTH:
        return ",".join("()" if isinstance(part, tuple) else _key(part)[:MOST_NAME] for part in key)
    return str(key) if key is None or isinstance(key, bool | int | float) else f"({type(key).__name__})"


def without_wrappers(tensors: dict[Key, Placed]) -> tuple[str, dict[Key, Placed]]:
    """Return what all names begin with, if it only says that this is the model, and the tensors without it."""
    prefix: list[str] = []
    while True:
        at = len(prefix)
        found = {key[at] for key in tensors if len(key) > at + 1} if tensors else set()
        if len(found) != 1 or not found <= set(WRAPPERS) or any(len(key) <= at + 1 for key in tensors):
            break
        prefix.append(found.pop())
    return ".".join(prefix), {key[len(prefix) :]: tensor for key, tensor in tensors.items()}


def tied(tensors: dict[Key, Placed]) -> list[list[str]]:
    """Return the names of tensors that are one and the same, group by group."""
    groups: dict[Any, list[str]] = {}
    for key, tensor in tensors.items():
        if (
            all(type(length) is int for length in (*tensor.shape, *tensor.strides, tensor.offset))
            and 0 not in tensor.shape
        ):
            place = (id(tensor.storage), tensor.offset, tensor.shape, tensor.strides)
            groups.setdefault(place, []).append(".".join(key))
    return [names for names in groups.values() if len(names) > 1][:MOST_ITEMS]
