"""Trainings beside the server that began them, and beside each other."""

import contextlib
import gc
import os
import shutil
import signal
import sys
import threading
import time

import pytest

import pondera
from pondera.errors import ArgumentError, RunError
from pondera.files import lock
from pondera.recording.process import sign
from pondera.recording.schema import DATABASE
from pondera.training.stopping import Interruption
from pondera.workbench.served import OWN, Served
from pondera.workbench.trainings import GOING_ON, RUNNING, STARTING, STOPPED, Process, Trainings

LONG = {"target": "kind", "recipe": "plain", "epochs": 100000, "learning_rate": 1e-6}
FOR_EVER = ["--target=kind", "--recipe=plain", "--epochs=100000", "--learning-rate=1e-6"]


def test_a_training_that_the_server_leaves_to_itself_goes_on(folder, recwarn):
    gc.collect()
    recwarn.clear()  # of what other tests left
    trainings = Trainings(Served(folder))
    trainings.start("left", FOR_EVER, "signs.csv")
    process = trainings._processes["left"]
    assert trainings.activity("left") in (STARTING, RUNNING)
    number = process.pid
    trainings.let_go()
    del process, trainings
    gc.collect()
    assert not [each for each in recwarn if each.category is ResourceWarning]
    os.kill(number, 0)  # it is still there
    again = Trainings(Served(folder))
    for _ in range(3000):  # however busy the machine is
        if again.activity("left") == RUNNING:
            break
        time.sleep(0.1)
    assert again.activity("left") == RUNNING
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)


def test_a_training_can_be_stopped_where_its_server_ignores_interrupts(folder):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as what a shell script begins with & does
    try:
        begun = Trainings(Served(folder))
        begun.start("deaf", FOR_EVER, "signs.csv")
    finally:
        signal.signal(signal.SIGINT, before)
    while not epochs_of(folder / "deaf"):  # before the first there are no weights to keep
        assert begun.activity("deaf") in GOING_ON
        time.sleep(0.1)
    begun.stop("deaf")
    assert begun._processes["deaf"].wait(120) in STOPPED
    assert (folder / "deaf" / "model.safetensors").exists()


def epochs_of(run):
    """Return how many epochs a training has written down, none before its run is there."""
    if not (run / DATABASE).exists():
        return 0
    try:
        with pondera.runs.open(run) as opened:
            return len(opened.epochs())
    except RunError:  # it is being written for the first time
        return 0


@pytest.fixture
def trainings(folder, monkeypatch):
    """Give trainings whose processes wait, and never write anything."""
    found = Trainings(Served(folder))
    waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr("pondera.workbench.child.command", lambda *_, **__: waiting)
    found.begun = []

    def process(*arguments, **options):
        time.sleep(0.05)  # wide enough for another to come in between
        found.begun.append(Process(*arguments, **options))
        return found.begun[-1]

    monkeypatch.setattr("pondera.workbench.trainings.Process", process)
    yield found
    for each in found.begun:
        each.kill()
        each.wait()


def at_once(count, call):
    refused = []

    def one():
        try:
            call()
        except ArgumentError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return refused


def run_at(folder):
    """Make a folder that looks like a run from outside."""
    folder.mkdir(parents=True)
    (folder / "run.sqlite").write_bytes(b"")


def test_of_many_starts_of_one_name_one_begins(trainings):
    refused = at_once(6, lambda: trainings.start("dup", [], "signs.csv"))
    assert len(trainings.begun) == 1
    assert len(refused) == 5
    assert all("already" in each for each in refused)


def test_of_many_that_go_on_with_a_run_one_begins(trainings, folder):
    run_at(folder / "died")
    at_once(6, lambda: trainings.go_on("died"))
    assert len(trainings.begun) == 1


def test_a_run_is_not_replaced(trainings, folder):
    run_at(folder / "once")
    with pytest.raises(ArgumentError, match="Give another name, or put the old one into the bin"):
        trainings.start("once", [], "signs.csv")
    assert trainings.begun == []


def test_one_that_tests_its_model_is_stopped(trainings, folder):
    """Its run is written by then: nobody holds the lock."""
    trainings.start("tested", [], "signs.csv")
    run_at(folder / "tested")
    (folder / "tested" / "run.lock").write_bytes(b"")
    (folder / "tested" / "model.safetensors").write_bytes(b"")
    assert trainings.activity("tested") == RUNNING
    trainings.stop("tested")
    trainings.begun[0].wait(60)
    assert trainings.activity("tested") == "ended"


def test_a_training_pauses_until_it_says_that_it_waits(trainings, folder):
    run_at(folder / "long")
    with written(folder / "long"):
        trainings.pause("long")
        assert trainings.activity("long") == "pausing"
        (folder / "long" / "run.pause").write_text("waiting")
        assert trainings.activity("long") == "paused"
        trainings.go_on("long")
        assert trainings.activity("long") == RUNNING


@contextlib.contextmanager
def written(folder):
    """Somebody writes to the run in a folder."""
    with lock(folder / "run.lock") as held:
        sign(held)
        yield


def test_nothing_is_moved_that_is_being_trained(client, folder):
    names = ("par", "par/child", "par/child/below")
    for name in names:
        run_at(folder / name)
    with written(folder / "par" / "child" / "below"):
        for name in names:
            answer = client.delete("/api/run", params={"run": name})
            assert answer.status_code == 400
            assert "'par/child/below' is being trained" in answer.json()["error"]
    assert (folder / "par" / "child" / "below").is_dir()
    assert client.delete("/api/run?run=par").status_code == 200


def test_nothing_is_moved_in_which_a_training_begins(trainings, folder):
    (folder / "par").mkdir()
    trainings.start("par/child", [], "signs.csv")
    with pytest.raises(ArgumentError, match="'par/child' is being trained"), trainings.at_rest("par"):
        pass


def test_runs_of_long_names_have_logs_and_go_into_the_bin(client, folder):
    name = "/".join(["é" * 90] * 2)
    run_at(folder / name)
    assert client.get("/api/training", params={"run": name}).status_code == 200
    assert client.delete("/api/run", params={"run": name}).status_code == 200
    (found,) = client.get("/api/bin").json()["runs"]
    assert found["run"] == name
    assert client.post("/api/bin/restore", json={"name": found["name"]}).json() == {"run": name}


def test_one_that_is_stopped_before_it_has_begun_has_not_failed(trainings, client, folder):
    trainings.start("early", [], "signs.csv")
    trainings.stop("early")
    trainings.begun[0].wait()
    assert trainings.told("early")["activity"] == "ended"
    again = Trainings(Served(folder))  # of a server that was started since
    for each in (trainings, again):
        assert each.was_stopped_before("early")
    told = client.app.app.state.bench.pulses.look("early", None)
    assert (told["there"], told["stopped"]) == (False, True)
    assert told["problem"] == "It was stopped before it began, and left no run."
    assert "no such run" in client.app.app.state.bench.pulses.look("never", None)["problem"]
    trainings.start("early", [], "signs.csv")
    assert trainings.activity("early") == "starting"
    assert not trainings.was_stopped_before("early")
    run_at(folder / "early")
    assert not again.was_stopped_before("early")


def test_one_that_was_told_to_stop_is_stopping_until_it_has_ended(trainings, client, folder):
    run_at(folder / "long")
    with Interruption() as asked, written(folder / "long"):  # by this process
        assert trainings.activity("long") == "running"
        assert client.post("/api/training/stop?run=long").json()["activity"] == "stopping"
        assert asked.requested
        for _ in range(2):  # by whoever asks, and as often as one likes
            assert Trainings(Served(folder)).activity("long") == "stopping"
        assert client.app.app.state.bench.pulses.look("long", None)["activity"] == "stopping"
        assert client.post("/api/training/continue?run=long").status_code == 400
        assert trainings.activity("long") == "stopping"
    assert trainings.activity("long") == "ended"
    trainings.go_on("long")
    assert trainings.activity("long") == "starting"
    trainings.stop("long")
    assert trainings.activity("long") in ("stopping", "ended")


def test_the_model_of_one_that_goes_on_is_not_written_yet(client, folder):
    """What is there was written where it was stopped before: it can be paused as it could then."""
    with pondera.runs.Recorder(folder / "long"):
        (folder / "long" / "model.safetensors").write_bytes(b"")
        told = client.app.app.state.bench.pulses.look("long", None)
        assert (told["activity"], told["saved"]) == (RUNNING, False)


def test_one_whose_run_is_deleted_is_ended_and_leaves_nothing(client, folder):
    assert client.post("/api/training", json={"run": "gone", "table": "signs.csv", **LONG}).status_code == 201
    process = client.app.app.state.bench.trainings._processes["gone"]
    until(lambda: process.had_run and epochs_of(folder / "gone"))
    shutil.rmtree((folder / "gone").rename(folder.parent / "gone"), ignore_errors=True)  # it may write meanwhile
    assert process.wait(60) == -signal.SIGKILL
    until(lambda: client.get("/api/training?run=gone").json()["activity"] == "ended")
    assert not (folder / "gone").exists()
    assert client.get("/api/runs").json()["without_run"] == []


def until(true):
    """Wait until something is true, however busy the machine is."""
    for _ in range(1200):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def test_the_next_training_was_not_told_to_stop(trainings, folder):
    (folder / "next").mkdir()
    for name in ("run.pause", "run.stop"):
        (folder / "next" / name).write_bytes(b"")
    with pondera.runs.Recorder(folder / "next"):
        assert trainings.activity("next") == RUNNING


def without_run(client):
    return {each["run"]: each for each in client.get("/api/runs").json()["without_run"]}


def test_one_that_has_no_run_yet_is_listed(trainings, client, folder):
    client.app.app.state.bench.trainings._processes = trainings._processes
    trainings.start("par/new", [], "signs.csv")
    assert without_run(client)["par/new"]["activity"] == "starting"
    assert client.delete("/api/training?run=par/new").status_code == 400
    assert client.get("/api/runs?run=par/new").json()["without_run"] == []
    run_at(folder / "par" / "new")
    assert without_run(client) == {}


def test_why_one_failed_is_told_until_it_is_forgotten(client, folder):
    """Also by the server that is started next: all that it knows is what is on the disk."""
    logs = folder / OWN / "logs"
    logs.mkdir(parents=True)
    (logs / "par%2Fwrong.log").write_text("Note: slow.\nError: signs.csv has no column 'kindd'.\n")
    (logs / "interrupted.log").write_text("Interrupted.\n")
    for name in ("..%2Fwrong.log", "a%00.log", ".log"):  # whoever put them there
        (logs / name).write_text("Error: no such name.\n")
    (logs / "link.log").symlink_to(folder / "signs.csv")
    (logs / f"{'x' * 150}-{'0' * 16}.log").write_text("Error: too long a name to be known.\n")
    found = without_run(client)
    assert found == {
        "par/wrong": {"run": "par/wrong", "activity": "failed", "error": "signs.csv has no column 'kindd'."}
    }
    assert client.get("/api/training?run=par/wrong").json()["error"] == found["par/wrong"]["error"]
    told = client.app.app.state.bench.pulses.look("par/wrong", None)
    assert (told["activity"], told["error"]) == ("failed", found["par/wrong"]["error"])
    assert client.delete("/api/training?run=par/wrong").status_code == 200
    assert without_run(client) == {}


def test_a_run_in_the_bin_leaves_no_failure_behind(client, folder):
    run_at(folder / "late")
    (folder / OWN / "logs").mkdir(parents=True)
    (folder / OWN / "logs" / "late.log").write_text("Error: the disk is full.\n")
    assert client.delete("/api/run?run=late").status_code == 200
    assert without_run(client) == {}
