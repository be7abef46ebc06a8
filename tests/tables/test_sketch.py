import numpy as np
import pytest

from pondera.tables.sketch import KEPT, Sketch

RANDOM = np.random.default_rng(0)


def test_of_few_rows_every_one_is_known():
    x = RANDOM.normal(size=(KEPT, 5)).astype(np.float32)
    seen = Sketch.of(x)
    assert seen.whole
    assert seen.among(x).all()
    assert not seen.among(x + np.float32(1e-3)).any()
    assert not seen.among(x[:, ::-1]).any()


def test_of_many_rows_a_sample_is_known():
    x, other = RANDOM.normal(size=(2, 20_000, 3)).astype(np.float32)
    mixed = np.concatenate([x[:6000], other[:2000]])
    found = Sketch.of(x).among(mixed)
    told = found[np.isfinite(found)]
    assert len(told) == pytest.approx(KEPT * 8000 / 20_000, rel=0.25)
    assert told.mean() == pytest.approx(0.75, abs=0.08)
    assert not np.nan_to_num(found[6000:]).any()


def test_order_and_copies_change_nothing_and_parts_can_be_added():
    x = RANDOM.normal(size=(3000, 4)).astype(np.float32)
    whole = Sketch.of(x)
    assert Sketch.of(np.concatenate([x[::-1], x[:100]])) == whole
    assert Sketch.of(x[:1000]).with_rows(x[1000:]) == whole
    assert Sketch.of(x[:9]).with_rows(x[:0]) == Sketch.of(x[:9])


def test_what_counts_is_the_value():
    assert Sketch.of(np.array([[0.0, 1.0]])).among(np.array([[-0.0, 1.0]], np.float32)).tolist() == [1.0]


def test_hashes_are_the_same_on_every_machine():
    assert Sketch.of(np.array([[1.0, 2.0]])).to_text() == "all:Dc/NY/ex8cU="


@pytest.mark.parametrize("text", ["", "all", "all:", "all:???", "all:AAAA", "some:", "none:AAAAAAAAAAA="])
def test_what_is_no_sketch_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        Sketch.from_text(text)
