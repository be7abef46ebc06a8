"""What counts and extremes show, by what a tensor is for."""

import numpy as np
import pytest

from tests.reading.faults.files import found_in, learned, rules_of

FC = {"fc.weight": learned(64, 96, seed=9)}


def normalization(name, **changed):
    parts = {"weight": 1 + learned(64), "bias": learned(64, seed=1), "running_mean": learned(64, seed=2)}
    parts["running_var"] = 1 + np.abs(learned(64, seed=3))
    return {f"{name}.{part}": np.asarray(values, np.float32) for part, values in {**parts, **changed}.items()}


def test_one_token_type_may_be_zero_and_two_are_told_what_it_means(tmp_path):
    name = "roberta.embeddings.token_type_embeddings.weight"
    layer = {"roberta.encoder.layer.0.attention.self.query.weight": learned(64, 64)}
    assert rules_of(tmp_path, {name: np.zeros((1, 64), np.float32), **layer}) == set()
    finding = found_in(tmp_path, {name: np.zeros((2, 64), np.float32), **layer})["constant", name]
    assert "It adds nothing" in finding.advice
    assert "Nothing passes through" not in finding.advice


def test_an_embedding_whose_rows_are_all_the_same(tmp_path):
    rows = np.repeat(learned(1, 64), 500, axis=0)
    found = found_in(tmp_path, {"embed_tokens.weight": rows, **FC})
    assert found.keys() == {("constant", "embed_tokens.weight")}
    rows[77, 3] += 1
    assert rules_of(tmp_path, {"embed_tokens.weight": rows, **FC}) == set()


@pytest.mark.parametrize("name", ["projector.w_in", "x"])
def test_zeros_under_an_unknown_name(tmp_path, name):
    assert rules_of(tmp_path, {name: np.zeros((64, 64), np.float32), **FC}) == {"constant"}
    assert rules_of(tmp_path, {name: np.zeros((1, 64), np.float32), **FC}) == set()


def test_scales_and_variances_that_are_zero(tmp_path):
    codes = np.random.default_rng(0).integers(-90, 90, (64, 64)).astype(np.int8)
    scales = np.zeros((64, 1), np.float32)
    assert ("constant", "q.weight_scale") in found_in(tmp_path, {"q.weight": codes, "q.weight_scale": scales, **FC})
    assert rules_of(tmp_path, {**normalization("bn"), **FC}) == set()
    assert rules_of(tmp_path, {**normalization("bn", running_var=np.zeros(64)), **FC}) == {"constant"}


@pytest.mark.parametrize(
    "name",
    [
        "bn.running_var",
        "aux:bn0_moving_var",
        "batch_norm2d_0._variance",
        "batch_norm/~/var_ema/average",
        "bn/moving_variance",
    ],
)
def test_variances_below_zero_in_every_framework(tmp_path, name):
    values = 1 + np.abs(learned(64))
    assert rules_of(tmp_path, {name: values, **FC}) == set()
    assert found_in(tmp_path, {name: -values, **FC}).keys() == {("negative variance", name)}
    assert rules_of(tmp_path, {"posterior_log_variance_clipped": -values, **FC}) == set()


def test_a_variance_that_rounding_left_below_zero_makes_no_nan(tmp_path):
    values = 1 + np.abs(learned(64))
    values[5] = -1e-12
    finding = found_in(tmp_path, normalization("bn", running_var=values))["negative variance", "bn.running_var"]
    assert "makes up for" in finding.statement
    assert "outputs become NaN. " not in finding.advice.split("added, ")[0]
    values[5] = -1e-3
    finding = found_in(tmp_path, normalization("bn", running_var=values))["negative variance", "bn.running_var"]
    assert finding.advice.startswith("The square root of a variance is taken: outputs become NaN.")


def test_whole_numbers_that_are_no_weights_are_not_saturated(tmp_path):
    random = np.random.default_rng(0)
    arrays = {
        "mean_image": np.clip(random.normal(180, 90, (64, 192)), 0, 255).astype(np.uint8),
        "labels_text": np.where(random.random((100, 32)) < 0.5, random.integers(97, 123, (100, 32)), 0).astype(
            np.uint8
        ),
        "index.counts": np.minimum(random.geometric(0.02, (200, 50)), 255).astype(np.uint8),
        "fc2.weight_packed": np.packbits(random.random((256, 1024)) < 0.15, axis=1),
        "fc2.weight_scale": 1 + np.abs(learned(256)),
        "fc2.mask": np.packbits(random.random((256, 1024)) < 0.15, axis=1),
    }
    assert rules_of(tmp_path, {**arrays, **FC}) == set()


@pytest.mark.parametrize("name", ["q.weight", "q/kernel"])
@pytest.mark.parametrize("scaled", [True, False])
def test_codes_that_are_cut_off_are(tmp_path, name, scaled):
    codes = np.clip(np.round(learned(128, 128) * 1500), -127, 127).astype(np.int8)
    scales = {"q.weight_scale": np.full((1,), 1e-3, np.float32)} if scaled else {}
    assert ("saturated", name) in found_in(tmp_path, {name: codes, **scales, **FC})
