"""Metadata that say something else than the tensors do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pondera.choice import listed
from pondera.findings import Finding
from pondera.reading.faults.facts import Facts
from pondera.reading.series import stacks
from pondera.weights.quantized.encodings import ENCODINGS
from pondera.weights.tensor import DTYPES, Tensor

TOKENS = re.compile(r"(^|[._/])(embed_tokens|wte|word_embeddings|tok_embeddings|embed_in|token_embd)([._/]\w+)?$")
"""How the embedding of tokens is called: by transformers, by Llama, by GGUF."""

HEAD = re.compile(r"(^|[._/])(lm_head|embed_out)([._/]weight)?$|^output\.weight$")
"""How the output layer of tokens is called."""

UP = re.compile(
    r"[._/](up_proj|gate_proj|gate_up_proj|c_fc|fc1|wi|wi_0|wi_1|w1|intermediate[._/]dense)[._/](weight|kernel)$"
)
"""How the layer is called that leads to the inner units of a block."""

INNER = ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "ffn_hidden_size")
"""How the names end that the number of inner units has in a config.json."""

LAYERS = (
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
)
"""What the number of blocks is called in a config.json."""

WIDTHS = ("hidden_size", "n_embd", "d_model", "dim", "embedding_size", "word_embed_proj_dim", "emb_dim")
"""What the width of the embedding is called; a model may have several of them."""

PART = re.compile(r"(^|[._/])(lora|adapter)", re.IGNORECASE)
"""A file with these has a part of a model only."""

INTEGER_METHODS = ("gptq", "awq", "bitsandbytes", "compressed-tensors", "quanto", "hqq", "fp8", "mxfp4", "aqlm")

ADVICE = (
    "The file and its description are not of the same model, or one of them was changed by hand. Take both from the "
    "same place; libraries that build the model from the description will not load these weights."
)


def metadata(facts: Facts) -> Iterator[Finding]:
    """Sizes that the description gives and the tensors do not have."""
    said = facts.weights.metadata
    if not facts.weights.whole or any(PART.search(name) for name in facts.weights):
        return
    config = said.get("config")
    if isinstance(config, Mapping) and "class_name" not in config:
        yield from _transformers(facts, config)
        yield from _quantization(facts, config)
    elif isinstance(config, Mapping):
        yield from _keras(facts, config)
    if isinstance(said.get("general.architecture"), str):
        yield from _gguf(facts, said)
    index = said.get("index")
    if isinstance(index, Mapping):
        yield from _total(facts, index)


def _differ(what: str, said: int, there: str, found: int | list[int], where: str = "") -> Finding:
    return Finding(
        f"The description says {what} {said:,}; {there}.",
        {"key": what, "described": said, "found": found},
        "comparison of the metadata with the shapes and names of the tensors",
        advice=ADVICE,
        where=where,
    )


def _number(config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _only(facts: Facts, called: re.Pattern[str]) -> Tensor | None:
    """Return the matrix of floats that is called so, where exactly one size of it is there."""
    found = [
        tensor
        for name, tensor in facts.weights.items()
        if tensor.ndim == 2 and called.search(name) and (tensor.dtype in ENCODINGS or "float" in tensor.dtype)
    ]
    return found[0] if found and len({tensor.shape for tensor in found}) == 1 else None


def _in_words(numbers: Collection[int]) -> str:
    """Return how many blocks there are, and which are not where the others are."""
    gone = [f"{number:,}" for number in range(min(numbers), max(numbers)) if number not in numbers]
    return f"{len(numbers):,}" + (f", without number {listed(gone)}" if gone else "")


def _is_whole(numbers: Collection[int], count: int) -> bool:
    """Whether there are so many blocks, and none is missing between them."""
    return len(numbers) == count == max(numbers) - min(numbers) + 1


def _parts(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a config and those of its parts: text, vision, encoder, decoder."""
    return [config, *(value for key, value in config.items() if key.endswith("config") and isinstance(value, Mapping))]


def _transformers(facts: Facts, config: Mapping[str, Any]) -> Iterator[Finding]:
    parts = [part for part in _parts(config) if part is not config.get("quantization_config")]
    tokens = _only(facts, TOKENS)
    if tokens is not None:
        rows = {number for part in parts if (number := _number(part, "vocab_size"))}
        if rows and tokens.shape[0] not in rows:
            there = f"{tokens.name} has {tokens.shape[0]:,} rows"
            yield _differ("vocab_size", max(rows), there, tokens.shape[0], tokens.name)
        widths = {number for part in parts for key in WIDTHS if (number := _number(part, key))}
        if widths and tokens.shape[1] not in widths:
            key = next(key for key in WIDTHS if any(_number(part, key) for part in parts))
            there = f"{tokens.name} has {tokens.shape[1]:,} columns"
            yield _differ(key, max(widths), there, tokens.shape[1], tokens.name)
    head = _only(facts, HEAD)
    rows = {number for part in parts if (number := _number(part, "vocab_size"))}
    if head is not None and rows and head.shape[0] not in rows:
        there = f"{head.name} has {head.shape[0]:,} rows"
        yield _differ("vocab_size", max(rows), there, head.shape[0], head.name)
    yield from _blocks(facts, parts)
    yield from _inner(facts, parts)


def _blocks(facts: Facts, parts: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """How many blocks there are, and whether one is missing between the others."""
    found = [set(blocks) for blocks in stacks(facts.weights).values()]
    said = {number: key for part in parts for key in LAYERS if (number := _number(part, key))}
    # Blocks that predict further tokens are numbered after the others (DeepSeek-V3).
    more = max((_number(part, "num_nextn_predict_layers") or 0 for part in parts), default=0)
    shared = any(_number(part, "num_hidden_groups") for part in parts)  # ALBERT's blocks share their weights
    counts = {number + extra for number in said for extra in (0, more)}
    if found and said and not shared and not any(_is_whole(numbers, count) for numbers in found for count in counts):
        number, key = max(said.items())
        there = listed(list(dict.fromkeys(map(_in_words, sorted(found, key=len)))))
        yield _differ(key, number, f"the names of the tensors have {there}", sorted({len(each) for each in found}))


def _inner(facts: Facts, parts: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """The number of inner units of blocks, where no tensor that leads to them has it."""
    said = {
        value: key
        for part in parts
        for key in part
        if isinstance(key, str) and key.endswith(INNER) and (value := _number(part, key))
    }
    leading = [
        tensor
        for name, tensor in facts.weights.items()
        if UP.search(name) and tensor.ndim == 2 and (tensor.dtype in ENCODINGS or "float" in tensor.dtype)
    ]
    widths = {number for part in parts for key in WIDTHS if (number := _number(part, key))}
    sizes = {size for tensor in leading for size in ({*tensor.shape} - widths or tensor.shape)}
    # Some keep the gate in the same matrix, above or below; some count it along (Qwen).
    fitting = {size for value in said for size in (value, 2 * value, value // 2)}
    if leading and said and not sizes & fitting:
        value, key = max(said.items())
        shape = " × ".join(f"{size:,}" for size in leading[0].shape)
        there = f"{leading[0].name} has the shape {shape}"
        yield _differ(key, value, there, list(leading[0].shape), leading[0].name)


def _quantization(facts: Facts, config: Mapping[str, Any]) -> Iterator[Finding]:
    """A quantization that the tensors do not show."""
    said = config.get("quantization_config")
    method = said.get("quant_method") if isinstance(said, Mapping) else None
    if not isinstance(method, str) or method.lower() not in INTEGER_METHODS:
        return
    wide = {"float16", "bfloat16", "float32", "float64"}
    if facts.weights and all(tensor.dtype in wide for tensor in facts.weights.values()):
        yield Finding(
            f"The description says the weights are quantized by {method}; all tensors are "
            f"{listed(sorted({tensor.dtype for tensor in facts.weights.values()}))}.",
            {"key": "quantization_config", "described": method},
            "comparison of the metadata with the dtypes of the tensors",
            advice="Take quantization_config out of config.json, or the quantized weights in.",
        )


def _gguf(facts: Facts, said: Mapping[str, Any]) -> Iterator[Finding]:
    kind = said["general.architecture"]
    tokens = facts.weights.get("token_embd.weight")
    if tokens is not None and tokens.ndim == 2:
        width, rows = _number(said, f"{kind}.embedding_length"), _number(said, f"{kind}.vocab_size")
        if width and width != tokens.shape[1]:
            there = f"{tokens.name} has {tokens.shape[1]:,} columns"
            yield _differ(f"{kind}.embedding_length", width, there, tokens.shape[1], tokens.name)
        if rows and rows != tokens.shape[0]:
            there = f"{tokens.name} has {tokens.shape[0]:,} rows"
            yield _differ(f"{kind}.vocab_size", rows, there, tokens.shape[0], tokens.name)
        listed_tokens = said.get("tokenizer.ggml.tokens")
        length = listed_tokens.get("length") if isinstance(listed_tokens, Mapping) else None
        length = len(listed_tokens) if isinstance(listed_tokens, list) else length
        if isinstance(length, int) and length > tokens.shape[0]:
            there = f"{tokens.name} has {tokens.shape[0]:,} rows"
            yield _differ("tokenizer.ggml.tokens, as length,", length, there, tokens.shape[0], tokens.name)
    blocks = set(stacks(facts.weights).get("blk.", {}))
    count = _number(said, f"{kind}.block_count")
    if count and blocks and "split.count" not in said and not _is_whole(blocks, count):
        there = f"the names of the tensors have {_in_words(blocks)}"
        yield _differ(f"{kind}.block_count", count, there, len(blocks))
    yield from _feed_forward(facts, said, kind)


def _feed_forward(facts: Facts, said: Mapping[str, Any], kind: str) -> Iterator[Finding]:
    length = _number(said, f"{kind}.feed_forward_length")
    up = facts.weights.get("blk.0.ffn_up.weight")
    # Some architectures keep the gate in the same matrix, above or below.
    if length and up is not None and up.ndim == 2 and up.shape[0] not in (length, 2 * length):
        there = f"{up.name} has {up.shape[0]:,} rows"
        yield _differ(f"{kind}.feed_forward_length", length, there, up.shape[0], up.name)


UNITS = {"Dense": "units", "Embedding": "output_dim", "Conv1D": "filters", "Conv2D": "filters", "Conv3D": "filters"}
"""What Keras calls the number of outputs."""


def _keras(facts: Facts, config: Mapping[str, Any]) -> Iterator[Finding]:
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    for layer in layers if isinstance(layers, list) else []:
        about = layer.get("config") if isinstance(layer, Mapping) else None
        kind = layer.get("class_name") if isinstance(layer, Mapping) else None
        if not isinstance(about, Mapping) or not isinstance(kind, str) or kind not in UNITS:
            continue
        units, name = _number(about, UNITS[kind]), about.get("name")
        for role in ("kernel", "embeddings"):
            tensor = _named(facts, str(name), role)
            if units and tensor is not None and tensor.ndim >= 2 and tensor.shape[-1] != units:
                there = f"{tensor.name} has {tensor.shape[-1]:,} outputs"
                yield _differ(f"{name}.{UNITS[kind]}", units, there, tensor.shape[-1], tensor.name)


def _named(facts: Facts, layer: str, role: str) -> Tensor | None:
    """Return the only tensor of a layer and role; names are paths, with or without a number after a colon."""
    end = re.compile(rf"(^|/){re.escape(layer)}/{role}(:\d+)?$")
    found = [tensor for name, tensor in facts.weights.items() if end.search(name)]
    return found[0] if len(found) == 1 else None


def _total(facts: Facts, index: Mapping[str, Any]) -> Iterator[Finding]:
    """The bytes that the index of a sharded checkpoint says all tensors have."""
    said = index.get("total_size")
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    packed = any(tensor.dtype not in DTYPES for tensor in facts.weights.values())
    if not isinstance(said, int) or isinstance(said, bool) or packed:
        return
    found = facts.weights.nbytes
    if said != found:
        yield _differ("total_size", said, f"the tensors have {found:,} bytes", found)
