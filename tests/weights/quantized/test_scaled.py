"""Codes of eight bits with scales beside them."""

import ml_dtypes
import numpy as np
import pytest

from pondera.weights.quantized.scaled import scaled, steps_of
from pondera.weights.tensor import Mapped, Tensor


def tensor(name, array):
    flat = np.ascontiguousarray(array).reshape(-1)
    source = Mapped(memoryview(flat.view(np.uint8)), 0, flat.dtype, flat.size)
    return Tensor(name, np.shape(array), flat.dtype.name, source)


@pytest.mark.parametrize("start", [0, 5, 23])
@pytest.mark.parametrize("scales", [(7, 1), (1, 1), (1,), (7,), (7, 3), (4, 5), (9,), (1, 9)])
def test_every_stretch_is_codes_times_scales(scales, start):
    random = np.random.default_rng(0)
    codes = random.integers(-128, 128, (7, 9)).astype(np.int8)
    factors = random.uniform(0.1, 2, scales).astype(np.float32)
    square = factors.reshape(7, 1) if scales == (7,) else factors.reshape(1, -1) if len(scales) == 1 else factors
    for axis in (0, 1):
        length = codes.shape[axis]
        block = next(size for size in (1, 2, 4, 3, 7, 9) if -(-length // size) == square.shape[axis])
        square = np.repeat(square, block, axis).take(range(length), axis)
    found = scaled(tensor("w", codes), tensor("w_scale", factors))
    np.testing.assert_array_equal(found.values(), codes * square)
    np.testing.assert_array_equal(found.source.flat(start, 40), (codes * square).reshape(-1)[start:40])
    np.testing.assert_array_equal(steps_of(found).values(), np.broadcast_to(square, codes.shape))


def test_zero_points():
    codes = np.array([[0, 128, 255], [3, 2, 1]], np.uint8)
    scales, zeros = np.array([0.5, 2.0], np.float32), np.array([128, 2], np.uint8)
    found = scaled(tensor("w", codes), tensor("s", scales), tensor("z", zeros))
    assert found.values().tolist() == [[-64.0, 0.0, 63.5], [2.0, 0.0, -2.0]]


def test_the_next_code_of_a_float_is_farther_the_larger_it_is():
    kind = ml_dtypes.float8_e4m3fn
    codes = np.array([[0, 2**-9, 1.0, 1.125], [16.0, -16.0, 448.0, -448.0]], kind)
    found = steps_of(scaled(tensor("w", codes), tensor("s", np.float32([1]))))
    assert found.values().tolist() == [[2**-9, 2**-9, 0.125, 0.125], [2.0, 2.0, 32.0, 32.0]]


@pytest.mark.parametrize(
    ("codes", "scales"),
    [
        (np.zeros((4, 6), np.int8), np.ones(5, np.float32)),  # neither rows nor columns
        (np.zeros((4, 6), np.int8), np.ones((5, 6), np.float32)),
        (np.zeros((4, 6), np.int8), np.ones((0, 6), np.float32)),
        (np.zeros((4, 6), np.int8), np.ones(4, np.uint8)),  # powers of two, or anything else
        (np.zeros((4, 6), np.uint8), np.ones(4, np.float32)),  # where zero is nobody knows
        (np.zeros((4, 6), np.float32), np.ones(4, np.float32)),
        (np.zeros(4, np.int8), np.ones(4, np.float32)),
        (np.zeros((0, 4), np.int8), np.ones(4, np.float32)),
    ],
)
def test_what_does_not_fit_is_left_as_it_is(codes, scales):
    assert scaled(tensor("w", codes), tensor("w_scale", scales)) is None


def test_a_square_matrix_has_its_scales_by_rows_unless_outputs_are_last():
    codes, scales = np.ones((2, 2), np.int8), np.array([1, 2], np.float32)
    assert scaled(tensor("w", codes), tensor("s", scales)).values().tolist() == [[1, 1], [2, 2]]
    assert scaled(tensor("w", codes), tensor("s", scales), last=True).values().tolist() == [[1, 2], [1, 2]]
