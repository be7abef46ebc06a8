"""The machine that a pickle is a program for: a stack, a memory, and what stands for the objects that it builds.

There is nothing in it that could do harm: a name that a pickle gives is looked up, never imported, and what it builds
is one of the plain classes here. Dictionaries and sets come out as lists of what they hold, because a file can choose
keys that make hashing slow, or that have no hash.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pondera.errors import ModelFileError

MOST_STEPS = 4_000_000
"""More instructions than this are refused: a tensor takes about 30. They bound the memory too, to about 500 MB."""

FREE_STEPS = 250_000
STEP = 6
"""So many instructions may any file have, and one more for every so many of its bytes.

What PyTorch writes of 40,000 tensors of one value each takes an instruction for every 10 bytes of an archive, and for
every 7 of the older layout; where tensors have values, it is far fewer. A file that is nothing but instructions was
made to take long.
"""

MOST_BYTES = 1 << 28
"""More bytes of text than this are refused."""

MOST_LINE = 1 << 20
"""A longer line of the oldest, textual instructions is refused."""

RUNNING = frozenset(
    ("os", "posix", "nt", "subprocess", "sys", "pty", "socket", "shutil", "runpy", "importlib", "ctypes", "webbrowser")
)
"""Modules that no model needs, and that those use who have a pickle run a program."""

BUILTINS = ("builtins", "__builtin__")
CALLING = ("eval", "exec", "compile", "__import__", "open", "getattr", "breakpoint")

MOST_SLOTS = 1 << 32


@dataclass
class Budget:
    """How many instructions and bytes of text are still allowed, over all pickles of a file; at first ``most``."""

    steps: int = MOST_STEPS
    bytes: int = MOST_BYTES
    most: int = field(init=False)

    def __post_init__(self) -> None:
        self.most = self.steps

    @classmethod
    def of(cls, size: int) -> Budget:
        """Return what a file of so many bytes is allowed.

        >>> Budget.of(1_500_000).steps
        500000
        """
        return cls(min(MOST_STEPS, FREE_STEPS + size // STEP))


class Built:
    """What can be told a state after it was built, as ``__setstate__`` would be."""

    __slots__ = ()

    @abstractmethod
    def take_state(self, machine: Machine, state: object) -> None:
        """Keep what a state says."""


@dataclass(slots=True, eq=False, repr=False)
class Dictionary(Built):
    """A dictionary as its keys and values, in order; the same key may occur twice."""

    pairs: list[tuple[object, object]]

    def take_state(self, machine: Machine, state: object) -> None:
        """Pass over the attributes of a dictionary: PyTorch keeps versions of modules there, which say nothing here."""


@dataclass(slots=True, eq=False, repr=False)
class Record(Built):
    """An object of a class that is known to be harmless: what it would have been made of.

    Attributes
    ----------
    name
        The class.
    arguments
        What it would have been called with.
    state
        Its attributes, or None.
    contents
        What would have been appended to it, and set in it, if it is a list or dictionary too; or None.
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: object = None
    contents: list[object] | Dictionary | None = None

    def take_state(self, machine: Machine, state: object) -> None:
        """Keep the attributes."""
        self.state = state


Builder = Callable[["Machine", tuple[object, ...]], object]


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A class or function that a pickle names, never imported; what it stands for is ``build``, if anything."""

    text: str
    build: Builder | None = None


class Machine:
    """One pickle's stack and memory, and what its instructions are made of.

    Parameters
    ----------
    path
        The file, for messages.
    view
        Its bytes, or those of the part that is a pickle.
    find
        Name -> what it stands for, None where it is not known.
    persistent
        What stands for something outside the pickle, such as the values of a tensor.
    start
        Where the pickle begins.
    budget
        Shared by all pickles of a file.
    """

    def __init__(
        self,
        path: Path,
        view: memoryview,
        find: Callable[[str], Name | None],
        persistent: Callable[[object], object] | None = None,
        start: int = 0,
        budget: Budget | None = None,
    ) -> None:
        self.path, self.view, self.find, self.persistent, self.at = path, view, find, persistent, start
        self.budget = Budget() if budget is None else budget
        self.stack: list[Any] = []
        self.marks = [0]  # how high the stack was at each, and at the start
        self.memo: dict[int, object] = {}

    def damaged(self, why: str) -> ModelFileError:
        """Return the error for bytes that make no sense."""
        return ModelFileError(
            f"{self.path}: the pickle cannot be read: {why} (at byte {self.at:,}). It is damaged or no checkpoint."
        )

    def charge(self, count: int) -> None:
        """Refuse more bytes than are allowed altogether."""
        self.budget.bytes -= count
        if self.budget.bytes < 0:
            raise ModelFileError(
                f"{self.path}: the pickle holds more than {MOST_BYTES:,} bytes of text. It is damaged or no checkpoint."
            )

    def byte(self) -> int:
        """Return the next byte."""
        byte = self.view[self.at]
        self.at += 1
        return byte

    def take(self, count: int) -> memoryview:
        """Return the next bytes, where they lie."""
        if not 0 <= count <= len(self.view) - self.at:
            raise self.damaged(f"it is cut short: {count:,} bytes should follow")
        part = self.view[self.at : self.at + count]
        self.at += count
        return part

    def line(self) -> bytes:
        """Return the bytes up to the end of a line."""
        size = 128
        while True:
            part = bytes(self.view[self.at : self.at + size])
            end = part.find(b"\n")
            if end >= 0:
                self.at += end + 1
                return part[:end]
            if len(part) < size or size >= MOST_LINE:
                raise self.damaged("a line does not end")
            size *= 8

    def pop(self) -> Any:
        """Take the last value from the stack."""
        if len(self.stack) <= self.marks[-1]:
            raise self.damaged("it takes a value that is not there")
        return self.stack.pop()

    def top(self) -> Any:
        """Return the last value of the stack."""
        if len(self.stack) <= self.marks[-1]:
            raise self.damaged("it takes a value that is not there")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        """Take all values since the last mark."""
        if len(self.marks) == 1:
            raise self.damaged("it takes a mark that is not there")
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def remember(self, slot: int) -> None:
        """Keep the last value in the memory."""
        if not 0 <= slot < MOST_SLOTS:
            raise self.damaged(f"it has no place {slot:,} in its memory")
        self.memo[slot] = self.top()

    def recall(self, slot: int) -> None:
        """Push a value from the memory."""
        if slot not in self.memo:
            raise self.damaged(f"it asks for the place {slot:,} of its memory, which is empty")
        self.stack.append(self.memo[slot])

    def name(self, module: object, name: object) -> Name:
        """Return what a name stands for."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise self.damaged("it names a class or function by something that is no text")
        found = self.find(f"{module}.{name}")
        if found is None:
            runs = module.split(".")[0] in RUNNING or (module in BUILTINS and name in CALLING)
            advice = (
                "It would run a program where a pickle is loaded: do not load it."
                if runs
                else "If you trust the file, load it with PyTorch and save the model's state_dict() instead, best as "
                "safetensors."
            )
            raise ModelFileError(
                f"{self.path}: the pickle asks for {f'{module}.{name}'!r:.200}, which is none of the names that "
                f"tensors need. Nothing was imported or run. {advice}"
            )
        return found

    def call(self, name: object, arguments: object) -> object:
        """Return what a name builds of its arguments."""
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise self.damaged("it calls what is no function, or with what are no arguments")
        if name.build is None:
            raise self.damaged(f"it calls {name.text!r:.200}, which no checkpoint does")
        return name.build(self, arguments)

    def extend(self, items: list[Any]) -> None:
        """Append values to the list on top of the stack."""
        target = self.top()
        if isinstance(target, Record):
            target.contents = [] if target.contents is None else target.contents
            target = target.contents
        if not isinstance(target, list):
            raise self.damaged("it appends to what is no list")
        target.extend(items)

    def update(self, items: list[Any]) -> None:
        """Set keys and values in the dictionary on top of the stack."""
        if len(items) % 2:
            raise self.damaged("a key has no value")
        target = self.top()
        if isinstance(target, Record):
            target.contents = Dictionary([]) if target.contents is None else target.contents
            target = target.contents
        if not isinstance(target, Dictionary):
            raise self.damaged("it sets keys in what is no dictionary")
        target.pairs.extend(zip(items[::2], items[1::2], strict=True))
