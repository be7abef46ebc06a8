"""Blocks that lack a tensor, and blocks that are of another kind."""

import pytest

from tests.reading.faults.test_faults import facts_of, findings_of, trained


def missing(blocks):
    """Give what is missing of blocks, each a text of names."""
    arrays = {
        f"model.layers.{number}.{name}.{role}": trained(number, (8, 8) if role == "weight" else (1, 8))
        for number, names in blocks.items()
        for name, _, roles in (part.partition(":") for part in names.split())
        for role in (roles or "weight").split(",")
    }
    found = [each for each in findings_of(facts_of(arrays)) if each.rule == "missing tensor"]
    return [name.removeprefix("model.layers.") for each in found for name in each.figures["missing"]]


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ({2: "q k:weight,bias"}, ["2.v.weight"]),
        ({2: "q k"}, ["2.k.bias", "2.v.weight"]),
        ({0: "q k v"}, ["0.k.bias"]),
        ({0: "q k:weight,bias"}, []),  # the first has no such layer
        ({4: "q k:weight,bias"}, []),
        ({2: "mixer q"}, []),  # a block of another kind
        ({1: "q k:weight,bias", 3: "q k:weight,bias"}, []),
    ],
)
def test_what_one_block_lacks(odd, expected):
    assert missing(dict.fromkeys(range(5), "q k:weight,bias v") | odd) == expected
