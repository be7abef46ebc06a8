"""Where an HDF5 file keeps many links or many attributes of one object: a fractal heap and a tree that indexes it.

Sections III.A.2 (version 2 B-trees) and III.G (fractal heap) of
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html. The heap is one range of bytes cut into blocks of
growing size: two rows of blocks of the starting size, then each row of blocks of twice the size.
"""

from __future__ import annotations

from collections.abc import Iterator

from pondera.weights.hdf5.space import Cursor, Space

DEEPEST = 16
"""A tree of more levels than this is refused."""


class Heap:
    """A fractal heap, opened by its header's address."""

    def __init__(self, space: Space, address: int | None) -> None:
        self.space = space
        head = space.signed(address, 142, b"FRHP", 0, "a heap's header")
        self.identity, filters = head.number(2), head.number(2)
        if filters:
            raise space.unsupported("it holds a heap of compressed links or attributes")
        head.take(1)
        largest = head.number(4)
        head.take(12 * 8)
        self.width, self.first, self.most, bits = head.number(2), head.number(8), head.number(8), head.number(16 // 8)
        head.take(2)
        self.root, self.rows = head.address(), head.number(2)
        sizes = (self.width, self.first, self.most)
        if any(size < 1 or size & (size - 1) for size in sizes) or not 1 <= bits <= 64 or self.first > self.most:
            raise space.damaged("a heap's blocks have sizes that are no powers of two")
        self.offset_size = -(-bits // 8)
        self.length_size = -(-min(self.most, largest).bit_length() // 8)

    def item(self, identity: memoryview) -> Cursor:
        """Return what lies under a key.

        Raises
        ------
        ModelFileError
            If the key leads out of the heap.
        """
        key = Cursor(self.space, identity, "a key of a heap")
        kind = key.number(1)
        if kind & 0xF0:
            raise self.space.unsupported("it holds a link or an attribute apart from its heap")
        offset, length = key.number(self.offset_size), key.number(self.length_size)
        address, room = self._place(offset)
        if length > room:
            raise self.space.damaged("an item of a heap is longer than its block")
        return self.space.cursor(address, length, "an item of a heap")

    def _place(self, offset: int) -> tuple[int, int]:
        """Return the address of a byte of the heap, and how many bytes its block has from there."""
        address, rows = self.root, self.rows
        if address is not None and not rows:  # the root is the only block
            return self._within(address, self.first, offset)
        for _ in range(DEEPEST):
            row = (offset // (self.width * self.first)).bit_length()
            size = self.first << max(row - 1, 0)
            column, rest = divmod(offset - (self.width * size if row else 0), size)
            if row >= rows:
                break
            at = 13 + self.offset_size + 8 * (row * self.width + column)  # past the block's own header
            block = self.space.signed(address, at + 8, b"FHIB", 0, "a block of a heap")
            block.at = at
            address = block.address()
            if address is not None and size <= self.most:
                return self._within(address, size, rest)
            offset, rows = rest, (size // (self.first * self.width)).bit_length()
        raise self.space.damaged("a key leads out of its heap")

    def _within(self, address: int, size: int, offset: int) -> tuple[int, int]:
        self.space.signed(address, 5, b"FHDB", 0, "a block of a heap")
        if offset >= size:
            raise self.space.damaged("a key leads out of its heap")
        return address + offset, size - offset


def records_of(space: Space, address: int | None, kind: int) -> Iterator[memoryview]:
    """Yield the records of a version 2 B-tree of the given type, in the tree's order.

    Raises
    ------
    ModelFileError
        If the tree is damaged.
    """
    head = space.signed(address, 38, b"BTHD", 0, "a tree's header")
    found, node, record, depth = head.number(1), head.number(4), head.number(2), head.number(2)
    head.take(2)
    root, count = head.address(), head.number(2)
    if found != kind or not record or depth > DEEPEST or node < 10 + record:
        raise space.damaged("a tree of links or attributes has a header that cannot be")
    if count:
        yield from _node(space, root, count, _Node(node, record, depth), set())


class _Node:
    """How nodes of one level lie: how many bytes a record takes, and each number that goes with a child."""

    def __init__(self, size: int, record: int, depth: int) -> None:
        self.size, self.record, self.depth = size, record, depth
        most = (size - 10) // record  # records in a leaf, then in a tree of one level more and so on
        self.count_size = _size_of(most)
        self.below = 0  # bytes of the number of all records under a child; leaves have none
        for level in range(1, depth + 1):
            self.below = _size_of(most) if level > 1 else 0
            pair = 8 + self.count_size + self.below
            wide = max(0, (size - 10 - pair) // (record + pair))
            most = (wide + 1) * most + wide


def _size_of(most: int) -> int:
    return max(1, -(-most.bit_length() // 8))


def _node(space: Space, address: int | None, count: int, form: _Node, seen: set[int | None]) -> Iterator[memoryview]:
    space.visit(seen, address, "a node of a tree")
    pair = 8 + form.count_size + form.below if form.depth else 0
    length = 6 + count * form.record + (count + 1) * pair
    if length + 4 > form.size:
        raise space.damaged("a node of a tree holds more records than it has room for")
    node = space.signed(address, length, b"BTIN" if form.depth else b"BTLF", 0, "a node of a tree")
    node.take(1)
    records = [node.take(form.record) for _ in range(count)]
    space.count(count)
    if not form.depth:
        yield from records
        return
    lower = _Node(form.size, form.record, form.depth - 1)
    for index in range(count + 1):
        child, held = node.address(), node.number(form.count_size)
        node.take(form.below)
        yield from _node(space, child, held, lower, seen)
        if index < count:
            yield records[index]
