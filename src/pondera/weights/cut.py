"""A mapped file that is cut short while it is looked at: an error afterwards, not the end of the process.

To look at a page of a mapping beyond the end of its file sends SIGBUS, which ends the process. On Linux the pages that
are gone are replaced by empty ones, and the mapping is marked, so that whoever read it can say so in the end. The way
is that of systemd's journal (https://github.com/systemd/systemd/blob/main/src/basic/sigbus.c). It costs nothing until
it happens, unlike copies of all bytes, which halve the speed. Any other bus error goes to whoever handled it before.
"""

from __future__ import annotations

import ctypes
import mmap
import signal
import struct
import sys
import weakref
from functools import cache
from typing import Any, Protocol

SUPPORTED = sys.platform == "linux" and struct.calcsize("P") == 8
"""Elsewhere a file that is cut ends the process, as it does with every mapping."""

_MAP_FIXED = 0x10
_SA_SIGINFO = 4
_ADDRESS = 16
"""Where in ``siginfo_t`` the address is."""


class Marked(Protocol):
    """A mapping that can be told that its file was cut."""

    cut: bool


_mappings: dict[int, tuple[int, weakref.ref[Any]]] = {}  # first address -> length, mapping


def watch(mapping: Marked, start: int, length: int) -> None:
    """Mark a mapping when its file was found cut, and let reading go on over zeros.

    Parameters
    ----------
    mapping
        What is marked; it is forgotten where nobody holds it any more.
    start, length
        Its first address, and its bytes.
    """
    if not SUPPORTED:
        return
    _installed()
    _mappings[start] = length, weakref.ref(mapping)
    weakref.finalize(mapping, _mappings.pop, start, None)


class _Action(ctypes.Structure):
    """``struct sigaction`` of glibc and musl."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


@cache
def _installed() -> Any:
    """Handle bus errors from now on; return what must stay alive for that."""
    library = ctypes.CDLL(None, use_errno=True)
    map_pages, act = library.mmap, library.sigaction
    map_pages.restype = ctypes.c_void_p
    map_pages.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    act.argtypes = (ctypes.c_int, ctypes.POINTER(_Action), ctypes.POINTER(_Action))
    before = _Action()
    size, flags, failed = mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED, ctypes.c_void_p(-1).value

    def handle(number: int, told: int, context: int) -> None:
        # The fault lies in a plain load from the mapping, never within an allocator or with a lock of Python's half
        # taken: hence Python may run here, which takes the GIL where the loop had let it go.
        address = ctypes.c_size_t.from_address(told + _ADDRESS).value
        for start, (length, mapping) in list(_mappings.items()):
            if start <= address < start + length:
                page = address - address % size
                missing = -(-(start + length - page) // size) * size
                found = mapping()
                if found is not None and map_pages(page, missing, mmap.PROT_READ, flags, -1, 0) != failed:
                    found.cut = True
                    return
        act(signal.SIGBUS, before, None)
        signal.raise_signal(signal.SIGBUS)  # when this ends; it is theirs

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(handle)
    act(signal.SIGBUS, _Action(ctypes.cast(handler, ctypes.c_void_p).value, flags=_SA_SIGINFO), before)
    return handler
