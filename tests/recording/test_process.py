"""A run is paused, stopped and looked at whole by another process."""

import os
import signal
import sqlite3
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError, RunError
from pondera.recording.overview import overviews
from pondera.recording.process import go_on, is_paused, is_waiting, pause, stop, writer_of
from pondera.recording.recorder import Recorder
from pondera.recording.run import Run
from pondera.training.stopping import Interruption

X = np.arange(8.0)[:, None]


def train(folder, epochs, **more):
    with Recorder(folder, "full") as recorder:
        return pondera.fit(
            pondera.Network.create(1, pondera.Dense(2)),
            X,
            X @ [[2.0, -1.0]],
            pondera.Plan(epochs=epochs),
            recorder=recorder,
            **more,
        )


def test_a_run_names_its_writer(tmp_path):
    assert writer_of(tmp_path) is None
    with Recorder(tmp_path, "full"):
        assert writer_of(tmp_path) == os.getpid()
    assert writer_of(tmp_path) is None


def test_who_asks_is_no_writer(tmp_path):
    """Any number may ask at once; a process that was killed has left its number behind."""
    (tmp_path / "run.lock").write_text("1")
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(writer_of(tmp_path) for _ in range(3000))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(found) == {None}


def test_a_writer_that_has_ended_leaves_no_number_behind(tmp_path):
    written = []
    train(tmp_path, 1, progress=lambda _: written.append((tmp_path / "run.lock").read_text()))
    assert [each.split()[0] for each in written] == [str(os.getpid())]
    assert (tmp_path / "run.lock").read_text() == ""


def test_a_training_waits_while_it_is_paused(tmp_path, monkeypatch):
    epochs, looks = [], []

    def seen(progress):
        epochs.append(progress)
        if len(epochs) == 2:
            pause(tmp_path)

    def sleep(seconds):
        """Between two looks whether it may go on: the fifth one finds that it may."""
        assert is_paused(tmp_path)
        assert is_waiting(tmp_path)
        looks.append(len(epochs))
        if len(looks) == 4:
            go_on(tmp_path)

    monkeypatch.setattr("pondera.recording.process.time", SimpleNamespace(sleep=sleep, perf_counter=time.perf_counter))
    monkeypatch.setattr("pondera.recording.recorder.LOOK_AGAIN", 0)  # training is over before it would look otherwise
    train(tmp_path, 6, progress=seen)
    assert looks == 4 * looks[:1]
    assert not is_waiting(tmp_path)
    assert looks[0] < len(epochs) == 6
    with Run(tmp_path) as run:
        assert (run.state, run.taken) == ("finished", 6)


def test_a_training_that_waits_can_be_interrupted(tmp_path, monkeypatch):
    asked = Interruption()

    def sleep(seconds):
        assert not asked.requested
        asked.request()

    monkeypatch.setattr("pondera.recording.process.time", SimpleNamespace(sleep=sleep, perf_counter=time.perf_counter))
    monkeypatch.setattr("pondera.recording.recorder.LOOK_AGAIN", 0)
    fitted = train(tmp_path, 6, progress=lambda _: pause(tmp_path), interruption=asked)
    assert fitted.reason == "interrupted"
    assert (tmp_path / "states").is_dir()


def test_a_run_at_a_glance_says_whether_it_is_trained_now(tmp_path):
    seen = []

    def look(epoch):
        if len(seen) == 1:
            stop(tmp_path)
        seen.append(overviews([tmp_path])[0].state)

    train(tmp_path, 3, progress=look)
    assert seen == ["running", "stopping"]
    assert overviews([tmp_path])[0].state == "interrupted"


def test_a_lock_that_cannot_be_read_is_nobodys(tmp_path, monkeypatch):
    train(tmp_path, 1)

    def denied(_):
        raise PermissionError

    monkeypatch.setattr("pondera.recording.process.is_locked", denied)
    assert overviews([tmp_path])[0].state == "finished"


def test_a_pause_that_a_dead_training_left_is_over(tmp_path):
    (tmp_path / "run.pause").touch()
    train(tmp_path, 2)
    assert not is_paused(tmp_path)


@pytest.mark.parametrize("ask", [pause, stop])
def test_nobody_is_asked_where_nobody_trains(tmp_path, ask):
    with pytest.raises(RunError, match="no training writes to this run"):
        ask(tmp_path)
    with pytest.raises(RunError, match="expected the folder of a run"):
        go_on(tmp_path)


def test_all_weights_of_a_step(tmp_path):
    fitted = train(tmp_path, 5)
    with Run(tmp_path) as run:
        assert run.recorded("layers.0.weight") == [0, 1, 2, 3, 4, 5]
        last = run.weights_at("layers.0.weight", 5)
        assert last.tolist() == fitted.network.weights["layers.0.weight"].tolist()
        assert run.weight("layers.0.weight", (0, 1)).values[2] == run.weights_at("layers.0.weight", 2)[0, 1]
        with pytest.raises(ArgumentError, match="was not recorded at step 77"):
            run.weights_at("layers.0.weight", 77)


def test_all_weights_of_a_step_of_a_network_too_large_to_follow_every_one(tmp_path, monkeypatch):
    monkeypatch.setattr("pondera.recording.followed.ALL", 2)
    monkeypatch.setattr("pondera.recording.followed.SAMPLE", 1)
    monkeypatch.setattr("pondera.recording.followed.FEWEST", 1)
    fitted = train(tmp_path, 5)
    with Run(tmp_path) as run:
        steps = run.recorded("layers.0.weight")
        assert steps == list(run.snapshots())
        found = run.tensor_at("layers.0.weight", steps[-1])
        assert (found.shape, found.dtype) == (fitted.network.weights["layers.0.weight"].shape, "float32")
        assert found.values().tolist() == run.weights_at("layers.0.weight", steps[-1]).tolist()
        with pytest.raises(ArgumentError, match="was not recorded at step 77"):
            run.tensor_at("layers.0.weight", 77)


def test_an_initializer_without_options_has_a_name(tmp_path):
    network = pondera.Network.create(1, pondera.Dense(1, weight="he_normal"))
    with Recorder(tmp_path, "full") as recorder:
        pondera.fit(network, X, 2 * X, pondera.Plan(epochs=1), recorder=recorder)
    with Run(tmp_path) as run:
        assert run.tensor("layers.0.weight").initializer == {"name": "he_normal"}


def test_a_training_in_another_container_is_not_stopped_by_the_number_it_has_there(tmp_path, monkeypatch):
    killed = []
    monkeypatch.setattr("os.kill", lambda *signal: killed.append(signal))
    with Recorder(tmp_path, "full"):
        text = (tmp_path / "run.lock").read_text()
        number, _, where = text.partition(" ")
        assert where
        (tmp_path / "run.lock").write_text(f"{number} {where} of another")
        assert writer_of(tmp_path) == os.getpid()
        with pytest.raises(RunError, match="trained in another container, or on another machine"):
            stop(tmp_path)
        assert not (tmp_path / "run.stop").exists()
        (tmp_path / "run.lock").write_text(text)
        stop(tmp_path)
    assert killed == [(os.getpid(), signal.SIGINT)]


class Unwritable(sqlite3.Connection):
    """As on a file system that is read-only, where readers have no lock to share."""

    def execute(self, *_):
        raise sqlite3.OperationalError("unable to open database file")


def test_what_was_written_last_is_not_left_out_where_nothing_can_be_written(tmp_path, monkeypatch):
    connect = sqlite3.connect

    def connected(address, *more, **options):
        return connect(address, *more, **options, **({"factory": Unwritable} if "mode=ro" in address else {}))

    train(tmp_path, 3)
    monkeypatch.setattr("sqlite3.connect", connected)
    with Run(tmp_path) as run:
        assert run.taken == 3
    (tmp_path / "run.sqlite-wal").write_bytes(b"written last")
    with pytest.raises(RunError, match=r"what was written last is in run.sqlite-wal, .* Copy the folder"):
        Run(tmp_path)
