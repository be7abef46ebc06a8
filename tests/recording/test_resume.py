"""Wherever a training goes on, it ends as if it had never stopped."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pondera
from pondera.errors import RunError
from pondera.recording import recorder as recording
from pondera.recording.recorder import Recorder
from pondera.recording.run import Run
from pondera.recording.states import load_state, save_state
from pondera.training.epoch import State
from pondera.training.figures import EpochFigures
from pondera.training.stopping import INTERRUPTED, Best, Interruption
from pondera.training.watching import NEVER, Checkpoint, Watcher

X = np.random.default_rng(5).standard_normal((96, 6)).astype(np.float32)
Y = np.tanh(X @ np.arange(6, dtype=np.float32)) + X[:, 0] * X[:, 1]

PLANS = {
    "completed": pondera.Plan(optimizer="adamw", schedule="cosine", epochs=4, batch_size=32, seed=3),
    "patience": pondera.Plan(optimizer="sgd", learning_rate=0.1, epochs=40, batch_size=32, patience=3),
    "diverged": pondera.Plan(optimizer="sgd", learning_rate=0.3, epochs=40, batch_size=32),
}
"""By what ends them."""


class Keeping(Watcher):
    """Writes every state that is offered to a folder of its own, and lets training go on from one of them."""

    watches = True

    def __init__(self, folder, begins=None, interrupts=NEVER):
        self.folder, self.begins, self.interrupts, self.steps = folder, begins, interrupts, []
        self.interruption = Interruption()

    def begin(self, beginning):
        if self.begins is None:
            return None
        return load_state(self.folder / str(self.begins), 0, beginning.state)[0]

    def next(self, step):
        return step

    def saw(self, point):
        if point.step >= self.interrupts:
            self.interruption.request()

    def offer(self, checkpoint, step):
        if checkpoint.ending.reason in ("", INTERRUPTED) and self.begins is None:
            (self.folder / str(step)).mkdir(exist_ok=True)
            save_state(self.folder / str(step), 0, step, checkpoint)
            self.steps.append(step)


def trained(plan, watcher=None):
    layers = [pondera.Dense(16, "relu"), pondera.Dropout(0.2), pondera.Dense(1)]
    more = {} if watcher is None else {"recorder": lambda _: watcher, "interruption": watcher.interruption}
    return pondera.fit(pondera.Network.create(6, layers, seed=2), X, Y, plan, validation=0.25, **more)


def same(one, other):
    assert (one.reason, one.message, one.best_epoch) == (other.reason, other.message, other.best_epoch)
    assert [each.training_loss for each in one.history] == [each.training_loss for each in other.history]
    for name, value in one.network.weights.items():
        np.testing.assert_array_equal(value, other.network.weights[name], strict=True)
        np.testing.assert_array_equal(one.state.weights[name], other.state.weights[name], strict=True)


@pytest.mark.parametrize("keep", ["loss", "last"])
@pytest.mark.parametrize("ends", PLANS)
def test_every_state_leads_to_the_same_end(tmp_path, ends, keep):
    plan = PLANS[ends].replace(keep=keep)
    expected, watcher = trained(plan), Keeping(tmp_path)
    assert expected.reason == ends
    same(trained(plan, watcher), expected)
    assert len(watcher.steps) > 4
    for step in {*watcher.steps[:3], *watcher.steps[-5:]}:
        same(trained(plan, Keeping(tmp_path, step)), expected)


@pytest.mark.parametrize("ends", PLANS)
def test_where_a_training_is_interrupted_it_goes_on_to_the_same_end(tmp_path, ends):
    plan = PLANS[ends].replace(keep="last")
    expected = trained(plan)
    for at in range(9):
        place = tmp_path / str(at)
        place.mkdir()
        watcher = Keeping(place, interrupts=at)
        stopped = trained(plan, watcher)
        if stopped.reason == INTERRUPTED:
            same(trained(plan, Keeping(place, watcher.steps[-1])), expected)
        else:  # there was nothing good to stop at
            same(stopped, expected)


@pytest.mark.parametrize(("batch", "rate"), [(16, 0.3), (32, 1.0), (32, 0.1)])  # diverges; goes well
def test_the_weights_that_are_kept_are_those_of_their_step(tmp_path, batch, rate):
    plan = PLANS["diverged"].replace(batch_size=batch, learning_rate=rate, epochs=9)
    layers = [pondera.Dense(16, "relu"), pondera.Dense(1)]
    network = pondera.Network.create(6, layers, seed=2)
    with Recorder(tmp_path, "full") as recorder:
        found = pondera.fit(network, X, Y, plan, recorder=recorder)
    with Run(tmp_path) as run:
        assert run.kept() == found.state.step > 0
        for name, value in found.network.weights.items():
            np.testing.assert_array_equal(run.weights_at(name, run.kept()), value, strict=True)
            life = run.weight(name, (0,) * value.ndim)
            assert life.values[life.steps == run.kept()] == value[(0,) * value.ndim]


def test_what_came_before_a_state_lasts_before_it_does(tmp_path, monkeypatch):
    seen = []

    def saving(folder, part, step, checkpoint):
        with Run(folder) as run:  # as whoever comes after a process that is killed now
            seen.append((run.taken >= step, len(run.epochs()) == len(checkpoint.history)))
        save_state(folder, part, step, checkpoint)

    monkeypatch.setattr(recording, "save_state", saving)
    monkeypatch.setattr(recording, "APART", 0)
    monkeypatch.setattr(recording, "RARELY", 0)
    with Recorder(tmp_path) as recorder:
        pondera.fit(pondera.Network.create(6, [pondera.Dense(1)]), X, Y, PLANS["completed"], recorder=recorder)
    assert len(seen) > 4
    assert all(map(all, seen))


def test_what_was_known_of_an_end_is_not_while_training_goes_on(tmp_path):
    network, asked = pondera.Network.create(6, [pondera.Dense(1)]), Interruption()
    more = {"interruption": asked, "progress": lambda where: asked.request() if where.step >= 5 else None}
    with Recorder(tmp_path, "full") as recorder:
        pondera.fit(network, X, Y, PLANS["completed"], recorder=recorder, **more)
    told = []
    with Run(tmp_path) as run:
        first = run.about
        assert (run.state, first["ended.0"]["reason"], run.kept()) == (INTERRUPTED, INTERRUPTED, 5)

        def progress(_):
            recorder.writer.flush()
            told.append((run.state, "ended.0" in run.about, run.kept() == run.taken))

        with Recorder(tmp_path, "full") as recorder:
            pondera.fit(network, X, Y, PLANS["completed"], recorder=recorder, progress=progress)
        assert set(told) == {("unfinished", False, True)}
        assert (run.state, run.about["ended.0"]["reason"]) == ("finished", "completed")
        assert all(run.about[name] == first[name] for name in ("began", "machine", "versions"))
        assert [set(each) for each in run.about["resumed"]] == [{"began", "machine", "versions"}]


def linear(weights, x):
    return x @ weights["w"]


def bent(weights, x):
    return jnp.tanh(x @ weights["w"])


ADAM = pondera.Plan(optimizer=optax.adam(1e-3), epochs=4, batch_size=32)


@pytest.mark.parametrize(
    ("model", "plan", "differs"),
    [
        (linear, ADAM, None),
        (linear, ADAM.replace(optimizer=optax.adam(1.0)), "the optimizer or the function"),
        (bent, ADAM, "the optimizer or the function"),
        (linear, ADAM.replace(optimizer=optax.sgd(1e-3)), "the start, the optimizer or the function"),
    ],
)
def test_another_optimizer_or_function_does_not_go_on(tmp_path, model, plan, differs):
    def train(model, plan, **more):
        weights = {"w": np.full((6, 1), 0.5, np.float32)}
        with Recorder(tmp_path) as recorder:
            return pondera.fit(model, X, Y, plan, weights=weights, recorder=recorder, **more)

    asked = Interruption()
    assert train(linear, ADAM, interruption=asked, progress=lambda _: asked.request()).reason == INTERRUPTED
    again = ADAM.replace(optimizer=optax.adam(1e-3)) if plan is ADAM else plan  # another object that does the same
    if differs is None:
        assert train(lambda weights, x: model(weights, x), again).reason == "completed"
    else:
        with pytest.raises(RunError, match=f"another training: {differs}"):
            train(model, again)


def test_a_state_is_told_apart_by_all_that_it_carries(tmp_path):
    network = pondera.Network.create(6, [pondera.Dense(1)])
    plan, asked = PLANS["completed"].replace(optimizer="adam"), Interruption()
    start = pondera.fit(network, X, Y, plan).state
    with Recorder(tmp_path) as recorder:
        pondera.fit(
            network, X, Y, plan, start=start, recorder=recorder, interruption=asked, progress=lambda _: asked.request()
        )
    other = start._replace(step=start.step + 1)
    with pytest.raises(RunError, match="another training: the start"), Recorder(tmp_path) as recorder:
        pondera.fit(network, X, Y, plan, start=other, recorder=recorder)


@pytest.mark.parametrize("held", [(None, None), (0.1, float("inf")), (0.3, 0.7)])
def test_a_state_holds_a_long_history(tmp_path, held):
    history = [EpochFigures(k, 0.1 + 1e-17 * k, k / 3, *held, 1e-5) for k in range(1000)]
    state = State({"w": jnp.ones(2)}, (), jnp.int32(1), jnp.int32(1), jnp.zeros(2, jnp.uint32))
    for epochs in (0, 1000):
        kept = Checkpoint(state, 0, 0, np.zeros(3), history[:epochs], Best(), False)
        save_state(tmp_path, 0, epochs, kept)
        assert load_state(tmp_path, 0, state)[0].history == history[:epochs]
    with open(tmp_path / "states" / "0-000000001000.safetensors", "rb") as file:
        assert int.from_bytes(file.read(8), "little") < 2000  # bytes of the header, which may not grow for ever


def test_a_damaged_state_takes_no_place_of_a_good_one(tmp_path):
    class Offered(Watcher):
        def begin(self, beginning):
            self.template, self.all = beginning.state, []

        def offer(self, checkpoint, step):
            self.all.append(checkpoint)

    offered = Offered()
    pondera.fit(pondera.Network.create(6, [pondera.Dense(1)]), X, Y, PLANS["completed"], recorder=lambda _: offered)
    for step in (100, 200):
        save_state(tmp_path, 0, step, offered.all[0])
    last = tmp_path / "states" / "0-000000000200.safetensors"
    last.write_bytes(last.read_bytes()[:-1] + b"?")
    assert load_state(tmp_path, 0, offered.template)[1] == 100
    for step in (150, 180):
        save_state(tmp_path, 0, step, offered.all[0])
    assert [path.stem[-3:] for path in sorted((tmp_path / "states").iterdir())] == ["150", "180"]


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(24, "Too many open files")])
def test_a_state_that_cannot_be_read_now_is_not_taken_for_damaged(tmp_path, monkeypatch, error):
    class Offered(Watcher):
        def begin(self, beginning):
            self.template = beginning.state

        def offer(self, checkpoint, step):
            save_state(tmp_path, 0, step, checkpoint)

    offered = Offered()
    pondera.fit(pondera.Network.create(6, [pondera.Dense(1)]), X, Y, PLANS["completed"], recorder=lambda _: offered)
    before = sorted((tmp_path / "states").iterdir())

    def refused(*_, **__):
        raise error

    monkeypatch.setattr("pondera.weights.mapped.open", refused, raising=False)
    with pytest.raises(RunError, match=f"{error.strerror}.*have it readable, then resume"):
        load_state(tmp_path, 0, offered.template)
    assert sorted((tmp_path / "states").iterdir()) == before


ARCHITECTURE = pondera.Network.create(6, [pondera.Dense(8, "tanh"), pondera.Dense(1)]).architecture


def population(folder, interrupts=(9, 0)):
    """Train nine networks one after the other, for twelve steps each; from a network and a step on all are to stop."""

    def progress(k, where):
        if (k, where.step) >= interrupts:
            recorder.parts[k].beginning.interruption.request()

    with Recorder(folder, "full") as recorder:
        more = {"validation": 0.25, "progress": progress, "recorder": recorder}
        return pondera.fit_population(ARCHITECTURE, X, Y, PLANS["completed"], seeds=9, **more)


@pytest.fixture
def one_by_one(monkeypatch):
    """Train networks one after the other."""
    monkeypatch.setattr("pondera.training.population.cores", lambda: 1)


def test_networks_that_never_began_leave_nothing_behind_and_begin_when_it_goes_on(tmp_path, one_by_one):
    expected = population(tmp_path / "whole")
    assert len(expected.fits) == 9
    folder = tmp_path / "run"
    assert len(population(folder, (2, 3)).fits) == 3
    for begun in (3, 5):  # interrupted once more
        with Run(folder) as run:
            assert run.state == INTERRUPTED
            assert run.parts == tuple(range(begun))
            assert not [name for name in run.about if name.endswith(".5")]
        assert {path.name[0] for path in (folder / "snapshots").iterdir()} == set("012345678"[:begun])
        if begun == 3:
            assert len(population(folder, (4, 3)).fits) == 5
    for one, other in zip(population(folder).fits, expected.fits, strict=True):
        same(one, other)
    with Run(folder) as run:
        assert run.state == "finished"


def test_networks_that_are_over_stay_where_it_goes_on_and_is_interrupted_at_once(tmp_path, one_by_one, monkeypatch):
    folder = tmp_path / "run"
    first = population(folder, (4, 3))
    assert [fit.reason for fit in first.fits] == ["completed"] * 4 + [INTERRUPTED]

    asked = Interruption()
    asked.request()
    monkeypatch.setattr("pondera.training.population.Interruption", lambda: asked)
    again = population(folder)
    assert [fit.reason for fit in again.fits] == [fit.reason for fit in first.fits]
    with Run(folder) as run:
        assert (run.state, run.parts) == (INTERRUPTED, tuple(range(5)))


def test_a_run_is_interrupted_where_all_that_began_are_over(tmp_path, one_by_one):
    stopped = population(tmp_path, (2, 12))  # after the last step of the third
    assert [fit.reason for fit in stopped.fits] == ["completed"] * 3
    with Run(tmp_path) as run:
        assert (run.state, run.parts) == (INTERRUPTED, (0, 1, 2))
    assert len(population(tmp_path).fits) == 9
