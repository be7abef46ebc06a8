"""Steps that wait for the thread that writes."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import pondera
from pondera.recording.backlog import MANY, MOST_WAITING, Backlog
from pondera.recording.writer import RunWriter


def test_only_so_many_wait(tmp_path):
    go, most = threading.Event(), []
    with RunWriter(tmp_path) as writer:
        backlog = Backlog(writer)
        threading.Timer(0.1, go.set).start()
        writer.later(lambda: go.wait() and None)
        for _ in range(3 * MOST_WAITING):
            backlog.add(lambda: most.append(backlog.waiting))
    assert len(most) == 3 * MOST_WAITING
    assert max(most) <= MOST_WAITING


@pytest.mark.parametrize(("size", "most"), [(None, 4), (0, MANY), (1 << 20, 64), (1 << 40, 4)])
def test_the_smaller_they_are_the_more_may_wait(tmp_path, size, most):
    go = threading.Event()
    with RunWriter(tmp_path) as writer:
        backlog = Backlog(writer, size)
        assert backlog.most == most
        for _ in range(most // 4):
            assert not backlog.busy
            backlog.add(go.wait)
        assert backlog.busy
        go.set()


@pytest.mark.parametrize("where", ["in the backlog", "elsewhere"])
def test_nobody_waits_for_a_writer_that_has_failed(tmp_path, where):
    go, done = threading.Event(), []

    def fails():
        go.wait()
        raise ZeroDivisionError("unexpected")

    def asks(backlog):
        for step in range(3 * MOST_WAITING):
            backlog.add(done.append, step)

    with RunWriter(tmp_path) as writer:
        backlog = Backlog(writer)
        backlog.add(fails) if where == "in the backlog" else writer.later(fails)
        asking = threading.Thread(target=asks, args=(backlog,), daemon=True)
        asking.start()
        while backlog.waiting < MOST_WAITING:
            time.sleep(0.01)
        go.set()
        asking.join(300)
        assert not asking.is_alive()  # it would be for ever
        assert writer.failure == "ZeroDivisionError: unexpected"
    assert done == []


@pytest.mark.parametrize("level", ["default", "full"])
def test_nobody_waits_for_a_writer_that_was_closed(tmp_path, level):
    def closes(_):
        recorder.close()

    x = np.zeros((8, 1))
    with pondera.runs.Recorder(tmp_path, level) as recorder:
        network = pondera.Network.create(1, pondera.Dense(1))
        fitted = pondera.fit(network, x, x, pondera.Plan(epochs=200), recorder=recorder, progress=closes)
    assert len(fitted.history) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_was_forked_from_one_that_records_waits_for_nobody(tmp_path):
    done = subprocess.run([sys.executable, "-c", THAT_FORKS, tmp_path], capture_output=True, text=True, timeout=300)
    assert (done.stdout.split(), done.returncode) == (["20", "20"], 0), done.stderr


THAT_FORKS = """
import os, pathlib, sys
import numpy as np
from pondera.recording.loops import Loop

loop, w = Loop(pathlib.Path(sys.argv[1]), "full"), {"w": np.ones(2)}
loop.begin(w)
child = os.fork()
for step in range(20):
    loop.point(step, w, w)
    loop.took(step, loss=1.0)
print(loop.next, flush=True)
if child:
    assert os.waitpid(child, 0)[1] == 0
loop.close(True, w)
"""
