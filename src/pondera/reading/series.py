"""Series: tensors whose names differ in their numbers, such as the same weights in one block after the other.

Frameworks count in three ways: ``blocks.0``, ``blocks.1``; ``conv1``, ``conv2``; and Keras, whose first layer of a kind
has no number: ``dense``, ``dense_1``, ``dense_2``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NUMBER = re.compile(r"\d{1,18}")
"""A number in a name. Of longer ones each part counts: they are identifiers."""

COUNTED = re.compile(rf"_?{NUMBER.pattern}")
"""What tells the members of a series apart."""

ENDING = re.compile(r"(?<=[^\W\d])(?=[./]|$)")
"""The end of a part of a name that has no number there: where Keras leaves out the first."""

BLOCK = re.compile(r"(?:^|[._/])(?:layers?|h|blocks?|blk|block)[._/](\d{1,18})[._/]")
"""A block's number in the name of a tensor."""


def numbers_of(name: str) -> tuple[int, ...]:
    """Return the numbers in a name, in order.

    Examples
    --------
    >>> sorted(["dense_10", "dense", "dense_9"], key=numbers_of)
    ['dense', 'dense_9', 'dense_10']
    """
    return tuple(int(digits) for digits in NUMBER.findall(name))


def natural(name: str) -> tuple[list[str], tuple[int, ...]]:
    """Return a key that sorts names by their letters and then by their numbers, as people count.

    Examples
    --------
    >>> sorted(["net.10.bias", "net.9.weight", "net.9.bias"], key=natural)
    ['net.9.bias', 'net.10.bias', 'net.9.weight']
    """
    return NUMBER.split(name), numbers_of(name)


def family(name: str) -> str:
    """Return a name without its numbers, which all that are counted like it share.

    Examples
    --------
    >>> family("layers.3.mlp.0.weight"), family("dense_1/kernel") == family("dense/kernel")
    ('layers..mlp..weight', True)
    """
    return COUNTED.sub("", name)


def patterns(name: str) -> dict[str, int]:
    """Return what a name is with each of its numbers in turn replaced by ``*`` -> that number.

    Where a part of the name ends without a number, it may be the first of a series, whose number is −1.

    Examples
    --------
    >>> patterns("layers.3.w1")
    {'layers.*.w1': 3, 'layers.3.w*': 1, 'layers*.3.w1': -1}
    """
    found = {f"{name[: at.start()]}*{name[at.end() :]}": int(at[0].lstrip("_")) for at in COUNTED.finditer(name)}
    return found | {f"{name[: at.start()]}*{name[at.start() :]}": -1 for at in ENDING.finditer(name)}


def lines(names: Iterable[str]) -> dict[str, list[str]]:
    """Return a pattern -> the two or more names that differ in its one number ``*`` only, in the order of the numbers.

    Examples
    --------
    >>> lines(["w.10.a", "w.9.a", "w.9.b", "dense_1/kernel", "dense/kernel"])
    {'w.*.a': ['w.9.a', 'w.10.a'], 'dense*/kernel': ['dense/kernel', 'dense_1/kernel']}
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        for pattern, number in patterns(name).items():
            found.setdefault(pattern, []).append((number, name))
    return {pattern: [name for _, name in sorted(counted)] for pattern, counted in found.items() if len(counted) > 1}


def stacks(names: Iterable[str]) -> dict[str, dict[int, set[str]]]:
    """Return what names of blocks begin with -> number of a block -> how the names of its tensors go on.

    Examples
    --------
    >>> stacks(["model.layers.0.q.weight", "model.layers.2.q.weight", "norm.weight"])
    {'model.layers.': {0: {'q.weight'}, 2: {'q.weight'}}}
    """
    found: dict[str, dict[int, set[str]]] = {}
    for name in names:
        if at := BLOCK.search(name):
            found.setdefault(name[: at.start(1)], {}).setdefault(int(at[1]), set()).add(name[at.end() :])
    return found
