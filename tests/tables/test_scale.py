import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import RobustScaler, StandardScaler

from pondera.errors import ArgumentError, ShapeError
from pondera.tables import SCALINGS, Scaling, TargetScaling
from pondera.tables.figures import distribution

HOW = sorted(SCALINGS)
NAN = float("nan")

values = st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 0.1, 1.0, NAN])
matrices = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=values)


@pytest.mark.parametrize("rows", [101, 200, 4999])
def test_robust_agrees_with_scikit_learn_up_to_the_rule_for_quantiles(rows):
    matrix = np.random.default_rng(rows).normal(5, 3, size=(rows, 4))
    scaling = Scaling.fit(matrix, "robust")
    expected = RobustScaler().fit(matrix)
    np.testing.assert_allclose(scaling.center, expected.center_, atol=3 / rows)
    np.testing.assert_allclose(1 / np.array(scaling.factor), expected.scale_, rtol=15 / rows)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 8, 100, 1001])
@pytest.mark.parametrize("q", [0.25, 0.5, 0.75])
def test_quantiles_are_numpys_averaged_inverted_cdf(rows, q):
    column = np.random.default_rng(rows).integers(0, 50, rows).astype(float)
    assert distribution(column).quantile(q) == np.quantile(column, q, method="averaged_inverted_cdf")


def test_standard_agrees_with_scikit_learn():
    matrix = np.random.default_rng(0).normal(5, 3, size=(1000, 3))
    matrix[::7, 1] = NAN
    scaling = Scaling.fit(matrix, "standard")
    expected = StandardScaler().fit(matrix)
    np.testing.assert_allclose(scaling.center, expected.mean_, rtol=1e-13)
    np.testing.assert_allclose(scaling.factor, 1 / expected.scale_, rtol=1e-13)
    found = scaling.transform(matrix, np.float64)
    np.testing.assert_allclose(found, np.nan_to_num(expected.transform(matrix)), rtol=1e-11, atol=1e-11)


def test_standard_with_weights_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    matrix, weights = rng.normal(5, 3, size=(500, 2)), rng.uniform(0, 3, 500)
    scaling = Scaling.fit(matrix, "standard", weights)
    expected = StandardScaler().fit(matrix, sample_weight=weights)
    np.testing.assert_allclose(scaling.center, expected.mean_, rtol=1e-12)
    np.testing.assert_allclose(scaling.factor, 1 / expected.scale_, rtol=1e-12)


def test_robust_follows_the_paper():
    column = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0]])
    scaling = Scaling.fit(column, "robust")
    assert scaling.center == (3.5,)
    assert scaling.factor == (1 / 4,)  # quartiles 1.5 and 5.5
    x = (7 - 3.5) / 4
    assert scaling.transform([[7.0]], np.float64)[0, 0] == pytest.approx(x / np.sqrt(1 + (x / 3) ** 2), rel=1e-15)


def test_half_the_range_where_the_quartiles_meet_and_zero_for_constants():
    matrix = [[0.0, 5.0, NAN], [0.0, 5.0, NAN], [0.0, 5.0, NAN], [0.0, 5.0, NAN], [4.0, 5.0, NAN]]
    scaling = Scaling.fit(matrix, "robust")
    assert scaling.center == (0.0, 5.0, 0.0)
    assert scaling.factor == (0.5, 0.0, 0.0)
    assert Scaling.fit(matrix, "standard").factor[1:] == (0.0, 0.0)
    assert Scaling.fit(matrix, "none").factor == (1.0, 1.0, 1.0)
    assert scaling.transform([[0.0, 99.0, 99.0]]).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1e300, 5e-324])
def test_many_copies_of_one_value_are_constant(constant):
    for how in ("robust", "standard"):
        assert Scaling.fit(np.full((999, 1), constant), how) == Scaling.fit([[constant]], how)
        assert Scaling.fit(np.full((999, 1), constant), how).factor == (0.0,)


@given(matrices, st.sampled_from(HOW), st.data())
def test_weights_copies_and_order_give_the_same_bits(matrix, how, data):
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(matrix), max_size=len(matrix))), dtype=float)
    weights[0] += 1
    copies = np.repeat(matrix, weights.astype(int), axis=0)
    shuffled = copies[data.draw(st.permutations(range(len(copies))))]
    weighted = Scaling.fit(matrix, how, weights)
    assert weighted == Scaling.fit(copies, how) == Scaling.fit(shuffled, how, np.ones(len(copies)))
    order = data.draw(st.permutations(range(len(matrix))))
    assert weighted == Scaling.fit(matrix[order], how, weights[order])


@given(matrices, st.data())
def test_fractional_weights_do_not_depend_on_order(matrix, data):
    weights = np.array(data.draw(st.lists(st.floats(0.01, 3), min_size=len(matrix), max_size=len(matrix))))
    order = data.draw(st.permutations(range(len(matrix))))
    for how in HOW:
        assert Scaling.fit(matrix, how, weights) == Scaling.fit(matrix[order], how, weights[order])


@given(hnp.arrays(np.float64, (9, 2), elements=st.floats(allow_infinity=False)), st.sampled_from(HOW))
def test_nothing_overflows_whatever_the_magnitude(matrix, how):
    scaling = Scaling.fit(matrix, how)
    for dtype in (np.float32, np.float64):
        scaled = scaling.transform(matrix, dtype)
        assert np.isfinite(scaled).all()
        assert scaled.dtype == dtype
        if how == "robust":
            assert np.abs(scaled).max() <= 3


@pytest.mark.parametrize("magnitude", [1e-300, 1e-3, 1.0, 1e300, 1.7e308])
def test_the_unit_does_not_matter(magnitude):
    column = np.linspace(-1, 1, 9)[:, None]
    for how in ("robust", "standard"):
        expected = Scaling.fit(column, how).transform(column, np.float64)
        found = Scaling.fit(column * magnitude, how).transform(column * magnitude, np.float64)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(hnp.arrays(np.float64, (8, 1), elements=st.integers(-1000, 1000)), st.integers(-10, 10), st.integers(-99, 99))
def test_exact_shifts_and_stretches_leave_the_scaled_values(column, power, shift):
    moved = (column + shift) * 2.0**power
    for how in ("robust", "standard"):
        expected = Scaling.fit(column, how).transform(column, np.float64)
        np.testing.assert_allclose(Scaling.fit(moved, how).transform(moved, np.float64), expected, atol=1e-9)


def test_missing_values_become_the_middle():
    column = [[1.0], [2.0], [6.0], [NAN]]
    for how in ("robust", "standard"):
        scaling = Scaling.fit(column, how)
        middle = scaling.transform([[scaling.center[0]]])
        assert scaling.transform(column)[3] == middle == [[0.0]]


def test_values_far_from_training_are_held_within_the_limit():
    scaling = Scaling.fit([[0.0], [1e-300]], "standard")
    assert scaling.transform([[1e300], [-1e300]]).tolist() == [[np.float32(1e30)], [-np.float32(1e30)]]


def test_json_keeps_every_bit():
    matrix = np.random.default_rng(0).normal(size=(50, 5)) * 10.0 ** np.arange(-200, 300, 100)
    for how in HOW:
        scaling = Scaling.fit(matrix, how)
        assert Scaling.from_json(json.loads(json.dumps(scaling.to_json()))) == scaling


def test_many_rows_are_scaled_as_few():
    matrix = np.random.default_rng(0).normal(size=(10_000, 2))
    scaling = Scaling.fit(matrix)
    np.testing.assert_array_equal(scaling.transform(matrix)[9000:9003], scaling.transform(matrix[9000:9003]))
    assert scaling.transform(np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([[1.0]], "minmax"), "The scaling must be one of robust, standard, none. Got 'minmax' instead."),
        (([[1.0]], "robust", [1.0, 2.0]), "Expected one weight for each of the 1 rows"),
        (([[1.0]], "robust", [-1.0]), "row 0 (the first is 0) has -1.0"),
        (([[1.0]], "robust", [NAN]), "must be finite and not negative"),
        (([[1.0]], "robust", [0.0]), "Every row has weight 0"),
        (([[1.0]], "robust", ["x"]), "must be numbers"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, sentence):
    with pytest.raises(ArgumentError) as error:
        Scaling.fit(*arguments)
    assert sentence in str(error.value)


def test_shapes_and_dtypes_that_do_not_fit():
    with pytest.raises(ShapeError, match="Expected 1 inputs a row"):
        Scaling.fit([[1.0]]).transform([[1.0, 2.0]])
    with pytest.raises(ShapeError, match="Expected a matrix"):
        Scaling.fit([1.0])
    with pytest.raises(ArgumentError, match="float32 or float64"):
        Scaling.fit([[1.0]]).transform([[1.0]], np.float16)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=9, unique=True), st.data())
def test_targets_too_have_the_same_bits(column, data):
    column = [*column, min(column) + 1e7]
    weights = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(column), max_size=len(column))), dtype=float)
    copies = np.repeat(column, weights.astype(int))
    shuffled = copies[data.draw(st.permutations(range(len(copies))))]
    assert TargetScaling.fit(column, weights) == TargetScaling.fit(copies) == TargetScaling.fit(shuffled)
