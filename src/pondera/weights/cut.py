"""A mapped file that is cut short while it is looked at: an error afterwards, not the end of the process.

To look at a page of a mapping beyond the end of its file sends SIGBUS, which ends the process. On Linux the pages that
are gone are replaced by empty ones, and the mapping is marked, so that whoever read it can say so in the end. The way
is that of systemd's journal (https://github.com/systemd/systemd/blob/main/src/basic/sigbus.c). It costs nothing until
it happens, unlike copies of all bytes, which halve the speed.

Bus errors elsewhere go to whoever handled them before, or end the process as they did. So does what goes wrong here.
Mappings of huge pages of their own (hugetlbfs) are not replaced.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import signal
import sys
import weakref
from functools import cache
from typing import Any, Protocol

SUPPORTED = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64") and sys.maxsize > 2**32
"""Elsewhere a file that is cut ends the process, as it does with every mapping."""

_MAP_FIXED = 0x10
_SA_SIGINFO = 4
_CODE, _ADDRESS = 8, 16
"""Where in ``siginfo_t`` is why it was sent, and of faults the address."""


class Marked(Protocol):
    """A mapping that can be told that its file was cut."""

    def mark(self) -> None:
        """Take note of it."""
        ...


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
    _handler().install()
    _mappings[start] = length, weakref.ref(mapping)
    weakref.finalize(mapping, _mappings.pop, start, None).atexit = False


class _Action(ctypes.Structure):
    """``struct sigaction`` of glibc and musl."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_DEFAULT, _IGNORED = 0, 1


class _BusErrors:
    """Handles bus errors, before whoever did so until now."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self.map_pages, self.act = library.mmap, library.sigaction
        self.map_pages.restype = ctypes.c_void_p
        self.map_pages.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
        self.act.argtypes = (ctypes.c_int, ctypes.POINTER(_Action), ctypes.POINTER(_Action))
        self.flags, self.failed = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED, ctypes.c_void_p(-1).value
        self.before, self.default = _Action(), _Action()
        self.passed_on = False
        self.called = _Handler(self.handle)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.called))  # what C may call must outlive the interpreter
        self.ours = _Action(ctypes.cast(self.called, ctypes.c_void_p).value, flags=_SA_SIGINFO)

    def install(self) -> None:
        """Come first, also where somebody came first since."""
        now = _Action()
        self.act(signal.SIGBUS, None, now)
        if now.handler != self.ours.handler:
            self.before = now
            self.act(signal.SIGBUS, self.ours, None)

    def handle(self, number: int, told: int, context: int) -> None:
        """Be called by the system, in the thread in which it happened.

        A fault lies in a plain load from the mapping, never within an allocator or with a lock of Python's half taken:
        hence Python may run here, which takes the GIL where the loop had let it go.
        """
        try:
            if ctypes.c_int.from_address(told + _CODE).value > 0:  # of the kernel's, at an address
                if not self.replaced(ctypes.c_size_t.from_address(told + _ADDRESS).value):
                    self.passed_on = True
                    self.act(signal.SIGBUS, self.before, None)  # it happens again at once, and is theirs
            elif self.before.handler in (_DEFAULT, None) or self.passed_on:
                self.act(signal.SIGBUS, self.default, None)
                signal.raise_signal(signal.SIGBUS)  # when this ends
            elif self.before.handler != _IGNORED:
                _Handler(self.before.handler)(number, told, context)
        except BaseException:
            self.act(signal.SIGBUS, self.default, None)  # or it would happen again without end

    def replaced(self, address: int) -> bool:
        """Put empty pages from an address to the end of its mapping, if it is of one; return whether it is."""
        for start, (length, mapping) in list(_mappings.items()):
            if start <= address < start + length:
                page = address - address % mmap.PAGESIZE
                missing = -(-(start + length - page) // mmap.PAGESIZE) * mmap.PAGESIZE
                found = mapping()
                if found is None:
                    return False
                found.mark()
                done: bool = self.map_pages(page, missing, mmap.PROT_READ, self.flags, -1, 0) != self.failed
                return done
        return False


@cache
def _handler() -> _BusErrors:
    return _BusErrors()
