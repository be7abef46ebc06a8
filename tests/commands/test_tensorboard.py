"""Runs to TensorBoard's files and back on the command line."""

import contextlib
import sqlite3

import numpy as np

from pondera.recording.events import record_of
from pondera.recording.loops import Loop


def recorded(folder):
    """Record a loop of one step."""
    loop, w = Loop(folder), {"w": np.ones(3)}
    loop.begin(w)
    loop.point(0, w, w)
    loop.took(0, 0.5)
    loop.close(True)


def test_there_and_back(run, tmp_path):
    recorded(tmp_path / "run")
    there = run("tensorboard", tmp_path / "run", tmp_path / "logs", "--json").json
    assert there["written"].startswith(str(tmp_path / "logs" / "events.out.tfevents."))
    back = run("tensorboard", tmp_path / "logs", tmp_path / "back", "--json").json
    assert (back["steps"], back["tensors"], back["tags"]["loss"]) == (1, 1, "loss")
    again = run("tensorboard", tmp_path / "logs", tmp_path / "back")
    assert again.code == 2
    assert "found a run" in again.err
    told = run("tensorboard", tmp_path / "logs", tmp_path / "back", "--replace").out
    assert "is a run of 1 step and 1 tensor: loss from 'loss'" in told
    assert "Unknown scalar" in run("tensorboard", tmp_path / "logs", tmp_path / "c", "--loss", "x").err


def test_a_damaged_run_leaves_nothing_behind(run, tmp_path):
    recorded(tmp_path / "run")
    with contextlib.closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as database, database:
        database.execute("UPDATE tensor_figures SET figures = 'x'")
    done = run("tensorboard", tmp_path / "run", tmp_path / "new" / "logs")
    assert (done.code, "the run is damaged" in " ".join(done.err.split())) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_single_weights_of_other_loops(run, tmp_path):
    loop, w = Loop(tmp_path / "run", "full"), {"w": np.array([3.0, -4.0])}
    loop.begin(w)
    for step in range(3):
        loop.point(step, w, {"w": w["w"] / 2}, {"w": np.ones(2)})
        loop.took(step, 0.5)
        w = {"w": w["w"] / 2}
    loop.close(True, w)
    told = run("weight", tmp_path / "run", "w[0]", "--json").json
    assert [each["value"] for each in told["history"]] == [3, 1.5, 0.75, 0.375]
    assert [each["gradient"] for each in told["history"]] == [1, 1, 1, None]
    assert (told["rank"], told["of"], told["ablation_loss_change"], told["rows_up"]) == (2, 2, None, None)
    shown = run("weight", tmp_path / "run", "w[0]").out
    assert "what it was drawn from is not known" in shown
    assert "mean loss" not in shown
    run("tensorboard", tmp_path / "run", tmp_path / "logs")
    run("tensorboard", tmp_path / "logs", tmp_path / "back")
    assert "nothing is known of single weights of w" in run("weight", tmp_path / "back", "w[0]").err
    assert "found one of another program" in run("weight", tmp_path / "run", "w[0]", "--table", "x.csv").err


def test_what_a_tag_would_do_to_the_terminal_is_written_out(run, tmp_path):
    (tmp_path / "events.out.tfevents.1").write_bytes(record_of(1.0, 0, [("\x1b[31mloss", 0.5)]))
    shown = run("tensorboard", tmp_path, tmp_path / "run", "--loss", "\x1b[31mloss").out
    assert "loss from '\\x1b[31mloss'" in shown
    told = run("tensorboard", tmp_path, tmp_path / "run", "--loss", "loss").err
    assert "\\x1b[31mloss" in told
    assert "\x1b" not in told


def test_runs_whose_loss_is_no_number_any_more_say_so(run, tmp_path):
    loop = Loop(tmp_path / "run")
    loop.begin({"w": np.ones(1)})
    for step in range(4):
        loop.took(step, 0.5 if step < 3 else np.nan)
    loop.close(True)
    note = "The loss is no number since step 3."
    assert run("runs", tmp_path, "--json").json["runs"][0]["note"] == note
    assert f"run:{note}".replace(" ", "") in "".join(run("runs", tmp_path).out.split())
