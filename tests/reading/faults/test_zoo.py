"""The zoo that the rules are calibrated on: parts that share nothing, healthy forms, planted faults."""

import itertools

import numpy as np
import pytest

from benchmarks.zoo import at_least, at_most, read
from benchmarks.zoo_faults import FAULTS, Damage
from benchmarks.zoo_forms import FORMS
from benchmarks.zoo_networks import DENSE, FLAX, KERAS, PYTORCH, Slot, Specimen, Trained, specimen
from benchmarks.zoo_parts import FIRST, PARTS
from tests.reading.faults.test_faults import trained


def blocks(style):
    """Give a network of four blocks, as training leaves it."""
    names = [f"blocks.{k}.attn.{part}_proj" for k in range(4) for part in "qkv"]
    slots = {name: Slot("dense", (64, 64), DENSE, bias=not name.endswith("v_proj")) for name in names}
    arrays, starts = {}, {}
    random = np.random.default_rng(0)
    for at, name in enumerate(names):
        arrays[f"{name}.weight"] = trained(at, (64, 64))
        starts[f"{name}.weight"] = random.uniform(-1, 1, (64, 64)).astype(np.float32) * np.float32(np.sqrt(3 / 64))
        if slots[name].bias:
            arrays[f"{name}.bias"], starts[f"{name}.bias"] = trained(at, (1, 64))[0], np.zeros(64, np.float32)
    return specimen(Trained(slots, starts, arrays, "blocks"), style, chain=True)


def test_parts_share_nothing():
    for one, other in itertools.combinations(PARTS.values(), 2):
        for name, mine, theirs in zip(one._fields, one, other, strict=True):
            if name == "optimizers":
                mine, theirs = ({each[0] for each in some} for some in (mine, theirs))
            shared = set(mine) & set(theirs) if isinstance(mine, (tuple, set)) else mine == theirs
            assert not shared, name


@pytest.mark.parametrize("style", [PYTORCH, KERAS, FLAX])
@pytest.mark.parametrize("form", FORMS)
def test_healthy_forms_are_healthy(tmp_path, style, form):
    changed = FORMS[form].change(blocks(style), FIRST, np.random.default_rng(0))
    assert {rule for rule, _ in read(changed, tmp_path).places} <= FORMS[form].true_of_it


@pytest.mark.parametrize("label", [label for label in FAULTS if label != "untrained, bias trained"])
def test_planted_faults_are_there(tmp_path, label):
    fault, network, random = FAULTS[label], blocks(PYTORCH), np.random.default_rng(1)
    name = random.permutation(list(fault.places(network)))[0]
    made = fault.plant(network, str(name), random)
    damage = made if isinstance(made, Damage) else None
    faulty = made if isinstance(made, Specimen) else network.changed({} if damage else made)
    assert read(faulty, tmp_path, damage).where(fault.found_by or (label.partition(",")[0],))


def test_bounds_of_clopper_and_pearson():
    assert at_least(0, 9) == 0
    assert at_most(9, 9) == 1
    assert 0.89 < at_least(58, 60) < 58 / 60
    assert at_most(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
