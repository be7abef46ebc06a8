"""What the outputs of a layer are that is several in one: queries, keys and values, gates, experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pondera.weights.collection import Weights
from pondera.weights.naming.patterns import Patterns
from pondera.weights.naming.slots import CONTIGUOUS

Parts = tuple[tuple[str, int], ...]

ATTENTION = ("query", "key", "value")
IN_ORDER: Patterns[bool] = Patterns((pattern, True) for pattern in CONTIGUOUS)
BY_HEAD = ("gpt_neox", "bloom")
"""Models whose fused attention has query, key and value of the first head, then those of the second, and so on."""

HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads")
WIDTHS = ("hidden_size", "n_embd", "d_model", "dim")


@dataclass(frozen=True)
class Heads:
    """How many heads attention has; 0 where it is not said.

    Attributes
    ----------
    queries, keys
        Heads of queries, and those of keys and values, which several queries may share.
    key_size, value_size
        Outputs of a head.
    order
        ``"queries first"``, ``"by head"`` or ``"by group"``: how fused layers of this model lie; ``""`` if their names
        tell.
    """

    queries: int = 0
    keys: int = 0
    key_size: int = 0
    value_size: int = 0
    order: str = ""

    def parts(self) -> Parts:
        """Return what a fused layer has, as far as it is known."""
        if not self.queries or not self.key_size:
            return ()
        group = self.queries // self.keys
        if self.order in ("by head", "by group"):
            sizes = (group * self.key_size, self.key_size, self.value_size)
            return tuple(zip(ATTENTION, sizes, strict=True)) * self.keys
        sizes = (self.queries * self.key_size, self.keys * self.key_size, self.keys * self.value_size)
        return tuple(zip(ATTENTION, sizes, strict=True))


def heads_of(weights: Weights) -> Heads:
    """Return what the metadata say of heads: the facts of a GGUF file, or the config.json beside a model.

    Examples
    --------
    >>> facts = {"general.architecture": "llama", "llama.attention.head_count": 8, "llama.embedding_length": 64}
    >>> heads_of(Weights.of([], "GGUF", metadata=facts)).parts()
    (('query', 64), ('key', 64), ('value', 64))
    """
    metadata = weights.metadata
    model = metadata.get("general.architecture")
    if isinstance(model, str):
        queries = _whole(metadata, (f"{model}.attention.head_count",))
        keys = _whole(metadata, (f"{model}.attention.head_count_kv",)) or queries
        size = _whole(metadata, (f"{model}.attention.key_length",))
        size = size or _whole(metadata, (f"{model}.embedding_length",)) // max(queries, 1)
        value = _whole(metadata, (f"{model}.attention.value_length",)) or size
        return _checked(Heads(queries, keys, size, value, "queries first"))
    config = metadata.get("config")
    if isinstance(config, Mapping) and isinstance(config.get("text_config"), Mapping):
        config = config["text_config"]
    if not isinstance(config, Mapping):
        return Heads()
    queries, order = _whole(config, HEADS), _order(config)
    keys = _whole(config, KEY_HEADS) or queries
    if config.get("model_type") == "falcon" and order == "queries first":
        keys = 1
    size = _whole(config, ("head_dim",)) or _whole(config, WIDTHS) // max(queries, 1)
    return _checked(Heads(queries, keys if order != "by head" else queries, size, size, order))


def _order(config: Mapping[str, Any]) -> str:
    model = config.get("model_type")
    if model in BY_HEAD:
        return "by head"
    if model == "falcon":
        if config.get("new_decoder_architecture"):
            return "by group"
        return "queries first" if config.get("multi_query", True) else "by head"
    return "by group" if model == "internlm2" else ""


def _whole(values: Mapping[str, Any], names: tuple[str, ...]) -> int:
    for name in names:
        found = values.get(name)
        if type(found) is int and 0 < found < 1 << 40:
            return found
    return 0


def _checked(heads: Heads) -> Heads:
    return heads if heads.keys and heads.queries % heads.keys == 0 and heads.queries < 1 << 16 else Heads()


def attention_parts(path: tuple[str, ...], outputs: int, inputs: int, heads: Heads, queries: int | None) -> Parts:
    """Return what the outputs of a fused attention layer are; nothing where neither metadata nor shapes tell.

    Parameters
    ----------
    path
        The parts of its name.
    outputs, inputs
        How many it has.
    heads
        What the metadata say.
    queries
        How many inputs the output layer beside it has: as many as there are queries.

    Examples
    --------
    >>> attention_parts(("self_attn", "qkv_proj"), 1024, 512, Heads(), 512)
    (('query', 512), ('key', 256), ('value', 256))
    >>> attention_parts(("attention", "query_key_value"), 1536, 512, Heads(), 512)
    ()
    """
    in_order = IN_ORDER.longest(path) is not None
    if heads.order or in_order:
        found = heads.parts()
        if sum(size for _, size in found) == outputs:
            return found
    if not in_order:
        return ()
    shared = outputs - (queries or 0)
    if queries and shared > 0 and shared % 2 == 0 and queries % (shared // 2) == 0:
        return tuple(zip(ATTENTION, (queries, shared // 2, shared // 2), strict=True))
    if outputs == 3 * inputs:
        return tuple(zip(ATTENTION, (inputs, inputs, inputs), strict=True))
    return ()
