"""Pickles, read and not run: what a pickle says is built of plain containers; nothing is ever imported or called.

A pickle is a program for a small machine with a stack and a memory, and the usual way to read one runs it: it may name
any function on the computer and call it. Here every name is looked up in a list of known ones. What a known name builds
is one of our own plain objects; any other name ends the reading. The instructions are described in the module
``pickletools`` of Python's library, and in PEP 307, 3154 and 574.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from pondera.errors import ModelFileError
from pondera.weights.pytorch.machine import Built, Dictionary, Machine, Name

MOST_DIGITS = 256
"""Whole numbers of more bytes than this are refused."""

ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\", b"'": b"'", b'"': b'"'}


def unpickle(machine: Machine) -> object:
    """Return what a pickle builds; the machine stands at its end then.

    Raises
    ------
    ModelFileError
        If the pickle is damaged or cut short, too large, or names something that is not known.
    """
    budget = machine.budget
    try:
        while budget.steps > 0:
            budget.steps -= 1
            code = machine.byte()
            if code == ord("."):
                return machine.pop()
            operation = OPERATIONS.get(code)
            if operation is None:
                raise machine.damaged(f"the instruction {code:#04x} is none, or none that a checkpoint has")
            operation(machine)
    except ModelFileError:
        raise
    except IndexError:
        raise machine.damaged("it is cut short") from None
    except ValueError as error:
        raise machine.damaged(f"a value is none: {error!s:.200}") from None
    raise ModelFileError(
        f"{machine.path}: the pickle takes more than {budget.most:,} steps. It is damaged or no checkpoint; where you "
        "trust it, load it with PyTorch and save its tensors as safetensors."
    )


Operation = Callable[[Machine], None]
Read = Callable[[Machine], Any]


def _number(form: str) -> Read:
    """Return what reads a number of fixed size."""
    layout = struct.Struct(form)

    def read(machine: Machine) -> Any:
        return layout.unpack(machine.take(layout.size))[0]

    return read


def _counted(form: str, decode: Callable[[Machine, memoryview], object]) -> Read:
    """Return what reads bytes whose count comes first."""
    count = Machine.byte if form == "<B" else _number(form)
    return lambda machine: decode(machine, machine.take(count(machine)))


def _text(machine: Machine, part: memoryview) -> str:
    machine.charge(len(part))
    return str(part, "utf-8", "backslashreplace")


def _text_or_bytes(machine: Machine, part: memoryview) -> str | memoryview:
    """Return a string of Python 2, which was both."""
    machine.charge(len(part))
    try:
        return str(part, "utf-8")
    except UnicodeDecodeError:
        return part


def _bytes(machine: Machine, part: memoryview) -> memoryview:
    return part


def _long(machine: Machine, part: memoryview) -> int:
    if len(part) > MOST_DIGITS:
        raise machine.damaged(f"a whole number has {len(part):,} bytes")
    return int.from_bytes(part, "little", signed=True)


def _written_int(machine: Machine) -> int | bool:
    digits = machine.line().removesuffix(b"L")
    if digits in (b"00", b"01"):
        return digits == b"01"
    if len(digits) > 3 * MOST_DIGITS:
        raise machine.damaged(f"a whole number has {len(digits):,} digits")
    return int(digits)


def _written_string(machine: Machine) -> str | memoryview:
    def meant(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes([int(code[1:], 16)]) if len(code) == 3 else ESCAPES.get(code, found[0])

    quoted = machine.line()
    if len(quoted) < 2 or quoted[:1] != quoted[-1:] or quoted[:1] not in (b"'", b'"'):
        raise machine.damaged("a text is not between quotes")
    return _text_or_bytes(machine, memoryview(re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", meant, quoted[1:-1])))


def _written_text(machine: Machine) -> str:
    line = machine.line()
    machine.charge(len(line))
    return line.decode("raw_unicode_escape").encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")


def _line(machine: Machine) -> str:
    return machine.line().decode("utf-8", "backslashreplace")


def _persistent(machine: Machine, what: object) -> object:
    if machine.persistent is None:
        raise machine.damaged("it refers to something outside, and is not part of a checkpoint")
    return machine.persistent(what)


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    if not isinstance(target, Built):
        raise machine.damaged("it sets the state of what has none")
    target.take_state(machine, state)


def _new_with_names(machine: Machine) -> object:
    named, arguments, name = machine.pop(), machine.pop(), machine.pop()
    if not isinstance(named, Dictionary) or not isinstance(arguments, tuple):
        raise machine.damaged("it calls a function with what are no arguments")
    return machine.call(name, (*arguments, named) if named.pairs else arguments)


def _reduced(machine: Machine) -> object:
    arguments, name = machine.pop(), machine.pop()
    return machine.call(name, arguments)


def _named_object(machine: Machine) -> object:
    name = machine.name(_line(machine), _line(machine))
    return machine.call(name, tuple(machine.since_mark()))


def _marked_object(machine: Machine) -> object:
    items = machine.since_mark()
    return machine.call(items[0], tuple(items[1:]))


def _named(machine: Machine) -> Name:
    name, module = machine.pop(), machine.pop()
    return machine.name(module, name)


def _last(count: int) -> Read:
    """Return what takes the last values as a tuple."""
    return lambda machine: tuple(reversed([machine.pop() for _ in range(count)]))


def _dictionary(machine: Machine) -> Dictionary:
    items = machine.since_mark()
    machine.stack.append(Dictionary([]))
    machine.update(items)
    found: Dictionary = machine.stack.pop()
    return found


def _drop(machine: Machine) -> None:
    if len(machine.marks) > 1 and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()


def _protocol(machine: Machine) -> None:
    if machine.byte() > 5:
        raise machine.damaged("it is of a later protocol than 5")


def _frame(machine: Machine) -> None:
    machine.take(8)  # how long a part is, which need not be known


PUSHES: dict[bytes, Read] = {
    b"N": lambda machine: None,
    b"\x88": lambda machine: True,
    b"\x89": lambda machine: False,
    b"I": _written_int,
    b"L": _written_int,
    b"J": _number("<i"),
    b"K": Machine.byte,
    b"M": _number("<H"),
    b"\x8a": _counted("<B", _long),
    b"\x8b": _counted("<i", _long),
    b"F": lambda machine: float(machine.line()),
    b"G": _number(">d"),
    b"S": _written_string,
    b"T": _counted("<i", _text_or_bytes),
    b"U": _counted("<B", _text_or_bytes),
    b"V": _written_text,
    b"X": _counted("<I", _text),
    b"\x8c": _counted("<B", _text),
    b"\x8d": _counted("<Q", _text),
    b"B": _counted("<I", _bytes),
    b"C": _counted("<B", _bytes),
    b"\x8e": _counted("<Q", _bytes),
    b"\x96": _counted("<Q", _bytes),  # a bytearray
    b"]": lambda machine: [],
    b"\x8f": lambda machine: [],  # a set
    b"l": Machine.since_mark,
    b")": lambda machine: (),
    b"t": lambda machine: tuple(machine.since_mark()),
    b"\x91": lambda machine: tuple(machine.since_mark()),  # a frozenset
    b"\x85": _last(1),
    b"\x86": _last(2),
    b"\x87": _last(3),
    b"}": lambda machine: Dictionary([]),
    b"d": _dictionary,
    b"2": Machine.top,
    b"c": lambda machine: machine.name(_line(machine), _line(machine)),
    b"\x93": _named,
    b"R": _reduced,
    b"\x81": _reduced,  # a class and its arguments are called like a function
    b"\x92": _new_with_names,
    b"i": _named_object,
    b"o": _marked_object,
    b"P": lambda machine: _persistent(machine, _line(machine)),
    b"Q": lambda machine: _persistent(machine, machine.pop()),
}
"""Instructions that push a value."""

ACTIONS: dict[bytes, Operation] = {
    b"(": lambda machine: machine.marks.append(len(machine.stack)),
    b"0": _drop,
    b"1": lambda machine: machine.since_mark().clear(),
    b"p": lambda machine: machine.remember(int(machine.line())),
    b"q": lambda machine: machine.remember(machine.byte()),
    b"r": lambda machine: machine.remember(int.from_bytes(machine.take(4), "little")),
    b"\x94": lambda machine: machine.remember(len(machine.memo)),
    b"g": lambda machine: machine.recall(int(machine.line())),
    b"h": lambda machine: machine.recall(machine.byte()),
    b"j": lambda machine: machine.recall(int.from_bytes(machine.take(4), "little")),
    b"a": lambda machine: machine.extend([machine.pop()]),
    b"e": lambda machine: machine.extend(machine.since_mark()),
    b"\x90": lambda machine: machine.extend(machine.since_mark()),
    b"s": lambda machine: machine.update(list(_last(2)(machine))),
    b"u": lambda machine: machine.update(machine.since_mark()),
    b"b": _build,
    b"\x80": _protocol,
    b"\x95": _frame,
}
"""Instructions that do something else."""


def _pushing(read: Read) -> Operation:
    def operation(machine: Machine) -> None:
        machine.stack.append(read(machine))

    return operation


OPERATIONS: dict[int, Operation] = {ord(code): _pushing(read) for code, read in PUSHES.items()}
OPERATIONS.update({ord(code): operation for code, operation in ACTIONS.items()})
