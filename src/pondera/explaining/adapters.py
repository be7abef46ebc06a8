"""Models of other libraries as what is explained."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pondera.errors import ArgumentError
from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

LEAST = 1e-7
"""Probabilities are kept this far from 0 before their logarithm is taken."""


SEVERAL = "This classifier predicts several targets at once; explain one of its estimators."


def of_torch(module: Any) -> Subject:
    """Return a PyTorch module as what is explained: rows in, outputs out, slopes by its own differentiation.

    Parameters
    ----------
    module
        Takes (rows, inputs) of its parameters' dtype and gives (rows, outputs) or (rows,). It must be in ``eval`` mode:
        in training, dropout is random and normalization changes with what is asked.

    Raises
    ------
    ArgumentError
        If it is in training mode.
    """
    if any(part.training for part in module.modules()):
        raise ArgumentError("The PyTorch module is in training mode. Call its eval() first.")
    return _of_module(module, module)


def _of_module(module: Any, call: Callable[[Any], Any]) -> Subject:
    """Return a module as what is explained, called as it is or with other weights."""
    import torch  # type: ignore[import-not-found]  # an optional companion

    first = next(module.parameters(), None)
    kind = {"dtype": torch.float32} if first is None else {"dtype": first.dtype, "device": first.device}

    def outputs(x: Array) -> Array:
        with torch.no_grad():
            found = call(torch.as_tensor(np.ascontiguousarray(x), **kind))
        return np.asarray(found.reshape(len(x), -1).detach().cpu().numpy())

    def slopes(x: Array, direction: Array) -> Array:
        rows = torch.as_tensor(np.ascontiguousarray(x), **kind).clone().requires_grad_(True)
        found = call(rows).reshape(len(x), -1)
        score = (found * torch.as_tensor(np.ascontiguousarray(direction), **kind)).sum()
        if not score.requires_grad:
            return np.zeros(x.shape)
        slope = torch.autograd.grad(score, rows, allow_unused=True)[0]
        return np.zeros(x.shape) if slope is None else np.asarray(slope.detach().cpu().numpy())

    def changed(change: Callable[[Array], Array]) -> Subject:
        weights = {
            name: torch.as_tensor(change(value.detach().cpu().float().numpy())).to(value)
            for name, value in module.named_parameters()
            if value.is_floating_point()
        }
        return _of_module(module, lambda rows: torch.func.functional_call(module, weights, (rows,)))

    able = first is not None and not isinstance(module, torch.jit.ScriptModule)  # whose weights are its own
    return Subject(outputs, slopes, changed=changed if able else None)


def of_estimator(estimator: Any) -> Subject:
    """Return a fitted estimator of scikit-learn's kind as what is explained, without slopes.

    Outputs are what ``predict`` gives, (rows, 1); of a classifier the logarithms of its probabilities, (rows, classes),
    or the log-odds of the second of two classes, (rows, 1); where it has no probabilities, its decision values.

    Raises
    ------
    ArgumentError
        If a classifier has neither.
    """
    random = _is_random(estimator)
    if is_decided(estimator):
        return _of_decisions(estimator, random)
    if not hasattr(estimator, "predict_proba"):
        return Subject(
            lambda x: np.asarray(_asked(estimator.predict, x), np.float64).reshape(len(x), -1), random=random
        )

    def outputs(x: Array) -> Array:
        probabilities = _asked(estimator.predict_proba, x)
        if not isinstance(probabilities, np.ndarray):
            raise ArgumentError(SEVERAL)
        logarithms = np.log(np.clip(probabilities, LEAST, None))
        return np.asarray(logarithms[:, 1:] - logarithms[:, :1] if logarithms.shape[1] == 2 else logarithms)

    return Subject(outputs, random=random)


def _is_random(estimator: Any) -> bool:
    """Whether fitting it again may give another one: so it is where it, or a part of it, takes a random state."""
    known = estimator.get_params() if hasattr(estimator, "get_params") else {"random_state": None}
    return any(name.split("__")[-1] == "random_state" for name in known)


def is_decided(estimator: Any) -> bool:
    """Whether something predicts classes without probabilities: by decision values, as a support vector machine."""
    return hasattr(estimator, "classes_") and not hasattr(estimator, "predict_proba")


def _of_decisions(estimator: Any, random: bool) -> Subject:
    if not hasattr(estimator, "decision_function"):
        raise ArgumentError(
            "Expected a classifier with predict_proba or decision_function, whose values can be explained. "
            f"Got {type(estimator).__name__}, which says no more than a class. Have it give probabilities, if it can."
        )
    count = len(estimator.classes_)
    width = 1 if count == 2 else count

    def outputs(x: Array) -> Array:
        found = np.asarray(_asked(estimator.decision_function, x), np.float64).reshape(len(x), -1)
        if isinstance(estimator.classes_, list):
            raise ArgumentError(SEVERAL)
        pairs = count > 2 and getattr(estimator, "decision_function_shape", "ovr") == "ovo"
        if found.shape[1] != width or pairs:
            raise ArgumentError(
                f"Expected one decision value for each of {count} classes. Got {found.shape[1]}, of pairs of classes: "
                "fit the estimator with decision_function_shape='ovr'."
            )
        return found

    return Subject(outputs, random=random)


def _asked(what: Callable[[Any], Any], x: Any) -> Any:
    """Return what an estimator says; that an array has no names is known, and needs no warning at every call."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        warnings.filterwarnings("ignore", message="X has feature names, but")
        return what(x)
