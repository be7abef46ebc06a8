import itertools

import ml_dtypes
import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.reading.comparison import compare
from pondera.reading.comparison.result import SAME, STATUSES, block_of
from pondera.reading.comparison.verdict import VERDICTS
from pondera.weights.collection import Weights
from pondera.weights.tensor import Mapped, Tensor


def statuses(found):
    return {pair.name: pair.status for pair in found.tensors}


def test_the_same(between, bert):
    found = between(bert, {name: array.copy() for name, array in reversed(bert.items())})
    assert found.verdict == "same weights in another file"
    assert found.same
    assert set(statuses(found).values()) == {"equal"}
    assert [pair.name for pair in found.tensors] == list(bert)
    assert "equal bit for bit" in found.statement


def test_the_same_values_in_a_wider_dtype(between, bert):
    halves = {name: array.astype(np.float16) for name, array in bert.items()}
    found = between(halves, {name: array.astype(np.float32) for name, array in halves.items()})
    assert found.verdict == "same weights in another file"
    assert "float16 as float32" in found.statement


@pytest.mark.parametrize("stored", [ml_dtypes.bfloat16, np.float16, np.float32])
def test_only_rounded(between, bert, stored):
    to = np.float16 if stored == np.float16 else ml_dtypes.bfloat16
    found = between(bert, {name: array.astype(to).astype(stored) for name, array in bert.items()})
    assert found.verdict == "only rounded"
    assert set(statuses(found).values()) <= {"rounded", "equal"}
    assert f"the second is the first rounded to {np.dtype(to).name}" in found.statement
    back = between({name: array.astype(to).astype(stored) for name, array in bert.items()}, bert)
    assert back.verdict == "only rounded"
    assert "the first is the second rounded" in back.statement


@pytest.mark.parametrize("scheme", ["own", "llama.cpp"])
def test_quantized(between, bert, in_q8, scheme):
    named = llama_names(bert) if scheme == "llama.cpp" else bert
    stored = {name: in_q8(name, array) if array.ndim == 2 else array for name, array in named.items()}
    found = between(bert, stored)
    assert found.verdict == "only rounded"
    assert "quantized to Q8_0" in found.statement
    kinds = {pair.status for pair in found.tensors if pair.tensor.ndim == 2}
    assert kinds == {"quantized"}
    assert {pair.name: pair.second.name for pair in found.tensors} == dict(zip(bert, named, strict=True))


def test_what_was_trained_before_it_was_quantized_is_not_only_rounded(between, bert, in_q8):
    random = np.random.default_rng(1)
    moved = {
        name: (array * (1 + 0.05 * random.normal(size=array.shape))).astype(np.float32) for name, array in bert.items()
    }
    found = between(bert, {name: in_q8(name, array) if array.ndim == 2 else array for name, array in moved.items()})
    assert found.verdict == "fine-tuned"


def llama_names(arrays):
    words = {
        "attention.self.query": "attn_q",
        "attention.self.key": "attn_k",
        "attention.self.value": "attn_v",
        "attention.output.dense": "attn_output",
        "attention.output.LayerNorm": "attn_output_norm",
        "intermediate.dense": "ffn_up",
        "output.dense": "ffn_down",
    }
    found = {}
    for name, array in arrays.items():
        if name.startswith("encoder"):
            _, _, block, rest = name.split(".", 3)
            stem, _, last = rest.rpartition(".")
            found[f"blk.{block}.{words[stem]}.{last}"] = array
        else:
            found["token_embd.weight"] = array
    return found


def test_one_layer_by_one_unit_of_last_place(between, bert):
    moved = {
        name: np.nextafter(array, np.float32(9)) if name.startswith("encoder.layer.1.") else array
        for name, array in bert.items()
    }
    found = between(bert, moved)
    assert found.verdict == "fine-tuned"
    changed = found.of_status("changed")
    assert {block_of(pair.name) for pair in changed} == {"encoder.layer.1"}
    assert {(pair.differences.ulp, pair.differences.mean_ulp, pair.differences.changed) for pair in changed} == {
        (1, 1, 1)
    }
    assert "None by more than one unit in the last place" in found.statement
    still = next(finding for finding in found.findings if finding.rule == "never moved")
    assert "encoder.layer.0" in still.figures["parts"]


def test_a_low_rank_adapter(between, bert):
    random = np.random.default_rng(2)

    def merged(array):
        return array + (0.02 * random.normal(size=(len(array), 8)) @ random.normal(size=(8, array.shape[1]))).astype(
            "f4"
        )

    moved = {name: merged(array) if name.endswith("query.weight") else array for name, array in bert.items()}
    found = between(bert, moved)
    assert found.verdict == "low-rank adapter merged"
    assert "rank 8" in found.statement
    assert {pair.rank.rank for pair in found.of_status("changed")} == {8}


def test_a_few_new_rows_are_no_adapter(between, bert):
    moved = {name: array.copy() for name, array in bert.items()}
    moved["embeddings.word_embeddings.weight"][7:9] = 0.1
    found = between(bert, moved)
    assert found.verdict == "fine-tuned"


def test_renamed_and_transposed(between, bert):
    order = np.random.default_rng(3).permutation(len(bert))
    names = list(bert)
    blobs = {f"blob{at}": np.ascontiguousarray(bert[names[i]].T) for at, i in enumerate(order)}
    found = between(bert, blobs)
    assert found.verdict == "same network, renamed or transposed"
    assert {pair.name: pair.second.name for pair in found.tensors} == {
        names[i]: f"blob{at}" for at, i in enumerate(order)
    }
    kinds = statuses(found)
    assert {kinds[name] for name in names if bert[name].ndim == 2} == {"transposed"}
    assert {kinds[name] for name in names if bert[name].ndim == 1} == {"renamed"}
    assert found.same


def test_renamed_transposed_and_rounded(between, bert):
    blobs = {f"b{at}": array.T.astype(ml_dtypes.bfloat16) for at, array in enumerate(reversed(bert.values()))}
    found = between(bert, blobs)
    assert found.verdict == "only rounded"
    assert all(pair.by == "content" for pair in found.tensors)


def test_a_prefix(between, bert):
    found = between(bert, {f"model.{name}": array for name, array in bert.items()})
    assert found.verdict == "same network, renamed or transposed"
    assert {pair.second.name for pair in found.tensors} == {f"model.{name}" for name in bert}


def test_many_tensors_of_one_content(between):
    zeros = {f"z{at:02d}": np.zeros(7, np.float32) for at in range(40)}
    found = between(zeros, {f"other{at:02d}": array for at, array in enumerate(zeros.values())})
    assert [pair.second.name for pair in found.tensors] == [f"other{at:02d}" for at in range(40)]


@pytest.mark.parametrize("back", [False, True])
def test_fused_query_key_value(between, bert, back):
    fused = {}
    for name, array in bert.items():
        if not any(role in name for role in (".query.", ".key.", ".value.")):
            fused[name] = array
        elif ".query." in name:
            parts = [bert[name.replace("query", role)] for role in ("query", "key", "value")]
            fused[name.replace("query", "c_attn")] = np.concatenate(parts)
    found = between(fused, bert) if back else between(bert, fused)
    assert found.verdict == "same network, renamed or transposed"
    kinds = [pair for pair in found.tensors if pair.status == ("split" if back else "fused")]
    assert len(kinds) == 12
    assert {pair.status for pair in found.tensors} == {"equal", "split" if back else "fused"}


def llama(width=64, heads=4, kv=2, blocks=2):
    random = np.random.default_rng(5)
    arrays = {"model.embed_tokens.weight": random.normal(size=(100, width))}
    for block in range(blocks):
        start = f"model.layers.{block}."
        for role, rows in (("q", width), ("k", width * kv // heads), ("v", width * kv // heads), ("o", width)):
            arrays[f"{start}self_attn.{role}_proj.weight"] = random.normal(size=(rows, width))
        for role, shape in (("gate", (160, width)), ("up", (160, width)), ("down", (width, 160))):
            arrays[f"{start}mlp.{role}_proj.weight"] = random.normal(size=shape)
        arrays[f"{start}input_layernorm.weight"] = 1 + 0.1 * random.normal(size=width)
        arrays[f"{start}post_attention_layernorm.weight"] = 1 + 0.1 * random.normal(size=width)
    return {name: (0.1 * array).astype(np.float32) for name, array in arrays.items()}


@pytest.mark.parametrize("named", [True, False])
def test_rows_in_the_order_of_llama_cpp(between, in_q8, named):
    network, converted = llama(), {}
    for at, (name, array) in enumerate(network.items()):
        if "q_proj" in name or "k_proj" in name:
            heads = 4 if "q_proj" in name else 2
            array = array.reshape(heads, 2, len(array) // heads // 2, 64).swapaxes(1, 2).reshape(array.shape)
        converted[name if named else f"t{at}"] = array
    found = between(network, converted)
    assert found.verdict == "same network, renamed or transposed"
    turned = {pair.name for pair in found.tensors if pair.status == "rotary order"}
    assert turned == {name for name in network if "q_proj" in name or "k_proj" in name}
    encoded = {n: in_q8(n, array) if array.ndim == 2 else array for n, array in converted.items()}
    found = between(network, encoded)
    assert found.verdict == "only rounded"
    assert all(pair.second is not None for pair in found.tensors)


def digits_net(seed, passes):
    """Coefficients of a small trained network, (inputs, outputs) each."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    x, y = load_digits(return_X_y=True)
    network = MLPClassifier((48, 48), random_state=seed)
    states = []
    for _ in range(max(passes)):
        with threadpool_limits(1):
            network.partial_fit(x / 16, y, classes=range(10))
        layers = enumerate(zip(network.coefs_, network.intercepts_, strict=True))
        states.append({f"layers.{at}.{n}": w.copy() for at, pair in layers for n, w in zip("wb", pair, strict=True)})
    return [states[each - 1] for each in passes]


def test_two_trainings_from_different_starts(between):
    (one,), (other,) = digits_net(0, [5]), digits_net(1, [5])
    found = between(one, other)
    assert found.verdict == "unrelated networks"
    assert max(abs(p.correlation) for p in found.tensors if p.tensor.ndim == 2) < 0.15
    found = between(one, {f"other{at}": array for at, array in enumerate(other.values())})
    assert found.verdict == "unrelated networks"


def test_one_training_at_two_times(between):
    one, other = digits_net(0, [5, 8])
    found = between(one, other)
    assert found.verdict == "fine-tuned"
    relative = {name: np.linalg.norm(other[name] - one[name]) / np.linalg.norm(one[name]) for name in one}
    for pair in found.tensors:
        assert pair.differences.relative_norm == pytest.approx(relative[pair.name], rel=1e-12)
    blocks = {at: np.hypot(*(np.linalg.norm(other[n] - one[n]) for n in one if f".{at}." in n)) for at in range(3)}
    norms = {at: np.hypot(*(np.linalg.norm(one[n]) for n in one if f".{at}." in n)) for at in range(3)}
    most = max(blocks, key=lambda at: blocks[at] / norms[at])
    assert f"most in layers.{most} " in found.statement


def test_different_architectures(between, bert):
    found = between(bert, {"conv.weight": np.ones((5, 3, 3, 3)), "conv.bias": np.ones(5)})
    assert found.verdict == "different architectures"
    assert {pair.status for pair in found.tensors} == {"only in first", "only in second"}


def test_what_is_missing_is_named(between, bert):
    fewer = {name: array for name, array in bert.items() if "embeddings" not in name}
    found = between(bert, fewer | {"extra": np.arange(3.0)})
    assert found.verdict == "part of the same network"
    assert not found.same
    rules = {finding.rule: finding.figures["tensors"] for finding in found.findings}
    assert rules == {"only in first": ["embeddings.word_embeddings.weight"], "only in second": ["extra"]}
    resized = bert | {"embeddings.word_embeddings.weight": np.zeros((3, 64), np.float32)}
    assert between(bert, resized).of_status("shape differs")[0].name == "embeddings.word_embeddings.weight"


def test_what_moved_although_frozen(between, bert):
    moved = dict(bert)
    moved["encoder.layer.0.output.dense.bias"] = bert["encoder.layer.0.output.dense.bias"] + np.float32(0.1)
    found = between(bert, moved, frozen=["encoder.layer.0.*", "embeddings.*"])
    first, second = (finding for finding in found.findings if finding.rule.endswith("frozen"))
    assert (first.rule, first.figures["moved"]) == ("moved although frozen", ["encoder.layer.0.output.dense.bias"])
    assert second.rule == "frozen"
    with pytest.raises(ArgumentError, match="No tensor that should be frozen matches"):
        between(bert, moved, frozen=["decoder.*"])


def test_a_gain_that_begins_as_ones_was_not_rounded(between, bert):
    random = np.random.default_rng(0)
    gains = {f"{name}.norm.weight": (1 + 0.02 * random.standard_normal(64)).astype(np.float32) for name in "ab"}
    found = between(bert | {name: np.ones_like(gain) for name, gain in gains.items()}, bert | gains)
    assert found.verdict == "fine-tuned"
    assert {pair.name for pair in found.tensors if pair.status == "changed"} == set(gains)


def test_one_of_a_series_is_transposed(between):
    random = np.random.default_rng(0)
    arrays = {f"layers.{k}.weight": random.standard_normal((16, 16)).astype(np.float32) for k in range(4)}
    found = between(arrays, arrays | {"layers.2.weight": arrays["layers.2.weight"].T.copy()})
    (finding,) = (each for each in found.findings if each.rule == "transposed alone")
    assert finding.figures["tensors"] == ["layers.2.weight"]
    every = between(arrays, {name: array.T.copy() for name, array in arrays.items()})
    assert "transposed alone" not in {each.rule for each in every.findings}


def test_networks_of_other_depth_share_names_whose_shapes_differ(between):
    def network(*sizes):
        random = np.random.default_rng(sum(sizes))
        layers = {}
        for at, (rows, columns) in enumerate(itertools.pairwise(sizes)):
            layers[f"layers.{at}.weight"] = random.normal(size=(rows, columns)).astype(np.float32)
            layers[f"layers.{at}.bias"] = random.normal(size=columns).astype(np.float32)
        return layers

    found = between(network(13, 128, 128, 3), network(13, 16, 3))
    assert {name: each for name, each in statuses(found).items() if each != "shape differs"} == {
        "layers.2.weight": "only in first",
        "layers.2.bias": "only in first",
    }
    assert found.verdict == "different architectures"


def test_negated_weights_are_not_unrelated(between, bert):
    assert between(bert, {name: -array for name, array in bert.items()}).verdict != "unrelated networks"


def test_paths_are_opened(tmp_path):
    np.savez(tmp_path / "one.npz", w=np.arange(4.0))
    np.savez(tmp_path / "other.npz", w=np.arange(4.0))
    assert compare(tmp_path / "one.npz", str(tmp_path / "other.npz")).same


@pytest.mark.parametrize("which", ["first", "second"])
def test_nothing_to_compare(which):
    one = Tensor("w", (2,), "float32", Mapped(memoryview(bytes(8)), 0, np.dtype("f4"), 2))
    empty, some = Weights.of([], "test"), Weights.of([one], "test")
    with pytest.raises(ArgumentError, match=f"The {which} holds no tensor"):
        compare(*((empty, some) if which == "first" else (some, empty)))


def test_statistics_that_move_beside_frozen_weights(between):
    layer = {f"bn.{n}": np.arange(8, dtype=np.float32) for n in ("weight", "bias", "running_mean", "running_var")}
    arrays = {"fc.weight": np.random.default_rng(0).normal(size=(8, 8)), **layer}
    moved = arrays | {"bn.running_mean": layer["bn.running_mean"] + np.float32(0.5)}
    found = between(arrays, moved)
    (finding,) = (each for each in found.findings if each.rule == "statistics moved")
    assert finding.figures["layers"] == ["bn"]
    both = moved | {"bn.weight": layer["bn.weight"] * 2}
    assert not any(each.rule == "statistics moved" for each in between(arrays, both).findings)


def test_json(between, bert):
    moved = dict(bert)
    random = np.random.default_rng(3)
    moved["encoder.layer.0.output.dense.weight"] = bert["encoder.layer.0.output.dense.weight"] * (
        1 + 0.01 * random.choice([-1, 1], (64, 128)).astype(np.float32)
    )
    found = between(bert, moved).to_json()
    assert {"verdict", "statement", "tensors", "findings"} <= found.keys()
    tensors = {each["name"]: each for each in found["tensors"]}
    keys = {"name", "other", "status", "max_difference", "relative_norm", "cosine", "changed", "ulp", "rank"}
    assert all(keys <= each.keys() for each in found["tensors"])
    one = tensors["encoder.layer.0.output.dense.weight"]
    assert one["relative_norm"] == pytest.approx(0.01, rel=1e-4)
    assert (one["status"], one["changed"]) == ("changed", pytest.approx(1.0, abs=0.01))
    equal = tensors["embeddings.word_embeddings.weight"]
    assert [equal[key] for key in ("status", "max_difference", "relative_norm", "cosine", "changed", "ulp")] == [
        "equal",
        0,
        0,
        1.0,
        0,
        0,
    ]
    assert found["verdict"] in VERDICTS
    assert set(found["statuses"]) <= set(STATUSES)
    assert set(SAME) <= set(STATUSES)


def test_progress_is_told_of_every_byte(between, bert):
    seen = []
    between(bert, bert, progress=seen.append)
    assert sum(seen) == 2 * sum(array.nbytes for array in bert.values())


def test_a_part_is_not_the_whole(held):
    arrays = {f"layers.{k}.weight": np.random.default_rng(0).normal(size=(8, 8)) for k in range(10)}
    some = dict(list(arrays.items())[:2])
    found = compare(held(arrays), held(some))
    assert found.verdict == "part of the same network"
    assert "2 tensors of both have the same values; 8 only in the first" in found.statement
    assert not found.same


def test_what_is_gone_is_not_called_frozen(held):
    arrays = {f"layers.{k}.weight": np.random.default_rng(0).normal(size=(8, 8)) for k in range(4)}
    found = compare(held(arrays), held({k: v for k, v in arrays.items() if "3" not in k}), frozen=["layers.*"])
    (said,) = [each for each in found.findings if each.rule == "frozen"]
    assert said.statement == "3 tensors frozen by 'layers.*' did not move. 1 other could not be compared."


def test_a_comparison_shows_itself(between):
    a = {"w<b>": np.arange(4.0), "same": np.ones(3)}
    shown = between(a, {**a, "w<b>": a["w<b>"] * 2})._repr_html_()
    assert "w&lt;b&gt;" in shown
    assert "changed" in shown
    assert "same</td>" not in shown
