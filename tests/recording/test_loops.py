"""Loops that are not Pondera's own are recorded from outside, whatever the framework."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError, PonderaWarning, RunError
from pondera.recording.figures import UnitFigures
from pondera.recording.loops import TOGETHER, Loop, Outputs
from pondera.recording.run import Run


def test_steps_are_written_in_order_and_gaps_stay(tmp_path):
    loop = Loop(tmp_path)
    loop.begin({"w": np.ones(2)})
    for step in [*range(TOGETHER + 3), 100, 101]:
        loop.took(step, loss=step, rate=0.5, norm=None)
    loop.close(True)
    with Run(tmp_path) as run:
        told = run.steps()
        assert told.first.tolist() == [*range(TOGETHER + 3), 100, 101]
        assert told.losses.tolist() == told.first.tolist()
        assert np.isnan(told.norms).all()
        assert run.state == "finished"


def test_a_loss_may_come_after_its_step(tmp_path):
    loop = Loop(tmp_path)
    loop.begin({"w": np.ones(2)})
    for step in range(2 * TOGETHER):
        loop.took(step)
        loop.tell_loss(step)
    loop.close(True)
    with Run(tmp_path) as run:
        assert run.steps().losses.tolist() == list(range(2 * TOGETHER))


def test_tensors_come_and_go(tmp_path):
    loop, one, two = Loop(tmp_path, "full"), {"a": np.ones(3)}, {"b": np.zeros((2, 2))}
    loop.begin(one)
    loop.point(0, one, one)
    loop.begin(two)
    loop.point(1, one | two, one | {"b": np.ones((2, 2))})
    loop.point(2, two, two)
    loop.took(2)
    loop.close(True, two)
    with Run(tmp_path) as run:
        assert {name: run.tensor(name).steps.tolist() for name in run.tensors()} == {"a": [0, 1], "b": [1, 2]}
        assert run.tensor("b").figures[0].update_squares == 4
        assert list(run.snapshots()) == [0, 1, 3]


def test_outputs_become_figures(tmp_path):
    loop, w = Loop(tmp_path), {"w": np.ones(1)}
    loop.begin(w)
    values = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])
    same = np.array([[0.0, 1.0]] * 3)  # the second says the same of every row, but is not silent
    loop.point(0, w, w, None, {"layer": Outputs("relu", same), "other": Outputs("tanh", values, values > 2)})
    loop.close(True)
    with Run(tmp_path) as run:
        ((step, figures),) = run.units("layer")
        assert (step, figures.silent, figures.rows, figures.units) == (0, 1, 3, 2)
        assert math.isnan(figures.saturated)
        assert run.units("other")[0][1].saturated == pytest.approx(1 / 6)


def test_directions_are_counted_over_rows_evenly_apart():
    late = np.zeros((127, 2))
    late[64:] = np.random.default_rng(0).standard_normal((63, 2))
    assert UnitFigures.of("dense", late).dimensions > 1


def test_only_so_much_time_is_taken(tmp_path):
    loop = Loop(tmp_path)
    assert [step for step in range(30) if loop.wants(step)] == [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        14,
        16,
        18,
        20,
        23,
        26,
        29,
    ]
    loop.overhead.spent = 1.0
    assert [step for step in range(30) if loop.wants(step)] == [0]
    loop.overhead.begun -= 200
    assert loop.wants(20)
    loop.close(False)
    assert not loop.wants(0)


def test_what_goes_wrong_ends_the_recording_only(tmp_path):
    loop = Loop(tmp_path, "full")
    loop.begin({"w": np.ones(1)})
    loop.took(0, 0.5)
    loop.writer.flush()
    with pytest.warns(PonderaWarning, match=r"stopped: ValueError: odd. Training went on without it."):
        loop.fail(ValueError("odd"))
    loop.took(1, 0.5)
    for step in range(20):  # nobody looks at them any more, and nobody waits for that
        assert not loop.wants(step)
        loop.point(step, {}, {})
    loop.close(True)
    with Run(tmp_path) as run:
        assert run.state == "unfinished"


def test_a_run_is_not_replaced_unasked(tmp_path):
    Loop(tmp_path).close(True)
    with pytest.raises(RunError, match="found a run"):
        Loop(tmp_path)
    Loop(tmp_path, replace=True).close(True)
    for level in ("all", "off", ["full"]):
        with pytest.raises(ArgumentError, match=r"Unknown level of recording .* Known: default, full\.$"):
            Loop(tmp_path / "other", level)
        with pytest.raises(ArgumentError, match=r"Known: default, full\.$"):
            pondera.runs.Recorder(tmp_path / "other", level)
    assert not (tmp_path / "other").exists()


def test_epochs_hold_what_json_can_hold(tmp_path):
    loop = Loop(tmp_path)
    loop.begin({"w": np.ones(1)})
    loop.took(0)
    with pytest.raises(ArgumentError, match="Epochs are numbered from 0"):
        loop.epoch(-1, {})
    with pytest.raises(ArgumentError, match="Epochs are numbered from 0"):
        loop.epoch(1 << 70, {})
    loop.epoch(0, {"training_loss": np.float32(0.5), "accuracy": math.nan, "text": "abc", "large": 10**400})
    loop.close(True)
    with Run(tmp_path) as run:
        (told,) = run.epochs()
    assert told == {
        "epoch": 0,
        "step": 1,
        "training_loss": 0.5,
        "validation_loss": None,
        "validation_metric": None,
        "accuracy": None,
        "text": None,
        "large": None,
    }


def test_a_killed_process_leaves_a_run_that_can_be_read(tmp_path):
    code = f"""
        import numpy as np
        from pondera.recording.loops import Loop
        loop, w = Loop({str(tmp_path / "run")!r}), {{"w": np.ones(1000)}}
        loop.begin(w)
        points, told = 0, False
        for step in range(10**9):
            if loop.wants(step):
                loop.point(step, w, {{"w": w["w"] * 0.9}})
                points += 1
            loop.took(step, 1.0)
            if not told and step >= 500 and points >= 4:  # how many are taken by then depends on the machine
                loop.writer.flush()
                print("there", flush=True)
                told = True
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"there\n"
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with pondera.runs.open(tmp_path / "run") as run:
        assert run.state == "unfinished"
        assert run.taken > 400
        assert len(run.tensor("w").steps) >= 4


@pytest.mark.parametrize("error", [OSError("No space left on device"), ZeroDivisionError("unexpected")])
@pytest.mark.parametrize("level", ["default", "full"])
def test_a_writer_that_fails_ends_the_recording_only(tmp_path, monkeypatch, level, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("pondera.recording.writer.RunWriter.write_point", fails)
    loop, w = Loop(tmp_path, level), {"w": np.ones(2)}
    loop.begin(w)
    for step in range(100):
        if loop.wants(step):
            loop.point(step, w, w)
        loop.took(step, 0.5)
    with pytest.warns(PonderaWarning, match=f"{error}. Training went on without it"):
        loop.close(True, w)
    with Run(tmp_path) as run:
        assert run.state == "unfinished"


def test_a_run_that_is_being_written_is_not_replaced(tmp_path):
    first = Loop(tmp_path, about={"which": "first"})
    with pytest.raises(RunError, match="another process is writing to this run"):
        Loop(tmp_path, replace=True)
    first.begin({"w": np.ones(1)})
    first.took(0, 0.5)
    first.close(True)
    with Run(tmp_path) as run:
        assert (run.state, run.about["which"], run.taken) == ("finished", "first", 1)


def test_the_thread_that_writes_may_close_the_run(tmp_path):
    loop = Loop(tmp_path)  # as where it is the one that collects what nobody has any more
    loop.begin({"w": np.ones(1)})
    loop.took(0, 0.5)
    loop.writer.later(loop.close, True)
    loop.writer._thread.join(60)
    assert loop.writer.failure is None
    with Run(tmp_path) as run:
        assert (run.state, run.taken) == ("finished", 1)
    Loop(tmp_path, replace=True).close(True)
