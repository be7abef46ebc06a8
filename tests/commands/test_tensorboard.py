"""Runs to TensorBoard's files and back on the command line."""

import numpy as np

from pondera.recording.loops import Loop


def test_there_and_back(run, tmp_path):
    loop, w = Loop(tmp_path / "run"), {"w": np.ones(3)}
    loop.begin(w)
    loop.point(0, w, w)
    loop.took(0, 0.5)
    loop.close(True)
    there = run("tensorboard", tmp_path / "run", tmp_path / "logs", "--json").json
    assert there["written"].startswith(str(tmp_path / "logs" / "events.out.tfevents."))
    back = run("tensorboard", tmp_path / "logs", tmp_path / "back", "--json").json
    assert (back["steps"], back["tensors"], back["tags"]["loss"]) == (1, 1, "loss")
    again = run("tensorboard", tmp_path / "logs", tmp_path / "back")
    assert again.code == 2
    assert "found a run" in again.err
    told = run("tensorboard", tmp_path / "logs", tmp_path / "back", "--replace").out
    assert "is a run of 1 steps and 1 tensors: loss from 'loss'" in told
    assert "Unknown scalar" in run("tensorboard", tmp_path / "logs", tmp_path / "c", "--loss", "x").err
