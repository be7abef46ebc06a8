import os
import signal
from typing import ClassVar

import numpy as np
import pytest

from pondera.errors import ArgumentError, ShapeError
from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.dropout import Dropout
from pondera.network.network import Network
from pondera.tables.split import split
from pondera.training.fit import fit
from pondera.training.plan import Plan
from pondera.training.population import fit_population, seeds_of
from pondera.training.watching import Watcher

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3))
Y = np.sin(X[:, 0]) + X[:, 1]
ARCHITECTURE = Architecture(3, (Dense(8, "tanh"), Dropout(0.1), Dense(1)))
PLAN = Plan(epochs=5, batch_size=16, seed=7)


@pytest.fixture(autouse=True)
def listening():
    """Have Ctrl-C mean something even where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_member_is_the_network_of_its_seed(dtype):
    population = fit_population(ARCHITECTURE, X, Y, PLAN, seeds=3, dtype=dtype, validation=0.2)
    assert len(population.fits) == len(population.networks) == 3
    kept, held = split(len(X), 0.2, 7)
    for k, (seed, member) in enumerate(zip(seeds_of(7, 3), population.networks, strict=True)):
        alone = fit(
            Network(ARCHITECTURE, ARCHITECTURE.initial(seed, dtype)),
            X[kept],
            Y[kept],
            PLAN.replace(seed=seed),
            validation=(X[held], Y[held]),
        )
        for name, value in alone.network.weights.items():
            np.testing.assert_array_equal(member.weights[name], value)
        assert member.dtype == dtype
        assert [f.validation_loss for f in population.fits[k].history] == [f.validation_loss for f in alone.history]
    first, second, _ = population.networks
    assert not np.array_equal(first.weights["layers.0.weight"], second.weights["layers.0.weight"])


def test_populations_of_neighbouring_seeds_share_no_network():
    seeds = [seed for first in range(50) for seed in seeds_of(first, 8)]
    assert len(set(seeds)) == len(seeds)
    assert [seeds_of(first, 8)[0] for first in range(50)] == list(range(50))
    assert seeds_of(3, 8)[:5] == seeds_of(3, 5)  # a larger population begins with the smaller one
    assert all(seed < 2**32 for seed in seeds)


def test_all_members_hold_out_the_same_rows():
    # with a rate of 0 two networks of equal weights have equal validation losses if, and only if, their rows are equal
    still = Architecture(3, (Dense(1, weight="zeros"),))
    plan = Plan(optimizer="sgd", learning_rate=0.0, epochs=1)
    population = fit_population(still, X, Y, plan, seeds=4, validation=0.3)
    assert len({member.history[0].validation_loss for member in population.fits}) == 1
    other = fit_population(still, X, Y, plan.replace(seed=1), seeds=1, validation=0.3)
    assert other.fits[0].history[0].validation_loss != population.fits[0].history[0].validation_loss


def test_outputs_are_averaged():
    population = fit_population(ARCHITECTURE, X, Y, PLAN, seeds=3)
    np.testing.assert_allclose(
        population(X), sum(network(X).astype(float) for network in population.networks) / 3, rtol=1e-6
    )


def test_going_on():
    first = fit_population(ARCHITECTURE, X, Y, PLAN.replace(epochs=2), seeds=2)
    second = fit_population(
        ARCHITECTURE, X, Y, PLAN.replace(epochs=3), seeds=2, starts=[member.state for member in first.fits]
    )
    whole = fit_population(ARCHITECTURE, X, Y, PLAN, seeds=2)
    for one, other in zip(second.networks, whole.networks, strict=True):
        for name, value in other.weights.items():
            np.testing.assert_array_equal(one.weights[name], value)


def test_progress_tells_the_networks_apart():
    seen = []
    fit_population(ARCHITECTURE, X, Y, PLAN, seeds=2, progress=lambda k, where: seen.append((k, where.epoch)))
    assert {(k, epoch) for k in range(2) for epoch in range(5)} <= set(seen)


def test_one_control_c_stops_them_all():
    before = signal.getsignal(signal.SIGINT)

    def progress(k, where):
        if where.epoch == 2 and k == 0:
            os.kill(os.getpid(), signal.SIGINT)

    population = fit_population(
        ARCHITECTURE, X, Y, PLAN.replace(epochs=10_000_000), seeds=2, validation=0.2, progress=progress
    )
    assert {member.reason for member in population.fits} == {"interrupted"}
    assert signal.getsignal(signal.SIGINT) == before


def test_networks_that_finished_no_epoch_are_left_out():
    asked = []

    def progress(k, where):
        if k == 0 and where.epoch == 2 and not asked:
            asked.append(k)
            os.kill(os.getpid(), signal.SIGINT)

    many = 4 * os.cpu_count()  # some have not begun when the first is in its third epoch
    plan = PLAN.replace(epochs=10_000)
    population = fit_population(ARCHITECTURE, X, Y, plan, seeds=many, validation=0.2, progress=progress)
    assert 1 <= len(population.fits) < many
    assert all(member.history for member in population.fits)
    assert repr(population).startswith(f"<Population of {len(population.fits)}: <Network 3-8-8-1")


class Begun(Watcher):
    """Has all be interrupted once two networks are over, and notes which of them begin."""

    begun: ClassVar[list[int]] = []

    def __init__(self, k):
        self.k = k

    def begin(self, beginning):
        self.begun.append(self.k)
        if len(self.begun) > 2:
            beginning.interruption.request()


@pytest.mark.parametrize("known", [False, True])
def test_none_begins_once_all_are_to_stop(monkeypatch, known):
    monkeypatch.setattr("pondera.training.population.cores", lambda: 1)
    monkeypatch.setattr(Begun, "begun", [])
    starts = [Network(ARCHITECTURE, ARCHITECTURE.initial(k, "float32")) for k in range(9)] if known else None
    population = fit_population(ARCHITECTURE, X, Y, PLAN, seeds=9, networks=starts, recorder=Begun)
    assert Begun.begun == [0, 1, 2]
    assert [member.reason for member in population.fits] == ["completed"] * 2 + ["interrupted"] * (7 if known else 0)
    for one, member in zip(starts or (), population.networks, strict=False):
        same = (one.weights["layers.0.weight"] == member.weights["layers.0.weight"]).all()
        assert same == (one not in (starts or ())[:2])  # who goes on with networks keeps each as it was


@pytest.mark.parametrize("seeds", [0, -1, 1.5, True, None, "2"])
def test_how_many(seeds):
    with pytest.raises(ArgumentError, match=r"seeds= is the number of networks, a whole number of at least 1"):
        fit_population(ARCHITECTURE, X, Y, PLAN, seeds=seeds)


def test_errors_come_out_of_the_threads():
    with pytest.raises(ShapeError, match=r"expected one target a row"):
        fit_population(ARCHITECTURE, X, Y[:5], PLAN, seeds=3)
