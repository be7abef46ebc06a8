"""Hostile PyTorch files: zip archives, the older layout, TorchScript, plain pickles."""

import io
import struct
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def row(*values):
    return b"(" + b"".join(values) + b"t"


def name(value):
    module, _, last = value.rpartition(".")
    return b"c" + f"{module}\n{last}\n".encode()


def call(function, *arguments):
    return name(function) + row(*arguments) + b"R"


def storage(key="0", count=2, kind="torch.FloatStorage"):
    return row(text("storage"), name(kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(shape=(2,), steps=(1,), offset=0, store=None):
    where = storage() if store is None else store
    shapes = (row(*map(number, shape)), row(*map(number, steps)))
    return call("torch._utils._rebuild_tensor_v2", where, number(offset), *shapes, b"\x89", b"}")


def pickle(value):
    return b"\x80\x02" + value + b"."


def checkpoint(value, key="w"):
    return pickle(b"}" + text(key) + value + b"s")


def archive(data, storages=(("0", bytes(8)),), more=(), method=zipfile.ZIP_STORED):
    entries = [("a/data.pkl", data), *((f"a/data/{key}", content) for key, content in storages), *more]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compresslevel=1) as packed:
        for entry, content in entries:
            packed.writestr(zipfile.ZipInfo(entry), content, method)
    return file.getvalue()


def old(value, keys=(b"0",), storages=((2, bytes(8)),), version=1001):
    listed = b"]" + b"".join(text(key.decode()) + b"a" for key in keys)
    parts = [number(MAGIC), number(version), b"}", value, listed]
    return b"".join(map(pickle, parts)) + b"".join(struct.pack("<q", count) + data for count, data in storages)


def swapped(content, entry, value, at):
    """An archive with one field of an entry's line in the directory changed."""
    place = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + entry) + at  # of the first or the second
    return content[:place] + value + content[place + len(value) :]


def laughing():
    """Lists of two references to the list before: 2⁶⁰ of them, in 300 bytes."""
    return b"]" + tensor() + b"aq\x00" + b"".join(b"(h%ch%clq%c" % (n, n, n + 1) for n in range(60))


def million():
    each = (text(f"{n:x}") + b"h\x00" for n in range(10**6))
    return archive(pickle(b"}" + tensor() + b"q\x000(" + b"".join(each) + b"u"))


TOUCH = text("touch pondera_was_here")
RUN = call("os.system", TOUCH)
NOT_RUN = "asks for 'os.system', which is none of the names that tensors need. Nothing was imported or run."
GOOD = archive(checkpoint(tensor()))

CASES = {
    "reduce.pt": ("A pickle that calls os.system, as torch.load would let it.", NOT_RUN, archive(checkpoint(RUN))),
    "old-reduce.pt": ("The same in the older layout.", NOT_RUN, old(b"}" + text("w") + RUN + b"s")),
    "plain-reduce.pkl": ("The same in a pickle alone.", NOT_RUN, pickle(RUN)),
    "inst.pt": ("A call by the oldest instruction.", NOT_RUN, archive(pickle(b"(" + TOUCH + b"ios\nsystem\n"))),
    "obj.pt": ("A call by marked values.", NOT_RUN, archive(pickle(b"(" + name("os.system") + TOUCH + b"o"))),
    "newobj.pt": ("A call as of a class.", NOT_RUN, archive(pickle(name("os.system") + TOUCH + b"\x85\x81"))),
    "stack-global.pt": (
        "The name put together on the stack, where a search of the file does not find it.",
        NOT_RUN,
        archive(b"\x80\x04" + text("o") + b"0" + text("os") + text("system") + b"\x93" + TOUCH + b"\x85R."),
    ),
    "inside-a-known-name.pt": (
        "A name that is known, told to call one that is not.",
        NOT_RUN,
        archive(pickle(call("torch._tensor._rebuild_from_type_v2", name("os.system"), b"N", row(TOUCH), b"N"))),
    ),
    "setstate.pt": (
        "A harmless class with a state that replaces what sets the state.",
        NOT_RUN,
        archive(
            pickle(
                name("argparse.Namespace") + b")\x81}" + text("__setstate__") + name("os.system") + b"s" + TOUCH + b"bb"
            )
        ),
    ),
    "eval.pt": (
        "Python's own eval.",
        "asks for 'builtins.eval'",
        archive(checkpoint(call("builtins.eval", text("__import__('os').system('touch pondera_was_here')")))),
    ),
    "getattr.pt": (
        "getattr, by which a chain of harmless names leads to any other.",
        "asks for 'builtins.getattr'",
        archive(checkpoint(call("builtins.getattr", name("torch.Size"), text("__class__")))),
    ),
    "torch-load.pt": (
        "torch.load of a second file, without the care with which the first was opened.",
        "asks for 'torch.load'",
        archive(checkpoint(call("torch.load", text("/tmp/other.pt")))),
    ),
    "import.pt": (
        "A name whose module runs when it is imported.",
        "asks for 'antigravity.fly'",
        archive(checkpoint(name("antigravity.fly"))),
    ),
    "script-constants.pt": (
        "A TorchScript archive whose constants are the pickle that runs.",
        NOT_RUN,
        archive(checkpoint(tensor()), more=(("a/constants.pkl", pickle(row(RUN))),)),
    ),
    "storage-with-a-path.pt": (
        "A storage whose key leads out of the archive.",
        "are missing",
        archive(checkpoint(tensor(store=storage("../../../etc/passwd")))),
    ),
    "outside-its-storage.pt": (
        "A tensor that begins within its storage and ends beyond it.",
        "would end at byte 12",
        archive(checkpoint(tensor(offset=1))),
    ),
    "offset-overflows.pt": (
        "An offset of 2⁶², which in bytes is 0 in 64 bits.",
        "would end at byte",
        archive(checkpoint(tensor(offset=1 << 62))),
    ),
    "backwards.pt": ("A negative step.", "has the steps [-1]", archive(checkpoint(tensor(steps=(-1,), offset=1)))),
    "before-its-storage.pt": ("A negative offset.", "would begin at value -1", archive(checkpoint(tensor(offset=-1)))),
    "shape-overflows.pt": (
        "2⁴⁰ × 2⁴⁰ values that are all the same one.",
        "more values than can be addressed",
        archive(checkpoint(tensor((1 << 40, 1 << 40), (0, 0)))),
    ),
    "repeated-without-end.pt": (
        "2⁴⁰ values that are all the same one: four terabytes in a file of 500 bytes.",
        "made to look larger than it is",
        archive(checkpoint(tensor((1 << 40,), (0,)))),
    ),
    "wide-rows.pt": (
        "Two rows of 2²⁵ values that are all the same one. They are weights; a row is not copied for every part of it.",
        None,
        archive(checkpoint(tensor((2, 1 << 25), (1, 0)))),
    ),
    "larger-storage.pt": (
        "A storage that is said to have more bytes than its entry.",
        "says it has 4,294,967,296 bytes and has 8",
        archive(checkpoint(tensor(store=storage(count=1 << 30)))),
    ),
    "names-twice.pt": (
        "Two tensors that get the same name.",
        "two tensors are called 'a.b'",
        archive(pickle(b"}(" + text("a.b") + tensor() + text("a") + b"}" + text("b") + tensor() + b"su")),
    ),
    "deep.pt": (
        "Lists within lists, 3,000 deep.",
        "nested more than 100 deep",
        archive(pickle(b"]" * 3000 + b"a" * 2999)),
    ),
    "laughing.pt": (
        "Lists of two references to the list before: 2⁶⁰ of them.",
        "values",
        lambda: archive(pickle(laughing())),
    ),
    "contains-itself.pt": (
        "A list that contains itself, beside a tensor. It is weights.",
        None,
        archive(pickle(b"}(" + text("loop") + b"]q\x00h\x00a" + text("w") + tensor() + b"u")),
    ),
    "a-long-text.pt": (
        "A text of 2⁶³ bytes is claimed.",
        "should follow",
        archive(b"\x80\x04\x8d" + struct.pack("<Q", 1 << 63) + b"."),
    ),
    "a-long-number.pt": (
        "A whole number of 3,000 bytes, which takes long to write out.",
        "a whole number has 3,000 bytes",
        archive(pickle(b"\x8b" + struct.pack("<i", 3000) + b"\x7f" * 3000)),
    ),
    "no-end.pt": ("A pickle without its last instruction.", "cut short", archive(checkpoint(tensor())[:-1])),
    "empty-stack.pt": ("A pickle that takes what it has not put there.", "not there", archive(pickle(b"a"))),
    "two-pickles.pt": (
        "Two pickles, of which a scanner may look at the other.",
        "found 2 pickles",
        archive(checkpoint(tensor()), more=(("b/data.pkl", pickle(RUN)),)),
    ),
    "overlap.pt": ("Two entries of the archive in the same bytes.", "overlap", swapped(GOOD, 1, bytes(4), 42)),
    "cut.pt": ("Cut before the directory at its end.", "zip archive cannot be read", GOOD[:-80]),
    "a-pickle-bomb.pt": (
        "A pickle that is said to unpack to 300 MB.",
        "expected at most 268,435,456",
        lambda: swapped(archive(b"\x80\x02N.", method=zipfile.ZIP_DEFLATED), 0, struct.pack("<I", 300_000_000), 24),
    ),
    "endless-steps.pt": (
        "Six million instructions that do nothing.",
        "steps. It is damaged or no checkpoint",
        lambda: archive(b"\x80\x02" + b"N0" * 3_000_000 + b"N."),
    ),
    "a-million-tensors.pt": (
        "A million names for one tensor.",
        "tensors; expected at most 500,000",
        million,
    ),
    "old-storage-twice.pt": (
        "The older layout, with one storage listed twice.",
        "no tensor uses, or one twice",
        old(b"}" + text("w") + tensor() + b"s", keys=(b"0", b"0")),
    ),
    "old-storage-too-long.pt": (
        "The older layout, with a storage of −1 values.",
        "-1 are there",
        old(b"}" + text("w") + tensor() + b"s", storages=((-1, bytes(8)),)),
    ),
    "old-cut.pt": (
        "The older layout, cut in its storage.",
        "would lie at bytes",
        old(b"}" + text("w") + tensor() + b"s")[:-3],
    ),
    "old-version.pt": (
        "The older layout, of a version that there is not.",
        "expected version 1001",
        old(b"}", version=7),
    ),
}
