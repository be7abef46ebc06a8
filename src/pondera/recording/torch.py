"""Watches the training of a PyTorch module: hooks on its optimizer see every step. PyTorch itself is never imported."""

from __future__ import annotations

import os
import re
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.recording.figures import UnitFigures
from pondera.recording.pace import FINISHED, Pace, begin_run

Array = np.ndarray[Any, Any]

WRAPPED = re.compile(r"^(_orig_mod\.|module\.)+")
"""How names begin in modules that are compiled, or trained on many devices."""

TOGETHER = 64
"""Steps whose figures are written at once: reading one from a device makes the host wait for it."""

MOST_ROWS = 2048
"""Of a layer's outputs so many rows are looked at; places of a picture and of a text count as rows."""

LAYERS = {
    "Linear": "dense",
    "Conv1d": "convolution",
    "Conv2d": "convolution",
    "Conv3d": "convolution",
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
}
"""Modules whose outputs are looked at -> what they are called."""

SLOPES: dict[str, Callable[[Array], Array]] = {"tanh": lambda y: 1 - y * y, "sigmoid": lambda y: 4 * y * (1 - y)}
FLAT = 0.05
"""An activation is on a flat end where its derivative is below this share of its largest."""


def watch(
    model: Any,
    optimizer: Any,
    run: str | os.PathLike[str],
    level: str = "default",
    *,
    budget: int | None = None,
    replace: bool = False,
    about: Mapping[str, Any] | None = None,
) -> TorchWatch:
    """Record the life of every parameter of a PyTorch module while a loop of your own trains it.

    Parameters
    ----------
    model
        A ``torch.nn.Module``, compiled or not, on any device. Parameters that two modules share are one.
    optimizer
        The ``torch.optim.Optimizer`` that steps it: its steps are those of the run.
    run
        Folder of the run.
    level, budget
        As of a :class:`~pondera.recording.recorder.Recorder`.
    replace
        Whether a run that is in the folder is replaced; else it is an error.
    about
        More to be known of the run, JSON-ready.

    Returns
    -------
    A context manager; :meth:`TorchWatch.loss` takes the loss of the step.

    Raises
    ------
    ArgumentError
        If these are no module and optimizer of PyTorch.
    RunError
        If the folder cannot be written to, or holds a run.

    Examples
    --------
    ::

        with pondera.watch(model, optimizer, run="runs/first") as watching:
            for x, y in batches:
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                watching.loss(loss)
                optimizer.step()
    """
    if not hasattr(model, "named_parameters") or not hasattr(optimizer, "register_step_pre_hook"):
        raise ArgumentError(
            "pondera.watch takes a PyTorch module and its optimizer. "
            f"Got {type(model).__name__} and {type(optimizer).__name__}."
        )
    if not any(True for _ in model.named_parameters()):
        raise ArgumentError("The module has no parameters to watch.")
    told = {**(about or {}), "framework": "PyTorch", "optimizer": type(optimizer).__name__}
    return TorchWatch(model, optimizer, begin_run(run, level, budget=budget, replace=replace, about=told))


class TorchWatch:
    """Watches the steps of one optimizer; see :func:`watch`."""

    def __init__(self, model: Any, optimizer: Any, pace: Pace) -> None:
        self.parameters = {WRAPPED.sub("", name): each for name, each in model.named_parameters()}
        self.pace, self.writer = pace, pace.writer
        self.step = 0
        self._told: list[tuple[Any, float, Any]] = []  # loss, rate and norm of steps not written yet
        self._first = 0  # of these steps
        self._loss: Any = None
        self._before: dict[str, Array] | None = None
        self._gradients: dict[str, Array] = {}
        self._units: dict[str, UnitFigures] = {}
        self._model = weakref.ref(model)
        self._looks: list[Any] = []  # hooks that see outputs, while a step is looked at
        self.writer.part(0, {name: _array(each, copy=True) for name, each in self.parameters.items()})
        self._hooks = [
            optimizer.register_step_pre_hook(self._begins),
            optimizer.register_step_post_hook(self._ended),
        ]
        self._close = weakref.finalize(self, self.writer.close)
        self._prepare()

    def __enter__(self) -> TorchWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(finished=kind is None)

    def loss(self, value: Any) -> None:
        """Take the loss of the step that comes next, a number or a tensor of one; it is not read at once."""
        self._loss = value.detach() if hasattr(value, "detach") else float(value)

    def epoch(self, number: int, **figures: Any) -> None:
        """Write down an epoch's figures, such as ``validation_loss=0.3``."""
        known = {"training_loss": None, "validation_loss": None, "validation_metric": None}
        self.writer.epoch(0, number, known | figures | {"epoch": number, "step": self.step})

    def close(self, finished: bool = True) -> None:
        """Write what is left, take the hooks off, and let go of the folder. What comes after is not recorded."""
        if not self._close.alive:
            return
        for hook in [*self._hooks, *self._looks]:
            hook.remove()
        self._tell()
        self.writer.weights(0, self.step, {name: _array(each, copy=True) for name, each in self.parameters.items()})
        self.writer.about(**{"kept.0": self.step}, **({"state": FINISHED} if finished else {}))
        self._close()

    def _prepare(self) -> None:
        """Make ready for the next step, if it is one that is recorded."""
        self._wanted = self.pace.wants(self.step)
        model = self._model()
        if self._wanted and model is not None and not hasattr(model, "_orig_mod"):
            for name, module in model.named_modules():
                if type(module).__name__ in LAYERS:
                    self._looks.append(module.register_forward_hook(self._look(WRAPPED.sub("", name) or "model")))

    def _look(self, name: str) -> Callable[[Any, Any, Any], None]:
        def look(module: Any, _: Any, out: Any) -> None:
            begun = time.perf_counter()
            if hasattr(out, "detach") and out.ndim >= 2 and len(out):
                kind = LAYERS[type(module).__name__]
                self._units[name] = _units(kind, out.detach())
            self.pace.spent += time.perf_counter() - begun

        return look

    def _begins(self, optimizer: Any, *_: Any) -> None:
        begun = time.perf_counter()
        rate = max(float(group["lr"]) for group in optimizer.param_groups)
        gradients = {name: each.grad for name, each in self.parameters.items() if each.grad is not None}
        norm = sum((each.detach().float().square().sum() for each in gradients.values()), 0.0)
        self._told.append((self._loss, rate, norm))
        self._loss = None
        if self._wanted:
            self._before = {name: _array(each, copy=True) for name, each in self.parameters.items()}
            self._gradients = {name: _array(each, copy=True) for name, each in gradients.items()}
            self.pace.spent += time.perf_counter() - begun

    def _ended(self, *_: Any) -> None:
        if self._before is not None:
            begun = time.perf_counter()
            after = {name: _array(each, copy=True) for name, each in self.parameters.items()}
            if self.step == 0:
                self.writer.snapshot(0, 0, self._before)
            self.writer.point(0, self.step, self._before, after, self._gradients, self._units)
            self._before, self._gradients, self._units = None, {}, {}
            for hook in self._looks:
                hook.remove()
            self._looks = []
            self.pace.spent += time.perf_counter() - begun
        self.step += 1
        if len(self._told) >= TOGETHER:
            self._tell()
        self._prepare()

    def _tell(self) -> None:
        """Write the figures of steps down."""
        if self._told:
            losses, rates, squares = ([_number(each) for each in column] for column in zip(*self._told, strict=True))
            self.writer.steps(0, self._first, np.array(losses), np.array(rates), np.sqrt(np.array(squares)))
        self._first, self._told = self.step, []


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _array(tensor: Any, *, copy: bool = False) -> Array:
    """Return a tensor's values; those of which NumPy has no type as float32."""
    values = tensor.detach()
    if str(values.dtype) not in ("torch.float32", "torch.float64"):
        values, copy = values.float(), False
    found: Array = values.cpu().numpy()
    return found.copy() if copy else found


def _units(kind: str, out: Any) -> UnitFigures:
    """Return figures of outputs; channels of a convolution's are units, and every place of a picture is a row."""
    if kind == "convolution" or (out.ndim > 3):
        out = out.movedim(1, -1)
    rows = out.reshape(-1, out.shape[-1])
    values = _array(rows[:: max(len(rows) // MOST_ROWS, 1)][:MOST_ROWS]).astype(np.float64)
    flat = SLOPES[kind](values) < FLAT if kind in SLOPES else None
    return UnitFigures.of(kind, values, flat)
