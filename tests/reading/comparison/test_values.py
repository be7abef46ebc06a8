"""Comparing what is stored: values that are not finite, zeros of either sign, whole numbers, few bits."""

import numpy as np

from pondera.reading.comparison import compare
from pondera.weights.tensor import Mapped, Tensor


def test_values_that_are_not_finite(between, bert):
    broken = {name: array.copy() for name, array in bert.items()}
    broken["encoder.layer.0.output.dense.weight"][2, 3:6] = [np.nan, np.inf, -np.inf]
    found = between(bert, broken)
    (pair,) = found.of_status("overwritten")
    assert found.verdict == "values overwritten"
    assert "3 of the 8,192 values of encoder.layer.0.output.dense.weight are NaN or infinite" in found.statement
    assert between(broken, bert).verdict == "values overwritten"
    plain = pair.to_json()
    assert (plain["not_finite"], plain["other_not_finite"]) == (0, 3)
    assert plain["max_difference"] == 0
    assert plain["changed"] == 3 / pair.count
    assert any(finding.rule == "not finite" for finding in found.findings)
    assert between(broken, broken).verdict == "same weights in another file"


def test_zeros_of_the_other_sign(between):
    found = between({"w": np.array([0.0, 1.0])}, {"w": np.array([-0.0, 1.0])})
    assert [pair.status for pair in found.tensors] == ["zero signs"]
    assert not found.same


def test_integers_and_single_numbers(between):
    a = {"steps": np.array(3), "ids": np.arange(9), "flag": np.array([True, False])}
    found = between(a, a | {"steps": np.array(5)})
    assert [pair.status for pair in found.tensors] == ["changed", "equal", "equal"]
    assert found.tensors[0].to_json()["max_difference"] == 2


def test_large_whole_numbers_that_float64_rounds_to_the_same_are_not_equal(held):
    one, other = np.array([2**60, 2**61]), np.array([2**60 + 7, 2**61 + 5])
    found = compare(held({"w": one}), held({"w": other}))
    assert not found.same
    assert compare(held({"w": one}), held({"w": one.copy()})).same


def test_values_of_four_bits(held):
    from pondera.weights.packed import Packed

    def four_bits(content):
        source = Mapped(memoryview(content), 0, np.dtype("u1"), len(content))
        return {"w": Tensor("w", (2, 4), "float4_e2m1fn", Packed(source, "float4_e2m1fn", 8))}

    one, other = held(four_bits(b"\x21\x43\x10\x32")), held(four_bits(b"\x21\x43\x10\x33"))
    assert compare(one, one).same
    assert not compare(one, other).same
    assert compare(one, other).tensors[0].differences.max > 0


def test_what_counts_batches_is_not_what_moved_most(between):
    random = np.random.default_rng(0)
    one = {f"{k}.weight": random.standard_normal((16, 16)).astype(np.float32) for k in (0, 1)}
    one |= {"1.num_batches_tracked": np.array(10, np.int64)}
    other = {name: array + 0.01 * random.standard_normal(array.shape).astype(np.float32) for name, array in one.items()}
    other["1.num_batches_tracked"] = np.array(5000)
    assert "%" in (statement := between(one, other).statement)
    assert "49900" not in statement.replace(",", "")
