"""Rows that are held out: their figures, the epoch that is kept, and patience."""

import numpy as np
import pytest

from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.training.fit import fit
from pondera.training.plan import Plan
from pondera.training.stopping import Best
from tests.training.small import CLASSES, X, Y, assert_bitwise, small


def test_validation_figures():
    held = (X[:10], Y[:10], np.arange(10.0))
    fitted = fit(small(dtype="float64"), X[10:], Y[10:], Plan(epochs=3, keep="last"), validation=held)
    errors = (fitted.network(X[:10])[:, 0] - Y[:10]) ** 2
    mean = np.average(errors, weights=np.arange(10.0))
    assert fitted.history[-1].validation_loss == pytest.approx(mean, rel=1e-12)
    assert fitted.history[-1].validation_metric == pytest.approx(mean**0.5, rel=1e-12)


def test_accuracy_on_validation_rows():
    plan = Plan(loss="softmax_cross_entropy", epochs=10, keep="last", learning_rate=0.03)
    fitted = fit(small(2), X[20:], CLASSES[20:], plan, validation=(X[:20], CLASSES[:20]))
    right = np.mean(fitted.network(X[:20]).argmax(1) == CLASSES[:20])
    assert fitted.history[-1].validation_metric == pytest.approx(right)


def test_a_share_of_the_rows_is_held_out_by_the_seed():
    plan = Plan(epochs=1, learning_rate=0.0, optimizer="sgd")
    first, same, other = (
        fit(small(), X, Y, plan.replace(seed=seed), validation=0.2).history[0].validation_loss for seed in (0, 0, 4)
    )
    assert first == same != other


@pytest.mark.parametrize("keep", ["loss", "metric", "last"])
def test_which_epoch_is_kept(keep):
    # few rows and a large rate: the validation figures go up and down
    network = Network.create(3, [Dense(30, "tanh"), Dense(2)])
    plan = Plan(loss="softmax_cross_entropy", epochs=60, learning_rate=0.05, keep=keep)
    held = (X[20:], CLASSES[20:])
    fitted = fit(network, X[:20], CLASSES[:20], plan, validation=held)
    losses = np.array([f.validation_loss for f in fitted.history])
    accuracies = np.array([f.validation_metric for f in fitted.history])
    last = len(losses) - 1
    best = {
        "loss": last - losses[::-1].argmin(),
        "metric": last - accuracies[::-1].argmax(),  # the later of equals
        "last": last,
    }
    assert len(set(best.values())) == 3
    assert fitted.best_epoch == best[keep]
    outputs = fitted.network(X[20:])
    assert np.mean(outputs.argmax(1) == CLASSES[20:]) == pytest.approx(accuracies[fitted.best_epoch])
    again = fit(network, X[:20], CLASSES[:20], plan.replace(epochs=fitted.best_epoch + 1, keep="last"), validation=held)
    assert_bitwise(again.weights, fitted.weights)


def test_patience():
    # the held-out answers are the opposite of the training ones: every epoch is worse than the one before
    plan = Plan(epochs=100, patience=3, learning_rate=0.01)
    fitted = fit(small(), X, Y + 10, plan, validation=(X, -Y - 10))
    assert fitted.reason == "patience"
    assert [f.epoch for f in fitted.history] == [0, 1, 2, 3]
    assert fitted.best_epoch == 0
    assert fitted.message == "No better epoch came in 3 epochs after epoch 1; the rest of the plan was not trained."
    assert_bitwise(fitted.weights, fit(small(), X, Y + 10, plan.replace(epochs=1)).weights)


def test_without_validation_the_last_epoch_is_kept():
    fitted = fit(small(), X, Y, Plan(epochs=3))
    assert (fitted.best_epoch, fitted.reason) == (2, "completed")
    assert fitted.message == "All 3 epochs were trained."
    assert fitted.history[0].validation_loss is None
    assert fitted.history[0].validation_metric is None


def test_no_epochs():
    network = small()
    fitted = fit(network, X, Y, Plan(epochs=0), validation=0.2)
    assert_bitwise(fitted.weights, dict(network.weights))
    assert (fitted.history, fitted.best_epoch, fitted.reason) == ((), -1, "completed")


def test_best_keeps_the_later_of_equals_and_never_a_nan():
    best = Best()
    for epoch, cost in enumerate([3.0, float("nan"), 2.0, 2.0, 2.5]):
        best.offer(f"epoch {epoch}", cost, epoch)
    assert (best.thing, best.epoch, best.cost) == ("epoch 3", 3, 2.0)


def test_progress():
    seen = []
    fitted = fit(small(), X, Y, Plan(epochs=3, batch_size=25), validation=0.2, progress=seen.append)
    assert [where.step for where in seen] == sorted(where.step for where in seen)
    assert (seen[-1].step, seen[-1].steps, seen[-1].epoch, seen[-1].epochs) == (6, 6, 2, 3)
    assert seen[-1].figures == fitted.history[-1]
    assert all(where.rows_per_second > 0 for where in seen)
