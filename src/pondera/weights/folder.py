"""Several files that are one model: sharded checkpoints, folders of Hugging Face, and folders that others must read.

An index (``model.safetensors.index.json``) says in JSON which file holds each tensor:
``{"metadata": {…}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors", …}}``
(https://huggingface.co/docs/transformers/big_models). Checkpoints of Orbax, TensorFlow, Zarr, PyTorch's distributed
training and DeepSpeed are folders too, which only their own library can read; the error says how to convert them.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from pondera.choice import counted, listed
from pondera.errors import ModelFileError
from pondera.weights.collection import Weights
from pondera.weights.mapped import beside, checked_count, map_file
from pondera.weights.plain_json import read_json
from pondera.weights.tensor import Tensor

OpenOne = Callable[[Path], Weights]
"""What opens one file: :func:`pondera.weights.open.open`."""

MOST_JSON = 100_000_000
"""A longer index is refused; that of the largest model known has about 10 MB."""

MOST_CONFIG = 10_000_000
"""A longer config.json is refused."""

MOST_SHARDS = 10_000

SERIES = "; if they are checkpoints of one training, pondera timeline shows them all."
"""What else can be done with a folder in which there are several models."""

MOST_FILES = 100_000
"""A folder with more files is refused."""

MOST_NOTED = 100
"""Of the tensors that the index does not name, no more are listed."""

HEAD = 4096

WANTED = (
    "model.safetensors.index.json",
    "*.safetensors.index.json",
    "model.safetensors",
    "*.safetensors",
    "pytorch_model.bin.index.json",
    "*.bin.index.json",
    "pytorch_model.bin",
    *(
        f"*.{end}"
        for end in ("bin", "pt", "pth", "ckpt", "gguf", "onnx", "keras", "h5", "hdf5", "npz", "npy", "msgpack")
    ),
)
"""The indexes and files of weights that a folder may have, the best first."""

NO_WEIGHTS = (
    "training_args.bin",
    "optimizer.*",
    "scheduler.*",
    "scaler.*",
    "rng_state*",
    "random_states*",
    "tokenizer*",
)
"""Files that lie beside weights and end as they do."""

PART = re.compile(r"(.*)-(\d{5,6})-of-(\d{5,6})(\.\w+)", re.DOTALL)
"""How the parts of a sharded checkpoint are called."""

ORBAX = (  # as safetensors, because NumPy's own files have no bfloat16
    "is a checkpoint of Orbax, which only Orbax reads. Where it is installed, run "
    "`import jax, numpy, safetensors.numpy, orbax.checkpoint; "
    "tree = orbax.checkpoint.PyTreeCheckpointer().restore(PATH)` and "
    '`safetensors.numpy.save_file({jax.tree_util.keystr(k, simple=True, separator="."): numpy.asarray(v, order="C") '
    'for k, v in jax.tree_util.tree_leaves_with_path(tree)}, "weights.safetensors")`, then give weights.safetensors.'
)
TENSORFLOW = (
    "is a checkpoint of TensorFlow, which only TensorFlow reads. Where it is installed, run "
    "`import numpy, tensorflow as tf; r = tf.train.load_checkpoint(PATH)` and "
    '`numpy.savez("weights.npz", **{n: r.get_tensor(n) for n, t in r.get_variable_to_dtype_map().items() '
    "if t != tf.string})`, then give weights.npz."
)
ZARR = (
    "is a Zarr store, which only Zarr reads. Where it is installed, run "
    '`import numpy, zarr; g = zarr.open_group(PATH, mode="r")` and '
    '`numpy.savez("weights.npz", **{n: a[...] for n, a in g.members(max_depth=None) if isinstance(a, zarr.Array)})`, '
    "then give weights.npz."
)
DISTRIBUTED = (
    "is a distributed checkpoint of PyTorch, which only PyTorch reads. Where it is installed, run "
    "`from torch.distributed.checkpoint.format_utils import dcp_to_torch_save` and "
    '`dcp_to_torch_save(PATH, "weights.pt")`, then give weights.pt.'
)
DEEPSPEED = (
    "is a checkpoint of DeepSpeed, which only DeepSpeed reads. Where it is installed, run "
    "`from deepspeed.utils.zero_to_fp32 import convert_zero_checkpoint_to_fp32_state_dict as convert` and "
    '`convert(PATH, "weights", safe_serialization=True)`, then give the folder weights.'
)

FOREIGN: tuple[tuple[str, str], ...] = (
    ("_METADATA", ORBAX),
    ("*/_METADATA", ORBAX),
    ("*/*/_METADATA", ORBAX),
    ("_CHECKPOINT_METADATA", ORBAX),
    ("manifest.ocdbt", ORBAX),
    ("*/manifest.ocdbt", ORBAX),
    ("*.distcp", DISTRIBUTED),
    ("*/*.distcp", DISTRIBUTED),
    ("zero_to_fp32.py", DEEPSPEED),
    ("*.index", TENSORFLOW),
    ("*.data-00000-of-*", TENSORFLOW),
    ("variables/*.index", TENSORFLOW),
    ("zarr.json", ZARR),
    (".zgroup", ZARR),
    (".zarray", ZARR),
    ("*/.zarray", ZARR),
)
"""What a folder of another kind has in it, and what to say then; its library is given the folder where it is."""

SHARD = re.compile(r"\.(index|data-\d+-of-\d+)$")
"""How the files of a TensorFlow checkpoint end; its library is given their name without it."""


def looks_like_index(head: bytes) -> bool:
    """Whether a file begins as the index of a sharded checkpoint does: JSON with a ``weight_map``."""
    return head.lstrip()[:1] == b"{" and b'"weight_map"' in head


def looks_like_tensorflow(head: bytes) -> bool:
    """Whether a file begins as the index of a TensorFlow checkpoint does.

    It is a sorted table whose first key is empty and has the number of shards, and the version, as its value.
    """
    return head[:2] == b"\x00\x00" and head[3:4] == b"\x08" and b"\x1a\x02\x08\x01" in head[4:16]


def open_tensorflow(path: Path, view: memoryview) -> NoReturn:
    """Say how to convert a checkpoint of which the index was given.

    Raises
    ------
    ModelFileError
        Always.
    """
    raise _foreign(path, TENSORFLOW, path)


def open_folder(path: Path, open_one: OpenOne) -> Weights:
    """Return the weights in a folder: of an index if it has one, of all safetensors files, or of its only other file.

    Other files of weights, such as the same model for another library, are named as ``skipped``.

    Parameters
    ----------
    path
        The folder, as Hugging Face and many libraries write it.
    open_one
        What opens one file.

    Raises
    ------
    ModelFileError
        If there are no weights in it, weights of several models, not all parts of them, or only such as another
        library must convert.
    """
    names = _names(path)
    found = _opened(path, _best(path, names), open_one)
    return replace(found, skipped=(*found.skipped, *_skipped(names, found)))


def _opened(path: Path, found: Sequence[str], open_one: OpenOne) -> Weights:
    """Return the weights in files of a folder: an index, one file or several parts."""
    if found[0].endswith(".json"):
        return open_index(path / found[0], map_file(beside(path / found[0], found[0])), open_one)
    shards = {name: open_one(_part(path / name, name)) for name in found}
    if len(found) == 1:
        (only,) = shards.values()
        return _with_config(path, only)
    owners: dict[str, str] = {}
    for name, shard in shards.items():
        for tensor in shard:
            if owners.setdefault(tensor, name) != name:
                raise ModelFileError(
                    f"{path}: tensor {tensor!r:.200} is both in {owners[tensor]!r} and in {name!r}; expected the parts "
                    f"of one model. Give one of the files{SERIES}"
                )
    return _with_config(path, _together(owners, shards, {}))


def _skipped(names: Sequence[str], found: Weights) -> tuple[str, ...]:
    """Return the files of weights in a folder that were not read, such as the same model for another library."""
    read = {file.name for file in found.files}
    return tuple(
        name
        for name in names
        if name not in read and not _is_other(name) and any(fnmatch.fnmatchcase(name, end) for end in WANTED)
    )


def open_index(path: Path, view: memoryview, open_one: OpenOne) -> Weights:
    """Return the weights that an index names, each out of its own file.

    Tensors that the files have and the index does not name are left out and listed as ``metadata["not_in_index"]``.

    Raises
    ------
    ModelFileError
        If the index is damaged, or a file or a tensor that it names is missing.
    """
    checked_count(path, bytes(view[:MOST_JSON]).count(b'"') // 4)  # about; before a million of them take memory
    index = _json(path, view, MOST_JSON)
    owners = index.get("weight_map")
    if not isinstance(owners, dict) or not owners or not all(isinstance(file, str) for file in owners.values()):
        raise ModelFileError(
            f"{path}: expected a weight_map of tensors and their files, found {owners!r:.80}. The file is damaged."
        )
    checked_count(path, len(owners))
    files = list(dict.fromkeys(owners.values()))
    if len(files) > MOST_SHARDS:
        raise ModelFileError(f"{path}: names {len(files):,} files; expected at most {MOST_SHARDS:,}. It is damaged.")
    missing = [file for file in files if not os.path.isfile(_part(path, file))]
    odd = [file for file in missing if os.path.lexists(beside(path, file))]
    if odd:
        raise ModelFileError(
            f"{path}: names {_named(odd)}, which {'is' if len(odd) == 1 else 'are'} no file but a folder, a pipe, a "
            "device or a link that leads nowhere. Copy the file of weights there."
        )
    if missing:
        raise ModelFileError(
            f"{path}: {counted(len(missing), 'file')} of {len(files):,} that it names "
            f"{'is' if len(missing) == 1 else 'are'} missing beside it: {_named(missing)}. Copy "
            f"{'it' if len(missing) == 1 else 'them'} there."
        )
    shards = {file: open_one(_part(path, file)) for file in files}
    about = {"index": index["metadata"]} if "metadata" in index else {}
    return _with_config(path.parent, _together(owners, shards, about, path))


def _together(owners: Mapping[str, str], shards: Mapping[str, Weights], about: dict[str, Any], *index: Path) -> Weights:
    """Return the tensors of several files as one model.

    Parameters
    ----------
    owners
        The name of each tensor -> the file it is in.
    shards
        The name of each file -> what is in it.
    about
        What else is known.
    index
        The file that says so, if one does.
    """
    tensors: list[Tensor] = []
    for name, file in owners.items():
        if name not in shards[file]:
            where = f"{index[0]}: " if index else ""
            raise ModelFileError(
                f"{where}tensor {name!r:.200} should be in {file!r:.200}, which does not have it. The files are not of "
                "one model, or were not copied whole; copy them again."
            )
        tensors.append(shards[file][name])
    extra = [name for file, shard in shards.items() for name in shard if owners.get(name) != file]
    metadata = {
        **about,
        "shards": {file: dict(shard.metadata) for file, shard in shards.items()},
        **({"not_in_index": extra[:MOST_NOTED], "not_in_index_count": len(extra)} if extra else {}),
    }
    optimizer = {name: tensor for shard in shards.values() for name, tensor in shard.optimizer.items()}
    files = tuple(file for shard in shards.values() for file in shard.files)
    kinds = " and ".join(dict.fromkeys(shard.format for shard in shards.values()))
    kind = f"{kinds} in {counted(len(shards), 'file')}"
    return Weights.of(tensors, kind, metadata=metadata, files=(*index, *files), optimizer=optimizer)


def _with_config(folder: Path, weights: Weights) -> Weights:
    """Return weights with what the config.json of their folder says."""
    place = folder / "config.json"
    if not place.is_file():
        return weights
    config = _json(place, map_file(beside(place, place.name)), MOST_CONFIG)
    return replace(weights, metadata={**weights.metadata, "config": config})


def _json(path: Path, view: memoryview, most: int) -> dict[str, Any]:
    """Return the dictionary in a JSON file."""
    if len(view) > most:
        raise ModelFileError(f"{path}: has {len(view):,} bytes; expected JSON of at most {most:,}. It is damaged.")
    try:
        found = read_json(bytes(view))
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ModelFileError(f"{path}: cannot be read as JSON: {reason:.200}. Restore it from a copy.") from None
    if not isinstance(found, dict):
        raise ModelFileError(f"{path}: expected a dictionary as JSON, found {found!r:.80}. The file is damaged.")
    return found


def _named(names: Sequence[str]) -> str:
    """Return names as one line of a message, whatever letters they are made of."""
    return f"{listed([repr(name)[1:-1] for name in names]):.1000}"


def _names(path: Path) -> list[str]:
    """Return the names of the files in a folder, in order."""
    names: list[str] = []
    try:
        for each in path.iterdir():
            if each.is_file():
                names.append(each.name)
            if len(names) > MOST_FILES:
                raise ModelFileError(f"{path}: holds more than {MOST_FILES:,} files. Give one of them.")
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}.") from error
    return sorted(names)


def _best(path: Path, names: Sequence[str]) -> list[str]:
    """Return the index of a folder, or the files in it that hold its model: one, or several parts."""
    for pattern in WANTED:
        found = [name for name in fnmatch.filter(names, pattern) if not _is_other(name)]
        parts = [match for name in found if (match := PART.fullmatch(name))]
        models = {(match[1], match[3], match[4]) for match in parts}
        for model in models:
            _check_parts(path, *model, {int(match[2]) for match in parts if match.group(1, 3, 4) == model})
        of_one = len(models) == 1 and len(parts) == len(found)
        if len(found) > 1 and pattern != "*.safetensors" and not of_one:
            raise ModelFileError(f"{path}: holds several files of weights: {_named(found)}. Give one of them{SERIES}")
        if found:
            return found
    raise _no_weights(path, names)


def _is_other(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, other) for other in NO_WEIGHTS)


def _check_parts(path: Path, name: str, total: str, end: str, there: set[int]) -> None:
    """Refuse a model of which a part is missing."""
    expected = range(1, min(int(total), MOST_SHARDS) + 1)
    missing = [f"{name}-{number:0{len(total)}}-of-{total}{end}" for number in expected if number not in there]
    if missing and there != set(range(int(total))):  # some count from 0
        raise ModelFileError(
            f"{path}: of the {int(total):,} files of the model {counted(len(missing), 'file')} "
            f"{'is' if len(missing) == 1 else 'are'} missing: {_named(missing)}. Copy them there."
        )


def _no_weights(path: Path, names: Sequence[str]) -> ModelFileError:
    """Return the error that says what a folder is that holds no file of weights."""
    for pattern, sentence in FOREIGN:
        for found in _glob(path, pattern):
            return _foreign(path, sentence, found if sentence is TENSORFLOW else found.parent)
    below = sorted({found.parent.name for end in ("safetensors", "bin") for found in _glob(path, f"*/*.{end}")})
    if below:
        return ModelFileError(
            f"{path}: has no weights itself; there are models in its folders {_named(below)}. Give one of these{SERIES}"
        )
    there = f"found {_named(names)}" if names else "it has no files"
    return ModelFileError(f"{path}: expected a folder with a file of weights such as model.safetensors; {there}.")


def _glob(path: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from path.glob(pattern)
    except OSError:
        return


def _foreign(path: Path, sentence: str, place: Path) -> ModelFileError:
    name = place.with_name(SHARD.sub("", place.name)) if sentence is TENSORFLOW else place
    return ModelFileError(f"{path}: {sentence.replace('PATH', repr(str(name)))}")


def _part(path: Path, name: str) -> Path:
    """Return a file beside another that is to be opened as a part; not an index again, which might name itself."""
    file = beside(path, name)
    if os.path.isfile(file) and looks_like_index(bytes(map_file(file)[:HEAD])):
        raise ModelFileError(f"{path}: names {name!r:.200}, which is an index too; expected a file of weights.")
    return file
