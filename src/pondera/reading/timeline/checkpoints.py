"""The checkpoints in a folder, in the order of the training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pondera.choice import listed
from pondera.errors import ArgumentError, ModelFileError
from pondera.weights.collection import Weights
from pondera.weights.folder import PART

SIDE_FILES = ("optimizer", "scheduler", "scaler", "rng_state", "random_states", "training_args", "tokenizer")
"""How files begin that lie beside checkpoints and are none."""

STEPS = ("global_step", "step", "iteration", "iter", "epoch")
"""What files call the number of the step that they were written at."""

FEWEST = 2


@dataclass(frozen=True)
class Series:
    """Checkpoints, the first of the training first.

    Attributes
    ----------
    names, weights
        What each is called, and what it holds.
    left_out
        Name -> why it is no checkpoint.
    unordered
        Those whose place nothing tells: neither a number in their name nor a step in the file. They come last.
    copies
        Name -> another one of the same step with a shorter name, such as ``epoch_3_ema.pt`` -> ``epoch_3.pt``. They are
        no steps of their own, and are among ``unordered``.
    """

    names: tuple[str, ...]
    weights: tuple[Weights, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    unordered: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)

    @property
    def placed(self) -> int:
        """How many of them, the first ones, are steps of the training: all where nothing tells the place of most."""
        known = len(self.names) - len(self.unordered)
        return known if known >= FEWEST else len(self.names)

    @property
    def nbytes(self) -> int:
        """How many bytes all checkpoints have."""
        return sum(each.nbytes for each in self.weights)


def find_checkpoints(folder: Path) -> Series:
    """Return the checkpoints in a folder, in the order of the training.

    That is the order of the steps that the files say they were written at, where all of them do; else the natural order
    of their names, those without a number last. Files and folders that are no checkpoints are named in ``left_out``.

    Raises
    ------
    ArgumentError
        If it is no folder, or holds fewer than two checkpoints.
    """
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: expected a folder of checkpoints, found {_what(folder)}.")
    found: dict[str, Weights] = {}
    left_out: dict[str, str] = {}
    for place in sorted((each for each in folder.iterdir() if not each.name.startswith(".")), key=lambda p: p.name):
        if place.name.startswith(SIDE_FILES):
            left_out[place.name] = "not weights"
            continue
        if PART.fullmatch(place.name):
            left_out[place.name] = "part of a sharded checkpoint"
            continue
        try:
            weights = _opened(place)
        except (ModelFileError, OSError) as error:
            left_out[place.name] = str(error).removeprefix(f"{place}: ")
            continue
        if len(weights):
            found[place.name] = weights
        else:
            left_out[place.name] = "holds no tensor"
    if len(found) < FEWEST:
        why = f" Left out: {listed(list(left_out))}." if left_out else ""
        raise ArgumentError(
            f"{folder}: expected at least two checkpoints to follow, found {len(found)}.{why} Give the folder that the "
            "training saved them to, as files or as folders such as checkpoint-100."
        )
    names, unordered, copies = ordered(found)
    return Series(names, tuple(found[name] for name in names), left_out, unordered, copies)


def ordered(found: Mapping[str, Weights]) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """Return names in the order of the training, which of them only stand last, and which are copies of another.

    Examples
    --------
    >>> empty = Weights.of([], "none")
    >>> ordered(dict.fromkeys(["last.pt", "step-100.pt", "step-20.pt"], empty))
    (('step-20.pt', 'step-100.pt', 'last.pt'), ('last.pt',), {})
    >>> ordered(dict.fromkeys(["step-20.pt", "step-20-ema.pt"], empty))
    (('step-20.pt', 'step-20-ema.pt'), ('step-20-ema.pt',), {'step-20-ema.pt': 'step-20.pt'})
    """
    for kind in STEPS:
        steps = {name: step_in(weights.metadata, kind) for name, weights in found.items()}
        if None not in steps.values() and len(set(steps.values())) >= FEWEST:
            copies = _copies(steps)
            names = sorted(found, key=lambda name: (name in copies, steps[name], natural(name)))
            return tuple(names), tuple(copies), copies
    copies = _copies({name: _numbers(name) for name in found if _numbers(name)})
    names = sorted(found, key=natural)
    unordered = [*(name for name in names if not _numbers(name)), *(name for name in names if name in copies)]
    return (*(name for name in names if name not in unordered), *unordered), tuple(unordered), copies


def _copies(places: Mapping[str, Any]) -> dict[str, str]:
    """Return names -> the shortest one of the same place, for all that are not it."""
    first: dict[Any, str] = {}
    for name in sorted(places, key=lambda name: (len(name), natural(name))):
        first.setdefault(places[name], name)
    return {name: first[place] for name, place in places.items() if first[place] != name}


def step_in(metadata: Mapping[str, Any], kind: str) -> int | None:
    """Return the number of a step that metadata name, which may be written as text.

    Examples
    --------
    >>> step_in({"step": "200"}, "step"), step_in({"format": "pt"}, "step")
    (200, None)
    """
    said = metadata.get(kind)
    if isinstance(said, str) and said.isascii() and said.isdigit():
        return int(said[:18])
    return said if isinstance(said, int) and not isinstance(said, bool) else None


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return what names are ordered by so that step-20 comes before step-100.

    Examples
    --------
    >>> sorted(["step-100", "step-20", "step-3"], key=natural)
    ['step-3', 'step-20', 'step-100']
    """
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part.lower()) for part in parts)


STORED = re.compile(r"(?<![A-Za-z0-9])(b?f|bf|fp|float|bfloat|u?int|i?q)\d+(_[a-z0-9]+)*(?![a-z0-9])", re.IGNORECASE)
"""Words such as fp16, bf16, int8 and Q4_K: how values are stored, which is no place in a training."""


def _numbers(name: str) -> tuple[int, ...]:
    """Return the numbers in a name other than those of its ending, such as ``.h5``, and of what it is stored as."""
    plain = STORED.sub("", re.sub(r"\.[A-Za-z]\w*$", "", name))
    return tuple(int(number[:18]) for number in re.findall(r"[0-9]+", plain))


def _opened(place: Path) -> Weights:
    from pondera.weights.open import open as open_weights

    return open_weights(place)


def _what(path: Path) -> str:
    return "a file; pondera compare takes two of them" if path.exists() else "nothing there"
