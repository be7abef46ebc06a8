"""A callback for Keras 3, whatever computes. Keras is no dependency: it is there where somebody trains with it."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.recording.arguments import require
from pondera.recording.loops import Loop
from pondera.recording.torch_outputs import array_of

if TYPE_CHECKING:
    from pondera.recording.health.watch import OnFinding

Array = np.ndarray[Any, Any]


def callback(
    run: str | os.PathLike[str],
    level: str = "default",
    *,
    budget: int | None = None,
    replace: bool = False,
    about: Mapping[str, Any] | None = None,
    on_finding: OnFinding | None = None,
) -> Any:
    """Return a callback for ``model.fit`` of Keras 3 that records the life of every weight.

    Weights before and after some steps, moving statistics too, the loss of every batch, learning rates, and of every
    epoch what Keras tells of it. The loss of a batch is computed from Keras' running means, as if all batches were of
    one size; that of a smaller last batch comes out nearer to the mean. Gradients are known where PyTorch computes.
    With ``steps_per_execution`` an execution counts as a step.

    Parameters
    ----------
    run
        Folder of the run.
    level, budget, replace, about, on_finding
        As for :func:`~pondera.recording.torch.watch`.

    Raises
    ------
    ArgumentError
        If there is no such level, an argument is none that it takes, or a callback is used for a second training.
    RunError
        If the folder cannot be written to, holds a run, or another process writes to it.

    Examples
    --------
    ::

        model.fit(x, y, validation_split=0.2, callbacks=[pondera.recording.keras.callback("runs/first")])
    """
    require("keras.callback", run=run, budget=budget, about=about, on_finding=on_finding)
    import keras  # type: ignore[import-not-found]  # an optional companion

    class KerasCallback(Watching, keras.callbacks.Callback):  # type: ignore[misc]
        """What Keras calls."""

    told = dict(about or {}) | {"framework": f"Keras on {keras.backend.backend()}"}
    loop = Loop(run, level, budget, replace, told, {"keras": keras.__version__}, on_finding)
    return KerasCallback(loop, keras.ops.convert_to_numpy)


class Watching:
    """What is done when Keras calls; ``model`` is its own."""

    model: Any

    def __init__(self, loop: Loop, to_numpy: Callable[[Any], Any]) -> None:
        super().__init__()
        self.loop, self._to_numpy = loop, to_numpy
        self._step = self._batches = 0  # in all; in this epoch
        self._before: dict[str, Array] = {}
        self._begun = self._wanted = False
        self._mean, self._rate = 0.0, math.nan
        self._abandoned = weakref.finalize(self, loop.close, False)

    def on_train_begin(self, logs: Any = None) -> None:
        """Write down the start."""
        if self._begun or not self.loop.open:
            raise ArgumentError("This callback has recorded a training already. Make another one for the next.")
        self._begun = True
        self.loop.guarded(lambda: self.loop.begin(self._weights()))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin to count."""
        self._batches, self._mean = 0, 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Look at the weights before a step that is recorded."""
        self.loop.guarded(self._see_before)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the weights after it."""
        self.loop.guarded(self._see_after, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write down what is known of the epoch."""
        self.loop.guarded(self._see_epoch, epoch, logs or {})

    def on_train_end(self, logs: Any = None) -> None:
        """Write what is left."""
        self.loop.guarded(lambda: self.loop.close(True, self._weights()))

    def _see_before(self) -> None:
        self._wanted = self.loop.wants(self._step)
        if self._wanted or not self._batches:
            self._sync()
            self._rate = float(self._to_numpy(self.model.optimizer.learning_rate))
        elif hasattr(self.model.optimizer._learning_rate, "get_config"):  # a schedule; its step is not known now
            self._rate = math.nan
        if self._wanted:
            self._before = self._weights()

    def _see_after(self, logs: Any) -> None:
        self._batches += 1
        mean = (logs or {}).get("loss")
        loss = math.nan
        if mean is not None:
            loss = self._batches * float(mean) - (self._batches - 1) * self._mean
            self._mean = float(mean)
        if self._wanted:
            self.loop.point(self._step, self._before, self._weights(), self._gradients() or None)
        self.loop.took(self._step, loss, self._rate)
        self._step += 1

    def _see_epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        known = {name: float(value) for name, value in logs.items()}
        losses = {"training_loss": known.pop("loss", None), "validation_loss": known.pop("val_loss", None)}
        self.loop.epoch(epoch, losses | known)

    def _sync(self) -> None:
        """Have the model hold its weights: with JAX they are elsewhere between the steps of an epoch."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()

    def _variables(self) -> dict[str, Any]:
        return {each.path: each for each in self.model.weights if "float" in str(each.dtype)}

    def _weights(self) -> dict[str, Array]:
        self._sync()
        found = {name: np.asarray(self._to_numpy(each)) for name, each in self._variables().items()}
        return {
            name: np.array(each, each.dtype if each.dtype in (np.float32, np.float64) else np.float32)
            for name, each in found.items()
        }

    def _gradients(self) -> dict[str, Array]:
        """Return what PyTorch left in its parameters, where it computes."""
        values = {name: getattr(each, "value", None) for name, each in self._variables().items()}
        slopes = {name: getattr(each, "grad", None) for name, each in values.items()}
        return {name: array_of(each) for name, each in slopes.items() if each is not None}
