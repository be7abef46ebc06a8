"""What follows what is told by numbers in names, never by where tensors stand in a file."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import pondera
from tests.reading.faults.files import found_in, learned
from tests.reading.faults.test_faults import trained

NAMES = {
    "PyTorch's Sequential": [f"net.{2 * k}.weight" for k in range(12)],
    "attributes": [f"fc{k + 1}.weight" for k in range(12)],
    "blocks of several": [f"stage{k // 4}.{k // 2 % 2}.fc{k % 2}.weight" for k in range(12)],
    "Keras": ["dense/kernel", *(f"dense_{k}/kernel" for k in range(1, 12))],
    "Flax": [f"params/Dense_{k}/kernel" for k in range(12)],
}


def rules_of(tmp_path, arrays, order=None):
    """Give the rules, and where, of a file whose tensors stand in an order."""
    names = list(arrays) if order is None else [list(arrays)[at] for at in order]
    place = tmp_path / "network.npz"
    np.savez(place, **{name: arrays[name] for name in names})  # in the order given, unlike safetensors
    return {(each.rule, each.where) for each in pondera.read(place, doubtful=True).findings}


def layers(names, gain=1.0):
    """Give square layers, so that every order of them fits."""
    found = {}
    for at, name in enumerate(names):
        found[name] = (gain * trained(at, (32, 32))).astype(np.float32)
        found[name.replace("weight", "bias").replace("kernel", "bias")] = trained(at, (2, 32))[0]
    return found


@pytest.mark.parametrize("scheme", NAMES)
def test_the_order_of_a_file_changes_nothing(tmp_path, scheme):
    random = np.random.default_rng(0)
    assert rules_of(tmp_path, layers(NAMES[scheme])) == set()
    arrays = layers(NAMES[scheme], 10)
    expected = {("possibly scale along depth", NAMES[scheme][0])}
    assert rules_of(tmp_path, arrays) == expected
    for order in (np.argsort(list(arrays)), random.permutation(24)):
        assert rules_of(tmp_path, arrays, order) == expected


def test_every_odd_layer_is_named(tmp_path):
    arrays = layers(NAMES["attributes"])
    for name in ("fc3.weight", "fc11.weight"):
        arrays[name] = 200 * arrays[name]
    np.savez(tmp_path / "network.npz", **arrays)
    (finding,) = pondera.read(tmp_path / "network.npz").findings
    assert finding.where == "fc3.weight"
    assert finding.statement.endswith("Also out of scale: fc11.weight.")


def test_the_first_layer_of_keras_is_of_the_series(tmp_path):
    arrays = layers(NAMES["Keras"])
    arrays["dense/kernel"] = 100 * arrays["dense/kernel"]
    assert ("scale along depth", "dense/kernel") in rules_of(tmp_path, arrays)


def test_a_trend_is_one_of_the_numbers(tmp_path):
    arrays = {name: 1.5 ** (at // 2) * array for at, (name, array) in enumerate(layers(NAMES["attributes"]).items())}
    order = np.random.default_rng(0).permutation(24)
    found = rules_of(tmp_path, {**arrays, "norm.weight": np.ones(32, np.float32)}, [*order, 24])
    assert [rule for rule, _ in found] == ["scale along depth"]


@pytest.mark.parametrize(
    "names",
    [
        [f"experts.{k}.weight" for k in range(8)],
        [f"SelfAttentionHead_{k}.weight" for k in range(8)],
        [f"block.{k // 2}.{('up', 'down')[k % 2]}.weight" for k in range(8)],
        ["first.weight", "second.weight", "third.weight", "fourth.weight", "fifth.weight", "sixth.weight"],
    ],
    ids=["beside each other", "heads", "two series counted together", "no numbers"],
)
def test_nothing_is_said_where_nothing_tells_what_follows_what(tmp_path, names):
    assert rules_of(tmp_path, layers(names, 10)) == set()


@pytest.mark.parametrize("shape", [(32, 48), (32, 64)])  # twice as many inputs are no places of a convolution
def test_layers_that_do_not_fit_each_other_are_no_series(tmp_path, shape):
    arrays = {f"net.{k}.weight": (10 * trained(k, shape)).astype(np.float32) for k in range(6)}
    arrays |= {f"net.{k}.bias": trained(k, (2, shape[0]))[0] for k in range(6)}
    assert rules_of(tmp_path, arrays) == set()


def test_what_damage_makes_of_the_product_is_no_finding_of_its_own(tmp_path):
    arrays = layers([f"fc{k}.weight" for k in range(1, 9)])
    damaged = np.tile(arrays["fc5.weight"], (4, 4)) * np.random.default_rng(3).lognormal(0, 0.1, (128, 128))
    arrays = {name: np.tile(array, (4,) * array.ndim) for name, array in arrays.items()} | {
        "fc5.weight": damaged.astype(np.float32)
    }
    data = arrays["fc5.weight"].reshape(-1).view(np.uint8)
    data[8192:16384] = np.random.default_rng(0).integers(0, 256, 8192)
    data.view(np.float32)[~np.isfinite(data.view(np.float32))] = 1e30
    np.savez(tmp_path / "damaged.npz", **arrays)
    found = {each.rule: each for each in pondera.read(tmp_path / "damaged.npz", doubtful=True).findings}
    assert "random bytes" in found
    assert not {"scale along depth", "possibly scale along depth"} & found.keys()
    assert {"scale along depth", "possibly scale along depth"} & set(found["random bytes"].figures["consequences"])


def test_which_place_is_named_first_does_not_depend_on_the_order(tmp_path):
    arrays = layers([f"net.{k}.weight" for k in range(12)])
    arrays["net.5.bias"][3], arrays["net.11.bias"][0] = np.nan, np.inf
    statements = set()
    for order in (range(24), np.argsort(list(arrays)), np.random.default_rng(1).permutation(24)):
        names = [list(arrays)[at] for at in order]
        np.savez(tmp_path / "network.npz", **{name: arrays[name] for name in names})
        statements |= {each.statement for each in pondera.read(tmp_path / "network.npz", doubtful=True).findings}
    assert statements == {"net.5.bias has 1 NaN among 32 values. Also in 1 other place: net.11.bias."}


def test_a_detector_sorted_by_name(tmp_path):
    """Convolutions, a recurrent cell and a computed basis, that seem to follow each other when sorted by name."""
    random = np.random.default_rng(0)

    def drawn(*shape, gain):
        array = random.standard_t(5, shape) * random.lognormal(0, 0.4, (shape[0], *(1 for _ in shape[1:])))
        return (gain * array / np.sqrt((array**2).sum() / shape[0])).astype(np.float32)

    turns = np.outer(np.arange(129), np.arange(256)) / 256
    waves = np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)]) * np.hanning(256)
    arrays = {
        "stft_conv.weight": waves[:, None].astype(np.float32),
        "conv1.weight": drawn(128, 129, 3, gain=5),
        "conv2.weight": drawn(64, 128, 3, gain=4),
        "conv3.weight": drawn(64, 64, 3, gain=3),
        "conv4.weight": drawn(128, 64, 3, gain=3),
        "lstm_cell.weight_ih": drawn(512, 128, gain=3),
        "lstm_cell.weight_hh": drawn(512, 128, gain=3),
        "final_conv.weight": drawn(1, 128, 1, gain=20),
    }
    save_file(arrays, tmp_path / "sorted.safetensors")
    assert pondera.read(tmp_path / "sorted.safetensors", doubtful=True).findings == ()
    assert rules_of(tmp_path, arrays) == set()


def blocks(factor, variance):
    """Give eight convolutions, each before a normalization of its own; one is out of scale."""
    arrays = {}
    for at in range(8):
        odd = at == 5
        kernel = learned(32, 32, 3, 3, seed=at)
        arrays[f"layer3.{at}.conv2.weight"] = (kernel * (factor if odd else 1)).astype(np.float32)
        values = {"weight": 1 + learned(32, seed=at), "bias": learned(32), "running_mean": learned(32, seed=at + 9)}
        values["running_var"] = (1 + np.abs(learned(32))) * (variance if odd else 1)
        arrays |= {f"layer3.{at}.bn2.{part}": np.asarray(each, np.float32) for part, each in values.items()}
    return arrays


@pytest.mark.parametrize("factor", [1e-2, 100])
def test_what_the_normalization_after_it_divides_by_is_not_out_of_scale(tmp_path, factor):
    assert "scale along depth" not in {rule for rule, _ in found_in(tmp_path, blocks(factor, factor**2))}
    found = found_in(tmp_path, blocks(factor, 1))
    assert ("scale along depth", "layer3.5.conv2.weight") in found  # the variance tells that it was not so in training
    words = "times larger than" if factor > 1 else "times smaller than"
    assert words in found["scale along depth", "layer3.5.conv2.weight"].statement


@pytest.mark.parametrize(("factor", "expected"), [(1, False), (30, False), (1000, True), (1e-3, True)])
def test_gains_of_normalizations_are_compared_along_depth(tmp_path, factor, expected):
    arrays = {f"blocks.{i}.norm.weight": (1 + learned(64, seed=i)) * (factor if i == 2 else 1) for i in range(6)}
    arrays |= {f"blocks.{i}.norm.bias": learned(64, seed=i) for i in range(6)}
    found = found_in(tmp_path, {name: np.asarray(values, np.float32) for name, values in arrays.items()})
    assert (("scale along depth", "blocks.2.norm.weight") in found) == expected


def test_convolutions_that_began_at_zero_have_come_as_far_as_they_have(tmp_path):
    for name, expected in (("controlnet_down_blocks", set()), ("blocks", {"scale along depth"})):
        arrays = {f"{name}.{i}.weight": 10 ** (0.5 * i - 3) * learned(64, 64, 1, 1, seed=i) for i in range(8)}
        arrays |= {f"{name}.{i}.bias": learned(64, seed=i) for i in range(8)}
        arrays = {each: values.astype(np.float32) for each, values in arrays.items()}
        found = {rule for rule, _ in found_in(tmp_path, arrays)}
        assert found & {"scale along depth"} == expected
        assert expected or "possibly scale along depth" not in found
