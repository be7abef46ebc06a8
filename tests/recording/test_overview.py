"""Runs side by side."""

import contextlib
import io
import json
import math
import re
import sqlite3

import numpy as np
import pytest
from rich.console import Console

import pondera
from pondera.commands import main
from pondera.recording.loops import Loop
from pondera.recording.networks import networks_of
from pondera.recording.overview import differences, overview, overviews
from pondera.recording.run import Run
from pondera.report.runs import show_runs
from pondera.training.stopping import Interruption


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


X = np.random.default_rng(0).normal(size=(48, 3))
ARCHITECTURE = pondera.Network.create(3, pondera.Dense(1)).architecture


class Interrupting(pondera.runs.Recorder):
    """Has all be interrupted when a network begins that comes after so many."""

    after = 0

    def __call__(self, part):
        if part >= self.after:
            self.interruption.request()
        return super().__call__(part)


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """Train nine networks one after the other, which are interrupted once one begins or has taken some steps."""
    monkeypatch.setattr("pondera.training.population.cores", lambda: 1)

    def train(interrupts=(9, 0), **about):
        asked = Interruption()
        monkeypatch.setattr("pondera.training.population.Interruption", lambda: asked)

        def progress(k, where):
            if (k, where.step) >= interrupts:
                asked.request()

        with Interrupting(tmp_path, about=about) as recorder:
            recorder.interruption, recorder.after = asked, interrupts[0] if interrupts[1] == 0 else 99
            plan = pondera.Plan(epochs=4, batch_size=16)
            pondera.fit_population(ARCHITECTURE, X, X[:, 0], plan, seeds=9, progress=progress, recorder=recorder)
        with Run(tmp_path) as run:
            return overview(tmp_path), networks_of(run)

    return train


@pytest.mark.parametrize(
    ("interrupts", "kept", "ended"),
    [
        ((2, 3), (0, 1, 2), "2 networks were trained to the end, 1 in part."),
        ((2, 1), (0, 1), "2 networks were trained to the end."),
        ((0, 3), (0,), "1 network was trained in part."),
        ((0, 0), (0,), ""),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_how_far_networks_came_that_were_interrupted(networks, interrupts, kept, ended, known):
    found, told = networks(interrupts, **({"arguments": {"seeds": 9}} if known else {}))
    assert (found.state, told.kept, told.averaged) == ("interrupted", kept, len(kept))
    assert found.note == (f"{9 - len(kept)} of 9 networks finished no epoch and were left out." if known else "")
    if known or len(kept) > 1:
        far = f": {ended}" if ended else " before a network finished an epoch."
        assert found.ended == f"Training was interrupted{far}"
    else:  # of one it is known where
        assert found.ended.startswith("Training was interrupted in epoch ")
    found, told = networks(**({"arguments": {"seeds": 9}} if known else {}))
    assert (found.state, found.ended, found.note) == ("finished", "All 4 epochs were trained.", "")
    assert told.kept == tuple(range(9))


def test_while_networks_are_trained_their_end_is_not_known_and_all_count(tmp_path, monkeypatch):
    monkeypatch.setattr("pondera.training.population.cores", lambda: 1)
    told = []

    def progress(k, where):
        if k == 1 and not told:
            recorder.writer.flush()
            with Run(tmp_path) as run:
                told.append((overview(tmp_path).ended, networks_of(run).averaged, run.parts))

    with pondera.runs.Recorder(tmp_path, about={"arguments": {"seeds": 3}}) as recorder:
        plan = pondera.Plan(epochs=2, batch_size=16)
        pondera.fit_population(ARCHITECTURE, X, X[:, 0], plan, seeds=3, progress=progress, recorder=recorder)
    assert told == [("", 3, (0, 1))]


def test_runs_that_began_within_a_second_are_listed_in_their_order(tmp_path):
    names = [f"{k}" for k in (3, 1, 2)]
    for name in names:
        Loop(tmp_path / name).close(finished=True)
    assert [each.folder.name for each in overviews([tmp_path / name for name in sorted(names)])] == names


def test_runs_are_listed_by_the_moment_they_began_whatever_their_clocks_say(tmp_path):
    began = {"first": "2026-11-28T00:59:00+09:00", "later": "2026-11-27T10:59:00-08:00", "unknown": "yesterday"}
    for name, moment in began.items():
        Loop(tmp_path / name).close(finished=True)
        with contextlib.closing(sqlite3.connect(tmp_path / name / "run.sqlite")) as database, database:
            database.execute("UPDATE about SET value = ? WHERE name = 'began'", (json.dumps(moment),))
    assert [each.folder.name for each in overviews([tmp_path])] == ["unknown", "first", "later"]
