"""PyTorch's checkpoints (.pt, .pth, .bin), read without PyTorch and without running anything.

Three layouts, as ``torch/serialization.py`` writes them: a zip archive with a pickle, ``data.pkl``, and the bytes of
each storage beside it; the older one, five pickles and then the storages; a plain pickle of tensors or NumPy's arrays.
TorchScript's archives (``torch/csrc/jit/serialization``) are zip archives too. What a pickle names is never imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pondera.choice import counted, listed
from pondera.errors import ModelFileError
from pondera.weights.archive import Entry, entries_of
from pondera.weights.collection import Weights
from pondera.weights.mapped import checked_range
from pondera.weights.pytorch.exported import exported, is_exported
from pondera.weights.pytorch.machine import Budget, Machine, Name
from pondera.weights.pytorch.numpy import NUMPY_NAMES
from pondera.weights.pytorch.objects import ELEMENTS, Arguments, Placed, Storage, find, storage_of
from pondera.weights.pytorch.tensors import check_sizes, tensor_of
from pondera.weights.pytorch.tree import NOTHING, Key, Tree, tied, without_wrappers
from pondera.weights.pytorch.unpickle import unpickle
from pondera.weights.tensor import Tensor

OLD_MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of the older layout holds."""

ENTRY = re.compile(
    rb"(?:[^/\x00]+/)?(?:data\.pkl|constants\.pkl|version|byteorder|\.format_version)$|[^/\x00]+/(?:data|code)/."
)
"""How the first entries of an archive are called."""

OLDEST = (b"sys_info", b"pickle", b"storages", b"tensors")
NAMES = 256  # that are kept, so that each is looked up once
FLAT = "_flat_weights"  # where recurrent layers of TorchScript list their parameters a second time
MOST_PICKLE = 1 << 28
CONVERT = 'Load it with PyTorch and save it again: torch.save(torch.load(path, weights_only=True), "new.pt").'

FOUR_BITS = re.compile(r"\.quant_state\.bitsandbytes__(?:nf4|fp4)$")
"""How bitsandbytes calls what it says of a weight of four bits, beside the weight."""

OLD_EXPORT = "serialized_exported_program.json"
EXPORT_AGAIN = 'Save its weights: torch.save(torch.export.load(path).state_dict, "new.pt").'

Find = Callable[[str], Name | None]


def looks_like_pytorch(head: bytes) -> bool:
    """Whether a file begins as a pickle, as an archive that PyTorch writes, or as its oldest layout."""
    if head.startswith(b"PK\x03\x04"):
        return any(ENTRY.match(name) for name in _entry_names(head))
    return (head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")) or _is_oldest(head)


def open_pytorch(path: Path, view: memoryview) -> Weights:
    """Return the tensors of a mapped checkpoint; of their values nothing is read.

    Raises
    ------
    ModelFileError
        If the file is damaged, asks for anything but tensors and plain values, or holds no tensor.
    """
    head = bytes(view[:4096])
    if head.startswith(b"PK\x03\x04"):
        return _open_zip(path, view)
    if _is_oldest(head):
        raise ModelFileError(f"{path}: is a tar archive, PyTorch's layout before 2017, which is not read. {CONVERT}")
    budget = Budget.of(len(view))
    names = _finder(path, budget)
    root, layout = unpickle(Machine(path, view, names, budget=budget)), "pickle"
    if root == OLD_MAGIC:
        root, layout = _open_old(path, view, names, budget), "pickles and storages"
    return _weights(path, view, {"layout": layout}, Tree.of(path, root, most=budget.most))


def _entry_names(head: bytes) -> list[bytes]:
    """Return the names of the entries that begin in the first bytes of an archive."""
    found = []
    for header in re.finditer(rb"PK\x03\x04", head):
        at = header.start()
        length = int.from_bytes(head[at + 26 : at + 28], "little")
        found.append(head[at + 30 : at + 30 + length])
    return found


def _is_oldest(head: bytes) -> bool:
    return head[257:262] == b"ustar" and head[:100].rstrip(b"\x00").removeprefix(b"./") in OLDEST


def _finder(path: Path, budget: Budget) -> Find:
    """Return what looks names up: those of PyTorch and NumPy, and whole tensors inside a plain pickle."""

    def nested(machine: Machine, arguments: Arguments) -> object:
        data = arguments[0] if arguments else None
        if not isinstance(data, memoryview):
            raise machine.damaged("a storage lacks its bytes")
        return _open_old(path, data, find, budget)

    known = {**NUMPY_NAMES, "torch.storage._load_from_bytes": Name("torch.storage._load_from_bytes", nested)}
    return lru_cache(NAMES)(lambda name: known.get(name) or find(name))


def _storage(path: Path, what: object) -> tuple[Storage, int]:
    """Return a storage that a pickle refers to, and how many values it says it has."""
    whole = isinstance(what, tuple) and len(what) >= 5 and what[0] == "storage" and isinstance(what[1], Name)
    if not whole or not isinstance(what, tuple):
        raise ModelFileError(f"{path}: the pickle refers to what is no storage. The file is damaged.")
    _, kind, key, _, count = what[:5]
    dtype = storage_of(kind.text)
    if dtype is None or not isinstance(key, str | int) or type(count) is not int or count < 0:
        raise ModelFileError(
            f"{path}: the pickle refers to a storage of the type {kind.text!r:.80}, which is none or has no key or "
            "size. The file is damaged."
        )
    size = ELEMENTS[dtype].itemsize if dtype in ELEMENTS else 1
    return Storage(str(key), dtype, count * size), count


def _open_zip(path: Path, view: memoryview) -> Weights:
    """Return the tensors of a zip archive; of a TorchScript program also its constants."""
    entries = entries_of(path, view)
    if is_exported(entries):
        return _weights(path, view, {"layout": "exported program"}, Tree(path, exported(path, entries), values=NOTHING))
    if OLD_EXPORT in entries:
        raise ModelFileError(f"{path}: is a program that an older PyTorch exported, which is not read. {EXPORT_AGAIN}")
    tops = [name.removesuffix("data.pkl") for name in entries if re.fullmatch(r"(?:[^/]+/)?data\.pkl", name)]
    if len(tops) != 1:
        names = [repr(name)[1:-1] for name in entries]
        what = f"{len(tops)} pickles" if tops else f"no data.pkl, but {listed(names[:5])}"
        raise ModelFileError(f"{path}: expected an archive of PyTorch with one data.pkl, found {what:.300}.")
    top = tops[0]
    order = entries[top + "byteorder"].read(16).strip() if top + "byteorder" in entries else b"little"
    if order not in (b"little", b"big"):
        raise ModelFileError(f"{path}: expected 'little' or 'big' as byte order, found {order!r:.40}. It is damaged.")
    says: dict[str, Any] = {"layout": "zip", "byteorder": order.decode()}
    budget = Budget.of(len(view))
    script = top + "constants.pkl" in entries
    root = _in_zip(path, entries, top, "data", order == b"big", budget)
    tree = Tree.of(path, root, most=budget.most)
    if script:
        says["layout"] = "TorchScript"
        constants = _in_zip(path, entries, top, "constants", order == b"big", budget)
        more = Tree.of(path, constants, ("CONSTANTS",), budget.most)
        tree.tensors.update({("CONSTANTS", f"c{key[1]}", *key[2:]): part for key, part in more.tensors.items()})
        tree.tensors = {key: part for key, part in tree.tensors.items() if FLAT not in key}
    return _weights(path, view, says, tree)


def _in_zip(path: Path, entries: dict[str, Entry], top: str, part: str, big: bool, budget: Budget) -> object:
    """Return what one pickle of an archive builds; its storages are entries in a folder of its name."""
    entry = entries[f"{top}{part}.pkl"]
    seen: dict[tuple[str, str, int], Storage] = {}

    def persistent(what: object) -> Storage:
        storage, count = _storage(path, what)
        place = (storage.key, storage.dtype, count)
        if place not in seen:
            found = entries.get(f"{top}{part}/{storage.key}")
            storage.content = found.stored if found is not None and not found.deflated else found
            storage.big = big
            seen[place] = storage
        return seen[place]

    pickle = memoryview(entry.read(MOST_PICKLE)) if entry.deflated else entry.stored
    return unpickle(Machine(path, pickle, _finder(path, budget), persistent, budget=budget))


def _open_old(path: Path, view: memoryview, names: Find, budget: Budget) -> object:
    """Return what the older layout holds, with its storages in their places."""
    seen: dict[str, tuple[Storage, int]] = {}
    parts: list[tuple[Storage, str, int, int]] = []

    def persistent(what: object) -> Storage:
        storage, count = _storage(path, what)
        root, rooted = seen.setdefault(storage.key, (storage, count))
        if (root.dtype, rooted) != (storage.dtype, count):
            raise ModelFileError(f"{path}: storage {storage.key!r:.40} is described in two ways. It is damaged.")
        further = what[5] if isinstance(what, tuple) and len(what) > 5 else None
        if not isinstance(further, tuple):
            return root
        if len(further) != 3 or not all(type(number) is int and number >= 0 for number in further[1:]):
            raise ModelFileError(f"{path}: a part of storage {storage.key!r:.40} has no place. It is damaged.")
        size = storage.size // count if count else 1
        part = Storage(storage.key, storage.dtype, further[2] * size)
        parts.append((part, storage.key, further[1] * size, further[2] * size))
        return part

    at = 0
    found: list[object] = []
    for _ in range(5):  # the magic number, the version, the system, the object, the keys of its storages
        machine = Machine(path, view, names, persistent, at, budget)
        found.append(unpickle(machine))
        at = machine.at
        if found[0] != OLD_MAGIC:
            raise ModelFileError(f"{path}: a storage in the pickle does not begin as PyTorch writes it. It is damaged.")
    keys = found[4]
    if found[1] != 1001 or not isinstance(keys, list):
        raise ModelFileError(f"{path}: expected version 1001 of PyTorch's older layout, found another. {CONVERT}")
    for key in keys:
        storage, count = seen.get(str(key) if isinstance(key, str | int) else "", (None, 0))
        if storage is None or storage.content is not None:
            raise ModelFileError(f"{path}: lists a storage that no tensor uses, or one twice. The file is damaged.")
        checked_range(path, storage.key, at, at + 8 + storage.size, len(view), "storage")
        written = int.from_bytes(view[at : at + 8], "little", signed=True)
        if written != count:
            raise ModelFileError(
                f"{path}: storage {storage.key!r:.40} should have {counted(count, 'value')}; {written:,} are there. "
                "The file is damaged."
            )
        storage.content = view[at + 8 : at + 8 + storage.size]
        at += 8 + storage.size
    for part, key, start, size in parts:
        content = seen[key][0].content
        if isinstance(content, memoryview):
            part.content = content[start : start + size]
    return found[3]


def _weights(path: Path, view: memoryview, says: dict[str, Any], tree: Tree) -> Weights:
    """Return what was found as a collection."""
    if not tree.tensors and not tree.optimizer:
        raise ModelFileError(
            f"{path}: holds no tensor, but {_about(tree.values)}. Expected a checkpoint with the weights of a model, "
            "as torch.save(model.state_dict(), path) writes it."
        )
    prefix, kept = ("", tree.tensors) if says["layout"] == "TorchScript" else without_wrappers(tree.tensors)
    tensors, optimizer = _tensors(path, kept), _tensors(path, tree.optimizer)
    check_sizes(path, [*tensors.values(), *optimizer.values()], len(view))
    if prefix:
        says["prefix"] = prefix
    if groups := tied(kept):
        says["tied"] = groups
    if quantized := [".".join(key) for key, tensor in kept.items() if tensor.quantizer is not None]:
        says["quantized"] = quantized[:1000]
    if packed := [name.rpartition(".weight.")[0] for name in tensors if FOUR_BITS.search(name)]:
        says["four_bits"] = (
            f"{counted(len(packed), 'weight')} in bytes of two values each, as bitsandbytes packs them, such as "
            f"{packed[0]!r:.200}; they are not decoded."
        )
    if tree.dropped:
        says["dropped"] = f"{counted(tree.dropped, 'further value')} that are no tensors"
    values = tree.values if isinstance(tree.values, dict) else {} if tree.values is NOTHING else {"values": tree.values}
    return Weights.of(
        list(tensors.values()), "PyTorch", metadata={**values, "pytorch": says}, files=(path,), optimizer=optimizer
    )


def _tensors(path: Path, found: dict[Key, Placed]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for key, placed in found.items():
        name = ".".join(key)
        if name in tensors:
            raise ModelFileError(f"{path}: two tensors are called {name!r:.200}. The file is damaged.")
        tensors[name] = tensor_of(path, name, placed)
    return tensors


def _about(values: Any) -> str:
    if isinstance(values, dict) and "class" in values:
        return f"an object of the class {values['class']!r:.200}"
    if isinstance(values, dict):
        keys = [key[:40] for key in list(values)[:5]]
        return f"a dictionary with the keys {keys!r:.300}" if keys else "an empty dictionary"
    return "a plain value" if not isinstance(values, list) else f"a list of {counted(len(values), 'value')}"
