import itertools
import json
import math

import numpy as np
import pytest

from pondera.errors import ArgumentError
from pondera.reading.units import duplicates, layout, units
from pondera.reading.units.units import units_of
from pondera.weights.collection import Weights
from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, STACK, Layer
from pondera.weights.tensor import DTYPES, Mapped, Tensor

RANDOM = np.random.default_rng(0)
SIZES = {STACK: 3, OUTPUTS: 11, INPUTS: 7, KERNEL: 2}
LAYOUTS = [
    *itertools.permutations((OUTPUTS, INPUTS)),
    *itertools.permutations((OUTPUTS, INPUTS, KERNEL, KERNEL)),
    *itertools.permutations((STACK, OUTPUTS, INPUTS)),
    *itertools.permutations((STACK, OUTPUTS, INPUTS, KERNEL)),
    (INPUTS, OUTPUTS, OUTPUTS),
    (OUTPUTS,),
]


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    monkeypatch.setattr(layout, "STRETCH", 37)
    monkeypatch.setattr(units, "ALONE", 50)


def held(values, axes=(OUTPUTS, INPUTS)):
    """Give an array as a layer and its weights."""
    source = Mapped(memoryview(values.tobytes()), 0, values.dtype, values.size)
    tensor = Tensor("w", values.shape, values.dtype.name, source)
    return Layer("layer", "dense", {"weight": "w"}, {"weight": tuple(axes)}), Weights.of([tensor], "memory")


def of(values, axes=(OUTPUTS, INPUTS), **more):
    return units_of(*held(values, axes), **more)


def pairs_of(matrix):
    """Give the pairs of rows with a cosine of at least 0.9999 in size, from all of them."""
    matrix = matrix.astype(np.float64)
    lengths = np.linalg.norm(matrix, axis=1)
    lengths[(lengths == 0) | ~np.isfinite(lengths)] = np.inf
    cosines = np.nan_to_num(matrix / lengths[:, None] @ (matrix / lengths[:, None]).T)
    return {
        (int(a), int(b)): cosines[a, b] for a, b in zip(*np.nonzero(np.triu(np.abs(cosines) >= 0.9999, 1)), strict=True)
    }


@pytest.mark.parametrize("axes", LAYOUTS, ids=" ".join)
def test_every_layout(axes):
    values = RANDOM.standard_normal([SIZES[axis] for axis in axes]).astype(np.float32)
    layer, weights = held(values, axes)
    order = layer.order("weight")
    upright = values.transpose(order).astype(np.float64)
    sizes = [values.shape[at] for at in order if axes[at] in (STACK, OUTPUTS)]
    inputs = math.prod(values.shape[at] for at in order if axes[at] == INPUTS)
    cube = upright.reshape(math.prod(sizes), inputs, -1)  # (outputs, inputs, places of the kernel)
    for threads in (1, 3):
        found = units_of(layer, weights, threads=threads)
        np.testing.assert_allclose(found.outputs, np.sqrt((cube**2).sum(axis=(1, 2))), rtol=1e-12)
        np.testing.assert_allclose(found.inputs, np.sqrt((cube**2).sum(axis=(0, 2))), rtol=1e-12)
        assert found.strength == pytest.approx(np.linalg.norm(cube) / math.sqrt(len(cube)), rel=1e-12)
        ranked = np.sort(np.abs(values), axis=None)
        assert [abs(each.value) for each in found.strongest] == ranked[:-6:-1].tolist()
        assert [abs(each.value) for each in found.weakest] == ranked[:5].tolist()
        for each in found.strongest + found.weakest:
            assert values[each.place] == each.value
            assert each.value in cube[each.output, each.input].astype(np.float32)


@pytest.mark.parametrize("name", [name for name, kind in DTYPES.items() if not name.startswith(("complex", "bool"))])
def test_every_dtype(name):
    values = (np.abs(RANDOM.standard_normal((40, 30))) * 5).astype(DTYPES[name])
    exact = values.astype(np.float64)
    found = of(values)
    np.testing.assert_allclose(found.outputs, np.linalg.norm(exact, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.inputs, np.linalg.norm(exact, axis=0), rtol=1e-6)
    assert found.strongest[0].value == exact.max()


def test_dead_units_and_connections_that_are_none():
    values = RANDOM.standard_normal((12, 20)).astype(np.float32)
    values[3] = values[7] = 0
    values[:, 5] = -0.0
    values[2, 6] = 1e-45  # denormal: not 0
    found = of(values)
    assert (found.dead_outputs, found.dead_inputs) == ((3, 7), (5,))
    assert (found.weakest[0].place, found.duplicates.total) == ((2, 6), 0)
    few = of(np.array([[0, 2, 0], [0, 0, -3]], np.float32))
    assert [each.value for each in few.strongest] == [-3, 2]
    assert [each.value for each in few.weakest] == [2, -3]
    nothing = of(np.zeros((9, 9), np.float32))
    assert (nothing.strength, nothing.strongest, len(nothing.dead_outputs)) == (0.0, (), 9)


@pytest.mark.parametrize("axes", [(OUTPUTS, INPUTS), (INPUTS, OUTPUTS)])
def test_what_is_not_finite_counts_as_nothing_but_is_told(axes):
    values = RANDOM.standard_normal((10, 16)).astype(np.float32)
    values[4], values[6] = 0, values[1]
    values[4, 3], values[6, 8], values[0, 0] = np.nan, np.inf, -np.inf
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    found = of(values if axes[0] == OUTPUTS else values.T.copy(), axes)
    np.testing.assert_allclose(found.outputs, np.linalg.norm(finite, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.inputs, np.linalg.norm(finite, axis=0), rtol=1e-12)
    assert (found.broken, found.dead_outputs, found.duplicates.total) == (3, (), 0)
    assert all(math.isfinite(each.value) for each in found.strongest)
    json.dumps(found.to_json(), allow_nan=False)


def test_of_equals_the_first_is_told():
    values = np.where(RANDOM.random((30, 30)) < 0.5, -1, 1).astype(np.float32)
    for threads in (1, 2):
        found = of(values, threads=threads)
        assert [each.place for each in found.strongest] == [(0, k) for k in range(5)]
        assert [each.place for each in found.weakest] == [(0, k) for k in range(5)]


@pytest.mark.parametrize("axes", [(OUTPUTS, INPUTS), (INPUTS, OUTPUTS), (STACK, INPUTS, OUTPUTS)])
def test_near_duplicates(axes):
    matrix = RANDOM.standard_normal((60, 24))
    matrix[10] = matrix[3] * 2.5
    matrix[40] = -matrix[3] * 0.1
    matrix[22] = matrix[50] + RANDOM.standard_normal(24) * 0.004  # a cosine of about 0.99999
    matrix[30] = matrix[51] + RANDOM.standard_normal(24) * 0.05  # and of about 0.999
    matrix[7] = 0
    matrix = matrix.astype(np.float32)
    if axes[0] == STACK:
        values = matrix.reshape(3, 20, 24).transpose(0, 2, 1)
    else:
        values = matrix if axes[0] == OUTPUTS else matrix.T
    found = of(np.ascontiguousarray(values), axes).duplicates
    exact = pairs_of(matrix)
    assert (found.total, found.complete) == (4, True) == (len(exact), True)
    told = {(each.first, each.second): each.cosine for each in found.pairs}
    assert set(told) <= set(exact)
    assert (22, 50) in told
    for pair, cosine in told.items():
        assert cosine == pytest.approx(exact[pair], abs=1e-9)


def test_many_that_are_the_same_are_all_counted(monkeypatch):
    kinds = RANDOM.standard_normal((3, 16))
    matrix = kinds[RANDOM.integers(0, 3, 500)] * np.where(RANDOM.random((500, 1)) < 0.5, -1, 1)
    matrix = matrix.astype(np.float32)
    monkeypatch.setattr(duplicates, "GATHERED", 16 * 16 * 40)  # 40 pairs at a time
    for values, axes in ((matrix, (OUTPUTS, INPUTS)), (matrix.T.copy(), (INPUTS, OUTPUTS))):
        found = of(values, axes).duplicates
        assert found.total == len(pairs_of(matrix))
        assert found.opposite == sum(cosine < 0 for cosine in pairs_of(matrix).values())
        assert sum(pair.cosine < 0 for pair in found.pairs) == duplicates.LISTED == len(found.pairs) // 2
    constant = of(np.full((300, 16), 0.5, np.float32)).duplicates
    assert (constant.total, constant.complete) == (300 * 299 // 2, True)


def test_copies_rounded_to_eight_bits_are_found():
    matrix = RANDOM.standard_normal((200, 64)).astype(np.float32)
    matrix[100:] = (matrix[:100] * 1.37).astype(DTYPES["bfloat16"]).astype(np.float32)
    found = of(matrix).duplicates
    assert found.total == 100 == len(pairs_of(matrix))


@pytest.mark.parametrize("angle", [0, 1e-3])
def test_pairs_of_either_sign_are_counted_apart(angle):
    """Near ones too, where groups of units that are the same lie beside each other."""
    kinds = RANDOM.standard_normal((2, 32))
    kinds[1] = kinds[0] + angle * kinds[1]
    matrix = kinds[RANDOM.integers(0, 2, 60)] * np.where(RANDOM.random((60, 1)) < 0.3, -2, 1)
    found, exact = of(matrix).duplicates, pairs_of(matrix)
    assert (found.total, found.opposite) == (len(exact), sum(cosine < 0 for cosine in exact.values()))


def test_more_pairs_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(duplicates, "ROOM", 100)
    near = RANDOM.standard_normal(64) + RANDOM.standard_normal((60, 64)) * 1e-3
    found = of(near.astype(np.float32)).duplicates
    assert not found.complete
    assert found.total == 100 < len(pairs_of(near))


def test_units_of_few_weights_are_not_compared():
    found = of(np.ones((5, 7), np.float32)).duplicates
    assert (found.total, found.pairs) == (None, ())


def test_neither_matrices_nor_axes_that_do_not_fit():
    layer, weights = held(np.zeros((2, 3), np.float32))
    with pytest.raises(ArgumentError, match=r"layer has no connections called 'recurrent'\. It has: weight"):
        units_of(layer, weights, "recurrent")
    with pytest.raises(ArgumentError, match="complex"):
        of(np.zeros((2, 3), np.complex64))
    with pytest.raises(ArgumentError, match=r"w has the shape \(2, 3\); axes"):
        of(np.zeros((2, 3), np.float32), (OUTPUTS,))
    empty = of(np.zeros((0, 3), np.float32))
    assert (empty.strength, empty.inputs.tolist()) == (0.0, [0.0, 0.0, 0.0])
