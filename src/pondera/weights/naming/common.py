"""The same slot under every framework's name: ``blk.0.attn_q.weight`` is ``layers.0.attention.query.weight``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pondera.weights.collection import Weights
from pondera.weights.naming.assembly import groups_of
from pondera.weights.naming.groups import Group
from pondera.weights.naming.patterns import MOST_PARTS, filled, without_numbers, words
from pondera.weights.naming.slots import SLOTS

Path = tuple[str, ...]

WRAPPERS = words(
    "module _orig_mod model models base_model transformer Transformer bert roberta distilbert electra albert camembert "
    "xlm-roberta mpnet deberta gpt_neox language_model auto_model vit deit beit clip cls embeddings params "
    "tf_bert_model _fsdp_wrapped_module _checkpoint_wrapped_module"
)
"""Parts of names that say only whose module it is."""

STACKS = {
    "encoder": "encoder",
    "enc": "encoder",
    "decoder": "decoder",
    "dec": "decoder",
    "vision_model": "vision",
    "vision_tower": "vision",
    "visual": "vision",
    "v": "vision",
    "text_model": "text",
    "audio_tower": "audio",
}
"""Parts of a network that each have layers 0, 1, 2 …"""

BLOCKS = words(
    "layer layers h blk block blocks resblocks transformer_blocks layer_# layers_# block_# blocks_# h_# encoderblock_# "
    "encoder_layer_# layer_._# h_._#"
)
"""What stands before the number of a block, or with it."""

OTHERWISE = {"post_attention_layernorm": ("pre_feedforward_layernorm", "attention.post_norm")}
"""A name that means something else in a model which also has another name: that name, and what it means then."""


def canonical(weights: Weights) -> dict[str, str]:
    """Return the names of tensors -> names that are the same for the same slot whatever the framework.

    A tensor is left out where its place is not known, or another one would have the same name. Where nothing is known
    but the layer's own name, that is it, without what wraps the whole model (``module.``, ``_orig_mod.``). A slot's
    tensors may differ in their axes (:attr:`Layer.axes <pondera.weights.layers.Layer.axes>`), and in the order of
    heads: llama.cpp turns the queries and keys of Llama, and fused ones, into an order of its own.

    Parameters
    ----------
    weights
        As :func:`pondera.open` gives them.

    Examples
    --------
    >>> from pondera.weights.tensor import DTYPES, Mapped, Tensor
    >>> def named(name):
    ...     source = Mapped(memoryview(b""), 0, DTYPES["float32"], 0)
    ...     return Weights.of([Tensor(name, (4, 4), "float32", source)], "safetensors")
    >>> canonical(named("bert.encoder.layer.0.attention.self.query.weight"))
    {'bert.encoder.layer.0.attention.self.query.weight': 'layers.0.attention.query.weight'}
    >>> canonical(named("blk.0.attn_q.weight"))
    {'blk.0.attn_q.weight': 'layers.0.attention.query.weight'}
    """
    _, groups = groups_of(weights)
    groups = [group for group in groups if len(group.parts) <= MOST_PARTS]
    ends = {group.parts[-1] for group in groups if group.parts}
    shared = _shared([group.parts for group in groups])
    paths = [_path(group, shared, ends) for group in groups]
    once = _in_all([path for path in paths if "layers" in path])
    found: dict[str, str] = {}
    for group, path in zip(groups, paths, strict=True):
        if path:
            kept = [part for at, part in enumerate(path) if part not in once or "layers" in path[:at]]
            for role, tensor in group.tensors.items():
                found[tensor.name] = ".".join((*kept, role))
    uses = Counter(found.values())
    return {name: slot for name, slot in found.items() if uses[slot] == 1}


def _shared(paths: Sequence[Path]) -> int:
    """Return how many parts all paths begin with that are no block's: a wrapper of the whole."""
    count = 0
    while len(paths) > 1 and all(len(path) > count + 1 for path in paths):
        firsts = {path[count] for path in paths}
        first = next(iter(firsts))
        if len(firsts) > 1 or first in STACKS or first.isdecimal() or without_numbers(first[:100]) in BLOCKS:
            break
        count += 1
    return count


def _path(group: Group, shared: int, ends: set[str]) -> Path:
    """Return the common path of a layer, with the part of the network that it is in; nothing if it has no name."""
    found = SLOTS.longest(group.parts)
    if not group.parts or not (group.named or found):
        return ()
    if found is not None:
        before = _without_sublayer(group.parts[: -found.length])
        block = _block(before)
        slot = next((slot for slot in found.values if slot.name and slot.repeated == bool(block)), None)
        if slot is not None:
            other, name = OTHERWISE.get(group.parts[-1], ("", ""))
            path = tuple((name if other in ends else filled(slot.name, found.numbers)).split("."))
            if not block:
                return (*_stack(before[shared:]), *path)
            outer = before[: -2 if before[-1].isdecimal() else -1]
            return (*_stack(outer[shared:]), "layers", block, *path)
    return _stack(group.parts[shared:])


def _without_sublayer(parts: Path) -> Path:
    """Return parts without the number of a layer within a block, as T5 has it: ``encoder.block.0.layer.1``."""
    inner = parts[-2:-1] == ("layer",) and parts[-1].isdecimal()
    return parts[:-2] if inner and _block(parts[:-2]) else parts


def _block(parts: Path) -> str:
    """Return the number of the block whose name the parts end with, ``""`` if it is none's."""
    if not parts or len(parts[-1]) > 100:
        return ""
    if parts[-1].isdecimal():
        return parts[-1] if len(parts) > 1 and parts[-2] in BLOCKS else ""
    if without_numbers(parts[-1]) not in BLOCKS or "#" not in without_numbers(parts[-1]):
        return ""
    return "".join(letter for letter in parts[-1] if letter.isdecimal())


def _stack(parts: Path) -> Path:
    """Return parts without wrappers, those of a network under their common names."""
    return tuple(STACKS.get(part, part) for part in parts if part not in WRAPPERS)


def _in_all(paths: Sequence[Path]) -> frozenset[str]:
    """Return the parts of the network that every block is in: there is but one, and it need not be named."""
    if not paths:
        return frozenset()
    stacks = [frozenset(path[: path.index("layers")]) & frozenset(STACKS.values()) for path in paths]
    return frozenset.intersection(*stacks)
