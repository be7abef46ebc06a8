"""Transformers as Hugging Face, Meta, OpenAI, timm and torchvision name them, with small widths."""

import pytest

from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, STACK

OI, IO = (OUTPUTS, INPUTS), (INPUTS, OUTPUTS)
N = 8  # the width of the model
EACH = (("query", N), ("key", N), ("value", N))


def block(prefix, **shapes):
    """Names of a block: the dots of module names are written as __."""
    found = {}
    for name, shape in shapes.items():
        found[f"{prefix}.{name.replace('__', '.')}.weight"] = shape
    return found


def biased(tensors, out=0):
    """The same with a bias for each matrix, as long as the axis that outputs are on."""
    found = {}
    for name, shape in tensors.items():
        found[name] = shape
        found[name.removesuffix("weight") + "bias"] = (shape[out if len(shape) > 1 else 0],)
    return found


def kinds(layers):
    return {name: layer.kind for name, layer in layers.items()}


LLAMA = {
    "model.embed_tokens.weight": (100, N),
    **block(
        "model.layers.0",
        self_attn__q_proj=(N, N),
        self_attn__k_proj=(4, N),
        self_attn__v_proj=(4, N),
        self_attn__o_proj=(N, N),
        mlp__gate_proj=(20, N),
        mlp__up_proj=(20, N),
        mlp__down_proj=(N, 20),
        input_layernorm=(N,),
        post_attention_layernorm=(N,),
        self_attn__q_norm=(4,),
    ),
    "model.norm.weight": (N,),
    "lm_head.weight": (100, N),
    "model.layers.0.self_attn.rotary_emb.inv_freq": (4,),
}


def test_llama_mistral_qwen_gemma(read):
    layers = read(LLAMA, format="pt")
    assert list(kinds(layers).values()) == [
        "embedding",
        "attention query",
        "attention key",
        "attention value",
        "attention output",
        "dense",
        "dense",
        "dense",
        "normalization",
        "normalization",
        "normalization",
        "normalization",
        "dense",
        "unknown",
    ]
    assert layers["model.layers.0.self_attn.q_proj"].axes["weight"] == OI
    assert layers["model.layers.0.self_attn.k_proj"].outputs == 4
    assert layers["model.embed_tokens"].axes["weight"] == IO
    assert layers["lm_head"].axes["weight"] == OI
    assert layers["model.layers.0.self_attn.rotary_emb.inv_freq"].state


def gpt2(turned, bias=True):
    shapes = {"attn.c_attn": (N, 3 * N), "attn.c_proj": (N, N), "mlp.c_fc": (N, 4 * N), "mlp.c_proj": (4 * N, N)}
    found = {"wte.weight": (100, N), "wpe.weight": (16, N), "h.0.attn.bias": (1, 1, 16, 16)}
    for name, shape in shapes.items():
        found[f"h.0.{name}.weight"] = shape if turned else shape[::-1]
        if bias:
            found[f"h.0.{name}.bias"] = (shape[1],)
    return found | {"h.0.ln_1.weight": (N,), "h.0.ln_1.bias": (N,), "h.0.attn.masked_bias": ()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_gpt2_lies_as_its_shapes_say(read, turned, bias):
    """Hugging Face has Conv1D, (inputs, outputs); nanoGPT and StarCoder ordinary layers under the same names."""
    layers = read(gpt2(turned, bias))
    for name in ("h.0.attn.c_attn", "h.0.attn.c_proj", "h.0.mlp.c_fc", "h.0.mlp.c_proj"):
        assert layers[name].axes["weight"] == (IO if turned else OI), name
    assert layers["h.0.attn.c_attn"].parts == EACH
    assert (layers["h.0.attn.c_attn"].kind, layers["h.0.attn.c_proj"].kind) == ("fused attention", "attention output")
    assert layers["h.0.attn"].tensors == {"buffer": "h.0.attn.bias"}
    assert kinds(layers)["wpe"] == "embedding"


def test_starcoder_shares_its_keys(read):
    """One head of 4 for keys and values; what the output layer takes tells how many queries there are."""
    tensors = {"h.0.attn.c_attn.weight": (N + 8, N), "h.0.attn.c_attn.bias": (N + 8,), "h.0.attn.c_proj.weight": (N, N)}
    layer = read(tensors)["h.0.attn.c_attn"]
    assert (layer.axes["weight"], layer.parts) == (OI, (("query", N), ("key", 4), ("value", 4)))


@pytest.mark.parametrize(
    ("name", "out", "config", "parts"),
    [
        ("attention.query_key_value", 24, {}, ()),
        (
            "attention.query_key_value",
            24,
            {"model_type": "gpt_neox", "num_attention_heads": 2, "hidden_size": N},
            (("query", 4), ("key", 4), ("value", 4)) * 2,
        ),
        ("self_attention.query_key_value", 24, {"model_type": "bloom", "n_head": 1, "hidden_size": N}, EACH),
        (
            "self_attention.query_key_value",
            N + 4,
            {"model_type": "falcon", "num_attention_heads": 4, "hidden_size": N, "multi_query": True},
            (("query", N), ("key", 2), ("value", 2)),
        ),
        (
            "self_attention.query_key_value",
            N + 8,
            {
                "model_type": "falcon",
                "num_attention_heads": 4,
                "num_kv_heads": 2,
                "hidden_size": N,
                "new_decoder_architecture": True,
            },
            (("query", 4), ("key", 2), ("value", 2)) * 2,
        ),
        ("attn.Wqkv", 24, {}, EACH),
        ("attn.Wqkv", 12, {"n_heads": 4, "d_model": N, "kv_n_heads": 1}, (("query", N), ("key", 2), ("value", 2))),
        (
            "self_attn.qkv_proj",
            16,
            {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": N},
            (("query", N), ("key", 4), ("value", 4)),
        ),
        ("attn.qkv_proj", 24, {}, ()),  # CodeGen has another order
        ("attn.qkv", 24, {"num_attention_heads": 3, "hidden_size": N}, EACH),  # what the config says does not fit
    ],
)
def test_fused_attention(read, name, out, config, parts):
    layer = read({f"h.0.{name}.weight": (out, N), "h.1.x.weight": (1,)}, config=config)[f"h.0.{name}"]
    assert (layer.kind, layer.axes["weight"], layer.parts) == ("fused attention", OI, parts)


def test_t5(read):
    tensors = {"shared.weight": (100, N)}
    for stack in ("encoder", "decoder"):
        place = f"{stack}.block.0.layer.0"
        tensors |= {f"{place}.SelfAttention.{name}.weight": (N, N) for name in "qkvo"}
        tensors[f"{place}.SelfAttention.relative_attention_bias.weight"] = (32, 2)
        tensors[f"{place}.layer_norm.weight"] = (N,)
    tensors["decoder.block.0.layer.1.EncDecAttention.q.weight"] = (N, N)
    tensors |= block("decoder.block.0.layer.2.DenseReluDense", wi_0=(20, N), wi_1=(20, N), wo=(N, 20))
    found = kinds(read(tensors))
    assert found["encoder.block.0.layer.0.SelfAttention.q"] == "attention query"
    assert found["encoder.block.0.layer.0.SelfAttention.o"] == "attention output"
    assert found["decoder.block.0.layer.1.EncDecAttention.q"] == "attention query"
    assert found["encoder.block.0.layer.0.SelfAttention.relative_attention_bias"] == "embedding"
    assert "unknown" not in found.values()


def test_whisper_and_clip(read):
    tensors = {"model.encoder.conv1.weight": (N, 80, 3), "model.encoder.conv1.bias": (N,)}
    tensors |= {"model.decoder.embed_positions.weight": (448, N), "model.decoder.embed_tokens.weight": (100, N)}
    attention = {"q_proj": (N, N), "v_proj": (N, N), "out_proj": (N, N), "k_proj": (N, N)}
    for module in ("self_attn", "encoder_attn"):
        tensors |= block(f"model.decoder.layers.0.{module}", **attention)
    tensors |= biased(block("model.decoder.layers.0", encoder_attn_layer_norm=(N,), fc1=(32, N), fc2=(N, 32)))
    tensors |= {"vision_model.embeddings.patch_embedding.weight": (N, 3, 4, 4), "text_projection.weight": (4, N)}
    tensors |= {"vision_model.embeddings.class_embedding": (N,), "logit_scale": ()}
    found = kinds(read(tensors))
    assert found["model.encoder.conv1"] == found["vision_model.embeddings.patch_embedding"] == "convolution"
    assert found["model.decoder.layers.0.encoder_attn.k_proj"] == "attention key"
    assert {name for name, kind in found.items() if kind == "unknown"} == {
        "vision_model.embeddings.class_embedding",
        "logit_scale",
    }
    assert read(tensors)["text_projection"].axes["weight"] == OI


def test_vit_of_timm_and_torchvision(read):
    timm = {"cls_token": (1, 1, N), "pos_embed": (1, 5, N), "patch_embed.proj.weight": (N, 3, 4, 4)}
    timm |= biased(block("blocks.0", attn__qkv=(24, N), attn__proj=(N, N), mlp__fc1=(32, N), norm1=(N,)))
    timm |= {"blocks.0.ls1.gamma": (N,), "head.weight": (10, N), "head.bias": (10,)}
    layers = read(timm)
    assert layers["blocks.0.attn.qkv"].parts == EACH
    assert layers["pos_embed"].axes["weight"] == (STACK, INPUTS, OUTPUTS)
    assert layers["pos_embed"].inputs == 5
    assert kinds(layers)["blocks.0.ls1"] == "scale"
    assert layers["patch_embed.proj"].axes["weight"] == (*OI, KERNEL, KERNEL)
    place = "encoder.layers.encoder_layer_0"
    other = {f"{place}.self_attention.in_proj_weight": (24, N), f"{place}.self_attention.in_proj_bias": (24,)}
    other |= biased(block(place, self_attention__out_proj=(N, N), mlp__0=(32, N), mlp__3=(N, 32), ln_1=(N,)))
    assert read(other)[f"{place}.self_attention.in_proj"].parts == EACH
    assert "unknown" not in kinds(read(other)).values()


def test_experts_one_by_one(read):
    mixtral = {"model.layers.0.block_sparse_moe.gate.weight": (4, N)}
    for expert in range(4):
        mixtral |= block(f"model.layers.0.block_sparse_moe.experts.{expert}", w1=(20, N), w2=(N, 20), w3=(20, N))
    deepseek = block("model.layers.1.mlp.experts.0", gate_proj=(20, N), up_proj=(20, N), down_proj=(N, 20))
    deepseek |= block("model.layers.1", mlp__gate=(4, N), mlp__shared_experts__up_proj=(20, N))
    attention = "model.layers.1.self_attn"
    deepseek |= block(attention, q_a_proj=(4, N), q_b_proj=(12, 4), kv_a_proj_with_mqa=(5, N), kv_b_proj=(16, 4))
    deepseek |= {"model.layers.1.mlp.gate.e_score_correction_bias": (4,)}
    layers = read(mixtral | deepseek)
    assert {layer.axes["weight"] for layer in layers.values() if layer.connects} == {OI}
    assert [name for name, layer in layers.items() if not layer.connects] == [
        "model.layers.1.mlp.gate.e_score_correction_bias"
    ]
    assert layers[f"{attention}.kv_a_proj_with_mqa"].kind == "fused attention"


@pytest.mark.parametrize(
    ("up", "down", "bias", "axes"),
    [
        ((4, 40, N), (4, N, 20), False, (STACK, *OI)),
        ((4, N, 40), (4, 20, N), False, (STACK, *IO)),
        ((4, N, 40), (4, 20, N), True, (STACK, *IO)),
        ((4, 16, N), (4, N, N), False, (STACK, *OI)),  # as many units as the model is wide
        ((4, 40, N), (4, 7, 9), False, None),
    ],
)
def test_stacked_experts(read, up, down, bias, axes):
    place = "model.layers.0.mlp.experts"
    tensors = {f"{place}.gate_up_proj": up, f"{place}.down_proj": down}
    if bias:
        tensors |= {f"{place}.gate_up_proj_bias": (4, 40), f"{place}.down_proj_bias": (4, N)}
    layers = read(tensors, format="pt")
    for layer in layers.values():
        assert layer.axes.get("weight") == axes
        assert layer.kind == ("dense" if axes else "unknown")
    if axes:
        layer = layers[f"{place}.gate_up_proj"]
        width = 20 if 40 in up else 8
        assert layer.parts == (("gate", width), ("up", width))
        assert (layer.inputs, layer.outputs) == (N, 4 * 2 * width)


def test_lora(read):
    place = "base_model.model.model.layers.0.self_attn.q_proj"
    for ends in (("lora_A.weight", "lora_B.weight"), ("lora_A.default.weight", "lora_B.default.weight")):
        layer = read({f"{place}.{ends[0]}": (2, N), f"{place}.{ends[1]}": (N, 2)}, format="pt")[place]
        assert layer.kind == "attention query"
        assert layer.axes == {"lora_a": OI, "lora_b": OI}
        assert not layer.connects
    whole = {f"{place}.base_layer.weight": (N, N), f"{place}.lora_A.default.weight": (2, N)}
    layer = read(whole, format="pt")[place]
    assert layer.tensors == {"weight": f"{place}.base_layer.weight", "lora_a": f"{place}.lora_A.default.weight"}
    assert layer.connects


@pytest.mark.parametrize(
    "tensors",
    [
        {"qweight": ((1, 64), "int32"), "qzeros": ((1, 8), "int32"), "scales": (1, 64), "g_idx": ((8,), "int32")},
        {"weight": ((32, 1), "uint8"), "weight.absmax": ((1,), "uint8"), "weight.quant_map": (16,)},
        {"weight": ((32, 1), "uint8"), "weight.quant_state.bitsandbytes__nf4": ((80,), "uint8")},
        {"weight": ((N, N), "int8"), "SCB": (N,), "weight_format": ((), "uint8")},
        {"weight_packed": ((N, 1), "int32"), "weight_scale": (N, 1), "weight_shape": ((2,), "int64")},
        {"weight": ((N, N), "float8_e4m3fn"), "weight_scale_inv": (2, 2)},
    ],
)
def test_packed_weights_are_no_connections(read, tensors):
    place = "model.layers.0.self_attn.q_proj"
    layer = read({f"{place}.{end}": shape for end, shape in tensors.items()}, format="pt")[place]
    assert layer.kind == "attention query"
    assert not layer.connects
    assert not layer.axes


def test_a_single_scale_leaves_the_weights_comparable(read):
    place = "model.layers.0.self_attn.q_proj"
    layer = read({f"{place}.weight": ((N, N), "float8_e4m3fn"), f"{place}.weight_scale": ()}, format="pt")[place]
    assert layer.axes == {"weight": OI}
