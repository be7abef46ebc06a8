"""Groups of an HDF5 file: the names in them, and which object each name leads to.

Sections III.A.1, III.B-D (symbol tables) and IV.A.2.g (links) of
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html. A link to a path or to another file is not
followed; it is said what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pondera.weights.hdf5.heaps import DEEPEST, Heap, records_of
from pondera.weights.hdf5.objects import LINK, LINK_INFO, SYMBOL_TABLE, Message
from pondera.weights.hdf5.space import MOST_NAME, Cursor, Space

BY_NAME = 5
"""The type of a version 2 B-tree that indexes links by their names."""


class Link(NamedTuple):
    """A name in a group; ``other`` says what it leads to where that is no object of this file."""

    order: int  # of creation; 0 where the file does not say
    name: str
    address: int | None
    other: str = ""


def is_group(messages: Sequence[Message]) -> bool:
    """Whether an object is a group."""
    return any(message.kind in (SYMBOL_TABLE, LINK_INFO) for message in messages)


def links_of(space: Space, messages: Sequence[Message]) -> list[Link]:
    """Return the links of a group, in the order they were made where the file says so, otherwise by name.

    Raises
    ------
    ModelFileError
        If the group is damaged, or names something twice.
    """
    found: list[Link] = []
    for message in messages:
        cursor = Cursor(space, message.body, "a group")
        if message.kind == SYMBOL_TABLE:
            tree, heap = cursor.address(), cursor.address()
            found += _of_tables(space, tree, heap)
        elif message.kind == LINK:
            found.append(_link(cursor))
        elif message.kind == LINK_INFO:
            found += _of_heap(cursor)
    if len({link.name for link in found}) < len(found):
        raise space.damaged("a group holds one name twice")
    return sorted(found)


def _link(cursor: Cursor) -> Link:
    version, flags = cursor.number(1), cursor.number(1)
    if version != 1:
        raise cursor.space.unsupported(f"it has a link of version {version}")
    kind = cursor.number(1) if flags & 8 else 0
    order = cursor.number(8) if flags & 4 else 0
    cursor.take(1 if flags & 16 else 0)
    name = _checked(cursor.space, cursor.name(cursor.number(1 << (flags & 3))))
    if kind == 0:
        return Link(order, name, cursor.address())
    return Link(
        order, name, None, {1: "a link to a path", 64: "a link to another file"}.get(kind, "a link of a user's kind")
    )


def _checked(space: Space, name: str) -> str:
    if not name or "/" in name or name == ".":
        raise space.damaged(f"a group holds the name {name!r:.80}, which leads elsewhere")
    return name


def _of_heap(cursor: Cursor) -> Iterator[Link]:
    """Yield the links of a group that has many."""
    cursor.take(1)
    cursor.take(8 if cursor.number(1) & 1 else 0)
    heap_address, tree = cursor.address(), cursor.address()
    if heap_address is None:
        return
    heap = Heap(cursor.space, heap_address)
    for record in records_of(cursor.space, tree, BY_NAME):
        yield _link(heap.item(record[4:]))


def _of_tables(space: Space, tree: int | None, heap: int | None) -> Iterator[Link]:
    """Yield the links of a group that keeps them as the first version of the format did."""
    head = space.signed(heap, 32, b"HEAP", 0, "a heap of names")
    head.take(3)
    size = head.number(8)
    head.take(8)
    names = space.cursor(head.address(), size, "a heap of names").view
    for table in leaves_of(space, tree, 0, 8):
        node = space.signed(table.address, 8, b"SNOD", 1, "a table of names")
        node.take(1)
        count = node.number(2)
        entries = space.cursor((table.address or 0) + 8, 40 * count, "a table of names")
        for _ in range(count):
            space.count()
            at, address, kind = entries.number(8), entries.address(), entries.number(4)
            entries.take(20)
            found = names[at : at + MOST_NAME + 1]
            name = _checked(space, Cursor(space, found, "a name").name(min(len(found), MOST_NAME)))
            yield Link(0, name, None, "a link to a path") if kind == 2 else Link(0, name, address)


class Leaf(NamedTuple):
    """A leaf of a version 1 B-tree: the key before it, and where it lies."""

    key: memoryview
    address: int | None


def leaves_of(space: Space, root: int | None, kind: int, key_size: int) -> Iterator[Leaf]:
    """Yield the leaves of a version 1 B-tree, from the first to the last.

    Raises
    ------
    ModelFileError
        If the tree is damaged, or goes round in circles.
    """
    waiting: list[tuple[int | None, int]] = [(root, -1)]  # nodes, and the level each must have
    seen: set[int | None] = set()
    while waiting:
        address, expected = waiting.pop()
        space.visit(seen, address, "a node of a tree")
        head = space.cursor(address, 24, "a node of a tree")
        signature, found, level, count = bytes(head.take(4)), head.number(1), head.number(1), head.number(2)
        if signature != b"TREE" or found != kind or level > DEEPEST or expected not in (-1, level):
            raise space.damaged(f"the node of a tree at byte {address:,} does not begin as one does")
        node = space.cursor((address or 0) + 24, count * (key_size + 8), "a node of a tree")
        space.count(count)
        children = [Leaf(node.take(key_size), node.address()) for _ in range(count)]
        if not level:
            yield from children
        waiting += [(child.address, level - 1) for child in reversed(children) if level]
