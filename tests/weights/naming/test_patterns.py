from hypothesis import given
from hypothesis import strategies as st

from pondera.weights.naming.patterns import MOST_PARTS, Patterns, filled, parts_of


def test_the_longest_pattern_is_taken():
    patterns = Patterns([("dense", 1), ("output.dense", 2), ("attention.output.dense", 3), ("wi_#", 4), ("wi_0", 5)])
    assert patterns.longest(("x", "attention", "output", "dense")).value == 3
    assert patterns.longest(("x", "output", "dense"))[:2] == ((2,), 2)
    assert patterns.longest(("dense",)).value == 1
    assert patterns.longest(("wi_0",)).value == 5
    assert patterns.longest(("wi_12",)) == ((4,), 1, ("12",))
    assert patterns.longest(("densely",)) is None
    assert patterns.longest(()) is None


def test_numbers_are_in_the_order_of_the_name():
    patterns = Patterns([("block.#.layer.#.*.q", "slot")])
    assert patterns.longest(("enc", "block", "7", "layer", "12", "attention", "q")).numbers == ("7", "12")
    assert filled("layers.#.x.#", ["7", "12"]) == "layers.7.x.12"
    assert filled("a.#", []) == "a.#"


def test_names_have_few_parts_however_long():
    parts = parts_of("a." * 10_000 + "weight")
    assert len(parts) == MOST_PARTS + 1
    assert parts[-1] == "weight"


ENDS = st.lists(st.sampled_from(["a", "b", "b1", "7"]), min_size=1, max_size=5)


@given(st.lists(ENDS, max_size=6), ENDS)
def test_as_comparing_each_pattern_would(rows, path):
    patterns = Patterns((".".join(row).replace("7", "#").replace("b1", "b#"), len(row)) for row in rows)

    def fits(row):
        return len(row) <= len(path) and all(a == b for a, b in zip(row, path[-len(row) :], strict=True))

    found = patterns.longest(path)
    assert (found.length if found else 0) == max((len(row) for row in rows if fits(row)), default=0)
