"""Intervals of shares, and what groups have together."""

import numpy as np
import pytest

from pondera.explaining.methods import METHODS
from pondera.explaining.question import Question
from pondera.explaining.reliability.seeds import seed_stability
from pondera.explaining.result import MethodResult
from pondera.explaining.subject import Subject
from pondera.explaining.together import jointly
from pondera.network.dense import Dense
from pondera.network.network import Network


@pytest.mark.parametrize("method", ["permutation", "shapley"])
def test_intervals_of_shares_hold_what_they_promise(method):
    """What is known of one input is less than of the other, whose share is the rest: both are as uncertain."""
    network = Network.create(2, [Dense(1)], dtype="float64").with_weights({"layers.0.weight": [[1.0], [1.0]]})
    sizes = np.array([2.0, 2.0] if method == "permutation" else [1.0, 2 / np.e])  # of variance 1; mean |x − mean|
    inside = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        x = np.stack([random.choice([-1.0, 1.0], 400), random.exponential(size=400)], axis=1)
        question = Question.of_arrays(Subject.of_network(network), x, network(x)[:, 0], background=x[:128])
        found = METHODS[method].measure(question.sample(256, random), question.subjects[0], random)
        ends = seed_stability(found.values[None], found.errors[None], deviations=[found.deviations]).share_intervals
        inside += int(((ends[:, 0] <= sizes / sizes.sum()) & (sizes / sizes.sum() <= ends[:, 1])).sum())
        assert np.square(found.deviations).sum(axis=0) == pytest.approx(found.errors**2)
    assert inside >= 180  # of 200; as if the other were known exactly, 130


def test_shares_of_networks_that_differ_in_scale_only_are_sure():
    values = np.array([1.0, 2.0, 4.0])[:, None] * np.array([3.0, 1.0, -0.1])
    found = seed_stability(values, np.zeros((3, 3)))
    np.testing.assert_allclose(found.share_intervals, [[0.75, 0.75], [0.25, 0.25], [0, 0]], atol=1e-12)
    alone = seed_stability(np.array([[2.0]]), np.array([[0.5]]))
    assert alone.share_intervals.tolist() == [[1.0, 1.0]]


def test_of_a_group_contributions_that_were_sampled_are_as_large_as_they_are():
    """The size of a noisy sum is too large, as that of a noisy column is; and all rows share the orders."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    x[:, 1] = x[:, 0] + 0.01 * x[:, 1]
    question = Question.of_arrays(Subject(lambda x: x[:, :1] * (1 + x[:, 1:2]) + x[:, 2:3]), x)
    units = ((0, 1), (2,))

    def joined(seed, name="shapley"):
        measured = METHODS[name].measure(question, question.subjects[0], np.random.default_rng(seed))
        return jointly(question, MethodResult(METHODS[name], (measured,), 200, 0.0, None), units), measured

    exact, _ = joined(0, "exact_shapley")
    every = [joined(seed) for seed in range(25)]
    told = np.array([found.values[0] for found, _ in every])
    naive = np.mean([np.abs(one.contributions[:, :2].sum(axis=1)).mean() for _, one in every])
    assert naive > 1.05 * exact.values[0, 0]
    assert told[:, 0].mean() == pytest.approx(exact.values[0, 0], rel=0.05)
    apart = np.hypot(told[:, 0].std(ddof=1), exact.errors[0, 0])  # orders, and rows
    assert np.mean([found.errors[0, 0] for found, _ in every]) == pytest.approx(apart, rel=0.35)
