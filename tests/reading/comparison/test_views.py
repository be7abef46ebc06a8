import numpy as np
import pytest

from pondera.reading.comparison import relations as ways
from pondera.reading.comparison import views
from pondera.reading.comparison.alike import stored_alike
from pondera.reading.comparison.measure import differences_of
from pondera.reading.comparison.relations import likeness, parts, relations
from pondera.reading.comparison.views import View, simplified, tile_size, tiles

RANDOM = np.random.default_rng(0)


def read(view):
    return view.tile((0,) * len(view.lengths), view.lengths).reshape(view.lengths)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_views_are_numpys(one, order):
    array = RANDOM.normal(size=(4, 6, 5)).astype(np.float32)
    view = View.of(one(array))
    np.testing.assert_array_equal(read(view.transposed(order)), array.transpose(order))
    np.testing.assert_array_equal(read(view.part(1, 2, 3)), array[:, 2:5])
    np.testing.assert_array_equal(read(view.split(1, (2, 3))), array.reshape(4, 2, 3, 5))
    assert view.straight
    assert not view.part(1, 2, 3).straight
    assert view.part(0, 1, 2).straight


def test_tiles_cover_everything_once(one, monkeypatch):
    monkeypatch.setattr(views, "TILE", 64)
    monkeypatch.setattr(views, "EDGE", 4)
    array = np.arange(30 * 17, dtype=np.float32).reshape(30, 17)
    left, right = simplified(View.of(one(array)).transposed((1, 0)), View.of(one(np.ascontiguousarray(array.T))))
    seen = []
    for start, size in tiles(left.lengths, tile_size(left, right)):
        assert np.prod(size) <= 64
        a, b = left.tile(start, size), right.tile(start, size)
        np.testing.assert_array_equal(a, b)
        seen.append(a)
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(30 * 17))


def test_transposed_blocks_are_read_in_parts(one, in_q8, monkeypatch):
    monkeypatch.setattr(views, "TILE", 256)
    monkeypatch.setattr(views, "EDGE", 8)
    array = RANDOM.normal(size=(64, 96)).astype(np.float32)
    encoded = in_q8("w", array)
    turned = np.ascontiguousarray(array.T)
    found = differences_of(View.of(one(turned)), View.of(encoded).transposed((1, 0)))
    assert found.max == np.abs(array.astype(np.float64) - encoded.values()).max()


def test_joined_axes_say_the_same(one):
    array = one(np.zeros((3, 1, 4, 5), np.float32))
    assert simplified(View.of(array), View.of(array))[0].lengths == (60,)
    moved = View.of(array).transposed((2, 1, 0, 3))
    assert simplified(moved, View.of(array, moved.lengths))[0].lengths == (4, 3, 5)
    assert simplified(View.of(one(np.array(1.0))), View.of(one(np.array(1.0))))[0].lengths == (1,)


def best(a, b):
    return max(relations(a, b), key=likeness)


def test_the_way_values_lie_is_found(one):
    array = RANDOM.normal(size=(48, 40)).astype(np.float32)
    assert best(one(array), one(array)).kind == ways.SAME
    assert best(one(array), one(np.ascontiguousarray(array.T))).kind == ways.TRANSPOSED
    noisy = (array + 0.3 * RANDOM.normal(size=array.shape)).T.astype(np.float32)
    assert best(one(array), one(np.ascontiguousarray(noisy))).kind == ways.TRANSPOSED
    kernel = RANDOM.normal(size=(3, 5, 4, 8)).astype(np.float32)  # height, width, inputs, outputs
    found = best(one(kernel), one(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))))
    assert found.kind == ways.TRANSPOSED
    assert likeness(found) == 1.0
    heads = RANDOM.normal(size=(32, 4, 8)).astype(np.float32)  # inputs, heads, units of a head
    found = best(one(heads), one(np.ascontiguousarray(heads.transpose(1, 2, 0).reshape(32, 32))))
    assert likeness(found) == 1.0
    back = best(one(np.ascontiguousarray(heads.transpose(1, 2, 0).reshape(32, 32))), one(heads))
    assert likeness(back) == 1.0


@pytest.mark.parametrize(("rows", "heads"), [(64, 4), (64, 16), (96, 8), (48, 6)])
def test_the_order_of_rotary_embeddings_is_found(one, rows, heads):
    """As convert_hf_to_gguf.py permutes query and key."""
    array = RANDOM.normal(size=(rows, 40)).astype(np.float32)
    turned = array.reshape(heads, 2, rows // heads // 2, 40).swapaxes(1, 2).reshape(array.shape)
    for a, b in ((array, turned), (turned, array)):
        found = best(one(a), one(np.ascontiguousarray(b)))
        assert (found.kind, likeness(found)) == (ways.ROTARY, 1.0)
        assert f"{heads} heads of {rows // heads}" in found.words


def test_parts_of_fused_tensors_are_found(one):
    q, k, v = (RANDOM.normal(size=(32, 24)).astype(np.float32) for _ in range(3))
    rows = one(np.concatenate([q, k, v]))
    columns = one(np.concatenate([q.T, k.T, v.T], axis=1))
    by_head = one(np.stack([each.reshape(4, 8, 24) for each in (q, k, v)], axis=1).reshape(96, 24))
    stack = one(np.stack([q, k, v]))
    for whole in (rows, columns, by_head, stack):
        starts = []
        for each in (q, k, v):
            found = max(parts(one(each), whole), key=likeness)
            assert likeness(found) == 1.0
            starts.append(found.place)
        assert len(set(starts)) == 3
    grouped = one(np.concatenate([q, k[:8], v[:8]]))  # fewer heads for key and value
    assert [
        max(parts(one(np.ascontiguousarray(each)), grouped), key=likeness).place[1] for each in (q, k[:8], v[:8])
    ] == [
        0,
        32,
        40,
    ]


@pytest.mark.parametrize("scale", [1.0, 1e30])
@pytest.mark.parametrize("count", [1, 2, 3, 16, 700])
def test_stacks_are_looked_through_as_by_every_sample(one, monkeypatch, count, scale):
    """Asking all of a stack at once leaves out none that a sample would have taken."""
    stack = (RANDOM.normal(size=(900, count)) * scale).astype(np.float64)
    stack[5] = stack[7] = 0
    stack[9, 0] = np.nan
    stack[11] = np.inf
    monkeypatch.setattr(ways, "TILE", 4096)
    whole = one(stack)
    rounded = stack[30] * (1 + 1e-4 * RANDOM.normal(size=count))
    for values in (stack[3], stack[7], stack[9], stack[11], rounded, RANDOM.normal(size=count)):
        small = one(values.copy())
        expected = [
            at
            for at in range(len(stack))
            if likeness(ways.Relation(ways.PART, View.of(small, (1, count)), View.of(whole).part(0, at, 1))) >= 0
        ]
        found = [each.place[1] for each in parts(small, whole) if "stack" in each.words and likeness(each) >= 0]
        assert found == expected


def test_constants_are_found_in_a_stack_of_them(one):
    whole = one(np.arange(500.0))
    assert [each.place for each in parts(one(np.array([123.0])), whole)] == [(0, 123, 1)]
    assert not list(parts(one(np.array([0.5])), whole))


def test_chance_does_not_look_like_a_relation(one):
    for shape in ((64, 64), (8, 8), (16,), (5,), (2, 2)):
        for _ in range(30):
            a, b = (one(RANDOM.normal(size=shape).astype(np.float32)) for _ in range(2))
            assert all(likeness(each) < 0 for each in relations(a, b))


def test_constants_belong_together_where_they_are_equal(one):
    zeros, ones = one(np.zeros(40, np.float32)), one(np.ones(40, np.float32))
    assert likeness(best(zeros, zeros)) == 1.0
    assert likeness(best(zeros, ones)) < 0


def test_the_same_bytes(one):
    array = RANDOM.normal(size=3_000_001).astype(np.float32)
    other = array.copy()
    assert stored_alike(View.of(one(array)), View.of(one(other)))
    other[-1] += 1
    assert not stored_alike(View.of(one(array)), View.of(one(other)))
    assert not stored_alike(View.of(one(array)), View.of(one(array.astype(np.float64))))
    nan = np.array([np.nan, 0.0])
    assert stored_alike(View.of(one(nan)), View.of(one(nan.copy())))
    assert not stored_alike(View.of(one(nan)), View.of(one(-nan)))
