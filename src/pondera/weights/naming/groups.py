"""Tensors -> groups of those that belong to one layer, by what their names have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pondera.weights.collection import Weights
from pondera.weights.keras.reader import VARIABLES
from pondera.weights.naming.patterns import NUMBER, filled, parts_of
from pondera.weights.naming.schemes import Leaf, Scheme
from pondera.weights.tensor import Tensor

WORD = re.compile("[A-Za-z]+|[0-9]+")
ROLES = {
    **dict.fromkeys(("w", "weight", "weights", "kernel", "coef", "coefs", "matrix"), "weight"),
    **dict.fromkeys(("b", "bias", "biases", "intercept", "intercepts"), "bias"),
}
"""What people call weights and biases where no framework names them, as in ``W1`` and ``b1``."""

MOST_WORD = 100
"""Longer parts of names are not looked at for words."""


@dataclass
class Group:
    """Tensors of one layer, before it is known what they are.

    Attributes
    ----------
    name
        What their names have in common.
    parts
        Its parts, at most the last of them.
    tensors
        Role -> tensor.
    kind
        What kind of layer it must be; ``""`` if nothing but names and shapes tells.
    axes
        Role -> axes as letters, where they are known already.
    named
        Whether the ends of its tensors' names are known.
    groups
        Groups of a convolution, where they are known.
    """

    name: str
    parts: tuple[str, ...]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    kind: str = ""
    axes: dict[str, str] = field(default_factory=dict)
    named: bool = False
    groups: int | None = None

    def add(self, role: str, tensor: Tensor) -> None:
        """Put a tensor in; where its role is taken, its own name is its role, with a number if that is taken too."""
        roles = (role, tensor.name, f"{tensor.name} {len(self.tensors)}")
        self.tensors[next(each for each in roles if each not in self.tensors)] = tensor

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its last part that is no number, in small letters."""
        part = next((part for part in reversed(self.parts) if not part.isdecimal()), "")
        part = re.sub("(?<=[a-z])(?=[A-Z])", "_", part) if len(part) < MOST_WORD else ""
        return tuple(NUMBER.sub("", word).lower() for word in part.split("_"))


def is_real(tensor: Tensor) -> bool:
    """Whether its values are real numbers, floats or blocks of them, as weights are."""
    return not tensor.dtype.startswith(("int", "uint", "quint", "bool", "complex"))


def by_name(weights: Mapping[str, Tensor], scheme: Scheme) -> list[Group]:
    """Return tensors in groups, the one first whose tensor is first."""
    groups: dict[str, Group] = {}
    for tensor in weights.values():
        name, parts, leaf = placed(tensor.name, scheme)
        role = leaf.role if leaf else "weight"
        if not is_real(tensor) and role in ("weight", "bias"):
            role = "packed" if role == "weight" and leaf else "buffer"
        group = groups.setdefault(name, Group(name, parts))
        group.named |= leaf is not None
        group.kind = group.kind or (leaf.kind if leaf else "")
        group.add(role, tensor)
    return list(groups.values())


def placed(name: str, scheme: Scheme) -> tuple[str, tuple[str, ...], Leaf | None]:
    """Return the name of the layer that a tensor is in, its parts, and what the end of the tensor's name says.

    Examples
    --------
    >>> from pondera.weights.naming.schemes import NONE
    >>> placed("lstm.weight_ih_l1", NONE)
    ('lstm.l1', ('lstm', 'l1'), Leaf(role='weight', inside='l#', kind='recurrent'))
    >>> placed("W2", NONE)
    ('2', ('2',), Leaf(role='weight', inside='', kind=''))
    """
    plain = name.removesuffix(":0")
    parts = parts_of(plain, scheme.separators)
    for word in scheme.left_out:
        if parts[0] == word and len(parts) > 1:
            parts, plain = parts[1:], plain[len(word) + 1 :]
    found = scheme.leaves.longest(parts)
    if found is None:
        return (plain, parts, None) if scheme.matrix or not (told := _by_word(plain, parts)) else told
    leaf = found.value
    length = sum(map(len, parts[-found.length :])) + found.length
    inside = filled(leaf.inside, found.numbers)
    leaf = leaf._replace(role=filled(leaf.role, found.numbers))
    outer, between = plain[:-length], plain[len(plain) - length : len(plain) - length + 1]
    kept = (*parts[: -found.length], *(inside.split(".") if inside else ()))
    if not inside:
        return outer, kept, leaf
    return (outer + between + inside if len(parts) > found.length else inside), kept, leaf


def _by_word(name: str, parts: tuple[str, ...]) -> tuple[str, tuple[str, ...], Leaf] | None:
    last = parts[-1]
    words = WORD.findall(last) if len(last) < MOST_WORD else []
    for word in words:
        if role := ROLES.get(word.lower()):
            rest = last.replace(word, "", 1).strip("_-")
            kept = (*parts[:-1], rest) if rest else parts[:-1]
            return name[: len(name) - len(last)] + rest if rest else name[: -len(last) - 1], kept, Leaf(role)
    return None


CLASSES: dict[str, tuple[str, dict[str, str]]] = {
    **dict.fromkeys(("conv1dtranspose", "conv2dtranspose", "conv3dtranspose"), ("convolution", {"weight": "*OI"})),
    **dict.fromkeys(("depthwiseconv1d", "depthwiseconv2d"), ("convolution", {"weight": "*OO"})),
    **dict.fromkeys(("separableconv1d", "separableconv2d"), ("convolution", {"weight": "*IO", "depthwise": "*OO"})),
    "embedding": ("embedding", {"weight": "IO"}),
    "einsumdense": ("unknown", {}),  # its equation may be any
    "normalization": ("normalization", {}),
}
"""Classes of Keras's layers whose weights lie otherwise than those of most -> kind and axes."""


def by_class(weights: Weights, groups: list[Group], scheme: Scheme) -> None:
    """Add to Keras's groups what their classes tell."""
    paths = weights.metadata.get("paths")
    classes = weights.metadata.get("layers")
    for group in groups:
        kind = _class(
            group, paths if isinstance(paths, Mapping) else {}, classes if isinstance(classes, Mapping) else {}
        )
        if set(group.tensors) == {str(number) for number in range(len(group.tensors))}:
            _named_by_number(group, kind, scheme)
        if kind in CLASSES and group.kind != "recurrent":
            group.kind, axes = CLASSES[kind]
            if "depthwise" in group.tensors and "weight" not in group.tensors:
                group.tensors = {"weight" if role == "depthwise" else role: t for role, t in group.tensors.items()}
            group.axes = {role: letters for role, letters in axes.items() if role in group.tensors}
            if group.axes.get("weight") == "*OO" and (weight := group.tensors["weight"]).ndim > 2:
                group.groups = weight.shape[-2]


def _class(group: Group, paths: Mapping[str, object], classes: Mapping[str, object]) -> str:
    """Return the class of a layer as one word: from the path in the file, the config, or the name that it was given."""
    tensor = next(iter(group.tensors.values()))
    path = paths.get(tensor.name)
    found = classes.get(group.name)
    if isinstance(path, str) and path.split("/")[-2:-1] == ["vars"] and path.count("/") > 1:
        word = path.split("/")[-3]
    else:
        word = found if isinstance(found, str) else group.parts[-1] if group.parts else ""
    return re.sub("_[0-9]+$", "", word[:MOST_WORD]).replace("_", "").lower()


def _named_by_number(group: Group, kind: str, scheme: Scheme) -> None:
    """Give variables that are only numbered, as in ``layers/dense/vars/0``, the roles that their order tells."""
    for each, orders in VARIABLES.items():
        for names in orders if each.replace("_", "") == kind else ():
            if len(names) == len(group.tensors):
                leaves = [scheme.leaves.longest((name,)) for name in names]
                roles = [leaf.value.role if leaf else name for leaf, name in zip(leaves, names, strict=True)]
                tensors = list(group.tensors.items())
                group.tensors = {roles[int(number)]: tensor for number, tensor in tensors}
                group.kind = next((leaf.value.kind for leaf in leaves if leaf and leaf.value.kind), "")
                return
