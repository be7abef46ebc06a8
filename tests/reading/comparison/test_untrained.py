"""What becomes of weights without any training: zeros, factors, damage, and codes with scales beside them."""

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from pondera.reading.comparison import compare

QUERY = "encoder.layer.1.attention.self.query.weight"


def changed(arrays, name, change):
    """The same arrays, one of them changed."""
    copy = arrays[name].copy()
    change(copy)
    return arrays | {name: copy}


def codes(array, kind, spread):
    """A matrix as codes of eight bits, and the scales that `spread` takes for the largest sizes."""
    limit = 127 if kind == np.int8 else float(ml_dtypes.finfo(kind).max)
    scales = spread(np.abs(array)).astype(np.float32) / np.float32(limit)
    exact = array / np.broadcast_to(scales if scales.ndim == 2 else scales.reshape(-1, 1), array.shape)
    return (np.rint(exact) if kind == np.int8 else exact).astype(kind), scales


SPREADS = {
    "one for each row": lambda sizes: sizes.max(axis=1),
    "one for each row, as a column": lambda sizes: sizes.max(axis=1, keepdims=True),
    "one for the tensor": lambda sizes: sizes.max(keepdims=True).reshape(1, 1),
}


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("kind", [np.int8, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_codes_with_scales_are_only_rounded(between, bert, kind, spread):
    stored = {}
    for name, array in bert.items():
        stored[name] = array
        if array.ndim == 2:
            stored[name], stored[f"{name}_scale"] = codes(array, kind, SPREADS[spread])
    found = between(bert, stored)
    assert found.verdict == "only rounded"
    assert f"the second is the first quantized to {np.dtype(kind).name} with scales (13 tensors)" in found.statement
    assert not found.of_status("only in second")
    assert between(stored, bert).verdict == "only rounded"
    assert between(stored, dict(stored)).verdict == "same weights in another file"


def test_blocks_of_scales(between):
    random = np.random.default_rng(0)
    weight = random.normal(size=(200, 300)).astype(np.float32)  # no multiples of 128, as in DeepSeek's files
    grid = np.array(
        [[np.abs(weight[i : i + 128, j : j + 128]).max() for j in (0, 128, 256)] for i in (0, 128)], np.float32
    )
    scales = grid / np.float32(448)
    wide = np.repeat(np.repeat(scales, 128, 0), 128, 1)[:200, :300]
    stored = (weight / wide).astype(ml_dtypes.float8_e4m3fn)
    found = between({"fc.weight": weight}, {"fc.weight": stored, "fc.weight_scale_inv": scales})
    assert found.verdict == "only rounded"
    (pair,) = found.tensors
    exact = np.abs(stored.astype(np.float32) * wide - weight).max()
    assert pair.to_json()["max_difference"] == pytest.approx(exact, rel=1e-6)


def test_largest_sizes_as_scales(between, bert):
    weight = bert[QUERY]
    stored, scales = codes(weight, np.int8, SPREADS["one for each row"])
    found = between({"fc.weight": weight}, {"fc.weight": stored, "fc.SCB": scales * np.float32(127)})
    assert found.verdict == "only rounded"


def test_codes_of_what_was_trained_are_not_only_rounded(between, bert):
    random = np.random.default_rng(1)
    stored = {}
    for name, array in bert.items():
        moved = (array * (1 + 0.05 * random.normal(size=array.shape))).astype(np.float32)
        stored[name] = moved
        if array.ndim == 2:
            stored[name], stored[f"{name}_scale"] = codes(moved, np.int8, SPREADS["one for each row"])
    found = between(bert, stored)
    assert found.verdict == "fine-tuned"
    assert max(pair.differences.relative_norm for pair in found.tensors) < 0.1  # of the values, not of the codes


def test_values_set_to_zero(between, bert):
    pruned = changed(bert, QUERY, lambda w: np.putmask(w, np.abs(w) < np.median(np.abs(w)), 0))
    found = between(bert, pruned)
    assert found.verdict == "values set to zero"
    assert f"2,048 of the 4,096 values of {QUERY} are zero in the second only" in found.statement
    assert [pair.name for pair in found.of_status("zeroed")] == [QUERY]
    assert "zero in the first only" in between(pruned, bert).statement
    assert "all 4,096 values" in between(bert, changed(bert, QUERY, lambda w: w.fill(0))).statement


def test_a_bias_that_began_at_zero_was_trained(between, bert):
    name = "encoder.layer.0.output.dense.bias"
    found = between(changed(bert, name, lambda b: b.fill(0)), bert)
    assert found.verdict == "fine-tuned"


@pytest.mark.parametrize("factor", [-1, 1.7, 0.5, -3e-3])
def test_multiples(between, bert, factor):
    scaled = bert | {QUERY: bert[QUERY] * np.float32(factor)}
    found = between(bert, scaled)
    assert found.verdict == "rescaled"
    (pair,) = found.of_status("rescaled")
    assert pair.to_json()["factor"] == pytest.approx(factor, rel=1e-6)
    assert f"{QUERY} is {factor:g} times" in found.statement


def test_one_step_of_a_last_place_is_no_multiple(between, bert):
    up = changed(bert, QUERY, lambda w: np.nextafter(w, np.float32(np.inf), out=w))
    assert between(bert, up).verdict == "fine-tuned"


def test_overwritten_bytes(between, bert):
    def overwrite(array):
        array.reshape(-1)[100:140] = np.frombuffer(np.random.default_rng(1).bytes(160), np.float32)

    damaged = changed(bert, QUERY, overwrite)
    found = between(bert, damaged)
    assert found.verdict == "values overwritten"
    assert f"40 of the 4,096 values of {QUERY} differ, by up to" in found.statement
    assert "in the second" in found.statement
    assert "in the first" in between(damaged, bert).statement


def test_damage_in_what_was_trained_is_told_beside_it(between, bert):
    moved = {name: (array * 1.01 + 1e-4).astype(np.float32) for name, array in bert.items()}
    moved[QUERY] = changed(bert, QUERY, lambda w: w.__setitem__((3, 4), np.inf))[QUERY]
    found = between(bert, moved)
    assert found.verdict == "fine-tuned"
    assert "of them 1 with values overwritten" in found.statement
    assert "1 value is NaN or infinite in the second" in found.statement


def test_an_adapter_beside_its_network(tmp_path, bert):
    random = np.random.default_rng(2)
    adapter = {}
    for block in range(2):
        layer = f"base_model.model.encoder.layer.{block}.attention.self.query"
        adapter[f"{layer}.lora_A.weight"] = random.normal(size=(4, 64)).astype(np.float32)
        adapter[f"{layer}.lora_B.weight"] = random.normal(size=(64, 4)).astype(np.float32)
    for name, arrays in (("base", bert), ("adapter", adapter)):
        save_file(arrays, tmp_path / f"{name}.safetensors")
    found = compare(tmp_path / "base.safetensors", tmp_path / "adapter.safetensors")
    assert found.verdict == "low-rank adapter of the other"
    assert "the second holds an adapter of rank 4 for 2 layers of the first" in found.statement
    back = compare(tmp_path / "adapter.safetensors", tmp_path / "base.safetensors")
    assert "the first holds an adapter" in back.statement


def test_the_rest_of_a_part_is_called_so(between, bert):
    start = bert | {"embeddings.scale": np.ones(64, np.float32), "embeddings.position_ids": np.arange(9)}
    word = "embeddings.word_embeddings.weight"
    found = between(start, changed(start, word, lambda w: np.add(w, 0.01 * np.sin(np.arange(64, dtype="f4")), out=w)))
    (finding,) = (each for each in found.findings if each.rule == "never moved")
    assert "the rest of embeddings" in finding.statement


@pytest.mark.parametrize("per", ["row", "tensor"])
def test_values_on_a_grid_of_whole_numbers_are_only_rounded(between, bert, per):
    stored = {}
    for name, array in bert.items():
        step = np.abs(array).max(axis=-1, keepdims=True) / 127 if per == "row" else np.abs(array).max() / 127
        stored[name] = (np.rint(array / step) * step).astype(np.float32) if array.ndim == 2 else array
    found = between(bert, stored)
    assert found.verdict == "only rounded"
    assert "the second is the first rounded to evenly spaced values (13 tensors)" in found.statement
    assert "the first is the second rounded to evenly spaced" in between(stored, bert).statement
    moved = {name: (array * np.float32(1.01)).astype(np.float32) for name, array in stored.items()}
    assert between(bert, moved).verdict != "only rounded"


def test_two_roundings_of_the_same_values(between, bert):
    half = {name: array.astype(np.float16) for name, array in bert.items()}
    brain = {name: array.astype(ml_dtypes.bfloat16) for name, array in bert.items()}
    found = between(half, brain)
    assert found.verdict == "only rounded"
    assert "both hold roundings of the same values, to float16 and bfloat16" in found.statement
    moved = {name: (array * np.float32(1.02)).astype(ml_dtypes.bfloat16) for name, array in bert.items()}
    assert between(half, moved).verdict == "fine-tuned"


def test_two_sets_of_codes_for_the_same_values(between, bert):
    def coded(kind, spread):
        found = {}
        for name, array in bert.items():
            found[name] = array
            if array.ndim == 2:
                found[name], found[f"{name}_scale"] = codes(array, kind, SPREADS[spread])
        return found

    rows = coded(np.int8, "one for each row")
    for other in (coded(np.int8, "one for the tensor"), coded(ml_dtypes.float8_e4m3fn, "one for each row")):
        found = between(rows, other)
        assert found.verdict == "only rounded"
        assert "both hold roundings of the same values" in found.statement


def test_damage_in_the_largest_tensor_does_not_make_networks_unrelated(between, bert):
    random = np.random.default_rng(4)
    large = bert | {"head.weight": random.normal(size=(400, 256)).astype(np.float32)}
    for value in (1e6, 3e38):
        found = between(large, changed(large, "head.weight", lambda w, v=value: w.__setitem__((3, 4), v)))
        assert found.verdict == "values overwritten"


def test_one_value_that_differs_a_little(between, bert):
    found = between(bert, changed(bert, QUERY, lambda w: w.__setitem__((3, 4), np.nextafter(w[3, 4], np.float32(9)))))
    assert found.verdict == "few values differ"
    assert f"1 of the 4,096 values of {QUERY} differs by one unit in the last place" in found.statement


def test_a_bias_of_few_values_may_have_been_trained(between, bert):
    head = bert | {"head.bias": np.linspace(-1, 1, 10, dtype=np.float32)}
    moved = head | {"head.bias": head["head.bias"] + np.float32(0.01) * np.arange(10, dtype=np.float32)}
    assert between(head, moved).verdict == "fine-tuned"


def test_several_changes_are_no_training(between, bert):
    other = "encoder.layer.0.output.dense.weight"
    both = changed(bert, QUERY, lambda w: np.negative(w, out=w)) | {other: np.zeros_like(bert[other])}
    found = between(bert, both)
    assert found.verdict == "several changes"
    assert "1 rescaled, 1 with values set to zero" in found.statement


def test_only_running_statistics(between, bert):
    norm = {f"bn.{name}": np.linspace(1, 2, 8, dtype=np.float32) for name in ("weight", "running_mean", "running_var")}
    start = bert | norm | {"bn.num_batches_tracked": np.array(3)}
    moved = start | {
        "bn.running_mean": norm["bn.running_mean"] + np.float32(0.5),
        "bn.num_batches_tracked": np.array(9),
    }
    found = between(start, moved)
    assert found.verdict == "running statistics moved"
    assert "of 1 normalization layer" in found.statement


def test_exchanged_layers(between, bert):
    def there(name):
        return name.replace("layer.0", "layer.x").replace("layer.1", "layer.0").replace("layer.x", "layer.1")

    found = between(bert, {name: bert[there(name)] for name in bert})
    assert found.verdict == "layers exchanged"
    assert "encoder.layer.0 of the second is encoder.layer.1 of the first" in found.statement
    assert {pair.status for pair in found.tensors} == {"equal", "exchanged"}


def test_a_part_that_was_drawn_anew(between, bert):
    random = np.random.default_rng(5)
    found = between(bert, bert | {QUERY: random.normal(size=(64, 64)).astype(np.float32)})
    assert found.verdict == "parts replaced"
    assert "nothing in common" in found.statement


def test_rows_that_were_added(between, bert):
    word = "embeddings.word_embeddings.weight"
    more = np.concatenate([bert[word], np.ones((8, 64), np.float32)])
    found = between(bert, bert | {word: more})
    assert found.verdict == "part of the same network"
    assert "1 the same but for rows that one has more of" in found.statement
    assert not found.same
    trained = np.concatenate([bert[word] * np.float32(1.01), more[-8:]]).astype(np.float32)
    (pair,) = [each for each in between(bert, bert | {word: trained}).tensors if each.name == word]
    assert (pair.status, pair.relation) == ("rescaled", "the first 200 rows")


def test_units_shuffled_in_one_layer_alone(between, bert):
    order = np.random.default_rng(6).permutation(64)
    found = between(bert, bert | {QUERY: bert[QUERY][order]})
    assert found.verdict == "values reordered"
    assert "computes something else" in found.statement


def test_a_large_table_beside_an_adapter_is_told_at_once(tmp_path):
    random = np.random.default_rng(7)
    base = {"model.embed.weight": random.normal(size=(20000, 64)).astype(np.float32)}
    adapter = {}
    for block in range(6):
        layer = f"layers.{block}.q_proj"
        base[f"model.{layer}.weight"] = random.normal(size=(64, 64)).astype(np.float32)
        adapter[f"base_model.model.model.{layer}.lora_A.weight"] = random.normal(size=(8, 64)).astype(np.float32)
        adapter[f"base_model.model.model.{layer}.lora_B.weight"] = random.normal(size=(64, 8)).astype(np.float32)
    for name, arrays in (("base", base), ("adapter", adapter)):
        save_file(arrays, tmp_path / f"{name}.safetensors")
    found = compare(tmp_path / "base.safetensors", tmp_path / "adapter.safetensors")
    assert "rank 8 for 6 layers" in found.statement
