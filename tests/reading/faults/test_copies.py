"""Tensors that are another one by mistake, and those that are so by design."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from pondera.reading.read import read


def matrix(seed, shape=(32, 32)):
    return np.random.default_rng(seed).standard_t(4, shape).astype(np.float32)


def copies_in(tmp_path, arrays):
    """Give (rule, where, the other) of the copies found in a file of arrays."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, tmp_path / "w.safetensors")
    found = []
    for finding in read(tmp_path / "w.safetensors").findings:
        if "copied" in finding.rule:
            places = finding.figures.get("each", [finding.figures])
            wheres = finding.figures.get("places", [finding.where])
            found += [(finding.rule, where, each["other"]) for where, each in zip(wheres, places, strict=True)]
    return found


def blocks(count, parts=("attn.q.weight", "attn.k.weight", "mlp.0.weight", "mlp.2.weight")):
    return {f"blocks.{k}.{part}": matrix([k, at]) for k in range(count) for at, part in enumerate(parts)}


def test_one_tensor_that_is_another_of_its_series(tmp_path):
    arrays = blocks(4)
    assert copies_in(tmp_path, arrays) == []
    arrays["blocks.3.attn.q.weight"] = arrays["blocks.1.attn.q.weight"].copy()
    assert copies_in(tmp_path, arrays) == [("copied layer", "blocks.3.attn.q.weight", "blocks.1.attn.q.weight")]


def test_a_layer_with_its_bias(tmp_path):
    arrays = {f"net.{k}.weight": matrix(k, (512, 16)) for k in range(4)}
    arrays |= {f"net.{k}.bias": matrix(k + 10, (512,)) for k in range(4)}
    for role in ("weight", "bias"):
        arrays[f"net.2.{role}"] = arrays[f"net.1.{role}"].copy()
    assert sorted(where for _, where, _ in copies_in(tmp_path, arrays)) == ["net.2.bias", "net.2.weight"]


def test_the_first_layer_of_keras_has_no_number(tmp_path):
    arrays = {f"dense{number}/kernel": matrix(len(number), (32, 32)) for number in ("", "_1", "_12")}
    arrays["dense_1/kernel"] = arrays["dense/kernel"].copy()
    assert copies_in(tmp_path, arrays) == [("copied layer", "dense_1/kernel", "dense/kernel")]


def test_codes_and_packed_words(tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for k in range(4):
        for part in ("q_proj", "up_proj"):
            name = f"model.layers.{k}.{part}"
            arrays[f"{name}.qweight"] = random.integers(-(2**31), 2**31, (16, 64)).astype(np.int32)
            arrays[f"{name}.qzeros"] = np.full((2, 8), 0x77777777, np.int32)
            arrays[f"{name}.scales"] = random.random((2, 64)).astype(np.float16)
            arrays[f"{name}.g_idx"] = np.repeat(np.arange(2), 256).astype(np.int32)
    assert copies_in(tmp_path, arrays) == []
    arrays["model.layers.2.q_proj.qweight"] = arrays["model.layers.0.q_proj.qweight"].copy()
    assert copies_in(tmp_path, arrays) == [
        ("copied layer", "model.layers.2.q_proj.qweight", "model.layers.0.q_proj.qweight")
    ]
    codes = {f"layers.{k}.weight": random.integers(-127, 128, (64, 64)).astype(np.int8) for k in range(3)}
    codes["layers.2.weight"] = codes["layers.0.weight"].copy()
    assert len(copies_in(tmp_path, codes)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("blocks.0.attn.q.weight", "blocks.0.attn.k.weight"),
        ("encoder.blocks.0.attn.q.weight", "decoder.blocks.0.attn.q.weight"),
        ("net.0.weight", "net.1.weight"),
    ],
)
def test_two_that_are_no_series_are_possibly_copied(tmp_path, one, other):
    first, second = (name.rpartition("attn.")[0] for name in (one, other))
    arrays = {f"{first}mlp.up.weight": matrix(1), f"{second}mlp.up.weight": matrix(2)}
    arrays |= {one: matrix(3), other: matrix(3)}
    ((rule, *where),) = copies_in(tmp_path, arrays)
    assert (rule, set(where)) == ("possibly copied layer", {one, other})


def shared(pairs):
    """Give blocks of which pairs are the same."""
    arrays = blocks(6)
    return {
        **arrays,
        **{
            name.replace(f".{a}.", f".{b}.", 1): w
            for a, b in pairs
            for name, w in arrays.items()
            if f"blocks.{a}." in name
        },
    }


BY_DESIGN = {
    "heads shared by decoders": {
        **{f"bbox_embed.{k}.layers.{j}.weight": matrix(j) for k in range(6) for j in range(2)},
    },
    "all but the last class head": {
        **{f"class_embed.{k}.weight": matrix(0) for k in range(6)},
        "class_embed.6.weight": matrix(1),
    },
    "shared over depth": {f"blocks.{k}.mlp.{j}.weight": matrix(j) for k in range(4) for j in (0, 2)},
    "blocks shared in pairs": shared([(0, 1), (2, 3), (4, 5)]),
    "a block that another grew from": shared([(2, 3)]),
    "experts that begin alike": {
        f"layers.{k}.experts.{j}.w{i}.weight": matrix([k, i]) for k in range(2) for j in range(4) for i in range(3)
    },
    "a target network": {f"net.{k}.{j}.weight": matrix(j) for k in range(2) for j in range(2)},
    "bilinear kernels": {
        f"ida.up_{k}.weight": np.broadcast_to(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16, (64, 1, 4, 4)).astype("f4")
        for k in (1, 2)
    }
    | {"ida.up_3.weight": matrix(0, (64, 1, 4, 4))},
    "identities": {
        "a.0.weight": np.eye(64, dtype="f4"),
        "a.1.weight": np.eye(64, dtype="f4"),
        "a.2.weight": matrix(0, (64, 64)),
    },
    "an output layer tied to its embedding": {
        "model.embed_tokens.weight": matrix(0, (200, 16)),
        "lm_head.weight": matrix(0, (200, 16)),
        "model.layers.0.mlp.up_proj.weight": matrix(1),
    },
    "queries that are keys in every block": {
        f"blocks.{k}.attn.{part}.weight": matrix(k) for k in range(3) for part in ("q", "k")
    },
}


@pytest.mark.parametrize("name", BY_DESIGN)
def test_sharing_by_design_is_no_copy(tmp_path, name):
    assert copies_in(tmp_path, BY_DESIGN[name]) == []
