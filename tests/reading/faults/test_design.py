"""What is made by design looks like faults, and is none; the faults that look like it are found."""

import numpy as np
import pytest

from pondera.reading.faults.design import AVERAGE, DIAGONAL, KERNEL, MASK, WAVES, design_of
from pondera.reading.faults.facts import Facts
from pondera.reading.statistics import statistics_of
from pondera.weights.collection import Weights
from pondera.weights.tensor import Mapped, Tensor
from tests.reading.faults.files import found_in, learned, rules_of


def sincos(positions, width):
    """Give sines and cosines of places, (places, width), as position embeddings are made."""
    angles = np.outer(np.ravel(positions), 1 / 10_000 ** (np.arange(width // 2) / (width // 2)))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def grid(rows, columns, width):
    down, across = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    return np.concatenate([sincos(across, width // 2), sincos(down, width // 2)], axis=1)


TABLES = {
    "line": sincos(np.arange(1500), 384),
    "line after a token": np.concatenate([np.zeros((1, 256)), sincos(np.arange(196), 256)])[None],
    "grid": grid(14, 14, 768)[None],
    "grid after a token": np.concatenate([np.zeros((1, 768)), grid(14, 14, 768)])[None],
    "oblong grid": grid(8, 32, 256)[None],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", TABLES)
def test_tables_of_places_begin_with_zeros_by_design(tmp_path, name, dtype):
    table = {"encoder.pos_embed": TABLES[name].astype(dtype), "fc.weight": learned(64, 96)}
    assert rules_of(tmp_path, table, start=4096) == set()


@pytest.mark.parametrize("name", TABLES)
def test_zeros_in_the_middle_of_a_table_are_found(tmp_path, name):
    table = TABLES[name].astype(np.float32)
    table.reshape(-1)[20_001:22_000] = 0
    assert ("zero run", "encoder.pos_embed") in found_in(tmp_path, {"encoder.pos_embed": table})


def facts_of(array, name="x"):
    flat = np.ascontiguousarray(array).reshape(-1)
    tensor = Tensor(name, array.shape, flat.dtype.name, Mapped(flat.view(np.uint8).data, 0, flat.dtype, flat.size))
    return Facts(Weights.of([tensor], "test"), {name: statistics_of(tensor, 1)})


def in_each_channel(kernel, channels=32):
    return np.broadcast_to(np.asarray(kernel, np.float32), (channels, 1, *np.shape(kernel))).copy()


DESIGNED = {
    "derivative": (KERNEL, in_each_channel([[1, 0, -1], [2, 0, -2], [1, 0, -1]])),
    "derivative, places first": (KERNEL, in_each_channel([[1, 2, 1], [0, 0, 0]]).transpose(2, 3, 0, 1)),
    "average": (AVERAGE, in_each_channel(np.full((5, 5), 1 / 25))),
    "identity": (DIAGONAL, np.eye(64, dtype=np.float32)),
    "bilinear": (DIAGONAL, np.eye(21)[:, :, None, None] * np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25])),
    "mask": (MASK, np.triu(np.full((64, 64), -np.inf, np.float32), 1)),
    "finite mask": (MASK, np.triu(np.full((64, 64), np.finfo(np.float32).min, np.float32), 1)),
    "half mask": (MASK, np.triu(np.full((64, 64), -65504, np.float16), 1)),
    "waves": (WAVES, TABLES["grid"]),
}

NOT_DESIGNED = {
    "learned": learned(32, 1, 5, 5),
    "a constant that is no average": in_each_channel(np.full((5, 5), 0.3)),
    "rows that are the same": np.repeat(learned(1, 64), 32, axis=0),
    "a diagonal that learned": np.diag(learned(64)),
    "zeros": np.zeros((8, 8), np.float32),
    "a few large values": np.where(np.eye(64) > 0, learned(64, 64) - 1e5, 0).astype(np.float32),
    "broken": np.full((32, 1, 3, 3), np.nan, np.float32),
    "a number": np.float32(3),
}


@pytest.mark.parametrize("name", DESIGNED)
def test_designs_are_known_by_what_they_are(name):
    design, values = DESIGNED[name]
    assert design_of(facts_of(values), "x") == design


@pytest.mark.parametrize("name", NOT_DESIGNED)
def test_what_learned_is_no_design(name):
    assert design_of(facts_of(np.asarray(NOT_DESIGNED[name])), "x") == ""


def test_a_design_is_asked_for_once(monkeypatch):
    facts = facts_of(np.eye(16, dtype=np.float32))
    assert design_of(facts, "x") == DIAGONAL
    facts.designs["x"] = "as it was found"
    assert design_of(facts, "x") == "as it was found"


def test_filters_and_masks_give_no_findings(tmp_path):
    arrays = {f"{at}.weight": values for at, (_, values) in enumerate(DESIGNED.values())}
    arrays = {name: values.astype(np.float32) for name, values in arrays.items() if values.dtype != np.float16}
    assert rules_of(tmp_path, {**arrays, "fc.weight": learned(64, 96)}) == set()


def test_a_constant_filter_that_is_no_average_is_found(tmp_path):
    assert rules_of(tmp_path, {"dw.weight": in_each_channel(np.full((5, 5), 0.3))}) == {"constant"}
