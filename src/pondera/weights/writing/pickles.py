"""The pickle of a PyTorch checkpoint, written without Python's pickle and without PyTorch, byte for byte as they do.

What a pickle of tensors is made of: an ``OrderedDict``; of each tensor the function that rebuilds it, what its bytes
are called in the archive, its shape and its steps (``torch/_utils.py``). The instructions are those of protocol 2,
which the module ``pickletools`` of Python's library describes.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence

from pondera.weights.pytorch.objects import STORAGES
from pondera.weights.tensor import DTYPES
from pondera.weights.writing.outgoing import Outgoing

TYPED = {dtype: kind for kind, dtype in reversed(STORAGES.items()) if dtype in DTYPES and "Untyped" not in kind}
"""Dtype -> PyTorch's storage of it; those that are missing lie in a storage of bytes."""

ITEMS = 1000
"""Python's pickles set as many keys of a dictionary at a time."""


class _Pickle:
    """The instructions so far, and in which place of the memory what was named before is."""

    def __init__(self) -> None:
        self.written = bytearray(b"\x80\x02")
        self.places: dict[Hashable, int] = {}
        self.remembered = 0

    def remember(self, what: Hashable = None) -> None:
        """Keep the last value in the memory, as Python does with everything that might be used again."""
        if what is not None:
            self.places[what] = self.remembered
        self.written += self.slot(b"q", b"r", self.remembered)
        self.remembered += 1

    def recall(self, what: Hashable) -> bool:
        """Push a value out of the memory, if it is there."""
        if what not in self.places:
            return False
        self.written += self.slot(b"h", b"j", self.places[what])
        return True

    @staticmethod
    def slot(short: bytes, long: bytes, number: int) -> bytes:
        """Return the instruction for a place of the memory."""
        return short + bytes([number]) if number < 256 else long + number.to_bytes(4, "little")

    def name(self, module: str, name: str) -> None:
        """Push a class or function."""
        if not self.recall((module, name)):
            self.written += f"c{module}\n{name}\n".encode()
            self.remember((module, name))

    def text(self, text: str, shared: bool = False) -> None:
        """Push a text; one that is shared is written once."""
        if not shared or not self.recall(text):
            content = text.encode()
            self.written += b"X" + len(content).to_bytes(4, "little") + content
            self.remember(text if shared else None)

    def number(self, number: int) -> None:
        """Push a whole number of at least 0."""
        if number < 1 << 8:
            self.written += b"K" + number.to_bytes(1)
        elif number < 1 << 16:
            self.written += b"M" + number.to_bytes(2, "little")
        elif number < 1 << 31:
            self.written += b"J" + number.to_bytes(4, "little")
        else:
            size = number.bit_length() // 8 + 1
            self.written += b"\x8a" + size.to_bytes(1) + number.to_bytes(size, "little")

    def numbers(self, numbers: Sequence[int]) -> None:
        """Push a tuple of whole numbers."""
        self.written += b"(" * (len(numbers) > 3)
        for number in numbers:
            self.number(number)
        self.written += (b")", b"\x85", b"\x86", b"\x87")[len(numbers)] if len(numbers) < 4 else b"t"
        if numbers:
            self.remember()

    def dictionary(self) -> None:
        """Push an empty ``OrderedDict``."""
        self.name("collections", "OrderedDict")
        self.written += b")R"
        self.remember()

    def tensor(self, tensor: Outgoing, key: str) -> None:
        """Push a tensor whose bytes the archive has under a key."""
        typed = TYPED.get(tensor.dtype)
        self.name("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
        self.written += b"(("
        self.text("storage", shared=True)
        self.name(*(("torch", typed) if typed else ("torch.storage", "UntypedStorage")))
        self.text(key)
        self.text("cpu", shared=True)
        self.number(tensor.tensor.count if typed else tensor.nbytes)
        self.written += b"t"
        self.remember()
        self.written += b"Q"
        self.number(0)  # where in its bytes it begins
        self.numbers(tensor.shape)
        self.numbers(steps_of(tensor.shape))
        self.written += b"\x89"  # no gradient is asked for
        self.dictionary()  # of functions to call for the gradient: none
        if not typed:
            self.name("torch", tensor.dtype)
        self.written += b"t"
        self.remember()
        self.written += b"R"
        self.remember()


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the steps along the axes of values that lie one after the other, as PyTorch counts them.

    >>> steps_of((2, 0, 3))
    (3, 3, 1)
    """
    products = itertools.accumulate((max(length, 1) for length in reversed(shape[1:])), int.__mul__, initial=1)
    return tuple(products)[::-1] if shape else ()


def pickle_of(tensors: Iterable[Outgoing]) -> bytes:
    """Return the pickle of a dictionary of tensors; their bytes are called ``0``, ``1``, … in the archive."""
    pickle = _Pickle()
    pickle.dictionary()
    numbered = enumerate(tensors)
    while batch := list(itertools.islice(numbered, ITEMS)):
        pickle.written += b"(" * (len(batch) > 1)
        for index, tensor in batch:
            pickle.text(tensor.name)
            pickle.tensor(tensor, str(index))
        pickle.written += b"u" if len(batch) > 1 else b"s"
    return bytes(pickle.written + b".")
