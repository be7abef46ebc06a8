"""Models of other libraries as what is explained."""

from __future__ import annotations

from typing import Any

import numpy as np

from pondera.explaining.subject import Subject

Array = np.ndarray[Any, Any]

LEAST = 1e-7
"""Probabilities are kept this far from 0 before their logarithm is taken."""


def of_torch(module: Any) -> Subject:
    """Return a PyTorch module as what is explained: rows in, outputs out, slopes by its own differentiation.

    Parameters
    ----------
    module
        Takes (rows, inputs) of its parameters' dtype and gives (rows, outputs) or (rows,). It is called as it is: put
        it into ``eval`` mode first.
    """
    import torch  # type: ignore[import-not-found]  # an optional companion

    dtype = next((each.dtype for each in module.parameters()), torch.float32)

    def outputs(x: Array) -> Array:
        with torch.no_grad():
            found = module(torch.as_tensor(np.ascontiguousarray(x), dtype=dtype))
        return np.asarray(found.reshape(len(x), -1).numpy())

    def slopes(x: Array, direction: Array) -> Array:
        rows = torch.as_tensor(np.ascontiguousarray(x), dtype=dtype).clone().requires_grad_(True)
        found = module(rows).reshape(len(x), -1)
        score = (found * torch.as_tensor(np.ascontiguousarray(direction), dtype=dtype)).sum()
        return np.asarray(torch.autograd.grad(score, rows)[0].numpy())

    return Subject(outputs, slopes)


def of_estimator(estimator: Any) -> Subject:
    """Return a fitted estimator of scikit-learn's kind as what is explained, without slopes.

    Outputs are what ``predict`` gives, (rows, 1); of a classifier the logarithms of its probabilities, (rows, classes),
    or the log-odds of the second of two classes, (rows, 1).
    """
    if not hasattr(estimator, "predict_proba"):
        return Subject(lambda x: np.asarray(estimator.predict(x), np.float64).reshape(len(x), -1))

    def outputs(x: Array) -> Array:
        logarithms = np.log(np.clip(estimator.predict_proba(x), LEAST, None))
        return np.asarray(logarithms[:, 1:] - logarithms[:, :1] if logarithms.shape[1] == 2 else logarithms)

    return Subject(outputs)
