"""Hostile HDF5 files, and Keras archives around them."""

import io
import struct
import zipfile
import zlib

NOWHERE = (1 << 64) - 1
SIZE = 256  # bytes of an object here; object n lies at byte 48 + 256 n


def at(number):
    return 48 + SIZE * number


def message(kind, body, flags=0):
    return struct.pack("<BHB", kind, len(body), flags) + body


def link(name, address):
    return message(6, bytes([1, 0, len(name)]) + name.encode() + struct.pack("<Q", address))


def elsewhere(name, file, path):
    target = b"\x00" + file.encode() + b"\x00" + path.encode() + b"\x00"
    return message(6, bytes([1, 8, 64, len(name)]) + name.encode() + struct.pack("<H", len(target)) + target)


def group(*links):
    return message(2, bytes(2) + struct.pack("<QQ", NOWHERE, NOWHERE)) + b"".join(links)


def shape(*lengths):
    return message(1, struct.pack(f"<BBBB{len(lengths)}Q", 2, len(lengths), 0, 1, *lengths))


REAL = message(3, struct.pack("<BBBBIHHBBBBI", 0x11, 0x20, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127))
DEFLATE = message(0xB, struct.pack("<BBHHH", 2, 1, 1, 0, 0))


def piece(address, size):
    return message(8, struct.pack("<BBQQ", 4, 1, address, size))


def chunk(lengths, address, size):
    """The layout of a dataset that is one packed chunk."""
    head = struct.pack(f"<BBBBB{len(lengths)}QB", 4, 2, 2, len(lengths), 8, *lengths, 1)
    return message(8, head + struct.pack("<QIQ", size, 0, address))


def row(lengths, address):
    """The layout of a dataset whose chunks follow each other."""
    return message(8, struct.pack(f"<BBBBB{len(lengths)}QBQ", 4, 2, 0, len(lengths), 8, *lengths, 2, address))


def unwritten(lengths):
    """The layout of a dataset in chunks of which none was written."""
    head = struct.pack(f"<BBBBB{len(lengths)}QBBQ", 4, 2, 0, len(lengths), 8, *lengths, 3, 0, NOWHERE)
    return message(8, head)


def file(*objects, data=b""):
    heads = [b"OHDR" + bytes([2, 2]) + struct.pack("<I", len(found)) + found for found in objects]
    body = b"".join(head.ljust(SIZE, b"\x00") for head in heads) + data
    return struct.pack("<8sBBBBQQQQI", b"\x89HDF\r\n\x1a\n", 3, 8, 8, 0, 0, NOWHERE, 48 + len(body), 48, 0) + body


def packed(values, lengths, chunks):
    data = zlib.compress(values, 9)
    return file(ONE, shape(*lengths) + REAL + DEFLATE + chunk((*chunks, 4), at(2), len(data)), data=data)


def keras(data, method=zipfile.ZIP_STORED, config=b"{}", name="model.weights.h5"):
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", compresslevel=1) as archive:
        for entry, content in (("metadata.json", b"{}"), ("config.json", config), (name, data)):
            archive.writestr(zipfile.ZipInfo(entry), content, method)
    return found.getvalue()


def claiming(archive, size):
    """An archive whose last entry is said to unpack to so many bytes."""
    place = archive.rindex(b"PK\x01\x02") + 24
    return archive[:place] + struct.pack("<I", size) + archive[place + 4 :]


ONE = group(link("w", at(1)))
GOOD = file(ONE, shape(2) + REAL + piece(at(2), 8), data=bytes(8))
CIRCLE = message(0x10, struct.pack("<QQ", at(1), 28))

CASES = {
    "cut.h5": ("The last bytes are missing.", "it is cut short", GOOD[:-4]),
    "root-outside.h5": (
        "The first group lies at byte 2⁶³.",
        "an object's header would lie at byte",
        GOOD[:36] + struct.pack("<Q", 1 << 63) + GOOD[44:],
    ),
    "object-outside.h5": (
        "A name leads beyond the end.",
        "an object's header would lie at byte",
        file(group(link("w", 1 << 62))),
    ),
    "values-outside.h5": (
        "The values lie beyond the end.",
        "would lie at bytes",
        file(ONE, shape(2) + REAL + piece(1 << 62, 8)),
    ),
    "overlap.h5": (
        "Two arrays lie in the same bytes.",
        "lie in the same bytes",
        file(
            group(link("v", at(1)), link("w", at(2))),
            *[shape(4) + REAL + piece(at(3) + n, 16) for n in (0, 8)],
            data=bytes(24),
        ),
    ),
    "shape-overflows.h5": (
        "2³² × 2³² values, which are none in 64 bits.",
        "more values than can be addressed",
        file(ONE, shape(1 << 32, 1 << 32) + REAL + piece(at(2), 0)),
    ),
    "names-twice.h5": (
        "One name twice in a group.",
        "holds one name twice",
        file(group(link("w", at(1)), link("w", at(1))), shape(2) + REAL),
    ),
    "name-with-a-way.h5": (
        "A name that leads into another group.",
        "which leads elsewhere",
        file(group(link("../w", at(1)))),
    ),
    "groups-in-a-circle.h5": (
        "A group that contains itself, beside an array. It is read once.",
        None,
        file(group(link("again", at(0)), link("w", at(1))), shape(2) + REAL + piece(at(2), 8), data=bytes(8)),
    ),
    "header-in-a-circle.h5": (
        "The description of an object goes on where it came from.",
        "is pointed at twice",
        file(group() + CIRCLE, data=b"OCHK" + CIRCLE + bytes(9)),
    ),
    "deep.h5": (
        "Groups within groups, 100 deep.",
        "too long or too deep",
        lambda: file(*(group(link("g", at(n + 1))) for n in range(100)), group()),
    ),
    "another-file.h5": (
        "A name that leads to a file of the system. It is not followed, but said.",
        None,
        file(
            group(elsewhere("secret", "/etc/passwd", "/"), link("w", at(1))),
            shape(2) + REAL + piece(at(2), 8),
            data=bytes(8),
        ),
    ),
    "values-in-other-files.h5": (
        "The values are in a file of the system.",
        "keeps its values in other files",
        file(ONE, shape(2) + REAL + message(7, bytes(24)) + piece(at(2), 8), data=bytes(8)),
    ),
    "never-written.h5": (
        "2⁴⁰ values that were never written and would have to be made up.",
        "more than such a file can hold",
        file(ONE, shape(1 << 40) + REAL + piece(NOWHERE, 0)),
    ),
    "chunk-outside.h5": (
        "A chunk that lies beyond the end.",
        "does not lie within the file",
        file(ONE, shape(8) + REAL + DEFLATE + chunk((8, 4), 1 << 62, 64)),
    ),
    "large-chunk.h5": (
        "One chunk of 2⁴⁰ values.",
        "expected at most",
        file(ONE, shape(8) + REAL + DEFLATE + chunk((1 << 40, 4), at(2), 64)),
    ),
    "many-chunks.h5": (
        "2³⁰ chunks of one value.",
        "1,073,741,824 chunks",
        file(ONE, shape(1 << 30) + REAL + row((1, 4), at(2))),
    ),
    "chunk-of-nothing.h5": (
        "Chunks of 0 values, by which the place of a value is divided.",
        "lengths that cannot be",
        file(ONE, shape(8) + REAL + row((0, 4), at(2))),
    ),
    "chunk-bomb.h5": (
        "A chunk that unpacks to more than it should.",
        "instead of 32",
        lambda: file(ONE, shape(8) + REAL + DEFLATE + chunk((8, 4), at(2), len(BOMB)), data=BOMB),
    ),
    "one-chunk.h5": (
        "16 MB of zeros in one chunk of 16 kB. They are weights, and the chunk is unpacked once, not for every part.",
        None,
        lambda: packed(bytes(1 << 24), (2048, 2048), (2048, 2048)),
    ),
    "tall-chunks.h5": (
        "Packed chunks of 600 rows of 131,072 values: for one row, 300 MB have to be unpacked.",
        "have to be unpacked at a time",
        lambda: file(ONE, shape(600, 131_072) + REAL + DEFLATE + unwritten((600, 1024, 4)), data=bytes(250_000)),
    ),
    "thin-chunks.h5": (
        "50,000 chunks of one column each, none of them written, of which every row touches all.",
        "chunks would be looked at",
        lambda: file(ONE, shape(1300, 50_000) + REAL + unwritten((1300, 1, 4)), data=bytes(200_000)),
    ),
    "no-weights.keras": ("An archive without weights.", "expected 'model.weights.h5'", keras(GOOD, name="other.h5")),
    "cut-inside.keras": ("An archive whose HDF5 file is cut.", "it is cut short", keras(GOOD[:-4])),
    "deep-config.keras": (
        "A config nested 1,500 deep. The weights are read without it.",
        None,
        keras(GOOD, config=b'{"config":' + b"[" * 1500 + b"]" * 1500 + b"}"),
    ),
    "lambda.keras": (
        "A config with a layer that is a program, marshalled. It is a text like another.",
        None,
        keras(
            GOOD,
            config=b'{"class_name":"Sequential","config":{"layers":[{"class_name":"Lambda","config":{"name":"l",'
            b'"function":{"class_name":"__lambda__","config":{"code":"4wEAAAAAAAAAAAAAAAAAAAADAAAA"}}}}]}}',
        ),
    ),
    "large-numbers.keras": (
        "Numbers in a config that JSON can say and cannot write again, and half of a letter.",
        None,
        keras(GOOD, config=b'{"class_name":"Sequential","a":1e999,"b":-Infinity,"config":{"layers":[]}}'),
    ),
    "bomb.keras": (
        "Weights that are said to unpack to 300 MB.",
        "is compressed and has",
        lambda: claiming(keras(GOOD, zipfile.ZIP_DEFLATED), 300_000_000),
    ),
}
BOMB = zlib.compress(bytes(1 << 24))
