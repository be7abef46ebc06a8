"""What the layers of a PyTorch module make of a batch, as hooks see it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from pondera.recording.loops import Loop, Outputs

Array = np.ndarray[Any, Any]

MOST_ROWS = 512
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

UNITS = {"Linear": -1, "Conv1d": -2, "Conv2d": -3, "Conv3d": -4}
"""Which axis of their outputs, from the end, are the units of modules that have weights."""

SLOPES: dict[str, Callable[[Array], Array]] = {"tanh": lambda y: 1 - y * y, "sigmoid": lambda y: 4 * y * (1 - y)}
FLAT = 0.05
"""An activation is on a flat end where its derivative is below this share of its largest."""


class Seen(dict[str, Outputs]):
    """Module -> what it made of a batch.

    Attributes
    ----------
    axis
        That of the units of the last module with weights, from the end: an activation's units lie where those did.
    """

    axis = -1


class Look:
    """Sees what a module makes of a batch.

    It does not hold the watch: the module would keep that from being collected.
    A module that is copied or pickled while it is watched takes one with it that sees nothing.
    """

    def __init__(self, name: str = "", recording: Loop | None = None, seen: Seen | None = None) -> None:
        self.name, self.recording, self.seen = name, recording, Seen() if seen is None else seen

    def __reduce__(self) -> tuple[type[Look], tuple[()]]:
        return Look, ()

    def __call__(self, module: Any, _: Any, out: Any) -> None:
        """Keep the figures of outputs, of training only."""
        import torch  # type: ignore[import-not-found]  # it is there: it calls this

        if self.recording is not None and not torch.compiler.is_compiling():
            self.recording.guarded(self._see, module, out, torch.is_grad_enabled())

    def _see(self, module: Any, out: Any, learns: bool) -> None:
        if module.training and learns and hasattr(out, "detach") and out.ndim >= 2 and out.numel():
            kind = type(module).__name__
            self.seen.axis = UNITS.get(kind, self.seen.axis)
            with contextlib.suppress(RuntimeError):  # within vmap and grad of torch.func tensors have no values to copy
                self.seen[self.name] = outputs_of(LAYERS[kind], out, self.seen.axis)


def array_of(tensor: Any) -> Array:
    """Return a copy of a tensor's values; float32 where they are neither float32 nor float64."""
    found = tensor.detach()
    if hasattr(found, "to_local"):
        found = found.to_local()
    if getattr(found, "is_sparse", False):
        found = found.to_dense()
    if str(found.dtype) not in ("torch.float32", "torch.float64"):
        found = found.float()
    return np.array(found.cpu().numpy())


def outputs_of(kind: str, out: Any, axis: int) -> Outputs:
    """Return some rows of outputs, evenly apart; what is not on the axis of the units, such as places, counts as rows.

    Outputs of fewer axes than that, such as those of a picture that was made flat, have their units on the last one.
    """
    found = out.detach()
    if -axis <= found.ndim:
        found = found.movedim(axis, -1)
    rows = found.reshape(-1, found.shape[-1])
    if len(rows) > MOST_ROWS:
        rows = rows[np.arange(MOST_ROWS) * len(rows) // MOST_ROWS]
    values = array_of(rows)
    return Outputs(kind, values, SLOPES[kind](values) < FLAT if kind in SLOPES else None)
