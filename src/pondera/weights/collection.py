"""All tensors of a file, or of several that belong together: an ordered mapping that nothing can change."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pondera.choice import counted, unknown, unmatched
from pondera.errors import ArgumentError
from pondera.markup import STYLE, escaped, table
from pondera.weights.mapped import check_whole
from pondera.weights.tensor import Tensor

SHOWN = 100  # tensors that a notebook shows


@dataclass(frozen=True, eq=False)
class Weights(Mapping[str, Tensor]):
    """Named tensors, in the order of their file.

    Attributes
    ----------
    tensors
        Name -> tensor. Optimizer state is not among them.
    format
        What kind of file they came from, such as ``"safetensors"``.
    metadata
        What else the file says, as plain values.
    files
        The files they lie in; empty for a network in memory.
    optimizer
        Name -> tensor of what an optimizer keeps for each weight, such as Adam's moments, where the file has it.
    whole
        Whether these are all the tensors that the metadata are about, not a selection of them.
    skipped
        Names of files of weights in the same folder that were not read, where a folder was given, and of arrays in the
        file that hold letters or dates.
    since
        What :func:`~pondera.weights.mapped.mapped_so_far` gave before the files were opened.

    Examples
    --------
    >>> Weights.of([], "nothing")
    <Weights: 0 tensors, 0 values, nothing>
    """

    tensors: Mapping[str, Tensor]
    format: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    whole: bool = True
    skipped: tuple[str, ...] = ()
    since: int = 0

    @classmethod
    def of(cls, tensors: Sequence[Tensor], format: str, **more: Any) -> Weights:  # noqa: A002
        """Return tensors as a collection; the names must differ.

        Raises
        ------
        ArgumentError
            If two tensors share a name.
        """
        by_name: dict[str, Tensor] = {}
        for tensor in tensors:
            if by_name.setdefault(tensor.name, tensor) is not tensor:
                raise ArgumentError(f"Two tensors are called {tensor.name!r}; names must differ.")
        return cls(MappingProxyType(by_name), format, **more)

    @property
    def count(self) -> int:
        """How many values all tensors have together."""
        return sum(tensor.count for tensor in self.tensors.values())

    @property
    def nbytes(self) -> int:
        """How many bytes all tensors take where they are stored."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def require_whole(self) -> None:
        """Refuse what was made of the values, if a file of theirs was cut or written to meanwhile.

        Raises
        ------
        ModelFileError
            Says which.
        """
        check_whole(self.files, self.since)

    def select(self, pattern: str) -> Weights:
        """Return the tensors whose names match a pattern such as ``*.weight``; the optimizer's state comes along.

        Raises
        ------
        ArgumentError
            If none does.
        """
        found = [tensor for name, tensor in self.tensors.items() if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise ArgumentError(unmatched("tensor", pattern, self.tensors))
        tensors = MappingProxyType({tensor.name: tensor for tensor in found})
        return replace(self, tensors=tensors, whole=self.whole and len(found) == len(self))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise KeyError(unknown("tensor", name, self.tensors))
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the tensors, in the order of the file."""
        first = list(self.tensors.values())[:SHOWN]
        rows = [(each.name, each.dtype, " × ".join(map(str, each.shape)) or "–", f"{each.count:,}") for each in first]
        more = f"<p>and {len(self) - SHOWN:,} more</p>" if len(self) > SHOWN else ""
        tensors = table(["tensor", "dtype", "shape", "values"], rows)
        return f"<style>{STYLE}</style><p>{escaped(repr(self)[1:-1])}</p>{tensors}{more}"

    def __repr__(self) -> str:
        return f"<Weights: {counted(len(self), 'tensor')}, {counted(self.count, 'value')}, {self.format}>"
