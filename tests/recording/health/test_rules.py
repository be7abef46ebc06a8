"""Each rule finds its fault where it is planted, and is silent about a healthy training."""

import math
from dataclasses import replace

import numpy as np
import optax
import pytest

import pondera
from pondera.recording.health.calibration import CHANGED, COUNTS
from pondera.recording.health.facts import Facts
from pondera.recording.health.rule import Suspicion, certainty_of
from pondera.recording.health.rules import RULES

RULE = {rule.name: rule for rule in RULES}
X = np.random.default_rng(1).standard_normal((320, 6)).astype(np.float32)
Y = np.tanh(X @ np.linspace(-1, 1, 6, dtype=np.float32)) + 0.5 * X[:, 0] * X[:, 1]
KIND = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
PLAN = pondera.Plan(epochs=24, batch_size=32, learning_rate=3e-3, keep="last")


def network(activation="relu", depth=2, change=None):
    """A network of hidden layers of 16 units, and its start changed."""
    made = pondera.Network.create(6, [*(pondera.Dense(16, activation) for _ in range(depth)), pondera.Dense(1)], seed=1)
    return made if change is None else made.with_weights(change({k: np.array(v) for k, v in made.weights.items()}))


def facts(folder, made=None, x=X, y=Y, plan=PLAN, validation=0.25):
    """Train and return what the run says."""
    with pondera.runs.Recorder(folder) as recorder:
        recorder.schedule = recorder.schedule._replace(share=None)  # a busy machine must not fail a test
        pondera.fit(made or network(), x, y, plan, validation=validation, recorder=recorder)
    with pondera.runs.open(folder) as run:
        return Facts.of(run)


def times(factor):
    return lambda weights: {k: v * factor if v.ndim == 2 else v for k, v in weights.items()}


def alike(weights):
    return {k: np.full_like(v, 0.3) if v.ndim == 2 else v for k, v in weights.items()}


def out_of_reach(weights):
    weights["layers.0.bias"][:12] = -100
    return weights


def freezing():
    def first(weights):
        return {name: name.startswith("layers.0.") for name in weights}

    return optax.chain(optax.scale_by_adam(), optax.scale(-1.0), optax.masked(optax.set_to_zero(), first))


def leaking():
    x = X.copy()
    x[:, 3] = Y + 0.01 * X[:, 3]
    return x


def few(seed=0):
    random = np.random.default_rng(seed)
    rows = slice(0, 96)
    return {"x": X[rows], "y": (Y[rows] + random.standard_normal(96)).astype(np.float32), "validation": 0.5}


def mislabelled():
    random = np.random.default_rng(2)
    wrong = random.random(len(KIND)) < 0.5
    return np.where(wrong, random.integers(2, size=len(KIND)), KIND).astype(np.int32)


def unbalanced():
    random = np.random.default_rng(3)
    return (random.random(len(X)) < 0.02).astype(np.int32)


LABELS = PLAN.replace(loss="binary_cross_entropy")

PLANTED = {
    "inputs not scaled": lambda f: facts(f, x=X * np.array([1, 1, 1000, 1, 1, 1], np.float32)),
    "loss diverging": lambda f: facts(f, plan=PLAN.replace(optimizer="sgd", learning_rate=30.0)),
    "NaN ahead": lambda f: facts(f, network(depth=0), plan=PLAN.replace(optimizer="sgd", learning_rate=1.5)),
    "weights never moved": lambda f: facts(f, plan=PLAN.replace(learning_rate=0.0)),
    "learning rate too high": lambda f: facts(f, plan=PLAN.replace(learning_rate=0.5)),
    "learning rate too low": lambda f: facts(f, plan=PLAN.replace(learning_rate=3e-6)),
    "bad initialization": lambda f: facts(f, network(change=times(0.01))),
    "vanishing gradients": lambda f: facts(f, network("tanh", 6, times(0.1))),
    "exploding gradients": lambda f: facts(f, network("relu", 6, times(3.0))),
    "layer that does not train": lambda f: facts(f, plan=PLAN.replace(optimizer=freezing())),
    "rank collapse": lambda f: facts(f, network(change=alike)),
    "dead units": lambda f: facts(f, plan=PLAN.replace(learning_rate=0.3)),
    "never-used units": lambda f: facts(f, network(change=out_of_reach)),
    "saturated units": lambda f: facts(f, network("tanh", 2, times(20.0))),
    "nothing learned": lambda f: facts(f, y=np.random.default_rng(4).permutation(Y), validation=0.5),
    "leakage": lambda f: facts(f, x=leaking()),
    "overfitting": lambda f: facts(f, plan=PLAN.replace(epochs=300, learning_rate=1e-2), **few()),
    "label noise": lambda f: facts(f, y=mislabelled(), plan=LABELS.replace(epochs=150, learning_rate=1e-2)),
    "class imbalance ignored": lambda f: facts(f, y=unbalanced(), plan=LABELS),
    "noisy": lambda f: facts(f, plan=PLAN.replace(batch_size=1, learning_rate=0.1, epochs=3)),
    "update ratio out of range": lambda f: facts(f, plan=PLAN.replace(learning_rate=1e-7)),
    "plateaued": lambda f: facts(f, network(change=times(1e-6)), plan=PLAN.replace(optimizer="sgd", epochs=40)),
}


def found(rule, known):
    """Whether a rule says something at the end, or said it on the way."""
    return (rule(known) or rule.passed(known)) is not None


def test_every_rule_is_tested():
    assert list(PLANTED) == list(RULE)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name, tmp_path):
    assert found(RULE[name], PLANTED[name](tmp_path))


def test_what_was_learned_and_lost_again_says_when_it_was_better(tmp_path):
    known = facts(tmp_path)
    rule = RULE["nothing learned"]
    assert rule(known) is None
    epochs = [
        {**each, "validation_loss": known.baseline * (0.4 if place < 6 else 3.0)}
        for place, each in enumerate(known.epochs)
    ]
    finding = rule(replace(known, epochs=epochs))
    assert "redicted no better than by the best constant" in finding.statement
    assert "After epoch 1 it was" in finding.statement
    assert finding.figures["change"] == {"epochs": 1}
    hard = [{**each, "validation_loss": known.baseline * 0.85} for each in known.epochs]
    assert rule(replace(known, epochs=hard)) is None  # a tenth and more is something
    half = known.until(known.planned // 2 - 10)
    assert rule(replace(half, epochs=epochs[: len(half.epochs)])) is None  # it may yet learn


def test_without_a_best_constant_noise_is_measured_by_the_first_loss(tmp_path):
    known = facts(tmp_path)
    losses = np.where(np.arange(len(known.steps.losses)) % 2, 0.03, 0.01)
    losses[0] = 1.0
    loop = replace(known, about={**known.about, "rows": {}}, steps=replace(known.steps, losses=losses))
    assert RULE["noisy"](loop) is None
    losses = np.where(np.arange(len(losses)) % 2, 3.0, 1.0)
    finding = RULE["noisy"](replace(loop, steps=replace(known.steps, losses=losses)))
    assert "and the first step's is 1." in finding.statement


def test_a_training_that_came_to_nothing_overfits_nothing(tmp_path):
    known = PLANTED["overfitting"](tmp_path)
    assert RULE["overfitting"](known) is not None
    far = [
        {**each, **{name: 1e9 * each[name] for name in ("training_loss", "validation_loss")}} for each in known.epochs
    ]
    assert RULE["overfitting"](replace(known, epochs=far)) is None


def test_where_some_rare_rows_are_told_none_are_ignored(tmp_path):
    known = PLANTED["class imbalance ignored"](tmp_path)
    rule = RULE["class imbalance ignored"]
    largest = max(known.rows["classes"]) / sum(known.rows["classes"])
    even = {**known.about, "rows": {**known.rows, "classes": [60, 40]}}
    assert (
        rule.measure(replace(known, about=even, epochs=[{**each, "validation_metric": 0.6} for each in known.epochs]))
        == 0
    )
    for told, finds in ((0.0, True), (0.5, False)):
        metric = largest + told * (1 - largest)
        epochs = [{**each, "training_loss": 0.0, "validation_metric": metric} for each in known.epochs]
        assert (rule(replace(known, epochs=epochs)) is not None) == finds


def test_larger_batches_leave_steps_in_an_epoch(tmp_path):
    known = PLANTED["noisy"](tmp_path)
    assert RULE["noisy"](replace(known, about={**known.about, "rows": {**known.rows, "count": 100}})).figures[
        "change"
    ] == {"batch_size": 32}


def test_a_leak_is_called_by_its_name(tmp_path):
    known = facts(tmp_path, x=leaking())
    assert "column 3 alone tells" in RULE["leakage"](known).statement
    named = replace(known, about=known.about | {"inputs": ["age", "size", "colour=red", "paid"] + ["more"] * 20})
    found = RULE["leakage"](named)
    assert "'paid' alone tells" in found.statement
    assert "that of the best constant is" in found.statement
    assert found.advice.endswith("leave it out.")


def test_a_leak_is_left_out_by_the_column_that_it_is_made_of(tmp_path):
    known = facts(tmp_path, x=leaking())
    inputs, columns = ["age", "size", "a=b", "way of paying=card"], ["age", "size", "a", "way of paying"]
    table = {"inputs": inputs, "columns": columns}
    found = RULE["leakage"](replace(known, about=known.about | table))
    assert "'way of paying=card' alone tells" in found.statement
    assert found.advice.endswith("leave it out: --drop 'way of paying'.")


def test_of_a_training_that_failed_nothing_is_too_good_and_no_column_is_doubted(tmp_path):
    facts(tmp_path, x=leaking(), plan=PLAN.replace(learning_rate=50.0))
    told = {finding.rule: finding for finding in pondera.runs.check(tmp_path).findings}
    causes = [rule for rule in told if rule in ("loss diverging", "nothing learned", "leakage")]
    assert causes == ["loss diverging", "nothing learned", "leakage"] == [next(iter(told)), *causes[1:]]
    assert told["loss diverging"].advice == "Learn slower: --learning-rate 1."
    assert told["nothing learned"].advice.startswith("Column 3 alone tells nearly all of the answers: look at how it")
    assert told["leakage"].statement.endswith(" of what is to be predicted.")
    assert told["leakage"].statement.startswith("Column 3 alone tells 9")


@pytest.mark.parametrize(("loss", "good"), [(0.5, True), (0.95, False)])
def test_a_leak_is_too_good_where_held_out_rows_were_learned(loss, good, tmp_path):
    known = facts(tmp_path, x=leaking())
    epochs = [{**each, "validation_loss": loss * known.baseline} for each in known.epochs]
    statement = RULE["leakage"](replace(known, epochs=epochs)).statement
    assert statement.startswith("Too good: column 3 alone tells") == good
    assert ("The loss on held-out rows came down to" in statement) == good


def test_a_leak_without_held_out_rows_is_too_good_where_training_did_not_fail(tmp_path):
    known = replace(facts(tmp_path, x=leaking()), epochs=[])
    assert RULE["leakage"](known).statement.startswith("Too good: column 3 alone tells")
    failed = replace(known, steps=replace(known.steps, losses=np.full(known.taken, known.baseline)))
    assert RULE["leakage"](failed).statement.startswith("Column 3 alone tells")


@pytest.mark.parametrize(
    ("about", "only"), [({}, True), ({"columns": ["size"]}, True), ({"columns": ["size", "age"]}, False)]
)
def test_nobody_is_told_to_leave_out_the_only_column(about, only, tmp_path):
    made = pondera.Network.create(1, [pondera.Dense(16, "relu"), pondera.Dense(1)])
    known = facts(tmp_path, made, x=leaking()[:, 3:4])
    advice = RULE["leakage"](replace(known, about=known.about | about)).advice
    assert ("leave it out" in advice) != only
    assert advice.startswith("It is the only column: look whether it is the answer") == only


def test_labels_that_a_column_tells_are_decided(tmp_path):
    known = PLANTED["label noise"](tmp_path)
    rows = {**known.rows, "tells": 0.99, "teller": 2, "chance": 0.0}
    told = replace(known, about=known.about | {"rows": rows})
    statements = [RULE["label noise"](each).statement for each in (known, told)]
    assert ["or the columns do not decide them" in each for each in statements] == [True, False]


def test_a_training_that_learned_in_short_steps_was_not_too_slow(tmp_path):
    known = PLANTED["learning rate too low"](tmp_path)
    rule = RULE["learning rate too low"]
    assert rule(known) is not None
    learned = replace(known.steps, losses=np.linspace(1, 0.2, len(known.steps.losses)) * known.baseline)
    assert rule(replace(known, steps=learned)) is None


def test_a_training_that_diverged_says_nothing_of_labels(tmp_path):
    known = PLANTED["label noise"](tmp_path)
    rule = RULE["label noise"]
    assert rule(known) is not None
    failed = [{**epoch, "validation_loss": 100 * known.baseline} for epoch in known.epochs]
    assert rule(replace(known, epochs=failed)) is None


def test_a_training_that_still_learns_says_nothing_of_labels(tmp_path):
    known = PLANTED["label noise"](tmp_path)
    rule = RULE["label noise"]
    fall = np.linspace(0.95, 0.6, len(known.epochs)) * known.baseline
    falling = [{**each, "validation_loss": float(loss)} for each, loss in zip(known.epochs, fall, strict=True)]
    assert rule(replace(known, epochs=falling)) is None
    stands = [{**each, "validation_loss": 0.6 * known.baseline} for each in known.epochs]
    assert rule(replace(known, epochs=stands)) is not None


def test_what_is_said_of_the_rows_and_taken_back_never_was_so(tmp_path):
    known = PLANTED["label noise"](tmp_path)
    learned = {**known.epochs[-1], "validation_loss": 0.0}
    known = replace(known, epochs=[*known.epochs[:-1], learned])
    rule = RULE["label noise"]
    assert any(rule(before) for before in known.on_the_way)
    assert rule(known) is None
    assert rule.passed(known) is None


def test_counts_of_what_a_rule_measured_before_say_so(monkeypatch):
    monkeypatch.setattr("pondera.recording.health.rule.CHANGED", {"leakage"})
    assert certainty_of("leakage").endswith("healthy trainings (held out; counted before the rule last changed)")
    assert certainty_of("loss diverging").endswith("healthy trainings (held out)")
    assert set(COUNTS) >= CHANGED


@pytest.mark.parametrize(("keep", "said"), [("loss", True), ("last", False)])
def test_what_is_kept_of_a_training_that_overfits(keep, said, tmp_path):
    plan = PLAN.replace(epochs=300, learning_rate=1e-2, keep=keep)
    finding = RULE["overfitting"](facts(tmp_path, plan=plan, **few()))
    assert ("those of the epoch with the best loss" in finding.advice) == said


@pytest.fixture(scope="module", params=["numbers", "classes"])
def healthy(request, tmp_path_factory):
    """What the run of a healthy training says."""
    folder = tmp_path_factory.mktemp("healthy")
    return facts(folder) if request.param == "numbers" else facts(folder, network("tanh"), y=KIND, plan=LABELS)


@pytest.mark.parametrize("name", RULE)
def test_a_healthy_training_is_left_alone(name, healthy):
    assert not found(RULE[name], healthy)


@pytest.mark.parametrize("step", [0, 1, 7, 50])
def test_what_was_known_after_a_step(step, healthy):
    known = healthy.until(step)
    assert known.taken == step + 1
    assert known.points.max() <= step
    assert all(each <= step for found in known.units.values() for each, _ in found)
    assert all(epoch["step"] <= step + 1 for epoch in known.epochs)


def test_since_when(tmp_path):
    known = PLANTED["never-used units"](tmp_path)
    rule = RULE["never-used units"]
    assert rule.since(known, rule(known)).figures["since"] == 0


def test_since_the_first_step_at_which_it_could_be_seen(tmp_path):
    known = PLANTED["update ratio out of range"](tmp_path)
    rule = RULE["update ratio out of range"]
    since = rule.since(known, rule(known)).figures["since"]
    assert since == next(step for step in known.points if rule(known.until(step)) is not None)


def test_what_passed_says_until_when(tmp_path):
    known = facts(tmp_path, network("sigmoid", 6), plan=PLAN.replace(learning_rate=1e-2))
    rule = RULE["vanishing gradients"]
    assert rule(known) is None
    passed = rule.passed(known)
    assert 0 < passed.figures["since"] <= passed.figures["until"] < known.taken
    assert passed.statement.startswith(f"Until step {passed.figures['until']:,} at least, as of then: gradients vanish")
    assert "change" not in passed.figures


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("rank collapse", "As seen at step {} only: units say the same."),
        ("NaN ahead", "Possibly: as seen at step {} only, units say the same."),
    ],
)
def test_what_was_seen_once_says_when(rule, said, tmp_path):
    known = facts(tmp_path)
    asked = known.on_the_way[3].taken

    def look(each):
        return Suspicion(math.inf if each.taken == asked else -math.inf, "Units say the same.", "")

    passed = replace(RULE[rule], look=look).passed(known)
    assert passed.figures["since"] == passed.figures["until"] == asked - 1
    assert passed.statement == said.format(asked - 1)


def test_one_direction_is_one(tmp_path):
    finding = RULE["rank collapse"](PLANTED["rank collapse"](tmp_path))
    assert finding.statement.endswith("their outputs differ in one direction.")


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_of_a_batch_of_few_rows_no_rule_says_that_units_say_the_same(tmp_path, batch):
    """The outputs for n rows differ in n - 1 directions at most, whatever the network is."""
    known = facts(tmp_path, plan=PLAN.replace(epochs=2, batch_size=batch))
    assert RULE["rank collapse"](known) is None
    assert np.isnan([each.dimensions for each in known.recent_units("layers.0")]).all()
