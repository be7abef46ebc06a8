"""Hostile .npy and .npz files."""

import io
import pickle
import struct
import zipfile


def npy(header, data=b"", length=None):
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text) if length is None else length) + text + data


def array(shape, dtype="<f4", fortran=False, data=b""):
    return npy(f"{{'descr': {dtype!r}, 'fortran_order': {fortran}, 'shape': {shape}}}", data)


def npz(*entries, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compresslevel=1) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def changed(content, sign, at, value):
    """An archive with one field of the last of its headers of a kind changed."""
    place = content.rindex(sign) + at
    return content[:place] + value + content[place + len(value) :]


def twice():
    content = npz(("a.npy", GOOD), ("b.npy", GOOD))
    return content.replace(b"b.npy", b"a.npy")


def directory_of_a_million():
    """An archive whose directory names its one entry a million times."""
    content = npz(("a.npy", GOOD))
    at, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = content[at:end]
    entries = b"".join(entry[:28] + b"\x07\x00" + entry[30:46] + b"%07d" % n for n in range(10**6))
    large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, len(entries), at)
    place = struct.pack("<4sLQL", b"PK\x06\x07", 0, at + len(entries), 1)
    return content[:at] + entries + large + place + b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)


class Call:
    def __reduce__(self):
        import os

        return os.system, ("touch pondera_was_here",)


GOOD = array((2,), data=bytes(8))
PAIR = npz(("a.npy", GOOD), ("b.npy", GOOD))
DIRECTORY, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
DEFLATED = zipfile.ZIP_DEFLATED

CASES = {
    "objects.npy": (
        "An array of objects, which is a pickle that runs a program when NumPy loads it.",
        "holds Python objects, a pickle",
        array((1,), "|O", data=pickle.dumps(Call(), 2)),
    ),
    "objects.npz": (
        "The same in an archive.",
        "holds Python objects, a pickle",
        npz(("a.npy", array((1,), "|O", data=pickle.dumps(Call(), 2)))),
    ),
    "a-call.npy": (
        "A header that is a program; it is read as literals and never run.",
        "cannot be read",
        npy("{'descr': __import__('os').system('touch pondera_was_here'), 'fortran_order': False, 'shape': ()}"),
    ),
    "brackets.npy": ("A header of 3,000 brackets, which can end the parser.", "cannot be read", npy("(" * 3000)),
    "signs.npy": (
        "A header of 900,000 minus signs, of which the parser makes as many objects within objects.",
        "more than there are or than an array needs",
        lambda: npy("-" * 900_000 + "1"),
    ),
    "backslash.npy": ("A header of which Python warns while it parses it.", "cannot be read", npy("{'\\d': 1}")),
    "shape-overflows.npy": (
        "2³² × 2³² values, which are none in 64 bits.",
        "more values than can be addressed",
        array((1 << 32, 1 << 32)),
    ),
    "negative-shape.npy": ("A negative length.", "expected whole numbers from 0 up", array((-1,), data=bytes(4))),
    "several-types.npy": (
        "Records of several fields.",
        "a table of several types",
        npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", bytes(4)),
    ),
    "no-dtype.npy": (
        "A dtype that is a grammar of its own.",
        "expected numbers",
        array((1,), "(2,3)f4, (4", data=bytes(4)),
    ),
    "deprecated.npy": (
        "A dtype that NumPy reads with a warning.",
        "of the type 'a4'; expected numbers",
        array((1,), "a4", data=bytes(4)),
    ),
    "cut.npy": ("The last values are missing.", "cut short or damaged", array((9,), data=bytes(20))),
    "long-header.npy": (
        "The header is said to have 2³² − 1 bytes.",
        "more than there are",
        npy("{", length=(1 << 32) - 1),
    ),
    "extremes.npy": (
        "Numbers whose squares no float64 holds. They are weights; what cannot be said of them is not said.",
        None,
        array((4,), "<f8", data=struct.pack("<4d", 1e300, -1e300, 5e-324, 1e-200)),
    ),
    "cut.npz": ("Cut before the directory at its end.", "zip archive cannot be read", PAIR[:-60]),
    "names-twice.npz": ("Two entries of one name.", "holds 'a.npy' twice", twice()),
    "overlap.npz": (
        "Two entries in the same bytes: how a small archive holds petabytes.",
        "overlap",
        changed(PAIR, DIRECTORY, 42, bytes(4)),
    ),
    "encrypted.npz": ("An entry with a password.", "is encrypted", changed(PAIR, DIRECTORY, 8, b"\x01")),
    "bzip2.npz": (
        "An entry compressed by another method.",
        "compressed by method 12",
        changed(PAIR, DIRECTORY, 10, b"\x0c"),
    ),
    "entry-outside.npz": (
        "An entry that begins beyond the end of the file.",
        "is not where it should be",
        changed(PAIR, DIRECTORY, 42, b"\x00\x00\x00\x10"),
    ),
    "entry-too-long.npz": (
        "An entry that ends beyond the end of the file.",
        "ends after the file does",
        changed(changed(PAIR, DIRECTORY, 20, b"\xff\xff\xff\x0f"), DIRECTORY, 24, b"\xff\xff\xff\x0f"),
    ),
    "a-way-out.npz": (
        "Names that lead out of the folder for whoever unpacks the archive. Nothing is unpacked; they are names.",
        None,
        npz(("../../outside.npy", GOOD), ("/tmp/absolute.npy", GOOD)),
    ),
    "a-million-entries.npz": (
        "A directory that names one entry a million times, 53 MB.",
        "holds 1,000,000 tensors; expected at most 500,000",
        directory_of_a_million,
    ),
    "a-bomb-that-lies.npz": (
        "A terabyte of values is claimed in an entry of some bytes.",
        "cut short or damaged",
        lambda: npz(("a.npy", array((1 << 38,), data=bytes(1000))), method=DEFLATED),
    ),
    "a-bomb.npz": (
        "50 MB of zeros in 200 kB. They are weights, and are read without being in memory at once.",
        None,
        lambda: npz(("a.npy", array((12_500_000,), data=bytes(50_000_000))), method=DEFLATED),
    ),
    "a-bomb-turned-round.npz": (
        "An entry that is said to unpack to 300 MB, the first axis fastest, so that all are needed to know one row.",
        "is compressed, has its first axis fastest",
        lambda: changed(
            npz(("a.npy", array((75_000, 1000), fortran=True, data=bytes(70_000))), method=DEFLATED),
            DIRECTORY,
            24,
            struct.pack("<I", 301_000_000),
        ),
    ),
}
