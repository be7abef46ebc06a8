"""Patterns of paths: the last parts of a name, looked up in a tree from the end, so that no name takes long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

NUMBER = re.compile("[0-9]+")

MOST_PARTS = 32
"""Of a name, no more parts than this are told apart, counted from its end."""

LONGEST = 100
"""No pattern has a part as long."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text, as lists of them are written here.

    Examples
    --------
    >>> sorted(words("fc dense"))
    ['dense', 'fc']
    """
    return frozenset(text.split())


def parts_of(name: str, separators: str = "./") -> tuple[str, ...]:
    """Return the parts of a name; if there are more than :data:`MOST_PARTS`, the first is all that comes before.

    Examples
    --------
    >>> parts_of("encoder/layer.0.weight")
    ('encoder', 'layer', '0', 'weight')
    """
    for other in separators[1:]:
        name = name.replace(other, separators[0])
    return tuple(name.rsplit(separators[0], MOST_PARTS))


def without_numbers(part: str) -> str:
    """Return a part of a name with ``#`` for each number in it.

    Examples
    --------
    >>> without_numbers("weight_ih_l10_reverse")
    'weight_ih_l#_reverse'
    """
    return NUMBER.sub("#", part) if not part.isalpha() else part


class Match(NamedTuple, Generic[T]):
    """A pattern that was found at the end of a path.

    Attributes
    ----------
    values
        What the pattern stands for: of each row that has it.
    length
        How many parts it took.
    numbers
        What stood where the pattern has ``#``.
    """

    values: tuple[T, ...]
    length: int
    numbers: tuple[str, ...]

    @property
    def value(self) -> T:
        """What it stands for first of all."""
        return self.values[0]


@dataclass
class _Node(Generic[T]):
    children: dict[str, _Node[T]] = field(default_factory=dict)
    values: tuple[T, ...] = ()
    numbered: bool = False  # whether a child has a # or is *


class Patterns(Generic[T]):
    """Ends of paths and what they stand for.

    A pattern is parts joined by ``.``; ``#`` in a part is any number, ``*`` any one part. Of several that fit the
    longest is taken, and of these the one with fewer ``#`` and ``*`` at the end. The time depends on the patterns,
    not on the name.

    Parameters
    ----------
    rows
        Pairs of a pattern and its value.

    Examples
    --------
    >>> patterns = Patterns([("query", 1), ("layer.#.query", 2)])
    >>> patterns.longest(("bert", "layer", "11", "query"))
    Match(values=(2,), length=3, numbers=('11',))
    """

    def __init__(self, rows: Iterable[tuple[str, T]]) -> None:
        self._root: _Node[T] = _Node()
        for pattern, value in rows:
            node = self._root
            for part in reversed(pattern.split(".")):
                node.numbered |= "#" in part or part == "*"
                node = node.children.setdefault(part, _Node())
            node.values = (*node.values, value)

    def longest(self, parts: Sequence[str]) -> Match[T] | None:
        """Return the longest pattern that the path ends with."""
        best: Match[T] | None = None
        reached: list[tuple[_Node[T], tuple[str, ...]]] = [(self._root, ())]
        for depth, part in enumerate(reversed(parts), 1):
            following = []
            for node, numbers in reached:
                children = node.children
                if (child := children.get(part)) is not None:
                    following.append((child, numbers))
                if node.numbered:
                    blank = without_numbers(part) if len(part) < LONGEST else part
                    if blank != part and blank in children:
                        following.append((children[blank], (*NUMBER.findall(part), *numbers)))
                    if "*" in children:
                        following.append((children["*"], numbers))
            reached = following
            if not reached:
                break
            for node, numbers in reached:
                if node.values and (best is None or best.length < depth):
                    best = Match(node.values, depth, numbers)
        return best


def filled(text: str, numbers: Sequence[str]) -> str:
    """Return a text with numbers in the places of its ``#``.

    Examples
    --------
    >>> filled("l#_reverse", ["1"])
    'l1_reverse'
    """
    if "#" not in text:
        return text
    given = iter(numbers)
    return "".join(next(given, "#") if letter == "#" else letter for letter in text)
