"""Objects of an HDF5 file: where the first one is, and the messages that each is made of.

Sections II (superblock) and IV.A (object headers) of
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html. Checksums are not compared: every claim is checked
on its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pondera.errors import ModelFileError
from pondera.weights.hdf5.space import Cursor, Space

SIGNATURE = b"\x89HDF\r\n\x1a\n"
PLACES = (0, 512, 1024, 2048)
"""Where the superblock may be: other bytes of the user's may come first. The format goes on doubling; we do not."""

DATASPACE, LINK_INFO, DATATYPE, FILL, LINK, EXTERNAL = 0x01, 0x02, 0x03, 0x05, 0x06, 0x07
LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x08, 0x0B, 0x0C, 0x10, 0x11, 0x15


class Message(NamedTuple):
    """One thing that an object's header says."""

    kind: int
    shared: bool  # the body only says where the message itself is
    body: memoryview


def begin(path: Path, view: memoryview) -> tuple[Space, int | None]:
    """Return the file's space, and the address of the first group.

    Raises
    ------
    ModelFileError
        If it is no HDF5 file, is cut short, or of a version or kind that is not read.
    """
    start = next((place for place in PLACES if view[place : place + 8] == SIGNATURE), None)
    if start is None:
        raise ModelFileError(f"{path}: expected an HDF5 file, found something else. Give the path of a model file.")
    space = Space(path, view[start:])
    cursor = space.cursor(0, min(len(space.view), 128), "the superblock")
    cursor.take(8)
    version = cursor.number(1)
    if version in (2, 3):
        sizes = cursor.number(2)
        cursor.take(1)  # flags: whether a program has it open
    elif version in (0, 1):
        cursor.take(4)
        sizes = cursor.number(2)
        cursor.take(9 if version == 0 else 13)
    else:
        raise space.unsupported(f"it has an HDF5 superblock of version {version}")
    if sizes != 0x0808:
        raise space.unsupported(f"its HDF5 addresses take {sizes & 255} bytes and lengths {sizes >> 8} instead of 8")
    base, _, end, fourth = (cursor.address() for _ in range(4))
    if base != start:
        raise space.unsupported(f"its HDF5 addresses count from byte {base}, where the superblock is not")
    if end is None or end - base > len(space.view):
        raise space.damaged(f"it should have {end or 0:,} bytes and has {len(view):,}: it is cut short")
    if version >= 2:
        return space, fourth
    if fourth is not None:
        raise space.unsupported("it is one of several files that only make sense together")
    cursor.take(8)  # the root's name
    return space, cursor.address()


def messages_of(space: Space, address: int | None) -> list[Message]:
    """Return what an object's header says.

    Raises
    ------
    ModelFileError
        If the header does not lie within the file, or is damaged.
    """
    if address is None or address + 4 > len(space.view):
        raise space.damaged(f"an object's header would lie at byte {address or 0:,} of {len(space.view):,}")
    if bytes(space.view[address : address + 4]) == b"OHDR":
        return _messages_v2(space, address)
    return _messages_v1(space, address)


def _messages_v1(space: Space, address: int) -> list[Message]:
    head = space.cursor(address, 16, "an object's header")
    if head.number(1) != 1:
        raise space.damaged(f"the object's header at byte {address:,} does not begin as one does")
    head.take(1)
    expected = head.number(2)
    head.take(4)
    found: list[Message] = []
    seen: set[int | None] = set()
    blocks = [space.cursor(address + 16, head.number(4), "an object's header")]
    for block in blocks:  # grows while it is gone through
        while block.left >= 8 and len(found) < expected:
            space.count()
            kind, size, flags = block.number(2), block.number(2), block.number(1)
            block.take(3)
            _note(space, Message(kind, bool(flags & 2), block.take(size)), found, blocks, seen)
    return found


def _messages_v2(space: Space, address: int) -> list[Message]:
    head = space.cursor(address, min(64, len(space.view) - address), "an object's header")
    head.take(4)
    version, flags = head.number(1), head.number(1)
    if version != 2:
        raise space.unsupported(f"the object's header at byte {address:,} is of version {version}")
    head.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))  # times; how attributes are stored
    size = head.number(1 << (flags & 3))
    ordered = 2 if flags & 4 else 0
    found: list[Message] = []
    seen: set[int | None] = set()
    blocks = [space.cursor(address + head.at, size, "an object's header")]
    for at, block in enumerate(blocks):
        if at:  # a continuation has a signature and a checksum within its length
            if bytes(block.take(4)) != b"OCHK":
                raise space.damaged("the continuation of an object's header does not begin as one does")
            block.view = block.view[: max(block.at, len(block.view) - 4)]
        while block.left >= 4 + ordered:
            space.count()
            kind, length, bits = block.number(1), block.number(2), block.number(1)
            block.take(ordered)
            _note(space, Message(kind, bool(bits & 2), block.take(length)), found, blocks, seen)
    return found


def _note(space: Space, message: Message, found: list[Message], blocks: list[Cursor], seen: set[int | None]) -> None:
    """Keep a message, or add the block that it says the header goes on in."""
    found.append(message)
    if message.kind == CONTINUATION:
        place = Cursor(space, message.body, "the continuation of an object's header")
        address, length = place.address(), place.number(8)
        space.visit(seen, address, place.what)
        blocks.append(space.cursor(address, length, place.what))
