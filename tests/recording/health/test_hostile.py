"""Runs that are none, are empty, half written, of one step or full of NaN: a sentence or an answer."""

import json
import sqlite3

import numpy as np
import pytest

import pondera
from pondera.errors import RunError
from pondera.recording.loops import Loop, Outputs
from pondera.recording.writer import RunWriter

X = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
Y = X[:, 0] * X[:, 1]
NETWORK = pondera.Network.create(3, [pondera.Dense(4, "tanh"), pondera.Dense(1)])


def recorded(folder, y=Y, network=NETWORK, x=X, **plan):
    """Train a little and keep the run."""
    with pondera.runs.Recorder(folder, "full") as recorder:
        return pondera.fit(network, x, y, pondera.Plan(**plan), recorder=recorder)


def test_no_folder(tmp_path):
    with pytest.raises(RunError, match="expected the folder of a run"):
        pondera.runs.check(tmp_path / "nothing")


def test_another_database(tmp_path):
    with sqlite3.connect(tmp_path / "run.sqlite") as other:
        other.execute("CREATE TABLE steps (part)")
    with pytest.raises(RunError, match="another program"):
        pondera.runs.check(tmp_path)


def test_no_database(tmp_path):
    (tmp_path / "run.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(RunError, match="cannot be read"):
        pondera.runs.check(tmp_path)


def test_a_damaged_database(tmp_path):
    recorded(tmp_path, epochs=30)
    path = tmp_path / "run.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(RunError, match="damaged"):
        pondera.runs.check(tmp_path)


def test_figures_of_another_size(tmp_path):
    recorded(tmp_path, epochs=30)
    with sqlite3.connect(tmp_path / "run.sqlite") as database:
        database.execute("UPDATE tensor_figures SET figures = x'00'")
    with pytest.raises(RunError, match="damaged"):
        pondera.runs.check(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", [1]),
        ("identity", {"plan": [1]}),
        ("identity", {"architecture": {"layers": 5}}),
        ("rows", [1]),
        ("rows", {"baseline": "much"}),
        ("layers", 3),
        ("ended.0", "diverged"),
        ("ended.0", {"reason": "diverged", "at": "there"}),
        ("broken.0", 1),
        ("kept.0", "all"),
    ],
)
def test_what_a_run_says_of_itself_was_changed(tmp_path, name, value):
    recorded(tmp_path, epochs=30)
    with sqlite3.connect(tmp_path / "run.sqlite") as database:
        database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, json.dumps(value)))
    with pytest.raises(RunError, match="the run is damaged"):
        pondera.runs.check(tmp_path)


def test_nothing_recorded_yet(tmp_path):
    pondera.runs.Recorder(tmp_path).writer.close()
    with pytest.raises(RunError, match="cut off before its first step was recorded"):
        pondera.runs.check(tmp_path)


def test_no_epochs(tmp_path):
    recorded(tmp_path, epochs=0)
    with pytest.raises(RunError, match="no step of it was recorded"):
        pondera.runs.check(tmp_path)


def test_one_step(tmp_path):
    recorded(tmp_path, epochs=1)
    found = pondera.runs.check(tmp_path)
    assert (found.state, found.steps, found.findings) == ("finished", 1, ())


def test_a_run_that_is_being_written(tmp_path):
    with pondera.runs.Recorder(tmp_path, "full") as recorder:
        seen = []

        def progress(where):
            recorder.writer.flush()
            seen.append(pondera.runs.check(tmp_path))

        pondera.fit(NETWORK, X, Y, pondera.Plan(epochs=30), recorder=recorder, progress=progress)
    assert {each.state for each in seen} == {"unfinished"}
    assert [each.steps for each in seen] == list(range(1, 31))


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_training_that_overflows(tmp_path):
    fitted = recorded(tmp_path, 1e3 * Y, optimizer="sgd", learning_rate=1e3, epochs=50, batch_size=16)
    assert fitted.reason == "diverged"
    found = pondera.runs.check(tmp_path)
    assert any(finding.rule.endswith("loss diverging") for finding in found.findings)
    assert found.to_json()["findings"][0]["figures"]["measure"] is None  # it is infinite


def test_inputs_that_are_not_finite(tmp_path):
    x = X.copy()
    x[:, 1] = np.nan
    recorded(tmp_path, x=x, epochs=2)
    found = pondera.runs.check(tmp_path)
    assert found.steps == 0
    statement = found.findings[0].statement
    assert statement == "The loss or a weight became NaN or infinite at step 1, first in the inputs themselves."
    assert found.findings[0].advice.startswith("Remove the rows with such values")


def test_a_plain_function_has_no_layers(tmp_path):
    weights = {"a": np.ones((3, 1), np.float32)}
    with pondera.runs.Recorder(tmp_path, "full") as recorder:
        plan = pondera.Plan(epochs=20, optimizer="sgd", learning_rate=0.0)
        pondera.fit(lambda w, x: x @ w["a"], X, Y, plan, weights=weights, recorder=recorder)
    (found, *_) = pondera.runs.check(tmp_path).findings
    assert found.rule.endswith("weights never moved")
    assert found.figures["distance"] == 0


@pytest.mark.parametrize("error", [ZeroDivisionError("of the display"), SystemExit("of the display")])
def test_a_callback_that_fails_ends_neither_training_nor_recording(tmp_path, error):
    def fails(part, finding):
        raise error

    plan = pondera.Plan(epochs=60, optimizer="sgd", learning_rate=0.0)
    with (
        pytest.warns(pondera.errors.PonderaWarning, match=f"on_finding failed: {type(error).__name__}: of the display"),
        pondera.runs.Recorder(tmp_path, "full", on_finding=fails) as recorder,
    ):
        pondera.fit(NETWORK, X, Y, plan, recorder=recorder)
    with pondera.runs.open(tmp_path) as run:
        assert run.state == "finished"
        assert run.taken == 60


def test_findings_are_told_while_training_goes_on(tmp_path):
    told = []
    with pondera.runs.Recorder(
        tmp_path, "full", on_finding=lambda part, finding: told.append((part, finding))
    ) as recorder:
        plan = pondera.Plan(epochs=60, optimizer="sgd", learning_rate=0.0)
        pondera.fit(NETWORK, X, Y, plan, recorder=recorder)
    assert [part for part, finding in told if finding.rule.endswith("weights never moved")] == [0]


def test_a_population_is_one_list(tmp_path):
    with pondera.runs.Recorder(tmp_path, "full") as recorder:
        plan = pondera.Plan(epochs=20, optimizer="sgd", learning_rate=0.0)
        pondera.fit_population(NETWORK.architecture, X, Y, plan, seeds=2, recorder=recorder)
    (found, *_) = pondera.runs.check(tmp_path).findings
    assert found.figures["networks"] == [0, 1]
    assert "In 2 of 2 networks." in found.statement


def test_a_network_that_recovered_hides_none_that_did_not(tmp_path):
    recovered, diverges = np.r_[np.ones(9), np.full(41, 1e6), np.full(50, 0.5)], np.geomspace(1, 1e6, 100)
    with RunWriter(tmp_path) as writer:
        for part, losses in enumerate([recovered, diverges]):
            writer.part(part, {"w": np.ones(2)})
            for step in range(0, 100, 5):
                writer.point(part, step, {"w": np.ones(2)}, {"w": np.ones(2)})
            writer.steps(part, 0, losses, np.full(100, 0.1), np.ones(100))
    now, before = [each for each in pondera.runs.check(tmp_path).findings if each.rule == "loss diverging"]
    assert (now.figures["networks"], before.figures["networks"]) == ([1], [0])
    assert now.figures["change"]
    assert "until" in before.figures


ODD = [0.0, 1.0, -1.0, 1e-300, 1e30, 1e200, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("seed", range(12))
def test_any_numbers_of_another_loop(tmp_path, seed):
    random = np.random.default_rng(seed)

    def some(*shape):
        return random.choice(ODD[: 2 + seed % 8], shape) if seed else np.zeros(shape)

    loop, w = Loop(tmp_path, "full"), {"a": random.standard_normal((3, 4)), "b": np.zeros(4)}
    loop.begin(w)
    for step in range(20):
        with np.errstate(invalid="ignore"):
            after = {name: value + some(*value.shape) for name, value in w.items()}
        outputs = {"layer": Outputs("tanh", some(8, 4), some(8, 4) > 0)}
        loop.point(step, w, after, {name: some(*value.shape) for name, value in w.items()}, outputs)
        loop.took(step, *some(3))
        loop.epoch(step, {"training_loss": some(), "validation_loss": some(), "validation_metric": some()})
        w = after
    loop.close(True, w)
    health = pondera.runs.check(tmp_path)
    assert health.steps == 20
    json.dumps(health.to_json(), allow_nan=False)
    assert pondera.runs.to_tensorboard(tmp_path, tmp_path / "logs").is_file()


def test_no_learning_rate_is_advised_where_none_is_known(tmp_path):
    loop, w = Loop(tmp_path, "full"), {"a": np.ones((3, 4))}
    loop.begin(w)
    for step in range(20):
        loop.point(step, w, w, {"a": np.full((3, 4), 1e-9)})
        loop.took(step, 1.0)
    loop.close(True, w)
    (found,) = [each for each in pondera.runs.check(tmp_path).findings if each.rule == "weights never moved"]
    assert found.advice == "Learn faster, or look for what holds the weights."
    assert "change" not in found.figures


def test_rates_that_are_known_of_some_steps_only(tmp_path):
    loop, w = Loop(tmp_path, "full"), {"a": np.ones((3, 4))}
    loop.begin(w)
    for step in range(20):
        after = {"a": w["a"] * (1 - 1e-7)}
        loop.point(step, w, after, {"a": np.ones((3, 4))})
        loop.took(step, 1.0, 0.5 if step % 4 == 0 else None, 1.0)
        w = after
    loop.close(True, w)
    found = pondera.runs.check(tmp_path)
    assert "learning rate too low" in {each.rule for each in found.findings}
    assert found.changes == {"learning_rate": 50.0}
