"""Watches the training of a PyTorch module: hooks on its optimizer see every step.

PyTorch is no dependency: it is there where somebody has a module of it.
"""

from __future__ import annotations

import math
import os
import warnings
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pondera.choice import counted, plain
from pondera.constraints import Rule, check
from pondera.errors import ArgumentError, PonderaWarning
from pondera.recording.arguments import require
from pondera.recording.loops import Loop
from pondera.recording.torch_outputs import LAYERS, Look, Seen, array_of

if TYPE_CHECKING:
    from pondera.recording.health.watch import OnFinding

Array = np.ndarray[Any, Any]

WRAPPERS = ("DistributedDataParallel", "DataParallel", "FullyShardedDataParallel")
"""Modules that are another one, trained on many devices; theirs is called ``module``."""

NUMBER = Rule("a whole number", lambda value: _is_whole(plain(value)))
"""What the number of an epoch is."""

INSERTED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""What compiling and wrapping parts of a module put into the names of its parameters."""


def watch(
    model: Any,
    optimizer: Any,
    run: str | os.PathLike[str],
    level: str = "default",
    *,
    budget: int | None = None,
    replace: bool = False,
    about: Mapping[str, Any] | None = None,
    on_finding: OnFinding | None = None,
) -> TorchWatch:
    """Record the life of every parameter of a PyTorch module while a loop of your own trains it.

    Some steps, ever fewer of them, are recorded from both sides: weights before and after, gradients, and what linear,
    convolutional and activation modules made of the batch, unless they are compiled. Of every step the learning rate
    (the largest of the optimizer's groups), the loss where it is told, and, where there is time for it, the norm of all
    gradients as the optimizer gets them: NaN elsewhere. Parameters that are neither float32 nor float64, such as
    bfloat16, are recorded as float32.

    Parameters
    ----------
    model
        A ``torch.nn.Module``, compiled, wrapped for many devices or neither, on any device. A parameter that several
        modules share is recorded once, under its first name; a frozen one has no gradients.
    optimizer
        The ``torch.optim.Optimizer`` that trains it: its steps are those of the run.
    run
        Folder of the run.
    level
        ``"default"`` takes at most half a percent of the training's time and a tenth of a second; ``"full"`` records
        every one of the first thousand steps, and then each that is 1 % later than the one before.
    budget
        Bytes of disk that the run may take; by default 256 MB, or 16 times the bytes of the weights where that is more.
    replace
        Whether a run that is in the folder is replaced; else it is an error.
    about
        More to be known of the run, JSON-ready.
    on_finding
        Called with 0 and a :class:`~pondera.findings.Finding` when a rule finds something wrong with the training,
        once a rule; from the thread that writes. The rules load JAX.

    Returns
    -------
    A context manager, or an object to be closed: see :class:`TorchWatch`.

    Raises
    ------
    ArgumentError
        If these are no module and optimizer of PyTorch, parameters have no values yet or complex ones, or another
        argument is none that it takes.
    RunError
        If the folder cannot be written to, holds a run, or another process writes to it.

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
    if not hasattr(model, "named_parameters") or not hasattr(optimizer, "register_step_post_hook"):
        raise ArgumentError(
            "pondera.watch takes a PyTorch module and its optimizer. "
            f"Got {type(model).__name__} and {type(optimizer).__name__}."
        )
    require("pondera.watch", run=run, budget=budget, about=about, on_finding=on_finding)
    import torch  # type: ignore[import-not-found]  # it is there: these objects are its own

    inner = unwrapped(model)
    found = named_parameters(inner)
    if not found:
        raise ArgumentError("Expected a module with parameters, found none in it.")
    for name, each in found.items():
        if type(each).__name__.startswith("Uninitialized") or each.is_meta:
            raise ArgumentError(f"{name} has no values yet. Run one batch through the module, then watch it.")
        if str(each.dtype).startswith("torch.complex"):
            raise ArgumentError(f"{name} holds complex numbers, and a run real ones. Give modules of real parameters.")
    _warn_of_others(found, optimizer)
    told = dict(about or {}) | {
        "framework": "PyTorch",
        "module": type(inner).__name__,
        "optimizer": type(optimizer).__name__,
    }
    loop = Loop(run, level, budget, replace, told, {"torch": torch.__version__}, on_finding)
    watching = TorchWatch(model, loop)
    try:
        watching.begin(optimizer)
    except BaseException:
        watching.close(finished=False)
        raise
    return watching


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _warn_of_others(parameters: Mapping[str, Any], optimizer: Any) -> None:
    """Warn where an optimizer trains parameters, and none of a module's is among them.

    It may be another module's; or it trains copies of them, as some that train in mixed precision do.
    """
    trained = {id(each) for group in optimizer.param_groups for each in group.get("params", ())}
    if trained and trained.isdisjoint(map(id, parameters.values())):
        warnings.warn(
            f"This {type(optimizer).__name__} trains {counted(len(trained), 'parameter')}, none of which is one of the "
            f"module's {len(parameters):,}. Unless it trains copies of them, give the one that was made of "
            "model.parameters().",
            PonderaWarning,
            stacklevel=3,
        )


class TorchWatch:
    """Watches the steps of one optimizer; :func:`watch` makes it.

    It ends when it is closed, or when nobody has module and optimizer any more. Parameters that are added to the module
    later are recorded from the next recorded step on, as far as they are found there; those taken out are so no longer.
    """

    def __init__(self, model: Any, recording: Loop) -> None:
        import torch

        inner = unwrapped(model)
        self.recording = recording
        self.step_number = 0
        self._torch = torch
        # A watch that forgot to be closed must not keep a network in memory, nor a writer at work.
        self._model = weakref.ref(inner)
        self._parameters: dict[str, Any] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._late = False
        self._loss: Any = None
        self._wanted = False
        self._norm: Any = None
        self._before: dict[str, Array] = {}
        self._gradients: dict[str, Array] = {}
        self._seen = Seen()
        self._looks: list[Any] = []  # hooks that see outputs, while a step is looked at
        self._compiled = any(hasattr(each, "_orig_mod") for each in model.modules()) or any(
            getattr(each, "_compiled_call_impl", None) is not None for each in inner.modules()
        )
        self._hooks: list[Any] = []
        self._abandoned = weakref.finalize(self, self.recording.close, False)

    def __enter__(self) -> TorchWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(finished=kind is None)

    def begin(self, optimizer: Any) -> None:
        """Write down the start, and see every step of an optimizer from now on."""
        self._meet(named_parameters(self._model()))
        self._prepare()
        hidden = self._torch.compiler.disable  # where a whole step is compiled, what watches it is not
        self._hooks.append(optimizer.register_step_pre_hook(hidden(self._begins)))
        self._hooks.append(optimizer.register_step_post_hook(hidden(self._ended)))

    def loss(self, value: Any) -> None:
        """Take the loss of the step that comes next, a number or a tensor of one, which is not read at once."""
        self._loss = value.detach() if hasattr(value, "detach") else value

    def step(self, loss: Any) -> None:
        """Take the loss of the step that was just made, where ``optimizer.step`` is behind and not to come."""
        self.recording.tell_loss(loss.detach() if hasattr(loss, "detach") else loss)

    def epoch(self, number: int, **figures: float) -> None:
        """Write down an epoch's figures, such as ``training_loss=0.2, validation_loss=0.3``.

        Raises
        ------
        ArgumentError
            If the number of the epoch is none.
        """
        check("epoch", {"number": number}, {"number": (NUMBER,)})
        self.recording.guarded(self.recording.epoch, number, figures)

    def close(self, finished: bool = True) -> None:
        """Write what is left, the last weights too, take the hooks off, and let go of the folder."""
        self._remove(self._hooks)
        self._remove(self._looks)
        self.recording.guarded(self._end, finished)

    def _end(self, finished: bool) -> None:
        weights = {name: array_of(each) for name, each in self._alive().items()}
        self.recording.close(finished, weights or None)

    def _alive(self) -> dict[str, Any]:
        found = {name: each() for name, each in self._parameters.items()}
        return {name: each for name, each in found.items() if each is not None}

    def _meet(self, found: Mapping[str, Any]) -> None:
        """Take the parameters of a module, and write down the start of those that are new."""
        new = {name: each for name, each in found.items() if name not in self._parameters}
        if new:
            self.recording.begin({name: array_of(each) for name, each in new.items()})
        self._parameters = {name: weakref.ref(each) for name, each in found.items()}
        self._shapes |= {name: tuple(each.shape) for name, each in new.items()}

    def _prepare(self) -> None:
        """Make ready for the next step, if it is one that is recorded."""
        self._wanted = self.recording.wants(self.step_number)
        model = self._model()
        if not self._wanted or model is None:
            return
        found = named_parameters(model)
        self._meet({name: each for name, each in found.items() if self._fits(name, each)})
        if not self._compiled:
            for name, module in model.named_modules():
                if type(module).__name__ in LAYERS:
                    look = Look(inserted(name) or "model", self.recording, self._seen)
                    self._looks.append(module.register_forward_hook(look))

    def _fits(self, name: str, parameter: Any) -> bool:
        """Whether a parameter has the shape it had: under another one its history would be of something else."""
        return self._shapes.get(name, tuple(parameter.shape)) == tuple(parameter.shape)

    def _begins(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Look at the weights before a step, and at the gradients if they are there."""
        # Where a closure computes them, they are there only once the step is made.
        self._late = bool(args[1:] if args and args[0] is optimizer else args) or kwargs.get("closure") is not None
        self.recording.guarded(self._see_before, optimizer)  # PyTorch lets no hook be taken off while it goes over them

    def _ended(self, optimizer: Any, *_: Any) -> None:
        self.recording.guarded(self._see_after, optimizer)

    def _see_before(self, optimizer: Any) -> None:
        if self._wanted:
            self._before = {name: array_of(each) for name, each in self._alive().items()}
        if not self._late:
            self._see_gradients(optimizer)

    def _see_gradients(self, optimizer: Any) -> None:
        gradients = {name: each.grad for name, each in self._alive().items() if each.grad is not None}
        # The largest single cost of a step that is not recorded: one pass over all gradients.
        affordable = self._wanted or self.recording.overhead.allows()
        self._norm = self._norm_of(list(gradients.values())) if affordable else None
        scale = getattr(optimizer, "grad_scale", None)  # what fused optimizers are yet to divide by
        if scale is not None and self._norm is not None:
            self._norm = self._norm / scale.to(self._norm.device)
        if self._wanted:
            by = 1.0 if scale is None else float(scale)
            self._gradients = {name: array_of(each) / by for name, each in gradients.items()}

    def _norm_of(self, gradients: list[Any]) -> Any:
        """Return the norm of all gradients as a tensor that is not read yet."""
        torch = self._torch
        local = [local_values(each) for each in gradients]
        if not local:
            return math.nan
        halves = [each for each in local if each.dtype in (torch.float16, torch.bfloat16)]  # too short to sum up in
        others = [each for each in local if each.dtype not in (torch.float16, torch.bfloat16)]
        norms = torch._foreach_norm(others, 2) if others else ()
        norms = (*norms, *(torch._foreach_norm(halves, 2, torch.float32) if halves else ()))
        device = norms[0].device
        return torch.linalg.vector_norm(torch.stack([each.to(device, torch.float32) for each in norms]))

    def _see_after(self, optimizer: Any) -> None:
        if self._late:
            self._see_gradients(optimizer)
        rate = max((float(group["lr"]) for group in optimizer.param_groups if "lr" in group), default=math.nan)
        self.recording.took(self.step_number, self._loss, rate, self._norm)
        self._loss = self._norm = None
        if self._wanted:
            after = {name: array_of(each) for name, each in self._alive().items()}
            before = {name: each for name, each in self._before.items() if name in after}
            self.recording.point(self.step_number, before, after, self._gradients, dict(self._seen))
            self._before, self._gradients = {}, {}
            self._seen.clear()
            self._remove(self._looks)
        self.step_number += 1
        self._prepare()

    def _remove(self, hooks: list[Any]) -> None:
        for hook in hooks:
            hook.remove()
        hooks.clear()


def unwrapped(model: Any) -> Any:
    """Return the module within those that compile it or train it on many devices."""
    while True:
        if hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif type(model).__name__ in WRAPPERS:
            model = model.module
        else:
            return model


def inserted(name: str) -> str:
    """Return a name without what compiling and wrapping put into it.

    >>> inserted("encoder._orig_mod.0.weight")
    'encoder.0.weight'
    """
    for each in INSERTED:
        name = name.replace(each, "")
    return name


def named_parameters(model: Any) -> dict[str, Any]:
    """Return the parameters of a module by name, each once."""
    return {inserted(name): each for name, each in model.named_parameters()}


def local_values(tensor: Any) -> Any:
    """Return what of a tensor is on this process, the values alone where it is sparse, outside of differentiation."""
    found = tensor.detach()
    if hasattr(found, "to_local"):
        found = found.to_local()
    return found.coalesce().values() if getattr(found, "is_sparse", False) else found
