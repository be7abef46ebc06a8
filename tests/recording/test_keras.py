"""What the callback does when Keras calls it, by a stand-in: the real one is asked in benchmarks/companions.py."""

import math
import types

import numpy as np
import pytest

from pondera.errors import ArgumentError, PonderaWarning
from pondera.recording.keras import Watching
from pondera.recording.loops import Loop
from pondera.recording.run import Run


class Variable:
    def __init__(self, path, value, dtype="float32"):
        self.path, self.value, self.dtype = path, np.asarray(value, np.float64), dtype


class Model:
    """Weights that are elsewhere until they are asked for, as with JAX."""

    def __init__(self, schedule=False):
        self.weights = [Variable("dense/kernel", [1.0, 2.0]), Variable("seed", [3], "uint32")]
        self.hidden, self.rate = self.weights[0].value, 0.5
        rate = types.SimpleNamespace(get_config=dict) if schedule else types.SimpleNamespace()
        self.optimizer = types.SimpleNamespace(learning_rate=0.5, _learning_rate=rate)

    def jax_state_sync(self):
        self.weights[0].value = self.hidden


def watching(folder, model):
    found = Watching(Loop(folder, "full"), lambda each: getattr(each, "value", each))
    found.model = model
    return found


def fit(callback, model, losses, epochs=2):
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        for batch in range(len(losses)):
            callback.on_train_batch_begin(batch)
            model.hidden = model.hidden - 0.25
            callback.on_train_batch_end(batch, {"loss": np.mean(losses[: batch + 1])})
        callback.on_epoch_end(epoch, {"loss": np.mean(losses), "val_loss": 0.125, "accuracy": 0.5})
    callback.on_train_end()


def test_what_is_recorded_is_what_happened(tmp_path):
    model = Model()
    fit(watching(tmp_path, model), model, [4.0, 2.0, 3.0])
    with Run(tmp_path) as run:
        assert run.state == "finished"
        assert run.tensors() == {"dense/kernel": (2,)}
        assert run.steps().losses == pytest.approx([4, 2, 3, 4, 2, 3])
        assert run.steps().rates.tolist() == [0.5] * 6
        assert run.weight("dense/kernel", (1,)).values.tolist() == [2, 1.75, 1.5, 1.25, 1, 0.75, 0.5]
        assert all(math.isnan(each.gradient_norm) for each in run.tensor("dense/kernel").figures)
        told = run.epochs()[1]
        assert (told["training_loss"], told["validation_loss"], told["accuracy"], told["step"]) == (3, 0.125, 0.5, 6)


def test_a_callback_is_for_one_training(tmp_path):
    model = Model(schedule=True)
    callback = watching(tmp_path, model)
    fit(callback, model, [1.0])
    with pytest.raises(ArgumentError, match="has recorded a training already"):
        callback.on_train_begin()


def test_what_goes_wrong_ends_the_recording_only(tmp_path):
    model = Model()
    callback = watching(tmp_path, model)
    callback.on_train_begin()
    del model.optimizer
    with pytest.warns(PonderaWarning, match="Training went on without it"):
        callback.on_train_batch_begin(0)
    callback.on_train_batch_end(0, {"loss": 1.0})
    callback.on_train_end()
