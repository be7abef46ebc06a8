"""Changes to files: at random, and with what the format is known, so that the rest of the file still holds together.

A change of a byte mostly ends at the first check. So JSON headers, zip members, pickles and protocol buffers are also
changed from within: the lengths and checksums around the change are made right again.
"""

from __future__ import annotations

import functools
import io
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random

from benchmarks.fuzz_seeds import put
from benchmarks.fuzz_tokens import BYTES, NUMBERS, TOKENS

LARGEST = 1 << 17
"""A mutant does not grow beyond this many bytes."""


Change = Callable[[Random, bytes, Sequence[bytes]], bytes]
"""What changes a file; it is given the generator, the file, and other files of the format."""


def _place(random: Random, size: int) -> int:
    """Return a place in a file: as often near its beginning, or near its end, as anywhere."""
    where = random.random()
    if size > 256 and where < 0.35:
        return random.randrange(256)
    if size > 256 and where < 0.45:
        return size - 1 - random.randrange(256)
    return random.randrange(size)


def flip(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Flip bits."""
    found = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        found[_place(random, len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def set_byte(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Set a byte, or a few in a row, to what is often special."""
    found, at = bytearray(content), _place(random, len(content))
    value = random.choice(BYTES) if random.random() < 0.7 else random.randrange(256)
    for place in range(at, min(at + random.choice((1, 1, 1, 2, 4, 8)), len(found))):
        found[place] = value
    return bytes(found)


def number(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Replace what may be a whole number by an extreme one, or by one more or less."""
    width, order = random.choice((1, 2, 4, 4, 8, 8, 8)), "big" if random.random() < 0.1 else "little"
    if len(content) < width:
        return content
    at = min(_place(random, len(content)), len(content) - width)
    if random.random() < 0.5:
        at -= at % width
    before = int.from_bytes(content[at : at + width], order)  # type: ignore[arg-type]
    near = (before + 1, before - 1, before * 2, before // 2, before ^ 1 << random.randrange(8 * width), -before)
    value = random.choice(NUMBERS) if random.random() < 0.6 else random.choice(near)
    return content[:at] + (value % (1 << 8 * width)).to_bytes(width, order) + content[at + width :]  # type: ignore[arg-type]


def _stretch(random: Random, size: int) -> tuple[int, int]:
    at = _place(random, size)
    return at, min(size, at + random.choice((1, 1, 2, 4, 8, 16, 64, 512)))


def delete(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Leave bytes out."""
    at, end = _stretch(random, len(content))
    return content[:at] + content[end:]


def repeat(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Insert bytes a second time, or many times."""
    at, end = _stretch(random, len(content))
    return content[:end] + content[at:end] * random.choice((1, 1, 1, 2, 16)) + content[end:]


def copy(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Write bytes of one place over those of another: pointers and counts that are valid, elsewhere."""
    width = random.choice((1, 2, 4, 8, 8, 8, 16, 32))
    at, of = _place(random, len(content)), _place(random, len(content))
    if random.random() < 0.6:
        at, of = at - at % 8, of - of % 8
    found = bytearray(content)
    part = content[of : of + width]
    found[at : at + len(part)] = part
    return bytes(found[: len(content)])


def swap(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Exchange two stretches."""
    a, b, c, d = sorted(random.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def cut(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Cut the end off."""
    return content[: random.randrange(len(content)) or 1]


def append(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Add bytes at the end."""
    return content + random.choice((random.randbytes(random.randrange(1, 64)), bytes(100), content[-64:]))


def splice(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Continue with another file of the format."""
    other = random.choice(others)
    at = _place(random, len(content))
    return content[:at] + other[min(at, len(other)) if random.random() < 0.5 else random.randrange(len(other)) :]


ANYWHERE: tuple[Change, ...] = (flip, set_byte, number, number, delete, repeat, copy, swap, cut, append, splice)


def anything(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change bytes without knowing what they are."""
    return random.choice(ANYWHERE)(random, content, others)


TEXT = re.compile(rb'-?\d[\d.eE+]*|"(?:[^"\\]|\\.)*"|\'[^\']*\'|\w+|[^\s\w]')


@functools.lru_cache(256)
def _tokens(content: bytes) -> tuple[tuple[int, int], ...]:
    return tuple(found.span() for found in TEXT.finditer(content))


def text(kind: str) -> Change:
    """Return what changes a text by its tokens: numbers, names, brackets."""

    def change(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
        spans = _tokens(content)
        if not spans or random.random() < 0.1:
            return anything(random, content, others) if content else b" "
        at, end = random.choice(spans)
        other = random.choice(spans)
        token = content[slice(*other)] if random.random() < 0.4 else random.choice(TOKENS[kind])
        if random.random() < 0.15:
            token = str(random.choice(NUMBERS)).encode()
        how = random.random()
        if how < 0.5:
            return content[:at] + token + content[end:]
        if how < 0.7:
            return content[:at] + token + content[at:]
        if how < 0.85:
            last = random.choice(spans[spans.index((at, end)) :][:12])[1]
            return content[:at] + content[last:]
        last = random.choice(spans[spans.index((at, end)) :][:40])[1]
        return content[:last] + content[at:last] + content[last:]

    return change


JSON, PYTHON = text("json"), text("python")


def safetensors(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the header, and make its length right."""
    length = int.from_bytes(content[:8], "little")
    if not 0 < length <= len(content) - 8 or random.random() < 0.2:
        return anything(random, content, others)
    header = JSON(random, content[8 : 8 + length], others)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def npy(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the header, and make its length right."""
    start = 12 if content[6:7] > b"\x01" else 10
    length = int.from_bytes(content[8:start], "little")
    if not 0 < length <= len(content) - start or random.random() < 0.2:
        return anything(random, content, others)
    header = PYTHON(random, content[start : start + length], others)[:65000]
    return content[:8] + len(header).to_bytes(start - 8, "little") + header + content[start + length :]


@functools.lru_cache(256)
def _operations(content: bytes) -> tuple[int, ...]:
    """Return where the instructions of a pickle begin, as far as there are any."""
    found = []
    try:
        for _, _, at in pickletools.genops(content):
            found.append(at)
    except Exception:  # damaged: those before it are still known
        pass
    return tuple(at for at in found if at is not None) or (0,)


def pickled(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the program that a pickle is: leave instructions out, repeat, move or replace them, add others."""
    if random.random() < 0.25:
        return anything(random, content, others)
    places = _operations(content)
    k = random.randrange(len(places))
    at, end = places[k], places[k + 1] if k + 1 < len(places) else len(content)
    other = random.randrange(len(places))
    moved = content[places[other] : places[other + 1] if other + 1 < len(places) else len(content)]
    how = random.random()
    if how < 0.2:
        return content[:at] + content[end:]
    if how < 0.35:
        return content[:end] + content[at:end] + content[end:]
    if how < 0.55:
        return content[:at] + moved + content[end if random.random() < 0.5 else at :]
    if how < 0.85:
        token = random.choice(TOKENS["pickle"])
        return content[:at] + token + content[end if random.random() < 0.5 else at :]
    part = bytearray(content[at:end])
    part[random.randrange(len(part))] = random.choice(BYTES)
    return content[:at] + bytes(part) + content[end:]


def legacy(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change one of the pickles that follow each other, or the storages after them."""
    start, parts = 0, []
    while start < len(content) and len(parts) < 6 and content[start : start + 1] == b"\x80":
        places = _operations(content[start:])
        parts.append((start, start + places[-1] + 1))
        start += places[-1] + 1
    if not parts or random.random() < 0.2:
        return anything(random, content, others)
    at, end = random.choice(parts)
    return content[:at] + pickled(random, content[at:end], others) + content[end:]


def _fields(content: bytes) -> list[tuple[int, int, int, int]]:
    """Return number, way of writing, and where the value begins and ends, of each field of a protocol buffer."""
    found, at = [], 0
    while at < len(content):
        key, start = _number(content, at)
        wire = key & 7
        if wire == 0:
            _, end = _number(content, start)
        elif wire == 2:
            length, start = _number(content, start)
            end = start + length
        elif wire in (1, 5):
            end = start + (8 if wire == 1 else 4)
        else:
            raise ValueError
        if end > len(content) or not key >> 3:
            raise ValueError
        found.append((key >> 3, wire, start, end))
        at = end
    return found


def _number(content: bytes, at: int) -> tuple[int, int]:
    found = 0
    for place in range(10):
        byte = content[at + place]
        found |= (byte & 127) << 7 * place
        if byte < 128:
            return found, at + place + 1
    raise ValueError


def _key(number: int, wire: int) -> bytes:
    key = bytearray(put(number, 0)[:-1])  # as of a varint, whose way of writing is 0
    key[0] |= wire
    return bytes(key)


def protobuf(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change a field, perhaps of a message within a message, and make the lengths around it right."""
    try:
        fields = _fields(content)
    except (ValueError, IndexError):
        fields = []
    if not fields or random.random() < 0.08:
        return anything(random, content, others) if content else random.randbytes(3)
    k = random.randrange(len(fields))
    parts = [_key(n, wire) + content[a:b] if wire != 2 else put(n, content[a:b]) for n, wire, a, b in fields]
    number, wire, start, end = fields[k]
    value = content[start:end]
    how = random.random()
    if wire == 2 and how < 0.7:
        parts[k] = put(number, protobuf(random, value, others))
    elif how < 0.78:
        del parts[k]
    elif how < 0.86:
        parts.insert(random.randrange(len(parts) + 1), parts[k] * random.choice((1, 1, 3, 200)))
    elif how < 0.90:
        parts[k] = _key(random.choice((number + 1, number - 1 or 1, random.randrange(1, 30))), wire) + parts[k][1:]
    elif wire == 0 or how < 0.95:
        parts[k] = put(number, random.choice(NUMBERS))
    else:
        parts[k] = put(number, anything(random, value, others) if value else b"x")
    return b"".join(parts)


@functools.lru_cache(256)
def _members(content: bytes) -> tuple[tuple[str, bytes], ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple((name, archive.read(name)) for name in archive.namelist())
    except Exception:  # damaged: it is changed as bytes
        return ()


def _of_member(name: str) -> Change:
    if name.endswith(".pkl"):
        return pickled
    if name.endswith(".npy"):
        return npy
    return JSON if name.endswith(".json") else anything


def archive(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change a member of a zip archive and pack it again, or the archive's own directory."""
    members = list(_members(content))
    if not members or random.random() < 0.35:
        return directory(random, content, others)
    wanted = [at for at, (name, _) in enumerate(members) if name.endswith((".pkl", ".npy", ".h5", "config.json"))]
    at = random.choice(wanted) if wanted and random.random() < 0.85 else random.randrange(len(members))
    name, data = members[at]
    how = random.random()
    if how < 0.8:
        members[at] = (name, _of_member(name)(random, data or b"0", others))
    elif how < 0.85:
        del members[at]
    elif how < 0.9:
        members.append((random.choice(members)[0], data))
    elif how < 0.95:
        members[at] = (random.choice(members)[0], data)
    else:
        members[at] = (random.choice(("../x", "/etc/x", "a/data.pkl", "x", "a\x7f.npy", ".npy", name + "/")), data)
    method = zipfile.ZIP_DEFLATED if random.random() < 0.2 else zipfile.ZIP_STORED
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as file:
        names = set()
        for member, part in members:
            info = zipfile.ZipInfo(member)
            if member in names:  # it warns of a second one of a name
                file.NameToInfo.pop(info.filename, None)
            names.add(info.filename)
            file.writestr(info, part, method)
    return found.getvalue()


def directory(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change a field of what a zip archive says of its members: of one, or of where all of them are."""
    places = [found.start() for found in re.finditer(rb"PK(?:\x01\x02|\x03\x04|\x05\x06|\x06[\x06\x07])", content)]
    if not places or random.random() < 0.3:
        return anything(random, content, others)
    at = random.choice(places) + random.randrange(4, 46)
    width = random.choice((1, 2, 4, 4))
    before = int.from_bytes(content[at : at + width], "little")
    value = random.choice((*NUMBERS, before + 1, before - 1, before ^ 8)) % (1 << 8 * width)
    return content[:at] + value.to_bytes(width, "little") + content[at + width :]


CHANGES: dict[str, Change] = {
    "safetensors": safetensors,
    "gguf": anything,
    "onnx": protobuf,
    "pytorch-zip": archive,
    "pytorch-legacy": legacy,
    "keras": archive,
    "hdf5": anything,
    "npy": npy,
    "npz": archive,
    "index": anything,
}
"""Format -> what changes it from within."""


def mutant(format: str, name: str, random: Random, content: bytes, others: Sequence[bytes]) -> bytes:  # noqa: A002
    """Return a changed file.

    Parameters
    ----------
    format
        Of the fuzz.
    name
        The file's; one that ends in ``.json`` is changed as that.
    random
        All choices come from here.
    content, others
        The file, and others of its format.
    """
    change = JSON if name.endswith(".json") else safetensors if name.endswith(".safetensors") else CHANGES[format]
    for _ in range(random.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        content = (change if random.random() < 0.75 else anything)(random, content, others)[:LARGEST] or b"\x00"
    return content
