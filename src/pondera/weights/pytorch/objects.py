"""What the names in a PyTorch checkpoint stand for here: tensors as where they lie, containers, and harmless objects.

The names and the order of their arguments are those of ``torch/_utils.py``, ``torch/_tensor.py`` and
``torch/serialization.py``, and of ``numpy/_core/multiarray``. A name that is not listed here is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from pondera.errors import ModelFileError
from pondera.weights.archive import Entry
from pondera.weights.mapped import MOST_AXES
from pondera.weights.pytorch.machine import Builder, Dictionary, Machine, Name, Record
from pondera.weights.tensor import DTYPES

Arguments = tuple[object, ...]

ELEMENTS: dict[str, np.dtype[Any]] = {
    **DTYPES,
    "qint8": DTYPES["int8"],
    "quint8": DTYPES["uint8"],
    "qint32": DTYPES["int32"],
}
"""What a value is stored as, by the name of the dtype."""

OTHER_NAMES = {"double": "float64", "float": "float32", "half": "float16", "long": "int64", "int": "int32"}
OTHER_NAMES |= {"short": "int16", "cfloat": "complex64", "cdouble": "complex128"}

STORAGES: dict[str, str] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
    "_UntypedStorage": "uint8",
}
"""PyTorch's storages -> the dtype of what they hold; those of no type count bytes."""

DTYPE = re.compile(r"torch\.((?:q?u?int|float|bfloat|complex|bits)\d+\w*|bool|double|float|half|long|int|short|c\w+)")
STORAGE = re.compile(r"torch\.(?:cuda\.|storage\.)?(\w+Storage)")

BUILTINS = ("bool", "bytearray", "complex", "dict", "float", "int", "long", "object", "range", "slice", "str")
HARMLESS = frozenset(
    {"argparse.Namespace", "types.SimpleNamespace", "uuid.UUID", "decimal.Decimal", "fractions.Fraction"}
    | {f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")}
    | {
        f"{module}.{name}"
        for module in ("pathlib", "pathlib._local")
        for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
    }
    | {f"{module}.{name}" for module in ("builtins", "__builtin__") for name in BUILTINS}
    | {"collections.deque", "typing.Any", "easydict.EasyDict", "torch.Tensor", "torch.nn.parameter.Buffer"}
    | {"torch.nn.parameter.Parameter", "numpy.ndarray"}
)
"""Classes that say something about a training and nothing about tensors: kept as what they hold, never built."""

HARMLESS_PACKAGES = (
    "__torch__.",  # the classes of a TorchScript program
    "omegaconf.",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning.pytorch.callbacks.",
    "pytorch_lightning.callbacks.",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
"""How the names of further such classes begin."""


@dataclass(slots=True, eq=False, repr=False)
class Storage:
    """A stretch of bytes that one tensor or several lie in.

    Attributes
    ----------
    key
        What the file calls it.
    dtype
        Of the values.
    size
        How many bytes it is said to have.
    content
        The bytes, an entry of an archive that has to be unpacked, or None where the file lacks them.
    big
        Whether the first byte of a number is the highest.
    """

    key: str
    dtype: str
    size: int
    content: memoryview | Entry | None = None
    big: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Placed:
    """A tensor as a file describes it; nothing in it has been checked.

    Attributes
    ----------
    storage
        Where its values lie.
    dtype
        Of the values.
    offset, shape, strides
        Of its first value, in values; its lengths; the steps along its axes, in values.
    quantizer
        What its whole numbers stand for: the scheme and its parameters.
    """

    storage: Storage
    dtype: str
    offset: object
    shape: tuple[object, ...]
    strides: tuple[object, ...]
    quantizer: tuple[object, ...] | None = None


def find(name: str) -> Name | None:
    """Return what a name stands for, None where it is not known."""
    if name in KNOWN:
        return KNOWN[name]
    if name in HARMLESS or name.startswith(HARMLESS_PACKAGES):
        return Name(name, lambda machine, arguments: Record(name, arguments))
    ours = name.removeprefix("ml_dtypes.")
    return Name(name) if DTYPE.fullmatch(name) or storage_of(name) or (ours != name and ours in DTYPES) else None


def storage_of(name: str) -> str | None:
    """Return the dtype of what a storage holds, None for what is no storage."""
    found = STORAGE.fullmatch(name)
    return STORAGES.get(found[1]) if found else None


def dtype_of(name: str) -> str:
    """Return a dtype of PyTorch by our name.

    >>> dtype_of("torch.half"), dtype_of("torch.bfloat16")
    ('float16', 'bfloat16')
    """
    short = name.rpartition(".")[2]
    return OTHER_NAMES.get(short, short)


def placed(machine: Machine, arguments: Arguments, dtype: object = None, quantizer: object = None) -> Placed:
    """Return the tensor that storage, offset, lengths and steps describe."""
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage) or not isinstance(shape, tuple | list) or not isinstance(strides, tuple | list):
        raise machine.damaged("a tensor lacks its storage, its lengths or its steps")
    if len(shape) > MOST_AXES or len(strides) != len(shape):
        raise machine.damaged(f"a tensor has {len(shape):,} lengths and {len(strides):,} steps")
    if quantizer is not None and not (isinstance(quantizer, tuple) and quantizer):
        raise machine.damaged("a tensor is quantized without saying how")
    kind = dtype_of(dtype.text) if isinstance(dtype, Name) else storage.dtype
    return Placed(storage, kind, offset, tuple(shape), tuple(strides), quantizer)


def _tensor(fewest: int, most: int, dtype: int | None = None, metadata: int | None = None) -> Builder:
    """Return what builds a tensor from as many arguments; those after the first four say little."""

    def build(machine: Machine, arguments: Arguments) -> Placed:
        if not fewest <= len(arguments) <= most:
            raise machine.damaged(f"a tensor is described by {len(arguments)} values")
        more = arguments[metadata] if metadata is not None and len(arguments) > metadata else None
        if isinstance(more, Dictionary) and any(value is True for _, value in more.pairs):
            raise ModelFileError(
                f"{machine.path}: holds a tensor whose values are yet to be conjugated or negated. Save it after "
                "resolve_conj() and resolve_neg()."
            )
        kind = arguments[dtype] if dtype is not None else None
        if dtype is not None and not isinstance(kind, Name):
            raise machine.damaged("a tensor lacks its dtype")
        return placed(machine, arguments, kind)

    return build


def _quantized(machine: Machine, arguments: Arguments) -> Placed:
    if not 5 <= len(arguments) <= 7:
        raise machine.damaged(f"a tensor is described by {len(arguments)} values")
    return placed(machine, arguments, quantizer=arguments[4] or ())


def _of_type(machine: Machine, arguments: Arguments) -> object:
    """Return a tensor of a class of its own, or with attributes, as the tensor alone."""
    if len(arguments) != 4:
        raise machine.damaged(f"a tensor is described by {len(arguments)} values")
    return machine.call(arguments[0], arguments[2])


def _first(kind: type | tuple[type, ...]) -> Builder:
    """Return what gives back its first argument, which must be of a kind."""

    def build(machine: Machine, arguments: Arguments) -> object:
        if not arguments or not isinstance(arguments[0], kind):
            raise machine.damaged("it builds something of nothing, or of something else")
        return arguments[0]

    return build


def _refused(what: str) -> Builder:
    def build(machine: Machine, arguments: Arguments) -> object:
        raise ModelFileError(f"{machine.path}: holds {what}")

    return build


def _device(machine: Machine, arguments: Arguments) -> str:
    return ":".join(str(part) for part in arguments[:2] if isinstance(part, str | int))


def _dictionary(machine: Machine, arguments: Arguments) -> Dictionary:
    given = arguments[0] if arguments else None
    if isinstance(given, Dictionary):
        return given
    if not isinstance(given, list):  # a default's class, or nothing
        return Dictionary([])
    machine.charge(8 * len(given))
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
        raise machine.damaged("a dictionary is made of what are no keys and values")
    return Dictionary([(key, value) for key, value in given])


def _contents(machine: Machine, arguments: Arguments) -> object:
    return arguments[0] if arguments and isinstance(arguments[0], list | tuple) else []


def _encoded(machine: Machine, arguments: Arguments) -> memoryview:
    """Return the bytes that an old protocol writes as text."""
    text = arguments[0] if arguments else None
    if not isinstance(text, str) or arguments[1:] not in ((), ("latin1",), ("utf-8",)):
        raise machine.damaged("bytes are no text")
    machine.charge(len(text))
    return memoryview(text.encode("latin1" if arguments[1:] == ("latin1",) else "utf-8", "strict"))


def _empty(machine: Machine, arguments: Arguments) -> object:
    """Return no bytes, as an old protocol writes them."""
    return Record("builtins.bytes", arguments) if arguments else memoryview(b"")


def _reconstructed(machine: Machine, arguments: Arguments) -> Record:
    if len(arguments) != 3 or not isinstance(arguments[0], Name):
        raise machine.damaged("an object lacks its class")
    return Record(arguments[0].text, () if arguments[2] is None else (arguments[2],))


_TEXT = _first(str)
_TENSOR = _first(Placed)
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")

BUILDERS: dict[str, Builder | None] = {
    "torch._utils._rebuild_tensor": _tensor(4, 4),
    "torch._utils._rebuild_tensor_v2": _tensor(5, 7, metadata=6),
    "torch._utils._rebuild_tensor_v3": _tensor(7, 8, dtype=6, metadata=7),
    "torch._utils._rebuild_qtensor": _quantized,
    "torch._utils._rebuild_parameter": _TENSOR,
    "torch._utils._rebuild_parameter_with_state": _TENSOR,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch._utils._rebuild_sparse_tensor": _refused("a sparse tensor. Save it after to_dense()."),
    "torch._utils._rebuild_sparse_csr_tensor": _refused("a sparse tensor. Save it after to_dense()."),
    "torch._utils._rebuild_nested_tensor": _refused("a nested tensor. Save its parts as tensors of their own."),
    "torch._utils._rebuild_meta_tensor_no_storage": _refused(
        "a tensor on the device 'meta', which has no values. Save the model after its weights were loaded."
    ),
    "torch.Size": _first((tuple, list)),
    "torch.device": _device,
    "torch.serialization._get_layout": _TEXT,
    "torch.torch_version.TorchVersion": _TEXT,
    "torch.jit._pickle.build_intlist": _first(list),
    "torch.jit._pickle.build_doublelist": _first(list),
    "torch.jit._pickle.build_boollist": _first(list),
    "torch.jit._pickle.build_tensorlist": _first(list),
    "torch.jit._pickle.restore_type_tag": lambda machine, arguments: arguments[0] if arguments else None,
    "copyreg._reconstructor": _reconstructed,
    "copy_reg._reconstructor": _reconstructed,
    "_codecs.encode": _encoded,
    "builtins.bytes": _empty,
    "__builtin__.bytes": _empty,
    **{f"torch.{name}": None for name in ("strided", "sparse_coo", "contiguous_format", "channels_last")},
    **{f"torch.{name}": None for name in ("preserve_format", "channels_last_3d")},
    **{f"torch.per_{of}_affine": None for of in ("tensor", "channel")},
    "torch.per_channel_affine_float_qparams": None,
    **{f"collections.{name}": _dictionary for name in ("OrderedDict", "defaultdict", "Counter")},
    **{
        f"{module}.{name}": _contents
        for module in ("builtins", "__builtin__")
        for name in ("list", "tuple", "set", "frozenset")
    },
}

KNOWN = {name: Name(name, build) for name, build in BUILDERS.items()}
