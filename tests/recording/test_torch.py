"""What is watched of a PyTorch module, on a fake of PyTorch; the real one is watched in benchmarks/companions.py."""

import copy
import gc
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError, PonderaWarning, RunError
from pondera.recording.torch import inserted, named_parameters, unwrapped
from pondera.recording.torch_outputs import Look
from pondera.recording.writer import WAITING
from tests.recording import fake_torch as fake

pytestmark = pytest.mark.usefixtures("fake_torch")


def parts():
    """A module of two layers, the second frozen, and its optimizer."""
    weight, frozen = fake.Tensor([[1.0, 2.0]]), fake.Tensor([4.0])
    model = fake.Module(
        modules={"0": fake.Linear({"weight": weight}), "1": fake.Tanh(), "2": fake.Linear({"w": frozen})}
    )
    return model, fake.SGD([weight, frozen], 0.5), weight


def loop(model, optimizer, weight, watching, steps, tell=True):
    for step in range(steps):
        model.inner["0"].forward(fake.Tensor(np.arange(6.0).reshape(3, 2) + step))
        model.inner["1"].forward(fake.Tensor(np.tanh(np.arange(6.0).reshape(3, 2))))
        weight.grad = fake.Tensor([[0.3, 0.4]])
        if tell:
            watching.loss(fake.Tensor(float(step)))
        optimizer.step()


def test_every_step_is_told_and_some_are_recorded(tmp_path):
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        loop(model, optimizer, weight, watching, 5)
        watching.epoch(0, validation_loss=0.25)
    assert not optimizer.before
    assert not optimizer.after
    assert not any(module.hooks for module in model.modules())
    with pondera.runs.open(tmp_path) as run:
        assert run.state == "finished"
        assert run.about["framework"] == "PyTorch"
        assert (run.about["module"], run.about["optimizer"]) == ("Module", "SGD")
        told = run.steps()
        assert told.losses.tolist() == [0, 1, 2, 3, 4]
        assert told.rates.tolist() == [0.5] * 5
        np.testing.assert_allclose(told.norms, 0.5, rtol=1e-6)
        assert run.tensors() == {"0.weight": (1, 2), "2.w": (1,)}
        life = run.weight("0.weight", (0, 1))
        np.testing.assert_allclose(life.values, 2 - 0.2 * np.arange(6), rtol=1e-6)
        np.testing.assert_allclose(life.gradients, [0.4] * 5 + [math.nan], rtol=1e-6)
        frozen = run.tensor("2.w").figures
        assert [each.update_squares for each in frozen] == [0] * 5
        assert all(math.isnan(each.gradient_squares) for each in frozen)
        assert [step for step, _ in run.units("0")] == [0, 1, 2, 3, 4]
        assert run.units("1")[0][1].kind == "tanh"
        assert run.units("1")[0][1].saturated == pytest.approx(3 / 6)
        assert run.epochs()[0]["validation_loss"] == 0.25
        assert list(run.snapshots()) == [0, 1, 4, 5]


def test_a_loop_that_failed_leaves_a_run_that_is_not_finished(tmp_path):
    model, optimizer, weight = parts()
    with pytest.raises(AttributeError), pondera.watch(model, optimizer, tmp_path) as watching:
        [loop(model, optimizer, weight, watching, 1), optimizer.fails()]
    assert not optimizer.after
    with pondera.runs.open(tmp_path) as run:
        assert (run.state, run.taken) == ("unfinished", 1)


def test_a_run_is_there_once(tmp_path):
    model, optimizer, weight = parts()
    pondera.watch(model, optimizer, tmp_path).close()
    with pytest.raises(RunError, match="found a run"):
        pondera.watch(model, optimizer, tmp_path)
    with pondera.watch(model, optimizer, tmp_path, replace=True) as watching:
        loop(model, optimizer, weight, watching, 1)
    with pondera.runs.open(tmp_path) as run:
        assert (run.state, run.taken) == ("finished", 1)


def test_two_optimizers_have_runs_of_their_own(tmp_path):
    model, first, weight = parts()
    second = fake.SGD([model.inner["2"].own["w"]], 0.1)
    with pondera.watch(model, first, tmp_path / "a") as one, pondera.watch(model, second, tmp_path / "b") as other:
        loop(model, first, weight, one, 3)
        other.loss(0.5)
        second.step()
    with pondera.runs.open(tmp_path / "a") as a, pondera.runs.open(tmp_path / "b") as b:
        assert (a.taken, b.taken) == (3, 1)


def test_what_cannot_be_watched_lets_go_of_the_run(tmp_path, monkeypatch):
    model, optimizer, _ = parts()

    def fails(_):
        raise ValueError("odd")

    monkeypatch.setattr(optimizer, "register_step_post_hook", fails)
    with pytest.raises(ValueError, match="odd"):
        pondera.watch(model, optimizer, tmp_path)
    assert not optimizer.before
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "torch", fake.torch)
    pondera.watch(model, optimizer, tmp_path, replace=True).close()


def test_gradients_of_a_closure_are_seen_after_it(tmp_path):
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        for step in range(3):

            def closure(step=step):
                weight.grad = fake.Tensor([[3.0, 4.0]])
                watching.loss(step)

            optimizer.step(closure)
    with pondera.runs.open(tmp_path) as run:
        assert run.steps().norms.tolist() == [5, 5, 5]
        assert run.steps().losses.tolist() == [0, 1, 2]
        assert [each.gradient_norm for each in run.tensor("0.weight").figures] == [5, 5, 5]


def test_scaled_gradients_are_told_as_they_are_used(tmp_path):
    model, optimizer, weight = parts()
    optimizer.grad_scale = fake.Tensor(2.0)
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        weight.grad = fake.Tensor([[3.0, 4.0]])
        optimizer.step()
        watching.step(loss=0.25)
    with pondera.runs.open(tmp_path) as run:
        assert run.steps().norms.tolist() == [2.5]
        assert run.steps().losses.tolist() == [0.25]
        assert run.tensor("0.weight").figures[0].gradient_norm == 2.5


def test_outputs_are_of_training_only(tmp_path):
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        model.inner["0"].training = False
        loop(model, optimizer, weight, watching, 2)
    with pondera.runs.open(tmp_path) as run:
        assert run.layers() == ["1"]


@pytest.mark.parametrize("wrap", [fake.OptimizedModule, fake.DistributedDataParallel])
def test_wrapped_modules_keep_their_names(tmp_path, wrap):
    model, optimizer, weight = parts()
    with pondera.watch(wrap(model), optimizer, tmp_path, "full") as watching:
        loop(model, optimizer, weight, watching, 2)
    with pondera.runs.open(tmp_path) as run:
        assert list(run.tensors()) == ["0.weight", "2.w"]
        assert run.layers() == ([] if wrap is fake.OptimizedModule else ["0", "1"])


def test_a_module_that_is_called_module_keeps_its_name():
    model = fake.Module(modules={"module": fake.Linear({"weight": fake.Tensor([1.0])})})
    assert unwrapped(model) is model
    assert list(named_parameters(model)) == ["module.weight"]
    assert inserted("a._fsdp_wrapped_module.b.weight") == "a.b.weight"


def test_parameters_that_come_later_are_recorded_from_then_on(tmp_path):
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        loop(model, optimizer, weight, watching, 2)
        model.inner["3"] = fake.Linear({"weight": fake.Tensor([7.0])})
        loop(model, optimizer, weight, watching, 2)
        model.inner["2"] = fake.Linear({"w": fake.Tensor([1.0, 2.0])})  # of another shape: no longer the same
        loop(model, optimizer, weight, watching, 2)
    with pondera.runs.open(tmp_path) as run:
        found = {name: run.tensor(name).steps.tolist() for name in run.tensors()}
    assert found["0.weight"] == [0, 1, 2, 3, 4, 5]
    assert found["3.weight"] == [3, 4, 5]
    assert found["2.w"][-1] <= 4


def test_what_goes_wrong_ends_the_recording_only(tmp_path):
    model, optimizer, weight = parts()
    watching = pondera.watch(model, optimizer, tmp_path, "full")
    loop(model, optimizer, weight, watching, 1)
    weight.grad = fake.Tensor([[0.3, 0.4]])
    weight.grad.detach = lambda: 1 / 0
    with pytest.warns(PonderaWarning, match="Training went on without it"):
        optimizer.step()
    loop(model, optimizer, weight, watching, 1)
    watching.close()
    assert not optimizer.before


class Broken:
    """A tensor that tells nothing of itself."""

    ndim = 2

    def __init__(self, error):
        self.error = error

    def numel(self):
        return 1

    def detach(self):
        raise self.error


def test_outputs_that_cannot_be_seen_end_the_recording_only(tmp_path):
    model, optimizer, weight = parts()
    watching = pondera.watch(model, optimizer, tmp_path, "full")
    model.inner["0"].forward(Broken(RuntimeError("Cannot access data pointer")))  # as within vmap
    loop(model, optimizer, weight, watching, 1)
    with pytest.warns(PonderaWarning, match=r"ValueError: odd\. Training went on without it"):
        model.inner["0"].forward(Broken(ValueError("odd")))
    loop(model, optimizer, weight, watching, 2)
    watching.close()
    with pondera.runs.open(tmp_path) as run:
        assert (run.state, run.taken) == ("unfinished", 1)


def test_what_is_no_number_is_not_known(tmp_path):
    model, optimizer, _ = parts()
    with pondera.watch(model, optimizer, tmp_path) as watching:
        for loss in (None, [1, 2], "low", 0.5):
            watching.loss(loss)
            optimizer.step()
        for loss in (None, [1, 2]):
            optimizer.step()
            watching.step(loss)
        watching.epoch(np.int64(0), training_loss=[1, 2], accuracy=object())
    with pondera.runs.open(tmp_path) as run:
        assert run.state == "finished"
        np.testing.assert_equal(run.steps().losses, [math.nan, math.nan, math.nan, 0.5, math.nan, math.nan])
        assert run.epochs()[0]["training_loss"] is run.epochs()[0]["accuracy"] is None


def test_an_end_that_cannot_be_written_is_no_error_of_the_loop(tmp_path, monkeypatch):
    model, optimizer, weight = parts()
    watching = pondera.watch(model, optimizer, tmp_path)
    loop(model, optimizer, weight, watching, 1)
    monkeypatch.setattr("pondera.recording.torch.array_of", lambda tensor: 1 / 0)
    with (
        pytest.warns(PonderaWarning, match="ZeroDivisionError"),
        pytest.raises(KeyError, match="their own"),
        watching,
    ):
        raise KeyError("their own")


def test_an_epoch_without_a_number_is_refused(tmp_path):
    model, optimizer, _ = parts()
    with pondera.watch(model, optimizer, tmp_path) as watching:
        for number in ("first", "1", None, 0.5, math.nan):
            with pytest.raises(ArgumentError, match=r"The 'number' parameter of epoch must be a whole number\. Got"):
                watching.epoch(number)
        optimizer.step()
        for number in (0, np.int64(1), 2.0):
            watching.epoch(number, training_loss=0.5)
    with pondera.runs.open(tmp_path) as run:
        assert (run.state, [each["epoch"] for each in run.epochs()]) == ("finished", [0, 1, 2])


def test_nobody_waits_for_a_recording_that_is_over(tmp_path):
    model, optimizer, weight = parts()
    watching = pondera.watch(model, optimizer, tmp_path)
    loop(model, optimizer, weight, watching, 1)
    watching.close()
    for _ in range(WAITING + 1):
        watching.epoch(0, training_loss=0.5)
        watching.recording.writer.about(more=1)
    watching.recording.writer.flush()


def test_a_watch_that_nobody_has_lets_go(tmp_path):
    model, optimizer, weight = parts()
    watching = pondera.watch(model, optimizer, tmp_path)
    loop(model, optimizer, weight, watching, 3)
    recording = watching.recording
    del watching
    gc.collect()
    assert recording.open  # the optimizer goes on
    del optimizer
    gc.collect()
    assert not recording.open
    with pondera.runs.open(tmp_path) as run:
        assert (run.state, run.taken) == ("unfinished", 3)


def test_other_things_are_no_modules(tmp_path):
    model, optimizer, _ = parts()
    with pytest.raises(ArgumentError, match=r"takes a PyTorch module and its optimizer\. Got Module and int"):
        pondera.watch(model, 3, tmp_path)
    with pytest.raises(ArgumentError, match="Expected a module with parameters, found none"):
        pondera.watch(fake.Module(), optimizer, tmp_path)
    lazy = fake.Tensor([1.0])
    lazy.is_meta = True
    with pytest.raises(ArgumentError, match=r"weight has no values yet\. Run one batch"):
        pondera.watch(fake.Linear({"weight": lazy}), optimizer, tmp_path)
    assert not list(tmp_path.iterdir())


def test_watching_loads_neither_torch_nor_jax():
    code = "import sys, pondera; pondera.watch; assert not {'torch', 'jax', 'optax'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_is_copied_and_pickled_without_its_watch(tmp_path):
    look = Look("0", object())
    for other in (copy.deepcopy(look), pickle.loads(pickle.dumps(look))):
        assert other.recording is None
        other(fake.Linear(), (), fake.Tensor([[1.0]]))  # and sees nothing
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        assert all(type(hook) is Look for module in model.modules() for hook in module.hooks)
        loop(model, optimizer, weight, watching, 1)


@pytest.mark.parametrize("value", [1e30, math.inf, -math.inf, math.nan])
def test_a_loop_that_diverges_is_recorded(tmp_path, value):
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        for _ in range(3):
            model.inner["0"].forward(fake.Tensor(np.full((4, 3), value)))
            weight.grad = fake.Tensor([[value, value]])
            watching.loss(value)
            optimizer.step()
    with pondera.runs.open(tmp_path) as run:
        assert (run.state, run.taken) == ("finished", 3)
        assert run.tensor("0.weight").figures[0].norm == pytest.approx(math.sqrt(5))
        assert run.units("0")[0][1].units == 3


def test_weights_that_become_nan_are_found(tmp_path):
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        loop(model, optimizer, weight, watching, 4)
        weight.grad = fake.Tensor([[math.nan, 0.0]])
        optimizer.step()
        loop(model, optimizer, weight, watching, 4)
    (found,) = [each for each in pondera.runs.check(tmp_path).findings if each.rule == "loss diverging"]
    assert found.statement.startswith("Weights are NaN or infinite from step 5 on, of 0.weight first.")
    assert found.figures["since"] == 5


@pytest.mark.parametrize("dtype", ["torch.float16", "torch.bfloat16", "torch.float32", "torch.float64"])
def test_norms_of_gradients_of_any_precision(tmp_path, dtype):
    model, optimizer, weight = parts()
    with pondera.watch(model, optimizer, tmp_path, "full") as watching:
        for step in range(3):
            weight.grad = fake.Tensor([[0.3, 0.4]], dtype)
            optimizer.step()
            watching.step(float(step))
    with pondera.runs.open(tmp_path) as run:
        assert run.state == "finished"
        np.testing.assert_allclose(run.steps().norms, 0.5, rtol=1e-6)


def test_complex_numbers_are_refused(tmp_path):
    model, optimizer, weight = parts()
    weight.dtype = "torch.complex64"
    with pytest.raises(ArgumentError, match=r"0.weight holds complex numbers, and a run real ones"):
        pondera.watch(model, optimizer, tmp_path)
