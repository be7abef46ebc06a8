"""Every rule on a planted fault and on healthy weights; severity; odd input."""

import math
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from pondera.findings import Finding
from pondera.reading.faults.facts import Facts
from pondera.reading.faults.rule import Rule, folded
from pondera.reading.faults.rules import RULES, findings_of
from pondera.reading.statistics import statistics_of
from pondera.reading.units.units import units_of
from pondera.weights.collection import Weights
from pondera.weights.layers import INPUTS, OUTPUTS, Layer
from pondera.weights.tensor import Mapped, Tensor
from tests.reading.faults import files


def tensor_of(name, array):
    flat = np.ascontiguousarray(array).reshape(-1)
    return Tensor(name, array.shape, flat.dtype.name, Mapped(flat.view(np.uint8).data, 0, flat.dtype, flat.size))


def facts_of(arrays, kind="dense", metadata=None):
    """Give the facts of named arrays: matrices (outputs, inputs) are layers with the bias that goes with their name."""
    weights = Weights.of([tensor_of(name, array) for name, array in arrays.items()], "test", metadata=metadata or {})
    layers = []
    for name, array in arrays.items():
        layer, _, role = name.rpartition(".")
        bias = {"bias": f"{layer}.bias"} if f"{layer}.bias" in arrays else {}
        if role == "weight" and array.ndim == 2:
            axes = {"weight": (OUTPUTS, INPUTS)}
            layers.append(Layer(layer, kind, {"weight": name, **bias}, axes, array.shape[1], array.shape[0]))
        elif role == "weight":
            layers.append(Layer(layer, "normalization", {"weight": name, **bias}))
    figures = {n: statistics_of(t, 1) for n, t in weights.items() if not t.dtype.startswith("complex")}
    units = {layer.name: units_of(layer, weights, threads=1) for layer in layers if layer.connects}
    return Facts(weights, figures, layers, units)


def rules_of(arrays, **more):
    return {finding.rule for finding in findings_of(facts_of(arrays, **more))}


def trained(seed=0, shape=(64, 128)):
    """Give weights as training leaves them: tails, a direction that stands out, units of different strength."""
    random = np.random.default_rng(seed)
    matrix = 0.05 * random.standard_t(5, shape) * random.lognormal(0, 0.4, (shape[0], 1))
    matrix += 0.5 * np.outer(random.standard_normal(shape[0]), random.standard_normal(shape[1])) / math.sqrt(shape[1])
    return matrix.astype(np.float32)


@pytest.fixture
def healthy():
    random = np.random.default_rng(1)
    return {
        "a.weight": trained(1),
        "a.bias": random.normal(0, 0.1, 64).astype(np.float32),
        "norm.weight": random.normal(1, 0.1, 64).astype(np.float32),
        "norm.bias": random.normal(0, 0.1, 64).astype(np.float32),
        "b.weight": trained(2, (32, 64)),
    }


def test_healthy_weights_give_no_findings(healthy):
    assert rules_of(healthy) == set()
    assert rules_of({name: array.astype(ml_dtypes.bfloat16) for name, array in healthy.items()}) == set()
    assert rules_of({name: np.ascontiguousarray(array.T) for name, array in healthy.items()}) == set()


def test_pruned_weights_are_healthy(healthy):
    for share in (0.5, 0.9):
        limit = np.quantile(np.abs(healthy["a.weight"]), share)
        pruned = np.where(np.abs(healthy["a.weight"]) < limit, 0, healthy["a.weight"]).astype(np.float32)
        assert rules_of({**healthy, "a.weight": pruned}) == set()


def test_values_that_are_not_finite_are_counted_exactly(healthy):
    healthy["a.weight"][3, 4], healthy["a.weight"][5, 6] = np.nan, -np.inf
    (finding,) = findings_of(facts_of(healthy))
    assert (finding.rule, finding.where, finding.certainty) == ("not finite", "a.weight", "exact")
    assert finding.figures["nan"] == finding.figures["infinite"] == 1
    assert finding.figures["first"] == [[3, 4], [5, 6]]


def test_a_mask_of_infinities_is_none():
    mask = np.triu(np.full((8, 8), -np.inf, np.float32), 1)
    assert rules_of({"mask": mask, "limit": np.array(-np.inf, np.float32)}) == set()


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_constant_matrix_is_found(healthy, value):
    healthy["b.weight"][:] = value
    assert rules_of(healthy) == {"constant"}


def test_biases_may_be_zero_but_gains_may_not(healthy):
    healthy["a.bias"][:] = 0
    assert rules_of(healthy) == set()
    healthy["norm.weight"][:] = 0
    assert rules_of(healthy) == {"constant"}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("start", ["torch", "glorot", "truncated", "orthogonal"])
def test_starts_with_an_edge_are_found_by_it(healthy, start, dtype):
    random = np.random.default_rng(3)
    shape = (64, 128)
    if start == "truncated":
        draws = random.standard_normal(20_000)
        matrix = draws[np.abs(draws) < 2][: 64 * 128].reshape(shape) * math.sqrt(1 / 128) / 0.8796256610342398
    elif start == "orthogonal":
        matrix = np.linalg.qr(random.standard_normal((128, 64)))[0].T
    else:
        matrix = random.uniform(-1, 1, shape) * (math.sqrt(1 / 128) if start == "torch" else math.sqrt(6 / 192))
    found = findings_of(facts_of({**healthy, "a.weight": matrix.astype(dtype)}))
    assert [(each.rule, each.where) for each in found] == [("untrained", "a.weight")]
    if start == "torch":
        assert found[0].figures["start"] == "PyTorch's Linear and Conv"


@pytest.mark.parametrize("start", ["torch", "truncated", "orthogonal"])
def test_a_small_step_of_training_is_seen(healthy, start):
    random = np.random.default_rng(3)
    if start == "truncated":
        draws = random.standard_normal(20_000)
        matrix = draws[np.abs(draws) < 2][: 64 * 128].reshape(64, 128)
    elif start == "orthogonal":
        matrix = np.linalg.qr(random.standard_normal((128, 64)))[0].T
    else:
        matrix = random.uniform(-1, 1, (64, 128)) / math.sqrt(128)
    step = 0.03 * matrix.std() * random.standard_normal(matrix.shape)
    assert rules_of({**healthy, "a.weight": (matrix + step).astype(np.float32)}) == set()


def test_a_normal_start_is_certain_where_the_bias_is_zero(healthy):
    random = np.random.default_rng(4)
    he = random.normal(0, math.sqrt(2 / 128), (64, 128)).astype(np.float32)
    zeros = np.zeros(64, np.float32)
    assert rules_of({**healthy, "a.weight": he, "a.bias": zeros}) == {"untrained"}
    assert [each.rule for each in findings_of(facts_of({"b.weight": he}), doubtful=True)] == ["possibly untrained"]
    assert rules_of({"b.weight": he}) == set()  # what trips on healthy files is listed where it is asked for
    # A bias that moved, or a direction that stands out, says that it was trained.
    assert "untrained" not in rules_of({**healthy, "a.weight": he})
    spike = np.outer(random.standard_normal(64), random.standard_normal(128)) * 0.05
    assert rules_of({**healthy, "a.weight": (he + spike).astype(np.float32), "a.bias": zeros}) == set()


def test_normalization_at_its_start_is_found(healthy):
    healthy["norm.weight"][:], healthy["norm.bias"][:] = 1, 0
    assert rules_of(healthy) == {"untrained"}
    healthy["norm.bias"][3] = 1e-2
    assert rules_of(healthy) == set()


def test_normalizations_that_were_folded_into_trained_layers_are_told_so(healthy):
    folded = {
        f"{name}.{part}": np.full(64, part == "weight", np.float32) for name in "pq" for part in ("weight", "bias")
    }
    folded |= {name: healthy[name] for name in ("a.weight", "a.bias", "b.weight")}
    (finding,) = findings_of(facts_of(folded), doubtful=True)
    assert (finding.rule, finding.where) == ("possibly untrained", "p.weight")
    assert "folded into the layers that follow" in finding.advice
    start = np.random.default_rng(0).uniform(-1, 1, (64, 128)) / math.sqrt(128)
    found = {each.rule: each for each in findings_of(facts_of({**folded, "a.weight": start.astype(np.float32)}))}
    assert found["untrained"].figures["places"] == ["a.weight", "p.weight", "q.weight"]  # then all is as it started
    learned = {"r.weight": healthy["norm.weight"], "r.bias": healthy["norm.bias"]}
    assert rules_of({**folded, **learned}) == {"untrained"}


def test_zeros_in_a_row_are_found_and_told_where(healthy):
    flat = healthy["a.weight"].reshape(-1)
    flat[1100:2050] = 0
    finding, *others = findings_of(facts_of(healthy))
    assert finding.rule == "zero run"
    assert not others
    assert finding.figures["consequences"] == ["dead units"]  # which rows in between are
    assert (finding.figures["start"], finding.figures["length"]) == (1100, 950)
    flat[:] = trained(1).reshape(-1)
    flat[-1000:] = 0
    finding, *_ = findings_of(facts_of(healthy))
    assert (finding.figures["start"], finding.figures["length"]) == (64 * 128 - 1000, 1000)


def test_rows_of_zeros_in_an_embedding_are_healthy():
    rows = trained(5, (200, 64))
    rows[-30:] = 0
    assert rules_of({"e.weight": rows}, kind="embedding") == set()


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float16])
def test_random_bytes_are_found(healthy, dtype):
    matrix = healthy["a.weight"].astype(dtype)
    data = matrix.reshape(-1).view(np.uint8)
    data[4096:5120] = np.random.default_rng(0).integers(0, 256, 1024)
    assert "random bytes" in rules_of({**healthy, "a.weight": matrix})


def test_one_large_value_is_not_random_bytes(healthy):
    healthy["a.weight"][0, 0] = 1e7
    assert rules_of(healthy) == {"beyond float16"}


def test_a_repeated_block_is_found_with_both_places(healthy):
    flat = healthy["a.weight"].reshape(-1)
    flat[4096 + 128 : 6144 + 128] = flat[1024:3072]
    found = [each for each in findings_of(facts_of(healthy)) if each.rule == "repeated block"]
    assert [(each.figures["first"], each.figures["second"], each.figures["values"]) for each in found] == [
        (1024, 4224, 2048)
    ]


def test_clipped_floats_and_full_codes_are_saturated(healthy):
    matrix = healthy["a.weight"]
    limit = np.quantile(np.abs(matrix), 0.95)
    assert rules_of({**healthy, "a.weight": np.clip(matrix, -limit, limit)}) == {"saturated"}
    full = np.clip(np.round(matrix / limit * 127), -127, 127).astype(np.int8)
    assert rules_of({**healthy, "a.weight": full}) == {"saturated"}
    right = np.round(matrix / np.abs(matrix).max() * 127).astype(np.int8)
    by_row = np.round(matrix / np.abs(matrix).max(1, keepdims=True) * 127).astype(np.int8)
    assert rules_of({**healthy, "a.weight": right, "b.weight": by_row}) == set()


def test_a_third_of_a_vocabulary_is_no_padding():
    tokens = trained(4, (600, 64))
    tokens[400:] = 0
    assert rules_of({"embedding.weight": tokens}, kind="embedding") == {"zero run"}


@pytest.mark.parametrize("value", [1e30, -3e25])
def test_a_bit_that_flipped(healthy, value):
    healthy["a.weight"][5, 7] = value
    (finding,) = findings_of(facts_of(healthy))
    assert (finding.rule, finding.figures["huge"]) == ("random bytes", 1)
    assert "1 value of absurd size" in finding.statement
    assert "bits that flipped" in finding.statement


def test_a_layer_that_is_another_one():
    arrays = {f"layers.{k}.weight": trained(k) for k in range(4)}
    assert rules_of(arrays) == set()
    arrays["layers.3.weight"] = arrays["layers.1.weight"].copy()
    (finding,) = findings_of(facts_of(arrays))
    assert (finding.rule, finding.where, finding.figures["other"]) == (
        "copied layer",
        "layers.3.weight",
        "layers.1.weight",
    )
    assert rules_of({f"layers.{k}.weight": trained(0) for k in range(4)}) == set()  # shared on purpose


def test_layers_that_are_tied_are_no_copies():
    facts = facts_of({f"layers.{k}.weight": trained(k) for k in range(4)})
    tied = replace(facts.weights["layers.1.weight"], name="layers.3.weight")
    weights = Weights.of([*(facts.weights[f"layers.{k}.weight"] for k in range(3)), tied], "test")
    figures = {**facts.statistics, "layers.3.weight": facts.statistics["layers.1.weight"]}
    assert findings_of(replace(facts, weights=weights, statistics=figures)) == ()


def test_variances_below_zero(healthy):
    facts = facts_of({**healthy, "norm.running_var": np.array([1, -1, 0.5], np.float32)})
    layers = [
        replace(each, tensors={**each.tensors, "variance": "norm.running_var"}) if each.name == "norm" else each
        for each in facts.layers
    ]
    (finding,) = findings_of(replace(facts, layers=layers))
    assert (finding.rule, finding.where, finding.figures["least"]) == ("negative variance", "norm.running_var", -1.0)


@pytest.mark.parametrize("group", [16, 32, 128])
def test_codes_with_a_scale_for_each_group_are_not_saturated(group):
    matrix = trained(3, (96, 256))
    for turned in (matrix, matrix.T):
        groups = turned.reshape(-1, group)
        scales = np.abs(groups).max(1, keepdims=True)
        by_group = np.round(groups / scales * 127).astype(np.int8).reshape(turned.shape)
        shifted = np.round((groups - groups.min(1, keepdims=True)) / np.ptp(groups, axis=1, keepdims=True) * 255)
        for codes in (by_group, shifted.astype(np.uint8).reshape(turned.shape)):
            assert "saturated" not in rules_of({"a.weight": codes if turned is matrix else codes.T})


def test_rows_that_fill_a_vocabulary_up_are_no_damage(healthy):
    def with_head(rows):
        tokens = {"embedding.weight": trained(4, (512, 64)), "head.weight": trained(5, (512, 64))}
        tokens["head.weight"][rows] = 0
        facts = facts_of({**healthy, **tokens})
        kinds = [replace(each, kind="embedding", inputs=512, outputs=64) if each.name == "embedding" else each
                 for each in facts.layers]  # fmt: skip
        return {finding.rule for finding in findings_of(replace(facts, layers=kinds))}

    assert with_head(slice(500, None)) == set()
    assert with_head(slice(500, None, 3)) == set()
    assert rules_of({**healthy, "head.weight": np.vstack([trained(5, (500, 64)), np.zeros((12, 64), np.float32)])}) == {
        "dead units",
        "zero run",
    }


def test_ternary_weights_and_few_bits_are_not_saturated(healthy):
    ternary = np.sign(np.round(healthy["a.weight"] / 0.05)).astype(np.float32)
    assert "saturated" not in rules_of({**healthy, "a.weight": ternary})


def test_copied_units_are_duplicates(healthy):
    healthy["a.weight"][10:14] = 2 * healthy["a.weight"][20:24]
    (finding,) = findings_of(facts_of(healthy))
    assert finding.rule == "duplicated units"
    assert finding.figures["pairs"] == 4


def test_pairs_of_opposite_units_are_no_duplicates_and_not_counted(healthy):
    both = trained(6, (200, 64))
    both[100:] = -both[:100]
    both[3], both[101] = both[0], -both[0]
    assert rules_of({**healthy, "c.weight": both}) == set()  # 2 pairs, less than 2 % of the units
    one = np.outer(trained(7)[:, 0], trained(8)[0]).astype(np.float32)
    found = {each.rule: each for each in findings_of(facts_of({"c.weight": one}))}["duplicated units"]
    above = int((trained(7)[:, 0] > 0).sum())
    assert found.figures["pairs"] == (above * (above - 1) + (64 - above) * (63 - above)) // 2
    assert found.figures["complete"]


def test_filters_of_channels_of_their_own_may_be_alike(tmp_path):
    alike = np.repeat(files.learned(8, 1, 5, 5), 8, axis=0)
    several = {f"blocks.{at}.conv.weight": alike for at in range(2)}
    several |= {f"blocks.{at}.conv.bias": files.learned(64, seed=at) for at in range(2)}
    assert "duplicated units" not in files.rules_of(tmp_path, several)
    gray = {"conv1.weight": alike, "conv1.bias": files.learned(64), "fc.weight": files.learned(64, 96)}
    assert "duplicated units" in files.rules_of(tmp_path, gray)


def test_dead_units_are_found_on_both_sides(healthy):
    healthy["a.weight"][[3, 40]] = 0
    healthy["b.weight"][:, 7] = 1e-12
    found = findings_of(facts_of(healthy))
    assert [(each.rule, each.figures["side"], each.figures["first"]) for each in found] == [
        ("dead units", "output", [3, 40]),
        ("dead units", "input", [7]),
    ]


def test_slices_of_a_layer_whose_axes_are_not_known_are_dead(tmp_path):
    kernel = files.learned(128, 64, 3, 3)
    assert files.rules_of(tmp_path, {"c.weight": kernel}) == set()
    kernel[5:9] = 0
    finding = files.found_in(tmp_path, {"c.weight": kernel})["dead units", "c.weight"]
    assert (finding.figures["dead"], finding.figures["first"]) == (4, [5, 6, 7, 8])
    assert finding.statement.startswith("4 of 128 slices of c.weight along its first axis are all zero")


def test_scale_along_depth():
    layers = {f"layers.{i}.weight": trained(i, (32, 32)) for i in range(8)}
    assert rules_of(layers) == set()
    assert rules_of({**layers, "layers.3.weight": 100 * layers["layers.3.weight"]}) == {"scale along depth"}
    for factor in (0.1, 10):
        found = findings_of(facts_of({name: factor * array for name, array in layers.items()}), doubtful=True)
        assert [each.rule for each in found] == ["possibly scale along depth"]
        gains = [np.linalg.norm(factor * array) / math.sqrt(32) for array in layers.values()]
        assert found[0].figures["log10_product"] == pytest.approx(np.log10(gains).sum(), rel=1e-5)


def test_an_adapter_that_does_nothing(healthy):
    healthy["q.lora_A.weight"], healthy["q.lora_B.weight"] = trained(7, (8, 64)), np.zeros((64, 8), np.float32)
    assert rules_of(healthy) == {"empty adapter"}


def test_what_float16_does_not_hold(healthy):
    healthy["b.weight"][0, 0] = 70_000
    (finding,) = findings_of(facts_of(healthy))
    assert (finding.rule, finding.figures["values_beyond"]) == ("beyond float16", 1)
    healthy["b.weight"][0, 0] = 65_504
    assert rules_of(healthy) == set()
    healthy["b.weight"][0, 0] = 0
    healthy["b.weight"] *= np.float32(1e-6)
    assert rules_of(healthy) == {"below float16"}


def test_the_same_in_many_places_is_one_finding():
    (finding,) = findings_of(facts_of({f"{i}.weight": np.zeros((4, 4), np.float32) for i in "abc"}))
    assert finding.where == "a.weight"
    assert finding.figures["places"] == ["a.weight", "b.weight", "c.weight"]
    assert finding.statement.endswith("Also in 2 other places: b.weight, c.weight.")


def test_the_gravest_comes_first_and_what_is_only_possible_last(healthy):
    healthy["a.weight"][0] = 0
    healthy["b.weight"][0, 0] = np.nan
    healthy["c.weight"] = np.random.default_rng(0).normal(0, 0.02, (96, 96)).astype(np.float32)
    found = [finding.rule for finding in findings_of(facts_of(healthy), doubtful=True)]
    assert found == ["not finite", "dead units", "possibly untrained"]


def test_every_rule_has_a_name_of_its_own_and_findings_carry_it():
    assert len({rule.name for rule in RULES}) == len(RULES)
    (found,) = Rule("mine", lambda facts: [Finding("So.")]).findings(facts_of({}))
    assert (found.rule, folded([found])) == ("mine", found)


ODD = {
    "empty": np.zeros((0, 3), np.float32),
    "empty.weight": np.zeros((3, 0), np.float32),
    "scalar": np.array(3.0, np.float32),
    "one.weight": np.ones((1, 1), np.float32),
    "ints.weight": np.arange(12).reshape(3, 4),
    "bytes.weight": np.arange(200, dtype=np.uint8).reshape(10, 20),
    "bools.weight": np.ones((3, 3), bool),
    "complex.weight": np.ones((3, 3), np.complex64),
    "nan.weight": np.full((20, 20), np.nan, np.float32),
    "infinite.weight": np.full((20, 20), np.inf, np.float32),
    "huge.weight": np.array([[1e150, -1e150], [1e-300, 0]]),
    "tiny.weight": np.full((30, 30), 1e-45, np.float32) * np.arange(30, dtype=np.float32),
    "float8.weight": np.linspace(-1, 1, 400).reshape(20, 20).astype(ml_dtypes.float8_e4m3fn),
    "deep.weight": np.random.default_rng(0).standard_normal((2, 3, 4, 5, 6)).astype(np.float32),
    "line.weight": np.arange(5000, dtype=np.float32).reshape(1, -1),
    "column.weight": np.random.default_rng(0).standard_normal((5000, 1)).astype(np.float32),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tensors_raise_nothing_with_and_without_layers(name):
    arrays = {name: ODD[name]}
    weights = Weights.of([tensor_of(name, array) for name, array in arrays.items()], "test")
    figures = {n: statistics_of(t, 1) for n, t in weights.items() if not t.dtype.startswith("complex")}
    layers = [Layer("x", "unknown", {"weight": name}), Layer("gone", "dense", {"weight": "nowhere"})]
    for those in ((), layers):
        for finding in findings_of(Facts(weights, figures, those)):
            assert finding.rule
            assert finding.to_json()
    if ODD[name].ndim == 2 and ODD[name].dtype.kind == "f" and ODD[name].size:
        findings_of(facts_of(arrays))


def test_findings_are_json_ready(healthy):
    import json

    healthy["a.weight"][:10] = 0
    healthy["b.weight"][0, 0] = np.inf
    healthy["c.weight"] = np.random.default_rng(0).uniform(-0.1, 0.1, (96, 96)).astype(np.float32)
    found = findings_of(facts_of(healthy))
    assert len(found) >= 3
    assert all(finding.certainty and finding.advice and finding.method for finding in found)
    json.dumps([finding.to_json() for finding in found], allow_nan=False)


def test_blocks_of_zeros_are_found_in_a_quantized_tensor():
    from pondera.weights.quantized.encodings import ENCODINGS, Blocks

    random = np.random.default_rng(0)
    blocks = np.zeros((2048, 34), np.uint8)
    blocks[:, :2] = np.float16(0.01 * random.uniform(1, 2, (2048, 1))).view(np.uint8)
    blocks[:, 2:] = random.integers(-127, 128, (2048, 32)).astype(np.int8).view(np.uint8)
    source = Blocks(memoryview(blocks.reshape(-1)), 0, ENCODINGS["Q8_0"], 2048 * 32)
    weights = Weights.of([Tensor("a.weight", (256, 256), "Q8_0", source)], "test")

    def found():
        return findings_of(Facts(weights, {"a.weight": statistics_of(weights["a.weight"], 1)}))

    assert found() == ()
    blocks[515:900] = 0
    (finding,) = found()
    assert (finding.rule, finding.where) == ("zero run", "a.weight")
    assert finding.figures["start"] <= 515 * 32
    assert 385 * 32 <= finding.figures["length"] <= 385 * 32 + 4
