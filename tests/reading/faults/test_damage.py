import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.reading.faults.zeros import longest_zeros
from pondera.reading.read import read
from pondera.weights.tensor import Mapped, Tensor
from tests.reading.faults.files import found_in, learned, rules_of, saved


def tensor(values):
    return Tensor(
        "w", values.shape, values.dtype.name, Mapped(values.view(np.uint8).data, 0, values.dtype, len(values))
    )


@pytest.mark.parametrize("start", [0, 100, (1 << 22) - 40, (1 << 22) - 200, (1 << 24) + 5, (3 << 23) - 100])
def test_a_run_of_zeros_is_found_wherever_it_lies(start):
    values = np.ones(3 << 23, np.float32)
    values[start : start + 100] = 0
    values[50:120] = 0  # a shorter one
    found = longest_zeros(tensor(values))
    if start <= 120:
        assert found == (min(start, 50), max(120, start + 100) - min(start, 50))
    else:
        assert found == (start, 100)


def test_a_run_over_many_pieces():
    values = np.ones(5 << 21, np.float32)
    values[1000:-1000] = 0
    assert longest_zeros(tensor(values)) == (1000, len(values) - 2000)


@given(st.lists(st.integers(1, 150), min_size=2, max_size=30), st.sampled_from([np.float32, np.float16, np.int8]))
def test_the_longest_of_many_runs(lengths, kind):
    values = np.concatenate([np.full(n, at % 2) for at, n in enumerate(lengths)]).astype(kind)
    longest = max(lengths[::2])
    found = longest_zeros(tensor(values))
    assert (found.length if found else 0) == (longest if longest >= 64 else 0)


def blocks_of_zeros(random):
    return (np.kron(random.random((16, 16)) < 0.3, np.ones((32, 32))) * learned(512, 512)).astype(np.float32)


def test_zeros_of_whole_units_are_no_damage_of_the_file(tmp_path):
    head, filters, padded = learned(256, 256), learned(256, 128, 3, 3), learned(1024, 64)
    head[64:128], filters[100:140], padded[1000:] = 0, 0, 0
    masked = learned(7, 7, 64, 64)
    masked[3, 4:] = masked[4:] = 0
    arrays = {
        "layer.0.attention.self.query.weight": head,
        "conv.weight": filters,
        "head.weight": padded,
        "masked.weight": masked,
        "blocks.weight": blocks_of_zeros(np.random.default_rng(0)),
        "last.bias": learned(64),
    }
    assert "zero run" not in rules_of(tmp_path, arrays)


def test_pruned_heads_are_dead_units_and_nothing_else(tmp_path):
    head = learned(256, 256)
    head[64:128] = 0
    assert rules_of(tmp_path, {"fc.weight": head, "fc.bias": learned(256)}) == {"dead units"}


def test_zeros_of_whole_units_that_are_sectors_may_be_damage(tmp_path):
    values = learned(256, 256)
    values[64:128] = 0
    arrays = {"fc.weight": values, "fc.bias": learned(256)}
    finding = found_in(tmp_path, arrays, start=4096)["zero run", "fc.weight"]
    assert finding.advice.startswith("They are whole units. Either part of the tensor was not written")
    values[:] = learned(256, 256)
    values[200:] = 0
    (finding,) = (each for key, each in found_in(tmp_path, {"fc.weight": values}).items() if key[0] == "zero run")
    assert finding.figures["start"] == 200 * 256  # to the end of the file, which may have been cut


def test_a_hole_over_several_tensors_is_found_in_each(tmp_path):
    arrays = {f"{name}.weight": learned(64, 64, seed=at) for at, name in enumerate("abc")}
    path = saved(tmp_path, arrays, start=4096 + 256)
    data = bytearray(path.read_bytes())
    data[4096 + 512 * 20 : 4096 + 512 * 90] = bytes(512 * 70)
    path.write_bytes(bytes(data))
    found = {each.rule: each for each in read(path).findings}
    assert found["zero run"].figures["places"] == ["a.weight", "c.weight"]
    assert found["constant"].where == "b.weight"


@pytest.mark.parametrize("name", ["fc.bias", "fc.norm.weight", "blocks.0.A_log", "theta", "wn.weight_v", "pos_table"])
def test_damage_is_found_whatever_a_tensor_is_called(tmp_path, name):
    values = 1 + learned(1024)
    flipped = values.copy()
    flipped.view(np.uint32)[5] = 0x7E000000
    assert rules_of(tmp_path, {name: flipped, "a.weight": learned(64, 64)}) == {"random bytes"}
    noisy = values.copy()
    noisy.view(np.uint8)[512:2048] = np.random.default_rng(0).integers(0, 256, 1536)
    assert rules_of(tmp_path, {name: noisy, "a.weight": learned(64, 64)}) == {"random bytes"}
    empty = values.copy()
    empty[256:768] = 0
    assert rules_of(tmp_path, {name: empty, "a.weight": learned(64, 64)}, start=4096) == {"zero run"}


def test_zeros_among_gains_need_no_sectors_but_among_biases_they_do(tmp_path):
    gains = np.concatenate([1 + learned(500), np.zeros(524, np.float32)])
    norm = {"norm.weight": gains, "norm.bias": learned(1024), "fc.weight": learned(64, 64)}
    assert rules_of(tmp_path, norm) == {"zero run"}
    parts = np.concatenate([learned(256), np.zeros(256, np.float32), learned(256)])  # keys have no bias
    assert rules_of(tmp_path, {"attn.qkv.bias": parts, "fc.weight": learned(64, 64)}) == set()


def test_a_bit_that_flipped_in_float16(tmp_path):
    values = learned(64, 64).astype(np.float16)
    assert rules_of(tmp_path, {"fc.weight": values}) == set()
    values[3, 4] = 0.03
    values.view(np.uint16)[3, 4] ^= 1 << 14
    assert rules_of(tmp_path, {"fc.weight": values}) == {"random bytes"}


def test_a_number_that_stands_for_nothing_is_no_damage(tmp_path):
    slopes = -np.abs(learned(64, 64)) * 30
    slopes[np.triu_indices(64, 1)] = np.finfo(np.float32).min
    assert "random bytes" not in rules_of(tmp_path, {"alibi": slopes, "fc.weight": learned(64, 64)})
