"""What differs between weights and the file they were written to, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pondera.choice import counted, listed
from pondera.weights.collection import Weights
from pondera.weights.tensor import DTYPES
from pondera.weights.writing.outgoing import Outgoing
from pondera.weights.writing.rounding import Losses

OF_THE_READER = ("pytorch", "shards")
"""Metadata in which a reader says how the file was laid out: not missed in another."""


def changes(tensors: Sequence[Outgoing]) -> list[str]:
    """Return a sentence on each dtype that is written as another; rounded values must have been written."""
    groups: dict[tuple[str, str, bool], list[Outgoing]] = {}
    for tensor in tensors:
        own, exact = tensor.tensor.dtype, tensor.losses is None
        if own != tensor.dtype:
            kind = ("encoded" if own not in DTYPES else "exact") if exact else own
            groups.setdefault((kind, tensor.dtype, exact), []).append(tensor)
    return [_change(kind, dtype, group) for (kind, dtype, _), group in groups.items()]


def _change(kind: str, dtype: str, tensors: Sequence[Outgoing]) -> str:
    several = len(tensors) > 1
    names = listed(list(dict.fromkeys(tensor.tensor.dtype for tensor in tensors)))
    of = f"{counted(len(tensors), 'tensor')} of {names} as "
    if kind == "encoded":
        return f"{of}the {dtype} that {'they decode' if several else 'it decodes'} to."
    if kind == "exact":
        return f"{of}{dtype}, which holds every value exactly."
    losses = Losses()
    for tensor in tensors:
        losses.merge(tensor.losses or Losses())
    if not losses.rounded:
        return f"{of}{dtype}: no value changed."
    found = f"{of}{dtype}: {losses.rounded:,} of {counted(losses.values, 'value')} were rounded"
    found += f", by at most {losses.most:.2g} of their size" if losses.most else ""
    return found + (f"; {losses.vanished:,} became 0." if losses.vanished else ".")


def left_out(weights: Weights, format: str, texts: Mapping[str, str] | None, optimizer: bool) -> list[str]:  # noqa: A002
    """Return a sentence on each thing that is not written.

    Parameters
    ----------
    weights
        All there is.
    format
        What kind of file it goes to.
    texts
        The metadata that are written; None where the format has no place for any.
    optimizer
        Whether the optimizer's state is written.
    """
    notes = []
    told = {*OF_THE_READER, *(texts or ())}
    if weights.optimizer and not optimizer:
        told.add("optimizer")  # its settings, which stay with its state
        notes.append(f"Left out: the optimizer's state, {counted(len(weights.optimizer), 'tensor')} (--optimizer).")
    missing = [key for key in weights.metadata if key not in told]
    if missing:
        where = f"for which {format} has no place" if texts is None else f"of which {format} holds texts only"
        notes.append(f"Left out: metadata, {where}: {_shown(missing)}.")
    if doubled := _tied(weights.metadata):
        what = "is the same as another and is" if doubled == 1 else "are the same as others and are"
        notes.append(f"{counted(doubled, 'tensor')} {what} written out again.")
    return notes


def _tied(metadata: Mapping[str, Any]) -> int:
    """Return how many tensors share all their values with one before them, as a reader noted it."""
    says = metadata.get("pytorch")
    groups = says.get("tied", []) if isinstance(says, dict) else []
    return sum(len(group) - 1 for group in groups)


def _shown(names: Sequence[str]) -> str:
    return listed([name if name.isprintable() and len(name) < 60 else f"{name!a:.60}" for name in names])
