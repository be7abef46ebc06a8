"""A recorded training is the training it would have been, can be read, and goes on where its process died."""

import contextlib
import math
import sqlite3
import time
from types import SimpleNamespace

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError, RunError
from pondera.recording import looks
from pondera.recording.recorder import Recorder
from pondera.recording.run import Run
from pondera.recording.schema import DATABASE
from pondera.recording.writer import RunWriter
from pondera.training.watching import NEVER

X = np.random.default_rng(5).standard_normal((300, 6)).astype(np.float32)
Y = np.tanh(X @ np.arange(6, dtype=np.float32)) + X[:, 0] * X[:, 1]
PLAN = pondera.Plan(optimizer="adamw", schedule="cosine", epochs=12, batch_size=64, seed=3)


def network():
    """A network with everything random in it that training knows."""
    layers = [pondera.Dense(16, "tanh"), pondera.Dropout(0.2), pondera.LayerNorm(), pondera.Dense(1)]
    return pondera.Network.create(6, layers, seed=2)


def fitted(recorder=None, plan=PLAN):
    """Train, with a fifth of the rows held out."""
    return pondera.fit(network(), X, Y, plan, validation=0.2, recorder=recorder)


def same(one, other):
    """Whether two trainings ended with the same weights and figures, bit for bit."""
    assert one.best_epoch == other.best_epoch
    assert one.reason == other.reason
    assert [each.training_loss for each in one.history] == [each.training_loss for each in other.history]
    for name, value in one.network.weights.items():
        np.testing.assert_array_equal(value, other.network.weights[name], strict=True)


@pytest.mark.parametrize("level", ["default", "full"])
def test_recording_changes_nothing(tmp_path, level):
    with Recorder(tmp_path, level) as recorder:
        found = fitted(recorder)
    same(found, fitted())


def test_what_is_recorded_is_what_happened(tmp_path):
    with Recorder(tmp_path, "full") as recorder:
        found = fitted(recorder)
    steps = 12 * math.ceil(240 / 64)
    with pondera.runs.open(tmp_path) as run:
        assert run.state == "finished"
        assert run.taken == steps
        told = run.steps()
        assert told.first.tolist() == list(range(steps))
        assert np.isfinite(told.losses).all()
        assert (told.norms > 0).all()
        assert (np.diff(told.rates) <= 0).all()
        kept = (found.best_epoch + 1) * 4
        for name, start in network().weights.items():
            tensor = run.tensor(name)
            assert tensor.steps.tolist() == list(range(steps))
            for index in np.ndindex(start.shape):
                life = run.weight(name, index)
                assert life.kept == kept
                assert life.values[0] == start[index]
                assert life.values[life.steps == kept] == found.network.weights[name][index]
            values = np.stack([run.weight(name, index).values for index in np.ndindex(start.shape)])
            gradients = np.stack([run.weight(name, index).gradients for index in np.ndindex(start.shape)])
            for at, figures in enumerate(tensor.figures):
                assert figures.norm == pytest.approx(np.linalg.norm(values[:, at]), rel=1e-12)
                assert figures.gradient_norm == pytest.approx(np.linalg.norm(gradients[:, at]), rel=1e-12)
                assert math.sqrt(figures.update_squares) == pytest.approx(
                    np.linalg.norm(values[:, at + 1] - values[:, at]), rel=1e-12
                )
        whole = sum(run.tensor(name).figures[7].gradient_squares for name in network().weights)
        assert told.norms[7] == pytest.approx(math.sqrt(whole), rel=1e-6)


def test_of_weights_that_are_not_followed_the_end_is_known(tmp_path, monkeypatch):
    for name, value in (("ALL", 2), ("SAMPLE", 1), ("FEWEST", 1)):
        monkeypatch.setattr(f"pondera.recording.followed.{name}", value)
    with Recorder(tmp_path, "full") as recorder:
        found = fitted(recorder)
    with Run(tmp_path) as run:
        for name, value in found.network.weights.items():
            np.testing.assert_array_equal(run.weights_at(name, run.kept()), value, strict=True)
            if value.ndim == 2:
                for index in np.ndindex(value.shape):
                    life = run.weight(name, index)
                    assert life.values[life.steps == run.kept()] == value[index]


def test_what_the_first_look_compiles_is_no_cost_of_recording(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0, own=0.0)  # of all, and of the thread that looks

    def slow(*arguments):
        clock.now, clock.own = clock.now + 7, clock.own + 4
        return looks.look(*arguments)

    monkeypatch.setattr("pondera.recording.recorder.look", slow)
    for module in ("recorder", "writer"):
        told = SimpleNamespace(perf_counter=lambda: clock.now, thread_time=lambda: clock.own)
        monkeypatch.setattr(f"pondera.recording.{module}.time", told)
    counted: list[float] = []
    with Recorder(tmp_path, "full") as recorder:
        monkeypatch.setattr(recorder.overhead, "took", counted.append)
        fitted(recorder, PLAN.replace(epochs=3, batch_size=240))  # three steps, and each is looked at
    assert recorder.writer.seconds == 2 * 4
    assert [seconds for seconds in counted if seconds >= 1] == 2 * [7 - 4]  # the others are for stopping


def test_what_every_step_takes_to_write_leaves_time_to_look_at_some(tmp_path, monkeypatch):
    """However many steps there are: else they would use up what looks may take."""
    clock = SimpleNamespace(own=0.0)
    told = SimpleNamespace(perf_counter=time.perf_counter, thread_time=lambda: clock.own)
    monkeypatch.setattr("pondera.recording.writer.time", told)

    def slow(method):
        def taking_long(*arguments):
            clock.own += 50
            return method(*arguments)

        return taking_long

    for name in ("_steps", "_epoch"):
        monkeypatch.setattr(RunWriter, name, slow(getattr(RunWriter, name)))
    with Recorder(tmp_path) as recorder:
        fitted(recorder, PLAN.replace(epochs=3))
    assert recorder.writer.seconds < 50


def test_seconds_in_which_training_waits_are_none_of_its_own(tmp_path):
    with Recorder(tmp_path) as recorder:
        watcher = recorder(0)
        begun, saved = recorder.overhead.begun, watcher.saved
        recorder.waited(5.0)
        assert (recorder.overhead.begun, watcher.saved) == (begun + 5, saved + 5)


def test_what_was_planned_to_be_looked_at_is(tmp_path, monkeypatch):
    with Recorder(tmp_path) as recorder:
        watcher, answers = recorder(0), iter([True, False, False])
        watcher.steps = 100
        monkeypatch.setattr(recorder, "affords", lambda *_: next(answers))
        assert [watcher.next(step) for step in (9, 9, 10, 11)] == [9, 9, NEVER, NEVER]


def test_looks_are_paid_for_in_advance_so_that_some_are_left_for_later_steps(tmp_path):
    with Recorder(tmp_path) as recorder:
        watcher = recorder(0)
        watcher.steps, watcher.chunks, watcher.pace = 10_000, 2, 0.01
        recorder.overhead.begun -= 10  # of which a tenth of a second may be recording's, and a little more at first
        watcher.backlog.waiting = 3  # of which nothing is known but that steps take a hundredth of a second
        assert watcher.next(9) == NEVER
        watcher.backlog.waiting = 0
        assert watcher.next(10) == 10
        watcher.each = 0.2
        assert watcher.next(11) == NEVER
        recorder.overhead.begun -= 10
        assert watcher.next(12) >= 12


def test_steps_tell_what_they_did_to_their_own_batch(tmp_path):
    with Recorder(tmp_path, "full") as recorder:
        fitted(recorder)
    with pondera.runs.open(tmp_path) as run:
        steps, before, after = run.looks().T
        assert steps.tolist() == list(range(48))
        np.testing.assert_allclose(before, run.steps().losses, rtol=1e-5)
        assert np.mean(after < before) > 0.9


class Died(Exception):  # noqa: N818 (it is what happened)
    """What ends a process in these tests."""


class Dying(Recorder):
    """Dies while a step is told of, as a process that is killed does: nothing is closed, nothing is finished."""

    after = 0

    def __call__(self, part):
        watcher = super().__call__(part)
        took = watcher.took

        def dies(first, *figures):
            took(first, *figures)
            watcher.saved = -math.inf  # every state is written
            if first >= self.after:
                self.writer.flush()
                raise Died

        watcher.took = dies
        return watcher


@pytest.mark.parametrize("after", [0, 1, 5, 17, 23, 44])
def test_a_training_that_died_goes_on(tmp_path, after):
    recorder = Dying(tmp_path)
    recorder.after = after
    with pytest.raises(Died):
        fitted(recorder)
    recorder.writer.close()
    with Recorder(tmp_path) as second:
        found = fitted(second)
    same(found, fitted())
    with Run(tmp_path) as run:
        assert run.state == "finished"
        assert run.steps().first.tolist() == list(range(48))


def test_a_damaged_state_loses_the_steps_since_the_one_before(tmp_path):
    recorder = Dying(tmp_path)
    recorder.after = 20
    with pytest.raises(Died):
        fitted(recorder)
    recorder.writer.close()
    last = sorted((tmp_path / "states").iterdir())[-1]
    data = bytearray(last.read_bytes())
    data[-7] ^= 1
    last.write_bytes(data)
    message = "is damaged and was passed over. Training goes on after"
    with pytest.warns(pondera.errors.PonderaWarning, match=message), Recorder(tmp_path) as second:
        found = fitted(second)
    same(found, fitted())


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("replace", [False, True])
def test_a_run_that_was_cut_off_before_anything_was_written_is_no_other_programs(tmp_path, begun, replace):
    (tmp_path / DATABASE).touch()
    if begun:
        with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as database:
            database.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(RunError, match=r"found an empty one: it was cut off before anything was written\. Record"):
        Run(tmp_path)
    with Recorder(tmp_path, replace=replace) as recorder:
        fitted(recorder, PLAN.replace(epochs=2))
    with Run(tmp_path) as run:
        assert run.state == "finished"


@pytest.mark.parametrize("garbage", [b"no database", b"SQLite format 3\0" + b"x" * 5000])
def test_what_is_no_database_is_replaced_where_that_is_asked(tmp_path, garbage):
    (tmp_path / DATABASE).write_bytes(garbage)
    with pytest.raises(RunError, match=r"a file that is none\. Give another folder, or replace it: --replace"):
        Recorder(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == garbage
    with Recorder(tmp_path, replace=True) as recorder:
        fitted(recorder, PLAN.replace(epochs=2))
    with Run(tmp_path) as run:
        assert run.state == "finished"


def test_the_database_of_another_program_is_replaced_by_nobody(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute("CREATE TABLE mine (value)")
    with pytest.raises(RunError, match="found that of another program"):
        Recorder(tmp_path, replace=True)
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        assert database.execute("SELECT count(*) FROM mine").fetchone() == (0,)


def test_another_run_is_not_replaced_unasked(tmp_path):
    with Recorder(tmp_path) as recorder:
        fitted(recorder)
    with pytest.raises(RunError, match="found the same training, finished"), Recorder(tmp_path) as recorder:
        fitted(recorder)
    message = r"found the run of another training: epochs \(12 there, 2 here\)\. Give another folder, or replace it"
    with pytest.raises(RunError, match=message), Recorder(tmp_path) as recorder:
        fitted(recorder, PLAN.replace(epochs=2))
    with Recorder(tmp_path, replace=True) as recorder:
        fitted(recorder, PLAN.replace(epochs=2))
    with Run(tmp_path) as run:
        assert run.taken == 8
        assert run.state == "finished"


@pytest.mark.parametrize("part", [0, 1])
def test_a_recorder_records_one_training(tmp_path, part):
    with Recorder(tmp_path) as recorder:
        found = fitted(recorder)
        with pytest.raises(RunError, match="has recorded a training already"):
            fitted(lambda _: recorder(part), PLAN.replace(epochs=2))
    with Run(tmp_path) as run:
        assert run.taken == 48
        assert run.kept() == (found.best_epoch + 1) * 4


def test_one_process_at_a_time(tmp_path):
    with Recorder(tmp_path), pytest.raises(RunError, match="another process is writing to this run"):
        Recorder(tmp_path)


def test_a_level_has_a_name(tmp_path):
    with pytest.raises(ArgumentError, match="Unknown level of recording 'all'"):
        Recorder(tmp_path, "all")


def test_what_began_otherwise_does_not_go_on(tmp_path):
    held = (X[:60], Y[:60])
    recorder = Dying(tmp_path)
    recorder.after = 20
    with pytest.raises(Died):
        pondera.fit(network(), X, Y, PLAN, validation=held, recorder=recorder)
    recorder.writer.close()
    for start, plan, out in (
        (network(), PLAN.replace(seed=4), held),
        (network().with_weights({"layers.0.bias": np.ones(16)}), PLAN, held),
        (network(), PLAN, (X[60:120], Y[60:120])),
    ):
        with pytest.raises(RunError, match="found the run of another training"), Recorder(tmp_path) as second:
            pondera.fit(start, X, Y, plan, validation=out, recorder=second)
    with Recorder(tmp_path) as second:
        found = pondera.fit(network(), X, Y, PLAN, validation=held, recorder=second)
    same(found, pondera.fit(network(), X, Y, PLAN, validation=held))


def test_what_began_otherwise_may_replace_the_run(tmp_path):
    recorder = Dying(tmp_path)
    recorder.after = 20
    with pytest.raises(Died):
        fitted(recorder)
    recorder.writer.close()
    with Recorder(tmp_path, replace=True) as second:
        found = pondera.fit(network(), X, Y, PLAN.replace(seed=4), recorder=second)
    same(found, pondera.fit(network(), X, Y, PLAN.replace(seed=4)))
    with Run(tmp_path) as run:
        assert run.about["began.0"]["seed"] == 4


def test_a_run_that_is_refused_stays_as_it_was(tmp_path):
    with Recorder(tmp_path, about={"arguments": {"seed": 0}}) as recorder:
        fitted(recorder)
    with pytest.raises(RunError), Recorder(tmp_path, about={"arguments": {"seed": 1}}) as recorder:
        fitted(recorder, PLAN.replace(epochs=2))
    with Run(tmp_path) as run:
        assert run.about["arguments"] == {"seed": 0}
        assert run.state == "finished"


@pytest.mark.parametrize("error", [OSError("No space left on device"), ZeroDivisionError("unexpected")])
@pytest.mark.parametrize("level", ["default", "full"])
def test_a_writer_that_fails_ends_the_recording_only(tmp_path, monkeypatch, level, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("pondera.recording.writer.RunWriter.write_point", fails)
    with pytest.warns(pondera.errors.PonderaWarning, match=str(error)), Recorder(tmp_path, level) as recorder:
        found = fitted(recorder)
    same(found, fitted())


def test_a_wrong_call_is_not_a_damaged_run(tmp_path):
    with Recorder(tmp_path) as recorder:
        fitted(recorder)
    with pondera.runs.open(tmp_path) as run:
        for index in (3, ("3", 7), (0,), (1, 2, 3), (99, 0), None):
            with pytest.raises(ArgumentError, match="expected an index from"):
                run.weight("layers.0.weight", index)
        assert run.weight("layers.0.bias", 3).values.tolist() == run.weight("layers.0.bias", [3]).values.tolist()
        with pytest.raises(TypeError, match="index"):
            run.weight("layers.0.weight")
        with pytest.raises(TypeError, match="foo"):
            run.steps(foo=1)
    assert repr(run) == f"<Run {tmp_path}: closed>"
    for look in (run.steps, run.tensors, lambda: run.state):
        with pytest.raises(RunError, match="this run was closed"):
            look()
