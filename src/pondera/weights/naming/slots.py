"""What the layers of known networks are called: ends of paths -> what kind of layer it is, and its common name.

To make a name known, add it to a row; the names in a row are patterns as
:mod:`pondera.weights.naming.patterns` has them. They are those of modules of PyTorch, Hugging Face transformers, timm,
torchvision, published checkpoints of Meta, OpenAI and Google, llama.cpp (GGUF), Keras and Flax.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pondera.weights.naming.patterns import Patterns, words

QUERY, KEY, VALUE, OUTPUT = "attention query", "attention key", "attention value", "attention output"
FUSED, DENSE, CONVOLUTION, EMBEDDING = "fused attention", "dense", "convolution", "embedding"
NORMALIZATION, SCALE, UNKNOWN = "normalization", "scale", "unknown"


class Slot(NamedTuple):
    """A place in a network that layers of other names fill, too.

    Attributes
    ----------
    kind
        What kind of layer it is.
    name
        What it is called here; ``""`` where only the kind is known. ``#`` is a number of the pattern.
    axes
        The axes of its weight, as :func:`~pondera.weights.naming.shapes.spread` reads them, where they are not those
        of its scheme. ``"S?"`` are stacked matrices whose order the shapes must tell.
    repeated
        Whether it lies in blocks that are numbered; only there it is called so.
    parts
        What its outputs are, in order and alike in number, where it is several layers in one.
    """

    kind: str
    name: str
    axes: str = ""
    repeated: bool = True
    parts: tuple[str, ...] = ()


ATTENTION = (
    "attention.self attention.attention attention.self_attention self_attn self_attention SelfAttention attention attn "
    "attn1 MultiHeadDotProductAttention_# multi_head_attention self_attention_layer"
)
CROSS = (
    "crossattention.self encoder_attn EncDecAttention cross_attn cross_attention multihead_attn "
    "encoder_decoder_attention attn2"
)
QUERIES = "query q_proj q_lin wq q to_q q_linear query_proj"
KEYS = "key k_proj k_lin wk k to_k k_linear key_proj"
VALUES = "value v_proj v_lin wv v to_v v_linear value_proj"
OUTPUTS = "out_proj o_proj out_lin wo o to_out.0 to_out dense proj c_proj out attention_output output_proj projection"
TOGETHER = "in_proj qkv c_attn query_key_value Wqkv qkv_proj wqkv to_qkv"

IN_ATTENTION = (
    (QUERY, "query", QUERIES),
    (KEY, "key", KEYS),
    (VALUE, "value", VALUES),
    (OUTPUT, "output", OUTPUTS),
    (FUSED, "fused", TOGETHER),
    (QUERY, "query_down", "q_a_proj"),
    (QUERY, "query_up", "q_b_proj"),
    (FUSED, "key_value_down", "kv_a_proj_with_mqa"),
    (FUSED, "key_value_up", "kv_b_proj"),
    (NORMALIZATION, "query_norm", "q_norm q_layernorm"),
    (NORMALIZATION, "key_norm", "k_norm k_layernorm"),
    (NORMALIZATION, "query_down_norm", "q_a_layernorm"),
    (NORMALIZATION, "key_value_down_norm", "kv_a_layernorm"),
)
"""Kind, name, and what it is called within the module of attention."""

IN_BLOCKS = (
    (QUERY, "attention.query", "attn_q"),
    (KEY, "attention.key", "attn_k"),
    (VALUE, "attention.value", "attn_v"),
    (OUTPUT, "attention.output", "attention.output.dense attn_output attn_out"),
    (FUSED, "attention.fused", "attn_qkv"),
    (QUERY, "attention.query_down", "attn_q_a"),
    (QUERY, "attention.query_up", "attn_q_b"),
    (FUSED, "attention.key_value_down", "attn_kv_a_mqa"),
    (FUSED, "attention.key_value_up", "attn_kv_b"),
    (NORMALIZATION, "attention.query_norm", "attn_q_norm"),
    (NORMALIZATION, "attention.key_norm", "attn_k_norm"),
    (NORMALIZATION, "attention.query_down_norm", "attn_q_a_norm"),
    (NORMALIZATION, "attention.key_value_down_norm", "attn_kv_a_norm"),
    (QUERY, "cross_attention.query", "cross_attn_q"),
    (KEY, "cross_attention.key", "cross_attn_k"),
    (VALUE, "cross_attention.value", "cross_attn_v"),
    (OUTPUT, "cross_attention.output", "crossattention.output.dense cross_attn_o"),
    (EMBEDDING, "attention.relative_bias", "SelfAttention.relative_attention_bias relative_attention_bias attn_rel_b"),
    (EMBEDDING, "attention.relative_bias", "relative_position_bias_table"),
    (
        NORMALIZATION,
        "attention.norm",
        "input_layernorm ln_1 ln_mlp attention_norm attn_norm norm1 norm_1 layer_norm1 layernorm_before LayerNorm_0 "
        "self_attn_layer_norm attn_ln",
    ),
    (NORMALIZATION, "attention.norm_2", "ln_attn attn_norm_2"),
    (
        NORMALIZATION,
        "attention.post_norm",
        "attention.output.LayerNorm attn_output_norm sa_layer_norm post_attention_norm attn_post_norm",
    ),
    (
        NORMALIZATION,
        "cross_attention.norm",
        "encoder_attn_layer_norm cross_attn_ln crossattention.output.LayerNorm cross_attn_norm",
    ),
    (
        NORMALIZATION,
        "feed_forward.norm",
        "post_attention_layernorm ln_2 ffn_norm norm2 norm_2 layer_norm2 layernorm_after final_layer_norm mlp_ln "
        "pre_feedforward_layernorm LayerNorm_1 LayerNorm_2",
    ),
    (
        NORMALIZATION,
        "feed_forward.post_norm",
        "output.LayerNorm layer_output_norm output_layer_norm post_feedforward_layernorm post_ffw_norm",
    ),
    (DENSE, "feed_forward.gate", "mlp.gate_proj ffn_gate feed_forward.w1 DenseReluDense.wi_0 mlp.wi_0"),
    (
        DENSE,
        "feed_forward.up",
        "mlp.up_proj intermediate.dense mlp.c_fc mlp.fc1 mlp.fc_in mlp.dense_h_to_4h ffn_up feed_forward.w3 ffn.lin1 "
        "fc1 linear1 mlp.linear_1 DenseReluDense.wi DenseReluDense.wi_1 mlp.wi_1 mlp.wi mlp.0 ffn.up_proj "
        "MlpBlock_#.Dense_0",
    ),
    (
        DENSE,
        "feed_forward.down",
        "mlp.down_proj output.dense mlp.c_proj mlp.fc2 mlp.fc_out mlp.dense_4h_to_h ffn_down feed_forward.w2 ffn.lin2 "
        "fc2 linear2 mlp.linear_2 DenseReluDense.wo mlp.wo mlp.2 mlp.3 ffn.down_proj MlpBlock_#.Dense_1",
    ),
    (DENSE, "feed_forward.router", "mlp.gate mlp.router block_sparse_moe.gate feed_forward.router ffn_gate_inp"),
    (
        DENSE,
        "feed_forward.experts.#.gate",
        "mlp.experts.#.gate_proj block_sparse_moe.experts.#.w1 feed_forward.experts.#.w1 ffn_gate.#",
    ),
    (
        DENSE,
        "feed_forward.experts.#.up",
        "mlp.experts.#.up_proj block_sparse_moe.experts.#.w3 feed_forward.experts.#.w3 ffn_up.#",
    ),
    (
        DENSE,
        "feed_forward.experts.#.down",
        "mlp.experts.#.down_proj block_sparse_moe.experts.#.w2 feed_forward.experts.#.w2 ffn_down.#",
    ),
    (
        DENSE,
        "feed_forward.shared_expert.gate",
        "mlp.shared_expert.gate_proj mlp.shared_experts.gate_proj feed_forward.shared_expert.gate_proj ffn_gate_shexp",
    ),
    (
        DENSE,
        "feed_forward.shared_expert.up",
        "mlp.shared_expert.up_proj mlp.shared_experts.up_proj feed_forward.shared_expert.up_proj ffn_up_shexp",
    ),
    (
        DENSE,
        "feed_forward.shared_expert.down",
        "mlp.shared_expert.down_proj mlp.shared_experts.down_proj feed_forward.shared_expert.down_proj ffn_down_shexp",
    ),
    (DENSE, "feed_forward.shared_expert.router", "mlp.shared_expert_gate ffn_gate_inp_shexp"),
    (SCALE, "attention.scale", "ls1 lambda_1 layer_scale1"),
    (SCALE, "feed_forward.scale", "ls2 lambda_2 layer_scale2"),
)
"""Kind, name, and what it is called in a block of a transformer."""

STACKED = (
    ("feed_forward.experts.gate", "ffn_gate_exps", "SOI", ()),
    ("feed_forward.experts.up", "ffn_up_exps", "SOI", ()),
    ("feed_forward.experts.down", "ffn_down_exps", "SOI", ()),
    ("feed_forward.experts.gate_up", "experts.gate_up_proj", "S?", ("gate", "up")),
    ("feed_forward.experts.down", "experts.down_proj", "S?", ()),
)
"""Name, what it is called in a block, axes and parts of dense layers that are stacked, one for each expert."""

OUTSIDE = (
    (
        EMBEDDING,
        "embedding.token",
        "embeddings.word_embeddings word_embeddings embed_tokens wte tok_embeddings embeddings.tok_embeddings "
        "token_embd shared token_embedding embed_in tok_emb",
    ),
    (
        EMBEDDING,
        "embedding.position",
        "embeddings.position_embeddings position_embeddings wpe embed_positions position_embd position_embedding "
        "pos_embed pos_embedding positional_embedding posembed_input.pos_embedding",
    ),
    (EMBEDDING, "embedding.token_type", "embeddings.token_type_embeddings token_type_embeddings token_types"),
    (NORMALIZATION, "embedding.norm", "embeddings.LayerNorm embeddings.norm token_embd_norm word_embeddings_layernorm"),
    (NORMALIZATION, "embedding.norm", "layernorm_embedding pre_layrnorm ln_pre"),
    (
        CONVOLUTION,
        "embedding.patch",
        "patch_embed.proj patch_embeddings.projection conv_proj patch_embedding v.patch_embd",
    ),
    (UNKNOWN, "embedding.class", "cls_token class_token class_embedding"),
    (
        NORMALIZATION,
        "norm",
        "norm ln_f final_layer_norm final_layernorm output_norm ln_final layer_norm layernorm ln_post post_layernorm "
        "ln encoder_norm",
    ),
    (DENSE, "head", "lm_head output predictions.decoder embed_out proj_out head heads.head"),
    (DENSE, "head.transform", "predictions.transform.dense"),
    (NORMALIZATION, "head.norm", "predictions.transform.LayerNorm"),
    (DENSE, "pooler", "pooler.dense"),
    (DENSE, "classifier", "classifier score"),
    (NORMALIZATION, "encoder.layers.#.attention.norm", "encoder.block.#.layer.0.layer_norm enc.blk.#.attn_norm"),
    (NORMALIZATION, "encoder.layers.#.feed_forward.norm", "encoder.block.#.layer.1.layer_norm enc.blk.#.ffn_norm"),
    (NORMALIZATION, "decoder.layers.#.attention.norm", "decoder.block.#.layer.0.layer_norm dec.blk.#.attn_norm"),
    (NORMALIZATION, "decoder.layers.#.cross_attention.norm", "decoder.block.#.layer.1.layer_norm"),
    (NORMALIZATION, "decoder.layers.#.feed_forward.norm", "decoder.block.#.layer.2.layer_norm dec.blk.#.ffn_norm"),
)
"""Kind, name, and what it is called, of what is there once."""

KINDS_ALONE = (
    (QUERY, "query q_proj q_lin wq to_q q_linear query_proj"),
    (KEY, "key k_proj k_lin wk to_k k_linear key_proj"),
    (VALUE, "value v_proj v_lin wv to_v v_linear value_proj"),
    (OUTPUT, "o_proj out_lin to_out.0"),
    (FUSED, "query_key_value Wqkv qkv_proj to_qkv"),
    (DENSE, "gate_proj up_proj down_proj c_fc dense_h_to_4h dense_4h_to_h"),
    (DENSE, "ssm_in ssm_x ssm_dt ssm_out visual_projection text_projection mm.#"),
)
"""Names that tell a kind wherever they are."""

CONTIGUOUS = words("in_proj attn.qkv c_attn Wqkv self_attn.qkv_proj to_qkv attn_qkv")
"""Fused layers whose outputs are all queries, then all keys, then all values; in others they alternate by head."""


def _rows() -> Iterator[tuple[str, Slot]]:
    for kind, name, patterns in IN_BLOCKS:
        for pattern in patterns.split():
            yield pattern, Slot(kind, name)
    for name, pattern, axes, parts in STACKED:
        yield pattern, Slot(DENSE, name, axes, parts=parts)
    yield "mlp.gate_up_proj", Slot(DENSE, "feed_forward.gate_up", parts=("gate", "up"))
    for where, modules in (("attention", ATTENTION), ("cross_attention", CROSS)):
        for kind, name, ends in IN_ATTENTION:
            for module in modules.split():
                for end in ends.split():
                    yield f"{module}.{end}", Slot(kind, f"{where}.{name}")
    for kind, name, patterns in OUTSIDE:
        for pattern in patterns.split():
            yield pattern, Slot(kind, name, repeated=False)
    for kind, patterns in KINDS_ALONE:
        for pattern in patterns.split():
            yield pattern, Slot(kind, "")


SLOTS: Patterns[Slot] = Patterns(_rows())
"""Every known name."""
