import numpy as np
import pytest

from pondera.reading.histogram import edges
from pondera.reading.statistics import Statistics
from pondera.report.charts.bins import bars, boundaries


def test_boundaries_are_those_of_the_histogram():
    starts = boundaries()
    assert len(starts) == (1 << 16) + 1
    assert (np.diff(starts[np.isfinite(starts)]) >= 0).all()
    for at in (40_000, 49_000, 20_000, 32_768):
        assert starts[at] == edges(at)[0]


@pytest.mark.parametrize("center", [0.0, 3.0])
def test_bars_are_those_of_numpy(center):
    values = np.random.default_rng(0).normal(center, 1, 200_000).astype(np.float32)
    places, shares = bars(Statistics.of(values), 40)
    expected, _ = np.histogram(values, places)
    assert shares == pytest.approx(expected / len(values), abs=0.002)
    assert 0.99 < shares.sum() <= 1
    assert places[0] == pytest.approx(np.quantile(values, 0.001), rel=0.02)


@pytest.mark.parametrize("value", [0.0, 2.5, -1e30])
def test_a_constant_is_one_bar(value):
    places, shares = bars(Statistics.of(np.full(1000, value, np.float32)), 9)
    assert np.isfinite(places).all()
    assert shares.sum() == pytest.approx(1, abs=0.01)
    assert places[0] < value < places[-1]


def test_far_values_do_not_press_the_others_together():
    values = np.concatenate([np.random.default_rng(0).normal(size=100_000), [1e9, -1e9]]).astype(np.float32)
    places, _ = bars(Statistics.of(values))
    assert -5 < places[0] < places[-1] < 5
