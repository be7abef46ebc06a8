"""What a finding advises: what would help, and nothing that would not."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import pondera
from pondera.findings import Finding
from pondera.recording.health.changes import merged
from pondera.recording.health.facts import Facts
from pondera.recording.health.rule import OVER
from pondera.recording.health.rules import RULES, in_order, one_way
from pondera.recording.loops import Loop

RULE = {rule.name: rule for rule in RULES}
X = np.random.default_rng(0).normal(size=(320, 4)).astype(np.float32)
PLAN = pondera.Plan(epochs=3, batch_size=32)


def trained(folder, x=X, plan=PLAN):
    layers = [pondera.Dense(8, "relu"), pondera.Dense(1)]
    with pondera.runs.Recorder(folder) as recorder:
        recorder.schedule = recorder.schedule._replace(share=None)  # a busy machine must not fail a test
        pondera.fit(pondera.Network.create(4, layers), x, np.nan_to_num(x) @ [1, 2, 0, 0], plan, recorder=recorder)


def looped(folder, weights, gradients, rate=None):
    """Record a loop of one tensor: its weights before each step, and the gradients."""
    loop = Loop(folder, "full")
    loop.begin({"w": weights[0]})
    for step, (before, after, gradient) in enumerate(zip(weights, weights[1:], gradients, strict=False)):
        loop.point(step, {"w": before}, {"w": after}, {"w": gradient})
        loop.took(step, float(np.square(before).sum()), rate)
    loop.close(True, {"w": weights[-1]})
    return pondera.runs.check(folder)


@pytest.mark.parametrize("row", [0, 5])
def test_of_rows_that_are_not_finite_no_other_rate_is_advised(row, tmp_path):
    x = X.copy()
    x[row] = np.nan
    trained(tmp_path, x)
    found = pondera.runs.check(tmp_path)
    assert "first in the inputs themselves" in found.findings[0].statement
    assert found.findings[0].advice == "Remove the rows with such values, or fill them in."
    assert found.findings[0].figures["since"] == found.steps < 10
    assert "change" not in found.findings[0].figures


def test_of_steps_that_are_too_far_a_smaller_rate_is_advised(tmp_path):
    trained(tmp_path, plan=PLAN.replace(optimizer="sgd", learning_rate=1e20))
    assert pondera.runs.check(tmp_path).changes["learning_rate"] == 1  # and not 1e19


def test_weights_of_a_loop_that_rows_broke(tmp_path):
    good, gone = np.array([[0.3, -0.4]]), np.full((1, 2), np.nan)
    found = looped(tmp_path, [good, good * 0.9, gone, gone], [good, gone, gone])
    assert found.findings[0].statement == "Weights are NaN or infinite from step 2 on, of w first."
    assert found.findings[0].advice.startswith("Look for NaN, infinite and huge numbers in the rows of that step")
    assert found.changes == {}


def test_weights_of_a_loop_that_its_steps_broke(tmp_path):
    good, gone = np.array([[0.3, -0.4]]), np.full((1, 2), np.inf)
    found = looped(tmp_path, [good, good * 1e9, gone, gone], [good, gone, gone])
    assert found.findings[0].advice == "Take a smaller learning rate."


def test_a_tensor_that_another_one_broke_is_not_taken_for_broken_by_rows(tmp_path):
    loop = Loop(tmp_path, "full")
    good, gone = np.array([[0.3, -0.4]]), np.full((1, 2), np.nan)
    steps = [(good, good), (good * 1.1, good * 1e20), (gone, gone), (gone, gone)]
    loop.begin(dict(zip("ab", steps[0], strict=True)))
    for step, (before, after) in enumerate(itertools.pairwise(steps)):
        gradients = (gone, gone) if step else (good, good)
        loop.point(step, *(dict(zip("ab", each, strict=True)) for each in (before, after, gradients)))
        loop.took(step, 1.0)
    loop.close(True, dict(zip("ab", steps[-1], strict=True)))
    assert pondera.runs.check(tmp_path).findings[0].advice == "Take a smaller learning rate."


def test_weights_of_a_loop_of_which_it_is_not_known_what_broke_them(tmp_path):
    good, gone = np.array([[0.3, -0.4]]), np.full((1, 2), np.nan)
    found = looped(tmp_path, [good, good * 1.1, gone, gone], [good, good, good])
    assert "If there are none: take a smaller learning rate." in found.findings[0].advice


def test_weights_that_broke_after_the_last_step_that_was_recorded_are_told_of(tmp_path):
    good, gone = np.ones((1, 2)), np.full((1, 2), np.nan)
    loop = Loop(tmp_path, "full")
    loop.begin({"w": good})
    for step in range(40):
        if step < 10:
            loop.point(step, {"w": good}, {"w": good}, {"w": good})
        loop.took(step, 1.0 if step < 30 else np.nan)
    loop.close(True, {"w": gone})
    finding = pondera.runs.check(tmp_path).findings[0]
    assert finding.statement == "Weights are NaN or infinite from step 30 on, of w first."
    assert finding.figures["since"] == 30


def test_what_advises_to_learn_slower_is_not_contradicted():
    high = Finding("Too high.", {"change": {"learning_rate": 0.1}}, advice="Slower.", rule="learning rate too high")
    small = Finding("Small.", {"ratio": 0.0, "change": {"learning_rate": 10.0}}, advice="Faster.", rule="possibly")
    other = Finding("Dead.", {"change": {"learning_rate": 0.5}}, advice="Slower.", rule="dead units")
    found = one_way([high, small, other], 1.0)
    advice = ["Slower.", "First learn slower, as said above.", "Learn slower, as said above."]
    assert [each.advice for each in found] == advice
    assert found[1].figures == {"ratio": 0.0}


def test_causes_come_before_what_comes_of_them():
    said = {
        "possibly dead units": {},
        "vanishing gradients": {"until": 40},
        "leakage": {},
        "nothing learned": {},
        "loss diverging": {"until": 50, "change": {"learning_rate": 0.1}},
    }
    advice = {"vanishing gradients": OVER}
    found = in_order(
        [Finding("So.", figures, advice=advice.get(rule, ""), rule=rule) for rule, figures in said.items()]
    )
    order = ["loss diverging", "nothing learned", "leakage", "vanishing gradients", "possibly dead units"]
    assert [each.rule for each in found] == order


def test_however_a_rate_is_found_too_high_it_is_advised_alike(tmp_path):
    far = [np.array([[0.3, -0.4]]) * (-1.5) ** k for k in range(20)]
    found = looped(tmp_path, far, [np.ones((1, 2))] * 19, rate=50.0)
    rates = {each.figures["change"]["learning_rate"] for each in found.findings if "change" in each.figures}
    assert "possibly update ratio out of range" in {each.rule for each in found.findings}
    assert rates == {1.0}


def test_inputs_are_scaled_before_another_rate_is_tried():
    low = Finding("Small.", {"change": {"learning_rate": 10.0}}, advice="Faster.", rule="learning rate too low")
    unscaled = Finding("Large.", {"size": 1e3}, advice="Scale.", rule="inputs not scaled")
    found = one_way(in_order([low, unscaled]), 1.0)
    assert [each.advice for each in found] == ["Scale.", "First scale the inputs, as said above."]
    assert merged(found) == {}


def test_steps_that_threw_weights_far_away_were_none_too_small(tmp_path):
    random = np.random.default_rng(0)
    far = [np.array([[0.3, -0.4]]), *(np.array([[300.0, -400.0]]) * (1 + 1e-7 * k) for k in range(30))]
    found = looped(tmp_path, far, random.normal(size=(30, 1, 2)), rate=1.0)
    rules = {each.rule.removeprefix("possibly ") for each in found.findings}
    asked = {"learning rate too low", "update ratio out of range"}
    assert not (rules | {*found.unasked}) & asked
    assert "layer that does not train" not in rules


def test_what_came_to_nothing_is_not_over(tmp_path):
    trained(tmp_path, plan=PLAN.replace(epochs=20))
    with pondera.runs.open(tmp_path) as run:
        known = Facts.of(run)
    share = np.arange(known.taken) / known.taken
    losses = np.where(share < 0.2, 1e3, 1.0) * known.baseline  # it comes back, to the best constant's
    losses[0] = known.baseline
    passed = RULE["loss diverging"].passed(replace(known, steps=replace(known.steps, losses=losses)))
    assert passed.statement.startswith("Until step ")
    assert "learning_rate" in passed.figures["change"]
    assert passed.advice.startswith("Learn slower")


def test_where_no_gradient_comes_no_faster_steps_are_advised(tmp_path):
    still = np.array([[0.3, -0.4]])
    found = looped(tmp_path, [still] * 20, [still * 0] * 19)
    never = next(each for each in found.findings if each.rule == "weights never moved")
    assert never.advice.startswith("No gradient comes")
    assert found.changes == {}


@pytest.mark.parametrize(("bad", "advised"), [((0, 0.1), False), ((0, 0.9), True), ((0.3, 0.5), False)])
def test_what_was_so_for_most_of_the_steps_is_advised_against_though_it_is_over(bad, advised, tmp_path):
    trained(tmp_path, plan=PLAN.replace(epochs=20))
    with pondera.runs.open(tmp_path) as run:
        known = Facts.of(run)
    share = np.arange(known.taken) / known.taken
    losses = np.where((share >= bad[0]) & (share < bad[1]), 1e3, 1e-3) * known.baseline
    losses[0] = known.baseline
    rule, known = RULE["loss diverging"], replace(known, steps=replace(known.steps, losses=losses))
    assert rule(known) is None
    passed = rule.passed(known)
    assert passed.statement.startswith(("Until step ", "As seen at step "))
    assert ("change" in passed.figures) == advised
    assert (passed.advice == "It is over: nothing needs doing.") != advised


@pytest.mark.parametrize(("looks", "rise", "judged"), [(9, 2, False), (9, 50, True), (12, 2, True), (7, 50, False)])
def test_of_few_steps_only_a_rate_that_is_beyond_doubt_is_too_high(looks, rise, judged, tmp_path):
    trained(tmp_path)
    with pondera.runs.open(tmp_path) as run:
        known = Facts.of(run)
    told = np.array([[k, known.baseline, (1 + rise * (k == 3)) * known.baseline] for k in range(looks)])
    rule, known = RULE["learning rate too high"], replace(known, looks=told)
    assert (rule(known) is not None) == judged
    assert (rule.measure(known) > -np.inf) == judged
