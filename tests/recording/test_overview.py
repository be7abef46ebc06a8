"""Runs side by side."""

import contextlib
import io
import math
import re

import numpy as np
import pytest
from rich.console import Console

import pondera
from pondera.commands import main
from pondera.recording.loops import Loop
from pondera.recording.overview import differences, overview
from pondera.report.runs import show_runs


def test_the_best_epoch_goes_to_tensorboard_and_back(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 3))
    plan = pondera.Plan(loss="binary_cross_entropy", epochs=5, batch_size=16)
    with pondera.runs.Recorder(tmp_path / "run") as recorder:
        network = pondera.Network.create(3, pondera.Dense(1))
        pondera.fit(network, x, (x[:, 0] > 0).astype(float), plan, validation=0.25, recorder=recorder)
    pondera.runs.to_tensorboard(tmp_path / "run", tmp_path / "logs")
    pondera.runs.from_tensorboard(tmp_path / "logs", tmp_path / "back")
    one, back = overview(tmp_path / "run"), overview(tmp_path / "back")
    assert (one.metric, back.metric) == ("accuracy", "accuracy")
    assert back.best == pytest.approx(one.best)
    pondera.runs.merge([tmp_path / "run", tmp_path / "back"], tmp_path / "both")
    assert (overview(tmp_path / "both").metric, overview(tmp_path / "both").best) == (one.metric, one.best)


def test_options_that_were_not_given_are_compared_by_what_was_used(tmp_path):
    def trained(name, *options):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            main(["train", "--example", "iris", "--recipe", "plain", "--out", str(tmp_path / name), *options])
        return overview(tmp_path / name)

    shared = ["--epochs=2", "--hidden=4"]
    one = trained("one", *shared)
    same = ["--target=species", "--task=classification", "--activation=relu", "--batch-size=32"]
    told = trained("told", *shared, *same, "--test-fraction=0.2", "--learning-rate=0.001")
    other = trained("other", *shared, "--test-fraction=0.5")
    assert (one.settings["test_fraction"], one.settings["task"]) == (None, None)
    assert differences([one, told]) == {}
    assert differences([one, other])["test_fraction"] == [0.2, 0.5]
    console = Console(file=io.StringIO(), width=80)
    show_runs(console, [one, other])
    assert re.search(r"test_fraction +0\.2 +0\.5\n", console.file.getvalue())


@pytest.mark.parametrize(("about", "best"), [({}, None), ({"metric": "F1"}, None), ({"metric": "accuracy"}, 0.75)])
def test_no_epoch_is_the_best_of_a_metric_that_nobody_knows(tmp_path, about, best):
    loop = Loop(tmp_path, about=about | {"framework": "PyTorch"})
    loop.begin({"w": np.ones(1)})
    for number, metric in enumerate((0.5, 0.75, 0.25)):
        loop.took(number, 0.5)
        loop.epoch(number, {"validation_metric": metric})
    loop.close(True)
    assert (overview(tmp_path).best, overview(tmp_path).metric) == (best, "accuracy" if best else "")


@pytest.mark.parametrize(
    ("losses", "since"),
    [
        ([1.0, 0.5, math.nan, math.nan], 2),
        ([1.0, 0.5, math.inf], 2),
        ([1.0, math.nan, 0.5, math.nan, math.nan], 3),
        ([1.0, math.nan, 0.5, math.nan], None),  # told of every second step
        ([math.nan, math.nan, 0.5, math.nan], None),
        ([1.0, math.nan, 0.5], None),
        ([math.nan, math.nan], None),  # never told
        ([], None),
    ],
)
def test_a_loss_that_is_no_number_any_more_is_told(tmp_path, losses, since):
    loop = Loop(tmp_path)
    loop.begin({"w": np.ones(1)})
    for step, loss in enumerate(losses):
        loop.took(step, loss)
    loop.close(True)
    found = overview(tmp_path)
    assert found.state == "finished"
    assert found.note == ("" if since is None else f"The loss is no number since step {since}.")
