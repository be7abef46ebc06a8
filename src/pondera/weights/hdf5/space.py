"""The bytes of an HDF5 file: every place and every length is checked before it is read, and the work is bounded.

HDF5 is a web of structures that point at each other by address. A hostile file points outside itself, in circles, or
at the same bytes a million times over. So every structure is fetched through a :class:`Space`, which counts them, and
is read through a :class:`Cursor`, which never passes the structure's end.
"""

from __future__ import annotations

from pathlib import Path

from pondera.errors import ModelFileError

UNDEFINED = (1 << 64) - 1
"""The address that stands for none."""

MOST_PARTS = 4_000_000
"""More structures than this (objects, messages, names, nodes of trees) are refused."""

MOST_NAME = 1024
"""A longer name or path is refused."""

MOST_UNWRITTEN = 1 << 26
"""Values that were never written are made up to this many bytes for a file."""

MOST_RATIO = 1100
"""Values that unpack to more than this many times the file are refused; deflate reaches 1,032."""

FREE_TOUCHES = 1 << 18
BYTES_A_TOUCH = 1024
"""Chunks may be looked at so often, and once more for so many bytes: otherwise all time would go into finding them."""

MOST_TEXT = 1 << 25
"""Attributes with more bytes than this together are refused."""


class Space:
    """A file's bytes, and how many structures may still be read from them.

    Parameters
    ----------
    path
        The file, for messages.
    view
        Its bytes; addresses count from the first.
    """

    def __init__(self, path: Path, view: memoryview) -> None:
        self.path, self.view = path, view
        self.left = min(MOST_PARTS, len(view) // 4 + 64)  # no structure takes fewer than 4 bytes
        self.touches = FREE_TOUCHES
        self.room = MOST_UNWRITTEN + MOST_RATIO * len(view)
        self.text_left = min(MOST_TEXT, 4 * len(view) + (1 << 16))
        self.texts: dict[int, dict[int, memoryview]] = {}  # address of a heap of texts -> those in it

    def damaged(self, why: str) -> ModelFileError:
        """Return the error for a promise that the file does not keep."""
        return ModelFileError(f"{self.path}: {why}. The HDF5 file is damaged; restore it from a copy or save it again.")

    def unsupported(self, what: str) -> ModelFileError:
        """Return the error for a feature of the format that is not read."""
        return ModelFileError(
            f"{self.path}: {what}, which is not read. Open the file with h5py and save the arrays with its defaults."
        )

    def count(self, parts: int = 1) -> None:
        """Count structures.

        Raises
        ------
        ModelFileError
            If there are more than such a file can hold.
        """
        self.left -= parts
        if self.left < 0:
            raise self.damaged("it claims more structures than it has room for")

    def recall(self, name: str, size: int) -> None:
        """Count the bytes of an attribute that is taken into memory.

        Raises
        ------
        ModelFileError
            If all of them together are more than a file of this size can hold.
        """
        self.text_left -= size
        if self.text_left < 0:
            raise self.damaged(f"the attribute {name!r:.200} brings more text than the file has")

    def claim(self, name: str, size: int) -> None:
        """Count the bytes that a dataset's values take once unpacked, or made up where none were written.

        Raises
        ------
        ModelFileError
            If all of them together are more than such a file can hold.
        """
        self.room -= size
        if self.room < 0:
            raise self.damaged(f"{name!r:.200} would unpack to {size:,} bytes, more than such a file can hold")

    def touch(self, name: str, times: int, size: int) -> None:
        """Count how often chunks of a dataset of so many bytes are looked at.

        Raises
        ------
        ModelFileError
            If finding the values of all datasets would take far longer than reading them.
        """
        self.touches -= max(0, times - size // BYTES_A_TOUCH)
        if self.touches < 0:
            raise self.unsupported(f"{name!r:.200} is cut so that its chunks would be looked at {times:,} times")

    def visit(self, seen: set[int | None], address: int | None, what: str) -> None:
        """Note that a part of something larger is read that can be reached by one way only.

        Raises
        ------
        ModelFileError
            If it was read before: the file goes round in circles.
        """
        if address in seen:
            raise self.damaged(f"{what} at byte {address or 0:,} is pointed at twice")
        seen.add(address)

    def cursor(self, address: int | None, length: int, what: str) -> Cursor:
        """Return a cursor over a structure's bytes.

        Raises
        ------
        ModelFileError
            If it does not lie within the file.
        """
        if address is None or address + length > len(self.view):
            where = "nowhere" if address is None else f"at bytes {address:,} to {address + length:,}"
            raise self.damaged(f"{what} would lie {where} of {len(self.view):,}")
        self.count()
        return Cursor(self, self.view[address : address + length], what)

    def signed(self, address: int | None, length: int, signature: bytes, version: int, what: str) -> Cursor:
        """Return a cursor over a structure, past the signature and the version it must begin with."""
        found = self.cursor(address, length, what)
        if found.take(4) != signature or found.number(1) != version:
            raise self.damaged(f"{what} at byte {address:,} does not begin as one does")
        return found


class Cursor:
    """Reads one thing after the other from a structure, and never past its end."""

    __slots__ = ("at", "space", "view", "what")

    def __init__(self, space: Space, view: memoryview, what: str) -> None:
        self.space, self.view, self.what = space, view, what
        self.at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.view) - self.at

    def take(self, length: int) -> memoryview:
        """Return the next bytes.

        Raises
        ------
        ModelFileError
            If there are fewer.
        """
        if length > self.left:
            raise self.space.damaged(f"{self.what} ends after {len(self.view):,} bytes, too early")
        self.at += length
        return self.view[self.at - length : self.at]

    def number(self, size: int) -> int:
        """Return the next whole number of at least 0, of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int | None:
        """Return the next address, or None where it points nowhere."""
        found = self.number(8)
        return None if found == UNDEFINED else found

    def align(self) -> None:
        """Go on to the next multiple of 8 bytes, or to the end if that comes first."""
        self.at = min(-(-self.at // 8) * 8, len(self.view))

    def name(self, length: int) -> str:
        """Return the next bytes as a name.

        Raises
        ------
        ModelFileError
            If it is longer than :data:`MOST_NAME` bytes.
        """
        if length > MOST_NAME:
            raise self.space.damaged(f"{self.what} has a name of {length:,} bytes; expected at most {MOST_NAME:,}")
        return bytes(self.take(length)).partition(b"\x00")[0].decode("utf-8", errors="replace")
