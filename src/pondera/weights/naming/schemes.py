"""Schemes of names: which scheme a file keeps to, and what the ends of its names say.

A scheme is one entry of :data:`SCHEMES`. Which one a file keeps to is decided once for all of it: by its format, then
by what its metadata say, then by the most names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pondera.weights.collection import Weights
from pondera.weights.naming.patterns import Patterns, without_numbers, words


class Leaf(NamedTuple):
    """What the end of a tensor's name says.

    Attributes
    ----------
    role
        What the tensor is in its layer.
    inside
        What of the end belongs to the layer's name; ``#`` is a number of the pattern.
    kind
        What kind of layer has such a tensor, where that is sure.
    """

    role: str
    inside: str = ""
    kind: str = ""


Row = tuple[str, str, str, str]
"""Role, inside, kind, patterns. As inside, ``"="`` stands for the whole end: the tensor is a layer of its own."""

BUFFERS: tuple[Row, ...] = (
    (
        "buffer",
        "=",
        "",
        "position_ids token_type_ids inv_freq masked_bias causal_mask attn_mask relative_position_index rope.freqs "
        "rope_freqs.weight rope_factors_long.weight rope_factors_short.weight seed_generator_state original_inv_freq",
    ),
)
QUANTIZED: tuple[Row, ...] = (
    ("packed", "", "", "qweight weight_packed"),
    ("packed", "experts.gate_up_proj", "", "experts.gate_up_proj_blocks"),
    ("packed", "experts.down_proj", "", "experts.down_proj_blocks"),
    ("scales", "experts.gate_up_proj", "", "experts.gate_up_proj_scales"),
    ("scales", "experts.down_proj", "", "experts.down_proj_scales"),
    ("zero_points", "", "", "qzeros weight_zero_point biases"),
    ("scales", "", "", "scales weight_scale weight_scale_inv weight.absmax SCB"),
    ("input_scale", "", "", "input_scale"),
    ("group_index", "", "", "g_idx weight_g_idx"),
    ("quantization map", "", "", "weight.quant_map"),
    ("nested scales", "", "", "weight.nested_absmax"),
    ("nested quantization map", "", "", "weight.nested_quant_map"),
    ("quantization state", "", "", "weight.quant_state.* weight_format weight_shape"),
)
ADAPTERS: tuple[Row, ...] = (
    (
        "lora_a",
        "",
        "",
        "lora_A.weight lora_A.*.weight lora_embedding_A lora_embedding_A.* lora_down.weight weight.lora_a",
    ),
    (
        "lora_b",
        "",
        "",
        "lora_B.weight lora_B.*.weight lora_embedding_B lora_embedding_B.* lora_up.weight weight.lora_b",
    ),
    ("lora_magnitude", "", "", "lora_magnitude_vector lora_magnitude_vector.weight lora_magnitude_vector.*.weight"),
    ("weight", "", "", "base_layer.weight"),
    ("bias", "", "", "base_layer.bias"),
)
TORCH: tuple[Row, ...] = (
    ("weight", "", "", "weight weight_orig parametrizations.weight.original"),
    ("bias", "", "", "bias"),
    ("weight", "LayerNorm", "normalization", "LayerNorm.gamma"),
    ("bias", "LayerNorm", "normalization", "LayerNorm.beta"),
    ("weight", "layer_norm", "normalization", "layer_norm.gamma"),
    ("bias", "layer_norm", "normalization", "layer_norm.beta"),
    ("weight", "=", "scale", "gamma gamma_1 gamma_2 layer_scale layer_scale_parameter lambda_1 lambda_2"),
    ("weight", "ls1", "scale", "ls1.gamma"),
    ("weight", "ls2", "scale", "ls2.gamma"),
    ("mean", "", "normalization", "running_mean"),
    ("variance", "", "normalization", "running_var"),
    ("counter", "", "", "num_batches_tracked"),
    ("weight", "in_proj", "", "in_proj_weight"),
    ("bias", "in_proj", "", "in_proj_bias"),
    ("key_bias", "in_proj", "", "bias_k"),
    ("value_bias", "in_proj", "", "bias_v"),
    ("weight", "q_proj", "", "q_proj_weight"),
    ("weight", "k_proj", "", "k_proj_weight"),
    ("weight", "v_proj", "", "v_proj_weight"),
    *(
        (role, inside, "recurrent", f"{name}{end}")
        for role, name in (
            ("weight", "weight_ih"),
            ("recurrent", "weight_hh"),
            ("bias", "bias_ih"),
            ("recurrent_bias", "bias_hh"),
            ("projection", "weight_hr"),
        )
        for inside, end in (("", ""), ("l#", "_l#"), ("l#_reverse", "_l#_reverse"))
    ),
    ("gain", "", "", "weight_g parametrizations.weight.original0"),
    ("direction", "", "", "weight_v parametrizations.weight.original1"),
    ("left_vector", "", "", "weight_u parametrizations.weight.#._u"),
    ("right_vector", "", "", "parametrizations.weight.#._v"),
    ("weight", "=", "", "experts.gate_up_proj experts.down_proj"),
    ("bias", "experts.gate_up_proj", "", "experts.gate_up_proj_bias"),
    ("bias", "experts.down_proj", "", "experts.down_proj_bias"),
    *BUFFERS,
    *QUANTIZED,
    *ADAPTERS,
)
KERNELS: tuple[Row, ...] = (
    ("weight", "", "dense", "kernel"),
    ("bias", "", "", "bias"),
    ("weight", "", "embedding", "embedding embeddings"),
    ("bias", "", "normalization", "beta"),
    ("weight", "", "normalization", "gamma scale"),
    ("mean", "", "normalization", "moving_mean mean"),
    ("variance", "", "normalization", "moving_variance variance var"),
    ("counter", "", "", "count"),
    *BUFFERS,
)
KERAS: tuple[Row, ...] = (
    *KERNELS,
    ("#", "", "", "vars.#"),  # the number is exchanged for what it stands for where the class is known
    ("recurrent", "", "recurrent", "recurrent_kernel"),
    ("depthwise", "", "convolution", "depthwise_kernel"),
    ("weight", "", "convolution", "pointwise_kernel"),
    ("weight", "", "embedding", "word_embeddings.weight token_type_embeddings.weight"),
    ("weight", "", "embedding", "wte.weight wpe.weight shared.weight embed_tokens.weight"),
)
PONDERA: tuple[Row, ...] = (
    ("weight", "", "dense", "weight"),
    ("bias", "", "", "bias"),
    ("weight", "", "normalization", "gain"),
    ("weight", "", "scale", "scale"),
    ("weight", "=", "embedding", "table.#"),
)


def _leaves(rows: Iterable[Row]) -> Patterns[Leaf]:
    def spread() -> Iterator[tuple[str, Leaf]]:
        for role, inside, kind, patterns in rows:
            for pattern in patterns.split():
                yield pattern, Leaf(role, pattern if inside == "=" else inside, kind)

    return Patterns(spread())


@dataclass(frozen=True)
class Scheme:
    """How a framework names tensors, and how it lays them out.

    Attributes
    ----------
    name
        What people call it.
    leaves
        The ends of names.
    matrix, kernel, transposed
        Axes of a dense layer, a convolution and a transposed one, as letters (see
        :mod:`~pondera.weights.naming.shapes`); ``""`` where the scheme does not tell.
    separators
        What stands between the parts of a name.
    left_out
        Parts that names begin with and layers do not: in ``params/Dense_0/kernel`` the first.
    formats
        How :attr:`Weights.format` begins.
    marks
        What the metadata of a safetensors file give as ``format``.
    words
        Ends of names that only this scheme has, or that speak for it.
    gates
        What the outputs of a recurrent layer are, by how many times the hidden units they are.
    """

    name: str
    leaves: Patterns[Leaf]
    matrix: str = ""
    kernel: str = ""
    transposed: str = ""
    separators: str = "./"
    left_out: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    gates: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


TORCH_GATES = {4: ("input", "forget", "cell", "output"), 3: ("reset", "update", "new")}
KERAS_GATES = {4: ("input", "forget", "cell", "output"), 3: ("update", "reset", "new")}
ONNX_GATES = {4: ("input", "output", "forget", "cell"), 3: ("update", "reset", "new")}
TORCH_WORDS = words(
    "weight running_mean running_var num_batches_tracked in_proj_weight weight_ih weight_hh weight_ih_l# weight_hh_l# "
    "qweight"
)

PYTORCH = Scheme(
    "PyTorch",
    _leaves(TORCH),
    "OI",
    "OI*",
    "IO*",
    formats=("PyTorch",),
    marks=("pt",),
    words=TORCH_WORDS,
    gates=TORCH_GATES,
)
NONE = Scheme("", _leaves((*TORCH, *KERAS)))

SCHEMES: tuple[Scheme, ...] = (
    PYTORCH,
    Scheme(
        "Keras",
        _leaves(KERAS),
        "IO",
        "*IO",
        "*OI",
        separators="/",
        formats=("Keras",),
        marks=("tf",),
        words=words("kernel gamma beta moving_mean moving_variance recurrent_kernel embeddings"),
        gates=KERAS_GATES,
    ),
    Scheme(
        "Flax",
        _leaves(KERNELS),
        "IO",
        "*IO",
        "*IO",
        left_out=("params", "batch_stats"),
        marks=("flax",),
        words=words("kernel scale embedding"),
    ),
    Scheme("GGUF", _leaves((*TORCH, *ADAPTERS)), "OI", "OI*", "IO*", formats=("GGUF",), gates=TORCH_GATES),
    Scheme("MLX", _leaves(TORCH), "OI", "O*I", "O*I", marks=("mlx",), gates=TORCH_GATES),
    Scheme("Pondera", _leaves(PONDERA), "IO", marks=("pondera",)),
    Scheme("ONNX", NONE.leaves, formats=("ONNX",), gates=ONNX_GATES),
)
"""Every scheme."""


def scheme_of(weights: Weights) -> Scheme:
    """Return the scheme that a file keeps to, one without a name if nothing speaks for any.

    Examples
    --------
    >>> scheme_of(Weights.of([], "GGUF")).name
    'GGUF'
    """
    for scheme in SCHEMES:
        if weights.format.startswith(scheme.formats or ("\0",)):
            return scheme
    marks = set(_marks(weights.metadata))
    for scheme in SCHEMES:
        if marks & set(scheme.marks):
            return scheme
    return _most_names(weights)


def _marks(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield what metadata say of who wrote the file; those of a sharded one have the metadata of each file."""
    if "pondera" in metadata or "pondera.architecture" in metadata:
        yield "pondera"
        return
    shards = metadata.get("shards")
    for part in (metadata, *(shards.values() if isinstance(shards, Mapping) else ())):
        mark = part.get("format") if isinstance(part, Mapping) else None
        if isinstance(mark, str):
            yield mark


def _most_names(weights: Weights) -> Scheme:
    """Return the scheme that most names speak for; its separator must be in some of them."""
    votes = dict.fromkeys((scheme.name for scheme in SCHEMES if scheme.words), 0)
    blocks = apart = flax = 0
    for name in weights:
        before, _, last = name.removesuffix(":0").replace("/", ".").rpartition(".")
        if not before:
            continue
        apart += 1
        blocks += "blk." in name[:8]
        flax += name.startswith(("params/", "params.")) or "Dense_" in name or "Conv_" in name or "LayerNorm_" in name
        word = without_numbers(last) if len(last) < 100 else last
        for scheme in SCHEMES:
            votes[scheme.name] = votes.get(scheme.name, 0) + (word in scheme.words)
    by_name = {scheme.name: scheme for scheme in SCHEMES}
    if blocks:
        return by_name["GGUF"]
    best = max(votes, key=lambda name: votes[name])
    if not apart or not votes[best]:
        return NONE
    if best == "Keras" and votes["Flax"] == votes["Keras"] and flax:  # nothing but kernels speaks for both
        best = "Flax"
    return by_name[best]
