"""One network under several names: pairs as llama.cpp's conversion has them, and Flax's and TensorFlow's models."""

import pytest

from pondera.weights.naming.common import canonical

BERT = {  # Hugging Face -> GGUF
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "encoder.layer.#.attention.self.query.weight": "blk.#.attn_q.weight",
    "encoder.layer.#.attention.self.query.bias": "blk.#.attn_q.bias",
    "encoder.layer.#.attention.self.key.weight": "blk.#.attn_k.weight",
    "encoder.layer.#.attention.self.value.weight": "blk.#.attn_v.weight",
    "encoder.layer.#.attention.output.dense.weight": "blk.#.attn_output.weight",
    "encoder.layer.#.attention.output.LayerNorm.weight": "blk.#.attn_output_norm.weight",
    "encoder.layer.#.intermediate.dense.weight": "blk.#.ffn_up.weight",
    "encoder.layer.#.output.dense.weight": "blk.#.ffn_down.weight",
    "encoder.layer.#.output.LayerNorm.weight": "blk.#.layer_output_norm.weight",
}
DISTILBERT = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "transformer.layer.#.attention.q_lin.weight": "blk.#.attn_q.weight",
    "transformer.layer.#.attention.out_lin.weight": "blk.#.attn_output.weight",
    "transformer.layer.#.sa_layer_norm.weight": "blk.#.attn_output_norm.weight",
    "transformer.layer.#.ffn.lin1.weight": "blk.#.ffn_up.weight",
    "transformer.layer.#.ffn.lin2.weight": "blk.#.ffn_down.weight",
    "transformer.layer.#.output_layer_norm.weight": "blk.#.layer_output_norm.weight",
}
GPT2 = {
    "transformer.wte.weight": "token_embd.weight",
    "transformer.wpe.weight": "position_embd.weight",
    "transformer.h.#.ln_1.weight": "blk.#.attn_norm.weight",
    "transformer.h.#.attn.c_attn.weight": "blk.#.attn_qkv.weight",
    "transformer.h.#.attn.c_proj.weight": "blk.#.attn_output.weight",
    "transformer.h.#.ln_2.weight": "blk.#.ffn_norm.weight",
    "transformer.h.#.mlp.c_fc.weight": "blk.#.ffn_up.weight",
    "transformer.h.#.mlp.c_proj.weight": "blk.#.ffn_down.weight",
    "transformer.ln_f.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LLAMA = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.layers.#.input_layernorm.weight": "blk.#.attn_norm.weight",
    "model.layers.#.self_attn.q_proj.weight": "blk.#.attn_q.weight",
    "model.layers.#.self_attn.k_proj.weight": "blk.#.attn_k.weight",
    "model.layers.#.self_attn.v_proj.weight": "blk.#.attn_v.weight",
    "model.layers.#.self_attn.o_proj.weight": "blk.#.attn_output.weight",
    "model.layers.#.post_attention_layernorm.weight": "blk.#.ffn_norm.weight",
    "model.layers.#.mlp.gate_proj.weight": "blk.#.ffn_gate.weight",
    "model.layers.#.mlp.up_proj.weight": "blk.#.ffn_up.weight",
    "model.layers.#.mlp.down_proj.weight": "blk.#.ffn_down.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
META = {
    "tok_embeddings.weight": "token_embd.weight",
    "layers.#.attention_norm.weight": "blk.#.attn_norm.weight",
    "layers.#.attention.wq.weight": "blk.#.attn_q.weight",
    "layers.#.attention.wo.weight": "blk.#.attn_output.weight",
    "layers.#.ffn_norm.weight": "blk.#.ffn_norm.weight",
    "layers.#.feed_forward.w1.weight": "blk.#.ffn_gate.weight",
    "layers.#.feed_forward.w2.weight": "blk.#.ffn_down.weight",
    "layers.#.feed_forward.w3.weight": "blk.#.ffn_up.weight",
    "norm.weight": "output_norm.weight",
    "output.weight": "output.weight",
}
GEMMA = {
    "model.layers.#.input_layernorm.weight": "blk.#.attn_norm.weight",
    "model.layers.#.post_attention_layernorm.weight": "blk.#.post_attention_norm.weight",
    "model.layers.#.pre_feedforward_layernorm.weight": "blk.#.ffn_norm.weight",
    "model.layers.#.post_feedforward_layernorm.weight": "blk.#.post_ffw_norm.weight",
    "model.layers.#.self_attn.q_norm.weight": "blk.#.attn_q_norm.weight",
}
NEOX = {
    "gpt_neox.embed_in.weight": "token_embd.weight",
    "gpt_neox.layers.#.attention.query_key_value.weight": "blk.#.attn_qkv.weight",
    "gpt_neox.layers.#.attention.dense.weight": "blk.#.attn_output.weight",
    "gpt_neox.layers.#.mlp.dense_h_to_4h.weight": "blk.#.ffn_up.weight",
    "gpt_neox.final_layer_norm.weight": "output_norm.weight",
    "embed_out.weight": "output.weight",
}
T5 = {
    "shared.weight": "token_embd.weight",
    "encoder.block.#.layer.0.SelfAttention.q.weight": "enc.blk.#.attn_q.weight",
    "encoder.block.#.layer.0.layer_norm.weight": "enc.blk.#.attn_norm.weight",
    "encoder.block.#.layer.1.DenseReluDense.wi_0.weight": "enc.blk.#.ffn_gate.weight",
    "encoder.block.#.layer.1.layer_norm.weight": "enc.blk.#.ffn_norm.weight",
    "decoder.block.#.layer.0.SelfAttention.o.weight": "dec.blk.#.attn_output.weight",
    "decoder.block.#.layer.1.EncDecAttention.k.weight": "dec.blk.#.cross_attn_k.weight",
    "decoder.block.#.layer.1.layer_norm.weight": "dec.blk.#.cross_attn_norm.weight",
    "decoder.block.#.layer.2.DenseReluDense.wo.weight": "dec.blk.#.ffn_down.weight",
    "decoder.block.#.layer.2.layer_norm.weight": "dec.blk.#.ffn_norm.weight",
}
MOE = {
    "model.layers.#.mlp.gate.weight": "blk.#.ffn_gate_inp.weight",
    "model.layers.#.mlp.shared_expert.up_proj.weight": "blk.#.ffn_up_shexp.weight",
    "model.layers.#.mlp.experts.3.down_proj.weight": "blk.#.ffn_down.3.weight",
    "model.layers.#.self_attn.kv_b_proj.weight": "blk.#.attn_kv_b.weight",
}


def shapes(names):
    return {
        name.replace("#", str(block)): (4,) if "norm" in name.lower() or "ln_" in name or "bias" in name else (4, 4)
        for block in range(3)
        for name in names
    }


@pytest.mark.parametrize("names", [BERT, DISTILBERT, GPT2, LLAMA, META, GEMMA, NEOX, T5, MOE])
def test_hugging_face_and_gguf(made, names):
    ours = canonical(made(shapes(names)))
    theirs = canonical(made(shapes(names.values()), "GGUF"))
    for name, other in names.items():
        for block in ("0", "2"):
            assert ours[name.replace("#", block)] == theirs[other.replace("#", block)]
    assert len({*ours.values()}) == len(ours)


def test_names_are_readable(made):
    found = canonical(made(shapes(BERT)))
    assert found["encoder.layer.2.attention.self.query.bias"] == "layers.2.attention.query.bias"
    assert found["embeddings.word_embeddings.weight"] == "embedding.token.weight"
    assert found["encoder.layer.0.intermediate.dense.weight"] == "layers.0.feed_forward.up.weight"
    found = canonical(made(shapes(T5)))
    assert found["decoder.block.1.layer.2.layer_norm.weight"] == "decoder.layers.1.feed_forward.norm.weight"
    assert found["decoder.block.1.layer.1.EncDecAttention.k.weight"] == "decoder.layers.1.cross_attention.key.weight"


@pytest.mark.parametrize("prefix", ["bert.", "model.", "module.", "_orig_mod.", "module._orig_mod.model.", "my_own."])
@pytest.mark.parametrize("names", [BERT, T5, {"fc1.weight": "", "fc2.weight": "", "bn.running_mean": ""}])
def test_what_wraps_a_model_does_not_matter(made, names, prefix):
    plain = shapes(names)
    ours = canonical(made(plain))
    theirs = canonical(made({prefix + name: shape for name, shape in plain.items()}))
    assert {prefix + name: slot for name, slot in ours.items()} == theirs


def test_flax_and_tensorflow(made):
    ours = canonical(made(shapes(BERT)))
    ends = {".LayerNorm.weight": ".LayerNorm.scale", "embeddings.weight": "embeddings.embedding", ".weight": ".kernel"}

    def flax(name):
        for end, other in ends.items():
            if name.endswith(end):
                name = name.removesuffix(end) + other
                break
        return name.replace(".", "/")

    names = {name: flax(name) for name in shapes(BERT)}
    theirs = canonical(made({names[name]: shape for name, shape in shapes(BERT).items()}))
    assert {names[name]: slot for name, slot in ours.items()} == theirs
    name = "tf_bert_model/bert/encoder/layer_._11/attention/self/query/kernel:0"
    assert canonical(made({name: (4, 4)}, "Keras HDF5")) == {name: "layers.11.attention.query.weight"}


def test_keras_dense_layers_are_those_of_pytorch(made):
    keras = canonical(made({"fc1/kernel": (3, 4), "fc1/bias": (4,)}, "Keras .keras"))
    torch = canonical(made({"fc1.weight": (4, 3), "fc1.bias": (4,)}, "PyTorch"))
    assert list(keras.values()) == list(torch.values()) == ["fc1.weight", "fc1.bias"]


def test_parts_of_a_network_stay_apart(made):
    names = [
        "text_model.encoder.layers.0.self_attn.q_proj.weight",
        "vision_model.encoder.layers.0.self_attn.q_proj.weight",
        "vision_model.post_layernorm.weight",
    ]
    found = canonical(made(dict.fromkeys(names, (4, 4))))
    assert list(found.values())[:2] == [
        "text.layers.0.attention.query.weight",
        "vision.layers.0.attention.query.weight",
    ]
    names = ["model.decoder.layers.0.fc1.weight", "model.decoder.embed_tokens.weight"]  # OPT
    found = canonical(made(dict.fromkeys(names, (4, 4))))
    assert list(found.values()) == ["layers.0.feed_forward.up.weight", "embedding.token.weight"]


def test_what_is_not_known_or_not_alone_is_left_out(made):
    names = ["blk.0.attn_q.weight", "layers.0.attn_q.weight", "x"]
    assert canonical(made(dict.fromkeys(names, (4, 4)))) == {}
    assert canonical(made({"cls_token": (1, 1, 4)})) == {"cls_token": "embedding.class.weight"}


def test_a_layer_called_fc1_outside_of_blocks_is_none_of_a_transformer(made):
    assert canonical(made({"fc1.weight": (4, 4), "fc2.weight": (4, 4)})) == {
        "fc1.weight": "fc1.weight",
        "fc2.weight": "fc2.weight",
    }
