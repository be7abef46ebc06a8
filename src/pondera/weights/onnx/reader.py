"""ONNX, the exchange format for networks: a graph of operations and the arrays it computes with (https://onnx.ai).

The file is one protocol buffer, described by ``onnx.proto`` (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
Its tensors are the initializers of the graph and the values of its ``Constant`` nodes, also in the bodies of ``If``,
``Loop`` and functions; those carry the place they are in before their name: ``If_0.then_branch.weight``. Which
operations take a tensor, and as which of their inputs, is kept as ``metadata["uses"]``, because a name says less of
what a tensor is for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pondera.errors import ModelFileError
from pondera.weights.collection import Weights
from pondera.weights.mapped import MOST_AXES, checked_count
from pondera.weights.onnx.tensors import KINDS, MOST_TEXT, STRING, read_entry, read_tensor
from pondera.weights.protobuf import BYTES, VARINT, Allowance, Known, Message, WireError, raw_fields, signed
from pondera.weights.tensor import Tensor

MODEL = {
    1: ("ir_version", (VARINT,)),
    2: ("producer_name", (BYTES,)),
    3: ("producer_version", (BYTES,)),
    4: ("domain", (BYTES,)),
    5: ("model_version", (VARINT,)),
    6: ("doc_string", (BYTES,)),
    7: ("graph", (BYTES,)),
    8: ("opset_import", (BYTES,)),
    14: ("metadata_props", (BYTES,)),
    20: ("training_info", (BYTES,)),
    25: ("functions", (BYTES,)),
    26: ("configuration", (BYTES,)),
}
GRAPH = {
    2: ("name", (BYTES,)),
    5: ("initializer", (BYTES,)),
    10: ("doc_string", (BYTES,)),
    11: ("input", (BYTES,)),
    12: ("output", (BYTES,)),
    13: ("value_info", (BYTES,)),
    14: ("quantization_annotation", (BYTES,)),
    15: ("sparse_initializer", (BYTES,)),
    16: ("metadata_props", (BYTES,)),
}
NODES = {1: ("node", (BYTES,))}
NODE = {
    1: ("input", (BYTES,)),
    2: ("output", (BYTES,)),
    3: ("name", (BYTES,)),
    4: ("op_type", (BYTES,)),
    7: ("domain", (BYTES,)),
}
ATTRIBUTES = {5: ("attribute", (BYTES,))}
ATTRIBUTE = {
    1: ("name", (BYTES,)),
    3: ("i", (VARINT,)),
    5: ("t", (BYTES,)),
    6: ("g", (BYTES,)),
    11: ("graphs", (BYTES,)),
    22: ("sparse_tensor", (BYTES,)),
}
FUNCTION = {1: ("name", (BYTES,)), 10: ("domain", (BYTES,)), 13: ("overload", (BYTES,))}
FUNCTION_NODES = {7: ("node", (BYTES,))}
OPSET = {1: ("domain", (BYTES,)), 2: ("version", (VARINT,))}
VALUE = {1: ("name", (BYTES,)), 2: ("type", (BYTES,))}
TYPE = {1: ("tensor_type", (BYTES,))}
TENSOR_TYPE = {1: ("elem_type", (VARINT,)), 2: ("shape", (BYTES,))}
SHAPE = {1: ("dim", (BYTES,))}
DIMENSION = {1: ("dim_value", (VARINT,)), 2: ("dim_param", (BYTES,))}

LATEST = 127
"""The greatest version of the format that is thinkable; it was 13 in 2025, and it takes one byte up to here."""

MATTERING = ("transA", "transB", "group", "axis", "hidden_size")
"""Attributes of an operation that say how it lays out its weights."""

MOST_DEEP = 32
"""Bodies within bodies deeper than this are refused."""

MOST_LISTED = 1_000
"""Of inputs, outputs, kinds of operations, properties and the like, no more are kept as metadata."""

MOST_USES = 16
"""Of the operations that take one tensor, no more are kept."""

MOST_ARGUMENTS = 100_000
"""A node with more inputs, outputs or attributes is refused."""

Scopes = tuple[dict[str, str], ...]
"""The names that tensors have within their graph -> their names here: of the outermost graph first."""

LABEL = 200  # letters of a node's name that go into the names of what its bodies hold


@dataclass(frozen=True)
class _Node:
    """What is said of an operation, but for its attributes."""

    inputs: list[str]
    outputs: list[str]
    name: str
    kind: str


def looks_like_onnx(head: bytes) -> bool:
    """Whether a file begins as a ModelProto does.

    The format has no mark of its own. So the first field must be its version, all that follow must be fields that a
    model has, written as they should be, texts must be texts, and among them must be a graph or a set of operations.
    """
    if len(head) < 4 or head[0] != 0x08 or not 1 <= head[1] <= LATEST:
        return False
    known = False
    try:
        for number, wire, _, start, stop in raw_fields(head):
            if number not in MODEL or wire not in MODEL[number][1]:
                return False
            name, content = MODEL[number][0], head[start:stop]
            if name in ("producer_name", "producer_version", "domain") and not _is_line(content, stop - start):
                return False
            if name == "doc_string" and stop > len(head):
                return bool(content) and not set(content) & set(range(9))
            if name in ("graph", "opset_import"):
                if not _begins(content, stop - start, (NODES | GRAPH) if name == "graph" else OPSET):
                    return False
                known = True
    except (WireError, IndexError):  # the head ends within a field, or what follows is damaged
        pass
    return known


def _is_line(content: bytes, length: int) -> bool:
    try:
        return len(content) == length and content.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _begins(content: bytes, length: int, known: Known) -> bool:
    """Whether a message, of which the beginning may be all there is, begins with a field that it may have."""
    for number, wire, _, _, stop in raw_fields(content):
        return number in known and wire in known[number][1] and stop <= length
    return True


def open_onnx(path: Path, view: memoryview) -> Weights:
    """Return the tensors of a mapped ONNX file, and of the files beside it that it names; no values are read.

    The metadata say of which version and by which program the file is, what the graph takes and gives, how many nodes
    of each kind it has, and under ``"uses"`` for each tensor which operations take it: ``[kind, which of its inputs,
    attributes that say how the weights lie]``. Tensors of texts are passed over and listed under ``"texts"``.

    Raises
    ------
    ModelFileError
        If the file is damaged, a file it names is missing, or a tensor is sparse.
    """
    message = Message(path, "model", view, Allowance())
    reading = _Reading(path)
    about: dict[str, Any] = {}
    opsets: dict[str, int] = {}
    properties: dict[str, str] = {}
    graphs = 0
    for found in message.fields(MODEL):
        if found.name == "graph":
            graphs += 1
            about |= reading.graph(message.inner(found, "graph"), "", ())
        elif found.name == "functions":
            reading.function(message.inner(found, "function"))
        elif found.name == "opset_import":
            domain, version = _opset(message.inner(found, "set of operations"))
            _keep(opsets, domain or "ai.onnx", version)
        elif found.name == "metadata_props":
            _keep(properties, *read_entry(message.inner(found, "property")))
        elif found.name in ("ir_version", "model_version"):
            about[found.name] = signed(found.integer)
        elif found.name == "training_info":
            about["training_graphs"] = about.get("training_graphs", 0) + 1
        elif found.name != "configuration":
            about[found.name] = message.text(found, MOST_TEXT)
    if graphs != 1:
        raise ModelFileError(f"{path}: holds {graphs:,} graphs; expected an ONNX file with one. The file is damaged.")
    about |= {"opset_imports": opsets, "properties": properties, **reading.found()}
    return Weights.of(list(reading.tensors.values()), "ONNX", metadata=about, files=(path, *reading.sizes))


def _keep(kept: dict[str, Any], key: str, value: Any) -> None:
    """Set an entry of a dictionary that a file fills, while it is small."""
    if len(kept) < MOST_LISTED or key in kept:
        kept[key] = value


@dataclass
class _Reading:
    """What has been found in the file so far."""

    path: Path
    tensors: dict[str, Tensor] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    uses: dict[str, list[list[Any]]] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    sizes: dict[Path, int] = field(default_factory=dict)

    def found(self) -> dict[str, Any]:
        """Return what goes into the metadata."""
        optional = {"texts": self.texts, "functions": self.functions}
        return {"nodes": self.kinds, "uses": self.uses, **{name: there for name, there in optional.items() if there}}

    def graph(self, message: Message, prefix: str, scopes: Scopes) -> dict[str, Any]:
        """Read the tensors of a graph and what is in it, and return what it says of itself."""
        if len(scopes) >= MOST_DEEP:
            raise ModelFileError(
                f"{self.path}: has bodies within bodies more than {MOST_DEEP} deep. The file is damaged or no network."
            )
        initializers = sum(1 for _ in message.fields({5: GRAPH[5]}))
        checked_count(self.path, len(self.tensors) + initializers)  # before a million of them take memory
        scopes = (*scopes, {})
        name = ""
        inputs: list[dict[str, Any]] = []
        outputs: list[dict[str, Any]] = []
        for found in message.fields(GRAPH):
            if found.name == "initializer":
                self.add(message.inner(found, "initializer"), None, prefix, scopes[-1])
            elif found.name == "sparse_initializer":
                self.refuse_sparse(message.inner(found, "sparse initializer"))
            elif found.name == "name":
                name = message.text(found, MOST_TEXT)
            elif found.name in ("input", "output") and not prefix:
                listed = inputs if found.name == "input" else outputs
                if len(listed) < MOST_LISTED:
                    listed.append(_value(message.inner(found, found.name)))
        self.nodes(message, NODES, prefix, scopes)
        inputs = [
            each for each in inputs if each["name"] not in scopes[-1]
        ]  # up to version 3 initializers are inputs too
        return {"graph": name, "inputs": inputs, "outputs": outputs}

    def function(self, message: Message) -> None:
        """Read the constants of a function, an operation that the file itself describes."""
        said = {found.name: message.text(found, LABEL) for found in message.fields(FUNCTION)}
        name = ".".join(filter(None, (said.get("domain"), said.get("name"), said.get("overload"))))
        if len(self.functions) < MOST_LISTED:
            self.functions.append(name)
        self.nodes(message, FUNCTION_NODES, f"{name}.", ({},))

    def nodes(self, message: Message, known: Known, prefix: str, scopes: Scopes) -> None:
        """Read the nodes of a graph or function, in their order, in which what is used comes after what is made."""
        labels: set[str] = set()
        for index, found in enumerate(message.fields(known)):
            inner = message.inner(found, "node")
            node = _node(inner)
            if len(self.kinds) < MOST_LISTED or node.kind in self.kinds:
                self.kinds[node.kind] = self.kinds.get(node.kind, 0) + 1
            label = (node.name or next(filter(None, node.outputs), f"{node.kind}_{index}"))[:LABEL]
            label = f"{label}#{index}" if label in labels else label
            labels.add(label)
            mattering: dict[str, int] = {}
            for attribute in inner.fields(ATTRIBUTES):
                mattering |= self.attribute(inner.inner(attribute, "attribute"), node, label, prefix, scopes)
            self.use(node, mattering, scopes)

    def attribute(self, message: Message, node: _Node, label: str, prefix: str, scopes: Scopes) -> dict[str, int]:
        """Read the tensor or the bodies that an attribute holds, and return it where it says how weights lie."""
        name, integer, tensor = "", None, None
        bodies: list[Message] = []
        for found in message.fields(ATTRIBUTE):
            if found.name == "name":
                name = message.text(found, LABEL)
            elif found.name == "i":
                integer = signed(found.integer)
            elif found.name == "t":
                tensor = message.inner(found, "constant")
            elif found.name == "sparse_tensor":
                self.refuse_sparse(message.inner(found, "sparse constant"))
            elif len(bodies) < MOST_ARGUMENTS:
                bodies.append(message.inner(found, "body"))
        if tensor is not None and node.kind == "Constant" and name == "value":
            self.add(tensor, node.outputs[0] if node.outputs else label, prefix, scopes[-1])
        for index, body in enumerate(bodies):
            number = f"_{index}" if len(bodies) > 1 else ""
            self.graph(body, f"{prefix}{label}.{name}{number}.", scopes)
        return {name: integer} if integer is not None and name in MATTERING else {}

    def add(self, message: Message, name: str | None, prefix: str, scope: dict[str, str]) -> None:
        """Read a tensor and note under which name the nodes of its graph know it."""
        tensor = read_tensor(message, self.sizes, name, prefix)
        if isinstance(tensor, str):
            if len(self.texts) < MOST_LISTED:
                self.texts.append(tensor)
            return
        if tensor.name in self.tensors:
            raise ModelFileError(
                f"{self.path}: holds two tensors called {tensor.name!r:.200}; names must differ. The file is damaged."
            )
        self.tensors[tensor.name] = tensor
        checked_count(self.path, len(self.tensors))
        scope[tensor.name.removeprefix(prefix)] = tensor.name

    def use(self, node: _Node, mattering: dict[str, int], scopes: Scopes) -> None:
        """Note which tensors a node takes."""
        for index, name in enumerate(node.inputs):
            for scope in reversed(scopes):
                if name in scope:
                    uses = self.uses.setdefault(scope[name], [])
                    if len(uses) < MOST_USES:
                        uses.append([node.kind, index, mattering])
                    break

    def refuse_sparse(self, message: Message) -> None:
        """Say which tensor is sparse."""
        for found in message.fields({1: ("values", (BYTES,))}):
            values = message.inner(found, "sparse tensor")
            name = "".join(values.text(each) for each in values.fields({8: ("name", (BYTES,))}))
            raise ModelFileError(
                f"{self.path}: the tensor {name!r:.200} is sparse, which is not read. Write it as a dense initializer "
                "and save the network again."
            )
        raise message.damaged("it has no values")


def _node(message: Message) -> _Node:
    inputs: list[str] = []
    outputs: list[str] = []
    said = {"name": "", "op_type": "", "domain": ""}
    for found in message.fields(NODE):
        if found.name in said:
            said[found.name] = message.text(found, LABEL)
        else:
            names = inputs if found.name == "input" else outputs
            names.append(message.text(found))
            if len(names) > MOST_ARGUMENTS:
                raise message.damaged(f"it has more than {MOST_ARGUMENTS:,} {found.name}s")
    domain = "" if said["domain"] in ("", "ai.onnx") else f"{said['domain']}."
    return _Node(inputs, outputs, said["name"], domain + said["op_type"])


def _opset(message: Message) -> tuple[str, int]:
    domain, version = "", 0
    for found in message.fields(OPSET):
        if found.name == "domain":
            domain = message.text(found, LABEL)
        else:
            version = signed(found.integer)
    return domain, version


def _value(message: Message) -> dict[str, Any]:
    """Return name, dtype and shape of an input or output; None for what is not said or not that of a tensor."""
    about: dict[str, Any] = {"name": "", "dtype": None, "shape": None}
    for found in message.fields(VALUE):
        if found.name == "name":
            about["name"] = message.text(found)
            continue
        kind = message.inner(found, "type")
        for tensor in kind.fields(TYPE):
            _tensor_type(kind.inner(tensor, "tensor type"), about)
    return about


def _tensor_type(message: Message, about: dict[str, Any]) -> None:
    for found in message.fields(TENSOR_TYPE):
        if found.name == "elem_type":
            about["dtype"] = "text" if found.integer == STRING else KINDS.get(found.integer, (None,))[0]
            continue
        about["shape"] = []
        shape = message.inner(found, "shape")
        for each in shape.fields(SHAPE):
            if len(about["shape"]) < MOST_AXES:
                about["shape"].append(_length(shape.inner(each, "axis")))


def _length(message: Message) -> int | str | None:
    """Return the length of an axis: a number, a name that stands for one, or None."""
    length: int | str | None = None
    for found in message.fields(DIMENSION):
        length = signed(found.integer) if found.name == "dim_value" else message.text(found, LABEL) or None
    return length
