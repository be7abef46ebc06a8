"""A group of tensors -> what kind of layer it is, and which axis is which: by its name, its shapes, and its scheme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pondera.weights.layers import INPUTS, OUTPUTS
from pondera.weights.naming.groups import Group
from pondera.weights.naming.patterns import words
from pondera.weights.naming.schemes import Scheme
from pondera.weights.naming.shapes import MATRICES, Axes, fits, sizes, spread, told
from pondera.weights.naming.slots import (
    CONVOLUTION,
    DENSE,
    EMBEDDING,
    FUSED,
    KEY,
    NORMALIZATION,
    OUTPUT,
    QUERY,
    SCALE,
    SLOTS,
    UNKNOWN,
    VALUE,
    Slot,
)
from pondera.weights.tensor import Tensor

RECURRENT = "recurrent"
MATRIX_KINDS = (DENSE, QUERY, KEY, VALUE, OUTPUT, FUSED)

DENSE_WORDS = words(
    "linear lin fc dense proj projection project head heads classifier logits mlp ffn gate up down out output to wi wo "
    "w q k v qkv query key value"
)
EMBEDDING_WORDS = words("embed embeds embedding embeddings emb embd wte wpe lookup")
NORM_WORDS = words("norm ln bn gn rms")
CONVOLUTION_WORDS = words("conv convolution")
TRANSPOSED_WORDS = words("transpose transposed convtranspose deconv upconv convt")
DEPTHWISE_WORDS = words("dw dwconv depthwise")
SURE_WORDS = CONVOLUTION_WORDS | TRANSPOSED_WORDS | DEPTHWISE_WORDS | words("proj projection downsample shortcut")
"""What names of layers are made of where no network is known that has them."""

CONV1D = words("c_attn c_fc c_proj q_attn")
"""Layers that are ``Conv1D`` in some models, dense with a weight of (inputs, outputs), and ordinary in others."""

BARE = words("query key value")

KERNELS = ("OI*", "IO*", "*IO", "*OI")


@dataclass(frozen=True)
class Evidence:
    """What all of a file tells of each of its layers.

    Attributes
    ----------
    scheme
        The scheme of its names.
    turned
        Whether the layers of :data:`CONV1D` lie as (inputs, outputs).
    agreed
        How its matrices lie, as letters, if all that tell agree; used where the scheme tells nothing.
    attending
        Modules that have a query, a key and a value, or two of them: a single ``value`` may be anything.
    transposing
        Modules in which a bias shows a convolution to be transposed: others in it, if square, may be.
    """

    scheme: Scheme
    turned: bool = False
    agreed: str = ""
    attending: frozenset[tuple[str, ...]] = frozenset()
    transposing: frozenset[tuple[str, ...]] = frozenset()


def evidence_of(scheme: Scheme, groups: Sequence[Group]) -> Evidence:
    """Return what the matrices of a file tell by their biases, and those of :data:`CONV1D` by growing wider."""
    votes: set[str] = set()
    modules = Counter(group.parts[:-1] for group in groups if group.parts and group.parts[-1] in BARE)
    turned: set[bool] = set()
    for group in groups:
        weight, bias = group.tensors.get("weight"), group.tensors.get("bias")
        last = group.parts[-1] if group.parts else ""
        if weight is None or weight.ndim != 2 or (scheme.matrix and last not in CONV1D):
            continue
        one = told(MATRICES, weight.shape, bias.shape if bias is not None else None, certain=False)
        letters = "".join("O" if axis == OUTPUTS else "I" for axis in one)
        votes |= {letters} if letters else set()
        if scheme.matrix:
            if letters:
                turned.add(letters != scheme.matrix)
            elif bias is None and last != "c_proj" and weight.shape[0] != weight.shape[1]:
                turned.add((weight.shape[0] < weight.shape[1]) == (scheme.matrix == "OI"))
    return Evidence(
        scheme,
        turned == {True},
        votes.pop() if len(votes) == 1 else "",
        frozenset(module for module, count in modules.items() if count > 1),
        frozenset(group.parts[:-1] for group in groups if _shows_transposed(group, scheme)),
    )


def _shows_transposed(group: Group, scheme: Scheme) -> bool:
    weight, bias = group.tensors.get("weight"), group.tensors.get("bias")
    if weight is None or bias is None or weight.ndim < 3 or not scheme.kernel:
        return False
    found = told((scheme.kernel, scheme.transposed), weight.shape, bias.shape, certain=False)
    return bool(found) and found == spread(scheme.transposed, weight.ndim)


def kind_of(group: Group, evidence: Evidence, beside: Group | None = None) -> tuple[str, dict[str, Axes], Slot | None]:
    """Return the kind of a layer, the axes of its tensors by role, and its slot if its name is known.

    Parameters
    ----------
    group
        The tensors.
    evidence
        What the file tells.
    beside
        The layer whose shapes may tell the axes: of stacked experts the other one, of others the one that follows.
    """
    found = SLOTS.longest(group.parts)
    slot = found.value if found else None
    if slot is not None and not slot.name and group.parts[-1] in BARE and group.parts[:-1] not in evidence.attending:
        slot = None
    hint = group.kind
    if slot is not None and (hint in ("", DENSE) and (not group.axes or slot.kind in MATRIX_KINDS)):
        hint = slot.kind
    weight = group.tensors.get("weight")
    axes: dict[str, Axes] = {}
    if evidence.scheme.matrix == "OI":
        for role in ("lora_a", "lora_b"):
            if role in group.tensors:
                axes[role] = spread("OI" if group.tensors[role].ndim == 2 else "OI*", group.tensors[role].ndim)
    if "mean" in group.tensors and "variance" in group.tensors:
        hint = NORMALIZATION
    if RECURRENT in group.tensors:
        kind, axes = _recurrent(group, evidence.scheme)
    elif weight is None or (hint == UNKNOWN and slot is None):
        kind = hint or UNKNOWN
    elif "scales" in group.tensors and group.tensors["scales"].count > 1:
        kind = hint or UNKNOWN  # what the weights are, only the scales tell
    elif group.axes:
        kind = hint
        axes |= {
            role: spread(letters, group.tensors[role].ndim)
            for role, letters in group.axes.items()
            if role in group.tensors
        }
    else:
        kind, axes["weight"] = _by_shape(group, slot, hint, evidence, beside)
    return kind, {role: found for role, found in axes.items() if found}, slot


def _recurrent(group: Group, scheme: Scheme) -> tuple[str, dict[str, Axes]]:
    axes: dict[str, Axes] = {}
    matrix = scheme.matrix or _by_gates(group.tensors[RECURRENT].shape)
    for role in ("weight", RECURRENT, "projection"):
        tensor = group.tensors.get(role)
        if tensor is not None:
            axes[role] = spread(group.axes.get(role) or (matrix if tensor.ndim == 2 else scheme.kernel), tensor.ndim)
    outputs = {sizes(axes[role], group.tensors[role].shape)[1] for role in ("weight", RECURRENT) if axes.get(role)}
    return RECURRENT, axes if len(outputs) == 1 else {}


def _by_gates(shape: tuple[int, ...]) -> str:
    """Return how the recurrent weights of three or four gates lie, as letters: each gate has as many as go in."""
    if len(shape) == 2 and shape[0] and shape[1]:
        for gates in (3, 4):
            if gates * shape[1] == shape[0]:
                return "OI"
            if gates * shape[0] == shape[1]:
                return "IO"
    return ""


def _by_shape(group: Group, slot: Slot | None, hint: str, evidence: Evidence, beside: Group | None) -> tuple[str, Axes]:
    """Return kind and axes of a weight whose name may give a hint."""
    weight, bias = group.tensors["weight"], group.tensors.get("bias")
    same = bias is not None and bias.shape == weight.shape and weight.ndim > 0
    if hint == NORMALIZATION or same:
        return NORMALIZATION, ()
    if weight.ndim < 2 or hint == SCALE:
        if hint == SCALE:
            return SCALE, ()
        normal = any(word in NORM_WORDS or word.endswith("norm") for word in group.words)
        return NORMALIZATION if normal and weight.ndim == 1 and bias is None else UNKNOWN, ()
    if (not group.named and hint != EMBEDDING) or hint == UNKNOWN:
        return UNKNOWN, ()
    if slot is not None and slot.axes:
        found = _stacked(slot.axes, weight, bias, beside)
        return (DENSE if found else UNKNOWN), found
    if hint == EMBEDDING and bias is None:
        found = spread("IO" if weight.ndim == 2 else "SIO" if weight.shape[0] == 1 else "", weight.ndim)
        return (EMBEDDING if found else UNKNOWN), found
    if weight.ndim == 2:
        return _matrix(group, hint, evidence)
    return _kernel(group, hint, evidence, beside)


def _matrix(group: Group, hint: str, evidence: Evidence) -> tuple[str, Axes]:
    weight, bias = group.tensors["weight"], group.tensors.get("bias")
    kind = hint if hint in MATRIX_KINDS else DENSE
    letters = evidence.scheme.matrix
    if not letters:
        found = told(MATRICES, weight.shape, bias.shape if bias is not None else None, certain=False)
        if not found and bias is not None and evidence.agreed and weight.shape[0] == weight.shape[1]:
            found = told((evidence.agreed,), weight.shape, bias.shape, certain=True)
        return (kind if found else UNKNOWN), found
    if bias is None and not hint:
        said = frozenset(group.words)
        if said & EMBEDDING_WORDS and not group.parts[-1].isdecimal():
            return EMBEDDING, (INPUTS, OUTPUTS)
        if not said & DENSE_WORDS:
            return UNKNOWN, ()
    order = (letters, letters[::-1])
    if evidence.turned and group.parts[-1:] and group.parts[-1] in CONV1D:
        order = order[::-1]
    found = told(order, weight.shape, bias.shape if bias is not None else None, certain=True)
    return (kind if found else UNKNOWN), found


def _kernel(group: Group, hint: str, evidence: Evidence, after: Group | None) -> tuple[str, Axes]:
    weight, bias = group.tensors["weight"], group.tensors.get("bias")
    shape, scheme = weight.shape, evidence.scheme
    said = frozenset(group.words)
    if "bilinear" in said:
        return UNKNOWN, ()
    if scheme.matrix == "IO" and len(shape) == 3:  # heads have an axis of their own
        heads = {OUTPUT: "IIO", QUERY: "IOO", KEY: "IOO", VALUE: "IOO"}.get(hint, "")
        found = spread(heads, 3)
        if found and (bias is None or bias.shape == (shape[2:] if hint == OUTPUT else shape[1:])):
            return hint, found
    kind = hint if hint in (QUERY, KEY, VALUE, OUTPUT, FUSED) else CONVOLUTION
    if not scheme.kernel:
        found = told(KERNELS, shape, bias.shape, certain=False) if bias is not None and len(shape) > 3 else ()
        return (kind if found else UNKNOWN), found
    order = (scheme.kernel, scheme.transposed)
    if said & TRANSPOSED_WORDS:
        order = order[::-1]
    if bias is not None:
        certain = bool(said & SURE_WORDS) or bool(hint) or group.parts[:-1] not in evidence.transposing
        found = told(order, shape, bias.shape, certain=certain)
    elif scheme.matrix == "IO" or hint in (CONVOLUTION, *MATRIX_KINDS) or said & SURE_WORDS:
        found = told(order, shape, None, certain=True)
    else:  # without a bias a convolution looks like a transposed one; a normalization after it has its outputs
        normal = after.tensors.get("weight") if after is not None and _follows(after, group) else None
        found = told(order, shape, normal.shape, certain=False) if normal is not None and normal.ndim == 1 else ()
    if found and said & DEPTHWISE_WORDS and shape[found.index(INPUTS)] == 1:
        group.groups = shape[found.index(OUTPUTS)]
    return (kind if found else UNKNOWN), found


def _follows(after: Group, group: Group) -> bool:
    """Whether a normalization comes next in a numbered sequence: ``main.1`` after ``main.0``."""
    if after.parts[:-1] != group.parts[:-1] or not {"bias", "mean"} & after.tensors.keys():
        return False
    last, number = after.parts[-1], group.parts[-1]
    return (
        last.isdecimal() and number.isdecimal() and len(last) < 10 and len(number) < 10 and int(last) == int(number) + 1
    )


def _stacked(letters: str, weight: Tensor, bias: Tensor | None, beside: Group | None) -> Axes:
    """Return the axes of stacked matrices.

    One layer of experts leads from the model's width to their own, the other back; that the first of them has twice
    the outputs (gate and up in one) tells which is which, unless a bias does.
    """
    if letters != "S?":
        return spread(letters, weight.ndim)
    if weight.ndim != 3:
        return ()
    candidates = [spread(each, 3) for each in ("SOI", "SIO")]
    if bias is not None:
        candidates = [axes for axes in candidates if fits(axes, weight.shape, bias.shape)]
        return candidates[0] if len(candidates) == 1 else ()
    other = beside.tensors.get("weight") if beside else None
    if other is None or other.ndim != 3:
        return ()
    candidates = [axes for axes in candidates if _leads_back(axes, weight.shape, other.shape)]
    return candidates[0] if len(candidates) == 1 else ()


def _leads_back(axes: Axes, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether of two layers that lie alike one leads from the outputs of the other, or half of them, to its inputs."""
    (into, out), (back_in, back_out) = (
        (shape[axes.index(INPUTS)], shape[axes.index(OUTPUTS)]) for shape in (one, other)
    )
    return (into == back_out and out == 2 * back_in) or (out == back_in and back_out == 2 * into)
