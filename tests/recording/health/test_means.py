"""Rules say of a run whose figures of steps are means the same as of one that kept a figure of every step."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import pondera
from pondera.recording.health.epochs import with_losses
from pondera.recording.health.facts import Facts
from pondera.recording.health.rules import RULES
from pondera.recording.history import Steps
from pondera.recording.room import coarsen_steps
from pondera.recording.schema import DATABASE, create
from pondera.recording.writer import RunWriter
from tests.recording.health.test_rules import PLAN, PLANTED, facts, network

RULE = {rule.name: rule for rule in RULES}
STRIDES = [2, 4, 16]
FAST = PLAN.replace(optimizer="sgd", learning_rate=1.5)


def told(folder, losses, stride=1):
    """Return what a run says whose losses are means of so many steps."""
    with RunWriter(folder) as writer:
        writer.part(0, {"w": np.ones(2)})
        for step in range(0, len(losses), len(losses) // 20):
            writer.point(0, step, {"w": np.ones(2)}, {"w": np.ones(2)})
        writer.steps(0, 0, losses, np.full(len(losses), 0.1), np.full(len(losses), np.nan))
    return averaged(folder, stride)


def averaged(folder, stride):
    """Average the figures of steps of a run, and return what it says then."""
    database = create(folder / DATABASE)
    coarsen_steps(database, 0, stride)
    database.close()
    with pondera.runs.open(folder) as run:
        return Facts.of(run)


def noise(deviation, count=4000):
    return 1 + deviation * np.random.default_rng(1).standard_normal(count)


def findings(known):
    """Return since when each rule finds something at the end."""
    found = {name: rule.since(known, finding) for name, rule in RULE.items() if (finding := rule(known)) is not None}
    return {name: finding.figures["since"] for name, finding in found.items()}


@pytest.fixture(scope="module", params=["loss diverging", "noisy", "plateaued", "learning rate too low", "healthy"])
def single(request, tmp_path_factory):
    """The folder of a training with a figure of every step, and what it says."""
    folder = tmp_path_factory.mktemp("single") / "run"
    plant = PLANTED | {
        "loss diverging": lambda f: facts(f, network(depth=0), plan=FAST.replace(learning_rate=0.85)),
        "healthy": facts,
    }
    return folder, plant[request.param](folder)


@pytest.mark.parametrize("stride", [2, 4])
def test_of_a_training_the_same_is_found(single, stride, tmp_path):
    folder, known = single
    shutil.copytree(folder, tmp_path / "run")
    means = averaged(tmp_path / "run", stride)
    assert means.taken == known.taken == pondera.runs.check(folder).steps
    assert len(means.steps.first) == -(-known.taken // stride)
    one, other = findings(known), findings(means)
    assert set(other) == set(one)
    # Rules are asked about recorded steps, which are some apart; a deviation is told from 16 figures of the last half.
    near = {name: 33 * stride if name == "noisy" else 2 * stride for name in one}
    assert all(abs(other[name] - one[name]) <= near[name] for name in one)
    for before in known.on_the_way:
        assert means.until(before.taken - 1).taken == before.taken


@pytest.mark.parametrize("stride", STRIDES)
def test_what_overflows_does_so_after_as_many_steps(stride, tmp_path):
    slow, fast = np.geomspace(1, 1e4, 4000), np.r_[noise(0.1), 10 ** (0.3 * np.arange(64))]
    for name, losses in (("slow", slow), ("fast", fast)):
        one, other = told(tmp_path / name, losses), told(tmp_path / f"{name} means", losses, stride)
        looked = [RULE["NaN ahead"].look(each) for each in (one, other)]
        assert looked[1].figures["steps_left"] == pytest.approx(looked[0].figures["steps_left"], abs=stride)
        assert looked[1].measure == pytest.approx(looked[0].measure, rel=0.01)
        assert "in 9 steps" in looked[1].statement
        assert (RULE["NaN ahead"](other) is not None) == (name == "fast")


@pytest.mark.parametrize("stride", [*STRIDES, 64])
@pytest.mark.parametrize("deviation", [0.3, 1.0])
def test_noise_is_that_of_steps(stride, deviation, tmp_path):
    losses = noise(deviation, 20_000)
    one, other = told(tmp_path / "single", losses), told(tmp_path / "means", losses, stride)
    looked = [RULE["noisy"].look(replace(each, about={"rows": {"baseline": 1.0}})) for each in (one, other)]
    assert looked[1].measure == pytest.approx(looked[0].measure, rel=0.2)
    assert looked[0].measure == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("stride", [1, *STRIDES, 64])
def test_a_loss_that_falls_is_not_noisy(stride, tmp_path):
    known = told(tmp_path, np.exp(-np.arange(4000) / 1000), stride)
    assert RULE["noisy"].look(replace(known, about={"rows": {"baseline": 1.0}})).measure < 0.05


@pytest.mark.parametrize("stride", [1, *STRIDES, 64])
def test_a_loss_that_grew_in_the_first_steps_is_told_by_the_look_at_the_first(stride, tmp_path):
    losses = 10.0 ** np.minimum(np.arange(4000), 3)
    known = replace(told(tmp_path, losses, stride), looks=np.array([[0.0, 1.0, 10.0]]))
    assert known.start_loss == known.first_loss == 1
    finding = RULE["loss diverging"](known)
    assert finding.figures["measure"] == pytest.approx(3)


@pytest.mark.parametrize("stride", [1, *STRIDES, 64])
def test_where_training_stands_is_of_as_many_steps(stride, tmp_path):
    losses = np.r_[np.full(3840, 1.0), np.full(192, 3.0)]
    assert told(tmp_path, losses, stride).loss() == 3


@pytest.mark.parametrize("stride", STRIDES)
def test_epochs_know_the_losses_of_their_steps(stride):
    losses = np.arange(96.0)
    means = losses.reshape(-1, stride).mean(axis=1)
    nothing, widths = np.full(len(means), np.nan), np.full(len(means), stride)
    steps = Steps(stride * np.arange(len(means)), means, nothing, nothing, widths)
    epochs = [{"step": end, "training_loss": None} for end in range(12, 97, 12)]
    found = [each["training_loss"] for each in with_losses(epochs, steps)]
    assert found == pytest.approx(losses.reshape(-1, 12).mean(axis=1), abs=stride / 2)


def test_where_training_stopped_is_what_the_run_says(tmp_path):
    known = facts(tmp_path, network(depth=0), plan=FAST)
    with pondera.runs.open(tmp_path) as run:
        ending = run.about["ended.0"]
    assert ending["at"] == known.stopped >= known.taken
    said = f"at step {known.stopped + 1:,}"
    assert said in ending["message"]
    for stride in (1, 4, 16):
        finding = RULE["loss diverging"](averaged(tmp_path, stride))
        assert said in finding.statement
        assert finding.figures["since"] == known.stopped


def test_a_plateau_is_of_epochs_whose_loss_is_known():
    epochs = [{"epoch": k, "step": k + 1, "training_loss": 1.0 if k % 2 else None} for k in range(140)]
    known = Facts({}, 0, Steps(*np.zeros((5, 0))), epochs, {}, {}, np.zeros((0, 3)))
    finding = RULE["plateaued"](known)
    assert finding.statement.startswith("The loss stands still: in the last 69 epochs")
    assert finding.figures["since"] == 72
